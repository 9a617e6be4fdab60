"""Runs of a trace: how long, and which ends of them were seen."""

from __future__ import annotations

import pytest

from engine.spot_runs import ages_in_gaps, down_runs, up_runs
from tests.kits.seen_zones import seen


def test_runs_are_cut_where_the_state_changes() -> None:
    """Two gaps up, three down, one up: of the first the beginning was not seen, of the last the end."""
    trace = seen("++---+")
    up, down = up_runs(trace), down_runs(trace)
    assert up.length_h == pytest.approx([2 / 6, 1 / 6])
    assert (up.begun.tolist(), up.ended.tolist()) == ([False, True], [True, False])
    assert down.length_h == pytest.approx([3 / 6])
    assert (down.begun.tolist(), down.ended.tolist()) == ([True], [True])


def test_ages_count_from_the_first_gap_of_the_run() -> None:
    """0 in the first gap of each."""
    assert ages_in_gaps(seen("++---+").available).tolist() == [0, 1, 0, 1, 2, 0]


def test_a_zone_that_was_always_up_is_one_run_without_ends() -> None:
    """And there is no down run."""
    runs = up_runs(seen("++++"))
    assert (runs.begun.tolist(), runs.ended.tolist()) == ([False], [False])
    assert len(down_runs(seen("++++")).length_h) == 0


def test_an_empty_trace_has_no_runs() -> None:
    """No gap, no run, no age."""
    assert len(up_runs(seen("")).length_h) == 0
    assert len(ages_in_gaps(seen("").available)) == 0
