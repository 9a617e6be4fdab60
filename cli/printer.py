"""Data to stdout as a table, JSON or YAML; talk to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import yaml

from cli.errors import ReaderGoneError
from cli.formats import Format
from cli.talk import printable, say

GAP: Final = "  "
SLOW_S: Final = 1.0
"""What takes longer is announced where no spinner can show."""
NARROWEST: Final = 12
"""Columns are not folded to fewer characters."""
BOLD: Final = "\x1b[1m"
BOLD_GREEN: Final = "\x1b[1;32m"
PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True)
class Column:
    """A column of a table. `rank` 0 always shows; of the others the highest goes first when width is short."""

    title: str
    right: bool = False
    rank: int = 0


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none, and nothing need be left out or folded."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, emphasised: int | None = None) -> None:
    """Print aligned rows.

    Where the terminal is narrow, columns of the highest rank are left out first, and then the widest are folded.
    (A library's table would do the same, but takes a minute and a half for a hundred thousand rows.)
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    natural = [max(map(len, cells)) for cells in zip([column.title for column in columns], *rows, strict=True)]
    shown, widths = _fitted(columns, natural, terminal_width())
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def write(cells: Sequence[str], style: str = "") -> None:
        for line in _lines([cells[number] for number in shown], [columns[number] for number in shown], widths):
            _write(f"{style}{line}{PLAIN}\n" if style and colour else f"{line}\n")

    write([column.title for column in columns], BOLD)
    _write("-" * _total(widths) + "\n")
    for index, row in enumerate(rows):
        write(row, BOLD_GREEN if index == emphasised else "")


def _fitted(columns: Sequence[Column], natural: Sequence[int], width: int | None) -> tuple[list[int], list[int]]:
    """Which columns show, and how wide each of them is."""
    shown = list(range(len(columns)))
    while width is not None and _total([natural[number] for number in shown]) > width:
        dropped = max(shown, key=lambda number: columns[number].rank)
        if not columns[dropped].rank:
            break
        shown.remove(dropped)
    widths = [natural[number] for number in shown]
    while width is not None and _total(widths) > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return shown, widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _lines(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row: several where a cell is folded."""
    folded = [
        [cell] if len(cell) <= width else textwrap.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*folded, fillvalue=""):
        padded = [
            part.rjust(width) if column.right else part.ljust(width)
            for part, column, width in zip(parts, columns, widths, strict=True)
        ]
        yield GAP.join(padded).rstrip()


def print_lines(*lines: str) -> None:
    """Print plain lines, wrapped at words at a terminal."""
    width = terminal_width()
    for line in map(printable, lines):
        wrapped = line if width is None else "\n".join(textwrap.wrap(line, width, subsequent_indent="  "))
        _write(f"{wrapped}\n")


def print_data(data: Mapping[str, Any], output: Format) -> None:
    """Print data for programs: plain JSON types only."""
    if output is Format.JSON:
        _write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        # The C dumper is ten times faster; where PyYAML was built without it, the other one does the same.
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        with working("writing YAML"):
            text = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True)
        _write(text)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except BrokenPipeError as error:
        raise ReaderGoneError from error


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes a while: a spinner at a terminal, elsewhere one line once it is slow."""
    if sys.stderr.isatty():
        from rich.console import Console  # only a terminal needs it, and it takes as long as reading the catalog

        with Console(stderr=True).status(f"{what} ..."):
            yield
        return
    notice = threading.Timer(SLOW_S, say, [f"{what} ..."])
    notice.start()
    try:
        yield
    finally:
        notice.cancel()
