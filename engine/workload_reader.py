"""YAML text -> Workload, or every problem of the text with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from math import isqrt
from typing import Final

from catalog_data.normalise import nearest_name
from engine.quantities import LARGEST
from engine.source_text import Source, read_source
from engine.workload import (
    Carbon,
    Chances,
    Edge,
    Estimate,
    JobGroup,
    Objective,
    Preference,
    Residency,
    Task,
    Workload,
)
from engine.workload_errors import Fault, InvalidValueError, Problem, WorkloadError, figure, shown
from engine.workload_estimates import unused_estimates
from engine.workload_graph import topological_order
from engine.workload_layout import Entry, Layout, Shape, check_names, lay_out
from engine.workload_places import Infra
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
MAX_NAMED: Final = 20
"""How many tasks, edges or figures one message names."""


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
        hourly_budget_usd=layout.written.hourly_budget,
        residency=_residency(layout.written),
        objective=Objective(layout.written.objective or Objective.COST),
        value_of_time_usd_h=layout.written.value_of_time or 0.0,
        carbon=_carbon(layout.written),
        chances=_chances(layout.written),
        preferences=tuple(_preferences(layout.written)),
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
    num_nodes, spread = written.num_nodes or 1, written.spread or 1
    if num_nodes % spread:
        source.report(entry.document, [_uneven(spread, num_nodes)], under=(*entry.path, "spread"))
    return Task(
        name=entry.name,
        num_nodes=num_nodes,
        spread=spread,
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
    for hardware, rate in (written.throughput or {}).items():
        hours = (written.work or 0.0) / rate / 3600  # units / (units/s) / (s/h) = h
        if not 0 < hours <= LARGEST:
            extent = "no time at all" if hours < 1 else "a time that is too large"
            hint = "throughput is in units of work per second"
            raise InvalidValueError(f"work over throughput is {extent} on {hardware}", hint)
    return Estimate(
        hours=written.hours,
        work=written.work,
        throughput=written.throughput or {},
        setup_h=written.setup or 0.0,
        checkpoint_h=written.checkpoint,
    )


def _uneven(spread: int, num_nodes: int) -> Fault:
    """What is wrong with a number of groups that does not divide the nodes; named are the nearest that do."""
    low = [divisor for divisor in range(1, isqrt(num_nodes) + 1) if num_nodes % divisor == 0]
    divisors = {*low, *(num_nodes // divisor for divisor in low)}
    nearest = sorted(sorted(divisors, key=lambda divisor: abs(divisor - spread))[:MAX_NAMED])
    message = (
        f"the number of groups must divide that of nodes, and {figure(spread)} does not divide {figure(num_nodes)}"
    )
    hint = f"write one of {', '.join(map(figure, nearest))}" if num_nodes > 1 else "write num_nodes too"
    return Fault(message, hint)


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
        assumptions.append(f"no data moves {_some(silent)}: neither `outputs` nor `depends_on` says how much")
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


def _unknown_task(name: str, tasks: Collection[str]) -> Fault:
    nearest = nearest_name(name, tasks)
    hint = f"did you mean {nearest}?" if nearest else f"there are {_some(tasks)}"
    return Fault(f"there is no task {shown(name)}", hint)


def _some(items: Collection[str]) -> str:
    """The items, of many the first ones and how many more there are."""
    more = f" and {len(items) - MAX_NAMED:,} more" if len(items) > MAX_NAMED else ""
    return ", ".join(islice(items, MAX_NAMED)) + more


def _order(source: Source, layout: Layout, edges: tuple[Edge, ...]) -> list[str]:
    """The names of the tasks in topological order; the cycles in the way of one are reported."""
    entries = {entry.name: entry for entry in layout.entries}
    if layout.shape is not Shape.GRAPH:
        return list(entries)
    sources: dict[str, list[str]] = {name: [] for name in entries}
    for edge in edges:
        sources[edge.target].append(edge.source)
    order, cycles = topological_order(sources)
    positions = {name: position for position, name in enumerate(entries)}
    for cycle in cycles:
        first = min(range(len(cycle) - 1), key=lambda index: positions[cycle[index]])
        circle = (*cycle[first:-1], *cycle[: first + 1])
        entry = entries[cycle[first]]
        fault = Fault(f"tasks wait for each other in a circle: {_arrows(circle)}", path=("depends_on",))
        source.report(entry.document, [fault], under=entry.path)
    return order


def _arrows(circle: Sequence[str]) -> str:
    """The tasks of a circle, of a long one its ends."""
    half = MAX_NAMED // 2
    if len(circle) <= MAX_NAMED:
        return " -> ".join(circle)
    left_out = f"({len(circle) - 2 * half:,} more)"
    return " -> ".join((*circle[:half], left_out, *circle[-half:]))


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


def _carbon(written: WrittenDocument) -> Carbon:
    """What emissions cost and how much of them is allowed."""
    carbon = written.carbon
    return Carbon() if carbon is None else Carbon(carbon.price or 0.0, carbon.limit)


def _chances(written: WrittenDocument) -> Chances:
    """The least chances that are accepted."""
    chance = written.chance
    return Chances() if chance is None else Chances(chance.capacity, chance.uninterrupted)


def _preferences(written: WrittenDocument) -> Iterator[Preference]:
    """The wishes, in the order written."""
    for wish in written.prefer or ():
        if wish.penalty is not None:  # as a wish that could be read has one
            place = wish.infra or Infra()
            yield Preference(wish.penalty, place.cloud, place.region, wish.purchase or ())
