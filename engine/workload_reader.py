"""YAML text -> Workload, or every problem of the text with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from catalog_data.normalise import nearest_name
from engine.source_text import Source, read_source
from engine.workload import Edge, Estimate, JobGroup, Objective, Residency, Task, Workload
from engine.workload_errors import Fault, InvalidValueError, Problem, WorkloadError, shown
from engine.workload_estimates import unused_estimates
from engine.workload_graph import topological_order
from engine.workload_layout import Entry, Layout, Shape, check_names, lay_out
from engine.workload_resources import expand_resources
from engine.workload_schema import GROUP_FIELDS, WrittenDocument, WrittenEstimate, WrittenTaskBody, json_schema

__all__ = ["Problem", "WorkloadError", "json_schema", "read_workload"]

_CARRIED: Final = (
    "managed_secrets",
    "file_mounts_mapping",
    "volume_mounts",
    "experimental",
    "event_callback",
    "api_server_access",
)


def read_workload(text: str, *, file: str = "<workload>") -> Workload:
    """The workload that a YAML text describes; `file` is its name in messages, and names what has no name.

    Raises:
        WorkloadError: with all problems that were found, in the order of the file.
    """
    source = read_source(text, file=file)
    layout = lay_out(source)
    check_names(source, layout.entries)
    tasks = {entry.name: _task(source, entry) for entry in layout.entries}
    edges, assumptions = _edges(source, layout, tasks)
    order = _order(source, layout, edges)
    group = _group(source, layout)
    source.check()
    assumptions += _one_of_many(tasks.values())
    assumptions += (each for task in tasks.values() for each in unused_estimates(task))
    deadline = layout.written.deadline
    if isinstance(deadline, datetime) and deadline.tzinfo is None:
        deadline = deadline.replace(tzinfo=UTC)
        assumptions.append(f"the deadline names no time zone: it is taken as {deadline:%Y-%m-%d %H:%M} UTC")
    return Workload(
        name=layout.name,
        tasks=tuple(tasks[name] for name in order),
        edges=edges,
        deadline_hours=deadline if isinstance(deadline, float) else None,
        deadline_at=deadline if isinstance(deadline, datetime) else None,
        budget_usd=layout.written.budget,
        residency=_residency(layout.written),
        objective=Objective(layout.written.objective or Objective.COST),
        group=group,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        assumptions=tuple(assumptions),
    )


def _task(source: Source, entry: Entry) -> Task:
    """The task of an entry; what is wrong with it is reported, and what can be read of it goes into the task."""
    written = entry.written or WrittenTaskBody()
    requirements, ordered, estimate = Task(entry.name).requirements, False, None
    try:
        requirements, ordered = expand_resources(written.resources)
    except InvalidValueError as error:
        source.report(entry.document, error.faults, under=(*entry.path, "resources"))
    try:
        estimate = _estimate(written.estimate)
    except InvalidValueError as error:
        source.report(entry.document, error.faults, under=(*entry.path, "estimate"))
    return Task(
        name=entry.name,
        num_nodes=written.num_nodes or 1,
        requirements=requirements,
        ordered=ordered,
        estimate=estimate,
        inputs=written.inputs or {},
        outputs=written.outputs or {},
        setup=written.setup,
        run=written.run,
        envs=written.envs or {},
        secrets=written.secrets or {},
        workdir=written.workdir,
        file_mounts=written.file_mounts or {},
        volumes=written.volumes or {},
        service=written.service.model_dump(exclude_unset=True) if written.service else None,
        pool=written.pool.model_dump(exclude_unset=True) if written.pool else None,
        config=written.config or {},
        carried={name: getattr(written, name) for name in _CARRIED if getattr(written, name) is not None},
    )


def _estimate(written: WrittenEstimate | None) -> Estimate | None:
    """The estimate, which is hours or else work and throughput."""
    if written is None:
        return None
    by_rate = written.work is not None, written.throughput is not None
    if written.hours is not None and any(by_rate):
        raise InvalidValueError("gives both hours and work with its throughput", "leave one of them out")
    if written.hours is None and not all(by_rate):
        missing = "throughput" if by_rate[0] else "work" if by_rate[1] else "hours, or work and throughput,"
        hint = "such as `hours: 3h`, or `work: 1e9` and `throughput: {H100: 3000}`"
        raise InvalidValueError(f"{missing} is missing", hint)
    return Estimate(written.hours, written.work, written.throughput or {})


def _edges(source: Source, layout: Layout, tasks: Mapping[str, Task]) -> tuple[tuple[Edge, ...], list[str]]:
    """The edges of the workload, and what had to be assumed about them."""
    edges: list[Edge] = []
    silent: list[str] = []
    for producer, consumer, written_gb in _links(source, layout, tasks):
        outputs = tasks[producer].outputs
        data_gb = sum(outputs.values()) if written_gb is None and outputs else written_gb
        if data_gb is None:
            silent.append(f"from {producer} to {consumer}")
        edges.append(Edge(producer, consumer, data_gb or 0.0))
    assumptions = []
    if layout.shape is Shape.CHAIN and edges:
        assumptions.append("the documents of the file are a chain: each task waits for the one before it")
    if layout.shape is Shape.GROUP:
        assumptions.append("the tasks run at the same time, and no data moves between them")
    if silent:
        assumptions.append(f"no data moves {', '.join(silent)}: neither `outputs` nor `depends_on` says how much")
    return tuple(edges), assumptions


def _one_of_many(tasks: Iterable[Task]) -> Iterator[str]:
    """What is assumed of tasks that stand for several equal ones."""
    for task in tasks:
        if task.service is not None:
            yield f"{task.name} is a service: one replica of it is placed"
        elif task.pool is not None:
            yield f"{task.name} is a pool: one worker of it is placed"


def _links(source: Source, layout: Layout, tasks: Mapping[str, Task]) -> Iterator[tuple[str, str, float | None]]:
    """Each pair of a task and one that waits for it, with the data that moves (GB) where that is written."""
    if layout.shape is Shape.CHAIN:
        yield from ((before.name, after.name, None) for before, after in pairwise(layout.entries))
    for entry in layout.entries:
        for dependency in entry.dependencies:
            if dependency.task in tasks:
                yield dependency.task, entry.name, dependency.data_gb
            else:
                fault = _unknown_task(dependency.task, tasks)
                source.report(entry.document, [fault], under=(*entry.path, "depends_on", *dependency.path))


def _unknown_task(name: str, tasks: Iterable[str]) -> Fault:
    nearest = nearest_name(name, tasks)
    hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(tasks)}"
    return Fault(f"there is no task {shown(name)}", hint)


def _order(source: Source, layout: Layout, edges: tuple[Edge, ...]) -> list[str]:
    """The names of the tasks in topological order; the cycles in the way of one are reported."""
    entries = {entry.name: entry for entry in layout.entries}
    if layout.shape is not Shape.GRAPH:
        return list(entries)
    order, cycles = topological_order(
        {name: [edge.source for edge in edges if edge.target == name] for name in entries}
    )
    positions = list(entries)
    for cycle in cycles:
        first = min(range(len(cycle) - 1), key=lambda index: positions.index(cycle[index]))
        circle = (*cycle[first:-1], *cycle[: first + 1])
        entry = entries[cycle[first]]
        fault = Fault(f"tasks wait for each other in a circle: {' -> '.join(circle)}", path=("depends_on",))
        source.report(entry.document, [fault], under=entry.path)
    return order


def _group(source: Source, layout: Layout) -> JobGroup | None:
    """What the head says of tasks that run at the same time; unknown names among them are reported."""
    written = layout.written
    names = {entry.name: entry for entry in layout.entries}
    if layout.shape is not Shape.GROUP:
        for field in GROUP_FIELDS & written.model_fields_set - {"execution"}:
            source.report(layout.head, [Fault("works only with execution: parallel")], under=(field,))
        return None
    for index, name in enumerate(written.primary_tasks or ()):
        if name not in names:
            source.report(layout.head, [_unknown_task(name, names)], under=("primary_tasks", index))
    return JobGroup(
        primary_tasks=tuple(written.primary_tasks or ()),
        termination_delay=written.termination_delay,
        inter_connection=written.inter_connection is not False,
    )


def _residency(written: WrittenDocument) -> Residency | None:
    """Where the workload may run, if it says so."""
    places = written.residency
    if places is None or not (places.allow or places.deny):
        return None
    return Residency(places.allow or (), places.deny or ())
