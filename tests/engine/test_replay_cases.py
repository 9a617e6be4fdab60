"""Traces and windows -> stretches -> cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pytest

from engine.replay_cases import cases_of, default_stretches, jobs_of, lasts, markets_of, named_stretches
from engine.spot_market import Trace
from engine.spot_priors import spot_prior
from engine.trace_fields import TraceError
from engine.trace_windows import Scenario, ScenarioRun, ScenarioWindows, SingleWindows, Window, ZoneWindows

HOUR: Final = 3600.0
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def trace(
    zone: str = "us-west-2a", gaps: int = 10, *, begins_h: float | None = 0, kind: str = "v100", gap_s: float = HOUR
) -> Trace:
    """A trace whose gaps can be told apart by their price: hours since START, from 1 on."""
    start = None if begins_h is None else START + timedelta(hours=begins_h)
    prices = np.arange(1.0, gaps + 1) + (begins_h or 0)
    return Trace(zone, kind, gap_s, np.ones(gaps, dtype=bool), start, prices)


def prices_of(market: tuple[Trace, ...]) -> list[list[float]]:
    """The prices of each zone."""
    return [one.spot_usd_h.tolist() for one in market if one.spot_usd_h is not None]


def test_jobs_are_those_of_every_deadline_and_overhead() -> None:
    """Deadline by deadline."""
    assert [(job.deadline_s, job.overhead_s) for job in jobs_of(1.0, [2.0, 3.0], [0.1, 0.2])] == [
        (2.0, 0.1), (2.0, 0.2), (3.0, 0.1), (3.0, 0.2),
    ]  # fmt: skip


def test_zones_side_by_side_are_cut_to_their_common_dates() -> None:
    """The later begin and the earlier end; gaps that are shifted count for the nearest."""
    (market,) = markets_of([trace("a", 10), trace("b", 10, begins_h=3.6), trace("c", 5, begins_h=2)])
    assert [one.zone for one in market] == ["a", "c", "b"]
    assert [one.gaps for one in market] == [3, 3, 3]
    assert [round(prices[0]) for prices in prices_of(market)] == [5, 5, 5]


def test_a_market_is_of_one_type_and_of_one_time() -> None:
    """Another machine, and the same zones a month later, are other markets."""
    later = [trace(zone, begins_h=720) for zone in "ab"]
    markets = markets_of([trace("a"), trace("b"), *later, trace("a", kind="k80")])
    assert [[one.zone for one in market] for market in markets] == [["a", "b"], ["a", "b"], ["a"]]
    assert markets[1][0].start == START + timedelta(hours=720)


def test_traces_without_a_date_start_together() -> None:
    """From their first gaps to the end of the shortest."""
    (market,) = markets_of([trace("a", 10, begins_h=None), trace("b", 7, begins_h=None)])
    assert [one.gaps for one in market] == [7, 7]


@pytest.mark.parametrize(
    ("traces", "says"),
    [
        ([trace("a"), trace("b", gap_s=600.0)], "its gaps are of 600 s, those of a_v100 of 3600 s"),
        ([trace("a"), trace("b", begins_h=None)], "b_v100: it does not say when it starts, as others do"),
        ([trace("a"), trace("a", begins_h=5)], "two traces are of this zone at the same time"),
        ([trace("a", 4), trace("b", 10, begins_h=2), trace("c", 4, begins_h=8)], "no date that all of these"),
    ],
)
def test_what_is_no_market_is_refused(traces: list[Trace], says: str) -> None:
    """The message names the trace."""
    with pytest.raises(TraceError, match=says):
        markets_of(traces)


def test_default_stretches_are_as_long_as_the_deadline() -> None:
    """Every three gaps; zones of a market are cut alike, and what is too short has none."""
    markets = [(trace("a"), trace("b")), (trace("c", 3),)]
    found = default_stretches(markets, 3.5 * HOUR, 3)
    assert [(one.scenario, one.window) for one in found] == [("v100 in 2 zones", number) for number in range(3)]
    assert prices_of(found[1].traces) == [[4, 5, 6, 7]] * 2
    assert [lasts(market, 3.5 * HOUR) for market in markets] == [True, False]


def test_no_trace_is_long_enough() -> None:
    """The message is about the longest of them."""
    with pytest.raises(TraceError, match=r"b_v100: the trace lasts 5\.0 h, less than the deadline of 6 h"):
        default_stretches([(trace("a", 4),), (trace("b", 5),)], 6 * HOUR, 3)


SCENARIOS: Final = ScenarioWindows((1, 4), 3, (Scenario("both", ("a", "b"), 2), Scenario("one", ("b",), 1)))
ZONES: Final = ZoneWindows({"a": (trace("a", 3), trace("a", 3, begins_h=50)), "b": (trace("b", 3),)})


def test_scenarios_are_cut_from_traces_or_take_the_windows_of_zones() -> None:
    """Window by window of each scenario."""
    found = named_stretches({"s": SCENARIOS}, [trace("a"), trace("b")], multi=True)
    assert [(one.scenario, one.window, len(one.traces)) for one in found] == [
        ("both", 0, 2),
        ("both", 1, 2),
        ("one", 0, 1),
    ]
    assert prices_of(found[1].traces) == [[5, 6, 7]] * 2
    one = ScenarioWindows((1,), 3, (Scenario("both", ("a", "b"), 1),))
    (window,) = named_stretches({"s": one, "z": ZONES}, [], multi=True)
    assert window.traces == (ZONES.by_zone["a"][0], ZONES.by_zone["b"][0])


def test_windows_of_zones_alone_are_side_by_side_or_each_by_itself() -> None:
    """Side by side as far as every zone has them."""
    assert [len(one.traces) for one in named_stretches({"z": ZONES}, [], multi=True)] == [2]
    assert [(one.scenario, one.window) for one in named_stretches({"z": ZONES}, [], multi=False)] == [
        ("a_v100", 0), ("a_v100", 1), ("b_v100", 0),
    ]  # fmt: skip


def test_two_files_with_windows_of_one_zone_are_refused() -> None:
    """They may be of two types, which the name of the zone does not tell apart."""
    other = ZoneWindows({"c": (trace("c", 3),), "b": (trace("b", 3, kind="k80"),)})
    with pytest.raises(TraceError, match="y: another file has windows of b too"):
        named_stretches({"z": ZONES, "y": other}, [], multi=False)


def test_a_file_of_no_window_names_nothing() -> None:
    """Either way; what is replayed of it is for others to refuse."""
    assert named_stretches({"z": ZoneWindows({})}, [], multi=True) == ()
    assert named_stretches({"s": ScenarioWindows((1,), 3, ())}, [trace()], multi=True) == ()


def test_a_file_of_windows_is_for_one_way_of_replaying() -> None:
    """The hint says which."""
    single = SingleWindows((Window("a_v100", 2, 3),))
    (found,) = named_stretches({"w": single}, [trace("a")], multi=False)
    assert prices_of(found.traces) == [[3, 4, 5]]
    with pytest.raises(TraceError, match="w: its windows are of single zones; leave out --multi"):
        named_stretches({"w": single}, [trace("a")], multi=True)
    with pytest.raises(TraceError, match="s: its scenarios are of several zones side by side; add --multi"):
        named_stretches({"s": SCENARIOS}, [trace("a")], multi=False)


def test_every_job_is_a_case_in_every_stretch() -> None:
    """With the trace's own prices, those given where it has none, and the model of its zone."""
    model = spot_prior().model()
    bare = Trace("b", "k80", HOUR, np.ones(4, dtype=bool))
    cases = cases_of(
        [ScenarioRun("one", 0, (trace("a", 4),)), ScenarioRun("two", 0, (bare,))],
        jobs_of(HOUR, [2 * HOUR, 3 * HOUR], [0.0]),
        spot_usd_h=0.5,
        on_demand_usd_h=2.0,
        models_of=lambda traces: (model,) if traces[0].zone == "a" else (),
    )
    assert [(one.label, one.job.deadline_s / HOUR, one.start) for one in cases] == [
        ("one", 2, START), ("one", 3, START), ("two", 2, None), ("two", 3, None),
    ]  # fmt: skip
    assert cases[0].market.spot_usd_h[:, 0].tolist() == [1, 2, 3, 4]
    assert cases[2].market.spot_usd_h[:, 0].tolist() == [0.5] * 4
    assert [one.models for one in cases] == [(model,), (model,), (), ()]


def test_prices_of_0_are_prices() -> None:
    """Those of the trace hold, and none takes the place of a price that is there."""
    free = Trace("a", "m", HOUR, np.ones(2, dtype=bool), None, np.array([1.0, 0.0]), 0.0)
    (case,) = cases_of([ScenarioRun("s", 0, (free,))], jobs_of(HOUR, [HOUR], [0.0]), spot_usd_h=5, on_demand_usd_h=5)
    assert case.market.spot_usd_h.tolist() == [[1.0], [0.0]]
    assert case.market.on_demand_usd_h.tolist() == [0.0]


def test_moves_cost_what_is_said_of_their_zones() -> None:
    """Of those of each stretch, in their order; nothing where nothing is said."""
    stretch = ScenarioRun("s", 0, (trace("a"), trace("b")))
    jobs = jobs_of(HOUR, [HOUR], [0.0])
    moves = np.array([[0.0, 2.0], [3.0, 0.0]])
    known = {("a", "b"): moves}
    (case,) = cases_of(
        [stretch],
        jobs,
        spot_usd_h=1.0,
        on_demand_usd_h=1.0,
        move_usd_of=lambda traces: known[traces[0].zone, traces[1].zone],
    )
    assert case.market.move_usd.tolist() == moves.tolist()
    (case,) = cases_of([stretch], jobs, spot_usd_h=1.0, on_demand_usd_h=1.0)
    assert not case.market.move_usd.any()


def test_zones_side_by_side_have_gaps_of_one_length() -> None:
    """Also where a file of windows put them together."""
    stretch = ScenarioRun("s", 0, (trace("a"), trace("b", gap_s=600.0)))
    with pytest.raises(TraceError, match="its gaps are of 600 s"):
        cases_of([stretch], jobs_of(HOUR, [HOUR], [0.0]), spot_usd_h=1.0, on_demand_usd_h=1.0)
