"""Break-evens against every choice tried, on tiny markets."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.break_even import break_even, turns
from engine.dag import Schedule, keeps_limits, schedule
from engine.infeasible import InfeasibleError
from engine.scaled import Scaled
from engine.status import NO_LIMIT
from engine.whatif_offers import Prices
from engine.whatif_scenario import Scenario
from engine.workload import Estimate, Objective, Range, Requirement, Task, Workload
from engine.workload_errors import InvalidValueError
from tests.kits.market import NOW, market, offer
from tests.kits.random_workloads import snapshots, workloads

SPOT = Prices(purchase="spot")
BOTH_WAYS = Requirement(vcpus=Range(4, exact=False), purchases=(Purchase.ON_DEMAND, Purchase.SPOT))
MOST_CHOICES = 3_000


def free(workload: Workload) -> Workload:
    """The workload without what a break-even of prices cannot have, its tasks open to spot."""
    tasks = tuple(
        replace(
            task,
            requirements=tuple(
                replace(need, max_hourly_cost=None, purchases=tuple(Purchase)) for need in task.requirements
            ),
        )
        for task in workload.tasks
    )
    return replace(workload, tasks=tasks, budget_usd=None, hourly_budget_usd=None, objective=Objective.COST)


def kept_plans(scaled: Scaled) -> list[tuple[tuple[int, ...], Schedule]]:
    """Every choice that keeps all limits and asks for no more machines than there are, and what it comes to today."""
    problem = scaled.problem([])
    assume(math.prod(task.place.size for task in problem.tasks) <= MOST_CHOICES)
    tried = product(*(range(task.place.size) for task in problem.tasks))
    plans = ((choice, schedule(problem, choice)) for choice in tried)
    return [
        (choice, plan) for choice, plan in plans if keeps_limits(problem, plan) and not scaled.instance.short_of(choice)
    ]


def multiple_by_trying(scaled: Scaled) -> float:
    """The highest multiple at which some plan with spot machines meets the best one without."""
    speaks = scaled.speaks[SPOT]
    using: list[tuple[int, float, float]] = []
    avoiding: list[tuple[int, float, float]] = []
    for choice, plan in kept_plans(scaled):
        uses = any(of_task[number] for of_task, number in zip(speaks, choice, strict=True))
        slope = sum(
            float(usd[number])
            for usd, of_task, number in zip(scaled.machine_usd, speaks, choice, strict=True)
            if of_task[number]
        )
        (using if uses else avoiding).append((plan.preference, plan.charge_usd - slope, slope))
    if not using:
        return 0.0
    if not avoiding:
        return math.inf
    steps = min(steps for steps, *_ in using)
    best = min((steps, usd) for steps, usd, _ in avoiding)
    if steps != best[0]:
        return math.inf if steps < best[0] else 0.0
    return max(
        (best[1] - fixed) / slope if slope else math.inf if fixed < best[1] - 1e-9 else 0.0
        for own, fixed, slope in using
        if own == steps
    )


@settings(max_examples=30, deadline=None)
@given(workloads(most_tasks=3), snapshots())
def test_the_multiple_is_that_of_trying_everything(workload: Workload, snapshot: Snapshot) -> None:
    """The highest crossing of any plan with spot; both plans cost the same there."""
    try:
        scaled, found = break_even(Scenario(free(workload), snapshot), SPOT, NOW)
    except (InvalidValueError, InfeasibleError):
        assume(False)
    assert found.multiple == pytest.approx(max(0.0, multiple_by_trying(scaled)), rel=1e-6, abs=1e-6)
    if found.using and found.avoiding and math.isfinite(found.multiple):
        assert found.using.charge_usd == pytest.approx(found.avoiding.charge_usd)


@settings(max_examples=30, deadline=None)
@given(workloads(most_tasks=3), snapshots())
def test_the_turns_are_the_envelope_of_all_plans(workload: Workload, snapshot: Snapshot) -> None:
    """At each turn no plan is below the two that meet there, and between turns the plan named is the best."""
    try:
        scaled, found = turns(Scenario(replace(workload, objective=Objective.COST), snapshot), NOW, NO_LIMIT)
    except InfeasibleError:
        assume(False)
    hour_usd = workload.value_of_time_usd_h
    plans = kept_plans(scaled)
    steps = min(plan.preference for _, plan in plans)
    lines = [(p.charge_usd - hour_usd * p.makespan_h, p.makespan_h) for _, p in plans if p.preference == steps]
    for turn in found:
        best = min(charge + turn.usd_h * hours for charge, hours in lines)
        for side in (turn.before, turn.after):
            assert side.charge_usd + turn.usd_h * side.hours == pytest.approx(best, rel=1e-6, abs=1e-6)
    inner = [0.0, *(turn.usd_h for turn in found)]
    for low, high, turn in zip(inner, inner[1:], found, strict=False):
        middle = (low + high) / 2
        best = min(charge + middle * hours for charge, hours in lines)
        assert turn.before.charge_usd + middle * turn.before.hours == pytest.approx(best, rel=1e-6, abs=1e-6)
    fastest = min(hours for _, hours in lines)
    if found:
        assert found[-1].after.hours == pytest.approx(fastest)
    else:
        cheapest = min(charge for charge, _ in lines)
        assert fastest == pytest.approx(min(h for charge, h in lines if charge <= cheapest + 1e-9))


def one_task(*offers: dict[str, object], **fields: object) -> Scenario:
    """A task of two hours that takes spot machines or others."""
    task = Task("t", requirements=(BOTH_WAYS,), estimate=Estimate(hours=2.0))
    return Scenario(replace(Workload("one", (task,)), **fields), market(list(offers)))  # type: ignore[arg-type]


def test_spot_at_a_quarter_stops_at_four_times_its_price() -> None:
    """On demand $4/h, spot $1/h, both equally long: four times."""
    machines = [offer("aws", "us-east-1", "m", 4.0), offer("aws", "us-east-1", "m", 1.0, purchase=Purchase.SPOT)]
    _, found = break_even(one_task(*machines), SPOT, NOW)
    assert found.multiple == pytest.approx(4.0, rel=0.01)


def test_what_prices_cannot_answer_is_said() -> None:
    """A budget, a limit of one machine's price, and the objective of least time."""
    machine = offer("aws", "us-east-1", "m", 1.0, purchase=Purchase.SPOT)
    with pytest.raises(InvalidValueError, match="budget takes plans away"):
        break_even(one_task(machine, budget_usd=5.0), SPOT, NOW)
    with pytest.raises(InvalidValueError, match="which plan is fastest"):
        break_even(one_task(machine, objective=Objective.TIME), SPOT, NOW)


def test_always_and_never() -> None:
    """Where there is nothing else no price ends it; where there is something for nothing no price begins it."""
    spot = offer("aws", "us-east-1", "m", 1.0, purchase=Purchase.SPOT)
    _, always = break_even(one_task(spot), SPOT, NOW)
    assert (always.multiple, always.avoiding) == (math.inf, None)
    gift = offer("aws", "us-east-1", "m", 0.0)
    _, never = break_even(one_task(spot, gift), SPOT, NOW)
    assert (never.multiple, never.using) == (0.0, None)
