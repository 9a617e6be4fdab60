"""Costs of a DAG shifted between edges and tasks, so that bounds which look at a part of the edges see all of them.

Max-product linear programming (Globerson and Jaakkola 2007), as a minimisation: block coordinate ascent on the dual of
the relaxation in which the places at the two ends of an edge need to agree only on average.
"""

from __future__ import annotations

from itertools import pairwise, repeat, takewhile
from typing import Final

import numpy as np

from engine.dag import DagProblem, Floats, TaskOptions
from engine.status import NO_LIMIT, TimeLimit

Shifts = list[tuple[Floats, Floats]]
"""By edge what of its cost the place of its source bears, and what that of its target bears."""

MOST_ROUNDS: Final = 60
LEAST_RISE: Final = 1e-4
"""A round that lifts the bound by less, relative to it, is the last."""


def by_place(task: TaskOptions, figures: Floats, places: int) -> Floats:
    """The least of the figures in each place, infinite where the task has no candidate."""
    least = np.full(places, np.inf)
    np.minimum.at(least, task.place, figures)
    return least


def shifts_of(problem: DagProblem, limit: TimeLimit = NO_LIMIT) -> Shifts:
    """Shifts under which what the tasks cost alone, each in its best place, comes close to what a plan costs.

    Any shifts leave the cost of every plan as it is. With these no pair of places that have candidates has a cost
    below 0 left on its edge.
    """
    shifts = [(np.zeros(problem.places), np.zeros(problem.places)) for _ in problem.edges]
    borne = [by_place(task, task.cost_usd, problem.places) for task in problem.tasks]
    rounds = takewhile(lambda _: limit.allows(), repeat(None, MOST_ROUNDS))
    bounds = (_round(problem, shifts, borne) for _ in rounds)
    for before, after in pairwise(bounds):
        if after - before <= LEAST_RISE * after:
            break
    return shifts


def _round(problem: DagProblem, shifts: Shifts, borne: list[Floats]) -> float:
    """Share each edge's cost anew between its ends, half and half; the bound that the tasks alone then give."""
    for number, edge in enumerate(problem.edges):
        source, target = borne[edge.source] - shifts[number][0], borne[edge.target] - shifts[number][1]
        at_source = (edge.egress_usd + target[None, :]).min(axis=1)
        at_target = (edge.egress_usd + source[:, None]).min(axis=0)
        shifts[number] = _half(at_source, source), _half(at_target, target)
        borne[edge.source], borne[edge.target] = source + shifts[number][0], target + shifts[number][1]
    return float(sum(figures.min() for figures in borne))


def _half(through_edge: Floats, alone: Floats) -> Floats:
    """Half of what an end's cost through the edge is above that without it; nothing where it has no candidate."""
    shift = np.zeros_like(alone)
    np.subtract(through_edge, alone, out=shift, where=np.isfinite(alone))
    return shift / 2
