"""Which candidates of a DAG can keep the limits and the instants of the tasks, whatever is chosen beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.antichains import bit_numbers, bits, heaviest_antichain
from engine.dag import Booleans, DagProblem, Floats
from engine.dag_dual import by_place
from engine.dag_times import earliest, edges_by
from engine.status import ROUNDING, raised


def within_limits(problem: DagProblem) -> list[Booleans]:
    """By task which candidates keep each limit beside the least of every other task, and are in time.

    Of a limit at once the least of the others is what the heaviest antichain of the least loads takes, without the
    tasks that cannot run beside this one: with it the rest is an antichain too.
    """
    may_be = _in_time(problem)
    for index, limit in enumerate(problem.limits):
        least = [float(task.loads[index].min()) for task in problem.tasks]
        together = heaviest_antichain(least, problem.after) if limit.at_once else range(len(least))
        taken = sum(least[number] for number in together)
        beside = _beside(problem, together, least) if limit.at_once else [taken - own for own in least]
        for number, task in enumerate(problem.tasks):
            takes = np.maximum(taken, beside[number] + task.loads[index])
            may_be[number] = may_be[number] & (takes <= raised(limit.most))
    return may_be


def _beside(problem: DagProblem, together: Sequence[int], least: Sequence[float]) -> list[float]:
    """By task the least of those `together`, but for itself, those that it waits for and those that wait for it."""
    apart = [0.0] * len(least)
    among = bits(together)
    for task in together:
        for other in (task, *bit_numbers(problem.after[task])):
            apart[other] += least[task]
    for task, later in enumerate(problem.after):
        apart[task] += sum(least[other] for other in bit_numbers(later & among))
    taken = sum(least[task] for task in together)
    return [taken - of_task for of_task in apart]


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
