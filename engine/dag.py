"""The placement of a DAG as arrays: the problem, what a choice comes to, and what never needs to be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from engine.status import raised
from engine.workload import Objective

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TaskOptions:
    """The candidates of one task, as arrays of one length.

    `cost_usd`, `hours` (the run) and `ready_h` (when its inputs have arrived) are per candidate; `place` is
    its place's number; `preference` is 0 for the candidates that the user would rather have and above 0, step by
    step, for those that will do if need be.
    """

    name: str
    cost_usd: Floats
    hours: Floats
    ready_h: Floats
    place: Integers
    preference: Integers

    def take(self, numbers: Integers) -> TaskOptions:
        """The candidates of these numbers alone."""
        return TaskOptions(
            self.name,
            self.cost_usd[numbers],
            self.hours[numbers],
            self.ready_h[numbers],
            self.place[numbers],
            self.preference[numbers],
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


class Measure(Enum):
    """What plans are compared by: steps of preference given up, $ and h."""

    PREFERENCE = auto()
    COST = auto()
    TIME = auto()


@dataclass(frozen=True)
class DagProblem:
    """Choose a candidate for each task; tasks stand in topological order."""

    tasks: tuple[TaskOptions, ...]
    edges: tuple[EdgeOptions, ...]
    objective: Objective
    deadline_h: float | None = None
    budget_usd: float | None = None

    def take(self, numbers: Sequence[Integers]) -> DagProblem:
        """The problem with the candidates of these numbers alone, task by task."""
        tasks = tuple(task.take(of_task) for task, of_task in zip(self.tasks, numbers, strict=True))
        return replace(self, tasks=tasks)

    @property
    def order(self) -> tuple[Measure, Measure, Measure]:
        """The measures from the one that matters most to the one that breaks ties."""
        if self.objective is Objective.COST:
            return Measure.PREFERENCE, Measure.COST, Measure.TIME
        return Measure.PREFERENCE, Measure.TIME, Measure.COST

    @property
    def main(self) -> Measure:
        """The measure that is the user's objective."""
        return self.order[1]

    @property
    def places(self) -> int:
        """How many places there are: their numbers are below this."""
        if self.edges:
            return len(self.edges[0].egress_usd)
        return 1 + max(int(task.place.max(initial=0)) for task in self.tasks)

    def limit(self, measure: Measure) -> float:
        """The most that the user allows of a measure."""
        limit = {Measure.COST: self.budget_usd, Measure.TIME: self.deadline_h}.get(measure)
        return float("inf") if limit is None else limit


@dataclass(frozen=True)
class Schedule:
    """What a choice comes to: `start_h` follows the problem's tasks."""

    start_h: tuple[float, ...]
    cost_usd: float
    makespan_h: float
    preference: int

    def figure(self, measure: Measure) -> float:
        """The plan by one measure."""
        if measure is Measure.PREFERENCE:
            return float(self.preference)
        return self.cost_usd if measure is Measure.COST else self.makespan_h


def schedule(problem: DagProblem, choice: Sequence[int]) -> Schedule:
    """Cost and times of a choice, computed without the model."""
    chosen = list(zip(problem.tasks, choice, strict=True))
    places = [int(task.place[number]) for task, number in chosen]
    cost = sum(float(task.cost_usd[number]) for task, number in chosen)
    start = [float(task.ready_h[number]) for task, number in chosen]
    run = [float(task.hours[number]) for task, number in chosen]
    for edge in sorted(problem.edges, key=lambda edge: edge.target):
        pair = places[edge.source], places[edge.target]
        cost += float(edge.egress_usd[pair])
        arrives = start[edge.source] + run[edge.source] + float(edge.transfer_h[pair])
        start[edge.target] = max(start[edge.target], arrives)
    makespan = max(s + r for s, r in zip(start, run, strict=True))
    return Schedule(tuple(start), cost, makespan, sum(int(task.preference[number]) for task, number in chosen))


def compact(problem: DagProblem) -> DagProblem:
    """The problem without the places where no task has a candidate; candidates keep their numbers."""
    used = np.unique(np.concatenate([task.place for task in problem.tasks]))
    square = np.ix_(used, used)
    return replace(
        problem,
        tasks=tuple(replace(task, place=np.searchsorted(used, task.place)) for task in problem.tasks),
        edges=tuple(
            replace(edge, egress_usd=edge.egress_usd[square], transfer_h=edge.transfer_h[square])
            for edge in problem.edges
        ),
    )


def best_choice(problem: DagProblem, choices: Iterable[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The best of those choices that keep the limits."""
    plans = {choice: schedule(problem, choice) for choice in choices}
    kept = [
        choice
        for choice, plan in plans.items()
        if all(plan.figure(measure) <= raised(problem.limit(measure)) for measure in Measure)
    ]
    return min(kept, key=lambda choice: [plans[choice].figure(measure) for measure in problem.order], default=None)


def renumbered(choice: Sequence[int], numbers: Sequence[Integers]) -> tuple[int, ...]:
    """A choice in the numbers of the problem that `numbers` were taken from."""
    return tuple(int(of_task[number]) for of_task, number in zip(numbers, choice, strict=True)) if choice else ()


def prune(problem: DagProblem) -> tuple[DagProblem, list[Integers]]:
    """The problem without candidates that another one always replaces at no loss, and the numbers kept.

    Candidate b falls to a if, whatever the other tasks choose, a is no less preferred, no dearer and no slower:
    cost(a) + sum over edges of the most that a's place can cost more than b's <= cost(b), and likewise its run
    time, its inputs' arrival and its transfers. Swapping b for a in any plan then keeps every limit and worsens
    no measure, whichever other candidates have been swapped already; of equals the first stays.
    """
    kept = [_undominated(problem, number) for number in range(len(problem.tasks))]
    return problem.take(kept), kept


def _undominated(problem: DagProblem, number: int) -> Integers:
    """The numbers of the candidates of a task that no other one dominates, ascending."""
    task = problem.tasks[number]
    numbers = _undominated_at_home(task)
    task = task.take(numbers)
    more_usd, more_h = _worst_differences(problem, number)
    alive = np.ones(numbers.size, dtype=bool)
    for a in np.lexsort((numbers, task.ready_h + task.hours, task.cost_usd)):
        if not alive[a]:
            continue
        falls = (
            (task.cost_usd[a] + more_usd[task.place[a], task.place] <= task.cost_usd)
            & (task.hours[a] + more_h[task.place[a], task.place] <= task.hours)
            & (task.ready_h[a] <= task.ready_h)
            & (task.preference[a] <= task.preference)
        )
        falls[a] = False
        alive &= ~falls
    return numbers[alive]


def _undominated_at_home(task: TaskOptions) -> Integers:
    """The numbers of the candidates that none of the same place, arrival and preference dominates, ascending.

    Sorted by price within such a group, a candidate stays if it is faster than all before it. Here nearly all
    fall: a place sells hundreds of machines, and a few of them are worth having.
    """
    order = np.lexsort((task.hours, task.cost_usd, task.preference, task.ready_h, task.place))
    opens_group = np.zeros(order.size, dtype=bool)
    for column in (task.preference, task.ready_h, task.place):
        opens_group[1:] |= np.diff(column[order]) != 0
    # Runs as whole numbers, those of each group below all those before: one running minimum then serves all groups.
    _, run = np.unique(task.hours[order], return_inverse=True)
    run -= np.cumsum(opens_group) * (order.size + 1)
    stays = np.ones(order.size, dtype=bool)
    stays[1:] = run[1:] < np.minimum.accumulate(run)[:-1]
    return np.sort(order[stays])


def _worst_differences(problem: DagProblem, number: int) -> tuple[Floats, Floats]:
    """For places (a, b): the most that being in a rather than in b adds to the task's edges, in $ and in h."""
    usd, hours = np.zeros((problem.places, problem.places)), np.zeros((problem.places, problem.places))
    for edge in problem.edges:
        if number not in {edge.source, edge.target}:
            continue
        out = number == edge.source
        there = np.unique(problem.tasks[edge.target if out else edge.source].place)
        usd += _most_more(edge.egress_usd if out else edge.egress_usd.T, there, problem.places)
        hours += np.maximum(_most_more(edge.transfer_h if out else edge.transfer_h.T, there, problem.places), 0.0)
    return usd, hours


def _most_more(figures: Floats, there: Integers, places: int) -> Floats:
    """max over c in `there` of figures[a, c] - figures[b, c], for places (a, b)."""
    most = np.full((places, places), -np.inf)
    for c in there:
        column = figures[:places, c]
        np.maximum(most, column[:, None] - column[None, :], out=most)
    return most
