"""EC2 in the seed: hardware from answers of the provider, and prices from sources of different age."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_fetchers.ec2_hardware import instance_types
from catalog_fetchers.seed import aws
from catalog_fetchers.seed.packages import Package


def answer(**columns: Any) -> dict[str, Any]:
    """What DescribeInstanceTypes says of m5.large, but for `columns`."""
    return {
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "NetworkInfo": network("Up to 10 Gigabit", 0.75),
        "SupportedUsageClasses": ["on-demand", "spot"],
        **columns,
    }


def network(words: str, *baselines: float) -> dict[str, Any]:
    """Network of a machine: AWS's words and the baseline of each card."""
    return {"NetworkPerformance": words, "NetworkCards": [{"BaselineBandwidthInGbps": each} for each in baselines]}


def gpus(name: str, count: int, memory_mib: int, **more: Any) -> dict[str, Any]:
    """GPUs as DescribeInstanceTypes lists them."""
    return {"Gpus": [{"Name": name, "Count": count, "MemoryInfo": {"SizeInMiB": memory_mib}, **more}]}


def hardware(**columns: Any) -> dict[str, Any]:
    """The one row of hardware that an answer gives."""
    return instance_types({"t": answer(**columns)}).row(0, named=True)


def test_a_machine_without_accelerators() -> None:
    """vCPUs, GiB and architecture are taken over; there is no accelerator and no local SSD."""
    row = hardware(MemoryInfo={"SizeInMiB": 512}, ProcessorInfo={"SupportedArchitectures": ["i386", "x86_64"]})
    assert (row["vcpus"], row["memory_gib"], row["arch"]) == (2.0, 0.5, "x86_64")
    assert (row["accelerator"], row["accelerator_count"], row["local_ssd_gib"]) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"GpuInfo": gpus("A100", 8, 40960)}, ("A100", 8.0, 40.0)),
        ({"GpuInfo": gpus("A100", 8, 81920)}, ("A100-80GB", 8.0, 80.0)),
        ({"GpuInfo": gpus("V100", 8, 32768)}, ("V100-32GB", 8.0, 32.0)),
        ({"GpuInfo": gpus("L4", 1, 22888)}, ("L4", 1.0, 24.0)),
        ({"GpuInfo": gpus("H200", 8, 144384)}, ("H200", 8.0, 141.0)),
        ({"GpuInfo": gpus("L4", 0, 2861, GpuPartitionSize=0.125, LogicalGpuCount=1)}, ("L4", 0.125, 24.0)),
        (
            {
                "NeuronInfo": {
                    "NeuronDevices": [{"Name": "Trainium2", "Count": 16, "MemoryInfo": {"SizeInMiB": 524288}}]
                }
            },
            ("Trainium2", 16.0, 96.0),
        ),
        (
            {
                "InferenceAcceleratorInfo": {
                    "Accelerators": [{"Name": "Qualcomm AI100", "Count": 8, "MemoryInfo": {"SizeInMiB": 16000}}]
                }
            },
            ("QualcommAI100", 8.0, 16.0),
        ),
        (
            {
                "MediaAcceleratorInfo": {
                    "Accelerators": [{"Name": "U30", "Count": 2, "MemoryInfo": {"SizeInMiB": 24576}}]
                }
            },
            ("U30", 2.0, 24.0),
        ),
        ({"FpgaInfo": {"Fpgas": [{"Name": "VU47P", "Count": 1}]}}, (None, None, None)),
    ],
)
def test_accelerators_have_canonical_names_whole_counts_and_the_memory_of_one(
    info: dict[str, Any], expected: tuple[object, ...]
) -> None:
    """Variants are told apart by memory, parts of a GPU count below one, and a wrong memory is the data sheet's."""
    row = hardware(**info)
    assert (row["accelerator"], row["accelerator_count"], row["accelerator_memory_gib"]) == expected


@pytest.mark.parametrize(
    ("stated", "gbit_s"),
    [
        (network("Up to 10 Gigabit", 0.75), 0.75),
        (network("25 Gigabit", 25.0), 25.0),
        (network("4x 100 Gigabit", 100.0, 100.0, 100.0, 100.0), 400.0),
        (network("200 Gigabit", 200.0, 200.0), 200.0),
        (network("28.12 Gigabit", 28.125), 28.12),
        (network("Moderate", 0.3), 0.3),
    ],
)
def test_bandwidth_is_what_the_machine_sustains(stated: dict[str, Any], gbit_s: float) -> None:
    """A plain figure stands; of `Up to` and of words the baseline of the cards counts."""
    assert hardware(NetworkInfo=stated)["network_gbit_s"] == gbit_s


def test_local_ssd_is_in_gib_and_hard_disks_are_none() -> None:
    """Two SSDs of 950 GB are 1769.5 GiB; a hard disk counts nothing."""
    ssd = {"Disks": [{"Count": 2, "SizeInGB": 950, "Type": "ssd"}]}
    hdd = {"Disks": [{"Count": 2, "SizeInGB": 950, "Type": "hdd"}]}
    assert hardware(InstanceStorageInfo=ssd)["local_ssd_gib"] == 1769.5
    assert hardware(InstanceStorageInfo=hdd)["local_ssd_gib"] == 0.0


def linux(on_demand: float, **more: Any) -> dict[str, Any]:
    """Prices of one type in one region as fixinventorydata has them."""
    return {"linux": {"ondemand": on_demand, **more}}


M5 = {
    "m5.large": {
        "pricing": {
            "us-east-1": linux(
                0.096,
                spot_avg="0.041280",
                pct_interrupt="10-15%",
                reserved={"yrTerm1Standard.noUpfront": 0.06, "yrTerm3Standard.noUpfront": 0.041},
            ),
            "eu-west-1": linux(0.107, pct_interrupt=">20%"),
            "us-gov-west-1": {"dedicated": {"ondemand": 1.0}},
        }
    }
}


def test_all_purchases_of_a_type_and_region() -> None:
    """On-demand, mean spot, and standard reservations without upfront payment; a place without Linux has none."""
    prices = aws.fix_prices(M5, spot=frozenset({"m5.large"}))
    assert sorted(prices.rows()) == [
        ("eu-west-1", "m5.large", "on_demand", 0.107),
        ("us-east-1", "m5.large", "on_demand", 0.096),
        ("us-east-1", "m5.large", "reserved_1y", 0.06),
        ("us-east-1", "m5.large", "reserved_3y", 0.041),
        ("us-east-1", "m5.large", "spot", 0.04128),
    ]


def test_a_type_that_is_not_sold_as_spot_has_no_spot_price() -> None:
    """The provider's answer names no spot class for the type, whatever the price list says."""
    assert "spot" not in set(aws.fix_prices(M5, spot=frozenset())["purchase"])


def test_bands_of_interruption() -> None:
    """`10-15%` is a share from 0.10 to 0.15, and `>20%` has no upper end but one."""
    assert sorted(aws.spot_risk(M5).rows()) == [
        ("aws", "eu-west-1", "m5.large", 0.2, 1.0, 730.0),
        ("aws", "us-east-1", "m5.large", 0.1, 0.15, 730.0),
    ]


@pytest.mark.parametrize(
    ("region", "instance_type", "purchase", "price", "expected"),
    [
        ("us-east-1", "m5.large", "on_demand", 0.096, "high"),
        ("eu-west-1", "m5.large", "on_demand", 0.107, "high"),
        ("eu-west-1", "m5.large", "on_demand", 0.1, "medium"),
        ("us-east-1", "m5.large", "reserved_1y", 0.06, "medium"),
        ("us-east-1", "m5.large", "spot", 0.04, "low"),
        ("us-east-1", "m5.metal", "on_demand", 4.608, "low"),
        ("us-west-2", "p4d.24xlarge", "on_demand", 32.7726, "low"),
        ("us-west-2", "p5.48xlarge", "reserved_1y", 60.0, "low"),
    ],
)
def test_how_far_an_old_price_is_trusted(
    region: str, instance_type: str, purchase: str, price: float, expected: str
) -> None:
    """High where a later list agrees, low for spot, for `.metal` and for the families whose price was cut since."""
    row = pl.DataFrame(
        {"region": [region], "instance_type": [instance_type], "purchase": [purchase], "price_usd_h": [price]}
    )
    later = {"m5.large": {"eu-west-1": 0.107}, "p4d.24xlarge": {"us-west-2": 32.7726}}
    assert row.select(aws.fix_confidence(later)).item() == expected


SIZES = {"c8g.large": 1, "c8g.xlarge": 2, "c8g.2xlarge": 4, "c8g.4xlarge": 8}
BASES = {"us-east-1": 0.07976, "us-west-2": 0.07976, "eu-west-1": 0.0862, "ap-south-1": 0.05}


def c8g(**changed: float) -> dict[str, dict[str, float]]:
    """Prices of a family in four regions, but for those of us-east-1 in `changed` (`xlarge=...`)."""
    prices = {size: {region: base * units for region, base in BASES.items()} for size, units in SIZES.items()}
    for size, price in changed.items():
        prices[f"c8g.{size}"]["us-east-1"] = price
    return prices


NOTHING = pl.DataFrame(schema=["region", "instance_type", "purchase", "price_usd_h"]).cast(
    {"price_usd_h": pl.Float64, **dict.fromkeys(("region", "instance_type", "purchase"), pl.String)}
)


def test_zero_and_dedicated_prices_of_the_later_list_are_left_out() -> None:
    """One price is zero and one 10 % above what its siblings say; the fourteen others stay."""
    kept, dropped = aws.libcloud_prices(c8g(xlarge=0.0, **{"2xlarge": 0.07976 * 4 * 1.1}), NOTHING)
    assert kept.height == 14
    assert dropped == {"zero_price": 1, "dedicated_tenancy": 1, "below_siblings": 0, "too_few_siblings": 0}
    left_out = {(region, size) for region in BASES for size in SIZES} - set(
        kept.select("region", "instance_type").rows()
    )
    assert left_out == {("us-east-1", "c8g.xlarge"), ("us-east-1", "c8g.2xlarge")}


def test_a_price_known_from_the_better_list_is_not_taken_again() -> None:
    """The older list has c8g.large in us-east-1: only the fifteen others are new."""
    known = pl.DataFrame([("us-east-1", "c8g.large", "on_demand", 0.07976)], schema=NOTHING.schema, orient="row")
    kept, dropped = aws.libcloud_prices(c8g(), known)
    assert kept.height == 15
    assert sum(dropped.values()) == 0


def test_a_price_with_too_few_siblings_is_left_out() -> None:
    """A family of one size in one region cannot be compared with anything."""
    kept, dropped = aws.libcloud_prices({"x9.large": {"us-east-1": 1.0}}, NOTHING)
    assert kept.height == 0
    assert dropped["too_few_siblings"] == 1


def test_zones_that_offer_a_type(tmp_path: Path) -> None:
    """One on-demand row without a price for each zone; types whose hardware is unknown are not among them."""
    folder = tmp_path / "ec2/resources/instance_type_offerings/availability-zone"
    folder.mkdir(parents=True)
    for region, zones in {"us-east-1": "ab", "eu-west-1": "c"}.items():
        offerings = [
            {"InstanceType": name, "Location": region + zone} for zone in zones for name in ("m5.large", "mac1")
        ]
        (folder / f"{region}.json.gz").write_bytes(gzip.compress(json.dumps(offerings).encode()))
    moto = Package("moto", "1", "Apache-2.0", "", "", datetime(2026, 10, 1, tzinfo=UTC), tmp_path)
    seen = aws.sightings(moto, {"m5.large": answer()})
    assert seen.rows() == [
        ("aws", "eu-west-1", "eu-west-1c", "m5.large", "on_demand", True),
        ("aws", "us-east-1", "us-east-1a", "m5.large", "on_demand", True),
        ("aws", "us-east-1", "us-east-1b", "m5.large", "on_demand", True),
    ]
