"""What of a look may be published: the checks, what stays where a row was rejected, and whether too much is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from catalog_data.checks import check, check_against
from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, TABLES, Confidence, Table
from catalog_fetchers.base import Tables

MOST_LOST: Final = 1 / 3
"""A look that lost a larger share of a table's rows is not believed: a region or a page is missing more often than a
third of a market is closed."""

REJECTED: Final = pl.Schema(
    {
        "source": pl.String(),
        "table": pl.String(),
        "reason": pl.String(),
        "key": pl.String(),
        "price_usd_h": pl.Float64(),
        "previous_usd_h": pl.Float64(),
        "seen_at": pl.Datetime("us", "UTC"),
        "row": pl.String(),
    }
)
"""What is kept of a rejected row: `key` as people read it, `row` as JSON, the price that stays in its place."""

_RESEEN: Final = ("source_version", "observed_at")


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


def judged(
    source: str,
    tables: Tables,
    previous: Tables,
    hardware: pl.DataFrame,
    seen_at: datetime,
    *,
    jumps_accepted: bool = False,
) -> Judged:
    """Sort the rows of one look at one source.

    A row that is rejected leaves the last good one of its key in place: with its age, and of low confidence.

    Args:
        source: the name of the source.
        tables: what it brought, by the name of the table.
        previous: what it said at the look before.
        hardware: INSTANCE_TYPES that are known, those of this look among them.
        seen_at: when the look was.
        jumps_accepted: whether to believe prices that jumped tenfold.
    """
    kept: dict[str, pl.DataFrame] = {}
    rejected = [pl.DataFrame(schema=REJECTED)]
    counts = Counts()
    lost: dict[str, tuple[int, int]] = {}
    for name in TABLES:
        table, before = TABLES[name], previous.get(name, TABLES[name].empty())
        if name not in tables and before.is_empty():
            continue
        brought = tables.get(name, table.empty())
        good, bad = _checked(table, brought, before, hardware, jumps_accepted=jumps_accepted)
        stayed = _last_good(table, before, good, bad)
        kept[name] = pl.concat([good, stayed])
        rejected.append(_on_record(source, table, bad, stayed, seen_at))
        counts += _compared(table, before, kept[name])
        if table is not OBSERVATIONS and before.height - kept[name].height > MOST_LOST * before.height:
            lost[name] = (before.height, kept[name].height)
    return Judged(kept, pl.concat(rejected), counts, lost)


def known_hardware(catalog: pl.DataFrame, looks: Mapping[str, Tables]) -> pl.DataFrame:
    """INSTANCE_TYPES of these looks, and of the catalog where they say nothing; one row a type."""
    brought = [tables[INSTANCE_TYPES.name] for tables in looks.values() if INSTANCE_TYPES.name in tables]
    sound = [check(INSTANCE_TYPES, frame).kept for frame in brought]
    return pl.concat([*sound, catalog]).unique(INSTANCE_TYPES.key, keep="first", maintain_order=True)


def _checked(
    table: Table, brought: pl.DataFrame, before: pl.DataFrame, hardware: pl.DataFrame, *, jumps_accepted: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that pass, and those that do not with the reason."""
    first = check(table, brought, instance_types=hardware if table is OFFERS else None)
    if jumps_accepted:
        return first.kept, first.rejected
    second = check_against(table, first.kept, before)
    return second.kept, pl.concat([first.rejected, second.rejected])


def _last_good(table: Table, before: pl.DataFrame, good: pl.DataFrame, bad: pl.DataFrame) -> pl.DataFrame:
    """The rows of the look before that stand where nothing but rejected rows came now."""
    stayed = before.join(bad, on=table.key, how="semi", nulls_equal=True)
    stayed = stayed.join(good, on=table.key, how="anti", nulls_equal=True)
    return stayed.with_columns(confidence=pl.lit(Confidence.LOW.value))


def _on_record(source: str, table: Table, bad: pl.DataFrame, stayed: pl.DataFrame, seen_at: datetime) -> pl.DataFrame:
    """The rejected rows of one table in the schema REJECTED."""
    price = "price_usd_h" if table is OFFERS else None
    before = {} if price is None else {row[:-1]: row[-1] for row in stayed.select(*table.key, price).iter_rows()}
    return pl.DataFrame(
        [
            {
                "source": source,
                "table": table.name,
                "reason": row["reason"],
                "key": " ".join("-" if row[name] is None else str(row[name]) for name in table.key),
                "price_usd_h": row[price] if price else None,
                "previous_usd_h": before.get(tuple(row[name] for name in table.key)),
                "seen_at": seen_at,
                "row": json.dumps(row, default=str),
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
