"""The K best plans of a DAG, each of which differs from those before it in something that matters.

After each plan found, a no-good cut forbids it and all that are alike: sum_t load[t, choice_t] <= |T| - 1, where a
candidate's load is 1 if it is of the kind that the plan has chosen for the task (Balas and Jeroslow 1972, canonical
cuts on the unit hypercube). A cut is one more limit of the problem, so that pruning, bounds and model stay exact: a
candidate that a forbidden plan has chosen never stands in for another kind. The best of the plans in which one task of
those found is moved is a ceiling: only what it leaves within reach is searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import chain
from typing import Final

import numpy as np

from engine.dag import DagProblem, EdgeOptions, Floats, Integers, Measure
from engine.limit import Limit
from engine.problems.dag import solve
from engine.status import NO_LIMIT, Status, TimeLimit

Choice = tuple[int, ...]

MOST_MOVES: Final = 100
"""So many of the cheapest ways to move one task of a plan are looked at."""
MOVES_OF_A_TASK: Final = 5


@dataclass(frozen=True)
class NextBest:
    """Choices from the best on; `complete` where there are as many as asked for, or no more that keep the limits."""

    choices: tuple[Choice, ...]
    complete: bool


def next_best(
    problem: DagProblem,
    found: Sequence[Choice],
    k: int,
    limit: TimeLimit = NO_LIMIT,
    kinds: Sequence[Integers] | None = None,
) -> NextBest:
    """The `k` best choices after those `found`, which must be the best ones.

    `kinds` says by task of which kind each candidate is (None: each is one of its own). Choices of the same kinds are
    alike: only the best of them counts. Every choice is proven: the time limit leaves out what is not.
    """
    kinds = [np.arange(task.place.size) for task in problem.tasks] if kinds is None else kinds
    cuts = _Cuts(kinds)
    remaining, known = problem, list[Choice]()
    for choice in found:
        remaining, known = cuts.without(remaining, choice), [*known, *_moved(problem, choice, kinds)]
    choices: list[Choice] = []
    while len(choices) < k:
        solution = solve(remaining, limit, known)
        if solution.status is not Status.OPTIMAL:
            return NextBest(tuple(choices), complete=solution.status is Status.INFEASIBLE)
        choices.append(solution.choice)
        remaining = cuts.without(remaining, solution.choice)
        known += _moved(problem, solution.choice, kinds)
    return NextBest(tuple(choices), complete=True)


class _Cuts:
    """Adds no-good cuts to a problem; tasks that share their kinds, and are alike in a choice, share their loads."""

    def __init__(self, kinds: Sequence[Integers]) -> None:
        self._kinds = kinds
        self._loads: dict[tuple[int, int], Floats] = {}

    def without(self, problem: DagProblem, choice: Choice) -> DagProblem:
        """sum_t load[t, choice_t] <= |T| - 1: the problem without the plans that are alike to the choice."""
        tasks = tuple(
            replace(task, loads=(*task.loads, self._load(kind, int(kind[number]))))
            for task, kind, number in zip(problem.tasks, self._kinds, choice, strict=True)
        )
        cut = Limit(f"unlike plan {len(problem.limits)}", len(tasks) - 1.0)
        return replace(problem, tasks=tasks, limits=(*problem.limits, cut))

    def _load(self, kind: Integers, chosen: int) -> Floats:
        """1 for the candidates of the kind that is chosen."""
        key = id(kind), chosen
        if key not in self._loads:
            self._loads[key] = (kind == chosen).astype(np.float64)
        return self._loads[key]


def _moved(problem: DagProblem, choice: Choice, kinds: Sequence[Integers]) -> list[Choice]:
    """The choices in which one task is of another kind that look best, whether they keep the limits or not."""
    ends: list[list[EdgeOptions]] = [[] for _ in problem.tasks]
    for edge in problem.edges:
        ends[edge.source].append(edge)
        ends[edge.target].append(edge)
    moves = chain.from_iterable(_moves_of(problem, choice, kinds[n], n, ends[n]) for n in range(len(choice)))
    best = nsmallest(MOST_MOVES, moves)
    return [(*choice[:task], number, *choice[task + 1 :]) for *_, task, number in best]


def _moves_of(
    problem: DagProblem, choice: Choice, kind: Integers, task: int, edges: Sequence[EdgeOptions]
) -> Iterator[tuple[float, float, float, int, int]]:
    """What the few best moves of a task add in its own steps, $ and h, in the problem's order; the task, the candidate.

    Of hours only those count that the task's own run and transfers take longer: a slower plan is at most as much so.
    """
    options, current = problem.tasks[task], choice[task]
    usd, hours = options.charged_usd.copy(), options.hours.copy()
    for edge in edges:
        out = edge.source == task
        other = edge.target if out else edge.source
        there = int(problem.tasks[other].place[choice[other]])
        pair = (options.place, there) if out else (there, options.place)
        usd += edge.egress_usd[pair]
        hours += edge.transfer_h[pair]
    steps = (options.preference - options.preference[current]).astype(np.float64)
    more_usd, more_h = usd - usd[current], np.maximum(hours - hours[current], 0.0)
    first, then = (more_h, more_usd) if problem.main is Measure.TIME else (more_usd, more_h)
    ranked = np.lexsort((then, first, steps))
    for number in ranked[kind[ranked] != kind[current]][:MOVES_OF_A_TASK].tolist():
        yield float(steps[number]), float(first[number]), float(then[number]), task, number
