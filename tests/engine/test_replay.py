"""Cases -> figures by case -> summaries."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from engine.policies.on_demand import OnDemandOnly
from engine.policies.registry import NAMES, maker_of
from engine.replay import (
    Case,
    ImpossibleJobError,
    Replayed,
    ReplayError,
    batched,
    course_of,
    optimum_usd,
    replayed,
    require_time,
    summary_of,
    summary_of_optimum,
)
from engine.replay_cases import cases_of, named_stretches
from engine.spot_market import DeadlineJob, Trace, market_of
from engine.spot_priors import spot_prior
from engine.trace_text import read_trace
from engine.trace_windows import read_windows
from tests.kits.deadline_runs import DEADLINES_H, OVERHEADS_H, WORK_H, job_of

HOUR: Final = 3600.0
JOB: Final = DeadlineJob(4 * HOUR, 8 * HOUR, HOUR / 2)


def case(flags: str, job: DeadlineJob = JOB, *, gap_s: float = HOUR, zones: int = 1) -> Case:
    """A case at $1/h of spot and $3/h on demand; `flags` has a letter a gap, 1 where spot is to be had."""
    available = np.array([letter == "1" for letter in flags])
    traces = [Trace(f"z{number}", "m", gap_s, available) for number in range(zones)]
    return Case(flags, market_of(traces, spot_usd_h=1.0, on_demand_usd_h=3.0), job)


def test_figures_are_in_the_order_of_the_cases_whatever_their_shapes() -> None:
    """Gap lengths and numbers of zones alternate, and each case costs what it costs alone."""
    cases = [
        case("1" * 8),
        case("1" * 16, gap_s=HOUR / 2, zones=2),
        case("0" * 8),
        case("01" * 8, gap_s=HOUR / 2, zones=2),
    ]
    batches = batched(cases)
    assert sorted(batch.rows.tolist() for batch in batches) == [[0, 2], [1, 3]]
    greedy = replayed(batches, "greedy", maker_of("greedy"))
    alone = [replayed(batched([one]), "greedy", maker_of("greedy")).cost_usd[0] for one in cases]
    assert greedy.cost_usd.tolist() == alone
    assert greedy.cost_usd[[0, 2]].tolist() == [5.0, 15.0]
    assert optimum_usd(batches).tolist() == [optimum_usd(batched([one]))[0] for one in cases]


def test_cases_of_other_models_are_not_simulated_together() -> None:
    """A policy is made from the models of its batch."""
    models = [spot_prior().model(), spot_prior(placement_score=9).model()]
    cases = [Case("c", case("1" * 8).market, JOB, (models[number % 2],)) for number in range(4)]
    batches = batched(cases)
    assert [batch.rows.tolist() for batch in batches] == [[0, 2], [1, 3]]
    assert [batch.models for batch in batches] == [(models[0],), (models[1],)]


@pytest.mark.parametrize("on_demand_usd_h", [0.0, 3.0])
@pytest.mark.parametrize("spot_usd_h", [0.0, 1.0])
def test_prices_of_0_are_billed_like_others(spot_usd_h: float, on_demand_usd_h: float) -> None:
    """No policy fails, is late or gets below the optimum; a free optimum is 0, and nothing has a ratio to it."""
    for flags, zones in (("1" * 16, 1), ("10" * 8, 1), ("10" * 8, 2)):
        traces = [
            Trace(
                f"z{zone}", "m", HOUR / 2, np.array([letter == "1" for letter in flags]), None,
                np.full(16, spot_usd_h), on_demand_usd_h,
            )
            for zone in range(zones)
        ]  # fmt: skip
        market = market_of(traces, spot_usd_h=5.0, on_demand_usd_h=5.0)
        batches = batched([Case(flags, market, JOB, (spot_prior().model(),))])
        least = optimum_usd(batches)
        assert (least[0] == 0) == (on_demand_usd_h == 0 or (spot_usd_h == 0 and "0" not in flags))
        for name in NAMES:
            found = replayed(batches, name, maker_of(name))
            assert not found.late.any(), name
            assert (found.cost_usd >= least - 1e-9).all(), name
            assert (summary_of(found, least).ratio is None) == (least[0] == 0), name


def test_the_bill_at_the_first_price() -> None:
    """Two gaps in each zone, all at the first price of the zone at the end; the course of a run says the same."""
    flags = np.array([[True, False]] * 2 + [[False, True]] * 6)
    prices = np.array([[1.0, 5.0], [2.0, 4.0]] + [[9.0, 7.0]] * 6)
    traces = [Trace(zone, "m", HOUR, flags[:, at], None, prices[:, at], 8.0) for at, zone in enumerate("ab")]
    (batch,) = batched(
        [Case("c", market_of(traces, spot_usd_h=0, on_demand_usd_h=0), DeadlineJob(4 * HOUR, 8 * HOUR, 0.0))]
    )
    maker = maker_of("uniform-progress-any-zone")
    by_gap, at_first = (
        replayed([batch], "u", maker, reference=True, at_first_price=first).cost_usd for first in (False, True)
    )
    assert (by_gap.tolist(), at_first.tolist()) == ([1.0 + 2.0 + 7.0 + 7.0], [4 * 5.0])
    course = course_of(batch, maker(()), reference=True, at_first_price=True)
    assert course.outcome.cost_usd.tolist() == at_first.tolist()


def test_a_summary_of_known_figures() -> None:
    """Means over runs, the spread of costs, the cost over that of the optimum, and spot as a share of machine time."""
    figures = np.array([10.0, 20.0, 30.0])
    found = summary_of(
        Replayed(
            "p",
            cost_usd=figures,
            late=np.array([False, True, False]),
            interruptions=np.array([0, 1, 5]),
            moves=np.array([0, 0, 3]),
            spot_gaps=np.array([2, 0, 4]),
            on_demand_gaps=np.array([0, 6, 0]),
        ),
        np.array([10.0, 10.0, 5.0]),
    )
    assert (found.policy, found.runs, found.mean_usd, found.late) == ("p", 3, 20.0, 1)
    assert found.sd_usd == pytest.approx(np.sqrt(200 / 3))
    assert (found.low_usd, found.high_usd) == (11.0, 29.0)
    assert found.ratio == pytest.approx(20 / (25 / 3))
    assert (found.interruptions, found.moves, found.spot_share) == (2.0, 1.0, 0.5)


def test_the_optimum_is_summed_up_by_its_cost_alone() -> None:
    """What else it does is not known, which is not 0; an optimum that is free has no ratio."""
    found = summary_of_optimum(np.array([1.0, 3.0]))
    assert (found.policy, found.mean_usd, found.ratio, found.late) == ("optimum", 2.0, 1.0, 0)
    assert (found.interruptions, found.moves, found.spot_share) == (None, None, None)
    assert summary_of_optimum(np.zeros(2)).ratio is None


def test_part_of_the_cases_is_summed_up_by_itself() -> None:
    """As if the others were not there."""
    batches = batched([case("1" * 8), case("0" * 8)])
    both = replayed(batches, "greedy", maker_of("greedy"))
    assert both.rows(np.array([1])).cost_usd.tolist() == [15.0]
    assert both.rows(np.array([False, True])).spot_gaps.tolist() == [0]


def test_the_course_of_a_run_says_what_was_done_by_each_gap() -> None:
    """On demand from the first gap: half an hour to start, then four hours of work."""
    (batch,) = batched([case("0" * 8)])
    course = course_of(batch, OnDemandOnly())
    assert (course.done_s[0] / HOUR).tolist() == [0, 0.5, 1.5, 2.5, 3.5, 4.0]
    assert course.outcome.cost_usd.tolist() == [15.0]


def test_no_policy_is_late_or_below_the_optimum_where_capacity_flaps() -> None:
    """A gap of spot, a gap of none, in one zone and in two; the deadline is no multiple of the gap."""
    job = DeadlineJob(4 * HOUR, 7.7 * HOUR, HOUR / 3)
    cases = [case("10" * 8, job, gap_s=HOUR / 2, zones=zones) for zones in (1, 2)]
    batches = batched([Case(one.label, one.market, job, (spot_prior().model(),)) for one in cases])
    least = optimum_usd(batches)
    for name in NAMES:
        found = replayed(batches, name, maker_of(name))
        assert not found.late.any(), name
        assert (found.cost_usd >= least - 1e-9).all(), name


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (DeadlineJob(9 * HOUR, 8 * HOUR, 0.0), "the earliest possible finish, on demand, is after 9 h"),
        (DeadlineJob(4 * HOUR, 5 * HOUR, 2 * HOUR), "the earliest possible finish, on demand, is after 6 h"),
    ],
)
def test_a_job_that_no_machine_can_do_in_time_is_refused(job: DeadlineJob, says: str) -> None:
    """Work that is too long, or a start that is longer than the slack; known before there is any market."""
    with pytest.raises(ImpossibleJobError, match=says):
        batched([case("1" * 8, job)])
    with pytest.raises(ImpossibleJobError, match=says):
        require_time([JOB, job])


def test_a_job_without_any_slack_is_replayed() -> None:
    """It is possible, on demand from the first gap on."""
    job = DeadlineJob(7 * HOUR, 8 * HOUR, HOUR)
    require_time([job])
    found = replayed(batched([case("0" * 8, job)]), "on-demand", maker_of("on-demand"))
    assert not found.late.any()


def test_what_cannot_be_replayed_is_refused() -> None:
    """No case at all, and a record that ends before the deadline."""
    with pytest.raises(ReplayError, match="nothing to replay"):
        batched([])
    with pytest.raises(ReplayError, match="lasts 7 h, less than the deadline of 8 h"):
        batched([case("1" * 7)])


def test_the_published_means_come_out(shared: Path) -> None:
    """1,080 runs in one zone, with the faults of the public simulator: means that others published."""
    folder = shared / "data" / "traces"
    windows = read_windows((folder / "adrs" / "single_region_windows.json").read_text(), "windows")
    files = sorted((folder / "aws-2022" / "P1_2022-10-26").glob("*.json"))
    traces = [read_trace(file.read_text(), file.name) for file in files]
    jobs = [job_of(WORK_H, deadline_h, overhead_h) for deadline_h in DEADLINES_H for overhead_h in OVERHEADS_H]
    stretches = named_stretches({"windows": windows}, traces, multi=False)
    batches = batched(cases_of(stretches, jobs, spot_usd_h=0.9731, on_demand_usd_h=3.06))
    least = optimum_usd(batches)
    assert least.mean() == pytest.approx(92.162, abs=5e-4)
    published = {"on-demand": 147.390, "greedy": 119.0345, "uniform-progress": 101.6827}
    for name, mean_usd in published.items():
        found = replayed(batches, name, maker_of(name, bug_compatible=True), reference=True)
        assert summary_of(found, least).mean_usd == pytest.approx(mean_usd, abs=5e-5)
