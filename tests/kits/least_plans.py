"""The least that the plans of a tiny DAG come to, to hold bounds against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from engine.dag import DagProblem, Measure
from engine.dag_times import Bounds
from tests.kits.dag_instances import feasible_plans


def least_found(problem: DagProblem, weights: Mapping[Measure, float]) -> Bounds:
    """The least weighted sum of all plans, of those with each candidate and of those with each pair of places."""
    candidates = [np.full(options.place.size, np.inf) for options in problem.tasks]
    pairs = [np.full((problem.places, problem.places), np.inf) for _ in problem.edges]
    least = np.inf
    for choice, plan in feasible_plans(problem):
        total = sum(weights.get(measure, 0.0) * value for measure, value in zip(Measure, plan, strict=True))
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


def assert_equal(bounds: Bounds, found: Bounds) -> None:
    """Each bound is what a plan comes to."""
    assert bounds.least == pytest.approx(found.least)
    for bound, least in zip((*bounds.candidates, *bounds.pairs), (*found.candidates, *found.pairs), strict=True):
        assert bound == pytest.approx(least)
