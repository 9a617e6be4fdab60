"""The placement of a DAG as arrays: the problem, and what a choice comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.antichains import heaviest_antichain, waiting
from engine.limit import Limit
from engine.status import raised
from engine.workload import Objective

DIGITS: Final = 12
"""To so many significant digits figures are told apart: two sums of the same differ by less."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TaskOptions:
    """The candidates of one task, as arrays of one length.

    `cost_usd`, `hours` (from the machines' start to the end of the run) and `ready_h` (when its inputs have arrived)
    are per candidate; `place` is its place's number; `preference` is 0 for the candidates that the user would rather
    have and above 0, step by step, for those that will do if need be. `surcharge_usd` is what a candidate is charged
    beyond what it costs (a price on carbon, a penalty; None: nothing), and `loads` has an array for each of the
    problem's limits: how much of it a candidate takes.
    """

    name: str
    cost_usd: Floats
    hours: Floats
    ready_h: Floats
    place: Integers
    preference: Integers
    surcharge_usd: Floats | None = None
    loads: tuple[Floats, ...] = ()

    @property
    def columns(self) -> tuple[int, ...]:
        """Which arrays these are: tasks that share them have the same candidates."""
        arrays = (self.cost_usd, self.hours, self.ready_h, self.place, self.preference, self.surcharge_usd, *self.loads)
        return tuple(map(id, arrays))

    @property
    def charged_usd(self) -> Floats:
        """Cost and surcharge."""
        return self.cost_usd if self.surcharge_usd is None else self.cost_usd + self.surcharge_usd

    def take(self, numbers: Integers) -> TaskOptions:
        """The candidates of these numbers alone."""
        return TaskOptions(
            self.name,
            self.cost_usd[numbers],
            self.hours[numbers],
            self.ready_h[numbers],
            self.place[numbers],
            self.preference[numbers],
            None if self.surcharge_usd is None else self.surcharge_usd[numbers],
            tuple(load[numbers] for load in self.loads),
        )


@dataclass(frozen=True)
class EdgeOptions:
    """Data that `target` needs of `source` (numbers of tasks).

    `egress_usd` and `transfer_h` are matrices (place of the source x place of the target), nowhere below 0.
    """

    source: int
    target: int
    egress_usd: Floats
    transfer_h: Floats

    @property
    def matrices(self) -> tuple[int, int]:
        """Which matrices these are: edges that share them move the same data."""
        return id(self.egress_usd), id(self.transfer_h)


@dataclass(frozen=True)
class Purse:
    """What some of the tasks (by number) may cost together, with the data that moves between them.

    No edge connects them with other tasks.
    """

    name: str
    tasks: frozenset[int]
    budget_usd: float


class Measure(Enum):
    """What plans are compared by: steps of preference given up, $, h, and $ with all that is charged beyond cost.

    `LOAD` is what is taken of the first of the problem's limits, which must be one in all, not at once.
    """

    PREFERENCE = auto()
    COST = auto()
    TIME = auto()
    CHARGE = auto()
    LOAD = auto()


@dataclass(frozen=True)
class DagProblem:
    """Choose a candidate for each task; tasks stand in topological order.

    Minimised is the cost or the makespan. `value_of_time_usd_h` is what an hour of the makespan is charged beside the
    cost. `due_h` is when each task must be done (empty: no task has such an instant of its own). `ranking` is what
    plans are compared by after preference, from the measure that matters most (empty: what the objective says).
    """

    tasks: tuple[TaskOptions, ...]
    edges: tuple[EdgeOptions, ...]
    objective: Objective
    deadline_h: float | None = None
    budget_usd: float | None = None
    value_of_time_usd_h: float = 0.0
    limits: tuple[Limit, ...] = ()
    due_h: tuple[float, ...] = ()
    purses: tuple[Purse, ...] = ()
    ranking: tuple[Measure, ...] = ()

    def take(self, numbers: Sequence[Integers]) -> DagProblem:
        """The problem with the candidates of these numbers alone, task by task; what was shared stays shared."""
        taken: dict[tuple[int, ...], TaskOptions] = {}
        tasks = []
        for task, of_task in zip(self.tasks, numbers, strict=True):
            key = (*task.columns, id(of_task))
            if key not in taken:
                taken[key] = task.take(of_task)
            tasks.append(replace(taken[key], name=task.name))
        return replace(self, tasks=tuple(tasks))

    @cached_property
    def charges(self) -> bool:
        """Whether anything is charged beyond cost."""
        return self.value_of_time_usd_h > 0 or any(task.surcharge_usd is not None for task in self.tasks)

    @property
    def money(self) -> Measure:
        """What plans are compared by in $."""
        return Measure.CHARGE if self.charges else Measure.COST

    @property
    def order(self) -> tuple[Measure, ...]:
        """The measures from the one that matters most to the one that breaks the last ties."""
        if self.ranking:
            return Measure.PREFERENCE, *self.ranking
        money = (Measure.CHARGE, Measure.COST) if self.charges else (Measure.COST,)
        if self.objective is Objective.COST:
            return Measure.PREFERENCE, *money, Measure.TIME
        return Measure.PREFERENCE, Measure.TIME, *money

    @property
    def main(self) -> Measure:
        """The measure that is the user's objective."""
        return self.order[1]

    @cached_property
    def places(self) -> int:
        """How many places there are: their numbers are below this."""
        if self.edges:
            return len(self.edges[0].egress_usd)
        return 1 + max(int(task.place.max(initial=0)) for task in self.tasks)

    @cached_property
    def after(self) -> tuple[int, ...]:
        """By task those that wait for it, directly or not, as the bits of a number."""
        return waiting(len(self.tasks), [(edge.source, edge.target) for edge in self.edges])

    def limit(self, measure: Measure) -> float:
        """The most that the user allows of a measure."""
        limit = {Measure.COST: self.budget_usd, Measure.TIME: self.deadline_h}.get(measure)
        return float("inf") if limit is None else limit


@dataclass(frozen=True)
class Schedule:
    """What a choice comes to: `start_h` and `end_h` follow the problem's tasks, `taken` its limits, `spent` its purses.

    `start_h` is when a task's machines are asked for.
    """

    start_h: tuple[float, ...]
    end_h: tuple[float, ...]
    cost_usd: float
    charge_usd: float
    makespan_h: float
    preference: int
    taken: tuple[float, ...] = ()
    spent_usd: tuple[float, ...] = ()

    def figure(self, measure: Measure) -> float:
        """The plan by one measure."""
        figures = {
            Measure.PREFERENCE: float(self.preference),
            Measure.COST: self.cost_usd,
            Measure.TIME: self.makespan_h,
            Measure.CHARGE: self.charge_usd,
            Measure.LOAD: self.taken[0] if self.taken else 0.0,
        }
        return figures[measure]


def schedule(problem: DagProblem, choice: Sequence[int]) -> Schedule:
    """Costs, times and loads of a choice, computed without the model."""
    chosen = list(zip(problem.tasks, choice, strict=True))
    places = [int(task.place[number]) for task, number in chosen]
    run_usd = [float(task.cost_usd[number]) for task, number in chosen]
    start = [float(task.ready_h[number]) for task, number in chosen]
    run = [float(task.hours[number]) for task, number in chosen]
    moved_usd = []
    for edge in sorted(problem.edges, key=lambda edge: edge.target):
        pair = places[edge.source], places[edge.target]
        arrives = start[edge.source] + run[edge.source] + float(edge.transfer_h[pair])
        start[edge.target] = max(start[edge.target], arrives)
        moved_usd.append((edge, float(edge.egress_usd[pair])))
    end = [s + r for s, r in zip(start, run, strict=True)]
    cost = sum(run_usd) + sum(usd for _, usd in moved_usd)
    surcharge = sum(float(task.surcharge_usd[number]) for task, number in chosen if task.surcharge_usd is not None)
    return Schedule(
        start_h=tuple(start),
        end_h=tuple(end),
        cost_usd=cost,
        charge_usd=cost + surcharge + problem.value_of_time_usd_h * max(end),
        makespan_h=max(end),
        preference=sum(int(task.preference[number]) for task, number in chosen),
        taken=tuple(_taken(problem, number, choice) for number in range(len(problem.limits))),
        spent_usd=tuple(
            sum(run_usd[task] for task in purse.tasks)
            + sum(usd for edge, usd in moved_usd if edge.target in purse.tasks)
            for purse in problem.purses
        ),
    )


def _taken(problem: DagProblem, limit: int, choice: Sequence[int]) -> float:
    """How much of a limit a choice takes."""
    loads = [float(task.loads[limit][number]) for task, number in zip(problem.tasks, choice, strict=True)]
    if problem.limits[limit].at_once:
        return sum(loads[task] for task in heaviest_antichain(loads, problem.after))
    return sum(loads)


def keeps_limits(problem: DagProblem, plan: Schedule) -> bool:
    """Whether a plan keeps all that limits it."""
    return (
        all(plan.figure(measure) <= raised(problem.limit(measure)) for measure in Measure)
        and all(taken <= raised(limit.most) for taken, limit in zip(plan.taken, problem.limits, strict=True))
        and all(spent <= raised(purse.budget_usd) for spent, purse in zip(plan.spent_usd, problem.purses, strict=True))
        and all(end <= raised(due) for end, due in zip(plan.end_h, problem.due_h, strict=False))
    )


def compact(problem: DagProblem) -> DagProblem:
    """The problem without the places where no task has a candidate; candidates keep their numbers."""
    used = np.unique(np.concatenate([task.place for task in problem.tasks]))
    square = np.ix_(used, used)
    places = {id(task.place): np.searchsorted(used, task.place) for task in distinct_places(problem)}
    matrices = {edge.matrices: (edge.egress_usd[square], edge.transfer_h[square]) for edge in _distinct_edges(problem)}
    return replace(
        problem,
        tasks=tuple(replace(task, place=places[id(task.place)]) for task in problem.tasks),
        edges=tuple(EdgeOptions(edge.source, edge.target, *matrices[edge.matrices]) for edge in problem.edges),
    )


def distinct_places(problem: DagProblem) -> Iterable[TaskOptions]:
    """One task for each array of places."""
    return {id(task.place): task for task in problem.tasks}.values()


def _distinct_edges(problem: DagProblem) -> Iterable[EdgeOptions]:
    """One edge for each pair of matrices."""
    return {edge.matrices: edge for edge in problem.edges}.values()


def best_choice(problem: DagProblem, choices: Iterable[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The best of those choices that keep the limits; what differs by rounding alone is equal."""
    plans = {choice: schedule(problem, choice) for choice in choices}
    kept = [choice for choice, plan in plans.items() if keeps_limits(problem, plan)]
    return min(kept, key=lambda choice: _rank(problem, plans[choice]), default=None)


def _rank(problem: DagProblem, plan: Schedule) -> list[float]:
    """A plan's figures in the problem's order, without the last digits, in which equal sums may differ."""
    return [float(f"{plan.figure(measure):.{DIGITS}g}") for measure in problem.order]


def renumbered(choice: Sequence[int], numbers: Sequence[Integers]) -> tuple[int, ...]:
    """A choice in the numbers of the problem that `numbers` were taken from."""
    return tuple(int(of_task[number]) for of_task, number in zip(numbers, choice, strict=True)) if choice else ()
