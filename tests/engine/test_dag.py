"""Placing a DAG against trying every choice; what pruning may not lose, and what a time limit leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import engine.problems.dag
from engine.dag import DagProblem, EdgeOptions, Measure, best_choice, compact, prune, renumbered, schedule
from engine.dag_bounds import tried_choices
from engine.problems.dag import DagSolution, build, solve, terms
from engine.status import Status, TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import best_plan, edge, feasible_plans, ordered, plan_figures, problems, task

FREE = [[0, 9], [9, 0]]
AT_ONCE = [[0, 0], [0, 0]]


def outcome(problem: DagProblem, solution: DagSolution) -> tuple[float, ...] | None:
    """A solution's figures in the problem's order, by the kit's own sums; None for infeasible."""
    if solution.status is Status.INFEASIBLE:
        assert solution.choice == ()
        return None
    assert solution.status is Status.OPTIMAL
    figures = ordered(problem, plan_figures(problem, solution.choice))
    assert solution.objective == pytest.approx(figures[1])
    assert (solution.bound, solution.gap) == (solution.objective, 0.0)
    return figures


@settings(max_examples=300, deadline=None)
@given(problems())
def test_the_optimum_is_that_of_trying_everything(problem: DagProblem) -> None:
    """Both objectives, with and without limits and preferences: the same figures, infeasible exactly when it is."""
    assert outcome(problem, solve(problem)) == best_plan(problem)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_model_alone_finds_the_same(problem: DagProblem) -> None:
    """Without pruning, bounds or a plan at hand: all candidates, all pairs of places, every measure in its order."""
    model, variables = build(problem)
    solved = model.solve_in_order([terms(problem, variables, measure) for measure in problem.order])
    best = best_plan(problem)
    if best is None:
        assert [entry.status for entry in solved] == [Status.INFEASIBLE]
    else:
        assert [entry.objective for entry in solved] == pytest.approx(best, abs=1e-4)


@settings(max_examples=300, deadline=None)
@given(problems())
def test_pruning_never_loses_the_best_plan(problem: DagProblem) -> None:
    """What is left has the same best figures, by every measure in order, or is as infeasible."""
    pruned, kept = prune(problem)
    assert best_plan(pruned) == best_plan(problem)
    for options, numbers, left in zip(problem.tasks, kept, pruned.tasks, strict=True):
        assert list(numbers) == sorted(set(numbers))
        assert np.array_equal(options.cost_usd[numbers], left.cost_usd)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_places_without_candidates_can_go(problem: DagProblem) -> None:
    """Candidates keep their numbers and every choice its figures."""
    smaller = compact(problem)
    assert smaller.places <= problem.places
    assert list(feasible_plans(smaller)) == list(feasible_plans(problem))


@settings(max_examples=100, deadline=None)
@given(problems())
def test_a_schedule_is_what_the_choice_comes_to(problem: DagProblem) -> None:
    """Every choice: costs, makespan and preference as the kit finds them."""
    for choice, figures in feasible_plans(problem):
        plan = schedule(problem, choice)
        assert tuple(plan.figure(measure) for measure in Measure) == figures


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_best_of_some_choices(problem: DagProblem) -> None:
    """Of those tried, the best one within the limits; None where none is."""
    tried = tried_choices(problem)
    feasible = {choice: ordered(problem, plan) for choice, plan in feasible_plans(problem)}
    best = best_choice(problem, tried)
    expected = min((feasible[choice] for choice in tried if choice in feasible), default=None)
    assert (None if best is None else feasible[best]) == expected


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
        assert outcome(problem, solve(problem)) == best_plan(problem)


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


def test_pruning_leaves_the_first_of_equals_and_what_only_a_neighbour_can_judge() -> None:
    """A second machine of the same price goes; one in another place stays, for the data may be there."""
    tasks = (task("a", [(1, 1, 0), (1, 1, 0), (2, 1, 1), (20, 1, 1)]), task("b", [(1, 1, 0), (1, 1, 1)]))
    _, kept = prune(DagProblem(tasks, (edge(0, 1, FREE, AT_ONCE),), Objective.COST))
    assert [list(numbers) for numbers in kept] == [[0, 2], [0, 1]]


def test_pruning_compares_places_by_the_worst_that_can_happen() -> None:
    """$9 of egress at most: a machine $10 dearer elsewhere can never pay, one $8 dearer can."""
    tasks = (task("a", [(1, 1, 0), (11, 1, 1), (9, 1, 1)]), task("b", [(1, 1, 0), (1, 1, 1)]))
    _, kept = prune(
        DagProblem((tasks[0].take(np.array([0, 1])), tasks[1]), (edge(0, 1, FREE, AT_ONCE),), Objective.COST)
    )
    assert list(kept[0]) == [0]
    _, kept = prune(
        DagProblem((tasks[0].take(np.array([0, 2])), tasks[1]), (edge(0, 1, FREE, AT_ONCE),), Objective.COST)
    )
    assert list(kept[0]) == [0, 1]


def test_a_faster_transfer_is_no_credit_where_the_task_waits_for_something_else() -> None:
    """Inputs come after 5 h, so that data which is there after 1 h does not make up for a run of 4 h."""
    near, far = (0, 1, 1), (0, 4, 2)
    tasks = (task("a", [(0, 0, 0)]), task("b", [near, far], ready_h=[5, 5]))
    transfer_h = [[0, 5, 1], [5, 0, 0], [1, 0, 0]]
    problem = DagProblem(tasks, (edge(0, 1, [[0] * 3] * 3, transfer_h),), Objective.TIME)
    _, kept = prune(problem)
    assert list(kept[1]) == [0, 1]
    assert solve(problem).objective == 6.0


def test_a_choice_in_other_numbers() -> None:
    """An empty choice is that of no plan."""
    kept = [np.array([3, 5]), np.array([0, 7])]
    assert renumbered((1, 0), kept) == (5, 0)
    assert renumbered((), kept) == ()


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


@settings(max_examples=100, deadline=None)
@given(problems())
def test_when_time_is_up_what_is_said_of_a_plan_still_holds(problem: DagProblem) -> None:
    """Whatever is found before the solver keeps the limits; no plan that is preferred as much is below the bound."""
    solution, best = solve(problem, TimeLimit.of(0.0)), best_plan(problem)
    if solution.status is Status.INFEASIBLE:
        assert best is None
    if solution.choice:
        assert best is not None
        figures = ordered(problem, plan_figures(problem, solution.choice))
        assert figures in [ordered(problem, plan) for _, plan in feasible_plans(problem)]
        assert figures >= best
        if figures[0] == best[0]:
            assert solution.bound <= best[1] + 1e-9
        if solution.status is Status.OPTIMAL:
            assert figures[:2] == pytest.approx(best[:2])


def test_tasks_that_share_their_arrays_share_what_is_left_of_them() -> None:
    """The middle tasks of a chain are pruned once; the ends, with one neighbour, on their own."""
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


def test_pruning_out_of_time_leaves_what_is_only_dominated_from_elsewhere() -> None:
    """Within a place it is quick, and always done."""
    tasks = (task("a", [(1, 1, 0), (1, 1, 0), (20, 1, 1)]), task("b", [(1, 1, 0)]))
    problem = DagProblem(tasks, (edge(0, 1, FREE, AT_ONCE),), Objective.COST)
    assert [list(numbers) for numbers in prune(problem)[1]] == [[0], [0]]
    assert [list(numbers) for numbers in prune(problem, TimeLimit.of(0.0))[1]] == [[0, 2], [0]]
