"""Which candidates of a DAG can keep the limits and the instants of the tasks, whatever is chosen beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.dag import Booleans, DagProblem, Floats, Integers
from engine.dag_dual import by_place
from engine.dag_times import earliest, edges_by
from engine.status import ROUNDING, raised


def within_limits(problem: DagProblem) -> list[Booleans]:
    """By task which candidates keep each limit beside the least of every other task, and are in time."""
    may_be = _in_time(problem)
    for index, limit in enumerate(problem.limits):
        least = np.array([task.loads[index].min() for task in problem.tasks])
        chains = [np.array(chain) for chain in problem.chains] if limit.at_once else [np.arange(least.size)]
        beside = _beside(least, chains) if limit.at_once else np.zeros_like(least)
        of_chain = [float(least[chain].max() if limit.at_once else least[chain].sum()) for chain in chains]
        for chain, taken in zip(chains, of_chain, strict=True):
            for number in chain:
                others = sum(of_chain) - taken if limit.at_once else taken - float(least[number])
                takes = np.maximum(beside[number], problem.tasks[number].loads[index])
                may_be[number] = may_be[number] & (others + takes <= raised(limit.most))
    return may_be


def _beside(least: Floats, chains: Sequence[Integers]) -> Floats:
    """By task the most that the others of its chain take at the least."""
    beside = np.zeros_like(least)
    for chain in chains:
        ranked = np.sort(least[chain])
        top, second = ranked[-1], ranked[-2] if chain.size > 1 else 0.0
        beside[chain] = np.where(least[chain] == top, second, top)
    return beside


def _in_time(problem: DagProblem) -> list[Booleans]:
    """By task which candidates can be done when they are due, and leave time to those that wait for them."""
    if not problem.due_h:
        return [np.ones(task.place.size, dtype=bool) for task in problem.tasks]
    _, ready = earliest(problem)
    latest = [np.full(problem.places, raised(due)) for due in problem.due_h]
    out_of = edges_by(problem, [edge.source for edge in problem.edges])
    for number in reversed(range(len(problem.tasks))):
        for edge in out_of[number]:
            target = problem.tasks[edge.target]
            starts = -by_place(target, target.hours - latest[edge.target][target.place], problem.places)
            latest[number] = np.minimum(latest[number], (starts[None, :] - edge.transfer_h).max(axis=1))
    return [
        np.maximum(task.ready_h, ready[number][task.place]) + task.hours <= _raised(latest[number][task.place])
        for number, task in enumerate(problem.tasks)
    ]


def _raised(instants: Floats) -> Floats:
    """Instants with room for rounding."""
    return instants + ROUNDING * np.maximum(1.0, np.abs(instants))
