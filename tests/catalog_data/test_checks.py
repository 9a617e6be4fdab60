"""Each check of a batch: a row with its fault is rejected for it, the same batch without the fault is kept whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_data.checks import CHECKS, check, check_against, family, sibling_ratio
from catalog_data.errors import BatchError
from catalog_data.normalise import ACCELERATORS, accelerator_name
from catalog_data.schema import INSTANCE_TYPES, OFFERS, SPOT_RISK, Table

Row = dict[str, Any]
PROVENANCE: Row = {
    "source": "test",
    "source_version": "1",
    "observed_at": datetime(2026, 5, 1, tzinfo=UTC),
    "confidence": "high",
}


def offer(**columns: Any) -> Row:
    """An on-demand offer of m5.large that nothing is wrong with, but for `columns`."""
    return {
        "cloud": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "m5.large",
        "purchase": "on_demand",
        "price_usd_h": 0.096,
        "available": True,
        **PROVENANCE,
        **columns,
    }


def machine(**columns: Any) -> Row:
    """The hardware of m5.large, but for `columns`."""
    return {
        "cloud": "aws",
        "instance_type": "m5.large",
        "vcpus": 2.0,
        "memory_gib": 8.0,
        "arch": "x86_64",
        "accelerator": None,
        "accelerator_count": None,
        "accelerator_memory_gib": None,
        "network_gbit_s": 0.75,
        "local_ssd_gib": 0.0,
        **PROVENANCE,
        **columns,
    }


def gpu_machine(**columns: Any) -> Row:
    """The hardware of a machine of GCP with one A100, but for `columns`."""
    base = {"cloud": "gcp", "instance_type": "a2-highgpu-1g", "vcpus": 12.0, "memory_gib": 85.0}
    gpu = {"accelerator": "A100", "accelerator_count": 1.0, "accelerator_memory_gib": 40.0}
    return machine(**(base | gpu | columns))


def risk(**columns: Any) -> Row:
    """A band of interruptions from 5 to 10 %, but for `columns`."""
    place = {"cloud": "aws", "region": "us-east-1", "instance_type": "m5.large"}
    return {**place, "interruption_low": 0.05, "interruption_high": 0.10, "period_h": 730.0, **PROVENANCE, **columns}


def frame(table: Table, rows: Sequence[Row]) -> pl.DataFrame:
    """The rows as a frame of the table."""
    return pl.DataFrame(list(rows), schema=table.polars_schema(), orient="row")


SIZES = {"m5.large": 1, "m5.xlarge": 2, "m5.2xlarge": 4, "m5.4xlarge": 8}
REGIONS = {"us-east-1": 0.096, "eu-west-1": 0.107, "sa-east-1": 0.153}


def m5_except(factor: float) -> list[Row]:
    """All sizes of m5 in three regions at list price, m5.xlarge in eu-west-1 at `factor` times that (the last row)."""
    usual = [
        offer(region=region, instance_type=size, price_usd_h=base * units)
        for region, base in REGIONS.items()
        for size, units in SIZES.items()
        if (region, size) != ("eu-west-1", "m5.xlarge")
    ]
    return [*usual, offer(region="eu-west-1", instance_type="m5.xlarge", price_usd_h=0.214 * factor)]


N2 = {"cloud": "gcp", "region": "us-central1", "available": None}
N2_MACHINES = [
    machine(cloud="gcp", instance_type=f"n2-standard-{vcpus}", vcpus=float(vcpus), memory_gib=4.0 * vcpus)
    for vcpus in (2, 4, 8, 16, 32)
]
N2_OFFERS = [
    offer(**N2, instance_type=f"n2-standard-{vcpus}", price_usd_h=0.04856 * vcpus) for vcpus in (2, 4, 8, 16, 32)
]
H100 = {"instance_type": "h100.8x", "accelerator": "H100", "accelerator_count": 8.0, "accelerator_memory_gib": 80.0}


M_SIZES = {"Standard_M8ms": 8.0, "Standard_M64ms": 64.0, "Standard_M128ms": 128.0}
M_MACHINES = [
    machine(cloud="azure", instance_type=name, vcpus=vcpus, memory_gib=30 * vcpus) for name, vcpus in M_SIZES.items()
]


def m_series(licence: float) -> list[Row]:
    """Three sizes of Azure's M series in three regions, the largest in the last with `licence` USD/h on top."""
    regions = {"eastus": 0.2, "westeurope": 0.25, "japaneast": 0.27}
    rows = [
        offer(cloud="azure", region=region, instance_type=name, price_usd_h=rate * vcpus)
        for region, rate in regions.items()
        for name, vcpus in M_SIZES.items()
    ]
    return [*rows[:-1], rows[-1] | {"price_usd_h": 0.27 * 128 + licence}]


@dataclass(frozen=True)
class Case:
    """Rows around, a row with the fault and the same row without it; what they are compared with, if needed."""

    table: Table
    fault: Row
    right: Row
    around: Sequence[Row] = ()
    machines: Sequence[Row] = ()
    previous: Sequence[Row] = field(default=())


CASES: Mapping[str, Case] = {
    "missing_value": Case(OFFERS, offer(cloud=None), offer()),
    "empty_text": Case(OFFERS, offer(region=" "), offer()),
    "not_finite": Case(OFFERS, offer(price_usd_h=float("nan")), offer(price_usd_h=None)),
    "zero_price": Case(OFFERS, offer(price_usd_h=0.0), offer(price_usd_h=0.0001)),
    "out_of_bounds": Case(OFFERS, offer(price_usd_h=-0.096), offer()),
    "unknown_value": Case(OFFERS, offer(purchase="auction"), offer(purchase="spot")),
    "duplicate_key": Case(OFFERS, offer(price_usd_h=0.2), offer(zone="us-east-1a", price_usd_h=0.2), [offer()]),
    "unknown_accelerator": Case(INSTANCE_TYPES, gpu_machine(accelerator="A1000"), gpu_machine()),
    "incomplete_accelerator": Case(INSTANCE_TYPES, gpu_machine(accelerator_count=None), gpu_machine()),
    "device_memory": Case(
        INSTANCE_TYPES,
        gpu_machine(accelerator_count=8.0, accelerator_memory_gib=320.0),
        gpu_machine(accelerator_count=8.0, accelerator_memory_gib=39.6),
    ),
    "local_ssd_left_out": Case(
        INSTANCE_TYPES,
        machine(instance_type="m5d.8xlarge", local_ssd_gib=0.0),
        machine(instance_type="m5d.8xlarge", local_ssd_gib=1118.0),
        [machine(instance_type=f"m5d.{size}", local_ssd_gib=70.0) for size in ("large", "xlarge", "2xlarge")],
    ),
    "empty_offer": Case(
        OFFERS, offer(price_usd_h=None, purchase="spot"), offer(price_usd_h=None, purchase="on_demand", available=True)
    ),
    "unknown_type": Case(OFFERS, offer(instance_type="m5.tiny"), offer(), machines=[machine()]),
    "local_ssd_unpriced": Case(
        OFFERS,
        offer(**N2, instance_type="n2-standard-8-lssd", price_usd_h=0.38848),
        offer(**N2, instance_type="n2-standard-8-lssd", price_usd_h=0.44),
        N2_OFFERS,
        [*N2_MACHINES, machine(cloud="gcp", instance_type="n2-standard-8-lssd", vcpus=8.0, memory_gib=32.0)],
    ),
    # 128 vCPUs with a licence of 0.046 USD/h each.
    "windows_licence": Case(
        OFFERS,
        m_series(licence=128 * 0.046)[-1],
        m_series(licence=128 * 0.02)[-1],
        m_series(licence=0)[:-1],
        M_MACHINES,
    ),
    "discount_as_on_demand": Case(
        OFFERS,
        offer(**N2, instance_type="a3-highgpu-8g", price_usd_h=43.07),
        offer(**N2, instance_type="a3-highgpu-8g", price_usd_h=88.49),
        [offer(**(N2 | {"region": "asia-northeast1"}), instance_type="a3-highgpu-8g", price_usd_h=126.64)],
        [machine(cloud="gcp", **(H100 | {"instance_type": "a3-highgpu-8g"}))],
    ),
    "placeholder_price": Case(
        OFFERS,
        offer(instance_type="h100.8x", price_usd_h=8.0),
        offer(instance_type="h100.8x", price_usd_h=8.04),
        machines=[machine(**H100)],
    ),
    "shared_core_as_whole": Case(
        OFFERS,
        offer(**N2, instance_type="e2-small", price_usd_h=0.04947),
        offer(**N2, instance_type="e2-small", price_usd_h=0.01675),
        [offer(**N2, instance_type="e2-standard-2", price_usd_h=0.067011)],
    ),
    # m5.xlarge on dedicated hardware and with Windows, of which the second costs nearly twice the Linux price.
    "dedicated_tenancy": Case(OFFERS, m5_except(1.1)[-1], m5_except(1.01)[-1], m5_except(1)[:-1]),
    "off_siblings": Case(OFFERS, m5_except(1.96)[-1], m5_except(1.0)[-1], m5_except(1)[:-1]),
    "accelerators_left_out": Case(
        OFFERS,
        offer(**N2, instance_type="a2-highgpu-1g", price_usd_h=0.73948),
        offer(**N2, instance_type="a2-highgpu-1g", price_usd_h=3.67339),
        N2_OFFERS,
        [*N2_MACHINES, gpu_machine()],
    ),
    "discount_above_on_demand": Case(
        OFFERS,
        offer(purchase="spot", zone="us-east-1b", price_usd_h=0.097),
        offer(purchase="spot", zone="us-east-1b", price_usd_h=0.096),
        [offer(zone="us-east-1a")],
    ),
    "reversed_band": Case(SPOT_RISK, risk(interruption_low=0.2), risk()),
    "tenfold_jump": Case(OFFERS, offer(price_usd_h=0.96), offer(price_usd_h=0.90), previous=[offer()]),
}


def run(case: Case, row: Row) -> dict[str, int]:
    """Check the row among those around it."""
    batch = frame(case.table, [*case.around, row])
    if case.previous:
        return check_against(case.table, batch, frame(case.table, case.previous)).reasons()
    machines = frame(INSTANCE_TYPES, case.machines) if case.machines else None
    return check(case.table, batch, instance_types=machines).reasons()


def test_no_check_was_left_out() -> None:
    """Every check of the registry has a case here, and reasons are unique."""
    reasons = [item.reason for item in CHECKS]
    assert sorted(reasons) == sorted(CASES)


@pytest.mark.parametrize("reason", CASES)
def test_a_row_with_the_fault_is_rejected_for_it(reason: str) -> None:
    """The faulty row is rejected with this reason, and none of the rows around it is."""
    assert run(CASES[reason], CASES[reason].fault) == {reason: 1}


@pytest.mark.parametrize("reason", CASES)
def test_the_row_without_the_fault_is_kept(reason: str) -> None:
    """Nothing of the same batch is rejected when the row has no fault."""
    assert run(CASES[reason], CASES[reason].right) == {}


def test_kept_and_rejected_rows_are_rows_of_the_table() -> None:
    """Kept rows have the columns of the table, in order; rejected ones have the reason too."""
    checked = check(
        OFFERS, frame(OFFERS, [offer(), offer(region="")]), instance_types=frame(INSTANCE_TYPES, [machine()])
    )
    assert checked.kept.schema == OFFERS.polars_schema()
    assert checked.rejected.columns == [*OFFERS.column_names, "reason"]
    assert checked.rejected["region"].to_list() == [""]


def test_an_empty_batch_is_kept() -> None:
    """A batch without rows has nothing to reject."""
    checked = check(OFFERS, OFFERS.empty(), instance_types=INSTANCE_TYPES.empty())
    assert (checked.kept.height, checked.rejected.height) == (0, 0)


def test_a_batch_of_another_shape_is_refused() -> None:
    """A missing, an unknown and a mistyped column are all named."""
    wrong = frame(OFFERS, [offer()]).drop("zone").with_columns(colour=pl.lit("red"), available=pl.lit("yes"))
    with pytest.raises(BatchError, match=r"zone is missing.*colour is no column.*available is String"):
        check(OFFERS, wrong)


def test_all_prices_of_a_machine_without_its_gpu_go() -> None:
    """Where the on-demand price leaves out the GPU, the spot price of that region goes with it; other regions stay."""
    a2 = {**N2, "instance_type": "a2-highgpu-1g"}
    there = a2 | {"region": "europe-west4"}
    batch = [
        *N2_OFFERS,
        offer(**a2, price_usd_h=0.73948),
        offer(**a2, purchase="spot", price_usd_h=0.36975),
        offer(**there, price_usd_h=3.7479),
    ]
    checked = check(OFFERS, frame(OFFERS, batch), instance_types=frame(INSTANCE_TYPES, [*N2_MACHINES, gpu_machine()]))
    assert checked.rejected.select("region", "purchase").rows() == [
        ("us-central1", "on_demand"),
        ("us-central1", "spot"),
    ]


def test_a_round_price_for_small_or_several_devices_is_no_placeholder() -> None:
    """Four A10 at 2 USD each make an honest 8.0, and one small GPU may cost a dollar."""
    a10 = {"accelerator": "A10", "accelerator_memory_gib": 24.0}
    machines = [
        machine(instance_type="BM.GPU.A10.4", accelerator_count=4.0, **a10),
        machine(instance_type="one", accelerator_count=1.0, **a10),
    ]
    batch = [offer(instance_type="BM.GPU.A10.4", price_usd_h=8.0), offer(instance_type="one", price_usd_h=1.0)]
    assert check(OFFERS, frame(OFFERS, batch), instance_types=frame(INSTANCE_TYPES, machines)).reasons() == {}


def test_one_price_for_all_sizes_is_a_placeholder() -> None:
    """Slices of 1, 4 and 8 chips at 700 USD/h each go; machines that differ by CPUs alone may well cost the same."""
    tpu = {"cloud": "gcp", "accelerator": "TPU-v6e", "accelerator_memory_gib": 32.0}
    machines = [machine(instance_type=f"v6e-{n}", accelerator_count=float(n), **tpu) for n in (1, 4, 8)]
    hpc = [machine(instance_type=f"hpc7a.{n}xlarge", vcpus=2.0 * n) for n in (12, 24, 48)]
    batch = [
        *(offer(**N2, instance_type=f"v6e-{n}", price_usd_h=700.0) for n in (1, 4, 8)),
        *(offer(instance_type=f"hpc7a.{n}xlarge", price_usd_h=7.7252) for n in (12, 24, 48)),
    ]
    checked = check(OFFERS, frame(OFFERS, batch), instance_types=frame(INSTANCE_TYPES, [*machines, *hpc]))
    assert checked.reasons() == {"placeholder_price": 3}
    assert checked.kept["instance_type"].str.starts_with("hpc7a").all()


def test_the_model_says_the_memory_that_the_machine_does_not() -> None:
    """A dollar for an H100 is a placeholder where nothing is said of its memory, too."""
    machines = frame(INSTANCE_TYPES, [machine(**(H100 | {"accelerator_memory_gib": None}))])
    batch = frame(OFFERS, [offer(instance_type="h100.8x", price_usd_h=8.0)])
    assert check(OFFERS, batch, instance_types=machines).reasons() == {"placeholder_price": 1}


def test_where_nothing_can_be_compared_most_regions_decide_of_the_ssd() -> None:
    """In a region without the plain machine the type goes, on demand and spot, where the others left out its SSD."""
    priced, unpriced = 0.44, 0.38848
    there, third = N2 | {"region": "europe-west4"}, N2 | {"region": "asia-east1"}
    plain = [offer(**place, instance_type="n2-standard-8", price_usd_h=unpriced) for place in (N2, third)]
    lssd = machine(cloud="gcp", instance_type="n2-standard-8-lssd", vcpus=8.0, memory_gib=32.0)
    types = frame(INSTANCE_TYPES, [*N2_MACHINES, lssd])

    def rejected(*prices: float) -> list[tuple[str, str]]:
        places = zip((N2, third, there), prices, strict=True)
        rows = [offer(**place, instance_type="n2-standard-8-lssd", price_usd_h=price) for place, price in places]
        spot = [
            offer(**place, instance_type="n2-standard-8-lssd", purchase="spot", price_usd_h=0.1)
            for place in (there, N2)
        ]
        found = check(OFFERS, frame(OFFERS, [*plain, *rows, *spot]), instance_types=types).rejected
        assert found["reason"].unique().to_list() in ([], ["local_ssd_unpriced"])
        return found.select("region", "purchase").rows()

    everywhere = [("us-central1", "on_demand"), ("asia-east1", "on_demand")]
    assert rejected(unpriced, unpriced, unpriced) == [
        *everywhere,
        ("europe-west4", "on_demand"),
        ("europe-west4", "spot"),
        ("us-central1", "spot"),
    ]
    assert rejected(unpriced, priced, priced) == [("us-central1", "on_demand"), ("us-central1", "spot")]
    assert rejected(priced, unpriced, priced) == [("asia-east1", "on_demand")]
    assert rejected(priced, priced, priced) == []


def test_ten_times_a_price_is_ten_times_whatever_the_rounding() -> None:
    """In binary floating point 0.47 * 10 / 0.47 is less than 10, and 0.05 * 0.1 / 0.05 more than 0.1."""
    for price in (0.05, 0.47, 1.0, 88.49):
        before = frame(OFFERS, [offer(price_usd_h=price)])
        for factor in (10, 0.1):
            rows = frame(OFFERS, [offer(price_usd_h=price * factor)])
            assert check_against(OFFERS, rows, before).reasons() == {"tenfold_jump": 1}


@pytest.mark.parametrize(
    ("cloud", "instance_type", "expected"),
    [
        ("aws", "m5.24xlarge", "m5"),
        ("aws", "c7i-flex.large", "c7i-flex"),
        ("gcp", "n2-standard-8", "n2-standard"),
        ("gcp", "a2-highgpu-1g", "a2-highgpu"),
        ("gcp", "c3-standard-4-lssd", "c3-standard-lssd"),
        ("gcp", "e2-micro", "e2-micro"),
        ("azure", "Standard_D16s_v5", "Standard_Ds_v5"),
        ("azure", "Standard_E8-4as_v4", "Standard_Eas_v4"),
        ("lambda", "gpu_8x_h100_sxm5", "gpu_8x_h100_sxm5"),
    ],
)
def test_family_of_a_type(cloud: str, instance_type: str, expected: str) -> None:
    """The family is the name without the size, as each cloud writes it."""
    row = pl.DataFrame({"cloud": [cloud], "instance_type": [instance_type]})
    assert row.select(family()).item() == expected


def test_the_ratio_to_siblings_of_one_wrong_price() -> None:
    """In a family of four sizes and three regions one price 10 % too high has ratio 1.1, the others 1."""
    prices = frame(OFFERS, m5_except(1.1)).select("cloud", "region", "instance_type", "price_usd_h")
    ratios = sibling_ratio(prices.with_columns(family=family()))["ratio"].to_list()
    assert ratios == pytest.approx([1.0] * 11 + [1.1])


def test_too_few_siblings_give_no_ratio() -> None:
    """Two sizes cannot tell which of them is wrong."""
    rows = [row for row in m5_except(1.1) if row["instance_type"] in ("m5.large", "m5.xlarge")]
    prices = frame(OFFERS, rows).select("cloud", "region", "instance_type", "price_usd_h")
    assert sibling_ratio(prices.with_columns(family=family()))["ratio"].null_count() == 6


# Real price lists.

GCP_GPUS = {"a2-ultra": "A100-80GB", "a2": "A100", "a3-ultra": "H200", "a3": "H100", "a4": "B200", "g2": "L4"}


def real_list(cloud: str, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hardware and on-demand offers of a real list of types, regions and prices, GPUs of GCP's machines filled in."""
    text = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True).filter(pl.col("InstanceType") != "")
    names = {name: accelerator_name(name) for name in text["AcceleratorName"].drop_nulls().unique()}
    built_in = pl.coalesce(
        pl.when(
            pl.col("InstanceType").str.starts_with(start + "-") | pl.col("InstanceType").str.starts_with(start + "gpu")
        ).then(pl.lit(gpu))
        for start, gpu in GCP_GPUS.items()
    )
    accelerator = pl.coalesce(
        pl.col("AcceleratorName").replace_strict(names, default=None, return_dtype=pl.String) if names else None,
        built_in if cloud == "gcp" else None,
    )
    memory = {name: model.memory_gib for name, model in ACCELERATORS.items()}
    numbers = pl.col("vCPUs", "MemoryGiB", "AcceleratorCount", "Price").cast(pl.Float64, strict=False)
    rows = text.with_columns(numbers, accelerator=accelerator, **{k: pl.lit(v) for k, v in PROVENANCE.items()})
    zone = pl.col("AvailabilityZone") if "AvailabilityZone" in rows.columns else pl.lit(None, pl.String)
    machines = rows.select(
        cloud=pl.lit(cloud),
        instance_type="InstanceType",
        vcpus="vCPUs",
        memory_gib="MemoryGiB",
        arch=pl.lit(None, pl.String),
        accelerator="accelerator",
        accelerator_count=pl.when(pl.col("accelerator").is_not_null()).then(pl.col("AcceleratorCount").fill_null(1.0)),
        accelerator_memory_gib=pl.col("accelerator").replace_strict(memory, default=None, return_dtype=pl.Float64),
        network_gbit_s=pl.lit(None, pl.Float64),
        local_ssd_gib=pl.lit(None, pl.Float64),
        **{name: pl.col(name) for name in PROVENANCE},
    )
    offers = rows.select(
        cloud=pl.lit(cloud),
        region="Region",
        zone=zone,
        instance_type="InstanceType",
        purchase=pl.lit("on_demand"),
        price_usd_h="Price",
        available=pl.lit(value=True),
        quantity=pl.lit(None, pl.Int64),
        unconfirmed=pl.lit(None, pl.Boolean),
        **{name: pl.col(name) for name in PROVENANCE},
    )
    unique = machines.unique(("cloud", "instance_type"), keep="first", maintain_order=True)
    return unique.cast(INSTANCE_TYPES.polars_schema()), offers.cast(OFFERS.polars_schema())


def test_the_known_faults_of_a_real_list_of_gcp_are_found_and_nothing_else(shared: Path) -> None:
    """All GPU machines priced without GPUs, shared-core ones priced whole and local SSDs priced not at all go."""
    machines, offers = real_list("gcp", shared / "data/catalogs/skypilot-format/gcp_vms.csv")
    checked = check(OFFERS, offers, instance_types=machines)
    name = pl.col("instance_type")
    cores = name.is_in(["e2-micro", "e2-small", "e2-medium"])
    faulty = name.str.contains(r"^(a2|a3|a4|g2)-") | cores | name.str.ends_with("-lssd")
    reasons = {"accelerators_left_out", "local_ssd_unpriced", "shared_core_as_whole", "zero_price"}
    assert set(checked.reasons()) == reasons
    assert checked.rejected.height == offers.filter(faulty).height
    assert checked.kept.filter(faulty).height == 0


def test_hardly_any_real_price_of_azure_is_rejected(shared: Path) -> None:
    """Of 56,671 prices fewer than one in a thousand is off its siblings or looks like one of Windows."""
    machines, offers = real_list("azure", shared / "data/catalogs/skypilot-format/azure_vms.csv")
    checked = check(OFFERS, offers, instance_types=machines)
    assert set(checked.reasons()) <= {"off_siblings", "windows_licence"}
    assert checked.rejected.height < offers.height / 1000


def test_the_placeholders_of_a_real_list_are_found(shared: Path) -> None:
    """Mithril's list names one dollar for each H100 and H200, singly and by eight."""
    machines, offers = real_list("mithril", shared / "data/catalogs/skypilot-format/mithril_vms.csv")
    assert check(OFFERS, offers, instance_types=machines).reasons() == {"placeholder_price": 4}
