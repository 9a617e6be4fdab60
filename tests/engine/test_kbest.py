"""The K best plans of a DAG against trying every choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem, Integers
from engine.kbest import next_best
from engine.status import TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import Choice, edge, feasible_plans, ordered, outcome, problems, task

K = 5


def figures_of(problem: DagProblem, choice: Choice) -> tuple[float, ...]:
    """What a choice comes to in the problem's order, by the kit's own sums."""
    return ordered(problem, outcome(problem, choice).figures)


def kinds_of(kinds: list[Integers], choice: Choice) -> tuple[int, ...]:
    """Of which kinds a choice is."""
    return tuple(int(kind[number]) for kind, number in zip(kinds, choice, strict=True))


@settings(max_examples=50, deadline=None)
@given(problems(tasks=4, candidates=3))
def test_the_best_are_those_of_trying_everything(problem: DagProblem) -> None:
    """The same figures in the same order, with whatever is limited, charged and preferred; each plan once."""
    everything = sorted(ordered(problem, figures) for _, figures in feasible_plans(problem))
    found = list(next_best(problem, [], K).choices)
    assert [figures_of(problem, choice) for choice in found] == everything[:K]
    assert len(set(found)) == len(found)
    assert set(found) <= {choice for choice, _ in feasible_plans(problem)}


@settings(max_examples=50, deadline=None)
@given(problems(tasks=4, candidates=4), st.data())
def test_of_plans_that_are_alike_only_the_best_counts(problem: DagProblem, data: st.DataObject) -> None:
    """The best of each combination of kinds, in order, and no combination twice."""
    kinds = [
        np.array(data.draw(st.lists(st.integers(0, 2), min_size=options.place.size, max_size=options.place.size)))
        for options in problem.tasks
    ]
    best_of_kinds: dict[tuple[int, ...], tuple[float, ...]] = {}
    for choice, figures in feasible_plans(problem):
        key = kinds_of(kinds, choice)
        best_of_kinds[key] = min(best_of_kinds.get(key, ordered(problem, figures)), ordered(problem, figures))
    found = next_best(problem, [], K, kinds=kinds)
    assert found.complete
    assert [figures_of(problem, choice) for choice in found.choices] == sorted(best_of_kinds.values())[:K]
    assert len({kinds_of(kinds, choice) for choice in found.choices}) == len(found.choices)


def test_what_the_best_plan_prunes_is_in_the_next() -> None:
    """Nothing ever takes the dearest machine instead of the two others, and the third best plan must."""
    problem = DagProblem((task("t", [(1, 1, 0), (2, 2, 0), (3, 3, 0)]),), (), Objective.COST)
    assert list(next_best(problem, [], 9).choices) == [(0,), (1,), (2,)]


def test_the_search_goes_on_from_what_is_found() -> None:
    """The best is known already: the next two follow, whichever task they move."""
    tasks = (task("a", [(1, 1, 0), (4, 1, 0)]), task("b", [(1, 1, 0), (3, 1, 0)]))
    problem = DagProblem(tasks, (edge(0, 1, [[0]], [[0]]),), Objective.COST)
    assert next_best(problem, [(0, 0)], 2).choices == ((0, 1), (1, 0))


def test_two_tasks_that_must_move_together_are_found() -> None:
    """Data that is dear to move holds both in one place, so that no move of one task alone leads to the next best."""
    tasks = (task("a", [(1, 1, 0), (2, 1, 1)]), task("b", [(1, 1, 0), (2, 1, 1)]))
    problem = DagProblem(tasks, (edge(0, 1, [[0, 90], [90, 0]], [[0, 0], [0, 0]]),), Objective.COST)
    assert list(next_best(problem, [], 2).choices) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("objective", Objective)
def test_when_time_is_up_there_are_fewer_and_that_is_said(objective: Objective) -> None:
    """Nothing that is not proven is passed off as one of the best."""
    options = task("t", [(n, 9 - n, n % 3) for n in range(9)])
    away = [[0, 5, 5], [5, 0, 5], [5, 5, 0]]
    links = tuple(edge(a, b, away, away) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3)))
    problem = DagProblem(tuple(replace(options, name=f"t{n}") for n in range(4)), links, objective)
    late = next_best(problem, [], 3, TimeLimit.of(0.0))
    assert not late.complete
    assert len(late.choices) < 3
    assert list(late.choices) == list(next_best(problem, [], 3).choices)[: len(late.choices)]
