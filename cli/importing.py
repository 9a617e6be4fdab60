"""Imports: catalogs, grids and traces that somebody else made, read once and published like any source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.schema import Confidence
from catalog_fetchers import network_grids, skypilot_csv
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.refresh import Report
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.printer import Column, print_lines, print_table
from cli.refresh_view import report_data
from cli.refreshing import refreshed
from cli.trace_import import holds_traces, trace_source
from cli.wiring import parsed_instant

TIMEOUT_S: Final = 600.0


@dataclass(frozen=True)
class Import:
    """What an import did: `left_out` counts the rows that could not be read as a machine, by cloud and reason."""

    report: Report
    left_out: pl.DataFrame | None

    def data(self) -> dict[str, Any]:
        """Plain data."""
        return {**report_data(self.report), "left_out": [] if self.left_out is None else self.left_out.to_dicts()}


def imported(place: str, as_of: str | None, cloud: str | None, *, dry_run: bool, changes_accepted: bool) -> Import:
    """Import SkyPilot's catalog from a folder, a file or an address, a grid between regions from a file, or traces."""
    left_out: list[pl.DataFrame] = []
    source = _source(place, as_of, cloud, left_out)
    report = refreshed([source], timeout_s=TIMEOUT_S, dry_run=dry_run, changes_accepted=changes_accepted)
    return Import(report, left_out[0] if left_out else None)


def _source(place: str, as_of: str | None, cloud: str | None, left_out: list[pl.DataFrame]) -> Source:
    """What the place holds, as a source."""
    path, at = Path(place), _instant(as_of)
    if holds_traces(path):
        if at is not None:
            raise CommandError(
                "--as-of is for prices", hint="traces say themselves what was seen when", code=ExitCode.USAGE
            )
        return trace_source(path, _name(path.resolve().stem), cloud)
    if cloud is not None:
        raise CommandError(f"--cloud is for traces, and {place} holds none", code=ExitCode.USAGE)
    return _grid(path, at) if _is_grid(path) else _catalog(place, at, left_out)


def _instant(as_of: str | None) -> datetime | None:
    at = parsed_instant(as_of)
    if isinstance(at, str):
        raise CommandError(f"--as-of {at} is no instant and no day", hint="write 2026-05-31", code=ExitCode.USAGE)
    return at


def _is_grid(place: Path) -> bool:
    return place.is_file() and not place.name.endswith(skypilot_csv.FILE)


def _grid(file: Path, at: datetime | None) -> Source:
    """A file of throughput or prices between regions."""
    when, name = at or _written_at(file), _name(file.stem)

    def parse(pages: Pages, _now: datetime) -> Tables:
        # What the user has measured is better than what others did years ago.
        return network_grids.imported(pages[0].body, when, measured_at=when, source=name, confidence=Confidence.MEDIUM)

    return replace(
        network_grids.SOURCE, name=name, fetch=lambda _: [Page(file.name, _read(file))], parse=parse, current=False
    )


def _catalog(place: str, at: datetime | None, left_out: list[pl.DataFrame]) -> Source:
    """A folder, a file or an address of SkyPilot's layout; what could not be read is told to `left_out`."""
    folder = Path(place)
    is_address = place.startswith(("https://", "http://"))
    when = at or (datetime.now(UTC) if is_address else _written_at(folder))
    name = _name(place.partition("://")[2] if is_address else folder.resolve().name)

    def fetch(access: Access) -> Iterator[Page]:
        if is_address:
            yield from skypilot_csv.pages_at(place, access)
        elif folder.is_dir():
            yield from (Page(cloud, body) for cloud, body in skypilot_csv.files_in(folder).items())
        else:
            yield Page(folder.name.removesuffix(f"_{skypilot_csv.FILE}"), _read(folder))

    def parse(pages: Pages, _now: datetime) -> Tables:
        found = skypilot_csv.imported({page.name: page.body for page in pages}, when, source=name)
        left_out.append(found.left_out)
        return found.tables

    return replace(skypilot_csv.SOURCE, name=name, clouds=(), fetch=fetch, parse=parse, current=False)


def _name(place: str) -> str:
    """The name of the source: another import from the same place takes the place of this one."""
    return f"import_{re.sub(r'[^A-Za-z0-9.]+', '_', place).strip('_')}"


def _written_at(place: Path) -> datetime:
    """When the newest file was written: prices are not newer than that."""
    if not place.exists():
        raise CommandError(f"{place}: no such file or folder")
    files = (
        [place] if place.is_file() else [*place.glob(f"*{skypilot_csv.FILE}"), *place.glob(f"*/{skypilot_csv.FILE}")]
    )
    if not files:
        raise CommandError(
            f"{place}: no catalog is in it",
            hint=f"it should hold <cloud>_{skypilot_csv.FILE} or <cloud>/{skypilot_csv.FILE}",
        )
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def print_left_out(found: Import) -> None:
    """Which rows of the files could not be read as a machine."""
    if found.left_out is None or found.left_out.is_empty():
        return
    print_lines("", "Rows that are no machine of one meaning:")
    print_table(
        (Column("CLOUD"), Column("REASON"), Column("ROWS", right=True)),
        [[str(cell) for cell in row] for row in found.left_out.iter_rows()],
    )
