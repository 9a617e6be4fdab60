"""Tiny DAG problems, and their optimum by trying every choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from math import inf
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from engine.dag import DagProblem, EdgeOptions, Measure, Purse, TaskOptions
from engine.limit import Limit
from engine.workload import Objective

Choice = tuple[int, ...]
Pairs = list[tuple[int, int]]
"""Edges: numbers of the source and the target."""


class Figures(NamedTuple):
    """What plans are compared by, in the order of the members of `Measure`."""

    preference: float
    cost_usd: float
    makespan_h: float
    charge_usd: float
    load: float
    """What is taken of the first limit."""


@dataclass(frozen=True)
class Outcome:
    """What a choice comes to; `start_h` and `end_h` follow the tasks, `taken` the limits and `spent_usd` the purses."""

    figures: Figures
    start_h: tuple[float, ...]
    end_h: tuple[float, ...]
    taken: tuple[float, ...]
    spent_usd: tuple[float, ...]


FIGURES = st.one_of(st.integers(0, 3), st.integers(0, 12), st.just(0)).map(float)
"""Small whole numbers: sums are exact, and ties abound."""
FINITE_LOADS = st.sampled_from((0.0, 0.0, 1.0, 1.0, 2.0, 3.0))
LOADS = st.sampled_from((0.0, 0.0, 1.0, 1.0, 2.0, 3.0, inf))
"""What a candidate takes of a limit, without end where nobody knows how much."""
ROOM = st.sampled_from((-1.0, 0.0, 0.0, 0.0, 1.0, 4.0))
"""What a limit allows beyond what some choice comes to: mostly it binds, and now and then no choice keeps them all."""


def task(
    name: str,
    candidates: Sequence[tuple[float, float, int]],
    *,
    ready_h: Sequence[float] | None = None,
    preference: Sequence[int] | None = None,
    surcharge_usd: Sequence[float] | None = None,
    loads: Sequence[Sequence[float]] = (),
) -> TaskOptions:
    """A task with candidates ($, h, place); `loads` has a row for each limit."""
    cost_usd, hours, place = zip(*candidates, strict=True)
    zeros = [0] * len(candidates)
    return TaskOptions(
        name=name,
        cost_usd=np.array(cost_usd, dtype=np.float64),
        hours=np.array(hours, dtype=np.float64),
        ready_h=np.array(zeros if ready_h is None else ready_h, dtype=np.float64),
        place=np.array(place, dtype=np.int64),
        preference=np.array(zeros if preference is None else preference, dtype=np.int64),
        surcharge_usd=None if surcharge_usd is None else np.array(surcharge_usd, dtype=np.float64),
        loads=tuple(np.array(load, dtype=np.float64) for load in loads),
    )


def edge(
    source: int, target: int, egress_usd: Sequence[Sequence[float]], hours: Sequence[Sequence[float]]
) -> EdgeOptions:
    """An edge with matrices (place of the source x place of the target)."""
    return EdgeOptions(source, target, np.array(egress_usd, dtype=np.float64), np.array(hours, dtype=np.float64))


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    tasks: int = 4,
    candidates: int = 4,
    limits: bool = True,
    forest: bool = False,
    ranked: bool = False,
    loads: st.SearchStrategy[float] = LOADS,
) -> DagProblem:
    """Any DAG of up to so many tasks: chains, diamonds, forests, lone tasks, two edges between the same tasks.

    Some with surcharges or a value of time; unless it is without `limits`, with any that a problem may have, and some
    where they are `ranked`, with a ranking of their own.
    """
    count, place_count = draw(st.integers(1, tasks) | st.just(tasks)), draw(st.integers(1, 3))
    pairs = draw(forests(count) if forest else dag_edges(count))
    problem = DagProblem(
        tasks=tuple(draw(_tasks(f"t{number}", candidates, place_count)) for number in range(count)),
        edges=tuple(draw(_matrices(source, target, place_count)) for source, target in pairs),
        objective=draw(st.sampled_from(Objective)),
        value_of_time_usd_h=draw(st.sampled_from((0.0, 0.0, 0.0, 0.5, 2.0))),
    )
    if not limits:
        return problem
    limited = draw(_limited(problem, loads))
    return replace(limited, ranking=draw(_rankings(limited))) if ranked else limited


@st.composite
def _rankings(draw: st.DrawFn, problem: DagProblem) -> tuple[Measure, ...]:
    """None, or money and one other measure, whichever comes first."""
    by_load = bool(problem.limits) and not problem.limits[0].at_once
    against = draw(st.sampled_from((Measure.TIME, Measure.LOAD) if by_load else (Measure.TIME,)))
    ranking = draw(st.permutations((Measure.CHARGE if problem.charges else Measure.COST, against)))
    return draw(st.sampled_from(((), tuple(ranking))))


def dag_edges(count: int, *, most: int = 6) -> st.SearchStrategy[Pairs]:
    """Edges from earlier to later tasks, some of them twice."""
    possible = list(combinations(range(count), 2))
    return st.lists(st.sampled_from(possible), max_size=most) if possible else st.just([])


@st.composite
def forests(draw: st.DrawFn, count: int) -> Pairs:
    """Each task but the first has one edge or none to an earlier one: no cycle, in whatever direction data moves."""
    parents = [(draw(st.none() | st.integers(0, number - 1)), number) for number in range(1, count)]
    return [(parent, child) for parent, child in parents if parent is not None]


@st.composite
def _tasks(draw: st.DrawFn, name: str, most: int, places: int) -> TaskOptions:
    size = draw(st.integers(1, most) | st.just(most))
    several = st.lists(FIGURES, min_size=size, max_size=size)
    cost_usd, hours = draw(several), draw(several)
    place = draw(st.lists(st.integers(0, places - 1), min_size=size, max_size=size))
    ready_h = draw(st.just([0.0] * size) | several)
    preference = draw(st.just([0] * size) | st.lists(st.integers(0, 2), min_size=size, max_size=size))
    surcharge_usd = draw(st.none() | st.none() | several)
    candidates = list(zip(cost_usd, hours, place, strict=True))
    return task(name, candidates, ready_h=ready_h, preference=preference, surcharge_usd=surcharge_usd)


@st.composite
def _matrices(draw: st.DrawFn, source: int, target: int, places: int) -> EdgeOptions:
    """Within a place data mostly moves free and at once, but nothing in the problem relies on it."""
    row = st.lists(FIGURES, min_size=places, max_size=places)
    matrix = st.lists(row, min_size=places, max_size=places).map(np.array)
    away = 1 - np.eye(places) if draw(st.sampled_from((True, True, False))) else np.ones((places, places))
    return EdgeOptions(source, target, draw(matrix) * away, draw(matrix) * away)


@st.composite
def _limited(draw: st.DrawFn, problem: DagProblem, load: st.SearchStrategy[float]) -> DagProblem:
    """The problem with a few limits, each about as high as one and the same choice needs."""
    takes = draw(st.sampled_from((0, 1, 1, 2)))
    sizes = [options.place.size for options in problem.tasks]
    loads = [[draw(st.lists(load, min_size=size, max_size=size)) for _ in range(takes)] for size in sizes]
    purses = draw(_purses(problem))
    problem = replace(
        problem,
        tasks=tuple(
            replace(options, loads=tuple(map(np.array, of_task)))
            for options, of_task in zip(problem.tasks, loads, strict=True)
        ),
        limits=tuple(Limit(f"limit{number}", 0.0, at_once=draw(st.booleans())) for number in range(takes)),
        purses=tuple(Purse(f"purse{number}", tasks, 0.0) for number, tasks in enumerate(purses)),
    )
    needs = outcome(problem, tuple(draw(st.integers(0, size - 1)) for size in sizes))
    is_due = draw(st.sampled_from((False, False, True)))
    return replace(
        problem,
        deadline_h=draw(st.none() | ROOM.map(lambda room: max(0.0, needs.figures.makespan_h + room))),
        budget_usd=draw(st.none() | ROOM.map(lambda room: max(0.0, needs.figures.cost_usd + room))),
        limits=tuple(
            replace(limit, most=min(taken, 9.0) + draw(ROOM))
            for limit, taken in zip(problem.limits, needs.taken, strict=True)
        ),
        due_h=tuple(draw(st.just(inf) | ROOM.map(end.__add__)) for end in needs.end_h) if is_due else (),
        purses=tuple(
            replace(purse, budget_usd=spent + draw(ROOM))
            for purse, spent in zip(problem.purses, needs.spent_usd, strict=True)
        ),
    )


@st.composite
def _purses(draw: st.DrawFn, problem: DagProblem) -> list[frozenset[int]]:
    """Up to two disjoint sets of tasks that no edge leads into or out of."""
    if draw(st.booleans()):
        return []
    part = list(range(len(problem.tasks)))
    for _ in problem.tasks:
        for link in problem.edges:
            part[link.source] = part[link.target] = min(part[link.source], part[link.target])
    holder = [draw(st.sampled_from((None, 0, 1))) for _ in part]
    held = [frozenset(task for task, first in enumerate(part) if holder[first] == number) for number in range(2)]
    return [tasks for tasks in held if tasks]


@cache
def antichains(tasks: int, edges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    """All sets of tasks none of which waits for another, by trying every set; for few tasks."""
    reached = waits_for(tasks, edges)
    return tuple(
        together
        for size in range(1, tasks + 1)
        for together in combinations(range(tasks), size)
        if not reached.intersection(combinations(together, 2))
    )


def waits_for(tasks: int, edges: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Every (task, later task) with a way from one to the other."""
    reached = set(edges)
    for between in range(tasks):
        reached |= {(a, d) for a, b in reached for c, d in reached if b == c == between}
    return reached


def outcome(problem: DagProblem, choice: Choice) -> Outcome:
    """What a choice comes to, each task's end by recursion over those before it."""
    chosen = list(zip(problem.tasks, choice, strict=True))
    place = [options.place[number] for options, number in chosen]

    everything = range(len(chosen))
    pairs = tuple((link.source, link.target) for link in problem.edges)

    def start(index: int) -> float:
        options, number = chosen[index]
        arrivals = [
            end(link.source) + link.transfer_h[place[link.source], place[index]]
            for link in problem.edges
            if link.target == index
        ]
        return float(max([options.ready_h[number], *arrivals]))

    def end(index: int) -> float:
        options, number = chosen[index]
        return start(index) + float(options.hours[number])

    def cost_usd(tasks: Sequence[int] | frozenset[int]) -> float:
        runs = sum(float(chosen[index][0].cost_usd[choice[index]]) for index in tasks)
        moved = [link for link in problem.edges if link.source in tasks and link.target in tasks]
        return runs + sum(float(link.egress_usd[place[link.source], place[link.target]]) for link in moved)

    def taken(limit: int) -> float:
        loads = [float(options.loads[limit][number]) for options, number in chosen]
        groups = antichains(len(chosen), pairs) if problem.limits[limit].at_once else [everything]
        return max(sum(loads[index] for index in group) for group in groups)

    ends = tuple(map(end, everything))
    cost = cost_usd(everything)
    surcharge = sum(float(options.surcharge_usd[n]) for options, n in chosen if options.surcharge_usd is not None)
    steps = sum(int(options.preference[number]) for options, number in chosen)
    charge = cost + surcharge + problem.value_of_time_usd_h * max(ends)
    loads = tuple(map(taken, range(len(problem.limits))))
    return Outcome(
        Figures(float(steps), cost, max(ends), charge, loads[0] if loads else 0.0),
        tuple(map(start, everything)),
        ends,
        loads,
        tuple(cost_usd(purse.tasks) for purse in problem.purses),
    )


def is_kept(problem: DagProblem, plan: Outcome) -> bool:
    """Whether nothing exceeds what limits it; sums are exact here."""
    held = [
        (plan.figures.cost_usd, problem.budget_usd),
        (plan.figures.makespan_h, problem.deadline_h),
        *zip(plan.taken, [limit.most for limit in problem.limits], strict=True),
        *zip(plan.spent_usd, [purse.budget_usd for purse in problem.purses], strict=True),
        *(zip(plan.end_h, problem.due_h, strict=True) if problem.due_h else ()),
    ]
    return all(most is None or figure <= most for figure, most in held)


def ordered(problem: DagProblem, plan: Figures) -> tuple[float, ...]:
    """The figures in the order in which the problem compares plans.

    Where nothing is charged beyond cost, charge and cost are the same: two at the same place of the order do no harm.
    """
    if problem.ranking:
        figures = dict(zip(Measure, plan, strict=True))
        return plan.preference, *(figures[measure] for measure in problem.ranking)
    money = plan.charge_usd, plan.cost_usd
    if problem.objective is Objective.COST:
        return plan.preference, *money, plan.makespan_h
    return plan.preference, plan.makespan_h, *money


def choices(problem: DagProblem) -> Iterator[Choice]:
    """Every choice."""
    return product(*(range(options.place.size) for options in problem.tasks))


def feasible_plans(problem: DagProblem) -> Iterator[tuple[Choice, Figures]]:
    """Every choice that keeps the limits, with its figures."""
    for choice in choices(problem):
        plan = outcome(problem, choice)
        if is_kept(problem, plan):
            yield choice, plan.figures


def best_plan(problem: DagProblem) -> Figures | None:
    """The figures of the best choice; None where none keeps the limits."""
    plans = (plan for _, plan in feasible_plans(problem))
    return min(plans, key=lambda plan: ordered(problem, plan), default=None)


def best_of_all(problem: DagProblem) -> tuple[float, ...] | None:
    """The figures of the best choice in the problem's order; None where none keeps the limits."""
    best = best_plan(problem)
    return None if best is None else ordered(problem, best)
