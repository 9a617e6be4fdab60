"""What refreshes did, what sources there are, and which rows were rejected, as people read them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from catalog_data.refresh_state import folder_of, read_state
from catalog_fetchers.base import Source
from catalog_fetchers.judging import REJECTED
from catalog_fetchers.refresh import Look, Report
from catalog_fetchers.registry import SOURCES
from cli.errors import CommandError
from cli.history_view import Rows
from cli.plan_view import age_text, money
from cli.printer import Column, print_lines, print_table
from cli.settings import catalog_path


def ended_line(look: Look) -> str:
    """How one look ended, in a line."""
    counts = look.counts
    rows = f", {counts.rows:,} rows: {counts.new:,} new, {counts.changed:,} changed, {counts.gone:,} gone"
    rejected = f", {sum(look.rejected.values()):,} rejected" if look.rejected else ""
    detail = f": {look.detail}" if look.detail else ""
    return f"{look.source.name}: {look.outcome}{detail}{rows if counts.rows else ''}{rejected}"


def report_data(report: Report) -> dict[str, Any]:
    """Plain data; instants as ISO 8601."""
    return {
        "schema_version": 1,
        "snapshot": report.snapshot.id,
        "published": report.published,
        "sources": [
            {
                "source": look.source.name,
                "outcome": str(look.outcome),
                "rows": look.counts.rows,
                "new": look.counts.new,
                "changed": look.counts.changed,
                "gone": look.counts.gone,
                "rejected": dict(look.rejected),
                "seconds": round(look.seconds, 3),
                "requests": look.traffic.requests,
                "not_modified": look.traffic.unchanged,
                "received_bytes": look.traffic.received_bytes,
                "detail": look.detail,
                "hint": look.hint,
            }
            for look in report.looks
        ],
    }


def print_report(report: Report, *, dry_run: bool) -> None:
    """A line a source, and what became of it all."""
    print_table(
        (
            Column("SOURCE"),
            Column("OUTCOME"),
            Column("ROWS", right=True, rank=1),
            Column("NEW", right=True),
            Column("CHANGED", right=True),
            Column("GONE", right=True),
            Column("REJECTED", right=True),
            Column("SECONDS", right=True, rank=2),
            Column("MiB", right=True, rank=3),
            Column("WHY"),
        ),
        [
            [
                look.source.name,
                str(look.outcome),
                *_figures(look),
                f"{look.seconds:.1f}" if look.seconds else "-",
                f"{look.traffic.received_bytes / 2**20:.1f}",
                _why(look),
            ]
            for look in report.looks
        ],
    )
    print_lines("", _conclusion(report, dry_run=dry_run))


def _figures(look: Look) -> Sequence[str]:
    counts = look.counts
    if not counts.rows and not look.rejected:
        return ["-"] * 5
    return [f"{n:,}" for n in (counts.rows, counts.new, counts.changed, counts.gone, sum(look.rejected.values()))]


def _why(look: Look) -> str:
    if look.detail:
        return f"{look.detail} ({look.hint})" if look.hint else look.detail
    return ", ".join(f"{count:,} {reason}" for reason, count in look.rejected.items())


def _conclusion(report: Report, *, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was published: that was a dry run."
    if report.published:
        return f"Snapshot {report.snapshot.id} is published."
    return f"Nothing changed: the catalog is still at snapshot {report.snapshot.id}."


# Sources.


def sources_data() -> dict[str, Any]:
    """Every source, what it needs, and when it was last looked at."""
    state = read_state(catalog_path())
    return {
        "schema_version": 1,
        "last_success": state.succeeded_at.isoformat() if state.succeeded_at else None,
        "sources": [
            {
                "source": source.name,
                "clouds": list(source.clouds),
                "brings": source.brings,
                "needs": source.needs,
                "missing": source.missing(os.environ, Path.home()),
                "only_when_named": source.asked_for,
                "page": source.page,
                "looked_at": look.looked_at.isoformat() if (look := state.sources.get(source.name)) else None,
                "outcome": look.outcome if look else None,
                "confirmed_at": look.confirmed_at.isoformat() if look and look.confirmed_at else None,
            }
            for source in SOURCES
        ],
    }


def print_sources() -> None:
    """A line a source."""
    now, state = datetime.now(UTC), read_state(catalog_path())

    def cells(source: Source) -> list[str]:
        look = state.sources.get(source.name)
        missing = source.missing(os.environ, Path.home())
        ready = missing or ("when named with --only" if source.asked_for else "yes")
        last = f"{look.outcome} {age_text(look.looked_at, now)} ago" if look else "never"
        return [source.name, ", ".join(source.clouds) or "any", ready, last, source.brings]

    print_table(
        (Column("SOURCE"), Column("CLOUDS", rank=2), Column("READY"), Column("LAST LOOK"), Column("BRINGS", rank=1)),
        [cells(source) for source in SOURCES],
    )


# Rejected rows.


def rejected_rows(source: str | None) -> Rows:
    """The rows that the last look at each source (or at one) brought and that were not published."""
    folder = folder_of(catalog_path()) / "rejected"
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    chosen = [file for file in files if source in (None, file.stem)]
    known = {item.name for item in SOURCES} | {file.stem for file in files}
    if source is not None and source not in known:
        raise CommandError(f"there is no source {source}", hint="see `skybroker catalog sources`")
    try:
        frames = [pl.read_parquet(file) for file in chosen]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CommandError(f"{folder} cannot be read: {error}", hint="the next refresh writes it anew") from error
    return Rows("rejected", pl.concat([pl.DataFrame(schema=REJECTED), *frames]))


def print_rejected(found: Rows, most: int | None) -> None:
    """How many rows for which reason, and the first of them."""
    if found.frame.is_empty():
        print_lines("No row of the last looks was rejected.")
        return
    counts = found.frame.group_by("source", "table", "reason").len().sort("source", "table", "reason")
    print_table(
        (Column("SOURCE"), Column("TABLE"), Column("REASON"), Column("ROWS", right=True)),
        [[*row[:3], f"{row[3]:,}"] for row in counts.iter_rows()],
    )
    shown = found.frame if most is None else found.frame.head(most)
    print_lines("")
    print_table(
        (
            Column("SOURCE"),
            Column("REASON"),
            Column("ROW"),
            Column("$/h", right=True),
            Column("KEPT $/h", right=True, rank=1),
        ),
        [
            [
                row["source"],
                row["reason"],
                row["key"],
                *("-" if row[name] is None else money(row[name]) for name in ("price_usd_h", "previous_usd_h")),
            ]
            for row in shown.iter_rows(named=True)
        ],
    )
    if shown.height < found.frame.height:
        print_lines(f"{found.frame.height - shown.height:,} more with --all.")
