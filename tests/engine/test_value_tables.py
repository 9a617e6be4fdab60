"""Value tables against an exact recursion, and against what the policy that uses them pays in the mean."""

from __future__ import annotations

import numpy as np
import pytest

from engine.availability import AvailabilityModel
from engine.policies.base import Machine, Policy
from engine.policies.chains import ZoneChain
from engine.policies.greedy import Greedy
from engine.policies.on_demand import OnDemandOnly
from engine.policies.stochastic import StochasticDynamic
from engine.policies.uniform_progress import UniformProgress
from engine.policies.value_tables import JobCosts, ValueTables, value_tables
from engine.simulator import runs_of, simulate
from engine.spot_market import DeadlineJob, Flags
from tests.kits.deadline_cases import MIXED, market, model
from tests.kits.exact_costs import ExactCosts, TinyJob
from tests.kits.seen_zones import constant

TICK_S = 60.0
CHANCES = [(0.2, 0.3), (0.05, 0.5), (0.5, 0.1)]
"""To lose spot in a gap, and to get it back."""
OVERHEADS = [0, 2, 4, 9, 13, 20, 24]
LITTLE_SLACK = [
    *((gaps, work, overhead) for gaps, work in [(6, 36), (8, 52), (10, 70)] for overhead in OVERHEADS),
    *((9, 90 - overhead, overhead) for overhead in OVERHEADS),  # none but for the one start
]
"""Gaps, work and overhead of jobs that can be in time."""


def memoryless(job: TinyJob) -> AvailabilityModel:
    """The one class of the job's zone."""
    gap_h = job.gap * TICK_S / 3600
    zone = constant(float(-np.log1p(-job.lost)) / gap_h, float(-np.log1p(-job.gained)) / gap_h)
    return AvailabilityModel((zone,), np.ones(1), np.array([0.5]))


def tables_of(job: TinyJob) -> tuple[ValueTables, float]:
    """Its tables in steps of a gap, and the slack at its start."""
    gap_s, slack_s = job.gap * TICK_S, (job.gaps * job.gap - job.work) * TICK_S
    chain = ZoneChain(memoryless(job), gap_s / 3600, job.spot_usd * 3600 / gap_s)
    usd_h = job.on_demand_usd * 3600 / gap_s
    costs = JobCosts(gap_s, job.overhead * TICK_S, usd_h, min(job.on_demand_usd, job.spot_usd))
    return value_tables(chain, costs, job.gaps, slack_s), slack_s


def start_values(job: TinyJob) -> list[float]:
    """What the tables say of the start, spot being there or not."""
    tables, slack_s = tables_of(job)
    up, down = tables.at(tables.waiting, job.gaps * job.gap * TICK_S, np.array([slack_s]))[0]
    return [float(up), float(down)]


def exact_values(job: TinyJob) -> list[float]:
    """The same by recursion."""
    exact = ExactCosts(job)
    return [exact.at_start(True), exact.at_start(False)]


@pytest.mark.parametrize(("gaps", "work", "overhead"), LITTLE_SLACK)
def test_the_start_is_worth_what_the_exact_recursion_says(gaps: int, work: int, overhead: int) -> None:
    """Overheads of none to several gaps, little slack: levels a tenth of a gap apart hold all that can occur."""
    for lost, gained in CHANCES:
        job = TinyJob(gaps, work, overhead, lost=lost, gained=gained)
        assert start_values(job) == pytest.approx(exact_values(job), rel=2e-4), job


@pytest.mark.parametrize("overhead", [0, 2, 4, 9, 13, 24])
def test_coarse_levels_cost_little(overhead: int) -> None:
    """With much slack the levels lie further apart, and the value is near the exact one."""
    for lost, gained in CHANCES:
        job = TinyJob(12, 64, overhead, lost=lost, gained=gained)
        assert start_values(job) == pytest.approx(exact_values(job), rel=0.06), job


def test_work_that_is_done_costs_nothing() -> None:
    """Where slack is all that is left."""
    tables, _ = tables_of(TinyJob(8, 52, 4))
    for values in (tables.waiting, tables.on_demand):
        for left in range(9):
            done = tables.slack_s >= left * 600
            assert not values[left, done].any()
            assert (values[left, ~done] > 0).all()


def test_between_levels_and_steps_values_are_linear() -> None:
    """Half way between two levels of slack, two steps, or both."""
    tables, _ = tables_of(TinyJob(8, 52, 4))
    values = tables.waiting
    corners = [values[step, level].astype(float) for step in (6, 7) for level in (10, 11)]
    assert tables.at(values, 6.5 * 600, np.array([630.0]))[0] == pytest.approx(np.mean(corners, axis=0))
    assert tables.at(values, 6 * 600, np.array([630.0]))[0] == pytest.approx(np.mean(corners[:2], axis=0))
    assert tables.at(values, 99 * 600, np.array([-5.0, 0.0])) == pytest.approx(values[8, [0, 0]])


@pytest.mark.parametrize(("unpaid", "stage"), [(24, 2), (15, 2), (14, 1), (5, 1), (4, 0), (0, 0)])
def test_overhead_that_is_unpaid_finds_its_stage(unpaid: int, stage: int) -> None:
    """An overhead of 2.4 gaps is fresh, or has been paid for one gap or for two; what is rounded is rounded up."""
    tables, slack_s = tables_of(TinyJob(12, 64, 24))
    found = tables.kept(10 * 600, np.array([slack_s]), np.array([unpaid * TICK_S]))
    assert found == pytest.approx(tables.at(tables.on_spot[:, stage], 10 * 600, np.array([slack_s])))


def sampled(job: TinyJob, runs: int, seed: int) -> list[Flags]:
    """Traces of its zone, spot being there in the first gap."""
    (zone,) = memoryless(job).classes
    rng = np.random.default_rng(seed)
    return [zone.sample(rng, job.gap * TICK_S, job.gaps, starts_up=True) for _ in range(runs)]


@pytest.mark.parametrize(
    "job", [TinyJob(8, 52, 2), TinyJob(10, 70, 4, lost=0.5, gained=0.1), TinyJob(12, 80, 13, lost=0.05, gained=0.5)]
)
def test_the_policy_pays_what_the_recursion_promises(job: TinyJob) -> None:
    """Over sampled traces, within four standard errors: its decisions are those of the exact optimum."""
    gap_s = job.gap * TICK_S
    usd_h = 3600 / gap_s
    task = DeadlineJob(job.work * TICK_S, job.gaps * gap_s, job.overhead * TICK_S)
    markets = [
        market(flags, gap_s=gap_s, spot_usd_h=job.spot_usd * usd_h, on_demand_usd_h=job.on_demand_usd * usd_h)
        for flags in sampled(job, 600, seed=5)
    ]
    outcome = simulate(runs_of([(one, task) for one in markets]), StochasticDynamic((memoryless(job),)))
    error = outcome.cost_usd.std() / np.sqrt(len(markets))
    assert not outcome.late.any()
    assert outcome.cost_usd.mean() == pytest.approx(exact_values(job)[0], abs=4 * error)
    assert outcome.cost_usd.std() > 0.5


@pytest.fixture(scope="module")
def of_the_model() -> list[Flags]:
    """Traces that the mixed model makes: each of a class, drawn by the weights, from an age of nothing."""
    rng = np.random.default_rng(11)
    flags = []
    for _ in range(200):
        kind = rng.choice(len(MIXED.classes), p=MIXED.weights)
        starts_up = bool(rng.random() < MIXED.up_share[kind])
        flags.append(MIXED.classes[kind].sample(rng, 600.0, 72, starts_up=starts_up))
    return flags


@pytest.mark.parametrize(("overhead_s", "by_usd"), [(0.0, -0.02), (200.0, 0.05), (900.0, 0.05)])
def test_ours_is_cheaper_than_fixed_rules_where_the_model_is_right(
    of_the_model: list[Flags], overhead_s: float, by_usd: float
) -> None:
    """In the mean over traces of the very model, never late; where starts take no time greedy is as good."""
    runs = runs_of([(market(flags), DeadlineJob(8 * 3600, 12 * 3600, overhead_s)) for flags in of_the_model])
    ours = simulate(runs, StochasticDynamic((MIXED,)))
    assert not ours.late.any()
    others: list[Policy] = [Greedy(), UniformProgress(), UniformProgress(hysteresis=False), OnDemandOnly()]
    for other in others:
        assert ours.cost_usd.mean() < simulate(runs, other).cost_usd.mean() - by_usd, other.name


@pytest.mark.parametrize("factor", [2.0**-8, 2.0**17])
def test_decisions_hold_in_any_currency(of_the_model: list[Flags], factor: float) -> None:
    """All prices times a number: the same machines in the same gaps, also where a job costs millions."""
    job = DeadlineJob(8 * 3600, 12 * 3600, 200)
    found = []
    for scale in (1.0, factor):
        markets = [market(flags, spot_usd_h=scale, on_demand_usd_h=3 * scale) for flags in of_the_model[:40]]
        found.append(simulate(runs_of([(one, job) for one in markets]), StochasticDynamic((MIXED,))))
    assert np.array_equal(found[0].machines, found[1].machines)
    assert found[1].cost_usd == pytest.approx(found[0].cost_usd * factor)


def test_what_the_model_calls_impossible_is_taken_in() -> None:
    """Spot is lost and comes back, against all classes: the policy goes on by what it sees, at the price of spot."""
    sure = model([[0.0] * 3] * 2, [[50.0] * 3, [10.0] * 3], [0.99, 0.999])
    flags = np.array([1, 1, 0] + [1] * 60)
    outcome = simulate(runs_of([(market(flags), DeadlineJob(12000, 36000, 60))]), StochasticDynamic((sure,)))
    assert outcome.on_demand_gaps[0] == 0


@pytest.mark.parametrize("count", [0, 2, 4])
def test_models_are_one_or_one_for_each_zone(count: int) -> None:
    """Anything else is refused in words."""
    runs = runs_of([(market(np.ones((6, 3))), DeadlineJob(1200, 3600, 60))])
    with pytest.raises(ValueError, match="model"):
        simulate(runs, StochasticDynamic((MIXED,) * count))


def test_models_need_not_share_their_classes() -> None:
    """Zones that go by different models: the one that is sure to keep its machines is taken, at the same price."""
    flapping = model([[30.0] * 3], [[30.0] * 3], [0.5])
    sure = model([[1e-6] * 3] * 2, [[0.5] * 3] * 2, [0.9, 0.9])
    runs = runs_of([(market(np.ones((30, 2))), DeadlineJob(6000, 18000, 60))])
    outcome = simulate(runs, StochasticDynamic((flapping, sure)))
    assert not outcome.late.any()
    assert outcome.machines[0, 0] == Machine.SPOT
    assert outcome.zones[0, 0] == 1


def test_a_job_takes_spot_that_costs_no_more() -> None:
    """Always there, as the model says: nothing is won by waiting, and if the model is wrong much is lost."""
    sure = model([[0.0] * 3], [[50.0] * 3], [0.99])
    outcome = simulate(runs_of([(market(np.ones(30)), DeadlineJob(6000, 18000, 60))]), StochasticDynamic((sure,)))
    assert outcome.finish_s[0] == 6060


@pytest.mark.parametrize(("gap_s", "length"), [(60.0, 720), (120.0, 360)])
def test_a_machine_is_not_left_just_before_the_work_is_done(gap_s: float, length: int) -> None:
    """Little work and much slack: whoever waits then pays for a start and a whole gap all the same."""
    job = DeadlineJob(10.5 * 3600 + 7, 12 * 3600, 130)
    outcome = simulate(runs_of([(market(np.ones(length), gap_s=gap_s), job)]), StochasticDynamic((MIXED,)))
    assert outcome.starts[0] == 1
    assert outcome.spot_gaps[0] == np.ceil((job.work_s + job.overhead_s) / gap_s)
