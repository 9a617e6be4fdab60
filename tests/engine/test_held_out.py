"""What is replayed is not fitted to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from engine.held_out import held_out
from engine.spot_market import Trace

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def trace(flags: str, begins_h: float | None = 0, *, zone: str = "a", kind: str = "m", gap_s: float = 3600.0) -> Trace:
    """A letter a gap of one hour, 1 where spot is to be had."""
    start = None if begins_h is None else START + timedelta(hours=begins_h)
    return Trace(zone, kind, gap_s, np.array([letter == "1" for letter in flags]), start)


def left(traces: list[Trace], windows: list[Trace]) -> list[str]:
    """What is left of the traces, as they were written."""
    return ["".join(str(int(flag)) for flag in one.available) for one in held_out(traces, windows).traces]


def test_the_dates_of_windows_are_cut_out_of_their_zone() -> None:
    """What lies before, between and after them is kept, with its own dates."""
    found = held_out([trace("1100110011")], [trace("00", 2), trace("0", 6)])
    assert left([trace("1100110011")], [trace("00", 2), trace("0", 6)]) == ["11", "11", "011"]
    assert [one.start for one in found.traces] == [START + timedelta(hours=hours) for hours in (0, 4, 7)]
    assert found.cut_h == 3


def test_a_gap_that_a_window_touches_is_cut_out() -> None:
    """By however little."""
    assert left([trace("111111")], [trace("11", 1.9, gap_s=900.0)]) == ["1", "111"]


def test_another_zone_and_another_time_are_kept() -> None:
    """Windows that end before the trace begins, or begin after its end, cut nothing."""
    whole = trace("110011")
    assert left([whole], [trace("1100", 0, zone="b"), trace("11", -2), trace("11", 6)]) == ["110011"]


def test_another_machine_of_the_zone_at_that_time_is_cut_out_too() -> None:
    """It may tell of the same shortage."""
    assert left([trace("1111")], [trace("11", 0, kind="k")]) == ["11"]


def test_a_window_that_covers_all_of_a_trace_leaves_nothing() -> None:
    """The trace is gone, and all of its hours are counted."""
    found = held_out([trace("1010")], [trace("0101010101", -3)])
    assert (found.traces, found.cut_h) == ((), 4)


def test_without_dates_what_looks_the_same_is_cut_out() -> None:
    """Gap for gap, of the same zone, type and steps."""
    undated = trace("0011010011", None)
    assert left([undated], [trace("1101", 5)]) == ["00", "0011"]
    assert left([trace("0011010011")], [trace("1101", None)]) == ["00", "0011"]
    assert left([undated], [trace("1111", 5), trace("1101", 5, kind="k"), trace("1101", 5, gap_s=60.0)]) == [
        "0011010011"
    ]
