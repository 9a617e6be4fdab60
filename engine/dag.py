"""The placement of a DAG as arrays: the problem, what a choice comes to, and what never needs to be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from engine.status import NO_LIMIT, TimeLimit, raised
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

    @property
    def columns(self) -> tuple[int, ...]:
        """Which arrays these are: tasks that share them have the same candidates."""
        return tuple(map(id, (self.cost_usd, self.hours, self.ready_h, self.place, self.preference)))

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

    @property
    def matrices(self) -> tuple[int, int]:
        """Which matrices these are: edges that share them move the same data."""
        return id(self.egress_usd), id(self.transfer_h)


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
        """The problem with the candidates of these numbers alone, task by task; what was shared stays shared."""
        taken: dict[tuple[int, ...], TaskOptions] = {}
        tasks = []
        for task, of_task in zip(self.tasks, numbers, strict=True):
            key = (*task.columns, id(of_task))
            if key not in taken:
                taken[key] = task.take(of_task)
            tasks.append(replace(taken[key], name=task.name))
        return replace(self, tasks=tuple(tasks))

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
    places = {id(task.place): np.searchsorted(used, task.place) for task in _distinct_places(problem)}
    matrices = {edge.matrices: (edge.egress_usd[square], edge.transfer_h[square]) for edge in _distinct_edges(problem)}
    return replace(
        problem,
        tasks=tuple(replace(task, place=places[id(task.place)]) for task in problem.tasks),
        edges=tuple(EdgeOptions(edge.source, edge.target, *matrices[edge.matrices]) for edge in problem.edges),
    )


def _distinct_places(problem: DagProblem) -> Iterable[TaskOptions]:
    """One task for each array of places."""
    return {id(task.place): task for task in problem.tasks}.values()


def _distinct_edges(problem: DagProblem) -> Iterable[EdgeOptions]:
    """One edge for each pair of matrices."""
    return {edge.matrices: edge for edge in problem.edges}.values()


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


def prune(problem: DagProblem, limit: TimeLimit = NO_LIMIT) -> tuple[DagProblem, list[Integers]]:
    """The problem without candidates that another one always replaces at no loss, and the numbers kept.

    Candidate b falls to a if, whatever the other tasks choose, a is no less preferred, no dearer and no slower:
    cost(a) + sum over edges of the most that a's place can cost more than b's <= cost(b), and likewise its run
    time, its inputs' arrival and its transfers. Swapping b for a in any plan then keeps every limit and worsens
    no measure, whichever other candidates have been swapped already; of equals the first stays. Where the time is
    up, what still stands stays.

    Tasks that share their arrays, and whose edges share theirs, have the same answer, found once.
    """
    kept = _undominated_at_home_by_task(problem)
    problem = problem.take(kept)
    between = _PlacesCompared(problem)
    further: dict[object, Integers] = {}
    keys = [between.key(number) for number in range(len(problem.tasks))]
    for number, (task, key) in enumerate(zip(problem.tasks, keys, strict=True)):
        if key not in further:
            everything = np.arange(task.place.size)
            further[key] = _undominated(task, *between.worst_differences(number)) if limit.allows() else everything
    numbers = [further[key] for key in keys]
    both: dict[tuple[int, int], Integers] = {}
    for first, then in zip(kept, numbers, strict=True):
        if (id(first), id(then)) not in both:
            both[id(first), id(then)] = first[then]
    return problem.take(numbers), [both[id(first), id(then)] for first, then in zip(kept, numbers, strict=True)]


def _undominated_at_home_by_task(problem: DagProblem) -> list[Integers]:
    found: dict[tuple[int, ...], Integers] = {}
    for task in problem.tasks:
        if task.columns not in found:
            found[task.columns] = _undominated_at_home(task)
    return [found[task.columns] for task in problem.tasks]


def _undominated(task: TaskOptions, more_usd: Floats, more_h: Floats) -> Integers:
    """The numbers of the candidates of a task that no other one dominates, ascending.

    `more_usd` and `more_h` say for places (a, b) how much being in a rather than in b adds at most.
    """
    alive = np.ones(task.place.size, dtype=bool)
    for a in np.lexsort((np.arange(task.place.size), task.ready_h + task.hours, task.cost_usd)):
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
    return np.flatnonzero(alive)


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


class _PlacesCompared:
    """By task: how much its edges can add, at most, if it is in one place rather than in another."""

    def __init__(self, problem: DagProblem) -> None:
        self._problem = problem
        self._ends: list[list[tuple[EdgeOptions, bool]]] = [[] for _ in problem.tasks]
        for edge in problem.edges:
            self._ends[edge.source].append((edge, True))
            self._ends[edge.target].append((edge, False))
        self._there = {id(task.place): np.unique(task.place) for task in _distinct_places(problem)}
        self._most: dict[object, tuple[Floats, Floats]] = {}

    def key(self, number: int) -> object:
        """Equal for tasks with the same candidates, the same data to move and the same places at its other ends."""
        ends = sorted(self._end_key(edge, out=out) for edge, out in self._ends[number])
        return self._problem.tasks[number].columns, *ends

    def worst_differences(self, number: int) -> tuple[Floats, Floats]:
        """For places (a, b): the most that being in a rather than in b adds to the task's edges, in $ and in h."""
        square = self._problem.places, self._problem.places
        usd, hours = np.zeros(square), np.zeros(square)
        for edge, out in self._ends[number]:
            key = self._end_key(edge, out=out)
            if key not in self._most:
                self._most[key] = self._most_more(edge, out=out)
            more_usd, more_h = self._most[key]
            usd += more_usd
            hours += more_h
        return usd, hours

    def _end_key(self, edge: EdgeOptions, *, out: bool) -> tuple[int, int, bool, bytes]:
        return *edge.matrices, out, self._places_there(edge, out=out).tobytes()

    def _places_there(self, edge: EdgeOptions, *, out: bool) -> Integers:
        """The places of the task at the edge's other end."""
        return self._there[id(self._problem.tasks[edge.target if out else edge.source].place)]

    def _most_more(self, edge: EdgeOptions, *, out: bool) -> tuple[Floats, Floats]:
        there, places = self._places_there(edge, out=out), self._problem.places
        usd = _most_more(edge.egress_usd if out else edge.egress_usd.T, there, places)
        hours = _most_more(edge.transfer_h if out else edge.transfer_h.T, there, places)
        return usd, np.maximum(hours, 0.0)


def _most_more(figures: Floats, there: Integers, places: int) -> Floats:
    """max over c in `there` of figures[a, c] - figures[b, c], for places (a, b)."""
    most = np.full((places, places), -np.inf)
    for c in there:
        column = figures[:places, c]
        np.maximum(most, column[:, None] - column[None, :], out=most)
    return most
