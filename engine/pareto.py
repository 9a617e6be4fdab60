"""The Pareto frontier of a DAG's plans: all trade-offs between money and time, risk or carbon that are worth making.

By the epsilon-constraint method (Haimes, Lasdon and Wismer 1971): the least money under a bound on the other measure,
step by step over all bounds. Each solve is lexicographic, money first and then the other measure, so that every answer
is a point of the frontier and none is only weakly so (the case that AUGMECON avoids by slack terms, Mavrotas 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from engine.dag import DagProblem, Measure, keeps_limits, renumbered, schedule
from engine.dag_prune import prune
from engine.limit import Limit
from engine.problems.dag import solve
from engine.status import NO_LIMIT, Status, TimeLimit

Choice = tuple[int, ...]

RESOLUTION: Final = 1e-5
"""Points that lie closer than so much of the largest figure, or than the solver's tolerance of 1e-6, may be taken for
one: a bound must fall by more than what that lets through."""
FIRST_POINTS: Final = 8
"""So many evenly set bounds come first: where time is short, the frontier is known all over, if not everywhere."""


@dataclass(frozen=True)
class Point:
    """A plan that nothing else beats in both: what is charged for it, and `figure` by the other measure."""

    choice: Choice
    charge_usd: float
    figure: float


@dataclass(frozen=True)
class Frontier:
    """The points, the cheapest first; `complete` where there are no others."""

    points: tuple[Point, ...]
    complete: bool


def frontier(problem: DagProblem, against: Measure, limit: TimeLimit = NO_LIMIT, points: int | None = None) -> Frontier:
    """The frontier of money against TIME or LOAD (what is taken of the first limit), to `RESOLUTION`.

    It is that of the plans which keep as well to the order of preference as any. With `points` (2 at the least) as
    many bounds are set evenly, and there may be more points. Where the time is up, those found so far; every point is
    proven to lie on the frontier.
    """
    problem, kept = prune(_as_preferred(problem, limit))
    search = _Search(replace(problem, ranking=(problem.money, against)), against, limit)
    ends = [search.cheapest(), search.least()]
    known = [point for point in ends if point is not None]
    complete = False
    if len(known) == len(ends):
        cheapest, least = known
        known += search.evenly(cheapest, least, points or FIRST_POINTS)
        known = _undominated(known)
        if points is None:
            found, complete = search.between(known)
            known = _undominated([*known, *found])
        complete = complete or len(known) == 1
    return Frontier(tuple(replace(point, choice=renumbered(point.choice, kept)) for point in known), complete)


def skyline(problem: DagProblem, against: Measure) -> Frontier:
    """The same frontier of a problem of one task: its candidates, each cheaper than all that are as good."""
    (task,) = problem.tasks
    plans = {number: schedule(problem, (number,)) for number in range(task.place.size)}
    kept = {number: plan for number, plan in plans.items() if keeps_limits(problem, plan)}
    fewest = min((plan.preference for plan in kept.values()), default=0)
    points = [
        Point((number,), plan.charge_usd, plan.figure(against))
        for number, plan in kept.items()
        if plan.preference == fewest
    ]
    return Frontier(tuple(_undominated(points)), complete=True)


def _as_preferred(problem: DagProblem, limit: TimeLimit) -> DagProblem:
    """The problem of the plans that take no more steps of preference than the best one; of these none is preferred."""
    if not any(task.preference.any() for task in problem.tasks):
        return problem
    best = solve(problem, limit)
    steps = schedule(problem, best.choice).preference if best.choice else 0
    tasks = tuple(
        replace(task, preference=np.zeros_like(task.preference), loads=(*task.loads, task.preference.astype(float)))
        for task in problem.tasks
    )
    return replace(problem, tasks=tasks, limits=(*problem.limits, Limit("steps of preference", float(steps))))


def _undominated(points: Sequence[Point]) -> list[Point]:
    """Those that no other one equals or beats in both, the cheapest first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.charge_usd, point.figure)):
        if not kept or point.figure < kept[-1].figure:
            kept.append(point)
    return kept


@dataclass(frozen=True)
class _Search:
    """Solves the problem under one bound after the other; None stands for what was not proven, or does not exist."""

    problem: DagProblem
    against: Measure
    limit: TimeLimit

    def cheapest(self, at_most: float | None = None, known: Point | None = None) -> Point | None:
        """The least money, and the least of the other measure for it, under a bound on that which `known` keeps."""
        problem = self.problem if at_most is None else self._bounded(at_most)
        return self._solved(problem, [] if known is None else [known.choice])

    def least(self) -> Point | None:
        """The least of the other measure, and the least money for it."""
        return self._solved(replace(self.problem, ranking=self.problem.ranking[::-1]), [])

    def evenly(self, cheapest: Point, least: Point, bounds: int) -> Iterator[Point]:
        """The points under bounds that are set evenly between those of both ends; each is a start for the next."""
        latest = least
        for bound in np.linspace(least.figure, cheapest.figure, bounds)[1:-1].tolist():
            point = self.cheapest(bound, latest)
            if point is None:
                return
            yield point
            latest = point

    def between(self, known: Sequence[Point]) -> tuple[list[Point], bool]:
        """The points between those known, the widest gap first; whether these are all."""
        step = RESOLUTION * abs(known[0].figure)
        gaps = [(above, below, step) for above, below in pairwise(known)]
        found: list[Point] = []
        while gaps:
            gap = max(gaps, key=lambda gap: gap[0].figure - gap[1].figure)
            gaps.remove(gap)
            above, below, step = gap
            bound = above.figure - step
            if bound <= below.figure:
                continue
            point = self.cheapest(bound, below)
            if point is None:
                return found, False
            if point.figure >= above.figure:
                # The solver's tolerances let it through again.
                gaps.append((above, below, 10 * step))
            elif point.figure > below.figure:
                found.append(point)
                gaps.append((point, below, step))
        return found, True

    def _bounded(self, at_most: float) -> DagProblem:
        if self.against is Measure.TIME:
            return replace(self.problem, deadline_h=min(at_most, self.problem.limit(Measure.TIME)))
        first, *others = self.problem.limits
        return replace(self.problem, limits=(replace(first, most=min(at_most, first.most)), *others))

    def _solved(self, problem: DagProblem, known: Sequence[Choice]) -> Point | None:
        solution = solve(problem, self.limit, known)
        if solution.status is not Status.OPTIMAL:
            return None
        plan = schedule(problem, solution.choice)
        return Point(solution.choice, plan.charge_usd, plan.figure(self.against))
