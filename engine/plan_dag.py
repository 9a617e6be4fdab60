"""The plan of a workload of several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates
from engine.dag import DagProblem
from engine.fallback import fallbacks_of
from engine.infeasible import InfeasibleError, NoPlanInTimeError, limits_lines
from engine.instance import Instance, instance_of
from engine.kbest import NextBest, next_best
from engine.plan import Option, Proof
from engine.planned import Planned
from engine.problems.dag import DagSolution, solve
from engine.status import Clock, Status, TimeLimit, stands_still
from engine.workload import Objective, Workload

METHOD: Final = "mixed-integer program (HiGHS)"
MOST_RANKED: Final = 100
NOT_RANKED: Final = f"the next best plans and fallbacks are looked for up to {MOST_RANKED} tasks"
SHARE_OF_ALTERNATIVES: Final = 0.5
"""Of the time that is left after the best plan; the rest is for the fallbacks."""


def plan_dag(
    workload: Workload,
    found: Sequence[Candidates],
    snapshot: Snapshot,
    time_limit_s: float | None,
    clock: Clock = stands_still,
    *,
    top: int = 1,
) -> Planned:
    """Place all tasks together; the `clock` tells the seconds that the limit counts, apart from the solver's own.

    The `top` - 1 next best plans and the fallbacks follow, where more than the best is asked for, of up to
    `MOST_RANKED` tasks: each fallback takes as long as the best plan.

    Raises:
        InfeasibleError: no plan keeps the limits.
        NoPlanInTimeError: the time limit came first.
    """
    limit = TimeLimit.of(time_limit_s, clock)
    instance, solution = solve_instance(instance_of(workload, found, snapshot), limit)
    if solution.status is Status.INFEASIBLE:
        raise InfeasibleError(_limits(instance.problem, limit))
    if not solution.choice:
        within = "" if time_limit_s is None else f" within {time_limit_s:g} s"
        raise NoPlanInTimeError(f"no plan was found{within}")
    planned = Planned(
        best=instance.option(solution.choice),
        proof=Proof(
            status=solution.status,
            objective=solution.objective,
            bound=solution.bound,
            gap=solution.gap,
            method=METHOD,
        ),
        candidates=sum(each.frame.height for each in found),
        assumptions=tuple(instance.unknown_of(solution.choice)),
    )
    if top == 1:
        return planned
    if len(found) > MOST_RANKED:
        return replace(planned, alternatives_complete=False, assumptions=(*planned.assumptions, NOT_RANKED))
    return _with_others(planned, instance, solution, top - 1, limit)


def _with_others(planned: Planned, instance: Instance, solution: DagSolution, others: int, limit: TimeLimit) -> Planned:
    """What was planned with the next best options and the fallbacks, as far as there is time."""
    frames = [each.frame for each in instance.found]
    instance, following = _next_best(instance, solution, others, limit.share(SHARE_OF_ALTERNATIVES))

    def find(rows: Sequence[pl.Series]) -> Option | None:
        if not limit.allows():
            return None
        restricted, other = solve_instance(instance.among([of_task.to_numpy() for of_task in rows]), limit)
        return restricted.option(other.choice) if other.choice else None

    return replace(
        planned,
        alternatives=tuple(map(instance.option, following.choices)),
        alternatives_complete=following.complete,
        fallbacks=fallbacks_of(planned.best, frames, find),
    )


def _next_best(instance: Instance, best: DagSolution, others: int, limit: TimeLimit) -> tuple[Instance, NextBest]:
    """The options that follow the best, and the instance with the limits that it took to come to them."""
    if best.status is not Status.OPTIMAL:
        return instance, NextBest((), complete=False)
    while True:
        following = next_best(instance.problem, [best.choice], others, limit, instance.kinds())
        short = {short.limit.name: short for choice in following.choices for short in instance.short_of(choice)}
        if not short:
            return instance, following
        instance = instance.limited_by(list(short.values()))


def solve_instance(instance: Instance, limit: TimeLimit) -> tuple[Instance, DagSolution]:
    """The solution, and the instance with the limits that it took to come to it.

    How many machines a market has limits a plan only where it asks for more of one kind than there are: such limits
    are added as they are met. Each round solves a relaxation of the next, so the last one's proof holds.
    """
    while True:
        solution = solve(instance.problem, limit)
        short = instance.short_of(solution.choice) if solution.choice else []
        if not short:
            return instance, solution
        instance = instance.limited_by(short)


def _limits(problem: DagProblem, limit: TimeLimit) -> tuple[str, ...]:
    """Which limit cannot be kept, by what is the least without it."""
    equal = {id(task.preference): np.zeros_like(task.preference) for task in problem.tasks}
    indifferent = tuple(
        replace(task, preference=equal[id(task.preference)], surcharge_usd=None) for task in problem.tasks
    )
    free = replace(problem, tasks=indifferent, deadline_h=None, budget_usd=None, value_of_time_usd_h=0.0)
    in_time = replace(free, deadline_h=problem.deadline_h)
    return limits_lines(
        problem.deadline_h,
        problem.budget_usd,
        fastest_h=solve(replace(free, objective=Objective.TIME), limit).bound,
        cheapest_usd=solve(replace(free, objective=Objective.COST), limit).bound,
        cheapest_in_time_usd=solve(replace(in_time, objective=Objective.COST), limit).bound,
    )
