"""What a batch of rows must pass before it is published: the shape of its table, and the known faults of price data.

Each check is one function: it takes a batch and says of each row whether it has the fault. `CHECKS` lists them in the
order in which they run; a row is rejected with the reason of the first check that it fails, and later checks see only
the rows that are left, so that one bad price does not spoil the comparison that finds another.

The checks of offers weigh a price against its siblings. Providers price a family of machines by one factor per size
times one factor per region: of 13,882 Linux prices of EC2 (all sizes and regions of May 2024) four lie more than 1 %
off that rule and none more than 2 %; of 10,613 of GCP none does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from catalog_data.errors import BatchError
from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, SPOT_RISK, Kind, Purchase, Table


@dataclass(frozen=True)
class Checked:
    """A batch after the checks: `rejected` has the columns of the table and `reason`."""

    kept: pl.DataFrame
    rejected: pl.DataFrame

    def reasons(self) -> dict[str, int]:
        """How many rows were rejected for each reason."""
        counts = self.rejected.group_by("reason").len().sort("reason")
        return dict(counts.iter_rows())


@dataclass(frozen=True)
class Batch:
    """Rows under judgement. Where hardware is known, each offer also has the columns of its machine (`HARDWARE`)."""

    table: Table
    rows: pl.DataFrame
    previous: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True)
class Check:
    """One check: `table` is None where it holds for every table; `needs` is what it compares the rows with."""

    reason: str
    find: Callable[[Batch], pl.Series]
    table: Table | None = None
    needs: str = ""


HARDWARE: Final = ("vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib")


def check(table: Table, frame: pl.DataFrame, *, instance_types: pl.DataFrame | None = None) -> Checked:
    """Sort the rows of a batch into those that may be published and those that may not, with the reason.

    `instance_types` (a frame of INSTANCE_TYPES) lets the prices of offers be judged beside the machine; without it the
    checks that need hardware do not run. A price where the type is not offered is no fault of its row alone:
    catalog_data/precedence.py closes it, for as long as the provider does not list the type there.

    Raises:
        BatchError: the frame does not have the columns and types of the table.
    """
    _require_shape(table, frame)
    rows = frame if table is not OFFERS or instance_types is None else _beside_hardware(frame, instance_types)
    has = "" if rows is frame else "instance_types"
    return _run(Batch(table, rows), [item for item in CHECKS if item.needs in ("", has)])


def check_against(table: Table, frame: pl.DataFrame, previous: pl.DataFrame) -> Checked:
    """The checks that compare a batch with the rows published before it (a frame of the same table).

    Raises:
        BatchError: a frame does not have the columns and types of the table.
    """
    _require_shape(table, frame)
    _require_shape(table, previous)
    return _run(Batch(table, frame, previous), [item for item in CHECKS if item.needs == "previous"])


def _require_shape(table: Table, frame: pl.DataFrame) -> None:
    misfits = table.misfits(frame.schema)
    if misfits:
        raise BatchError(f"not a batch of {table.name}: {'; '.join(misfits)}")


def _beside_hardware(offers: pl.DataFrame, instance_types: pl.DataFrame) -> pl.DataFrame:
    machines = instance_types.select("cloud", "instance_type", *HARDWARE, known=True)
    # Where the memory of a device is not stated, the model has it.
    machines = machines.with_columns(accelerator_memory_gib=pl.coalesce("accelerator_memory_gib", _sheet_memory_gib()))
    machines = machines.unique(("cloud", "instance_type"), keep="first", maintain_order=True)
    return offers.join(machines, on=("cloud", "instance_type"), how="left", maintain_order="left")


def _run(batch: Batch, checks: list[Check]) -> Checked:
    columns = list(batch.table.column_names)
    rejected = [batch.rows.clear().select(*columns, reason=pl.lit(""))]
    for item in checks:
        if item.table not in (None, batch.table):
            continue
        faulty = item.find(batch).fill_null(value=False)
        rejected.append(batch.rows.filter(faulty).select(*columns, reason=pl.lit(item.reason)))
        batch = replace(batch, rows=batch.rows.filter(~faulty))
    return Checked(batch.rows.select(columns), pl.concat(rejected))


def _where(batch: Batch, fault: pl.Expr) -> pl.Series:
    return batch.rows.select(fault.alias("fault")).to_series()


# Checks of the shape, for every table.


def missing_value(batch: Batch) -> pl.Series:
    """A column that must have a value has none."""
    required = [column.name for column in batch.table.columns if not column.nullable]
    return _where(batch, pl.any_horizontal(pl.col(required).is_null()))


def empty_text(batch: Batch) -> pl.Series:
    """A text is empty or blank, such as a region that a source left out."""
    texts = [column.name for column in batch.table.columns if column.kind is Kind.TEXT]
    return _where(batch, pl.any_horizontal(pl.col(texts).str.strip_chars() == ""))


def not_finite(batch: Batch) -> pl.Series:
    """A number is infinite or not a number."""
    numbers = [column.name for column in batch.table.columns if column.kind is Kind.NUMBER]
    return _where(batch, pl.any_horizontal(pl.lit(value=False), *(~pl.col(name).is_finite() for name in numbers)))


def zero_price(batch: Batch) -> pl.Series:
    """The price is zero: sources write 0 for a price that they do not know."""
    return _where(batch, pl.col("price_usd_h") == 0)


def out_of_bounds(batch: Batch) -> pl.Series:
    """A number lies outside the bounds that the schema gives."""
    faults = [pl.lit(value=False)]
    for column in batch.table.columns:
        if column.above is not None:
            faults.append(pl.col(column.name) <= column.above)
        if column.low is not None:
            faults.append(pl.col(column.name) < column.low)
        if column.high is not None:
            faults.append(pl.col(column.name) > column.high)
    return _where(batch, pl.any_horizontal(*faults))


def unknown_value(batch: Batch) -> pl.Series:
    """A text is none of the values that its column allows."""
    allowed = {column.name: column.values for column in batch.table.columns if column.values}
    faults = (~pl.col(name).is_in(values) for name, values in allowed.items())
    return _where(batch, pl.any_horizontal(pl.lit(value=False), *faults))


def duplicate_key(batch: Batch) -> pl.Series:
    """An earlier row of the batch has the same key (a null counts as a value)."""
    return _where(batch, ~pl.struct(batch.table.key).is_first_distinct())


# Checks of hardware.


def unknown_accelerator(batch: Batch) -> pl.Series:
    """The accelerator has no canonical name."""
    return _where(batch, ~pl.col("accelerator").is_in(list(ACCELERATORS)))


def incomplete_accelerator(batch: Batch) -> pl.Series:
    """An accelerator without a count, or a count without an accelerator."""
    return _where(batch, pl.col("accelerator").is_null() != pl.col("accelerator_count").is_null())


def device_memory(batch: Batch) -> pl.Series:
    """The memory of one accelerator is not that of the model: one device's given for all of them, or the reverse.

    Sources round (a 24 GB device shows 22.4 GiB), so up to 25 % either way is no fault.
    """
    return _where(batch, ~(pl.col("accelerator_memory_gib") / _sheet_memory_gib()).is_between(0.75, 1.25))


def _sheet_memory_gib() -> pl.Expr:
    known = {model.name: model.memory_gib for model in ACCELERATORS.values() if model.memory_gib is not None}
    return pl.col("accelerator").replace_strict(known, default=None, return_dtype=pl.Float64)


def local_ssd_left_out(batch: Batch) -> pl.Series:
    """All siblings of the family (three at least) have local SSD, and this machine is said to have none."""
    has = (pl.col("local_ssd_gib") > 0).fill_null(value=False)
    of = ("cloud", family())
    others = pl.len().over(of) - 1
    return _where(batch, (pl.col("local_ssd_gib") == 0) & (others >= 3) & (has.sum().over(of) == others))


# Checks of offers.


def empty_offer(batch: Batch) -> pl.Series:
    """No price, and nothing else said: only an on-demand offer that was seen, or an owned machine, may lack a price."""
    on_demand, owned = pl.col("purchase") == Purchase.ON_DEMAND, pl.col("purchase") == Purchase.OWNED
    seen = on_demand & pl.col("available").is_not_null()
    return _where(batch, pl.col("price_usd_h").is_null() & ~owned & ~seen)


def unknown_type(batch: Batch) -> pl.Series:
    """No row of INSTANCE_TYPES says what the machine is."""
    return _where(batch, pl.col("known").is_null())


def placeholder_price(batch: Batch) -> pl.Series:
    """A price that was filled in where none was known.

    Either exactly one dollar per accelerator, for one or eight of 80 GiB or more (smaller devices do sell at a round
    dollar), or one price in a region for a family's machines of three or more numbers of accelerators.
    """
    count, price = pl.col("accelerator_count"), pl.col("price_usd_h")
    large = pl.col("accelerator_memory_gib") >= 80
    round_dollar = count.is_in([1.0, 8.0]) & large & (price == count)
    of = ("cloud", "region", "purchase", "family")
    sizes = pl.when(price.is_not_null()).then(count).drop_nulls().n_unique().over(of)
    level = count.is_not_null() & (sizes >= 3) & (price.min().over(of) == price.max().over(of))
    rows = batch.rows.with_columns(family=family())
    return _where(replace(batch, rows=rows), round_dollar.fill_null(value=False) | level)


def accelerators_left_out(batch: Batch) -> pl.Series:
    """A machine with accelerators costs what its CPUs and memory alone would cost in that region.

    The cost of CPUs and memory is the median price of the machines without accelerators per vCPU and per 8 GiB (the
    weight that GCP's prices give). Measured on real on-demand prices: EC2 and Azure ask at least 0.85 times that cost
    for a machine with small devices and 1.5 times with devices of 40 GiB or more; GPU machines of GCP priced without
    their GPUs come to 0.62-0.80 times (L4, H100, H200) and 1.02-1.13 times (A100). Where the on-demand price has the
    fault, the other prices of that type in that region share it.
    """
    size = pl.col("vcpus") + pl.col("memory_gib") / 8
    plain = pl.col("accelerator").is_null() & (pl.col("purchase") == Purchase.ON_DEMAND)
    rate = pl.when(plain).then(pl.col("price_usd_h") / size)
    usual = pl.when(rate.count().over("cloud", "region") >= 5).then(rate.median().over("cloud", "region"))
    least = pl.when(pl.col("accelerator_memory_gib") >= 40).then(1.3).otherwise(0.8)
    accelerated = pl.col("accelerator").is_not_null() & (pl.col("purchase") == Purchase.ON_DEMAND)
    low = batch.rows.with_columns(low=accelerated & (pl.col("price_usd_h") < least * usual * size))
    return low.select(pl.col("low").any().over("cloud", "region", "instance_type")).to_series()


def local_ssd_unpriced(batch: Batch) -> pl.Series:
    """A machine of GCP with local SSD costs on demand what the same machine without one costs: the SSD was left out.

    The other prices of the type in that region share the fault. Where a region has no machine without SSD to compare
    with, it goes by what most other regions show. With accelerators the SSD is less than 1 % of the price; those
    machines are kept.
    """
    on_demand = batch.rows.filter(pl.col("purchase") == Purchase.ON_DEMAND)
    without = on_demand.group_by("cloud", "region", "source", plain="instance_type").agg(
        plain_price=pl.col("price_usd_h").median()
    )
    name = pl.col("instance_type")
    rows = batch.rows.with_columns(plain=pl.when(name.str.ends_with("-lssd")).then(name.str.strip_suffix("-lssd")))
    beside = rows.join(without, on=["cloud", "region", "source", "plain"], how="left", maintain_order="left")
    compared = (pl.col("purchase") == Purchase.ON_DEMAND) & pl.col("accelerator").is_null()
    alike = pl.when(compared).then(pl.col("price_usd_h") <= 1.001 * pl.col("plain_price"))
    kind = ("cloud", "source", "instance_type")
    here, elsewhere = alike.max().over(*kind, "region"), alike.mean().over(kind) > 0.5
    return beside.select(here.fill_null(elsewhere)).to_series()


def discount_as_on_demand(batch: Batch) -> pl.Series:
    """An on-demand price of GCP for large accelerators that is at most 0.65 of the dearest region's.

    It is that of another purchase, such as a scheduled start: those cost 0.38 to 0.64 of the dearest. Between regions
    the on-demand prices of machines with devices of 40 GiB or more differ by up to 30 %.
    """
    large = (pl.col("cloud") == "gcp") & (pl.col("accelerator_memory_gib") >= 40)
    listed = pl.when(large & (pl.col("purchase") == Purchase.ON_DEMAND)).then(pl.col("price_usd_h"))
    return _where(batch, listed <= 0.65 * listed.max().over("cloud", "instance_type"))


SHARED_CORE: Final = {"e2-micro": "e2-standard-2", "e2-small": "e2-standard-2", "e2-medium": "e2-standard-2"}
"""GCP's shared-core machines show two vCPUs and are billed for a quarter, a half and one of them; beside each the
smallest machine of its series with two whole vCPUs."""


def shared_core_as_whole(batch: Batch) -> pl.Series:
    """A shared-core machine is priced as if all its vCPUs were its own.

    At list prices e2-micro, e2-small and e2-medium cost 1/8, 1/4 and 1/2 of e2-standard-2; priced by whole vCPUs 0.69,
    0.74 and 0.83 of it.
    """
    whole = batch.rows.group_by("cloud", "region", "purchase", pl.col("instance_type").alias("sibling")).agg(
        sibling_price=pl.col("price_usd_h").median()
    )
    sibling = pl.col("instance_type").replace_strict(SHARED_CORE, default=None, return_dtype=pl.String)
    rows = batch.rows.with_columns(sibling=sibling)
    beside = rows.join(whole, on=("cloud", "region", "purchase", "sibling"), how="left", maintain_order="left")
    return _where(replace(batch, rows=beside), pl.col("price_usd_h") > 0.6 * pl.col("sibling_price"))


def dedicated_tenancy(batch: Batch) -> pl.Series:
    """An EC2 price 3 to 50 % above what its siblings say: the price of a machine on dedicated hardware.

    Dedicated tenancy costs 6 to 11 % more (h1: 25 %); no shared price lies more than 2 % off its siblings.
    """
    ratio = _sibling_ratio(batch, quantile=1 / 3)
    return (batch.rows["cloud"] == "aws") & (ratio > 1.03) & (ratio <= 1.5)


def off_siblings(batch: Batch) -> pl.Series:
    """An on-demand price more than 1.5 times or less than 1/1.5 of what its siblings say.

    Windows in place of Linux comes to about twice (D and M families), a price per minute or per month further. Of
    56,671 real Azure prices 0.02 % lie so far off.
    """
    return ~_sibling_ratio(batch, quantile=0.5).is_between(1 / 1.5, 1.5)


WINDOWS_USD_VCPU_H: Final = 0.046
"""What AWS, Azure and GCP ask for a Windows licence, per vCPU: m5.large and Standard_D2s_v3 cost 0.096 USD/h with Linux
and 0.188 with Windows (aws.amazon.com/ec2/pricing, azure.microsoft.com/pricing/details/virtual-machines)."""


def windows_licence(batch: Batch) -> pl.Series:
    """An on-demand price above what its siblings say by what a Windows licence costs, within 5 %.

    It finds the licence where it is less than half of the price: machines with much memory or accelerators. Of 53,581
    real prices of Azure two lie there by chance.
    """
    price = pl.col("price_usd_h")
    excess = price * (1 - 1 / pl.col("ratio"))  # USD/h
    licence = excess / (WINDOWS_USD_VCPU_H * pl.col("vcpus"))
    rows = batch.rows.with_columns(ratio=_sibling_ratio(batch, quantile=0.5))
    return _where(replace(batch, rows=rows), licence.is_between(0.95, 1.05) & (pl.col("ratio") > 1.03))


def discount_above_on_demand(batch: Batch) -> pl.Series:
    """A spot or reserved price above the on-demand price of the same type in the same region."""
    listed = pl.when(pl.col("purchase") == Purchase.ON_DEMAND).then(pl.col("price_usd_h"))
    highest = listed.max().over("cloud", "region", "instance_type")
    discounted = pl.col("purchase").is_in([Purchase.SPOT, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y])
    return _where(batch, discounted & (pl.col("price_usd_h") > highest * (1 + 1e-9)))


def reversed_band(batch: Batch) -> pl.Series:
    """The lower end of a band of interruptions lies above its upper end."""
    return _where(batch, pl.col("interruption_low") > pl.col("interruption_high"))


def tenfold_jump(batch: Batch) -> pl.Series:
    """The price is ten times the one published before, or a tenth of it, or further off."""
    before = batch.previous.select(*OFFERS.key, before="price_usd_h").unique(OFFERS.key, keep="first")
    beside = batch.rows.join(before, on=list(OFFERS.key), how="left", nulls_equal=True, maintain_order="left")
    ratio = pl.col("price_usd_h") / pl.col("before")
    return _where(replace(batch, rows=beside), ~ratio.is_between(0.1 + 1e-9, 10 - 1e-9))


CHECKS: Final = (
    Check("missing_value", missing_value),
    Check("empty_text", empty_text),
    Check("not_finite", not_finite),
    Check("zero_price", zero_price, OFFERS),
    Check("out_of_bounds", out_of_bounds),
    Check("unknown_value", unknown_value),
    Check("duplicate_key", duplicate_key),
    Check("unknown_accelerator", unknown_accelerator, INSTANCE_TYPES),
    Check("incomplete_accelerator", incomplete_accelerator, INSTANCE_TYPES),
    Check("device_memory", device_memory, INSTANCE_TYPES),
    Check("local_ssd_left_out", local_ssd_left_out, INSTANCE_TYPES),
    Check("empty_offer", empty_offer, OFFERS),
    Check("unknown_type", unknown_type, OFFERS, needs="instance_types"),
    Check("placeholder_price", placeholder_price, OFFERS, needs="instance_types"),
    Check("local_ssd_unpriced", local_ssd_unpriced, OFFERS, needs="instance_types"),
    Check("shared_core_as_whole", shared_core_as_whole, OFFERS),
    Check("off_siblings", off_siblings, OFFERS),
    Check("windows_licence", windows_licence, OFFERS, needs="instance_types"),
    Check("dedicated_tenancy", dedicated_tenancy, OFFERS),
    Check("accelerators_left_out", accelerators_left_out, OFFERS, needs="instance_types"),
    Check("discount_as_on_demand", discount_as_on_demand, OFFERS, needs="instance_types"),
    Check("discount_above_on_demand", discount_above_on_demand, OFFERS),
    Check("reversed_band", reversed_band, SPOT_RISK),
    Check("tenfold_jump", tenfold_jump, OFFERS, needs="previous"),
)


# Siblings.


def family() -> pl.Expr:
    """The family of a row's instance type: its name without the size, as the cloud writes it.

    `m5.large` -> `m5`, `n2-standard-8` -> `n2-standard`, `Standard_D4s_v5` -> `Standard_Ds_v5`. Where names say nothing
    of families, each type is one.
    """
    name, cloud = pl.col("instance_type"), pl.col("cloud")
    return (
        pl.when(cloud == "aws")
        .then(name.str.replace(r"\..*$", ""))
        .when(cloud == "gcp")
        .then(name.str.replace(r"-\d+[a-z]?\b", ""))
        .when(cloud == "azure")
        .then(name.str.replace(r"^([A-Za-z]+_[A-Z]+)\d+(-\d+)?", "${1}"))
        .otherwise(name)
    )


def sibling_ratio(prices: pl.DataFrame, quantile: float = 0.5) -> pl.DataFrame:
    """Each price over the one that its siblings say: `ratio` is 1 where a price is size factor times region factor.

    `prices` has one row for each (cloud, family, instance_type, region) and its `price_usd_h`; the answer has the same
    rows with `ratio`, null where fewer than three siblings in the region or three regions of the type are there to
    compare with. The factors are quantiles of the ratios across the other rows: the median, or a lower quantile where
    the faults are known to be prices that are too high.
    """
    of, region = ("cloud", "family"), ("cloud", "family", "region")
    kind = ("cloud", "family", "instance_type")
    price = pl.col("price_usd_h")

    def typical(values: pl.Expr) -> pl.Expr:
        return values.quantile(quantile, interpolation="lower")

    sizes = prices.with_columns(in_region=pl.len().over(region), in_type=pl.len().over(kind)).sort(
        "in_region", "region", descending=[True, False], maintain_order=True
    )
    # A first guess of the region's factor: beside the region that holds most of the family.
    anchor = sizes.group_by(of, maintain_order=True).agg(anchor=pl.col("region").first())
    fitted = sizes.join(anchor, on=of).with_columns(
        base=price.filter(pl.col("region") == pl.col("anchor")).first().over(kind)
    )
    fitted = fitted.with_columns(by_region=typical(price / pl.col("base")).fill_null(1.0).over(region))
    for _ in range(4):
        fitted = fitted.with_columns(by_size=typical(price / pl.col("by_region")).over(kind))
        fitted = fitted.with_columns(by_region=typical(price / pl.col("by_size")).over(region))
    comparable = (pl.col("in_region") >= 3) & (pl.col("in_type") >= 3)
    ratio = pl.when(comparable).then(price / (pl.col("by_size") * pl.col("by_region")))
    return prices.join(
        fitted.select(*kind, "region", ratio=ratio), on=[*kind, "region"], how="left", maintain_order="left"
    )


def _sibling_ratio(batch: Batch, quantile: float) -> pl.Series:
    """The ratio for each row of a batch; null for rows that are not on demand. Zones of a region share one price."""
    rows = batch.rows.with_columns(family=family())
    listed = rows.filter((pl.col("purchase") == Purchase.ON_DEMAND) & pl.col("price_usd_h").is_not_null())
    keys = ("cloud", "family", "instance_type", "region")
    prices = listed.group_by(keys, maintain_order=True).agg(pl.col("price_usd_h").median())
    ratios = sibling_ratio(prices, quantile).select(*keys, "ratio")
    beside = rows.join(ratios, on=keys, how="left", maintain_order="left")
    on_demand = pl.col("purchase") == Purchase.ON_DEMAND
    return beside.select(pl.when(on_demand).then(pl.col("ratio"))).to_series()
