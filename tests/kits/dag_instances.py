"""Tiny DAG problems, and their optimum by trying every choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
from hypothesis import strategies as st

from engine.dag import DagProblem, EdgeOptions, TaskOptions
from engine.workload import Objective

Figures = tuple[float, float, float]
"""Of a plan: steps of preference, $, h."""
Choice = tuple[int, ...]

FIGURES = st.one_of(st.integers(0, 3), st.integers(0, 12), st.just(0)).map(float)
"""Small whole numbers: sums are exact, and ties abound."""


def task(
    name: str,
    candidates: Sequence[tuple[float, float, int]],
    *,
    ready_h: Sequence[float] | None = None,
    preference: Sequence[int] | None = None,
) -> TaskOptions:
    """A task with candidates ($, h, place)."""
    cost_usd, hours, place = zip(*candidates, strict=True)
    zeros = [0] * len(candidates)
    return TaskOptions(
        name=name,
        cost_usd=np.array(cost_usd, dtype=np.float64),
        hours=np.array(hours, dtype=np.float64),
        ready_h=np.array(zeros if ready_h is None else ready_h, dtype=np.float64),
        place=np.array(place, dtype=np.int64),
        preference=np.array(zeros if preference is None else preference, dtype=np.int64),
    )


def edge(
    source: int, target: int, egress_usd: Sequence[Sequence[float]], hours: Sequence[Sequence[float]]
) -> EdgeOptions:
    """An edge with matrices (place of the source x place of the target)."""
    return EdgeOptions(source, target, np.array(egress_usd, dtype=np.float64), np.array(hours, dtype=np.float64))


@st.composite
def problems(
    draw: st.DrawFn, *, tasks: int = 5, candidates: int = 4, places: int = 3, limits: bool = True, forest: bool = False
) -> DagProblem:
    """Any DAG of up to so many tasks: chains, diamonds, forests, lone tasks, two edges between the same tasks."""
    count, place_count = draw(st.integers(1, tasks)), draw(st.integers(1, places))
    pairs = draw(_forests(count) if forest else _edges(count))
    return DagProblem(
        tasks=tuple(draw(_tasks(f"t{number}", candidates, place_count)) for number in range(count)),
        edges=tuple(draw(_matrices(source, target, place_count)) for source, target in pairs),
        objective=draw(st.sampled_from(Objective)),
        deadline_h=draw(st.none() | st.integers(0, 30).map(float)) if limits else None,
        budget_usd=draw(st.none() | st.integers(0, 30).map(float)) if limits else None,
    )


def _edges(count: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    possible = list(combinations(range(count), 2))
    return st.lists(st.sampled_from(possible), max_size=6) if possible else st.just([])


@st.composite
def _forests(draw: st.DrawFn, count: int) -> list[tuple[int, int]]:
    """Each task but the first has one edge or none to an earlier one: no cycle, in whatever direction data moves."""
    parents = [(draw(st.none() | st.integers(0, number - 1)), number) for number in range(1, count)]
    return [(parent, child) for parent, child in parents if parent is not None]


@st.composite
def _tasks(draw: st.DrawFn, name: str, most: int, places: int) -> TaskOptions:
    size = draw(st.integers(1, most))
    several = st.lists(FIGURES, min_size=size, max_size=size)
    cost_usd, hours = draw(several), draw(several)
    place = draw(st.lists(st.integers(0, places - 1), min_size=size, max_size=size))
    ready_h = draw(st.just([0.0] * size) | several)
    preference = draw(st.just([0] * size) | st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return task(name, list(zip(cost_usd, hours, place, strict=True)), ready_h=ready_h, preference=preference)


@st.composite
def _matrices(draw: st.DrawFn, source: int, target: int, places: int) -> EdgeOptions:
    """Within a place data mostly moves free and at once, but nothing in the problem relies on it."""
    row = st.lists(FIGURES, min_size=places, max_size=places)
    matrix = st.lists(row, min_size=places, max_size=places).map(np.array)
    away = 1 - np.eye(places) if draw(st.sampled_from((True, True, False))) else np.ones((places, places))
    return EdgeOptions(source, target, draw(matrix) * away, draw(matrix) * away)


def plan_figures(problem: DagProblem, choice: Choice) -> Figures:
    """What a choice comes to, each task's end by recursion over those before it."""
    chosen = list(zip(problem.tasks, choice, strict=True))
    place = [options.place[number] for options, number in chosen]

    def end(index: int) -> float:
        options, number = chosen[index]
        arrivals = [
            end(link.source) + link.transfer_h[place[link.source], place[index]]
            for link in problem.edges
            if link.target == index
        ]
        return float(max([options.ready_h[number], *arrivals]) + options.hours[number])

    cost = sum(options.cost_usd[number] for options, number in chosen)
    cost += sum(link.egress_usd[place[link.source], place[link.target]] for link in problem.edges)
    steps = sum(options.preference[number] for options, number in chosen)
    return float(steps), float(cost), max(end(index) for index in range(len(chosen)))


def ordered(problem: DagProblem, plan: Figures) -> Figures:
    """The figures in the order in which the problem compares plans."""
    steps, cost, hours = plan
    return (steps, cost, hours) if problem.objective is Objective.COST else (steps, hours, cost)


def feasible_plans(problem: DagProblem) -> Iterator[tuple[Choice, Figures]]:
    """Every choice that keeps the limits, with what it comes to."""
    for choice in product(*(range(options.place.size) for options in problem.tasks)):
        plan = plan_figures(problem, choice)
        in_budget = problem.budget_usd is None or plan[1] <= problem.budget_usd
        if in_budget and (problem.deadline_h is None or plan[2] <= problem.deadline_h):
            yield choice, plan


def best_plan(problem: DagProblem) -> Figures | None:
    """The figures of the best choice, in the problem's order; None where none keeps the limits."""
    return min((ordered(problem, plan) for _, plan in feasible_plans(problem)), default=None)
