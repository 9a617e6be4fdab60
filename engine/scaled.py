"""An instance whose figures follow changes without looking at the market again.

A candidate's cost is linear in the prices of machines and in the rates of egress:

    cost_usd = machine_usd * product of the factors of the price changes that speak of it + disk_usd + input_usd

and an edge's matrix is in the rates of the clouds that its rows leave. Limits, the value of time and the objective are
numbers of the problem. Which candidates there are depends on none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import numpy as np

from engine.alike import find_all
from engine.dag import Booleans, DagProblem, EdgeOptions, Floats, TaskOptions
from engine.infeasible import require_candidates
from engine.instance import Instance, instance_of
from engine.limits import HOURLY_BUDGET, limits_of_workload
from engine.problems.dag import DagSolution, solve
from engine.solve import from_now, holding
from engine.spread import with_groups
from engine.status import TimeLimit
from engine.whatif import Change
from engine.whatif_fields import Field
from engine.whatif_offers import Egress, Prices
from engine.whatif_scenario import Operator, Scenario, Target, number_of
from engine.workload import Workload

Choice = tuple[int, ...]


class Place(NamedTuple):
    """What runs a task."""

    task: str
    cloud: str
    region: str
    instance_type: str
    purchase: str


class Effect(Enum):
    """What a change does to an instance.

    `STRUCTURAL`: other candidates, or other figures of them that have to be found anew. All others keep the candidates.
    `LINEAR`: each plan's cost or charge grows in proportion to the value. `LOOSENS`, `TIGHTENS`: a larger value allows
    more, or less. `OTHER`: anything else.
    """

    STRUCTURAL = auto()
    LINEAR = auto()
    LOOSENS = auto()
    TIGHTENS = auto()
    OTHER = auto()


EFFECTS: Final[Mapping[str, Effect]] = {
    "deadline": Effect.LOOSENS,
    "budget": Effect.LOOSENS,
    "hourly_budget": Effect.LOOSENS,
    "carbon.limit": Effect.LOOSENS,
    "chance.capacity": Effect.TIGHTENS,
    "chance.uninterrupted": Effect.TIGHTENS,
    "value_of_time": Effect.LINEAR,
    "objective": Effect.OTHER,
}
"""Of the workload's fields; a price on carbon is in the candidates' surcharge."""


def effect_of(change: Change, workload: Workload) -> Effect:
    """What a change of a workload's scenario does to its instance."""
    target, is_scaled = change.target, change.operator is Operator.SCALE
    if isinstance(target, Field):
        # A limit that is lifted, or an instant, is no figure of the problem.
        is_number = isinstance(change.value, int | float) or target.name == "objective"
        return EFFECTS.get(target.name, Effect.STRUCTURAL) if is_number else Effect.STRUCTURAL
    if isinstance(target, Prices) and is_scaled and change.value:
        is_capped = any(need.max_hourly_cost is not None for task in workload.tasks for need in task.requirements)
        return Effect.STRUCTURAL if is_capped else Effect.LINEAR
    if isinstance(target, Egress) and is_scaled and change.value:
        brings = any(task.inputs for task in workload.tasks)
        return Effect.STRUCTURAL if brings else Effect.LINEAR
    return Effect.STRUCTURAL


@dataclass(frozen=True)
class Scaled:
    """The instance of a scenario, and what of its figures each price or rate is in.

    `instance` has prices and rates as the scenario has them. `machine_usd` is by task what its candidates' machines
    cost; `speaks` says by target of which candidates (by task), `leaves` from which places (by number), it speaks.
    """

    scenario: Scenario
    now: datetime
    instance: Instance
    machine_usd: tuple[Floats, ...]
    speaks: Mapping[Target, tuple[Booleans, ...]]
    leaves: Mapping[Target, Booleans]

    @classmethod
    def of(cls, scenario: Scenario, changes: Sequence[Change], now: datetime) -> Scaled:
        """The instance of a scenario, ready for other values of the changes, none of which is structural.

        Raises:
            InvalidValueError: a change matches nothing.
            InfeasibleError: a task has no candidate, or the deadline has passed.
            TooLargeError: there are more tasks than can be placed together.
        """
        for change in changes:
            change.apply(scenario)
        workload = with_groups(_limited(scenario, changes, now))
        snapshot = holding(scenario.snapshot, now)
        found = find_all(workload, snapshot)
        require_candidates(found)
        instance = instance_of(workload, found, snapshot)
        targets = {change.target for change in changes}
        return cls(
            scenario,
            now,
            instance,
            _by_frame(instance, lambda number: found[number].frame["machine_usd"].to_numpy()),
            {target: _speaks(instance, target) for target in targets if isinstance(target, Prices)},
            {target: _leaves(instance, target) for target in targets if isinstance(target, Egress)},
        )

    def problem(self, changes: Sequence[Change]) -> DagProblem:
        """The problem after the changes.

        Raises:
            InfeasibleError: the deadline has passed.
        """
        workload = _limited(self.scenario, changes, self.now)
        most = {each.limit.name: each.limit.most for each in limits_of_workload(workload, ())}
        problem = self.instance.problem
        return replace(
            problem,
            tasks=self._tasks(changes),
            edges=self._edges(changes),
            objective=workload.objective,
            deadline_h=workload.deadline_hours,
            budget_usd=workload.budget_usd,
            value_of_time_usd_h=workload.value_of_time_usd_h,
            limits=tuple(replace(limit, most=most.get(limit.name, limit.most)) for limit in problem.limits),
        )

    def _tasks(self, changes: Sequence[Change]) -> tuple[TaskOptions, ...]:
        """The tasks at other prices; those that shared their arrays still do."""
        problem = self.instance.problem
        prices = [
            (self.speaks[change.target], number_of(change.value)) for change in changes if change.target in self.speaks
        ]
        if all(factor == 1 for _, factor in prices):
            return problem.tasks
        hourly = [number for number, limit in enumerate(problem.limits) if limit.name == HOURLY_BUDGET]
        scaled: dict[tuple[int, ...], TaskOptions] = {}
        tasks = []
        for number, task in enumerate(problem.tasks):
            if task.columns not in scaled:
                factor = np.prod([np.where(speaks[number], value, 1.0) for speaks, value in prices], axis=0)
                cost = task.cost_usd + self.machine_usd[number] * (factor - 1.0)
                loads = tuple(load * factor if index in hourly else load for index, load in enumerate(task.loads))
                scaled[task.columns] = replace(task, cost_usd=cost, loads=loads)
            tasks.append(replace(scaled[task.columns], name=task.name))
        return tuple(tasks)

    def _edges(self, changes: Sequence[Change]) -> tuple[EdgeOptions, ...]:
        """The edges at other rates; those that shared their matrices still do."""
        problem = self.instance.problem
        rates = [
            (self.leaves[change.target], number_of(change.value)) for change in changes if change.target in self.leaves
        ]
        if all(factor == 1 for _, factor in rates):
            return problem.edges
        factor = np.prod([np.where(leaves, value, 1.0) for leaves, value in rates], axis=0)
        scaled = {id(edge.egress_usd): edge.egress_usd * factor[:, None] for edge in problem.edges}
        return tuple(replace(edge, egress_usd=scaled[id(edge.egress_usd)]) for edge in problem.edges)


def settled(
    scaled: Scaled, problem: DagProblem, limit: TimeLimit, known: Sequence[Choice]
) -> tuple[Scaled, DagSolution]:
    """The solution that asks for no more machines than there are, and the instance with the limits that this took.

    `problem` is one of the instance's, perhaps with further limits; choices that are `known` are where to begin.
    """
    here = replace(scaled.instance, problem=problem)
    while True:
        solution = solve(here.problem, limit, known)
        short = here.short_of(solution.choice) if solution.choice else []
        if not short:
            return scaled, solution
        here = here.limited_by(short)
        scaled = replace(scaled, instance=scaled.instance.limited_by(short))


def places_of(scaled: Scaled, choice: Choice) -> tuple[Place, ...]:
    """Where a choice runs the tasks."""
    columns = list(Place._fields[1:])
    return tuple(
        Place(candidates.task.name, *candidates.frame.select(columns).row(number))
        for candidates, number in zip(scaled.instance.found, choice, strict=True)
    )


def _limited(scenario: Scenario, changes: Sequence[Change], now: datetime) -> Workload:
    """The workload with the fields that are changed, its deadline in hours from now."""
    for change in changes:
        if isinstance(change.target, Field):
            scenario = change.apply(scenario)
    return from_now(scenario.workload, now)


def _by_frame(instance: Instance, of_task: Callable[[int], Floats]) -> tuple[Floats, ...]:
    """A figure by task, found once for tasks that share their candidates."""
    first = {id(candidates.frame): number for number, candidates in reversed(list(enumerate(instance.found)))}
    figures = {frame: of_task(number) for frame, number in first.items()}
    return tuple(figures[id(candidates.frame)] for candidates in instance.found)


def _speaks(instance: Instance, target: Prices) -> tuple[Booleans, ...]:
    frames = {id(candidates.frame): candidates.frame for candidates in instance.found}
    # What speaks of everything is one literal: beside other columns it is as long as they are.
    found = {
        key: frame.with_columns(speaks=target.speaks_of(frame))["speaks"].to_numpy() for key, frame in frames.items()
    }
    return tuple(found[id(candidates.frame)] for candidates in instance.found)


def _leaves(instance: Instance, target: Egress) -> Booleans:
    leaves = np.zeros(instance.problem.places, dtype=bool)
    for candidates, task in zip(instance.found, instance.problem.tasks, strict=True):
        clouds = candidates.frame["cloud"].to_list()
        leaves[task.place] = [fnmatchcase(cloud, target.cloud) for cloud in clouds]
    return leaves
