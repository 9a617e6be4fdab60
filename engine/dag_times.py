"""When the tasks of a DAG can be done at the earliest, each free to be in any place, and what a plan then takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.dag import DagProblem, EdgeOptions, Floats
from engine.dag_dual import by_place


@dataclass(frozen=True)
class Bounds:
    """The least that a plan comes to: any plan, one with a candidate (by task), one with a pair of places (by edge)."""

    least: float
    candidates: tuple[Floats, ...]
    pairs: tuple[Floats, ...]


def time_bounds(problem: DagProblem) -> Bounds:
    """The fastest way to the end of a candidate's run and on from there, each of its neighbours free to move."""
    done, ready = earliest(problem)
    rest = _rest(problem)
    candidates = tuple(
        np.maximum(task.ready_h, ready[number][task.place]) + task.hours + rest[number][task.place]
        for number, task in enumerate(problem.tasks)
    )
    onward = [by_place(task, task.hours + rest[n][task.place], problem.places) for n, task in enumerate(problem.tasks)]
    pairs = tuple(done[edge.source][:, None] + edge.transfer_h + onward[edge.target][None, :] for edge in problem.edges)
    return Bounds(max(float(hours.min()) for hours in candidates), candidates, pairs)


def earliest(problem: DagProblem) -> tuple[list[Floats], list[Floats]]:
    """By task and place: when the task can be done at the earliest, and when its data can be there."""
    ready = [np.zeros(problem.places) for _ in problem.tasks]
    done: list[Floats] = []
    into = edges_by(problem, [edge.target for edge in problem.edges])
    for number, task in enumerate(problem.tasks):
        for edge in into[number]:
            arrives = (done[edge.source][:, None] + edge.transfer_h).min(axis=0)
            ready[number] = np.maximum(ready[number], arrives)
        start = np.maximum(task.ready_h, ready[number][task.place])
        done.append(by_place(task, start + task.hours, problem.places))
    return done, ready


def _rest(problem: DagProblem) -> list[Floats]:
    """By task and place: hours from the end of the task to the end of the plan at the least."""
    rest = [np.zeros(problem.places) for _ in problem.tasks]
    out_of = edges_by(problem, [edge.source for edge in problem.edges])
    for number in reversed(range(len(problem.tasks))):
        for edge in out_of[number]:
            target = problem.tasks[edge.target]
            onward = by_place(target, target.hours + rest[edge.target][target.place], problem.places)
            rest[number] = np.maximum(rest[number], (edge.transfer_h + onward[None, :]).min(axis=1))
    return rest


def edges_by(problem: DagProblem, ends: Sequence[int]) -> list[list[EdgeOptions]]:
    """By task the edges that have it at this end."""
    found: list[list[EdgeOptions]] = [[] for _ in problem.tasks]
    for edge, end in zip(problem.edges, ends, strict=True):
        found[end].append(edge)
    return found
