"""The documents of a file -> its tasks, in whichever of the three shapes it is written.

- One document is one task.
- Several documents are a chain. The first one may be a head without a task of its own, and a head with
  `execution: parallel` makes the others run at the same time.
- One document with `tasks` is any graph: tasks by name, connected by `depends_on`. A head may stand before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TypeVar

from engine.source_text import Node, Source
from engine.workload_errors import Fault, InvalidValueError, Path, kind
from engine.workload_graph import Dependency, parse_dependencies
from engine.workload_parsers import parse_name
from engine.workload_schema import (
    GROUP_FIELDS,
    TASK_FIELDS,
    WORKLOAD_FIELDS,
    Written,
    WrittenDocument,
    WrittenTask,
    WrittenTaskBody,
)
from engine.workload_validation import validate

M = TypeVar("M", bound=Written)

_HEAD_FIELDS: Final = WORKLOAD_FIELDS | GROUP_FIELDS | {"name"}


class Shape(Enum):
    """How the tasks of a file hang together."""

    CHAIN = "each waits for the one before"
    GROUP = "all run at the same time"
    GRAPH = "each waits for those that it depends on"


class Entry(NamedTuple):
    """A task as it stands in the file: where, and its fields, unless they could not be read."""

    name: str
    document: Node
    path: Path
    written: WrittenTaskBody | None
    dependencies: tuple[Dependency, ...] = ()


class Layout(NamedTuple):
    """What a file holds: `head` is the document with the fields about all tasks, `written` what it says."""

    name: str
    shape: Shape
    head: Node
    written: WrittenDocument
    entries: tuple[Entry, ...]


def lay_out(source: Source) -> Layout:
    """The shape and the tasks of a file. What is wrong with its parts is reported to `source`.

    Raises:
        WorkloadError: there is nothing to go on with: no document is a mapping.
    """
    documents = [document for document in source.documents if _is_mapping(source, document)]
    if not documents:
        _refuse_empty(source)
    head = documents[0]
    written = [_read(source, document, WrittenDocument, (), _own_fields(document)) for document in documents]
    bodies = list(zip(documents, written, strict=True))
    if len(documents) > 1 and head.value.keys() <= _HEAD_FIELDS:
        del bodies[0]
    _check_misplaced(source, documents, has_head=len(bodies) < len(documents))
    top = written[0] or WrittenDocument()
    name = _workload_name(source, documents, top)
    graph = next((document for document, _ in bodies if "tasks" in document.value), None)
    if graph is not None:
        return Layout(name, Shape.GRAPH, head, top, tuple(_graph_entries(source, graph)))
    shape = Shape.GROUP if top.execution == "parallel" else Shape.CHAIN
    return Layout(name, shape, head, top, tuple(_document_entries(name, bodies)))


def check_names(source: Source, entries: Iterable[Entry]) -> None:
    """Report every task whose name another one has before it."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.name, entry)
        if other is not entry:
            line, _ = other.document.position((*other.path, "name"))
            fault = Fault(f"two tasks are named {entry.name}", f"the other one is on line {line}", ("name",))
            source.report(entry.document, [fault], under=entry.path)


def _is_mapping(source: Source, document: Node) -> bool:
    if isinstance(document.value, dict):
        return True
    message = f"a document must be a mapping of fields, not {kind(document.value)}"
    source.report(document, [Fault(message, "such as `run: python train.py`")])
    return False


def _refuse_empty(source: Source) -> None:
    if not source.problems:
        nowhere = Node(1, 1, None)
        source.report(nowhere, [Fault("the file holds no task", "write at least `run: python train.py`")])
    source.check()


def _own_fields(document: Node) -> Mapping[str, Any]:
    """The fields of a document, without its tasks, which are read one by one."""
    return {key: value for key, value in document.value.items() if key != "tasks"}


def _read(source: Source, document: Node, model: type[M], path: Path, value: Mapping[str, Any]) -> M | None:
    """The written form of a mapping, or None when that was not to be had and has been reported."""
    try:
        return validate(model, value)
    except InvalidValueError as error:
        source.report(document, error.faults, under=path)
        return None


def _check_misplaced(source: Source, documents: list[Node], *, has_head: bool) -> None:
    """Report the fields that have no meaning in the document that they stand in."""
    several = len(documents) > 1
    for index, document in enumerate(documents):
        for name in document.value:
            fault = None
            if name in WORKLOAD_FIELDS and index > 0:
                fault = Fault("is about all tasks", "write it in the first document")
            elif name in GROUP_FIELDS and not (several and index == 0 and has_head):
                fault = Fault("is for a head: the first of several documents, without a task of its own")
            elif name == "tasks" and len(documents) > 1 + has_head:
                fault = Fault("describes all tasks, and cannot stand beside other documents with tasks")
            elif name in TASK_FIELDS - {"name"} and "tasks" in document.value:
                fault = Fault("is about one task", "write it in a task under tasks")
            if fault is not None:
                source.report(document, [fault], under=(name,))


def _workload_name(source: Source, documents: list[Node], top: WrittenDocument) -> str:
    """The name that the head gives, or the only task, or the file."""
    named_by_head = len(documents) == 1 or documents[0].value.keys() <= _HEAD_FIELDS
    if named_by_head and top.name:
        return top.name
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", PurePath(source.file).stem).strip("-.") or "workload"


def _document_entries(name: str, bodies: list[tuple[Node, WrittenDocument | None]]) -> Iterator[Entry]:
    """One task a document; one without a name is named after the workload and its place, as in SkyPilot."""
    for index, (document, written) in enumerate(bodies):
        fallback = name if len(bodies) == 1 else f"{name}-{index}"
        yield Entry(_own_name(document.value) or fallback, document, (), written)


def _own_name(fields: Mapping[str, Any]) -> str | None:
    """The name that a task gives itself; one that cannot be read is none, and is reported with the other fields."""
    try:
        return parse_name(fields.get("name"))
    except InvalidValueError:
        return None


def _graph_entries(source: Source, document: Node) -> Iterator[Entry]:
    """The tasks under `tasks`, by name or in a list."""
    tasks = document.value["tasks"]
    if not isinstance(tasks, dict | list) or not tasks:
        fault = Fault(f"must be a mapping from names to tasks, not {kind(tasks)}" if tasks else "names no task")
        source.report(document, [fault], under=("tasks",))
        return
    items = tasks.items() if isinstance(tasks, dict) else enumerate(tasks)
    for step, body in items:
        path = ("tasks", step)
        if not isinstance(body, dict):
            source.report(document, [Fault(f"must be a mapping of fields, not {kind(body)}")], under=path)
            continue
        name = _task_name(source, document, path, body)
        if name is not None:
            yield _graph_entry(source, document, path, name, body)


def _task_name(source: Source, document: Node, path: Path, body: Mapping[str, Any]) -> str | None:
    """The name of a task under `tasks`: its key, or its field in a list."""
    key, own = path[-1], body.get("name")
    if isinstance(key, str) and _own_name(body) not in (None, key.strip()):
        source.report(document, [Fault("contradicts the key of the task", "leave it out", ("name",))], under=path)
    if isinstance(key, int) and own is None:
        source.report(document, [Fault("needs a name")], under=path)
        return None
    try:
        return parse_name(key if isinstance(key, str) else own)
    except InvalidValueError as error:
        source.report(document, error.faults, under=path if isinstance(key, str) else (*path, "name"))
        return None


def _graph_entry(source: Source, document: Node, path: Path, name: str, body: Mapping[str, Any]) -> Entry:
    fields = {key: value for key, value in body.items() if key != "depends_on"}
    written = _read(source, document, WrittenTask, path, fields)
    dependencies: tuple[Dependency, ...] = ()
    try:
        dependencies = parse_dependencies(body.get("depends_on"))
    except InvalidValueError as error:
        source.report(document, error.faults, under=(*path, "depends_on"))
    return Entry(name, document, path, written, dependencies)
