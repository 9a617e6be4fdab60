"""The candidates of all tasks of a workload, found once for tasks that differ in nothing that placing looks at."""

from __future__ import annotations

from dataclasses import replace

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, candidates_of
from engine.matching import Matched, match
from engine.planned import MOST_TASKS, TooLargeError
from engine.workload import Task, Workload


def find_all(workload: Workload, snapshot: Snapshot) -> list[Candidates]:
    """The candidates of each task; tasks that are alike share the frame.

    Offers are matched once for all tasks that ask for the same, and priced once for all that take the same offers and
    differ in their run times alone.

    Raises:
        TooLargeError: there are more tasks than can be placed together.
    """
    if len(workload.tasks) > MOST_TASKS:
        raise TooLargeError(len(workload.tasks))
    sources = {edge.source for edge in workload.edges}
    keys = {task.name: _likeness(task, hands_on=task.name in sources) for task in workload.tasks}
    first = {keys[task.name]: task for task in reversed(workload.tasks)}
    groups: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys.values()):
        timeless = _without_hours(first[key])
        groups.setdefault(_likeness(timeless, hands_on=first[key].name in sources), []).append(key)
    matched: dict[str, Matched] = {}
    found: dict[str, Candidates] = {}
    for group in groups.values():
        tasks = [first[key] for key in group]
        asked = repr((tasks[0].requirements, tasks[0].num_nodes))
        if asked not in matched:
            matched[asked] = match(tasks[0], workload.residency, snapshot)
        found |= zip(group, candidates_of(tasks, matched[asked], workload, snapshot), strict=True)
    return [_of(task, found[keys[task.name]]) for task in workload.tasks]


def _likeness(task: Task, *, hands_on: bool) -> str:
    """All of a task that its candidates depend on; `hands_on` says whether another one takes its output."""
    return repr((task.requirements, task.num_nodes, task.estimate, task.inputs, task.outputs, task.ordered, hands_on))


def _without_hours(task: Task) -> Task:
    """The task without how long it works."""
    if task.estimate is None:
        return task
    return replace(task, estimate=replace(task.estimate, hours=None, work=None, throughput={}))


def _of(task: Task, candidates: Candidates) -> Candidates:
    """The candidates of a task that is like theirs: what was assumed is said of it by its own name."""
    theirs = f"{candidates.task.name}: "
    assumptions = tuple(f"{task.name}: {line.removeprefix(theirs)}" for line in candidates.assumptions)
    return replace(candidates, task=task, assumptions=assumptions)
