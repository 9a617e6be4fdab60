"""A grid of changes, answered point by point from one instance and from the answers beside it.

Most points need no solver. Let a plan be best at two values of a change that costs (or charges) are linear in. Between
them no other one is better: a linear function that is nowhere below another's at both ends is nowhere below it between
them, and where it meets it inside it meets it everywhere, so that the next measure of the order decides likewise. And a
plan that is best under a looser limit is best under every tighter one that it keeps, where nothing else differs; where
even the looser one allows no plan, neither does the tighter. All other points begin from the plans beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise, product
from typing import Final

import numpy as np

from engine.dag import DagProblem, Measure, Schedule, keeps_limits, schedule
from engine.infeasible import InfeasibleError
from engine.limits import HOURLY_BUDGET
from engine.scaled import Choice, Effect, Place, Scaled, effect_of, places_of, settled
from engine.status import Clock, Status, TimeLimit, stands_still
from engine.sweep_axis import Axis
from engine.whatif import Change
from engine.whatif_offers import Egress, Prices
from engine.whatif_scenario import Scenario
from engine.workload import Workload

Index = tuple[int, ...]

PARTS: Final = 8
"""As many parts of a grid at the most: each finds its own first plans."""
LEAST_OF_PART: Final = 4
"""Values of an axis in a part at the least."""


@dataclass(frozen=True)
class Answer:
    """The best plan at a point; `places` is empty, and the figures are infinite, where there is none.

    `solved` says whether it took the solver.
    """

    status: Status
    cost_usd: float = np.inf
    hours: float = np.inf
    charge_usd: float = np.inf
    gap: float = 0.0
    places: tuple[Place, ...] = ()
    solved: bool = True


@dataclass(frozen=True)
class Part:
    """A part of a grid that one process answers: `axes` with their effects, `at` the indices of its first point.

    Where `unmet` is not empty there is no instance, and no point has a plan.
    """

    scaled: Scaled | None
    axes: tuple[Axis, ...]
    effects: tuple[Effect, ...]
    at: Index
    time_limit_s: float | None = None
    clock: Clock = stands_still

    @property
    def points(self) -> int:
        """How many points it has."""
        return int(np.prod([len(axis.changes) for axis in self.axes], dtype=np.int64))


def parts_of(
    scenario: Scenario,
    axes: Sequence[Axis],
    now: datetime,
    time_limit_s: float | None = None,
    clock: Clock = stands_still,
) -> Iterator[Part]:
    """The grid of all combinations in parts that need nothing of each other.

    Each combination of structural changes has an instance of its own.

    Raises:
        InvalidValueError: a change matches nothing.
        TooLargeError: there are more tasks than can be placed together.
    """
    effects = [_effect(axis, scenario.workload) for axis in axes]
    ranges = [
        [slice(number, number + 1) for number in range(len(axis.changes))]
        if effect is Effect.STRUCTURAL
        else [slice(0, len(axis.changes))]
        for axis, effect in zip(axes, effects, strict=True)
    ]
    for whole in product(*ranges):
        held = [axis.changes[part] for axis, part in zip(axes, whole, strict=True)]
        scaled = _scaled(scenario, held, effects, now)
        for cut in _cuts(whole, effects):
            yield Part(
                scaled,
                tuple(replace(axis, changes=axis.changes[part]) for axis, part in zip(axes, cut, strict=True)),
                tuple(effects),
                tuple(part.start for part in cut),
                time_limit_s,
                clock,
            )


def _effect(axis: Axis, workload: Workload) -> Effect:
    """What the changes of an axis do, where all do the same."""
    effects = {effect_of(change, workload) for change in axis.changes}
    return effects.pop() if len(effects) == 1 else Effect.STRUCTURAL


def _scaled(
    scenario: Scenario, held: Sequence[Sequence[Change]], effects: Sequence[Effect], now: datetime
) -> Scaled | None:
    """The instance of the first changes of each axis; None where a task has no candidate."""
    for changes, effect in zip(held, effects, strict=True):
        if effect is Effect.STRUCTURAL:
            scenario = changes[0].apply(scenario)
    follow = [changes[0] for changes, effect in zip(held, effects, strict=True) if effect is not Effect.STRUCTURAL]
    try:
        return Scaled.of(scenario, follow, now)
    except InfeasibleError:
        return None


def _cuts(whole: Sequence[slice], effects: Sequence[Effect]) -> Iterator[tuple[slice, ...]]:
    """The ranges of the longest linear axis (or else of the longest one) cut into pieces."""
    sizes = [part.stop - part.start for part in whole]
    longest = max(range(len(sizes)), key=lambda number: (effects[number] is Effect.LINEAR, sizes[number]))
    pieces = max(1, min(PARTS, sizes[longest] // LEAST_OF_PART))
    edges = np.linspace(whole[longest].start, whole[longest].stop, pieces + 1).astype(int).tolist()
    for first, end in pairwise(edges):
        yield *whole[:longest], slice(first, end), *whole[longest + 1 :]


def answers(part: Part) -> list[tuple[Index, Answer]]:
    """Every point of a part, by its indices in the whole grid."""
    if part.scaled is None:
        none = Answer(Status.INFEASIBLE, solved=False)
        found = dict.fromkeys(product(*(range(len(axis.changes)) for axis in part.axes)), none)
    else:
        found = _Search(part, part.scaled).run()
    return [(tuple(np.add(index, part.at).tolist()), answer) for index, answer in sorted(found.items())]


@dataclass(frozen=True)
class _Point:
    """A point with the best choice (empty: none), and what it comes to."""

    status: Status
    choice: Choice = ()
    plan: Schedule | None = None
    gap: float = 0.0
    solved: bool = False


class _Search:
    """Answers the points of a part one after the other; what it learns of limits it keeps."""

    def __init__(self, part: Part, scaled: Scaled) -> None:
        self._part = part
        self._scaled = scaled
        self._points: dict[Index, _Point] = {}
        self._places: dict[Choice, tuple[Place, ...]] = {}

    def run(self) -> dict[Index, Answer]:
        """All answers by index within the part."""
        orders = [_order(axis, effect) for axis, effect in zip(self._part.axes, self._part.effects, strict=True)]
        for index in product(*orders):
            self._points[index] = self._point(index)
        return {index: self._answer(point) for index, point in self._points.items()}

    def _point(self, index: Index) -> _Point:
        held = zip(self._part.axes, self._part.effects, index, strict=True)
        changes = [axis.changes[number] for axis, effect, number in held if effect is not Effect.STRUCTURAL]
        try:
            problem = self._scaled.problem(changes)
        except InfeasibleError:
            return _Point(Status.INFEASIBLE)
        return self._proven(index, problem) or self._solved(index, problem)

    def _proven(self, index: Index, problem: DagProblem) -> _Point | None:
        """The answer where those beside it prove it."""
        for number, effect in enumerate(self._part.effects):
            below, above = self._beside(index, number)
            if effect is Effect.LINEAR:
                point = self._between(below, above, number, problem)
            else:
                looser = {Effect.LOOSENS: above, Effect.TIGHTENS: below}.get(effect)
                point = _under(looser, problem) if looser is not None else None
            if point is not None:
                return replace(point, plan=schedule(problem, point.choice) if point.choice else None, solved=False)
        return None

    def _beside(self, index: Index, axis: int) -> tuple[_Point | None, _Point | None]:
        """The nearest answers below and above along an axis."""

        def first(numbers: range) -> _Point | None:
            indices = ((*index[:axis], number, *index[axis + 1 :]) for number in numbers)
            return next((self._points[one] for one in indices if one in self._points), None)

        return first(range(index[axis] - 1, -1, -1)), first(range(index[axis] + 1, len(self._part.axes[axis].changes)))

    def _between(self, below: _Point | None, above: _Point | None, axis: int, problem: DagProblem) -> _Point | None:
        """The answer that those below and above along a linear axis prove.

        What limits costs moves with prices: a plan that is better at a point, and keeps them there, must keep them
        where it is better beside. That is so where there is no such limit, and where plans are compared by cost first.
        """
        moves = isinstance(self._part.axes[axis].changes[0].target, Prices | Egress)
        is_limited = moves and (problem.budget_usd is not None or self._is_hourly(problem))
        if below is not None and below.status is Status.INFEASIBLE:
            return below
        if above is not None and above.status is Status.INFEASIBLE and not is_limited:
            return above
        by_cost = problem.main is Measure.COST and not any(task.preference.any() for task in problem.tasks)
        if below is None or above is None or (is_limited and (self._is_hourly(problem) or not by_cost)):
            return None
        is_proven = below.status is above.status is Status.OPTIMAL
        return below if is_proven and below.choice == above.choice else None

    @staticmethod
    def _is_hourly(problem: DagProblem) -> bool:
        return any(limit.name == HOURLY_BUDGET for limit in problem.limits)

    def _solved(self, index: Index, problem: DagProblem) -> _Point:
        beside = [point for axis in range(len(index)) for point in self._beside(index, axis) if point]
        known = dict.fromkeys(point.choice for point in beside if point.choice)
        limit = TimeLimit.of(self._part.time_limit_s, self._part.clock)
        self._scaled, solution = settled(self._scaled, problem, limit, list(known))
        plan = schedule(problem, solution.choice) if solution.choice else None
        return _Point(solution.status, solution.choice, plan, solution.gap, solved=True)

    def _answer(self, point: _Point) -> Answer:
        if point.plan is None:
            return Answer(point.status, solved=point.solved)
        plan = point.plan
        return Answer(
            point.status,
            plan.cost_usd,
            plan.makespan_h,
            plan.charge_usd,
            point.gap,
            self._where(point.choice),
            point.solved,
        )

    def _where(self, choice: Choice) -> tuple[Place, ...]:
        if choice not in self._places:
            self._places[choice] = places_of(self._scaled, choice)
        return self._places[choice]


def _order(axis: Axis, effect: Effect) -> list[int]:
    """The loosest limit first; of what is linear both ends and then the middles between those before."""
    numbers = list(range(len(axis.changes)))
    if effect is Effect.LOOSENS:
        return numbers[::-1]
    if effect is not Effect.LINEAR:
        return numbers
    order = dict.fromkeys((numbers[0], numbers[-1]))
    gaps = [(numbers[0], numbers[-1])]
    for low, high in gaps:
        if high - low > 1:
            middle = (low + high) // 2
            order[middle] = None
            gaps += [(low, middle), (middle, high)]
    return list(order)


def _under(looser: _Point, problem: DagProblem) -> _Point | None:
    """The answer under a looser limit, where it still holds under this one."""
    if looser.status is Status.INFEASIBLE:
        return looser
    is_kept = looser.status is Status.OPTIMAL and keeps_limits(problem, schedule(problem, looser.choice))
    return looser if is_kept else None


def plans_of(found: Mapping[Index, Answer]) -> dict[tuple[Place, ...], int]:
    """The different plans among the answers, numbered from 1 in the order of the points."""
    numbers: dict[tuple[Place, ...], int] = {}
    for index in sorted(found):
        if found[index].places:
            numbers.setdefault(found[index].places, len(numbers) + 1)
    return numbers
