"""Snapshots, the prices of an offer over time, and what changed between two snapshots."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from catalog_data.normalise import UnknownNameError, cloud_name
from catalog_data.schema import Purchase
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import OfferFilter
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.plan_view import money, price_text
from cli.plot import ASCII, BLOCKS, Series, Step, plot
from cli.printer import Column, print_lines, print_table, terminal_width
from cli.wiring import opened_catalog, parsed_instant

OFFER_PARTS_AT_MOST: Final = 5
PLOT_WIDTH: Final = 72
"""Of a plot that is not for a terminal."""


@dataclass(frozen=True)
class Snapshots:
    """All snapshots, oldest first, each with the number of rows that its sources hold."""

    known: tuple[SnapshotInfo, ...]
    rows: tuple[int, ...]

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601."""
        return {
            "schema_version": 1,
            "snapshots": [
                {"id": info.id, "published_at": info.published_at.isoformat(), "note": info.note, "rows": rows}
                for info, rows in zip(self.known, self.rows, strict=True)
            ],
        }


@dataclass(frozen=True)
class Rows:
    """Rows under a name, for tables and for programs."""

    name: str
    frame: pl.DataFrame

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601."""
        instants = [name for name, dtype in self.frame.schema.items() if isinstance(dtype, pl.Datetime)]
        written = self.frame.with_columns(pl.col(instants).dt.to_string("iso:strict"))
        return {"schema_version": 1, self.name: written.to_dicts()}


def snapshot_history() -> Snapshots:
    """The snapshots of the user's catalog."""
    with opened_catalog() as catalog:
        known = catalog.snapshots()
        rows = tuple(sum(source.rows for source in catalog.sources(info)) for info in known)
    return Snapshots(tuple(known), rows)


def print_snapshots(snapshots: Snapshots) -> None:
    """A line a snapshot."""
    print_table(
        (Column("SNAPSHOT"), Column("KNOWN FROM"), Column("ROWS", right=True), Column("WHAT BROUGHT IT")),
        [
            [info.id, f"{info.published_at:%Y-%m-%d %H:%M} UTC", f"{rows:,}", info.note]
            for info, rows in zip(snapshots.known, snapshots.rows, strict=True)
        ],
    )


def offer_history(parts: Sequence[str]) -> Rows:
    """Every price of the offers that the words name: cloud, instance type, region, zone; a purchase anywhere."""
    ways = {part: part.lower().replace("-", "_") for part in parts}
    purchases = tuple(way for way in ways.values() if way in set(Purchase))
    names = [part for part in parts if ways[part] not in purchases]
    if not 2 <= len(names) < OFFER_PARTS_AT_MOST:
        raise CommandError(
            "an offer is CLOUD INSTANCE [REGION [ZONE]] [PURCHASE]",
            hint="for example: skybroker catalog history aws g6.xlarge us-east-1 spot",
            code=ExitCode.USAGE,
        )
    try:
        cloud = cloud_name(names[0])
    except UnknownNameError as error:
        raise CommandError(str(error), code=ExitCode.USAGE) from error
    region, zone = (*names[2:], None, None)[:2]
    where = OfferFilter(
        clouds=(cloud,), instance_types=(names[1],), regions=(region,) if region else (), purchases=purchases
    )
    with opened_catalog() as catalog:
        frame = catalog.history(where, zone)
    if frame.is_empty():
        raise CommandError(
            f"the catalog never held {' '.join(parts)}", hint=f"see `skybroker catalog offers --cloud {cloud}`"
        )
    return Rows("prices", frame)


def print_offer_history(prices: Rows) -> None:
    """A line for each price and the time that it held, and below how those went that changed."""
    print_table(
        (
            Column("REGION"),
            Column("ZONE", rank=2),
            Column("BUY"),
            Column("$/h", right=True),
            Column("KNOWN FROM"),
            Column("UNTIL"),
            Column("SOURCE", rank=1),
        ),
        [
            [
                row["region"],
                row["zone"] or "-",
                row["purchase"],
                price_text(row["purchase"], row["price_usd_h"]),
                f"{row['known_from']:%Y-%m-%d}",
                f"{row['known_until']:%Y-%m-%d}" if row["known_until"] else "now",
                row["source"],
            ]
            for row in prices.frame.iter_rows(named=True)
        ],
    )
    _print_plot(prices.frame)


def _print_plot(prices: pl.DataFrame) -> None:
    """How the prices that changed went, below their table."""
    now = datetime.now(UTC)
    of_place: dict[str, list[Step]] = {}
    for row in prices.filter(pl.col("price_usd_h").is_not_null()).iter_rows(named=True):
        name = "/".join(part for part in (row["region"], row["zone"]) if part)
        until = row["known_until"] or max(now, row["known_from"])
        of_place.setdefault(f"{name} {row['purchase']}", []).append(Step(row["known_from"], until, row["price_usd_h"]))
    series = [Series(name, steps) for name, steps in of_place.items()]
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    lines = plot(series, "$/h", width=terminal_width() or PLOT_WIDTH, glyphs=BLOCKS if utf8 else ASCII)
    if lines:
        print_lines("", *lines)


def changes(old: str, new: str) -> Rows:
    """What changed between two snapshots."""
    with opened_catalog() as catalog:
        return Rows("changes", catalog.diff(catalog.resolve(parsed_instant(old)), catalog.resolve(parsed_instant(new))))


def print_changes(found: Rows) -> None:
    """A line a change."""
    if found.frame.is_empty():
        print_lines("No offer differs.")
        return
    print_table(
        (
            Column("CHANGE"),
            Column("CLOUD"),
            Column("REGION"),
            Column("ZONE", rank=1),
            Column("INSTANCE"),
            Column("BUY"),
            Column("OLD $/h", right=True),
            Column("NEW $/h", right=True),
        ),
        [
            [
                row["change"],
                row["cloud"],
                row["region"],
                row["zone"] or "-",
                row["instance_type"],
                row["purchase"],
                *("-" if row[name] is None else money(row[name]) for name in ("old_usd_h", "new_usd_h")),
            ]
            for row in found.frame.iter_rows(named=True)
        ],
    )
