"""When the tasks of a DAG can be done at the earliest: never later than in a plan, and exact along a chain."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from engine.dag import DagProblem, Measure
from engine.dag_times import earliest, edges_by, time_bounds
from engine.workload import Objective
from tests.kits.dag_instances import choices, edge, outcome, problems, task
from tests.kits.least_plans import assert_below, least_found

AWAY = [[0, 4], [4, 0]]
CHAIN = (edge(0, 1, AWAY, AWAY), edge(1, 2, AWAY, AWAY))
TASKS = (task("a", [(0, 3, 0), (0, 2, 1)]), task("b", [(0, 1, 0)]), task("c", [(0, 1, 0), (0, 1, 1)]))


@settings(max_examples=50, deadline=None)
@given(problems(limits=False))
def test_no_plan_is_faster_than_its_bounds(problem: DagProblem) -> None:
    """Nor one with a candidate, nor one that moves data between two places."""
    assert_below(time_bounds(problem), least_found(problem, {Measure.TIME: 1.0}))


@settings(max_examples=50, deadline=None)
@given(problems(limits=False))
def test_no_task_is_done_before_it_can_be(problem: DagProblem) -> None:
    """In whatever place it runs."""
    done, _ = earliest(problem)
    for choice in choices(problem):
        places = [int(options.place[number]) for options, number in zip(problem.tasks, choice, strict=True)]
        ends = outcome(problem, choice).end_h
        assert all(done[number][place] <= end for number, (place, end) in enumerate(zip(places, ends, strict=True)))


@settings(max_examples=50, deadline=None)
@given(problems(tasks=1, limits=False))
def test_of_a_lone_task_the_times_are_exact(problem: DagProblem) -> None:
    """Its inputs and its run."""
    bounds = time_bounds(problem)
    ends = [outcome(problem, choice).end_h[0] for choice in choices(problem)]
    assert bounds.candidates[0].tolist() == ends
    assert bounds.least == min(ends)


def test_on_a_chain_times_are_exact() -> None:
    """The fastest way through each candidate of three tasks, and over each pair of places; inputs can only delay it."""
    bounds = time_bounds(DagProblem(TASKS, CHAIN, Objective.TIME))
    assert [hours.tolist() for hours in bounds.candidates] == [[5, 8], [5], [5, 9]]
    assert bounds.pairs[0].tolist() == [[5, np.inf], [8, np.inf]]
    assert bounds.least == 5
    waiting = (TASKS[0], task("b", [(0, 1, 0)], ready_h=[6]), TASKS[2])
    assert time_bounds(DagProblem(waiting, CHAIN, Objective.TIME)).least == 8


def test_a_task_and_its_data_by_place() -> None:
    """Infinite where the task has no candidate; data that comes from anywhere comes from where it is there first."""
    done, ready = earliest(DagProblem(TASKS, CHAIN, Objective.TIME))
    assert [hours.tolist() for hours in done] == [[3, 2], [4, np.inf], [5, 9]]
    assert [hours.tolist() for hours in ready] == [[0, 0], [3, 2], [4, 8]]


def test_edges_by_their_ends() -> None:
    """Each once, in the problem's order."""
    problem = DagProblem(TASKS, (*CHAIN, edge(0, 2, AWAY, AWAY)), Objective.TIME)
    into = edges_by(problem, [link.target for link in problem.edges])
    assert [[problem.edges.index(link) for link in of_task] for of_task in into] == [[], [0], [1, 2]]
