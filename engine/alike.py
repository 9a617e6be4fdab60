"""The candidates of all tasks of a workload, found once for tasks that differ in nothing that placing looks at."""

from __future__ import annotations

from dataclasses import replace

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, find_candidates
from engine.planned import MOST_TASKS, TooLargeError
from engine.workload import Task, Workload


def find_all(workload: Workload, snapshot: Snapshot) -> list[Candidates]:
    """The candidates of each task; tasks that are alike share the frame.

    Raises:
        TooLargeError: there are more tasks than can be placed together.
    """
    if len(workload.tasks) > MOST_TASKS:
        raise TooLargeError(len(workload.tasks))
    sources = {edge.source for edge in workload.edges}
    first: dict[str, Candidates] = {}
    found = []
    for task in workload.tasks:
        key = _likeness(task, hands_on=task.name in sources)
        if key not in first:
            first[key] = find_candidates(task, workload, snapshot)
        found.append(_of(task, first[key]))
    return found


def _likeness(task: Task, *, hands_on: bool) -> str:
    """All of a task that its candidates depend on; `hands_on` says whether another one takes its output."""
    return repr((task.requirements, task.num_nodes, task.estimate, task.inputs, task.outputs, task.ordered, hands_on))


def _of(task: Task, candidates: Candidates) -> Candidates:
    """The candidates of a task that is like theirs: what was assumed is said of it by its own name."""
    theirs = f"{candidates.task.name}: "
    assumptions = tuple(
        f"{task.name}: {line.removeprefix(theirs)}" if line.startswith(theirs) else line
        for line in candidates.assumptions
    )
    return replace(candidates, task=task, assumptions=assumptions)
