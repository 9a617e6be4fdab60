"""Which source is believed where several speak of the same thing.

Every row says how far it can be trusted and when it was seen. The better confidence comes first, where each half year
that a row lies behind the newest look at its cloud costs one step; then the later look, by weeks, so that two sources
of one worth do not take turns; then the name of the source. Rows that are outranked stay on record, and count again
when the better source is gone.

Where a key is only part of a statement, one source makes all of it: the tiers of a rate between two places, the
accelerators of a machine. Other details of machines and regions are filled in from the next best source.

Offers need more, because sources cut the market differently: one lists prices by region, another only the zones in
which a type is offered, a third has a few prices that it is sure of. So:

1. A price is for a (cloud, region, instance type, purchase), and comes from one source.
2. A source that is complete for a purchase speaks for each (cloud, region) in which it has such a price, or for the
   whole cloud: what it does not list there is not sold there, whoever else says so. What it lists without a price it
   leaves to others. A source that lies half a year behind speaks for nobody but itself.
3. An hourly price of a whole region is laid over the zones in which the type is known to be offered, unless its source
   has prices by zone too. A source that is complete for on-demand machines, and sees them without prices, says which
   zones and types there are; a type that it does not see is not to be had.
4. A zone in which a type was seen, without any price, keeps its row without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from catalog_data.schema import EGRESS, INSTANCE_TYPES, OFFERS, PROVENANCE, REGIONS, Confidence, Purchase, Table

TRUST: Final = {confidence.value: place for place, confidence in enumerate(Confidence)}
"""The places of the confidences, best first."""
STEP_DAYS: Final = 180

COMPLETE: Final = pl.Schema({"source": pl.String(), "purchase": pl.String(), "everywhere": pl.Boolean()})
"""What each source is complete for: in each region of which it has a row, or everywhere in its clouds."""

_STATEMENT: Final[Mapping[str, tuple[str, ...]]] = {
    EGRESS.name: ("src_cloud", "src_region", "dst_cloud", "dst_region"),
}
"""What one source says all of, where that is more than a row."""
_ONE_STATEMENT: Final = (
    "accelerator",
    "accelerator_count",
    "accelerator_memory_gib",
    *(column.name for column in PROVENANCE),
)
"""Columns that come from one source, the best."""

_GROUP: Final = ("cloud", "region", "instance_type", "purchase")
_HERE: Final = ("cloud", "region", "instance_type")


def effective(table: Table, held: pl.DataFrame, complete: pl.DataFrame) -> pl.DataFrame:
    """The rows that hold, from all that sources say of some clouds (both frames of the table; keys become unique).

    `complete` has the schema COMPLETE.
    """
    ranked = _ranked(table, held)
    if table is OFFERS:
        return _effective_offers(ranked, complete)
    if table in (INSTANCE_TYPES, REGIONS):
        return _with_details(ranked, table)
    scope = _STATEMENT.get(table.name, table.key)
    return _of_best_source(ranked, scope).select(table.column_names)


def _ranked(table: Table, held: pl.DataFrame) -> pl.DataFrame:
    """The rows with their `trust` (less is better), the `week` of their look, and the `newest` look at their cloud."""
    newest = pl.col("observed_at").max()
    ages = held.with_columns(newest=newest.over("cloud") if "cloud" in table.key else newest)
    return ages.with_columns(
        trust=pl.col("confidence").replace_strict(TRUST, return_dtype=pl.Int64) + _behind(pl.col("observed_at")),
        week=pl.col("observed_at").dt.truncate("1w"),
    )


def _behind(seen: pl.Expr) -> pl.Expr:
    """The half years from an instant to the newest look."""
    return (pl.col("newest") - seen).dt.total_days() // STEP_DAYS


def _of_best_source(rows: pl.DataFrame, scope: Sequence[str]) -> pl.DataFrame:
    """In each scope the rows of the one source that ranks best there."""
    if rows["source"].n_unique() <= 1:
        return rows
    looks = rows.group_by(*scope, "source").agg(pl.col("trust").min(), pl.col("week").max())
    best = looks.sort("trust", "week", "source", descending=[False, True, False]).unique(
        scope, keep="first", maintain_order=True
    )
    return rows.join(best.select(*scope, "source"), on=[*scope, "source"], how="semi", nulls_equal=True)


def _with_details(ranked: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One row for each key, from the best source that has it, with what that leaves open from the next best."""
    rest = [name for name in table.column_names if name not in table.key]
    return (
        ranked.sort("trust", "week", "source", descending=[False, True, False])
        .group_by(table.key, maintain_order=True)
        .agg(pl.col(name).first() if name in _ONE_STATEMENT else pl.col(name).drop_nulls().first() for name in rest)
        .select(table.column_names)
    )


# Offers.


def _effective_offers(ranked: pl.DataFrame, complete: pl.DataFrame) -> pl.DataFrame:
    speaks = complete.select("source", "purchase", "everywhere", complete=True)
    rows = ranked.join(speaks, on=("source", "purchase"), how="left")
    present = _behind(pl.col("observed_at").max().over("cloud", "source")) < 1
    rows = rows.with_columns(complete=pl.col("complete").fill_null(value=False) & present)
    has_price = pl.col("price_usd_h").is_not_null() | (pl.col("purchase") == Purchase.OWNED)
    prices, seen = rows.filter(has_price), rows.filter(~has_price)

    left_open = seen.filter(pl.col("complete")).select(*_GROUP, speaker="source")
    believed = _of_best_source(_where_none_speaks(prices, left_open), _GROUP)
    laid = _laid_over_zones(believed, _sights(rows))

    unpriced = _of_best_source(_where_none_speaks(seen, left_open.clear()), OFFERS.key).select(OFFERS.column_names)
    in_zone = pl.col("zone").is_not_null()
    whole = unpriced.filter(~in_zone).join(laid, on=_GROUP, how="anti")
    left = pl.concat([unpriced.filter(in_zone), whole]).join(laid, on=OFFERS.key, how="anti", nulls_equal=True)
    return pl.concat([laid, left])


def _where_none_speaks(rows: pl.DataFrame, left_open: pl.DataFrame) -> pl.DataFrame:
    """Without the rows of others where a complete source speaks, but for the groups that it leaves open to them.

    `left_open` has the columns of a group and `speaker`.
    """
    for everywhere, scope in ((True, ("cloud", "purchase")), (False, ("cloud", "region", "purchase"))):
        complete = rows.filter(pl.col("complete") & (pl.col("everywhere") == everywhere))
        if complete.is_empty():
            continue
        speakers = _of_best_source(complete, scope).select(*scope, speaker="source").unique()
        beside = rows.join(speakers, on=scope, how="left")
        believed = beside.filter(pl.col("speaker").is_null() | (pl.col("speaker") == pl.col("source")))
        others = beside.filter(pl.col("speaker") != pl.col("source"))
        unsaid = others.join(left_open, on=[*_GROUP, "speaker"], how="semi").join(believed, on=_GROUP, how="anti")
        rows = pl.concat([believed, unsaid]).drop("speaker")
    return rows


def _sights(rows: pl.DataFrame) -> pl.DataFrame:
    """Where each type was seen: `cloud`, `region`, `instance_type`, `zone`, `available`, `settled`.

    A zone is null where nobody speaks of zones. `settled` says that there is nothing else in that region.
    """
    by_zone, unpriced = pl.col("zone").is_not_null(), pl.col("price_usd_h").is_null()
    nothing_said = unpriced & ~by_zone & pl.col("unconfirmed").fill_null(value=False)
    of_places = (pl.col("purchase") == Purchase.ON_DEMAND) & (by_zone | unpriced) & ~nothing_said
    on_demand = rows.filter(of_places)
    complete = on_demand.filter(pl.col("complete"))
    if not complete.is_empty():
        settling = _of_best_source(complete, ("cloud", "region"))
        on_demand = pl.concat([settling, on_demand.join(settling, on=("cloud", "region"), how="anti")])
    sights = on_demand.group_by(*_HERE, "zone").agg(pl.col("available").max(), settled=pl.col("complete").any())
    return sights.filter(pl.col("zone").is_not_null() | ~pl.col("zone").is_not_null().any().over(_HERE))


def _laid_over_zones(prices: pl.DataFrame, sights: pl.DataFrame) -> pl.DataFrame:
    """The prices by zone where zones are known, without those in zones that there are not."""
    by_the_hour = pl.col("purchase").is_in([Purchase.ON_DEMAND, Purchase.SPOT])
    of_zone = prices.filter(by_the_hour & pl.col("zone").is_not_null())
    of_region = prices.filter(by_the_hour & pl.col("zone").is_null())
    beside_zones = of_region.join(of_zone, on=_GROUP, how="semi")
    settled = sights.filter(pl.col("settled")).select("cloud", "region", settled=True).unique()
    parts = (
        _in_zones_that_there_are(of_zone, sights, settled),
        _spread(of_region.join(of_zone, on=_GROUP, how="anti"), sights, settled),
        beside_zones,
        prices.filter(~by_the_hour),
    )
    return pl.concat([part.select(OFFERS.column_names) for part in parts])


def _spread(of_region: pl.DataFrame, sights: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """Prices of regions, in each zone where the type was seen; not to be had where it is settled that there is none."""
    seen = sights.select(*_HERE, seen_in="zone", seen="available", sight=True)
    spread = of_region.join(seen, on=_HERE, how="left").join(settled, on=("cloud", "region"), how="left")
    absent = pl.col("settled") & pl.col("sight").is_null()
    available = pl.when(absent).then(False).otherwise(pl.min_horizontal("seen", "available"))
    return spread.with_columns(zone="seen_in", available=available)


def _in_zones_that_there_are(of_zone: pl.DataFrame, sights: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """Prices of zones, without those of zones that nobody saw where it is settled which there are."""
    if settled.is_empty():
        return of_zone
    in_doubt = of_zone.filter(~pl.col("complete")).join(settled, on=("cloud", "region"), how="semi")
    unseen = in_doubt.join(sights, on=(*_HERE, "zone"), how="anti")
    return of_zone.join(unseen, on=OFFERS.key, how="anti")
