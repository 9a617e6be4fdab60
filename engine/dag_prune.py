"""Candidates of a DAG that never need to be chosen: another one in the same place always replaces them at no loss."""

from __future__ import annotations

import numpy as np

from engine.dag import Booleans, DagProblem, Floats, Integers, TaskOptions


def prune(problem: DagProblem) -> tuple[DagProblem, list[Integers]]:
    """The problem without dominated candidates, and the numbers of those kept, ascending.

    Candidate b falls to a if both are in one place and a is no less preferred, no dearer, no slower, charged no more,
    takes no more of any limit, and has its inputs no later. The edges do not tell the two apart: data moves between
    places. So swapping b for a in any plan keeps every limit and worsens no measure, whichever other candidates have
    been swapped already; of equals the first stays. Nearly all fall: a place sells hundreds of machines, and a few of
    them are worth having. Which places are worth having, the bounds tell (engine.dag_bounds).

    Tasks that share their arrays share what is left of them.
    """
    found: dict[tuple[int, ...], Integers] = {}
    for task in problem.tasks:
        if task.columns not in found:
            found[task.columns] = _undominated(task)
    kept = [found[task.columns] for task in problem.tasks]
    return problem.take(kept), kept


def _undominated(task: TaskOptions) -> Integers:
    """The numbers of the candidates that none of the same place, arrival and preference dominates."""
    alike = (task.preference, task.ready_h, task.place)
    burdens = task.loads if task.surcharge_usd is None else (task.surcharge_usd, *task.loads)
    weighed = [burden for burden in burdens if (burden != burden[:1]).any()]
    order = np.lexsort((*weighed, task.hours, task.cost_usd, *alike))
    opens_group = np.zeros(order.size, dtype=bool)
    for column in alike:
        opens_group[1:] |= np.diff(column[order]) != 0
    if not weighed:
        stays = _faster_than_all_before(task.hours[order], opens_group)
    else:
        figures = np.array([task.cost_usd, task.hours, *weighed])[:, order]
        groups = np.split(figures, np.flatnonzero(opens_group), axis=1)
        stays = np.concatenate([_no_worse_before(group) for group in groups])
    return np.sort(order[stays])


def _faster_than_all_before(hours: Floats, opens_group: Booleans) -> Booleans:
    """Which of those sorted by price within groups are faster than all before them in their group."""
    # Runs as whole numbers, those of each group below all those before: one running minimum then serves all groups.
    _, run = np.unique(hours, return_inverse=True)
    run -= np.cumsum(opens_group) * (hours.size + 1)
    stays = np.ones(hours.size, dtype=bool)
    stays[1:] = run[1:] < np.minimum.accumulate(run)[:-1]
    return stays


def _no_worse_before(figures: Floats) -> Booleans:
    """Which columns have none before them that is no worse in any row; sorted by the rows, only those before can be."""
    stays = np.ones(figures.shape[1], dtype=bool)
    for number in range(figures.shape[1]):
        if stays[number]:
            stays[number + 1 :] &= (figures[:, number + 1 :] < figures[:, [number]]).any(axis=0)
    return stays
