"""Figures over time as lines of text: a step function for each series, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cli.plan_view import money

MOST_LINES: Final = 12
MOST_SERIES: Final = 5
MOST_ROWS: Final = 6
"""A series alone is drawn as high as this."""
BLOCKS: Final = " ▁▂▃▄▅▆▇█"
ASCII: Final = " .:#"


@dataclass(frozen=True)
class Step:
    """A figure that held from `start` to `end`."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True)
class Series:
    """The steps of one thing in any order; where they leave a gap, nothing is known."""

    name: str
    steps: Sequence[Step]


def plot(series: Sequence[Series], unit: str, *, width: int, glyphs: str = BLOCKS) -> list[str]:
    """At most MOST_LINES lines of `width` characters: the series of several values, the least of each at the bottom.

    `glyphs` are the parts of a character's height from none to all. What held only for a part of a column shows where
    it is the highest there. There are no lines where no series changes.
    """
    changing = [one for one in series if len({step.value for step in one.steps}) > 1]
    if not changing:
        return []
    drawn, more = changing[:MOST_SERIES], len(changing) - MOST_SERIES
    remark = [f"{more:,} more that changed"] if more > 0 else []
    # A line for each name, one for the dates.
    rows = min(MOST_ROWS, (MOST_LINES - len(drawn) - 1 - len(remark)) // len(drawn))
    start = min(step.start for one in drawn for step in one.steps)
    end = max(step.end for one in drawn for step in one.steps)
    lines = [
        line for one in drawn for line in (_title(one, unit), *rows_of(_heights(one, start, end, width), rows, glyphs))
    ]
    return [line[:width].rstrip() for line in (*lines, _dates(start, end, width), *remark)]


def _title(series: Series, unit: str) -> str:
    values = [step.value for step in series.steps]
    return f"{series.name}: {money(min(values))} to {money(max(values))} {unit}"


def _heights(series: Series, start: datetime, end: datetime, width: int) -> list[float | None]:
    """By column, the highest value within it as a share of the way from the least one to the highest."""
    values = [step.value for step in series.steps]
    low, high = min(values), max(values)
    columns: list[float | None] = [None] * width
    span_s = (end - start).total_seconds() or 1.0
    for step in series.steps:
        first, last = (width * (at - start).total_seconds() / span_s for at in (step.start, step.end))
        begin = min(math.floor(first), width - 1)
        for column in range(begin, max(begin + 1, math.ceil(last))):
            columns[column] = max(columns[column] or 0.0, (step.value - low) / (high - low))
    return columns


def rows_of(heights: Sequence[float | None], rows: int, glyphs: str) -> list[str]:
    """The bars, from the top row down; also the least value is seen, as one part of a character."""
    parts = len(glyphs) - 1
    full = [0 if height is None else 1 + round(height * (rows * parts - 1)) for height in heights]
    return ["".join(glyphs[min(max(bar - row * parts, 0), parts)] for bar in full) for row in reversed(range(rows))]


def _dates(start: datetime, end: datetime, width: int) -> str:
    """The first and the last date at both ends, with the time of day where they are the same."""
    form = "%Y-%m-%d" if start.date() != end.date() else "%Y-%m-%d %H:%M"
    first, last = f"{start:{form}}", f"{end:{form}}"
    return first + last.rjust(width - len(first))


MOST_POINT_ROWS: Final = 12


def scatter(points: Sequence[tuple[float, float]], *, width: int, glyph: str) -> list[str]:
    """Points (x, y) in a frame of `width` characters and at most MOST_POINT_ROWS lines, y upwards.

    There are no lines for fewer than two points, or where they do not differ in both.
    """
    x, y = ([point[axis] for point in points] for axis in range(2))
    if len(set(x)) < 2 or len(set(y)) < 2:
        return []
    inner = width - 2
    rows = [[" "] * inner for _ in range(MOST_POINT_ROWS)]
    for left, up in points:
        column = round((left - min(x)) / (max(x) - min(x)) * (inner - 1))
        row = round((max(y) - up) / (max(y) - min(y)) * (MOST_POINT_ROWS - 1))
        rows[row][column] = glyph
    return [f"| {''.join(row)}".rstrip() for row in rows] + ["+" + "-" * (width - 1)]
