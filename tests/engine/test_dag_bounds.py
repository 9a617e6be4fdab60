"""Bounds on the plans of a DAG: valid for every plan, exact where they should be, and losing no best plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem, Measure, best_choice, schedule
from engine.dag_bounds import (
    Backbone,
    preference_bounds,
    sum_bounds,
    tried_choices,
    within_reach,
)
from engine.status import NO_LIMIT, TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import Figures, best_plan, edge, feasible_plans, ordered, problems, task
from tests.kits.least_plans import assert_below, assert_equal, least_found


@settings(max_examples=50, deadline=None)
@given(problems(limits=False), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_no_plan_is_below_its_bounds(problem: DagProblem, usd_h: float) -> None:
    """By preference, by cost and time together, and by what is charged; with and without shifts."""
    assert_below(preference_bounds(problem), least_found(problem, {Measure.PREFERENCE: 1.0}))
    weighted = least_found(problem, {Measure.COST: 1.0, Measure.TIME: usd_h})
    charged = least_found(problem, {Measure.CHARGE: 1.0})
    for backbone in (Backbone.of(problem), Backbone.of(problem, NO_LIMIT)):
        assert_below(sum_bounds(problem, backbone, usd_h), weighted)
        assert_below(sum_bounds(problem, backbone, problem.value_of_time_usd_h, charged=True), charged)


@settings(max_examples=50, deadline=None)
@given(problems(limits=False, forest=True))
def test_on_a_forest_costs_are_exact(problem: DagProblem) -> None:
    """No edge is left out, so that each bound is the cost of a plan; and what is charged, if no hour is."""
    backbone = Backbone.of(problem)
    assert_equal(sum_bounds(problem, backbone, 0.0), least_found(problem, {Measure.COST: 1.0}))
    timeless = replace(problem, value_of_time_usd_h=0.0)
    assert_equal(sum_bounds(timeless, backbone, 0.0, charged=True), least_found(timeless, {Measure.CHARGE: 1.0}))


def test_an_hour_of_the_path_is_charged() -> None:
    """On a chain with a value of time the bound is what the best plan is charged, surcharge and transfer included."""
    away = [[0, 1], [1, 0]]
    tasks = (task("a", [(1, 3, 0), (4, 1, 1)], surcharge_usd=[0, 1]), task("b", [(1, 1, 0)]))
    problem = DagProblem(tasks, (edge(0, 1, away, away),), Objective.COST, value_of_time_usd_h=2.0)
    bounds = sum_bounds(problem, Backbone.of(problem), 2.0, charged=True)
    # $2 and 4 h of $2; from the other place $5, $1 of surcharge, $1 of egress and 3 h of $2.
    assert bounds.candidates[0].tolist() == [10.0, 13.0]
    assert bounds.least == 10.0


@settings(max_examples=50, deadline=None)
@given(problems(ranked=True), st.data())
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


@settings(max_examples=50, deadline=None)
@given(problems(ranked=True))
def test_the_least_within_reach_is_a_bound_on_the_objective(problem: DagProblem) -> None:
    """Of every plan, the best one included."""
    best = best_plan(problem)
    if best is not None:
        assert within_reach(problem, None).least <= ordered(problem, best)[1] + 1e-9


def test_limits_alone_put_plans_out_of_reach() -> None:
    """A deadline that one candidate cannot keep, a budget that another cannot, and both that no plan can."""
    tasks = (task("a", [(1, 9, 0), (9, 1, 0), (4, 4, 0)]), task("b", [(0, 0, 0)]))
    chain = (edge(0, 1, [[0]], [[0]]),)
    assert _reached(DagProblem(tasks, chain, Objective.COST, deadline_h=5.0, budget_usd=5.0)) == [[2], [0]]
    assert _reached(DagProblem(tasks, chain, Objective.COST, deadline_h=3.0, budget_usd=3.0)) == [[], []]


def _reached(problem: DagProblem) -> list[list[int]]:
    return [numbers.tolist() for numbers in within_reach(problem, None).candidates]


@settings(max_examples=50, deadline=None)
@given(problems(limits=False, forest=True))
def test_on_a_forest_the_cheapest_plan_is_among_those_tried(problem: DagProblem) -> None:
    """The sums with no weight on time are costs, and exact."""
    plans: dict[tuple[int, ...], Figures] = dict(feasible_plans(problem))
    best = min((plan.preference, plan.cost_usd) for plan in plans.values())
    assert best in [(plans[choice].preference, plans[choice].cost_usd) for choice in tried_choices(problem)]


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


@settings(max_examples=50, deadline=None)
@given(problems(limits=False))
def test_without_time_there_is_one_choice_of_least_cost_or_time(problem: DagProblem) -> None:
    """One for the preferred candidates, and one for all where they differ: the forest's best by the objective."""
    tried = tried_choices(problem, TimeLimit.of(0.0))
    assert 1 <= len(tried) <= 2
    assert set(tried) <= set(tried_choices(problem))


def test_without_time_what_is_tried_is_of_the_objective() -> None:
    """The cheap machine for the cost, the fast one for the time, whatever is charged beside the cost."""
    plain = DagProblem((task("t", [(1, 9, 0), (9, 1, 0)]),), (), Objective.COST)
    charged = replace(plain, tasks=(task("t", [(1, 9, 0), (9, 1, 0)], surcharge_usd=[1, 1]),))
    for problem in (plain, charged, replace(plain, value_of_time_usd_h=0.1)):
        assert tried_choices(problem, TimeLimit.of(0.0)) == [(0,)]
        assert tried_choices(replace(problem, objective=Objective.TIME), TimeLimit.of(0.0)) == [(1,)]
