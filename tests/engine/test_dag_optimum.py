"""Placing a DAG against trying every choice, and what a limit of time or size leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import engine.problems.dag
from engine.dag import DagProblem, EdgeOptions, Measure, Purse, schedule
from engine.limit import Limit
from engine.problems.dag import DagSolution, build, solve, terms
from engine.status import Status, TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import (
    FINITE_LOADS,
    best_of_all,
    best_plan,
    edge,
    feasible_plans,
    ordered,
    outcome,
    problems,
    task,
)

FREE = [[0, 9], [9, 0]]
AT_ONCE = [[0, 0], [0, 0]]


def optimum(problem: DagProblem, solution: DagSolution) -> tuple[float, ...] | None:
    """A solution's figures in the problem's order, by the kit's own sums; None for infeasible."""
    if solution.status is Status.INFEASIBLE:
        assert solution.choice == ()
        return None
    assert solution.status is Status.OPTIMAL
    figures = ordered(problem, outcome(problem, solution.choice).figures)
    assert solution.objective == pytest.approx(figures[1])
    assert (solution.bound, solution.gap) == (solution.objective, 0.0)
    return figures


@settings(max_examples=100, deadline=None)
@given(problems(tasks=5, ranked=True))
def test_the_optimum_is_that_of_trying_everything(problem: DagProblem) -> None:
    """Both objectives, with whatever is charged, limited and preferred: the same figures, infeasible when it is."""
    solution = solve(problem)
    assert optimum(problem, solution) == best_of_all(problem)
    if solution.choice:
        assert solution.choice in [choice for choice, _ in feasible_plans(problem)]


@settings(max_examples=50, deadline=None)
@given(problems(ranked=True, loads=FINITE_LOADS))
def test_the_model_alone_finds_the_same(problem: DagProblem) -> None:
    """Without pruning, bounds or a plan at hand: all candidates, all pairs of places, every measure in its order."""
    model, variables = build(problem)
    solved = model.solve_in_order([terms(problem, variables, measure) for measure in problem.order])
    best = best_plan(problem)
    if best is None:
        assert [entry.status for entry in solved] == [Status.INFEASIBLE]
    else:
        figures = dict(zip(Measure, best, strict=True))
        assert [entry.objective for entry in solved] == pytest.approx(
            [figures[measure] for measure in problem.order], abs=1e-4
        )


def test_a_model_that_presolve_calls_infeasible_is_solved_without_it() -> None:
    """HiGHS 1.15.1 finds no solution of this one: five edges without data beside one with some, and slack limits."""
    free, away = [[0, 0], [0, 0]], [[0, 1], [0, 0]]
    tasks = (task("a", [(0, 0, 0)]), task("b", [(8, 0, 0)]), task("c", [(0, 0, 1), (0, 1, 0), (3, 0, 1)]))
    links = (edge(0, 2, away, away), *[edge(0, 1, free, free)] * 5)
    problem = DagProblem(tasks, links, Objective.COST, deadline_h=3.0, budget_usd=11.0)
    model, variables = build(problem)
    solved = model.solve_in_order([terms(problem, variables, measure) for measure in problem.order], 60.0)
    assert [entry.objective for entry in solved] == pytest.approx([0.0, 8.0, 1.0], abs=1e-4)


@pytest.mark.parametrize("objective", Objective)
def test_chain_diamond_and_forest(objective: Objective) -> None:
    """Moving between the two places costs $9, so each connected part stays together: where its sum is least."""
    cheap_first = task("a", [(1, 2, 0), (3, 1, 1)])
    cheap_last = task("b", [(4, 2, 0), (1, 2, 1)])
    for pairs, count in (([(0, 1), (1, 2)], 3), ([(0, 1), (0, 2), (1, 3), (2, 3)], 4), ([(0, 1), (2, 3)], 4)):
        tasks = tuple(replace(cheap_last if n % 2 else cheap_first, name=f"t{n}") for n in range(count))
        problem = DagProblem(tasks, tuple(edge(a, b, FREE, AT_ONCE) for a, b in pairs), objective)
        assert optimum(problem, solve(problem)) == best_of_all(problem)


def test_data_holds_a_task_where_it_is_dearer() -> None:
    """$2 saved elsewhere do not pay for $9 of egress."""
    tasks = (task("prep", [(1, 1, 0)]), task("train", [(5, 1, 0), (3, 1, 1)]))
    problem = DagProblem(tasks, (edge(0, 1, FREE, AT_ONCE),), Objective.COST)
    assert solve(problem).choice == (0, 0)
    assert solve(replace(problem, edges=())).choice == (0, 1)


def test_of_equals_the_first_is_chosen() -> None:
    """Candidates come in a fixed order, so that the same question has the same answer."""
    tasks = tuple(task(f"t{number}", [(1, 1, 0)] * 5) for number in range(3))
    assert solve(DagProblem(tasks, (edge(0, 2, [[0]], [[0]]),), Objective.TIME)).choice == (0, 0, 0)


def test_a_preference_comes_before_everything() -> None:
    """The dear preferred one while the budget allows it, the cheap other one where it does not."""
    wanted = task("t", [(9, 9, 0), (1, 1, 0)], preference=[0, 1])
    problem = DagProblem((wanted, task("u", [(1, 1, 0)])), (), Objective.COST)
    assert solve(problem).choice == (0, 0)
    strict = solve(replace(problem, budget_usd=5.0))
    assert (strict.choice, strict.objective, strict.bound) == ((1, 0), 2.0, 2.0)


def test_as_few_steps_down_as_the_limits_allow() -> None:
    """One of the two tasks must give way, and the one is chosen that makes the plan cheaper."""
    tasks = (task("a", [(5, 1, 0), (1, 1, 0)], preference=[0, 1]), task("b", [(5, 1, 0), (2, 1, 0)], preference=[0, 1]))
    solution = solve(DagProblem(tasks, (), Objective.COST, budget_usd=8.0))
    assert (solution.choice, solution.objective) == ((1, 0), 6.0)


def test_a_limit_is_kept_up_to_rounding() -> None:
    """Three times $0.1 is above $0.3 in floating point alone."""
    tasks = tuple(task(f"t{number}", [(0.1, 0.1, 0)]) for number in range(3))
    chain = (edge(0, 1, [[0]], [[0]]), edge(1, 2, [[0]], [[0]]))
    assert solve(DagProblem(tasks, chain, Objective.COST, deadline_h=0.3, budget_usd=0.3)).status is Status.OPTIMAL
    assert solve(DagProblem(tasks, chain, Objective.COST, budget_usd=0.2999)).status is Status.INFEASIBLE
    assert solve(DagProblem(tasks, chain, Objective.COST, deadline_h=0.2999)).status is Status.INFEASIBLE


def test_both_limits_can_be_too_much() -> None:
    """Cheap or fast, not both, and the point between them does not keep them either."""
    both = task("t", [(1, 9, 0), (9, 1, 0), (6, 6, 0)])
    problem = DagProblem((both, task("u", [(0, 0, 0)])), (), Objective.COST, deadline_h=5.0, budget_usd=5.0)
    assert solve(problem).status is Status.INFEASIBLE
    assert solve(replace(problem, deadline_h=6.0, budget_usd=6.0)).choice == (2, 0)


def test_limits_that_only_a_sum_of_cost_and_time_shows_to_conflict() -> None:
    """Each candidate of the three fits with the best of the others, but every plan comes to $ and h of 15 together."""
    tasks = tuple(task(f"t{number}", [(1, 4, 0), (4, 1, 0)]) for number in range(3))
    chain = tuple(edge(number, number + 1, [[0]], [[0]]) for number in range(2))
    problem = DagProblem(tasks, chain, Objective.COST, deadline_h=7.0, budget_usd=7.0)
    assert solve(problem).status is Status.INFEASIBLE
    assert solve(replace(problem, deadline_h=9.0)).objective == 6.0


def test_a_value_of_time_pays_for_the_faster_machine() -> None:
    """$3 more for 2 h less: worth it at $2 an hour, not at $1, which is then a tie for neither."""
    problem = DagProblem((task("t", [(1, 3, 0), (4, 1, 0)]),), (), Objective.COST)
    assert solve(replace(problem, value_of_time_usd_h=1.0)).choice == (0,)
    dear = solve(replace(problem, value_of_time_usd_h=2.0))
    assert (dear.choice, dear.objective) == ((1,), 6.0)


def test_what_is_charged_alike_is_told_apart_by_cost() -> None:
    """A surcharge counts as much as a price, but of two plans charged alike the cheaper comes first."""
    options = task("t", [(5, 1, 0), (3, 1, 0), (4, 1, 0)], surcharge_usd=[0, 2, 1])
    solution = solve(DagProblem((options,), (), Objective.COST))
    assert (solution.choice, solution.objective) == ((1,), 5.0)
    fast = solve(DagProblem((options,), (), Objective.TIME))
    assert (fast.choice, fast.objective) == ((1,), 1.0)


def test_a_surcharge_is_no_part_of_the_budget() -> None:
    """The budget is for what is paid: $3 of it, whatever is charged beyond."""
    options = task("t", [(9, 1, 0), (3, 1, 0)], surcharge_usd=[0, 5])
    assert solve(DagProblem((options,), (), Objective.COST, budget_usd=3.0)).choice == (1,)


def test_a_limit_in_all_is_shared_by_tasks_that_wait_for_each_other() -> None:
    """Of two units one task takes both: the other, and it is the one that saves less, goes without."""
    tasks = (task("a", [(1, 1, 0), (5, 1, 0)], loads=[[2, 0]]), task("b", [(1, 1, 0), (9, 1, 0)], loads=[[2, 0]]))
    problem = DagProblem(tasks, (edge(0, 1, [[0]], [[0]]),), Objective.COST, limits=(Limit("hours", 2.0),))
    assert solve(problem).choice == (1, 0)


def test_a_limit_at_once_is_free_again_for_the_next_of_a_chain() -> None:
    """Two tasks in a row may both take two units; the two that run side by side may not."""
    options = task("t", [(1, 1, 0), (5, 1, 0)], loads=[[2, 0]])
    tasks = (replace(options, name="a"), replace(options, name="b"))
    problem = DagProblem(
        tasks, (edge(0, 1, [[0]], [[0]]),), Objective.COST, limits=(Limit("quota", 2.0, at_once=True),)
    )
    assert solve(problem).choice == (0, 0)
    beside = solve(replace(problem, edges=()))
    assert sorted(beside.choice) == [0, 1]
    assert beside.objective == 6.0
    assert solve(replace(problem, limits=(Limit("quota", -1.0, at_once=True),))).status is Status.INFEASIBLE


def test_a_task_is_done_when_it_is_due() -> None:
    """The first task must be fast for the second's sake, and the third may take its time."""
    options = task("t", [(1, 5, 0), (4, 2, 0)])
    tasks = tuple(replace(options, name=name) for name in "abc")
    problem = DagProblem(tasks, (edge(0, 1, [[0]], [[1]]),), Objective.COST, due_h=(np.inf, 8.0, 5.0))
    assert sorted(solve(problem).choice[:2]) == [0, 1]
    assert solve(problem).choice[2] == 0
    assert solve(replace(problem, due_h=(np.inf, 4.0, np.inf))).status is Status.INFEASIBLE


def test_a_task_that_is_due_to_the_hour_and_late_by_rounding_alone_is_in_time() -> None:
    """A plan that keeps an instant of 1,000 h up to rounding keeps it, however short the first of its tasks is."""
    tasks = (task("a", [(1, 1, 0)]), task("b", [(1, 999.0000005, 0)]))
    problem = DagProblem(tasks, (edge(0, 1, [[0]], [[0]]),), Objective.COST, due_h=(np.inf, 1000.0))
    assert solve(problem).status is Status.OPTIMAL
    late = replace(problem, tasks=(tasks[0], task("b", [(1, 999.000005, 0)])))
    assert solve(late).status is Status.INFEASIBLE


def test_a_purse_pays_for_its_own_tasks_and_for_what_moves_between_them() -> None:
    """$6 pay for the dear machine of one task, not for a cheap one far away, nor for what the others cost."""
    tasks = (task("a", [(1, 1, 0)]), task("b", [(1, 1, 1), (5, 9, 0)]), task("c", [(50, 1, 0)]))
    problem = DagProblem(
        tasks, (edge(0, 1, FREE, AT_ONCE),), Objective.TIME, purses=(Purse("ab", frozenset({0, 1}), 6.0),)
    )
    assert solve(problem).choice == (0, 1, 0)
    assert solve(replace(problem, purses=(Purse("ab", frozenset({0, 1}), 11.0),))).choice == (0, 0, 0)
    assert solve(replace(problem, purses=(Purse("ab", frozenset({0, 1}), 5.0),))).status is Status.INFEASIBLE


def tangled(seed: int) -> DagProblem:
    """30 tasks, 60 edges and 12 places, with a deadline that the cheapest plan is far from keeping."""
    rng = np.random.default_rng(seed)
    tasks = tuple(
        task(f"t{n}", [(float(10 / fast), float(fast), place) for place in range(12) for fast in rng.uniform(1, 9, 3)])
        for n in range(30)
    )
    pairs = sorted({tuple(sorted(rng.choice(30, 2, replace=False).tolist())) for _ in range(60)})
    away = 1 - np.eye(12)
    edges = tuple(
        EdgeOptions(a, b, rng.uniform(0, 1, (12, 12)) * away, rng.uniform(0, 1, (12, 12)) * away) for a, b in pairs
    )
    return DagProblem(tasks, edges, Objective.COST, deadline_h=25.0)


def test_at_a_time_limit_the_best_plan_at_hand_and_a_true_gap() -> None:
    """Never "optimal": the plan keeps the deadline, and no plan is below the bound."""
    problem = tangled(1)
    solution = solve(problem, TimeLimit.of(0.4))
    assert solution.status is Status.FEASIBLE
    plan = schedule(problem, solution.choice)
    assert plan.makespan_h <= 25.0
    assert plan.cost_usd == pytest.approx(solution.objective)
    assert 0 < solution.bound < solution.objective
    assert solution.gap == pytest.approx((solution.objective - solution.bound) / solution.objective)


def test_without_time_for_the_solver_a_plan_that_is_easily_found_is_better_than_none() -> None:
    """Its bound is that of the relaxation."""
    problem = replace(tangled(2), deadline_h=None)
    solution = solve(problem, TimeLimit.of(0.0))
    assert solution.status is Status.FEASIBLE
    assert 0 < solution.bound < solution.objective
    assert solution.objective == pytest.approx(schedule(problem, solution.choice).cost_usd)


def test_without_time_and_without_a_plan_nothing_is_known() -> None:
    """Only the point between cheap and fast keeps both limits, and no weighing of the two finds it."""
    both = task("t", [(0, 10, 0), (10, 0, 0), (6, 6, 0), (5.9, 6.1, 0), (6.1, 5.9, 0)])
    tasks = (both, both, both)
    chain = tuple(edge(a, a + 1, [[0]], [[0]]) for a in range(2))
    problem = DagProblem(tasks, chain, Objective.COST, deadline_h=18.0, budget_usd=18.0)
    assert solve(problem, TimeLimit.of(0.0)).status is Status.UNKNOWN
    assert solve(problem).status is Status.OPTIMAL


def test_a_model_too_large_to_build_leaves_the_plan_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit of time as well: what it is worth is known from the relaxation."""
    monkeypatch.setattr(engine.problems.dag, "MOST_VARIABLES", 10)
    solution = solve(tangled(2))
    assert solution.status is Status.FEASIBLE
    assert 0 < solution.bound < solution.objective


@settings(max_examples=50, deadline=None)
@given(problems())
def test_when_time_is_up_what_is_said_of_a_plan_still_holds(problem: DagProblem) -> None:
    """Whatever is found before the solver keeps the limits; no plan that is preferred as much is below the bound."""
    solution, best = solve(problem, TimeLimit.of(0.0)), best_of_all(problem)
    if solution.status is Status.INFEASIBLE:
        assert best is None
    if solution.choice:
        assert best is not None
        assert solution.choice in [choice for choice, _ in feasible_plans(problem)]
        figures = ordered(problem, outcome(problem, solution.choice).figures)
        assert figures >= best
        if figures[0] == best[0]:
            assert solution.bound <= best[1] + 1e-9
        if solution.status is Status.OPTIMAL:
            assert figures[:2] == pytest.approx(best[:2])
