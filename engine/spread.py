"""Tasks whose nodes may be in several places, as equal groups of nodes that are tasks of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from engine.planned import MOST_TASKS, TooLargeError
from engine.workload import Edge, Task, Workload

MARK: Final = "#"
_GROUP: Final = re.compile(rf"(.+{MARK})(\d+)")


def with_groups(workload: Workload) -> Workload:
    """The workload with each task that may be spread written as its groups, `train#1`, `train#2` and so on.

    A group has its share of the nodes, of the work, of the inputs and outputs, and of the data of every edge; hours
    that are given hold for each group. How many groups end up in one place is then a matter of cost and of what there
    is.

    Raises:
        TooLargeError: there are more groups than can be placed together.
    """
    if all(task.spread == 1 for task in workload.tasks):
        return workload
    if (number := sum(task.spread for task in workload.tasks)) > MOST_TASKS:
        raise TooLargeError(number)
    mark = MARK
    while any(mark in task.name for task in workload.tasks):
        mark += MARK
    groups = {task.name: _groups(task, mark) for task in workload.tasks}
    edges = [
        Edge(source.name, target.name, edge.data_gb / (len(groups[edge.source]) * len(groups[edge.target])))
        for edge in workload.edges
        for source in groups[edge.source]
        for target in groups[edge.target]
    ]
    return replace(workload, tasks=tuple(group for each in groups.values() for group in each), edges=tuple(edges))


def _groups(task: Task, mark: str) -> tuple[Task, ...]:
    if task.spread == 1:
        return (task,)
    estimate = task.estimate
    if estimate is not None and estimate.work is not None:
        estimate = replace(estimate, work=estimate.work / task.spread)
    share = replace(
        task,
        num_nodes=task.num_nodes // task.spread,
        spread=1,
        estimate=estimate,
        inputs=_shared(task.inputs, task.spread),
        outputs=_shared(task.outputs, task.spread),
    )
    return tuple(replace(share, name=f"{task.name}{mark}{number}") for number in range(1, task.spread + 1))


def _shared(data_gb: Mapping[str, float], groups: int) -> dict[str, float]:
    return {url: size / groups for url, size in data_gb.items()}


def stem(name: str) -> str:
    """What the names of the groups of one task have in common (`train#`); the whole name of another task."""
    group = _GROUP.fullmatch(name)
    return group[1] if group else name


def names_text(names: Iterable[str]) -> str:
    """Names of tasks for people: `train#1-3, train#5, eval`."""
    runs: list[tuple[str, int, int]] = []
    for name in names:
        group = _GROUP.fullmatch(name)
        number = int(group[2]) if group else 0
        if runs and group and runs[-1][0] == group[1] and runs[-1][2] == number - 1:
            runs[-1] = group[1], runs[-1][1], number
        else:
            runs.append((group[1] if group else name, number, number))
    return ", ".join(
        f"{text}{first}-{last}" if first < last else f"{text}{first}" if first else text for text, first, last in runs
    )
