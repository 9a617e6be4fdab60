"""Which candidates of a DAG another one always replaces: no best plan may be lost, and what falls is told exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from engine.dag import DagProblem, EdgeOptions, TaskOptions, compact
from engine.dag_prune import prune
from engine.limit import Limit
from engine.workload import Objective
from tests.kits.dag_instances import best_of_all, choices, edge, outcome, problems, task

FREE = [[0, 9], [9, 0]]
AT_ONCE = [[0, 0], [0, 0]]


@settings(max_examples=50, deadline=None)
@given(problems(ranked=True))
def test_pruning_never_loses_the_best_plan(problem: DagProblem) -> None:
    """What is left has the same best figures, by every measure in order, or is as infeasible."""
    pruned, kept = prune(problem)
    assert best_of_all(pruned) == best_of_all(problem)
    for options, numbers, left in zip(problem.tasks, kept, pruned.tasks, strict=True):
        assert list(numbers) == sorted(set(numbers))
        assert np.array_equal(options.cost_usd[numbers], left.cost_usd)


@settings(max_examples=50, deadline=None)
@given(problems(candidates=3))
def test_each_plan_has_one_among_what_is_left_that_is_no_worse_in_anything(problem: DagProblem) -> None:
    """Every figure, every end, every limit and every purse: so that no limit and no order can tell that any fell."""
    pruned, _ = prune(problem)
    left = [outcome(pruned, choice) for choice in choices(pruned)]
    for choice in choices(problem):
        plan = outcome(problem, choice)
        burdens = np.array([*plan.figures, *plan.end_h, *plan.taken, *plan.spent_usd])
        assert any(
            (np.array([*other.figures, *other.end_h, *other.taken, *other.spent_usd]) <= burdens).all()
            for other in left
        )


EQUAL = task("t", [(1, 1, 0)] * 3, surcharge_usd=[2, 2, 2], loads=[[1, 1, 1], [0, np.inf, np.inf]])


def kept_of(options: TaskOptions, place: Sequence[int]) -> list[int]:
    """The candidates, in these places, that pruning leaves to a lone task with two limits."""
    limits = (Limit("in all", 9.0), Limit("at once", 9.0, at_once=True))
    problem = DagProblem((replace(options, place=np.array(place)),), (), Objective.COST, limits=limits)
    return [int(number) for number in prune(problem)[1][0]]


def test_of_equals_the_first_stays() -> None:
    """With surcharges and loads as well, some without end; in each place, for only the bounds compare places."""
    assert kept_of(EQUAL, [0, 0, 0]) == [0]
    unknown = np.full(3, np.inf)
    assert kept_of(replace(EQUAL, loads=(unknown, unknown)), [0, 0, 0]) == [0]
    assert kept_of(EQUAL, [2, 0, 2]) == [0, 1]


LIGHTER_SECOND = np.array([2.0, 1.0, 3.0])


@pytest.mark.parametrize(
    "options",
    [
        replace(EQUAL, surcharge_usd=LIGHTER_SECOND, loads=(EQUAL.loads[0],) * 2),
        replace(EQUAL, loads=(LIGHTER_SECOND, EQUAL.loads[0])),
        replace(EQUAL, loads=(EQUAL.loads[0], LIGHTER_SECOND)),
    ],
)
def test_what_weighs_less_stays_beside_what_is_cheaper(options: TaskOptions) -> None:
    """The first is cheaper, the second weighs less, the third is neither."""
    assert kept_of(replace(options, cost_usd=np.array([1.0, 2.0, 2.0])), [0, 0, 0]) == [0, 1]
    assert kept_of(options, [0, 0, 0]) == [1]


def test_what_only_a_neighbour_can_judge_stays() -> None:
    """A second machine of the same price goes; dearer ones in another place stay, for the data may be there."""
    tasks = (task("a", [(1, 1, 0), (1, 1, 0), (2, 1, 1), (20, 1, 1)]), task("b", [(1, 1, 0), (1, 1, 1)]))
    _, kept = prune(DagProblem(tasks, (edge(0, 1, FREE, AT_ONCE),), Objective.COST))
    assert [list(numbers) for numbers in kept] == [[0, 2], [0, 1]]


def test_what_has_its_inputs_later_never_replaces() -> None:
    """Nor what is less preferred: neither is weighed against price and speed."""
    tasks = (task("a", [(1, 1, 0), (2, 2, 0), (3, 3, 0)], ready_h=[5, 0, 5], preference=[1, 0, 0]),)
    assert [int(number) for number in prune(DagProblem(tasks, (), Objective.COST))[1][0]] == [0, 1, 2]


def test_tasks_that_share_their_arrays_share_what_is_left_of_them() -> None:
    """They are pruned once, and stay alike."""
    matrix = np.array(FREE, dtype=np.float64)
    options = task("t", [(1, 1, 0), (2, 1, 0), (3, 1, 1)])
    tasks = tuple(replace(options, name=f"t{number}") for number in range(4))
    links = tuple(EdgeOptions(number, number + 1, matrix, matrix) for number in range(3))
    pruned, kept = prune(DagProblem(tasks, links, Objective.COST))
    assert kept[1] is kept[2]
    assert pruned.tasks[1].columns == pruned.tasks[2].columns
    assert [options.name for options in pruned.tasks] == ["t0", "t1", "t2", "t3"]
    smaller = compact(pruned)
    assert smaller.edges[0].matrices == smaller.edges[1].matrices
