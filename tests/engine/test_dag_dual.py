"""Costs shifted from edges to tasks: every plan costs what it did, and the tasks alone say more of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from engine.dag import DagProblem, schedule
from engine.dag_bounds import Backbone, sum_bounds
from engine.dag_dual import by_place, shifts_of
from engine.status import NO_LIMIT, TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import edge, feasible_plans, problems, task


@settings(max_examples=50, deadline=None)
@given(problems(limits=False))
def test_a_shift_leaves_the_cost_of_every_plan_as_it_is(problem: DagProblem) -> None:
    """What an edge hands to its ends is missing from the edge; nothing that is left there is below 0."""
    backbone = Backbone.of(problem, NO_LIMIT)
    own, matrices = backbone.sums(problem, 0.0, charged=False)
    for choice, _ in feasible_plans(problem):
        place = [int(options.place[number]) for options, number in zip(problem.tasks, choice, strict=True)]
        left = [
            matrix[place[link.source], place[link.target]] for link, matrix in zip(problem.edges, matrices, strict=True)
        ]
        total = sum(figures[number] for figures, number in zip(own, choice, strict=True)) + sum(left)
        assert total == pytest.approx(schedule(problem, choice).cost_usd)
        assert min(left, default=0.0) >= -1e-9


def test_edges_outside_the_forest_count() -> None:
    """Of a triangle whose tasks each have another free place, one edge at least is paid: the forest alone is free."""
    away = [[0, 4], [4, 0]]
    tasks = (task("a", [(0, 1, 0)]), task("b", [(0, 1, 0), (0, 1, 1)]), task("c", [(0, 1, 1)]))
    triangle = DagProblem(
        tasks, (edge(0, 1, away, away), edge(1, 2, away, away), edge(0, 2, away, away)), Objective.COST
    )
    assert sum_bounds(triangle, Backbone.of(triangle), 0.0).least == 4.0
    assert sum_bounds(triangle, Backbone.of(triangle, NO_LIMIT), 0.0).least == pytest.approx(8.0)
    assert Backbone.of(DagProblem(tasks, triangle.edges[:2], Objective.COST), NO_LIMIT).shifts == []


def test_without_time_nothing_is_shifted() -> None:
    """Which is a shift as well."""
    problem = DagProblem(
        (task("a", [(1, 1, 0)]), task("b", [(1, 1, 1)])), (edge(0, 1, [[0, 9]] * 2, [[0, 0]] * 2),), Objective.COST
    )
    assert [np.any(shift) for shift in shifts_of(problem, TimeLimit.of(0.0))[0]] == [False, False]
    # Each end bears half of the $9.
    assert [shift.tolist() for shift in shifts_of(problem)[0]] == [[4.5, 0.0], [0.0, 4.5]]


def test_the_least_in_each_place() -> None:
    """Infinite where there is no candidate."""
    options = task("t", [(3, 1, 0), (2, 1, 0), (5, 1, 2)])
    assert by_place(options, options.cost_usd, 3).tolist() == [2.0, np.inf, 5.0]
