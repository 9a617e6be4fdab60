"""Readings of availability at instants, as CSV -> a trace of equal gaps.

A reading says what was seen at one instant, so that between two readings nothing is known but that. The readings are
laid on a grid whose step is the median distance of two: each belongs to the nearest gap (that absorbs jitter), the
later one where two meet, and a gap without a reading carries on the one before. That is done over at most
`LONGEST_HOLE_STEPS`: a longer hole is an error, because carrying on over it would invent availability.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from engine.spot_market import Figures, Trace
from engine.trace_fields import Series, TraceError, checked_price

COLUMNS: Final = ("at", "available")
PRICE: Final = "price_usd_h"
LONGEST_HOLE_STEPS: Final = 3.0
_JITTER: Final = 0.1
"""How much a step may be off by without being longer, as a share of it."""
_LAST_EPOCH_S: Final = 32_503_680_000
"""The year 3000. Epoch figures beyond are milliseconds."""
_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False}


class _Reading(NamedTuple):
    """What one line of the file says."""

    at_s: float
    available: bool
    usd_h: float | None
    line: int


def read_readings(text: str, file: str, series: Series) -> Trace:
    """The trace that a CSV with the header `at,available[,price_usd_h]` records.

    `at` is ISO 8601 with a zone, or seconds since 1970-01-01 UTC; `available` is 1, 0, true or false; a price that is
    left empty carries on the one before. The gap length is the median distance of two readings, in whole seconds where
    it is at least one; the last gap is that of the last reading.

    Raises:
        TraceError: a line cannot be read, instants do not increase, there are fewer than two readings, the first price
            is missing while others are there, or two readings are more than 3 steps apart.
    """
    readings = list(_readings(text, file))
    if len(readings) < 2:
        raise TraceError(
            file,
            f"it holds {'one reading' if readings else 'no reading'}",
            "a step takes at least two: one line for each look, under the header",
        )
    at_s = np.array([reading.at_s for reading in readings])
    gap_s = _step_s(at_s)
    _refuse_holes(readings, gap_s, file)
    slots = np.rint((at_s - at_s[0]) / gap_s).astype(np.int64)
    latest = np.searchsorted(slots, np.arange(slots[-1] + 1), side="right") - 1
    prices = _prices(readings, file)
    return Trace(
        zone=series.zone,
        instance_type=series.instance_type,
        gap_s=gap_s,
        available=np.array([reading.available for reading in readings])[latest],
        start=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s[0]),
        spot_usd_h=None if prices is None else prices[latest],
    )


def _readings(text: str, file: str) -> Iterator[_Reading]:
    """The readings in the order of the file; empty lines are passed over."""
    first, *lines = text.splitlines()
    header = _cells(first)
    expected = ([*COLUMNS], [*COLUMNS, PRICE])
    if header not in expected:
        raise TraceError(
            file, f"its header is {','.join(header)!r}", "it has to be at,available or at,available,price_usd_h"
        )
    before = -math.inf
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        reading = _reading(_cells(line), number, len(header), file)
        if reading.at_s <= before:
            raise TraceError(
                file,
                f"the instant of line {number} is not after that of the line before",
                "sort the file by time, and keep one line for each instant",
            )
        before = reading.at_s
        yield reading


def _cells(line: str) -> list[str]:
    """The fields of a line; none of them can hold a comma."""
    return [cell.strip(' \t"') for cell in line.split(",")]


def _reading(cells: Sequence[str], number: int, columns: int, file: str) -> _Reading:
    if len(cells) != columns:
        raise TraceError(file, f"line {number} has {len(cells)} fields, not {columns}", "each line follows the header")
    available = _FLAGS.get(cells[1].casefold())
    if available is None:
        raise TraceError(file, f"line {number} says {cells[1]!r} of availability", "write 1, 0, true or false")
    priced = columns > len(COLUMNS) and cells[2]
    return _Reading(
        _instant_s(cells[0], number, file), available, _price(cells[2], number, file) if priced else None, number
    )


def _instant_s(cell: str, number: int, file: str) -> float:
    """Seconds since 1970-01-01 UTC."""
    try:
        seconds = float(cell)
    except ValueError:
        return _iso_instant_s(cell, number, file)
    if not 0 <= seconds < _LAST_EPOCH_S:
        raise TraceError(
            file,
            f"line {number} says {cell!r}, which is no time in seconds since 1970",
            "divide milliseconds by 1000, or write 2026-01-31T08:00:00Z",
        )
    return seconds


def _iso_instant_s(cell: str, number: int, file: str) -> float:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise TraceError(
            file, f"line {number} says {cell!r}, which is no instant", "write 2026-01-31T08:00:00Z, or epoch seconds"
        ) from None
    if moment.tzinfo is None:
        raise TraceError(
            file, f"the instant of line {number} has no time zone", "add one: 2026-01-31T08:00:00Z or ...+02:00"
        )
    return moment.timestamp()


def _price(cell: str, number: int, file: str) -> float:
    try:
        price = float(cell)
    except ValueError:
        raise TraceError(
            file, f"line {number} says {cell!r}, which is no price", "a price is a number of USD per hour, 0 or more"
        ) from None
    return checked_price(price, file, f"the price of line {number}")


def _prices(readings: Sequence[_Reading], file: str) -> Figures | None:
    """One price a reading, carried on where it is left empty; None where the file has none."""
    if all(reading.usd_h is None for reading in readings):
        return None
    price = readings[0].usd_h
    if price is None:
        raise TraceError(file, f"line {readings[0].line} has no price, but later ones have", "give the first price too")
    prices = np.empty(len(readings))
    for index, reading in enumerate(readings):
        price = price if reading.usd_h is None else reading.usd_h
        prices[index] = price
    return prices


def _step_s(at_s: Figures) -> float:
    step_s = float(np.median(np.diff(at_s)))
    return float(round(step_s)) if step_s >= 1 else step_s


def _refuse_holes(readings: Sequence[_Reading], gap_s: float, file: str) -> None:
    longest_s = (LONGEST_HOLE_STEPS + _JITTER) * gap_s
    for one, following in itertools.pairwise(readings):
        if (hole_s := following.at_s - one.at_s) > longest_s:
            raise TraceError(
                file,
                f"nothing was recorded for {hole_s / gap_s:.1f} steps of {gap_s:g} s between lines {one.line} and"
                f" {following.line}",
                f"split the file there: over more than {LONGEST_HOLE_STEPS:g} steps nobody knows what happened",
            )
