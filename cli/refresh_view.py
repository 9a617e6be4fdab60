"""What refreshes did, what sources there are, and which rows were rejected, as people read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.refresh_state import folder_of, read_state
from catalog_fetchers.base import Source
from catalog_fetchers.judging import REJECTED
from catalog_fetchers.refresh import Look, Outcome, Report
from catalog_fetchers.registry import SOURCES
from cli.errors import CommandError
from cli.history_view import Rows
from cli.plan_view import age_text, money
from cli.printer import Column, print_lines, print_table
from cli.settings import catalog_path

FEW: Final = 3
"""More names than these are counted, more reasons than these are left to another command."""


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
    """A line for each source that was asked, why nothing came of others, and what became of it all."""
    asked = [look for look in report.looks if look.outcome is not Outcome.SKIPPED]
    if asked:
        print_table(
            (
                Column("SOURCE"),
                Column("OUTCOME"),
                Column("ROWS", right=True),
                Column("NEW", right=True),
                Column("CHANGED", right=True),
                Column("GONE", right=True),
                Column("REJECTED", right=True),
                Column("SECONDS", right=True, rank=1),
                Column("MiB", right=True, rank=2),
            ),
            [
                [
                    look.source.name,
                    str(look.outcome),
                    *_figures(look),
                    f"{look.seconds:.1f}",
                    f"{look.traffic.received_bytes / 2**20:.1f}",
                ]
                for look in asked
            ],
        )
        print_lines("")
    print_lines(*_remarks(report, dry_run=dry_run), _conclusion(report, dry_run=dry_run))


def _figures(look: Look) -> Sequence[str]:
    counts = look.counts
    if not counts.rows and not look.rejected:
        return ["-"] * 5
    return [f"{n:,}" for n in (counts.rows, counts.new, counts.changed, counts.gone, sum(look.rejected.values()))]


def _remarks(report: Report, *, dry_run: bool) -> Iterator[str]:
    """Why rows were rejected, sources failed and others were not asked, a sentence each."""
    rejecting = [look for look in report.looks if look.rejected]
    for look in rejecting:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in look.rejected.items())
        yield f"{look.source.name} rejected: {reasons}."
    if rejecting and not dry_run:
        yield "`skybroker catalog rejected` lists these rows."
    for look in report.failed:
        yield f"{look.source.name} {look.outcome}: {look.detail}" + (f" ({look.hint})." if look.hint else ".")
    skipped = [look for look in report.looks if look.outcome is Outcome.SKIPPED]
    if len(skipped) <= FEW:
        yield from (f"{look.source.name} skipped: {look.detail}." for look in skipped)
    else:
        names = ", ".join(look.source.name for look in skipped)
        yield f"Skipped: {names}. `skybroker catalog sources` says what each of them needs."


def _conclusion(report: Report, *, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was published: that was a dry run."
    kept = f" {len(report.failed)} of {len(report.looks)} sources failed: their last good rows stay."
    what = (
        f"Snapshot {report.snapshot.id} is published."
        if report.published
        else f"Nothing changed: the catalog is still at snapshot {report.snapshot.id}."
    )
    return what + (kept if report.failed else "")


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
    """A line a source, and below what those lack that cannot be asked."""
    now, state = datetime.now(UTC), read_state(catalog_path())
    lacking: dict[str, list[str]] = {}
    for source in SOURCES:
        if missing := source.missing(os.environ, Path.home()):
            lacking.setdefault(missing, []).append(source.name)
    unready = {name for names in lacking.values() for name in names}

    def cells(source: Source) -> list[str]:
        look = state.sources.get(source.name)
        ready = "no" if source.name in unready else "if named" if source.asked_for else "yes"
        last = f"{look.outcome} {age_text(look.looked_at, now)} ago" if look else "never"
        return [source.name, _clouds_text(source.clouds), ready, last, source.brings]

    print_table(
        (Column("SOURCE"), Column("CLOUDS", rank=1), Column("READY"), Column("LAST LOOK"), Column("BRINGS")),
        [cells(source) for source in SOURCES],
    )
    print_lines(
        "",
        "`if named`: asked only by `skybroker catalog refresh --only NAME`, since it costs you something.",
        *(["", "What is missing:"] if lacking else []),
        *(f"{', '.join(names)}: {missing}" for missing, names in lacking.items()),
    )


def _clouds_text(clouds: Sequence[str]) -> str:
    if not clouds:
        return "any"
    more = len(clouds) - FEW
    return ", ".join(clouds) if more <= 0 else f"{', '.join(clouds[:FEW])} +{more}"


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
    shown = found.frame if most is None else _of_each_reason(found.frame, most)
    print_lines("")
    print_table(
        (
            Column("SOURCE", rank=2),
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
    print_lines("", "docs/sources.md says what each reason means. KEPT: the price that stays in its place.")
    if shown.height < found.frame.height:
        print_lines(f"{found.frame.height - shown.height:,} more with --all.")


def _of_each_reason(rejected: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows: as far as they reach, the same number for each source and reason."""
    kind = ("source", "table", "reason")
    turn = pl.int_range(pl.len()).over(kind)
    return rejected.sort(turn, maintain_order=True).head(most).sort(kind, maintain_order=True)
