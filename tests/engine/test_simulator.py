"""The simulator against a plain replay of one run at a time, and what it refuses."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.omniscient import omniscient_usd
from engine.policies.base import Machine, Policy
from engine.policies.greedy import Greedy, SpotOnly
from engine.policies.on_demand import OnDemandOnly
from engine.policies.scripted import Scripted
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import bill_at_first_price, runs_of, simulate
from engine.spot_market import DeadlineJob, SpotMarket, Trace, market_of
from tests.kits.deadline_cases import GUARDED, gaps, market, ours
from tests.kits.one_run import Replayed, replay

Case = tuple[SpotMarket, DeadlineJob]
COMPARED = [one.name for one in fields(Replayed)]


def random_cases(seed: int, count: int) -> list[Case]:
    """Markets of one shape and different lengths, jobs of any overhead."""
    rng = np.random.default_rng(seed)
    zones, gap_s = int(rng.integers(1, 4)), float(rng.choice([195.0, 600.0]))
    cases = []
    for _ in range(count):
        length = int(rng.integers(18, 30))
        flags = np.cumsum(rng.random((length, zones)) < rng.choice([0.1, 0.5]), axis=0) % 2 == rng.integers(2)
        job = DeadlineJob(
            work_s=float(rng.uniform(0.01, 11)) * gap_s,
            deadline_s=float(rng.uniform(15, length)) * gap_s,
            overhead_s=float(rng.choice([0.0, 20.0, gap_s, 1.7 * gap_s, 3.2 * gap_s, 0.0004])),
        )
        moves = rng.uniform(0, 2, (zones, zones)) * rng.integers(2)
        one = market(
            flags,
            gap_s=gap_s,
            spot_usd_h=rng.uniform(0, 2, (length, zones)),
            on_demand_usd_h=rng.uniform(1, 4, zones),
            move_usd=moves,
        )
        cases.append((one, job))
    return cases


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_bills_are_those_of_a_plain_replay(seed: int, free_moves: bool) -> None:
    """Random requests: each run of a batch costs, ends, starts, moves and is interrupted by the rules."""
    cases = random_cases(seed, count=4)
    rng = np.random.default_rng(seed)
    zones, length = len(cases[0][0].zones), 50
    machine = rng.choice([Machine.NONE, Machine.SPOT, Machine.SPOT, Machine.ON_DEMAND], (len(cases), length))
    machine = np.where(rng.random(machine.shape) < 0.4, np.roll(machine, 1, axis=1), machine)
    machine[:, 15:] = Machine.ON_DEMAND
    zone = rng.integers(zones, size=machine.shape)
    zone[:, 1::2] = zone[:, :-1:2]
    zone[:, 15:] = zone[:, 15:16]
    outcome = simulate(runs_of(cases), Scripted(machine, zone), reference=free_moves)
    words = ("none", "spot", "on demand")
    for row, case in enumerate(cases):
        requests = [(words[kind], int(where)) for kind, where in zip(machine[row], zone[row], strict=True)]
        expected = replay(*case, requests, free_moves=free_moves)
        found = {name: getattr(outcome, name)[row] for name in COMPARED}
        assert found == pytest.approx({name: getattr(expected, name) for name in COMPARED}, abs=1e-9)
        by_gaps = expected.finish_gap > round(case[1].deadline_s / case[0].gap_s)
        by_seconds = expected.finish_s > case[1].deadline_s + 1e-3
        assert outcome.late[row] == (by_gaps if free_moves else by_seconds)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_its_runs_one_by_one(seed: int) -> None:
    """For every policy, also where markets end at different gaps."""
    cases = random_cases(seed, count=3)
    for policy in [*GUARDED, ours()]:
        together = simulate(runs_of(cases), policy)
        for row, case in enumerate(cases):
            alone = simulate(runs_of([case]), policy)
            for one in fields(alone):
                mine, theirs = getattr(alone, one.name)[0], getattr(together, one.name)[row]
                if mine.ndim:
                    theirs = theirs[: len(mine)]
                assert np.array_equal(mine, theirs), (policy.name, one.name)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_the_optimum_is_never_above_a_policy(seed: int) -> None:
    """Of several zones, with prices that jump and moves that cost: no run that is in time is cheaper."""
    runs = runs_of(random_cases(seed, count=2))
    least = omniscient_usd(runs)
    for policy in [*GUARDED, Greedy(), UniformProgress(any_zone=True), ours()]:
        outcome = simulate(runs, policy)
        assert (outcome.cost_usd >= least - 1e-9)[~outcome.late].all(), policy.name


def test_work_is_done_beyond_the_end_of_a_trace() -> None:
    """After its last gap a market has no spot; on demand goes on at its price."""
    runs = runs_of(
        [(market(gaps("++")), DeadlineJob(1200, 1200, 600)), (market(gaps("++++")), DeadlineJob(60, 600, 0))]
    )
    outcome = simulate(runs, Scripted(np.array([1, 1, 1, 2, 2]), np.zeros(5, dtype=np.int64)))
    assert outcome.machines[0].tolist() == [1, 1, 0, 2, 2]
    assert outcome.cost_usd.tolist() == pytest.approx([2 / 6 + 2 * 0.5, 1 / 6])
    assert outcome.late.tolist() == [True, False]


def test_a_run_that_is_done_is_not_billed_for_the_others() -> None:
    """It stays where it ended, on nothing."""
    runs = runs_of([(market(gaps("++++++")), DeadlineJob(work, 3600, 0)) for work in (600.0, 2400.0)])
    outcome = simulate(runs, OnDemandOnly())
    assert outcome.machines.tolist() == [[2, 0, 0, 0], [2, 2, 2, 2]]
    assert outcome.finish_gap.tolist() == [1, 4]


@pytest.mark.parametrize("work_s", [0.0, 1e-9])
@pytest.mark.parametrize("policy", [*GUARDED, ours()], ids=lambda policy: policy.name)
def test_a_job_without_work_is_done_at_once(work_s: float, policy: Policy) -> None:
    """It costs nothing and is in time, alone and beside others."""
    jobs = [DeadlineJob(work_s, 600, 30), DeadlineJob(1000, 1800, 30)]
    for batch in (jobs[:1], jobs):
        outcome = simulate(runs_of([(market(gaps("+++")), job) for job in batch]), policy)
        assert outcome.cost_usd[0] == 0
        assert outcome.finish_gap[0] == 0
        assert outcome.finish_s[0] == pytest.approx(0, abs=1e-6)
        assert not outcome.late[0]


def test_a_machine_that_vanishes_when_the_work_is_done_is_no_interruption() -> None:
    """Two gaps of spot do the work, then spot is gone: nobody was interrupted."""
    outcome = simulate(runs_of([(market(gaps("++--")), DeadlineJob(1200, 2400, 0))]), Greedy())
    assert (outcome.finish_gap[0], outcome.interruptions[0]) == (2, 0)


def test_moves_cost_overhead_and_egress_but_in_the_reference() -> None:
    """A live machine that moves starts anew; the public evaluator moves it for nothing."""
    runs = runs_of([(market(np.ones((8, 2)), move_usd=5.0), DeadlineJob(1800, 4800, 300))])
    script = Scripted(np.full(8, Machine.SPOT), np.array([0, 1, 1, 1, 1, 1, 1, 1]))
    honest, reference = simulate(runs, script), simulate(runs, script, reference=True)
    assert (honest.starts[0], honest.moves[0], honest.finish_s[0]) == (2, 1, 2400)
    assert honest.cost_usd[0] == pytest.approx(5 + 4 / 6)
    assert (reference.starts[0], reference.moves[0], reference.finish_s[0]) == (1, 0, 2100)
    assert reference.cost_usd[0] == pytest.approx(4 / 6)


def test_the_public_bill_takes_the_first_price_of_the_last_zone() -> None:
    """Two gaps in a zone of 1 USD/h and two in one whose first price was 6, later 2."""
    prices = [[1, 6], [1, 6], [1, 2], [1, 2], [1, 2]]
    runs = runs_of([(market(np.ones((5, 2)), spot_usd_h=prices), DeadlineJob(2400, 3000, 0))])
    outcome = simulate(runs, Scripted(np.full(5, Machine.SPOT), np.array([0, 0, 1, 1, 1])))
    assert outcome.cost_usd.tolist() == pytest.approx([(1 + 1 + 2 + 2) / 6])
    assert bill_at_first_price(runs, outcome).tolist() == pytest.approx([4 * 6 / 6])


def test_no_run_is_refused() -> None:
    """There is nothing to simulate."""
    with pytest.raises(ValueError, match="there is no run"):
        runs_of([])


@pytest.mark.parametrize("other", [market(gaps("+++"), gap_s=60.0), market(np.ones((9, 2)))], ids=["gap", "zones"])
def test_runs_of_different_shapes_are_refused(other: SpotMarket) -> None:
    """One gap length and one number of zones in a batch."""
    job = DeadlineJob(60, 120, 0)
    with pytest.raises(ValueError, match="gaps of one length and as many zones"):
        runs_of([(market(gaps("+++")), job), (other, job)])


@pytest.mark.parametrize("length", [1, 2])
def test_a_trace_shorter_than_the_deadline_is_refused(length: int) -> None:
    """It cannot tell what would have happened."""
    with pytest.raises(ValueError, match=r"cannot tell of a deadline of 0\.5 h"):
        runs_of([(market(gaps("+" * length)), DeadlineJob(60, 1800, 0))])


def test_a_market_needs_traces_of_one_gap_length() -> None:
    """And at least one."""
    traces = [Trace(zone, "m", gap_s, gaps("+++")) for zone, gap_s in (("a", 600.0), ("b", 195.0))]
    with pytest.raises(ValueError, match="at least one trace"):
        market_of([], spot_usd_h=1, on_demand_usd_h=3)
    with pytest.raises(ValueError, match="gaps of one length"):
        market_of(traces, spot_usd_h=1, on_demand_usd_h=3)


def test_a_market_ends_with_its_shortest_trace_and_keeps_recorded_prices() -> None:
    """What a trace does not say comes from the arguments."""
    priced = Trace("a", "m", 600, gaps("+-+"), spot_usd_h=np.array([0.5, 0.6, 0.7]), on_demand_usd_h=2.0)
    found = market_of([priced, Trace("b", "m", 600, gaps("-+"))], spot_usd_h=1, on_demand_usd_h=3)
    assert found.zones == ("a", "b")
    assert found.available.tolist() == [[True, False], [False, True]]
    assert found.spot_usd_h.tolist() == [[0.5, 1], [0.6, 1]]
    assert found.on_demand_usd_h.tolist() == [2, 3]


def test_a_policy_that_never_finishes_is_stopped() -> None:
    """Spot only on a trace without spot."""
    with pytest.raises(RuntimeError, match="spot only does not finish"):
        simulate(runs_of([(market(gaps("------")), DeadlineJob(600, 3600, 60))]), SpotOnly())


def test_a_schedule_that_ends_before_the_work_is_stopped() -> None:
    """After its last gap a script takes no machine."""
    one_gap = Scripted(np.array([Machine.ON_DEMAND]), np.zeros(1, dtype=np.int64))
    assert simulate(runs_of([(market(gaps("--")), DeadlineJob(600, 1200, 0))]), one_gap).cost_usd.tolist() == [0.5]
    with pytest.raises(RuntimeError, match="scripted does not finish"):
        simulate(runs_of([(market(gaps("--")), DeadlineJob(700, 1200, 0))]), one_gap)


@pytest.mark.parametrize(("machine", "zone"), [(Machine.ON_DEMAND, -1), (Machine.ON_DEMAND, 2), (5, 0), (-1, 0)])
def test_a_decision_for_what_there_is_not_is_refused(machine: int, zone: int) -> None:
    """No such zone, no such machine."""
    runs = runs_of([(market(np.ones((4, 2))), DeadlineJob(600, 1200, 0))])
    with pytest.raises(ValueError, match="in one of 2 zones"):
        simulate(runs, Scripted(np.full(4, machine), np.full(4, zone)))


def test_a_late_run_is_let_finish() -> None:
    """A schedule that begins only at the deadline: it is late, and its end is told."""
    machine = np.array([0] * 6 + [2] * 4)
    outcome = simulate(
        runs_of([(market(gaps("------")), DeadlineJob(1500, 3600, 60))]), Scripted(machine, np.zeros_like(machine))
    )
    assert outcome.late[0]
    assert outcome.finish_s[0] == 3600 + 1560
    assert outcome.finish_gap[0] == 9
