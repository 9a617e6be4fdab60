"""Which source is believed where several speak of the same thing.

Every row says how far it can be trusted and when it was seen: the better confidence comes first, then the later look,
then the name of the source. Rows that are outranked stay on record, and count again when the better source is gone.

Offers need more, because sources cut the market differently: one lists prices by region, another only the zones in
which a type is offered, a third has a few prices that it is sure of. So:

1. A price is for a (cloud, region, instance type, purchase), and comes from one source.
2. A source that is complete for a purchase speaks for each (cloud, region) in which it has such a price: what it does
   not list there is not sold there, whoever else says so.
3. An hourly price of a whole region is laid over the zones in which the type is known to be offered, unless its source
   has prices by zone too. A source that is complete for on-demand zones says which these are.
4. A zone in which a type was seen, without any price, keeps its row without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from catalog_data.schema import OFFERS, PROVENANCE, Confidence, Purchase, Table

TRUST: Final = {confidence.value: place for place, confidence in enumerate(Confidence)}
"""The places of the confidences, best first."""

_ONE_STATEMENT: Final = (
    "accelerator",
    "accelerator_count",
    "accelerator_memory_gib",
    *(column.name for column in PROVENANCE),
)
"""Columns that come from one source, the best."""

_GROUP: Final = ("cloud", "region", "instance_type", "purchase")
_SCOPE: Final = ("cloud", "region", "purchase")
_HERE: Final = ("cloud", "region", "instance_type")


def effective_offers(held: pl.DataFrame, complete: pl.DataFrame) -> pl.DataFrame:
    """The offers that hold, from all that sources say (both frames of OFFERS; keys are unique in the answer).

    `complete` has the columns `source` and `purchase`: what each source is complete for.
    """
    rows = held.with_columns(trust=pl.col("confidence").replace_strict(TRUST, return_dtype=pl.Int8)).join(
        complete.select("source", "purchase", complete=True), on=("source", "purchase"), how="left"
    )
    has_price = pl.col("price_usd_h").is_not_null() | (pl.col("purchase") == Purchase.OWNED)
    prices, seen = rows.filter(has_price), rows.filter(~has_price)
    sights = _sights(rows)
    laid = _laid_over_zones(_of_best_source(_of_authority(prices, _SCOPE), _GROUP), sights)
    unpriced = _of_best_source(_of_authority(seen, _SCOPE), OFFERS.key).select(OFFERS.column_names)
    in_zone = pl.col("zone").is_not_null()
    whole = unpriced.filter(~in_zone).join(laid, on=_GROUP, how="anti")
    left = pl.concat([unpriced.filter(in_zone), whole]).join(laid, on=OFFERS.key, how="anti", nulls_equal=True)
    return pl.concat([laid, left])


def _sights(rows: pl.DataFrame) -> pl.DataFrame:
    """Where each type was seen: `cloud`, `region`, `instance_type`, `zone`, `available`, `settled`.

    A zone is null where nobody speaks of zones. `settled` says that there are no other zones in that region.
    """
    on_demand = rows.filter(
        (pl.col("purchase") == Purchase.ON_DEMAND) & (pl.col("zone").is_not_null() | pl.col("price_usd_h").is_null())
    )
    ruled = _of_authority(on_demand, ("cloud", "region"))
    sights = ruled.group_by(*_HERE, "zone").agg(pl.col("available").max(), settled=pl.col("complete").any())
    return sights.filter(pl.col("zone").is_not_null() | ~pl.col("zone").is_not_null().any().over(_HERE))


def _laid_over_zones(prices: pl.DataFrame, sights: pl.DataFrame) -> pl.DataFrame:
    """The prices by zone where zones are known, without those in zones that there are not."""
    by_the_hour = pl.col("purchase").is_in([Purchase.ON_DEMAND, Purchase.SPOT])
    of_zone = by_the_hour & pl.col("zone").is_not_null()
    of_region = by_the_hour & ~pl.col("zone").is_not_null().any().over(_GROUP)

    seen = sights.select(*_HERE, seen_in="zone", seen="available")
    spread = prices.filter(of_region).join(seen, on=_HERE, how="left")
    spread = spread.with_columns(zone="seen_in", available=pl.coalesce("seen", "available"))

    settled = sights.filter(pl.col("settled")).select("cloud", "region", settled=True).unique()
    known = sights.select(*_HERE, "zone", known=True)
    zoned = prices.filter(of_zone).join(settled, on=("cloud", "region"), how="left")
    zoned = zoned.join(known, on=(*_HERE, "zone"), how="left")
    offered = zoned.filter(pl.any_horizontal(pl.col("complete"), pl.col("settled").is_null(), pl.col("known")))

    parts = (offered, spread, prices.filter(~of_zone & ~of_region))
    return pl.concat([part.select(OFFERS.column_names) for part in parts])


def _of_authority(rows: pl.DataFrame, scope: Sequence[str]) -> pl.DataFrame:
    """Without the rows of others where a complete source speaks."""
    complete = rows.filter(pl.col("complete"))
    if complete.is_empty():
        return rows
    return pl.concat([_of_best_source(complete, scope), rows.join(complete, on=scope, how="anti")])


def _of_best_source(rows: pl.DataFrame, scope: Sequence[str]) -> pl.DataFrame:
    """In each scope the rows of the one source that ranks best there."""
    if rows["source"].n_unique() <= 1:
        return rows
    looks = rows.group_by(*scope, "source").agg(pl.col("trust").min(), pl.col("observed_at").max())
    best = looks.sort("trust", "observed_at", "source", descending=[False, True, False]).unique(
        scope, keep="first", maintain_order=True
    )
    return rows.join(best.select(*scope, "source"), on=[*scope, "source"], how="semi", nulls_equal=True)


def effective_details(held: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One row for each key, from the best source that has it, with what that leaves open from the next best.

    A machine is described by several sources, each of which knows something that the others do not. The accelerators of
    a machine are one statement: null there means that it has none.
    """
    ranked = held.with_columns(trust=pl.col("confidence").replace_strict(TRUST, return_dtype=pl.Int8)).sort(
        "trust", "observed_at", "source", descending=[False, True, False]
    )
    rest = [name for name in table.column_names if name not in table.key]
    return (
        ranked.group_by(table.key, maintain_order=True)
        .agg(pl.col(name).first() if name in _ONE_STATEMENT else pl.col(name).drop_nulls().first() for name in rest)
        .select(table.column_names)
    )
