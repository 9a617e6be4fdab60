"""A DAG as arrays: what a choice comes to, what limits it, and problems made smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from engine.dag import DagProblem, Measure, Purse, best_choice, compact, keeps_limits, renumbered, schedule
from engine.dag_bounds import tried_choices
from engine.limit import Limit
from engine.workload import Objective
from tests.kits.dag_instances import choices, edge, feasible_plans, is_kept, ordered, outcome, problems, task


@settings(max_examples=50, deadline=None)
@given(problems())
def test_places_without_candidates_can_go(problem: DagProblem) -> None:
    """Candidates keep their numbers and every choice its figures."""
    smaller = compact(problem)
    assert smaller.places <= problem.places
    assert list(feasible_plans(smaller)) == list(feasible_plans(problem))


@settings(max_examples=50, deadline=None)
@given(problems())
def test_a_schedule_is_what_the_choice_comes_to(problem: DagProblem) -> None:
    """Every choice: figures, times, limits and purses as the kit finds them, and whether they are kept."""
    for choice in choices(problem):
        plan, expected = schedule(problem, choice), outcome(problem, choice)
        assert tuple(plan.figure(measure) for measure in Measure) == expected.figures
        assert (plan.start_h, plan.end_h) == (expected.start_h, expected.end_h)
        assert (plan.taken, plan.spent_usd) == (expected.taken, expected.spent_usd)
        assert keeps_limits(problem, plan) == is_kept(problem, expected)


@settings(max_examples=50, deadline=None)
@given(problems())
def test_tasks_that_run_at_one_time_take_no_more_than_is_counted(problem: DagProblem) -> None:
    """At every start, the only moments at which more can be taken: what counts for a limit at once, and in all."""
    for choice in choices(problem):
        plan = outcome(problem, choice)
        taken = schedule(problem, choice).taken
        for now in plan.start_h:
            running = [
                n for n, (start, end) in enumerate(zip(plan.start_h, plan.end_h, strict=True)) if start <= now < end
            ]
            for limit, counted in enumerate(taken):
                assert sum(problem.tasks[n].loads[limit][choice[n]] for n in running) <= counted


BESIDE = [(0, 1), (0, 2), (0, 3), (2, 3)]
"""After the first the second runs beside the third, and then beside the fourth."""


def test_what_is_taken_at_once_by_a_chain_and_by_tasks_side_by_side() -> None:
    """Of a chain the most of one, of tasks without edges the sum, of others what may run beside each other."""
    tasks = tuple(task(f"t{number}", [(1, 1, 0)], loads=[[load]]) for number, load in enumerate((5, 2, 3, 4)))
    limits = (Limit("quota", 9.0, at_once=True),)
    for pairs, most in (([(0, 1), (1, 2), (2, 3)], 5), ([], 14), ([(0, 1), (2, 3)], 9), (BESIDE, 6)):
        problem = DagProblem(tasks, tuple(edge(a, b, [[0]], [[0]]) for a, b in pairs), Objective.COST, limits=limits)
        assert schedule(problem, (0, 0, 0, 0)).taken == (most,)
        assert schedule(replace(problem, limits=(Limit("hours", 9.0),)), (0, 0, 0, 0)).taken == (14,)


@pytest.mark.parametrize(
    ("objective", "charges", "order"),
    [
        (Objective.COST, False, "PREFERENCE COST TIME"),
        (Objective.TIME, False, "PREFERENCE TIME COST"),
        (Objective.COST, True, "PREFERENCE CHARGE COST TIME"),
        (Objective.TIME, True, "PREFERENCE TIME CHARGE COST"),
    ],
)
def test_plans_are_compared_in_an_order(objective: Objective, charges: bool, order: str) -> None:
    """What is charged matters where anything is, by a surcharge or by a value of time."""
    plain = DagProblem((task("t", [(1, 1, 0)]), task("u", [(1, 1, 0)])), (), objective)
    surcharged = replace(plain, tasks=(plain.tasks[0], task("u", [(1, 1, 0)], surcharge_usd=[0])))
    for problem in (surcharged, replace(plain, value_of_time_usd_h=1.0)) if charges else (plain,):
        assert " ".join(measure.name for measure in problem.order) == order
        assert problem.main is problem.order[1]


ALL_LIMITED = DagProblem(
    tasks=(task("a", [(0.1, 0.1, 0)], loads=[[0.1], [0.1]]), task("b", [(0.2, 0.2, 0)], loads=[[0.2], [0.2]])),
    edges=(edge(0, 1, [[0]], [[0]]),),
    objective=Objective.COST,
    deadline_h=0.3,
    budget_usd=0.3,
    limits=(Limit("in all", 0.3), Limit("at once", 0.2, at_once=True)),
    due_h=(0.1, 0.3),
    purses=(Purse("both", frozenset({0, 1}), 0.3),),
)
"""A plan that is at each of its limits."""


@pytest.mark.parametrize(
    "less",
    [
        replace(ALL_LIMITED, deadline_h=0.29),
        replace(ALL_LIMITED, budget_usd=0.29),
        replace(ALL_LIMITED, limits=(Limit("in all", 0.29), ALL_LIMITED.limits[1])),
        replace(ALL_LIMITED, limits=(ALL_LIMITED.limits[0], Limit("at once", 0.19, at_once=True))),
        replace(ALL_LIMITED, due_h=(0.09, 0.3)),
        replace(ALL_LIMITED, due_h=(0.1, 0.29)),
        replace(ALL_LIMITED, purses=(Purse("both", frozenset({0, 1}), 0.29),)),
    ],
)
def test_limits_are_kept_up_to_rounding_and_no_further(less: DagProblem) -> None:
    """0.1 and 0.2 are above 0.3 in floating point; any one limit that is a little lower is not kept."""
    plan = schedule(ALL_LIMITED, (0, 0))
    assert keeps_limits(ALL_LIMITED, plan)
    assert not keeps_limits(less, plan)


def test_candidates_taken_keep_what_belongs_to_them() -> None:
    """Surcharges and loads with the rest; tasks without surcharges have none afterwards."""
    options = task("t", [(1, 2, 0), (3, 4, 1), (5, 6, 2)], surcharge_usd=[7, 8, 9], loads=[[1, 2, 3], [4, 5, 6]])
    taken = options.take(np.array([2, 0]))
    assert taken.charged_usd.tolist() == [14, 8]
    assert [load.tolist() for load in taken.loads] == [[3, 1], [6, 4]]
    assert replace(options, surcharge_usd=None).take(np.array([1])).charged_usd.tolist() == [3]


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_best_of_some_choices(problem: DagProblem) -> None:
    """Of those tried, the best one within the limits; None where none is."""
    tried = tried_choices(problem)
    feasible = {choice: ordered(problem, plan) for choice, plan in feasible_plans(problem)}
    best = best_choice(problem, tried)
    expected = min((feasible[choice] for choice in tried if choice in feasible), default=None)
    assert (None if best is None else feasible[best]) == expected


def test_a_choice_in_other_numbers() -> None:
    """An empty choice is that of no plan."""
    kept = [np.array([3, 5]), np.array([0, 7])]
    assert renumbered((1, 0), kept) == (5, 0)
    assert renumbered((), kept) == ()
