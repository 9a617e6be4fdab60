"""Which candidates of a DAG can keep its limits: none that occurs in such a plan is dropped, and hardly one too few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem, EdgeOptions
from engine.dag_limits import within_limits
from engine.limit import Limit
from engine.workload import Objective
from tests.kits.dag_instances import edge, feasible_plans, problems, task


def occur(problem: DagProblem) -> list[list[bool]]:
    """By task which candidates occur in a plan that keeps the limits."""
    found = [np.zeros(options.place.size, dtype=bool) for options in problem.tasks]
    for choice, _ in feasible_plans(problem):
        for of_task, number in zip(found, choice, strict=True):
            of_task[number] = True
    return [list(map(bool, of_task)) for of_task in found]


def stay(problem: DagProblem) -> list[list[bool]]:
    """By task which candidates are left."""
    return [list(map(bool, of_task)) for of_task in within_limits(problem)]


@settings(max_examples=80, deadline=None)
@given(problems())
def test_what_occurs_in_a_plan_that_keeps_the_limits_stays(problem: DagProblem) -> None:
    """Whatever else limits the plan: limits in all and at once and instants of tasks, together."""
    alone = replace(problem, deadline_h=None, budget_usd=None, purses=())
    for of_task, left in zip(occur(alone), stay(alone), strict=True):
        assert all(is_left or not occurs for occurs, is_left in zip(of_task, left, strict=True))


@settings(max_examples=50, deadline=None)
@given(problems(), st.data())
def test_beside_one_limit_exactly_what_keeps_it_stays(problem: DagProblem, data: st.DataObject) -> None:
    """The other tasks take the least they can, all at the same time; of a limit at once, where the graph is of rows."""
    assume(problem.limits)
    index = data.draw(st.integers(0, len(problem.limits) - 1))
    alone = DagProblem(
        tuple(replace(options, loads=options.loads[index : index + 1]) for options in problem.tasks),
        in_rows(problem.edges) if problem.limits[index].at_once else problem.edges,
        problem.objective,
        limits=problem.limits[index : index + 1],
    )
    assert stay(alone) == occur(alone)


def in_rows(edges: Sequence[EdgeOptions]) -> tuple[EdgeOptions, ...]:
    """So many of the edges that no task has two before it or two after it."""
    kept: list[EdgeOptions] = []
    for each in edges:
        if all(each.source != other.source and each.target != other.target for other in kept):
            kept.append(each)
    return tuple(kept)


CHAIN = (edge(0, 1, [[0, 9], [9, 0]], [[0, 2], [2, 0]]), edge(1, 2, [[0, 9], [9, 0]], [[0, 2], [2, 0]]))


def test_what_a_chain_takes_at_once_and_what_tasks_side_by_side_do() -> None:
    """Of three units: a row may take them one after the other; beside a task that takes one at least two are left."""
    tasks = tuple(task(name, [(1, 1, 0)] * 3, loads=[[1, 2, 3]]) for name in "abc")
    chain = DagProblem(tasks, CHAIN, Objective.COST, limits=(Limit("quota", 3.0, at_once=True),))
    assert stay(chain) == [[True, True, True]] * 3
    assert stay(replace(chain, edges=CHAIN[:1])) == [[True, True, False]] * 3
    assert stay(replace(chain, edges=())) == [[True, False, False]] * 3
    assert stay(replace(chain, limits=(Limit("hours", 4.0),))) == [[True, True, False]] * 3
    assert stay(replace(chain, limits=(Limit("hours", 2.0),))) == [[False, False, False]] * 3


def test_a_task_of_a_chain_that_takes_much_in_any_case_leaves_the_others_of_it_as_much() -> None:
    """Beside the five of the first task the second may take five as well, not six."""
    tasks = (task("a", [(1, 1, 0)], loads=[[5]]), task("b", [(1, 1, 0)] * 3, loads=[[0, 5, 6]]))
    problem = DagProblem(tasks, CHAIN[:1], Objective.COST, limits=(Limit("quota", 5.0, at_once=True),))
    assert stay(problem) == [[True], [True, True, False]]


def test_what_runs_beside_a_task_in_any_case_leaves_it_the_rest() -> None:
    """Two groups between two ends: beside the two units of one group the other may take three of five, an end five."""
    ends, groups = [[1, 5, 6]], [[2, 3, 4]]
    loads = (ends, groups, groups, ends)
    tasks = tuple(task(f"t{number}", [(1, 1, 0)] * 3, loads=of_task) for number, of_task in enumerate(loads))
    links = tuple(edge(a, b, [[0]], [[0]]) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3)))
    problem = DagProblem(tasks, links, Objective.COST, limits=(Limit("quota", 5.0, at_once=True),))
    assert stay(problem) == [[True, True, False]] * 4


def test_what_nobody_knows_is_beyond_every_limit() -> None:
    """A load without end drops its candidate; of a task that has no other nothing is left at all."""
    tasks = (task("a", [(1, 1, 0)] * 2, loads=[[1, np.inf]]), task("b", [(1, 1, 0)], loads=[[1]]))
    for at_once in (False, True):
        problem = DagProblem(tasks, (), Objective.COST, limits=(Limit("carbon", 9.0, at_once=at_once),))
        assert stay(problem) == [[True, False], [True]]
        unknown = replace(problem, tasks=(tasks[0], task("b", [(1, 1, 0)], loads=[[np.inf]])))
        assert stay(unknown) == [[False, False], [False]]


@pytest.mark.parametrize(
    ("due_h", "expected"),
    [
        ((np.inf, np.inf, np.inf), [[True, True], [True, True], [True]]),
        ((3.0, np.inf, np.inf), [[False, True], [True, True], [True]]),
        # The second task has its data after 3 h from the one place and 4 h from the other, and runs for 2 h or 6 h.
        ((np.inf, 5.0, np.inf), [[False, True], [False, True], [True]]),
        ((np.inf, 6.0, np.inf), [[True, True], [False, True], [True]]),
        # The third waits for 2 h of transfer and runs for 1 h.
        ((np.inf, np.inf, 8.0), [[False, True], [True, True], [True]]),
        ((np.inf, np.inf, 7.0), [[False, False], [False, False], [False]]),
    ],
)
def test_instants_hold_back_what_comes_before_them(due_h: tuple[float, ...], expected: list[list[bool]]) -> None:
    """A candidate must be done when its task is due, and early enough for all that wait for it."""
    tasks = (task("a", [(1, 4, 1), (1, 1, 0)]), task("b", [(1, 6, 0), (1, 2, 1)]), task("c", [(1, 1, 0)]))
    assert stay(DagProblem(tasks, CHAIN, Objective.COST, due_h=due_h)) == expected


def test_inputs_that_come_late_are_late() -> None:
    """The task is due after 2 h: a run of 1 h is in time from 1 h on, not from 2 h on."""
    options = task("t", [(1, 1, 0), (1, 1, 0)], ready_h=[1, 2])
    assert stay(DagProblem((options,), (), Objective.COST, due_h=(2.0,))) == [[True, False]]
