"""Ninety thousand real rows through importer and checks: each known fault of such data is caught, and little else.

Faults that the rows have are counted and an example of each is named. Faults that they do not have are put into them,
one row in a hundred, and the share that is caught is asserted and printed (`pytest -rP`), for the reason that it is
caught for. Google's own price history says which on-demand prices were right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from catalog_data.checks import check, check_against
from catalog_data.normalise import ACCELERATORS
from catalog_data.precedence import COMPLETE, effective
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.skypilot_csv import Imported, files_in, imported
from tests.kits.import_report import CheckedImport, check_import

CATALOGS: Final = Path("data", "catalogs", "skypilot-format")
SEEN: Final = datetime(2026, 5, 20, tzinfo=UTC)
KEY: Final = ["cloud", "region", "zone", "instance_type", "purchase"]
NAME: Final = pl.col("instance_type")
ON_DEMAND: Final = pl.col("purchase") == "on_demand"
WINDOWS_USD_VCPU_H: Final = 0.046


@pytest.fixture(scope="module")
def found(shared: Path) -> Imported:
    """All files of the folder."""
    return imported(files_in(shared / CATALOGS), SEEN)


@pytest.fixture(scope="module")
def checked(found: Imported) -> CheckedImport:
    """The same after the checks."""
    return check_import(found)


@pytest.fixture(scope="module")
def ec2() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Real types and prices of EC2, which no file of the folder has: those of the embedded catalog."""
    folder = files("catalog_data") / "seed"
    types = pl.read_parquet((folder / "instance_types.parquet").read_bytes())
    offers = pl.read_parquet((folder / "offers.parquet").read_bytes())
    return types.filter(cloud=pl.lit("aws")), offers.filter(cloud=pl.lit("aws"))


def rejected(checked: CheckedImport, reason: str, *, cloud: str | None = None) -> pl.DataFrame:
    """Offers rejected for a reason."""
    rows = checked.rejected["offers"].filter(reason=pl.lit(reason))
    return rows if cloud is None else rows.filter(cloud=pl.lit(cloud))


def examples(rows: pl.DataFrame) -> set[tuple[str, str, str, float | None]]:
    """Type, region, purchase and price of each row."""
    return set(rows.select("instance_type", "region", "purchase", "price_usd_h").iter_rows())


def caught(
    good: pl.DataFrame,
    types: pl.DataFrame,
    fault: Callable[[pl.Expr], pl.Expr],
    *,
    victims: pl.Expr,
    one_in: int = 100,
) -> tuple[Mapping[str, int], int, int]:
    """Reasons for which faulty prices were rejected, how many were put in, and how many good rows went with them.

    The fault comes over all zones of one in `one_in` of the (type, region) pairs, as a wrong row of a price list does.
    """
    place = pl.struct("cloud", "region", "instance_type")
    hit = victims & ON_DEMAND & pl.col("price_usd_h").is_not_null() & (place.hash(seed=7) % one_in == 0)
    vcpus = types.select("cloud", "instance_type", "vcpus", "accelerator_count")
    marked = good.join(vcpus, on=["cloud", "instance_type"], how="left", maintain_order="left").with_columns(
        hit=hit.fill_null(value=False)
    )
    price = pl.when("hit").then(fault(pl.col("price_usd_h"))).otherwise("price_usd_h")
    batch = marked.with_columns(price_usd_h=price)
    result = check(OFFERS, batch.select(OFFERS.column_names), instance_types=types)
    gone = result.rejected.join(batch.select(*KEY, "hit"), on=KEY, nulls_equal=True)
    reasons = gone.filter("hit").group_by("reason").len().sort("len", descending=True)
    put_in = int(batch["hit"].sum())
    assert put_in > 20, f"only {put_in} rows got the fault"
    shares = ", ".join(f"{reason} {count / put_in:.1%}" for reason, count in reasons.iter_rows())
    spoiled = gone.filter(~pl.col("hit") & ON_DEMAND).height
    print(f"{put_in:,} faulty: {shares}; {spoiled} good on-demand rows with them")
    return dict(reasons.iter_rows()), put_in, spoiled


# The whole.


def test_all_rows_are_read(found: Imported) -> None:
    """88,686 rows of twelve clouds become 2,289 types; all but 35 rows of the files stand for something."""
    assert sum(found.read.values()) == 88_686
    assert found.tables["instance_types"].height == 2_289
    assert found.left_out["rows"].sum() == 35
    duplicated = pl.struct(KEY).is_duplicated()
    assert found.tables["offers"].filter(duplicated).is_empty()


def test_every_rejection_is_a_known_fault(checked: CheckedImport) -> None:
    """No type is rejected, and offers for the known faults alone; the report adds up."""
    for report in checked.report:
        print(report)
    assert checked.rejected["instance_types"].is_empty()
    assert set(checked.rejected["offers"]["reason"]) - {"out_of_bounds"} == {
        "discount_as_on_demand",
        "empty_text",
        "local_ssd_unpriced",
        "off_siblings",
        "placeholder_price",
        "shared_core_as_whole",
        "windows_licence",
        "zero_price",
    }
    assert sum(sum(report.rejected.values()) for report in checked.report) == checked.rejected["offers"].height
    assert sum(report.offers for report in checked.report) == checked.kept["offers"].height


def test_no_right_price_of_google_is_rejected(shared: Path, found: Imported, checked: CheckedImport) -> None:
    """Beside Google's price history of July 2026: of what is kept 98 % agree within 3 %, of what is rejected nothing.

    The history has the fault itself in one region that was new then: the SSDs of asia-southeast3 cost nothing there.
    """
    newest = pl.read_csv(shared / "data/gcp/gcp_price_history_monthly.csv.gz", infer_schema_length=None).sort("date")
    right = newest.unique(["instance_type", "region"], keep="last").select("instance_type", "region", right="hour")
    listed = found.tables["offers"].filter((pl.col("cloud") == "gcp") & ON_DEMAND)
    verdicts = checked.rejected["offers"].select(*KEY, "reason")
    beside = listed.join(verdicts, on=KEY, how="left", nulls_equal=True).join(right, on=["instance_type", "region"])
    agrees = (pl.col("price_usd_h") / pl.col("right")).is_between(0.97, 1.03)
    by_reason = beside.group_by("reason").agg(rows=pl.len(), agreeing=agrees.sum()).sort("reason")
    print(by_reason)
    kept = by_reason.filter(pl.col("reason").is_null()).row(0, named=True)
    assert kept["rows"] > 24_000
    assert kept["agreeing"] > 0.98 * kept["rows"]
    wrongly = beside.filter(pl.col("reason").is_not_null() & agrees)
    assert set(wrongly["region"]) == {"asia-southeast3"}
    assert wrongly["instance_type"].str.ends_with("-lssd").all()


def test_hardly_any_good_price_is_rejected(found: Imported, checked: CheckedImport) -> None:
    """Beside the faults that are proven, 42 of 56,671 on-demand prices of Azure go, and none of its spot prices."""
    offers = checked.rejected["offers"].filter(cloud=pl.lit("azure"))
    assert dict(offers.group_by("reason").len().iter_rows()) == {"off_siblings": 40, "windows_licence": 2}
    assert offers.filter(~ON_DEMAND).is_empty()
    small = ["digitalocean", "hyperbolic", "lambda", "nebius", "paperspace", "verda", "yotta"]
    kept = checked.kept["offers"].filter(pl.col("cloud").is_in(small)).height
    assert kept == found.tables["offers"].filter(pl.col("cloud").is_in(small)).height


# Faults that the rows have.


def test_zero_prices(checked: CheckedImport) -> None:
    """Vast's list has spot prices of 0.00 for all machines that are not sold so."""
    rows = rejected(checked, "zero_price")
    assert rows.height == 62
    assert ("1x-H200-32-65536", "France, FR, EU", "spot", 0.0) in examples(rows)


def test_local_ssd_left_out(checked: CheckedImport) -> None:
    """All of Google's machines with local SSD cost what they cost without: 2,449 rows, on demand and spot."""
    rows = rejected(checked, "local_ssd_unpriced")
    assert rows.height == 2 * 2_449
    assert ("c3-standard-8-lssd", "us-central1") in set(rows.select("instance_type", "region").iter_rows())
    plain = checked.kept["offers"].filter((pl.col("cloud") == "gcp") & NAME.str.ends_with("-lssd"))
    assert plain.is_empty()


def test_shared_core_machines_priced_double(checked: CheckedImport) -> None:
    """e2-micro, e2-small and e2-medium are priced by whole vCPUs in all zones; f1-micro and g1-small are right."""
    rows = rejected(checked, "shared_core_as_whole")
    assert set(rows["instance_type"]) == {"e2-micro", "e2-small", "e2-medium"}
    assert rows.height == 2 * 381
    assert ("e2-micro", "us-central1", "on_demand", 0.04655) in examples(rows)
    assert checked.kept["offers"].filter(instance_type=pl.lit("f1-micro")).height > 0


def test_placeholder_prices(checked: CheckedImport) -> None:
    """Mithril's dollar per GPU, and 700 USD/h for each size of TPU v6e in regions that do not sell it."""
    mithril, google = (rejected(checked, "placeholder_price", cloud=cloud) for cloud in ("mithril", "gcp"))
    assert ("h100-80gb.sxm.8x", "us-central2-a", "on_demand", 8.0) in examples(mithril)
    assert ("ccs-h200.sxm.1x", "us-central2-b", "spot", 1.0) in examples(mithril)
    assert mithril.height == 8
    assert ("v6e-8", "asia-east1", "on_demand", 700.0) in examples(google)
    assert ("v6e-256", "southamerica-west1", "spot", 700.0) in examples(google)
    assert (google["price_usd_h"] == 700).all()
    assert checked.kept["offers"].filter(price_usd_h=pl.lit(700.0)).is_empty()


def test_empty_regions(checked: CheckedImport) -> None:
    """Seeweb's list has sixteen types without a region."""
    rows = rejected(checked, "empty_text", cloud="seeweb")
    assert rows.height == 16
    assert ("ECS8GPU10", "", "on_demand", 20.8) in examples(rows)


def test_a_discounted_price_as_the_on_demand_one(checked: CheckedImport) -> None:
    """Google's large GPUs at less than two thirds of the dearest region: the price of a scheduled start."""
    rows = rejected(checked, "discount_as_on_demand")
    assert rows.height > 100
    assert {"a2-ultragpu-1g", "a3-highgpu-8g", "a3-ultragpu-8g"} <= set(rows["instance_type"])
    eight = rows.filter(instance_type=pl.lit("a3-highgpu-8g"), region=pl.lit("us-central1"))["price_usd_h"]
    assert eight.unique().to_list() == [pytest.approx(43.06615)]  # 88.49 on demand


def test_out_of_bounds_is_the_price_of_large_tpu_slices_alone(found: Imported, checked: CheckedImport) -> None:
    """The bound of the schema stops slices of thousands of chips, which may well cost so much."""
    rows = rejected(checked, "out_of_bounds")
    types = found.tables["instance_types"].select("cloud", "instance_type", "accelerator", "accelerator_count")
    beside = rows.join(types, on=["cloud", "instance_type"])
    assert beside["accelerator"].str.starts_with("TPU").all()
    assert beside.height == rows.height
    per_chip = beside["price_usd_h"] / beside["accelerator_count"]
    assert per_chip.is_between(0.5, 5).all()


# Faults put into the rows.


def good_rows(checked: CheckedImport, cloud: str) -> pl.DataFrame:
    """The offers of a cloud that passed."""
    return checked.kept["offers"].filter(cloud=pl.lit(cloud))


@pytest.mark.parametrize(("cloud", "least"), [("azure", 0.92), ("gcp", 0.95)])
def test_windows_prices(checked: CheckedImport, cloud: str, least: float) -> None:
    """With the licence of 0.046 USD per vCPU; of the rows that are not caught most have no siblings to compare with."""
    licence = WINDOWS_USD_VCPU_H * pl.col("vcpus")
    types = checked.kept["instance_types"]
    whole = ~NAME.is_in(["f1-micro", "g1-small"]) & ~NAME.str.contains(r"\+|^v\d|ultramem|megamem|hypermem")
    reasons, put_in, spoiled = caught(
        good_rows(checked, cloud), types, lambda price: price + licence, victims=whole & pl.col("vcpus").is_not_null()
    )
    assert sum(reasons.values()) >= least * put_in
    assert spoiled <= 0.01 * put_in
    assert {"off_siblings", "windows_licence"} & set(reasons)


@pytest.mark.parametrize("factor", [10, 0.1, 60, 1 / 730])
def test_prices_of_another_unit(checked: CheckedImport, factor: float) -> None:
    """Ten times, a tenth, per minute or per month: caught wherever a row has siblings, without a look at the past."""
    reasons, put_in, spoiled = caught(
        good_rows(checked, "azure"), checked.kept["instance_types"], lambda price: price * factor, victims=pl.lit(True)
    )
    assert sum(reasons.values()) >= 0.93 * put_in
    assert spoiled <= 0.02 * put_in


def test_dedicated_tenancy(ec2: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """EC2 on dedicated hardware costs 6 % more: caught in 95 of 100 rows that have siblings."""
    types, offers = ec2
    good = check(OFFERS, offers, instance_types=types).kept
    priced = good.filter(ON_DEMAND & pl.col("price_usd_h").is_not_null())
    family = NAME.str.replace(r"\..*$", "")
    sizes = NAME.n_unique().over(family, "region")
    regions = pl.col("region").n_unique().over("instance_type")
    comparable = priced.filter((sizes >= 3) & (regions >= 3))
    print(f"{comparable.height:,} of {priced.height:,} rows have siblings")
    reasons, put_in, spoiled = caught(comparable, types, lambda price: price * 1.06, victims=pl.lit(True))
    assert reasons.get("dedicated_tenancy", 0) >= 0.95 * put_in
    assert spoiled <= 0.01 * put_in


def test_gpu_machines_without_their_gpus(shared: Path, found: Imported, checked: CheckedImport) -> None:
    """Google's rows as they stand in the file, at the price of the machine alone: all are caught."""
    raw = pl.read_csv(shared / CATALOGS / "gcp_vms.csv", infer_schema_length=None)
    bare = raw.select(instance_type="InstanceType", zone="AvailabilityZone", bare="Price")
    offers = good_rows(checked, "gcp")
    accelerated = NAME.str.contains(r"^(a2|a3|g2)-")
    beside = offers.join(bare, on=["instance_type", "zone"], how="left", maintain_order="left")
    faulty = accelerated & ON_DEMAND
    batch = beside.with_columns(price_usd_h=pl.when(faulty).then("bare").otherwise("price_usd_h"))
    result = check(OFFERS, batch.select(OFFERS.column_names), instance_types=found.tables["instance_types"])
    left = result.kept.filter(faulty)
    put_in = batch.filter(faulty).height
    print(f"{put_in} faulty, {put_in - left.height} caught: {result.reasons()}")
    assert put_in > 400
    assert left.is_empty()


@pytest.mark.parametrize("wrong", ["of all devices", "an eighth of one"])
def test_the_memory_of_eight_for_one_and_of_one_for_eight(checked: CheckedImport, wrong: str) -> None:
    """Every machine whose memory per device is wrong is caught, but for models that are sold with two memories."""
    one_size = [name for name, model in ACCELERATORS.items() if model.memory_gib is not None]
    types = checked.kept["instance_types"].filter(
        (pl.col("accelerator_count") > 1)
        & pl.col("accelerator_memory_gib").is_not_null()
        & pl.col("accelerator").is_in(one_size)
    )
    count, memory = pl.col("accelerator_count"), pl.col("accelerator_memory_gib")
    faulty = types.with_columns(accelerator_memory_gib=memory * count if wrong == "of all devices" else memory / count)
    result = check(INSTANCE_TYPES, faulty)
    assert types.height > 50
    assert result.kept.is_empty()
    assert set(result.reasons()) <= {"device_memory", "out_of_bounds"}
    assert check(INSTANCE_TYPES, types).rejected.is_empty()


def test_types_priced_where_they_are_not_offered(checked: CheckedImport) -> None:
    """Google lists what is offered in each region: a price elsewhere is not to be had, and every other one is."""
    good = good_rows(checked, "gcp").filter(ON_DEMAND)
    ghosts = good.filter(instance_type=pl.lit("c4d-highmem-8")).head(1)
    regions = good.select("region").unique()
    regions = regions.join(good.filter(instance_type=pl.lit("c4d-highmem-8")), on="region", how="anti")
    elsewhere = ghosts.drop("region", "zone").join(regions, how="cross").with_columns(zone=pl.lit(None, pl.String))
    prices = pl.concat([good, elsewhere.select(good.columns)])
    seen = good.with_columns(
        source=pl.lit("google"), price_usd_h=pl.lit(None, pl.Float64), available=pl.lit(value=True)
    )
    listed = pl.DataFrame([("google", "on_demand", False)], schema=COMPLETE, orient="row")
    holding = effective(OFFERS, pl.concat([prices, seen]), listed)
    closed = holding.filter(available=pl.lit(value=False))
    assert closed.height == elsewhere.height > 20
    assert set(closed["instance_type"]) == {"c4d-highmem-8"}
    assert holding.height == good.height + elsewhere.height


def test_empty_prices(checked: CheckedImport) -> None:
    """A row without any price says nothing; that it is there for one purchase and not for another is no fault."""
    good = good_rows(checked, "lambda")
    empty = good.with_columns(price_usd_h=pl.lit(None, pl.Float64))
    assert check(OFFERS, empty, instance_types=checked.kept["instance_types"]).reasons() == {"empty_offer": good.height}


def test_a_price_that_jumps_tenfold_overnight(checked: CheckedImport) -> None:
    """Beside the day before every jump is caught, of list and spot prices, with siblings and without."""
    good = checked.kept["offers"].filter(pl.col("price_usd_h") < 500)
    for factor in (10, 0.1):
        jumped = good.with_columns(price_usd_h=pl.col("price_usd_h") * factor)
        assert check_against(OFFERS, jumped, good).kept.is_empty()


def test_no_real_change_of_a_price_is_a_jump(shared: Path) -> None:
    """Of 66,263 changes of Google's spot prices in seven weeks none is refused."""
    changes = pl.read_csv(shared / CATALOGS / "gcp_price_changes.csv.gz", infer_schema_length=None)
    part = pl.concat_str(
        pl.col("InstanceType", "AcceleratorName", "AcceleratorCount").cast(pl.String), ignore_nulls=True
    )
    rows = changes.filter(pl.col("SpotPrice") > 0).select(
        "ts", instance_type=part, zone="AvailabilityZone", region="Region", price_usd_h="SpotPrice"
    )
    place = ["instance_type", "zone"]
    rows = rows.sort("ts").with_columns(turn=pl.int_range(pl.len()).over(place))
    offer = {
        "cloud": pl.lit("gcp"),
        "purchase": pl.lit("spot"),
        "available": pl.lit(None, pl.Boolean),
        "quantity": pl.lit(None, pl.Int64),
        "unconfirmed": pl.lit(None, pl.Boolean),
        "source": pl.lit("test"),
        "source_version": pl.lit(None, pl.String),
        "observed_at": pl.lit(SEEN),
        "confidence": pl.lit("medium"),
    }
    offers = rows.with_columns(**offer)
    compared = 0
    for turn in range(1, int(rows["turn"].max()) + 1):  # type: ignore[arg-type]
        before, after = (
            offers.filter(turn=pl.lit(index)).select(OFFERS.column_names).cast(OFFERS.polars_schema())
            for index in (turn - 1, turn)
        )
        assert check_against(OFFERS, after, before).rejected.is_empty()
        compared += after.height
    assert compared > 60_000
