"""What is replayed is not fitted to: dates, known or not, are cut out of the traces of all zones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pytest

from engine.held_out import Recorded, Span, dated, span_of, spans_of, without
from engine.spot_market import Trace

START: Final = datetime(2023, 2, 15, tzinfo=UTC)
HERE, ELSEWHERE = "here", "elsewhere"


def trace(gaps: int, zone: str = "us-west-2a", start: datetime | None = START, gap_s: float = 3600.0) -> Trace:
    """A zone that is up in its first half, with gaps of an hour."""
    return Trace(zone, "machine", gap_s, np.arange(gaps) < gaps / 2, start)


def constant(gaps: int, start: datetime | None = START) -> Trace:
    """A zone that is always up."""
    return Trace("us-west-2a", "machine", 3600.0, np.ones(gaps, dtype=np.bool_), start)


def spans_h(traces: Iterable[Trace]) -> list[tuple[float, float]]:
    """From when to when each lasts, in hours after the start of all."""
    dates = [((one.start - START) / timedelta(hours=1), one.gaps * one.gap_s / 3600) for one in traces if one.start]
    return [(begin, begin + hours) for begin, hours in dates]


def left(traces: Iterable[Trace], *windows: Trace) -> list[tuple[float, float]]:
    """What is left, see `spans_h`, of traces of one place without windows that were cut out already."""
    recorded = [Recorded(HERE, one) for one in traces]
    return spans_h(without(recorded, spans_of(windows, recorded)))


def test_a_window_is_cut_out_of_every_zone_of_its_date() -> None:
    """Other zones, other gap lengths and later starts too; stretches of a day or more stay."""
    window = Recorded(HERE, trace(200)).span(40, 60)
    others = [trace(200, "us-east-1a"), trace(400, "us-east-1b", gap_s=1800.0), trace(100, start=START + timedelta(2))]
    kept = list(without([Recorded(ELSEWHERE, one) for one in others], [window]))
    assert spans_h(kept) == [(0, 40), (100, 200), (0, 40), (100, 200), (100, 148)]


def test_what_is_before_between_and_after_windows_is_left_with_its_prices() -> None:
    """Each stretch has its own gaps and dates."""
    whole = replace(trace(200), spot_usd_h=np.arange(200.0))
    kept = list(without([Recorded(HERE, whole)], [Recorded(HERE, whole).span(*run) for run in ((30, 10), (80, 10))]))
    assert spans_h(kept) == [(0, 30), (40, 80), (90, 200)]
    assert [one.spot_usd_h[0] for one in kept if one.spot_usd_h is not None] == [0, 40, 90]
    assert np.array_equal(np.concatenate([one.available for one in kept])[30:70], whole.available[40:80])


def test_another_machine_at_that_time_is_cut_out_too() -> None:
    """It may tell of the same shortage."""
    assert left([replace(trace(100), instance_type="larger")], trace(50)) == [(50, 100)]


def test_another_time_is_kept() -> None:
    """Windows that end as the trace begins, or begin as it ends, cut nothing."""
    before, after = (trace(10, start=START + timedelta(hours=hours)) for hours in (-10, 100))
    assert left([trace(100)], before, after) == [(0, 100)]


def test_a_window_that_covers_all_of_a_trace_leaves_nothing() -> None:
    """It begins before and ends after it."""
    assert left([trace(100)], trace(200, start=START - timedelta(1))) == []


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
    assert left([trace(200)], trace(8, "us-east-1a", START + timedelta(hours=29.9), gap_s=900.0)) == [
        (0, 29),
        (32, 200),
    ]


def test_traces_of_unknown_date_begin_together_in_one_place_alone() -> None:
    """A window of one is cut out of its neighbour, and of no trace of another place or of known date."""
    window = Recorded(HERE, trace(200, start=None)).span(100, 100)
    recorded = [
        Recorded(HERE, trace(150, "us-east-1a", start=None)),
        Recorded(ELSEWHERE, trace(150, start=None)),
        Recorded(HERE, trace(150)),
    ]
    assert [one.gaps for one in without(recorded, [window])] == [100, 150, 150]


def test_a_trace_gets_its_date_from_a_window_that_occurs_in_it_once() -> None:
    """Where it occurs is 40 gaps in; where all gaps are alike it could be anywhere, and the date stays unknown."""
    whole, alike = trace(100, start=None), constant(100, None)
    window = replace(whole.window(40, 20), start=START)
    found = dated([Recorded(HERE, whole), Recorded(HERE, alike)], [window, constant(20)])
    assert [one.trace.start for one in found] == [START - timedelta(hours=40), None]
    assert span_of(window) == found[0].span(40, 20)


def test_windows_of_other_zones_and_known_dates_change_no_date() -> None:
    """The same gaps in another zone prove nothing."""
    whole = trace(100, start=None)
    other = replace(whole.window(40, 20), start=START, zone="us-east-1a")
    known = trace(100)
    found = dated([Recorded(HERE, whole), Recorded(HERE, known)], [other, replace(whole.window(30, 30), start=START)])
    assert [one.trace.start for one in found] == [START - timedelta(hours=30), START]


def test_windows_of_unknown_date_are_where_they_look_the_same() -> None:
    """Of a trace of unknown date, in the neighbours too; of a dated one, in all traces of those dates."""
    window = trace(100, start=None).window(30, 40)
    undated = [Recorded(HERE, trace(100, start=None)), Recorded(HERE, trace(100, "us-east-1a", None))]
    assert spans_of([window], undated) == {Span(HERE, 30 * 3600, 70 * 3600)}
    assert [one.gaps for one in without(undated, spans_of([window], undated))] == [30, 30] * 2
    assert left([trace(100), trace(100, "us-east-1a")], window) == [(0, 30), (70, 100)] * 2


@pytest.mark.parametrize(
    "other",
    [{"zone": "us-east-1a"}, {"instance_type": "larger"}, {"gap_s": 60.0}, {"available": np.ones(60, dtype=np.bool_)}],
)
def test_windows_that_look_otherwise_are_nowhere(other: dict[str, Any]) -> None:
    """In another zone, of another machine or in other steps the same gaps prove nothing."""
    whole = trace(100, start=None)
    window = replace(whole.window(30, 40), **other)
    assert spans_of([window], [Recorded(HERE, whole)]) == frozenset()


def test_a_window_that_could_be_in_several_places_is_cut_out_of_all() -> None:
    """Even where it has a date and only the trace has none: nothing that is replayed is fitted to."""
    whole = replace(constant(200, None), available=np.arange(200) % 100 < 60)
    for start in (None, START):
        assert spans_of([constant(40, start)], [Recorded(HERE, whole)]) - {span_of(constant(40))} == {
            Span(HERE, 0, 60 * 3600), Span(HERE, 100 * 3600, 160 * 3600)
        }  # fmt: skip


def test_nothing_is_looked_for_where_all_dates_are_known() -> None:
    """The window is at its date, whatever looks like it elsewhere."""
    assert spans_of([constant(40)], [Recorded(HERE, constant(200))]) == {span_of(constant(40))}
