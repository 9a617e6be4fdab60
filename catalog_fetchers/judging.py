"""What of a look may be published: the checks, what stands where a row was rejected, and whether too much is gone.

What the look before contradicts (a price that jumped tenfold, a region that is gone, a source that lost many rows) is
believed when three looks in a row agree on it, at least an hour apart each: markets do move.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from catalog_data.checks import check, check_against
from catalog_data.precedence import COMPLETE, effective
from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, TABLES, Purchase, Table
from catalog_fetchers.base import Source, Tables

MOST_LOST: Final = 1 / 3
"""A look that lost a larger share of a table's rows is not believed: a region or a page is missing more often than a
third of a market is closed."""
LOOKS_TO_BELIEVE: Final = 3
APART: Final = timedelta(hours=1)
"""Looks that follow each other faster are one look."""

REJECTED: Final = pl.Schema(
    {
        "source": pl.String(),
        "table": pl.String(),
        "reason": pl.String(),
        "key": pl.String(),
        "price_usd_h": pl.Float64(),
        "previous_usd_h": pl.Float64(),
        "seen_at": pl.Datetime("us", "UTC"),
        "looks": pl.Int64(),
        "row": pl.String(),
    }
)
"""What is kept of a rejected row: `key` as people read it, `row` as JSON, the price that stands in its place, and at
how many looks in a row it was rejected for the same."""

REGION_GONE: Final = "region_gone"
CONTRADICTED: Final = frozenset({"tenfold_jump", REGION_GONE})
"""Reasons that three looks overrule."""
NO_OFFER: Final = frozenset({"missing_value", "empty_text", "unknown_value", "unknown_type", "duplicate_key"})
"""Reasons after which it cannot be said what the row is about."""

_RESEEN: Final = ("source_version", "observed_at", "expires_at")
_SCOPE: Final = ("cloud", "region", "purchase")


@dataclass(frozen=True)
class Counts:
    """Rows of a look against those of the look before."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows + other.rows, self.new + other.new, self.changed + other.changed, self.gone + other.gone
        )


@dataclass(frozen=True)
class Judged:
    """`kept` may be published; `lost` names the tables that lost too much to be believed, with both counts."""

    kept: Tables
    rejected: pl.DataFrame
    counts: Counts
    lost: Mapping[str, tuple[int, int]]

    def reasons(self) -> dict[str, int]:
        """How many rows were rejected for each reason."""
        return dict(self.rejected.group_by("reason").len().sort("reason").iter_rows())


@dataclass(frozen=True)
class Before:
    """The look before: what the source said (by table), and what was rejected then (REJECTED)."""

    said: Tables
    rejected: pl.DataFrame


def judged(
    source: Source,
    tables: Tables,
    before: Before,
    hardware: pl.DataFrame,
    seen_at: datetime,
    *,
    changes_accepted: bool = False,
) -> Judged:
    """Sort the rows of one look at one source.

    A row that is rejected leaves the last good one of its key in place, unconfirmed; a complete source without one
    says at least that the machine is sold.

    Args:
        source: the source.
        tables: what it brought, by the name of the table.
        before: the look before.
        hardware: INSTANCE_TYPES that are known, those of this look among them.
        seen_at: when the look was.
        changes_accepted: whether to believe what the look before contradicts at once.
    """
    kept: dict[str, pl.DataFrame] = {}
    rejected = [pl.DataFrame(schema=REJECTED)]
    counts = Counts()
    lost: dict[str, tuple[int, int]] = {}
    for name, table in TABLES.items():
        earlier = before.said.get(name, table.empty())
        if name not in tables and earlier.is_empty():
            continue
        good, bad = _checked(source, table, tables.get(name, table.empty()), earlier, hardware)
        bad = _counted(source, table, bad, before.rejected, seen_at)
        believed = pl.col("reason").is_in(list(CONTRADICTED)) & (
            pl.lit(changes_accepted) | (pl.col("looks") >= LOOKS_TO_BELIEVE)
        )
        returned = bad.filter(believed & (pl.col("reason") != REGION_GONE))
        good = pl.concat([good, returned.select(table.column_names)])
        bad = bad.filter(~believed)
        stayed = _last_good(table, earlier, good, bad)
        kept[name] = pl.concat([good, stayed, _left_open(source, table, good, stayed, bad)])
        rejected.append(_on_record(source, table, bad, stayed, seen_at))
        counts += _compared(table, earlier, kept[name])
        if table is not OBSERVATIONS and earlier.height - kept[name].height > MOST_LOST * earlier.height:
            lost[name] = (earlier.height, kept[name].height)
    return Judged(kept, pl.concat(rejected), counts, {} if changes_accepted else lost)


def known_hardware(catalog: pl.DataFrame, looks: Mapping[str, Tables]) -> pl.DataFrame:
    """INSTANCE_TYPES of these looks and of the catalog, by precedence; one row a type."""
    brought = [tables[INSTANCE_TYPES.name] for _, tables in sorted(looks.items()) if INSTANCE_TYPES.name in tables]
    sound = [check(INSTANCE_TYPES, frame).kept for frame in brought]
    return effective(INSTANCE_TYPES, pl.concat([*sound, catalog]), pl.DataFrame(schema=COMPLETE))


def _checked(
    source: Source, table: Table, brought: pl.DataFrame, earlier: pl.DataFrame, hardware: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that pass, and those that do not with the reason; rows of regions that are gone are among these."""
    first = check(table, brought, instance_types=hardware if table is OFFERS else None)
    second = check_against(table, first.kept, earlier)
    gone = _regions_gone(source, table, second.kept, earlier)
    return second.kept, pl.concat([first.rejected, second.rejected, gone])


def _regions_gone(source: Source, table: Table, good: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Earlier offers of a complete source in regions of which it lists nothing any more.

    A marketplace's places come and go, and so do one's own clusters.
    """
    purchases = [] if source.complete_everywhere else [one for one in source.complete_for if one != Purchase.OWNED]
    if table is not OFFERS:
        return earlier.clear().with_columns(reason=pl.lit(REGION_GONE))
    listed = earlier.filter(pl.col("purchase").is_in(purchases))
    return listed.join(good, on=_SCOPE, how="anti").with_columns(reason=pl.lit(REGION_GONE))


def _counted(source: Source, table: Table, bad: pl.DataFrame, earlier: pl.DataFrame, seen_at: datetime) -> pl.DataFrame:
    """The rejected rows with `key` and the number of `looks` in a row at which each was rejected for the same."""
    price = pl.col("price_usd_h") if table is OFFERS else pl.lit(None, pl.Float64)
    texts = [pl.col(name).cast(pl.String).fill_null("-") for name in table.key]
    rows = bad.with_columns(key=pl.concat_str(texts, separator=" "), price=price)
    known = earlier.filter((pl.col("source") == source.name) & (pl.col("table") == table.name)).select(
        "key", "reason", before="price_usd_h", times="looks", rejected_at="seen_at"
    )
    beside = rows.join(known.unique(["key", "reason"]), on=("key", "reason"), how="left", maintain_order="left")
    agrees = (pl.col("price") / pl.col("before")).is_between(0.5, 2).fill_null(value=True)
    later = (pl.lit(seen_at) - pl.col("rejected_at")) >= APART
    looks = pl.when(agrees).then(pl.col("times") + later.cast(pl.Int64)).fill_null(1)
    return beside.with_columns(looks=looks).drop("price", "before", "times", "rejected_at")


def _last_good(table: Table, earlier: pl.DataFrame, good: pl.DataFrame, bad: pl.DataFrame) -> pl.DataFrame:
    """The rows of the look before that stand where nothing but rejected rows came now."""
    stayed = earlier.join(bad, on=table.key, how="semi", nulls_equal=True)
    stayed = stayed.join(good, on=table.key, how="anti", nulls_equal=True)
    return stayed.with_columns(unconfirmed=pl.lit(value=True)) if table is OFFERS else stayed


def _left_open(
    source: Source, table: Table, good: pl.DataFrame, stayed: pl.DataFrame, bad: pl.DataFrame
) -> pl.DataFrame:
    """Offers without a price where a complete source's own was rejected: they leave the price to other sources."""
    if table is not OFFERS:
        return table.empty()
    sold = pl.col("purchase").is_in(source.complete_for) & ~pl.col("reason").is_in(list(NO_OFFER))
    rows = bad.filter(sold).unique(table.key, keep="first", maintain_order=True)
    for other in (good, stayed):
        rows = rows.join(other, on=table.key, how="anti", nulls_equal=True, maintain_order="left")
    nothing = {"price_usd_h": pl.lit(None, pl.Float64), "available": pl.lit(None, pl.Boolean)}
    return rows.with_columns(**nothing, unconfirmed=pl.lit(value=True)).select(table.column_names)


def _on_record(
    source: Source, table: Table, bad: pl.DataFrame, stayed: pl.DataFrame, seen_at: datetime
) -> pl.DataFrame:
    """The rejected rows of one table in the schema REJECTED."""
    price = "price_usd_h" if table is OFFERS else None
    before = {} if price is None else {row[:-1]: row[-1] for row in stayed.select(*table.key, price).iter_rows()}
    return pl.DataFrame(
        [
            {
                "source": source.name,
                "table": table.name,
                "reason": row["reason"],
                "key": row["key"],
                "price_usd_h": row[price] if price else None,
                "previous_usd_h": before.get(tuple(row[name] for name in table.key)),
                "seen_at": seen_at,
                "looks": row["looks"],
                "row": json.dumps({name: row[name] for name in table.column_names}, default=str),
            }
            for row in bad.iter_rows(named=True)
        ],
        schema=REJECTED,
    )


def _compared(table: Table, before: pl.DataFrame, after: pl.DataFrame) -> Counts:
    """How many rows came, went or say something else."""
    said = [name for name in table.column_names if name not in _RESEEN]
    key = list(table.key)
    new = after.join(before, on=key, how="anti", nulls_equal=True).height
    gone = before.join(after, on=key, how="anti", nulls_equal=True).height
    same = after.select(said).join(before.select(said), on=said, how="semi", nulls_equal=True).height
    return Counts(rows=after.height, new=new, changed=after.height - new - same, gone=gone)
