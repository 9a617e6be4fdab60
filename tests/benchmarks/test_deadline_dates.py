"""What benchmarks.deadline replays is not fitted to: dates, known or not, are cut out of the traces of all zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.held_out import Recorded, Span, dated, span_of, without
from engine.spot_market import Trace

START: Final = datetime(2023, 2, 15, tzinfo=UTC)
HERE, ELSEWHERE = Path("here"), Path("elsewhere")


def trace(gaps: int, zone: str = "us-west-2a", start: datetime | None = START, gap_s: float = 3600.0) -> Trace:
    """A zone that is up in its first half, with gaps of an hour."""
    return Trace(zone, "machine", gap_s, np.arange(gaps) < gaps / 2, start)


def spans_h(traces: list[Trace]) -> list[tuple[float, float]]:
    """From when to when each lasts, in hours after the start of all."""
    begins = [(one.start - START) / timedelta(hours=1) for one in traces if one.start]
    return [(begin, begin + one.gaps * one.gap_s / 3600) for begin, one in zip(begins, traces, strict=True)]


def test_a_window_is_cut_out_of_every_zone_of_its_date() -> None:
    """Other zones, other gap lengths and later starts too; stretches of a day or more stay."""
    window = Recorded(HERE, trace(200)).span(40, 60)
    others = [trace(200, "us-east-1a"), trace(400, "us-east-1b", gap_s=1800.0), trace(100, start=START + timedelta(2))]
    kept = list(without([Recorded(ELSEWHERE, one) for one in others], [window]))
    assert spans_h(kept) == [(0, 40), (100, 200), (0, 40), (100, 200), (100, 148)]


def test_a_stretch_of_less_than_a_day_is_dropped() -> None:
    """Of what lies before, between and after two windows the middle is too short; a short trace untouched stays."""
    one = Recorded(HERE, trace(200))
    kept = list(
        without([one, Recorded(HERE, trace(5, start=START - timedelta(9)))], [one.span(24, 60), one.span(107, 9)])
    )
    assert spans_h(kept) == [(0, 24), (116, 200), (-216, -211)]


def test_gaps_that_a_window_only_touches_are_cut() -> None:
    """A window from half an hour after a gap's beginning to half an hour after another's takes both."""
    begin_s = START.timestamp() + 30.5 * 3600
    kept = list(without([Recorded(HERE, trace(200))], [Span(None, begin_s, begin_s + 10 * 3600)]))
    assert spans_h(kept) == [(0, 30), (41, 200)]


def test_traces_of_unknown_date_begin_together_in_one_folder_alone() -> None:
    """A window of one is cut out of its neighbour, and of no trace of another folder or of known date."""
    window = Recorded(HERE, trace(200, start=None)).span(100, 100)
    recorded = [
        Recorded(HERE, trace(150, "us-east-1a", start=None)),
        Recorded(ELSEWHERE, trace(150, start=None)),
        Recorded(HERE, trace(150)),
    ]
    assert [one.gaps for one in without(recorded, [window])] == [100, 150, 150]


def test_a_trace_gets_its_date_from_a_window_that_occurs_in_it_once() -> None:
    """Where it occurs is 40 gaps in; where all gaps are alike it could be anywhere, and the date stays unknown."""
    whole = trace(100, start=None)
    window = replace(whole.window(40, 20), start=START)
    constant = replace(whole, available=np.ones(100, dtype=np.bool_))
    found = dated(
        [Recorded(HERE, whole), Recorded(HERE, constant)], [window, replace(constant.window(0, 20), start=START)]
    )
    assert [one.trace.start for one in found] == [START - timedelta(hours=40), None]
    assert span_of(window) == found[0].span(40, 20)


def test_windows_of_other_zones_and_known_dates_change_no_date() -> None:
    """The same gaps in another zone prove nothing."""
    whole = trace(100, start=None)
    other = replace(whole.window(40, 20), start=START, zone="us-east-1a")
    known = trace(100)
    found = dated([Recorded(HERE, whole), Recorded(HERE, known)], [other, replace(whole.window(30, 30), start=START)])
    assert [one.trace.start for one in found] == [START - timedelta(hours=30), START]
