"""Data to stdout as a table, JSON or YAML; talk to stderr."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from cli.formats import Format

WIDE = 10_000
"""The width of a table that goes to a file or a pipe: nothing is dropped or wrapped there."""


SLOW_S = 1.0
"""What takes longer is announced where no spinner can show."""


@dataclass(frozen=True)
class Column:
    """A column of a table. `rank` 0 always shows; of the others the highest goes first when width is short."""

    title: str
    right: bool = False
    rank: int = 0


class _DataConsole(Console):
    """A console whose reader may go away (`| head`): that is no error of ours."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def stdout_console() -> Console:
    """A console for data: as wide as the terminal, without limit elsewhere, coloured only at a terminal."""
    return _DataConsole(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, soft_wrap=False)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, emphasised: int | None = None) -> None:
    """Print aligned rows; where the terminal is narrow, columns of the highest rank are left out first."""
    console = stdout_console()
    shown = list(range(len(columns)))
    table = _table(columns, rows, shown, emphasised)
    while _natural_width(console, table) > console.width and any(columns[number].rank for number in shown):
        shown.remove(max(shown, key=lambda number: columns[number].rank))
        table = _table(columns, rows, shown, emphasised)
    console.print(table)


def _natural_width(console: Console, table: Table) -> int:
    """The width that the table takes when nothing in it is wrapped."""
    return Measurement.get(console, console.options.update(width=WIDE), table).maximum


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int], emphasised: int | None
) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for number in shown:
        table.add_column(columns[number].title, justify="right" if columns[number].right else "left", overflow="fold")
    for index, row in enumerate(rows):
        table.add_row(*(row[number] for number in shown), style="bold green" if index == emphasised else "")
    return table


def print_lines(*lines: str) -> None:
    """Print plain lines, wrapped at words at a terminal."""
    console = stdout_console()
    for line in lines:
        console.print(line)


def print_data(data: Mapping[str, Any], output: Format) -> None:
    """Print data for programs: plain JSON types only."""
    if output is Format.JSON:
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def say(line: str) -> None:
    """One line of talk."""
    sys.stderr.write(f"{line}\n")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes a while: a spinner at a terminal, elsewhere one line once it is slow."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(f"{what} ..."):
            yield
        return
    notice = threading.Timer(SLOW_S, say, [f"{what} ..."])
    notice.start()
    try:
        yield
    finally:
        notice.cancel()
