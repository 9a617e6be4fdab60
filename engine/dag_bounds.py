"""What the best plans of a DAG cannot contain: bounds from relaxations, and a good plan to hold them against.

Relaxed, a DAG is easy. Without the edges that close cycles, the least sum of prices (or of prices and hours) is found
place by place along a forest (dynamic programming); without the rule that a task has one place, the fastest plan is
found along the order of the tasks. Both also say what a plan comes to at least if a task runs in a place, or if data
goes from one place to another. What then exceeds a limit, or a plan already at hand, is left out of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Final

import numpy as np

from engine.dag import Booleans, DagProblem, Floats, Integers, Measure, Schedule, renumbered
from engine.dag_dual import Shifts, by_place, shifts_of
from engine.dag_limits import within_limits
from engine.dag_times import Bounds, time_bounds
from engine.status import NO_LIMIT, TimeLimit, raised

ONLY_COST: Final = 0.0
ONLY_TIME: Final = 1e6
BETWEEN: Final = tuple(2.0**power for power in (-6, -3, 0, 3, 6))
HOUR_WEIGHTS: Final = (ONLY_COST, ONLY_TIME, *BETWEEN)
"""What an hour is worth in the sums of cost and time that are tried, in the $/h of a plan: the outermost first."""


@dataclass(frozen=True)
class Reach:
    """What may occur in a best plan: the numbers of candidates (by task), and pairs of places (matrices, by edge)."""

    candidates: tuple[Integers, ...]
    pairs: tuple[Booleans, ...]
    least: float
    """The least that any plan comes to by the objective."""


def within_reach(
    problem: DagProblem,
    plan: Schedule | None,
    weights: Iterable[float] = HOUR_WEIGHTS,
    limit: TimeLimit = NO_LIMIT,
) -> Reach:
    """What a plan that keeps the limits and is no worse than `plan` can consist of.

    By each measure alone, and by sums of cost and time for each of the weights.
    """
    backbone = Backbone.of(problem, limit)
    bounds = {
        Measure.PREFERENCE: preference_bounds(problem),
        Measure.COST: sum_bounds(problem, backbone, usd_h=0.0),
        Measure.TIME: time_bounds(problem),
    }
    if problem.charges:
        bounds[Measure.CHARGE] = sum_bounds(problem, backbone, problem.value_of_time_usd_h, charged=True)
    if Measure.LOAD in problem.order:
        bounds[Measure.LOAD] = _own_bounds(problem, [task.loads[0] for task in problem.tasks])
    most = _ceilings(problem, plan, {measure: bound.least for measure, bound in bounds.items()})
    may_be = list(within_limits(problem))
    may_link = [np.ones((problem.places, problem.places), dtype=bool) for _ in problem.edges]
    weighted = _weighted(problem, backbone, most[Measure.COST], most[Measure.TIME], weights)
    for bound, figure in chain(((bounds[measure], most[measure]) for measure in bounds), weighted):
        may_be = [may & (least <= figure) for may, least in zip(may_be, bound.candidates, strict=True)]
        may_link = [may & (least <= figure) for may, least in zip(may_link, bound.pairs, strict=True)]
    return Reach(tuple(np.flatnonzero(may) for may in may_be), tuple(may_link), bounds[problem.main].least)


def _weighted(
    problem: DagProblem, backbone: Backbone, usd: float, hours: float, weights: Iterable[float]
) -> Iterator[tuple[Bounds, float]]:
    """Bounds on cost + weight * time, and what a plan of at most so much cost and time can come to."""
    if not (np.isfinite(usd) and np.isfinite(hours)):
        return
    for weight in weights:
        usd_h = weight * usd / hours if usd and hours else weight
        yield sum_bounds(problem, backbone, usd_h), raised(usd + usd_h * hours)


def _ceilings(problem: DagProblem, plan: Schedule | None, least: Mapping[Measure, float]) -> dict[Measure, float]:
    """The most that a plan which is no worse than `plan` can come to, by each measure.

    A figure of `plan` is such a ceiling if the measures before it in the problem's order are proven: where its figure
    is the least of all plans, every best plan has that same figure.
    """
    most = {measure: raised(problem.limit(measure)) for measure in Measure}
    if plan is None:
        return most
    for measure in problem.order:
        most[measure] = min(most[measure], raised(plan.figure(measure)))
        if plan.figure(measure) > raised(least[measure]):
            break
    return most


def preference_bounds(problem: DagProblem) -> Bounds:
    """A candidate's own steps, and the fewest of every other task."""
    return _own_bounds(problem, [task.preference for task in problem.tasks])


def _own_bounds(problem: DagProblem, own: Sequence[Floats | Integers]) -> Bounds:
    """A candidate's own figure, and the least of every other task."""
    lowest = [float(figures.min()) for figures in own]
    least = sum(lowest)
    # Where a task takes what nobody knows in any case, every plan does.
    others = [least - low if np.isfinite(low) else least for low in lowest]
    return Bounds(
        least,
        candidates=tuple((figures + beside).astype(np.float64) for figures, beside in zip(own, others, strict=True)),
        pairs=tuple(np.full((problem.places, problem.places), least) for _ in problem.edges[:1]) * len(problem.edges),
    )


def sum_bounds(problem: DagProblem, backbone: Backbone, usd_h: float, *, charged: bool = False) -> Bounds:
    """The least cost + `usd_h` * hours along the backbone's path, without the edges that are not in its forest.

    Where it is what is `charged` that counts, the surcharges are in the cost.

    No path takes longer than the plan, so this is at most what the plan's cost and makespan come to. An edge outside
    the forest counts only where it is asked about.
    """
    own, matrices = backbone.sums(problem, usd_h, charged=charged)
    least = [by_place(task, figures, problem.places) for task, figures in zip(problem.tasks, own, strict=True)]
    passed = _passed(backbone, least, matrices)
    return Bounds(
        passed.least,
        # The least candidate of the place in that plan gives way to the one asked about.
        candidates=tuple(
            passed.at[number][task.place] - least[number][task.place] + own[number]
            for number, task in enumerate(problem.tasks)
        ),
        pairs=tuple(
            passed.pairs[number]
            if number in passed.pairs
            else np.maximum(passed.at[edge.source][:, None], passed.at[edge.target][None, :]) + matrices[number]
            for number, edge in enumerate(problem.edges)
        ),
    )


@dataclass(frozen=True)
class _Link:
    """An edge of a forest, seen from the child: `downstream` if the data comes to it from the parent."""

    edge: int
    child: int
    parent: int
    downstream: bool

    def figures(self, matrices: Sequence[Floats]) -> Floats:
        """An edge's matrix as (place of the child x place of the parent)."""
        return matrices[self.edge].T if self.downstream else matrices[self.edge]


@dataclass(frozen=True)
class Backbone:
    """A path of the DAG (its tasks and edges) and a forest that holds it.

    The forest's `links` lead from every root outwards: a task's own link stands before those of its children. Where
    the forest lacks edges, `shifts` let its tasks bear what these cost.
    """

    tasks: frozenset[int]
    edges: frozenset[int]
    roots: tuple[int, ...]
    links: tuple[_Link, ...]
    shifts: Shifts

    @classmethod
    def of(cls, problem: DagProblem, limit: TimeLimit | None = None) -> Backbone:
        """The path that takes longest on the cheapest candidates, and then the edges whose data is dearest to move.

        Shifts are looked for within the limit, and not at all without one.
        """
        tasks, edges = _longest_path(problem)
        dearness = [(number not in edges, -float(edge.egress_usd.mean())) for number, edge in enumerate(problem.edges)]
        roots, neighbours = _spanning_forest(problem, sorted(range(len(problem.edges)), key=dearness.__getitem__))
        links: list[_Link] = []
        reached = dict.fromkeys(roots)
        waiting = list(roots)
        for parent in waiting:
            for edge, child in neighbours[parent]:
                if child not in reached:
                    reached[child] = None
                    waiting.append(child)
                    links.append(_Link(edge, child, parent, problem.edges[edge].target == child))
        lacks_edges = len(links) < len(problem.edges)
        shifts = shifts_of(problem, limit) if lacks_edges and limit is not None else []
        return cls(tasks, edges, roots, tuple(links), shifts)

    def sums(self, problem: DagProblem, usd_h: float, *, charged: bool) -> tuple[list[Floats], list[Floats]]:
        """cost + `usd_h` * hours, the hours on the path alone: by task (per candidate) and by edge (matrices)."""
        own = [
            (task.charged_usd if charged else task.cost_usd) + (usd_h if n in self.tasks else 0.0) * task.hours
            for n, task in enumerate(problem.tasks)
        ]
        matrices = weighted_matrices(problem, [usd_h if n in self.edges else 0.0 for n in range(len(problem.edges))])
        for n, (edge, (at_source, at_target)) in enumerate(zip(problem.edges, self.shifts, strict=False)):
            own[edge.source] = own[edge.source] + at_source[problem.tasks[edge.source].place]
            own[edge.target] = own[edge.target] + at_target[problem.tasks[edge.target].place]
            matrices[n] = matrices[n] - at_source[:, None] - at_target[None, :]
        return own, matrices


def weighted_matrices(problem: DagProblem, usd_h: Sequence[float]) -> list[Floats]:
    """Egress + `usd_h` (by edge) * transfer; edges that share their matrices and the weight share the sum."""
    sums: dict[tuple[int, int, float], Floats] = {}
    for edge, weight in zip(problem.edges, usd_h, strict=True):
        if (*edge.matrices, weight) not in sums:
            sums[*edge.matrices, weight] = edge.egress_usd + weight * edge.transfer_h if weight else edge.egress_usd
    return [sums[*edge.matrices, weight] for edge, weight in zip(problem.edges, usd_h, strict=True)]


def _longest_path(problem: DagProblem) -> tuple[frozenset[int], frozenset[int]]:
    """The tasks and the edges of the path that takes longest if each task runs on its cheapest candidate."""
    hours = [float(task.hours[task.cost_usd.argmin()]) for task in problem.tasks]
    total, last_edge = list(hours), dict[int, int]()
    for number, edge in sorted(enumerate(problem.edges), key=lambda pair: pair[1].target):
        if total[edge.source] + hours[edge.target] > total[edge.target]:
            total[edge.target] = total[edge.source] + hours[edge.target]
            last_edge[edge.target] = number
    tasks, edges = [int(np.argmax(total))], []
    while tasks[-1] in last_edge:
        edges.append(last_edge[tasks[-1]])
        tasks.append(problem.edges[edges[-1]].source)
    return frozenset(tasks), frozenset(edges)


def _spanning_forest(problem: DagProblem, order: Sequence[int]) -> tuple[tuple[int, ...], list[list[tuple[int, int]]]]:
    """A root of each tree and, by task, its (edge, neighbour); an edge that closes a cycle with those before falls."""
    tree = list(range(len(problem.tasks)))
    neighbours: list[list[tuple[int, int]]] = [[] for _ in problem.tasks]
    for number in order:
        source, target = problem.edges[number].source, problem.edges[number].target
        if tree[source] == tree[target]:
            continue
        tree = [tree[target] if root == tree[source] else root for root in tree]
        neighbours[source].append((number, target))
        neighbours[target].append((number, source))
    return tuple(dict.fromkeys(tree)), neighbours


@dataclass(frozen=True)
class _Passed:
    """What the messages of a forest come to: the least plan, with a task in a place, with an edge between places."""

    least: float
    at: list[Floats]
    pairs: dict[int, Floats]


def _passed(backbone: Backbone, own: Sequence[Floats], matrices: Sequence[Floats]) -> _Passed:
    """Least sums over a forest (min-sum message passing); `own` is by task and place."""
    below, messages = _inward(backbone, own, matrices)
    least = sum(float(below[root].min()) for root in backbone.roots)
    at = list(below)
    for root in backbone.roots:
        at[root] = below[root] + (least - below[root].min())
    pairs: dict[int, Floats] = {}
    for link in backbone.links:
        # All of the plan but the child's subtree, as it stands in each place of the parent.
        beyond = at[link.parent] - messages[link.child]
        both = below[link.child][:, None] + link.figures(matrices) + beyond[None, :]
        at[link.child] = both.min(axis=1)
        pairs[link.edge] = both.T if link.downstream else both
    return _Passed(least, at, pairs)


def _inward(
    backbone: Backbone, own: Sequence[Floats], matrices: Sequence[Floats]
) -> tuple[list[Floats], dict[int, Floats]]:
    """By task and place the least of its subtree; by child what its subtree comes to in each place of its parent."""
    below = [figures.copy() for figures in own]
    messages: dict[int, Floats] = {}
    for link in reversed(backbone.links):
        messages[link.child] = (below[link.child][:, None] + link.figures(matrices)).min(axis=0)
        below[link.parent] += messages[link.child]
    return below, messages


def tried_choices(problem: DagProblem, limit: TimeLimit = NO_LIMIT) -> list[tuple[int, ...]]:
    """Choices of little cost or time or both, whether they keep the limits or not: those of least weighted sums.

    Where the time is up, those of the first weights alone: at least one, for the solver may find none.
    """
    preferred = _preferred(problem)
    choices = [renumbered(choice, preferred) for choice in _least_sums(problem.take(preferred), limit)]
    if any(task.preference.any() for task in problem.tasks):
        choices += _least_sums(problem, limit)
    return list(dict.fromkeys(choices))


def _preferred(problem: DagProblem) -> list[Integers]:
    """By task the numbers of its preferred candidates; tasks that share their arrays share these."""
    found = {id(task.preference): np.flatnonzero(task.preference == task.preference.min()) for task in problem.tasks}
    return [found[id(task.preference)] for task in problem.tasks]


def _least_sums(problem: DagProblem, limit: TimeLimit) -> Iterator[tuple[int, ...]]:
    """The choices of least cost + weight * (hours + transfers) along a forest, for a range of weights."""
    backbone = Backbone.of(problem)
    usd = sum(float(task.cost_usd.min()) for task in problem.tasks)
    hours = sum(float(task.hours.min()) for task in problem.tasks)
    first, last = (ONLY_TIME, ONLY_COST) if problem.main is Measure.TIME else (ONLY_COST, ONLY_TIME)
    for weight in chain([first], takewhile(lambda _: limit.allows(), (last, *BETWEEN))):
        usd_h = weight * usd / hours if usd and hours else weight
        own = [task.cost_usd + usd_h * task.hours for task in problem.tasks]
        matrices = weighted_matrices(problem, [usd_h] * len(problem.edges))
        yield _least_sum(problem, backbone, own, matrices)


def _least_sum(
    problem: DagProblem, backbone: Backbone, own: Sequence[Floats], matrices: Sequence[Floats]
) -> tuple[int, ...]:
    """The choice of the least sum of `own` (by task and candidate) and the forest's matrices."""
    below, _ = _inward(
        backbone,
        [by_place(task, figures, problem.places) for task, figures in zip(problem.tasks, own, strict=True)],
        matrices,
    )
    where = {root: int(below[root].argmin()) for root in backbone.roots}
    for link in backbone.links:
        where[link.child] = int((below[link.child] + link.figures(matrices)[:, where[link.parent]]).argmin())
    return tuple(
        int(np.where(task.place == where[number], own[number], np.inf).argmin())
        for number, task in enumerate(problem.tasks)
    )
