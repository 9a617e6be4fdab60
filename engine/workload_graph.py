"""How tasks hang together: `depends_on` as written, an order that respects it, and the cycles that forbid one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import NamedTuple

from engine.quantities import parse_data_gb
from engine.workload_errors import InvalidValueError, Path, read_all, shown
from engine.workload_parsers import parse_name

_HINT = "write a name, a list of names, or {name: {data: 50 GB}}"


class Dependency(NamedTuple):
    """A task that must be done before; `data_gb` is None where nothing is said of data; `path` leads to it."""

    task: str
    data_gb: float | None
    path: Path


def parse_dependencies(value: object) -> tuple[Dependency, ...]:
    """`depends_on`: a name, a mapping from names to data, or a list of both.

    Raises:
        InvalidValueError: with one fault for each entry that cannot be read or comes twice.
    """
    if value is None:
        return ()
    if isinstance(value, list):
        items: Iterable[tuple[Path, object]] = (((index,), item) for index, item in enumerate(value))
    else:
        items = [((), value)]
    entries = [entry for path, item in items for entry in _entries(path, item)]
    first: dict[str, Path] = {}

    def read(entry: tuple[Path, object, object]) -> Dependency:
        path, name, data = entry
        if isinstance(name, dict | list) or name is None:
            raise InvalidValueError(f"must name a task, not {shown(name)}", _HINT)
        dependency = Dependency(parse_name(name), _parse_data(data), path)
        if first.setdefault(dependency.task, path) != path:
            raise InvalidValueError(f"names {dependency.task} twice")
        return dependency

    return tuple(read_all(((entry[0], entry) for entry in entries), read))


def _entries(path: Path, item: object) -> list[tuple[Path, object, object]]:
    """The path, name and data of each task in one item."""
    if isinstance(item, dict):
        return [((*path, name), name, data) for name, data in item.items()]
    return [(path, item, None)]


def _parse_data(value: object) -> float | None:
    """`50 GB` or `{data: 50 GB}`, in GB."""
    if isinstance(value, dict):
        unknown = next((key for key in value if key != "data"), None)
        if unknown is not None:
            raise InvalidValueError("unknown field", "a dependency has only `data`", path=(unknown,))
        value = value.get("data")
    return None if value is None else parse_data_gb(value)


def topological_order(sources: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """The tasks in an order in which each comes after its sources, and the cycles in the way of one.

    `sources` maps each task to those that it depends on; the order is that of the mapping where it can be. A cycle
    is a list of tasks, each depending on the one behind it, that ends with the task it starts with; no two share a
    task, and tasks that lie on one are left out of the order.
    """
    known = {name: [source for source in names if source in sources] for name, names in sources.items()}
    cycles = _disjoint_cycles(known)
    on_cycle = {name for cycle in cycles for name in cycle}
    left = [name for name in known if name not in on_cycle]
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(left, ()))
    for name in left:
        sorter.add(name, *(source for source in known[name] if source not in on_cycle))
    return list(sorter.static_order()), cycles


def _disjoint_cycles(sources: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Cycles that share no task, so many that without their tasks there is none; in time linear in the edges.

    A depth-first search: a source that lies on the path closes a cycle, which is cut off the path. A task is left
    behind when all of its sources have been, or have been cut off: in that order, the tasks left behind have no cycle.
    """
    left = {name: iter(names) for name, names in sources.items()}
    cycles: list[list[str]] = []
    done: set[str] = set()
    for start in sources:
        path: dict[str, None] = {} if start in done else {start: None}
        while path:
            last = next(reversed(path))
            source = next((each for each in left[last] if each not in done), None)
            if source is None:
                path.popitem()
                done.add(last)
            elif source not in path:
                path[source] = None
            else:
                cut = [path.popitem()[0]]
                while cut[-1] != source:
                    cut.append(path.popitem()[0])
                done.update(cut)
                cycles.append([*reversed(cut), source])
    return cycles
