"""Where the best plan changes as one figure moves: solved, not swept.

What a plan costs is linear in a multiple m of the prices of some machines, a + b m, and in the value v of an hour,
cost + hours * v. The best plan's figure is the lower envelope of such lines: concave and piecewise linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from engine.dag import Booleans, DagProblem, Measure, Schedule, schedule
from engine.infeasible import InfeasibleError
from engine.limit import Limit
from engine.scaled import Choice, Scaled, settled
from engine.status import NO_LIMIT, Status, TimeLimit, raised
from engine.whatif import Change
from engine.whatif_offers import Prices
from engine.whatif_scenario import Operator, Scenario
from engine.workload import Objective, Workload
from engine.workload_errors import InvalidValueError

AVOID: Final = "avoid"
NO_PLAN: Final = "no plan keeps the limits"


class NotProvenError(Exception):
    """The time limit came before a plan was proven best: nothing can be said of where it changes."""


@dataclass(frozen=True)
class Side:
    """A plan at a change: `charge_usd` is what it is compared by there."""

    choice: Choice
    cost_usd: float
    hours: float
    charge_usd: float


@dataclass(frozen=True)
class BreakEven:
    """Up to `multiple` of today's prices the best plan uses the machines that these are of, beyond it avoids them.

    It is 0 where the best plan never uses them, and infinite where it always does. `using` is the plan on the one
    side, `avoiding` that on the other, both at that multiple (where it is infinite: at today's prices); None where
    there is none. `solves` is how many optima it took.
    """

    multiple: float
    using: Side | None
    avoiding: Side | None
    solves: int


@dataclass(frozen=True)
class Turn:
    """Where an hour is worth `usd_h` the best plan turns from `before` to `after`, which is faster and dearer."""

    usd_h: float
    before: Side
    after: Side


def break_even(
    scenario: Scenario, prices: Prices, now: datetime, limit: TimeLimit = NO_LIMIT
) -> tuple[Scaled, BreakEven]:
    """At what multiple of their prices the best plan stops using machines; and the instance whose choices these are.

    Newton's method for min (a + b m) = (the best plan without them), as Dinkelbach (1967) has it: from m = 0 on, the
    best plan is sought at the multiple where the one before meets the best without. Its own crossing lies further up,
    or none is better and this is it. Each plan has another slope, so that it ends.

    Raises:
        InvalidValueError: no offer is of the scope; the plans to choose from change with prices; or their order is one
            that prices do not change.
        InfeasibleError: no plan keeps the limits, a task has no candidate, or the deadline has passed.
        NotProvenError: see there.
    """
    _require_linear(scenario.workload)
    asked = _Asked(Scaled.of(scenario, [_at(prices, 1.0)], now), limit)
    speaks = asked.scaled.speaks[prices]
    away = asked.best(_avoiding(asked.problem(), speaks))
    multiple, using = 0.0, None
    while True:
        problem = asked.problem([_at(prices, multiple)])
        choice = asked.best(problem)
        if choice is None:
            raise InfeasibleError([NO_PLAN])
        plan, other = schedule(problem, choice), None if away is None else schedule(problem, away)
        if away is not None and other is not None and not _is_better(plan, other):
            return asked.scaled, BreakEven(multiple, using, _side(away, other), asked.solves)
        slope_usd = _machines_usd(asked.scaled, speaks, choice)
        if other is None or not slope_usd or plan.preference < other.preference:
            return asked.scaled, _always(asked, choice, away)
        further = (other.charge_usd - plan.charge_usd) / slope_usd
        multiple += further
        using = Side(choice, plan.cost_usd + further * slope_usd, plan.makespan_h, other.charge_usd)


def turns(scenario: Scenario, now: datetime, limit: TimeLimit = NO_LIMIT) -> tuple[Scaled, list[Turn]]:
    """Every value of an hour, ascending, at which the best plan turns to a faster one; and the choices' instance.

    Between two plans whose lines meet at v, either no plan is below both at v, and they turn there, or one is, and both
    halves are searched likewise (Eisner and Severance 1976): from the cheapest plan to the fastest.

    Raises:
        InfeasibleError: no plan keeps the limits, a task has no candidate, or the deadline has passed.
        NotProvenError: see there.
    """
    asked = _Asked(Scaled.of(scenario, [], now), limit)
    free = replace(asked.problem(), objective=Objective.COST, value_of_time_usd_h=0.0)
    cheapest, fastest = asked.best(free), asked.best(replace(free, objective=Objective.TIME))
    if cheapest is None or fastest is None:
        raise InfeasibleError([NO_PLAN])
    ends = (_side(choice, schedule(free, choice)) for choice in (cheapest, fastest))
    return asked.scaled, _turns_between(asked, free, *ends)


def _turns_between(asked: _Asked, free: DagProblem, before: Side, after: Side) -> list[Turn]:
    if before.hours <= raised(after.hours):
        return []
    usd_h = max(0.0, (after.charge_usd - before.charge_usd) / (before.hours - after.hours))
    choice = asked.best(replace(free, value_of_time_usd_h=usd_h))
    if choice is None:
        return []
    between = _side(choice, schedule(free, choice))
    if before.charge_usd + usd_h * before.hours <= raised(between.charge_usd + usd_h * between.hours):
        return [Turn(usd_h, before, after)]
    return [*_turns_between(asked, free, before, between), *_turns_between(asked, free, between, after)]


@dataclass
class _Asked:
    """Finds best choices of one instance; what it learns of limits, and the choices, serve the next question."""

    scaled: Scaled
    limit: TimeLimit
    solves: int = 0
    known: list[Choice] = field(default_factory=list)

    def problem(self, changes: Sequence[Change] = ()) -> DagProblem:
        """The problem after changes."""
        return self.scaled.problem(changes)

    def best(self, problem: DagProblem) -> Choice | None:
        """The proven best choice, None where none keeps the limits."""
        self.scaled, solution = settled(self.scaled, problem, self.limit, self.known)
        self.solves += 1
        if solution.status is Status.INFEASIBLE:
            return None
        if solution.status is not Status.OPTIMAL:
            raise NotProvenError("no plan was proven best in time")
        self.known.append(solution.choice)
        return solution.choice


def _require_linear(workload: Workload) -> None:
    """Prices move what plans cost, and nothing else."""
    limits = {
        "budget": workload.budget_usd,
        "hourly_budget": workload.hourly_budget_usd,
        "max_hourly_cost": next(
            (need.max_hourly_cost for task in workload.tasks for need in task.requirements if need.max_hourly_cost),
            None,
        ),
    }
    for name, limit in limits.items():
        if limit is not None:
            hint = f"--set {name}=none lifts it" if name != "max_hourly_cost" else "leave it out"
            raise InvalidValueError(f"{name} takes plans away as prices rise: a break-even has none", hint)
    if workload.objective is not Objective.COST:
        raise InvalidValueError("prices do not change which plan is fastest", "--set objective=cost")


def _at(prices: Prices, multiple: float) -> Change:
    return Change("price", prices, Operator.SCALE, multiple)


def _avoiding(problem: DagProblem, speaks: Sequence[Booleans]) -> DagProblem:
    """The problem in which no candidate that is spoken of may be chosen."""
    loads = {id(of_task): of_task.astype(np.float64) for of_task in speaks}
    tasks = (
        replace(task, loads=(*task.loads, loads[id(of_task)]))
        for task, of_task in zip(problem.tasks, speaks, strict=True)
    )
    return replace(problem, tasks=tuple(tasks), limits=(*problem.limits, Limit(AVOID, 0.0)))


def _machines_usd(scaled: Scaled, speaks: Sequence[Booleans], choice: Choice) -> float:
    """What the machines of a choice cost today of which is spoken."""
    return sum(
        float(usd[number])
        for usd, of_task, number in zip(scaled.machine_usd, speaks, choice, strict=True)
        if of_task[number]
    )


def _is_better(plan: Schedule, other: Schedule) -> bool:
    """By preference and then by the charge, beyond rounding."""
    if plan.preference != other.preference:
        return plan.preference < other.preference
    return raised(plan.figure(Measure.CHARGE)) < other.figure(Measure.CHARGE)


def _always(asked: _Asked, choice: Choice, away: Choice | None) -> BreakEven:
    today = asked.problem()
    avoiding = None if away is None else _side(away, schedule(today, away))
    return BreakEven(np.inf, _side(choice, schedule(today, choice)), avoiding, asked.solves)


def _side(choice: Choice, plan: Schedule) -> Side:
    return Side(choice, plan.cost_usd, plan.makespan_h, plan.charge_usd)
