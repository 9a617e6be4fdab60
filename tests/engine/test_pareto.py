"""The Pareto frontier against trying every choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem, Measure
from engine.limit import Limit
from engine.pareto import Frontier, frontier, skyline
from engine.status import TimeLimit
from engine.workload import Objective
from tests.kits.dag_instances import edge, feasible_plans, outcome, problems, task

AGAINST = st.sampled_from((Measure.TIME, Measure.LOAD))


def with_loads(problem: DagProblem, data: st.DataObject) -> DagProblem:
    """The problem with a first limit that never binds, of which candidates take small whole numbers."""
    loads = [
        np.array(data.draw(st.lists(st.integers(0, 4), min_size=options.place.size, max_size=options.place.size)))
        for options in problem.tasks
    ]
    tasks = tuple(
        replace(options, loads=(load.astype(float), *options.loads))
        for options, load in zip(problem.tasks, loads, strict=True)
    )
    return replace(problem, tasks=tasks, limits=(Limit("risk", 99.0), *problem.limits))


def expected(problem: DagProblem, against: Measure) -> list[tuple[float, float]]:
    """(charge, figure) of every plan that none equals or beats in both, among those of the fewest steps."""
    plans = [figures for _, figures in feasible_plans(problem)]
    fewest = min((plan.preference for plan in plans), default=0.0)
    both = sorted(
        {
            (plan.charge_usd, plan.makespan_h if against is Measure.TIME else plan.load)
            for plan in plans
            if plan.preference == fewest
        }
    )
    return [point for n, point in enumerate(both) if all(point[1] < before[1] for before in both[:n])]


def figures_of(problem: DagProblem, against: Measure, found: Frontier) -> list[tuple[float, float]]:
    """(charge, figure) of a frontier, by the kit's own sums."""
    plans = [outcome(problem, point.choice).figures for point in found.points]
    figures = [(plan.charge_usd, plan.makespan_h if against is Measure.TIME else plan.load) for plan in plans]
    said = [(point.charge_usd, point.figure) for point in found.points]
    assert np.array(said) == pytest.approx(np.array(figures))
    return figures


@settings(max_examples=40, deadline=None)
@given(problems(tasks=4, candidates=3), AGAINST, st.data())
def test_the_frontier_is_that_of_trying_everything(problem: DagProblem, against: Measure, data: st.DataObject) -> None:
    """Every point, and no other, whatever is limited, charged and preferred."""
    problem = with_loads(problem, data)
    found = frontier(problem, against)
    assert figures_of(problem, against, found) == expected(problem, against)
    assert found.complete or not found.points


@settings(max_examples=40, deadline=None)
@given(problems(tasks=1, candidates=6), AGAINST, st.data())
def test_of_one_task_the_skyline_is_the_same(problem: DagProblem, against: Measure, data: st.DataObject) -> None:
    """Without a solver: the candidates sorted by money."""
    problem = with_loads(problem, data)
    assert figures_of(problem, against, skyline(problem, against)) == expected(problem, against)
    assert figures_of(problem, against, frontier(problem, against)) == expected(problem, against)


def trades() -> DagProblem:
    """Two tasks in a row, each of which can save an hour for each of 1, 2, 4 and 8 dollars."""
    options = task("t", [(1, 5, 0), (2, 4, 0), (4, 3, 0), (8, 2, 0), (16, 1, 0)])
    tasks = (replace(options, name="a"), replace(options, name="b"))
    return DagProblem(tasks, (edge(0, 1, [[0]], [[0]]),), Objective.COST)


def test_each_hour_costs_more_than_the_one_before() -> None:
    """All nine sums, from 10 h to 2 h, each with the cheapest pair of machines."""
    points = frontier(trades(), Measure.TIME).points
    assert [(point.figure, point.charge_usd) for point in points] == [
        (10.0, 2.0),
        (9.0, 3.0),
        (8.0, 4.0),
        (7.0, 6.0),
        (6.0, 8.0),
        (5.0, 12.0),
        (4.0, 16.0),
        (3.0, 24.0),
        (2.0, 32.0),
    ]


def test_a_few_points_stand_for_the_frontier() -> None:
    """Both ends and the cheapest under the bounds between them; that there may be more is said."""
    found = frontier(trades(), Measure.TIME, points=3)
    assert [point.figure for point in found.points] == [10.0, 6.0, 2.0]
    assert not found.complete


def test_where_nothing_is_to_be_traded_there_is_one_point() -> None:
    """The cheapest is the fastest; asked for a few points, it is known to be all the same."""
    problem = DagProblem((task("t", [(1, 1, 0), (2, 2, 0)]),), (), Objective.COST)
    found = frontier(problem, Measure.TIME, points=5)
    assert ([point.choice for point in found.points], found.complete) == ([(0,)], True)


def test_small_figures_are_told_apart() -> None:
    """Risks of thousandths are no less a trade-off than hours."""
    options = task("t", [(1, 1, 0), (2, 1, 0), (3, 1, 0)], loads=[[3e-3, 2e-3, 1e-3]])
    problem = DagProblem((options, task("u", [(0, 0, 0)], loads=[[0]])), (), Objective.COST, limits=(Limit("r", 1.0),))
    assert [point.choice[0] for point in frontier(problem, Measure.LOAD).points] == [0, 1, 2]


def test_when_time_is_up_what_is_found_is_on_the_frontier() -> None:
    """Nothing is claimed to be complete, and nothing is in it that should not be."""
    found = frontier(trades(), Measure.TIME, TimeLimit.of(0.0))
    assert not found.complete
    assert set(found.points) <= set(frontier(trades(), Measure.TIME).points)
