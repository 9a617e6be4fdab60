"""Bounds on the plans of a DAG: valid for every plan, exact where they should be, and losing no best plan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem, Measure, best_choice, schedule
from engine.dag_bounds import (
    Backbone,
    Bounds,
    preference_bounds,
    sum_bounds,
    time_bounds,
    tried_choices,
    within_reach,
)
from engine.status import NO_LIMIT, TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import Figures, best_plan, edge, feasible_plans, ordered, problems, task

UNLIMITED = problems(limits=False)


def least_found(problem: DagProblem, figure: dict[Measure, float]) -> Bounds:
    """The least weighted figures of all plans, of those with each candidate and of those with each pair of places."""
    candidates = [np.full(options.place.size, np.inf) for options in problem.tasks]
    pairs = [np.full((problem.places, problem.places), np.inf) for _ in problem.edges]
    least = np.inf
    for choice, plan in feasible_plans(problem):
        total = sum(figure.get(measure, 0.0) * value for measure, value in zip(Measure, plan, strict=True))
        least = min(least, total)
        for of_task, number in zip(candidates, choice, strict=True):
            of_task[number] = min(of_task[number], total)
        place = [options.place[number] for options, number in zip(problem.tasks, choice, strict=True)]
        for of_edge, link in zip(pairs, problem.edges, strict=True):
            pair = place[link.source], place[link.target]
            of_edge[pair] = min(of_edge[pair], total)
    return Bounds(float(least), tuple(candidates), tuple(pairs))


def assert_below(bounds: Bounds, found: Bounds) -> None:
    """No plan comes to less than its bound."""
    assert bounds.least <= found.least + 1e-9
    for bound, least in zip((*bounds.candidates, *bounds.pairs), (*found.candidates, *found.pairs), strict=True):
        assert (bound <= least + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(UNLIMITED, st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_no_plan_is_below_its_bounds(problem: DagProblem, usd_h: float) -> None:
    """By preference, by time, by cost, and by cost and time together."""
    assert_below(preference_bounds(problem), least_found(problem, {Measure.PREFERENCE: 1.0}))
    assert_below(time_bounds(problem), least_found(problem, {Measure.TIME: 1.0}))
    weighted = least_found(problem, {Measure.COST: 1.0, Measure.TIME: usd_h})
    assert_below(sum_bounds(problem, Backbone.of(problem), usd_h), weighted)
    assert_below(sum_bounds(problem, Backbone.of(problem, NO_LIMIT), usd_h), weighted)


@settings(max_examples=100, deadline=None)
@given(problems(limits=False, forest=True))
def test_on_a_forest_costs_are_exact(problem: DagProblem) -> None:
    """No edge is left out, so that each bound is the cost of a plan."""
    bounds, found = sum_bounds(problem, Backbone.of(problem), 0.0), least_found(problem, {Measure.COST: 1.0})
    assert bounds.least == pytest.approx(found.least)
    for bound, least in zip((*bounds.candidates, *bounds.pairs), (*found.candidates, *found.pairs), strict=True):
        assert bound == pytest.approx(least)


def test_on_a_chain_times_are_exact() -> None:
    """The fastest way through each candidate of three tasks, and over each pair of places; inputs can only delay it."""
    away = [[0, 4], [4, 0]]
    tasks = (task("a", [(0, 3, 0), (0, 2, 1)]), task("b", [(0, 1, 0)]), task("c", [(0, 1, 0), (0, 1, 1)]))
    chain = (edge(0, 1, away, away), edge(1, 2, away, away))
    bounds = time_bounds(DagProblem(tasks, chain, Objective.TIME))
    assert [hours.tolist() for hours in bounds.candidates] == [[5, 8], [5], [5, 9]]
    assert bounds.pairs[0].tolist() == [[5, np.inf], [8, np.inf]]
    assert bounds.least == 5
    waiting = (tasks[0], task("b", [(0, 1, 0)], ready_h=[6]), tasks[2])
    assert time_bounds(DagProblem(waiting, chain, Objective.TIME)).least == 8


@settings(max_examples=150, deadline=None)
@given(problems(), st.data())
def test_what_is_no_worse_than_a_plan_is_within_reach(problem: DagProblem, data: st.DataObject) -> None:
    """All its candidates and all its pairs of places, whichever plan is at hand; without one, every plan is."""
    plans = list(feasible_plans(problem))
    hand = data.draw(st.none() | st.sampled_from(plans)) if plans else None
    reach = within_reach(problem, None if hand is None else schedule(problem, hand[0]))
    for choice, plan in plans:
        if hand is None or ordered(problem, plan) <= ordered(problem, hand[1]):
            assert_within(problem, reach.candidates, reach.pairs, choice)


def assert_within(
    problem: DagProblem, candidates: tuple[np.ndarray, ...], pairs: tuple[np.ndarray, ...], choice: tuple[int, ...]
) -> None:
    """A choice is made of what is within reach."""
    assert all(number in numbers for number, numbers in zip(choice, candidates, strict=True))
    place = [int(options.place[number]) for options, number in zip(problem.tasks, choice, strict=True)]
    assert all(may[place[link.source], place[link.target]] for may, link in zip(pairs, problem.edges, strict=True))


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_least_within_reach_is_a_bound_on_the_objective(problem: DagProblem) -> None:
    """Of every plan, the best one included."""
    best = best_plan(problem)
    if best is not None:
        assert within_reach(problem, None).least <= best[1] + 1e-9


def test_limits_alone_put_plans_out_of_reach() -> None:
    """A deadline that one candidate cannot keep, a budget that another cannot, and both that no plan can."""
    tasks = (task("a", [(1, 9, 0), (9, 1, 0), (4, 4, 0)]), task("b", [(0, 0, 0)]))
    chain = (edge(0, 1, [[0]], [[0]]),)
    assert _reached(DagProblem(tasks, chain, Objective.COST, deadline_h=5.0, budget_usd=5.0)) == [[2], [0]]
    assert _reached(DagProblem(tasks, chain, Objective.COST, deadline_h=3.0, budget_usd=3.0)) == [[], []]


def _reached(problem: DagProblem) -> list[list[int]]:
    return [numbers.tolist() for numbers in within_reach(problem, None).candidates]


@settings(max_examples=100, deadline=None)
@given(problems(limits=False, forest=True))
def test_on_a_forest_the_cheapest_plan_is_among_those_tried(problem: DagProblem) -> None:
    """The sums with no weight on time are costs, and exact."""
    plans: dict[tuple[int, ...], Figures] = dict(feasible_plans(problem))
    fewest = min(plan[0] for plan in plans.values())
    cheapest = min(plan[1] for plan in plans.values() if plan[0] == fewest)
    assert cheapest in [plans[choice][1] for choice in tried_choices(problem) if plans[choice][0] == fewest]


def test_with_a_preference_the_others_are_tried_as_well() -> None:
    """The preferred machine is beyond the budget: a plan with the other one is at hand."""
    problem = DagProblem((task("t", [(9, 1, 0), (1, 1, 0)], preference=[0, 1]),), (), Objective.COST, budget_usd=5.0)
    assert tried_choices(problem) == [(0,), (1,)]
    assert best_choice(problem, tried_choices(problem)) == (1,)


def test_a_path_through_the_dag_is_the_backbone() -> None:
    """Of a diamond the slower side, and a forest of three edges that holds it."""
    tasks = [task(name, [(1, hours, 0)]) for name, hours in (("a", 1), ("b", 5), ("c", 2), ("d", 1))]
    links = tuple(edge(a, b, [[0]], [[0]]) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3)))
    backbone = Backbone.of(DagProblem(tuple(tasks), links, Objective.TIME))
    assert backbone.tasks == {0, 1, 3}
    assert backbone.edges == {0, 2}
    assert {link.edge for link in backbone.links} >= {0, 2}
    assert len(backbone.links) == 3
    assert len(backbone.roots) == 1


@settings(max_examples=100, deadline=None)
@given(problems(limits=False))
def test_without_time_there_is_one_choice_of_least_cost_or_time(problem: DagProblem) -> None:
    """One for the preferred candidates, and one for all where they differ: the forest's best by the objective."""
    tried = tried_choices(problem, TimeLimit.of(0.0))
    assert 1 <= len(tried) <= 2
    assert set(tried) <= set(tried_choices(problem))
