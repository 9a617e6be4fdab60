"""SkyPilot 0.14.1's cost model of a DAG, faults included, and the cases in which its answers are kept.

A case holds tasks with candidates (a cloud, and a `value`: $ for the whole run where the objective is cost, seconds
where it is time; nothing is multiplied again), the GB that each task hands to every child, and what SkyPilot found. The
formulas are those of `sky/optimizer.py` (`_egress_cost`, `_egress_time`: clouds only, nothing within one) and of
`get_egress_cost` in `sky/clouds/{aws,azure,gcp}.py`. The engine knows nothing of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from engine.dag import DagProblem, EdgeOptions, Floats, TaskOptions
from engine.workload import Objective

Name = Annotated[str, StringConstraints(min_length=1)]
Cloud = Annotated[str, StringConstraints(min_length=1, to_lower=True)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

NOWHERE: Final[tuple[Cloud, Amount]] = ("", 0.0)
"""Where inputs of no size lie."""
HOUR_S: Final = 3600.0


class CaseError(ValueError):
    """The text is no case; the message says why in one line."""


class _Part(BaseModel):
    """What a case is made of; fields that the cost model does not use are left unread."""

    model_config = ConfigDict(frozen=True, strict=True)


class Candidate(_Part):
    """A way to run a task: `value` in $ or s, as the objective has it."""

    cloud: Cloud
    value: Amount
    region: JsonValue = None
    zone: JsonValue = None
    instance_type: JsonValue = None
    spot: JsonValue = None
    acc: JsonValue = None
    usd_per_hour: Amount | None = None

    @property
    def identity(self) -> str:
        """What two cases call the same candidate; a machine of Google's is another one with other accelerators."""
        said = (self.cloud, self.region, self.zone, self.instance_type, bool(self.spot), self.acc)
        return json.dumps(said, sort_keys=True)


class CaseTask(_Part):
    """`inputs` lie in a cloud, so many GB; `out_gb` goes to each child."""

    name: Name
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]
    num_nodes: float | None = 1.0
    inputs: tuple[Cloud, Amount] | None = None
    out_gb: Amount | None = None


class Case(_Part):
    """A DAG and what SkyPilot found for it, null where it found nothing (it crashes on some names).

    `sky_objective` is in $ or s, as the objective has it; `sky_total_cost` is in $.
    """

    objective: Literal[Objective.COST, Objective.TIME]
    tasks: Annotated[tuple[CaseTask, ...], Field(min_length=1)]
    edges: tuple[tuple[Name, Name], ...]
    sky_objective: Amount | None
    sky_total_cost: Amount | None = None

    def parents(self) -> dict[str, tuple[str, ...]]:
        """The parents of each task, each once: to SkyPilot an edge that is written twice is one."""
        found: dict[str, dict[str, None]] = {task.name: {} for task in self.tasks}
        for parent, child in self.edges:
            found[child][parent] = None
        return {name: tuple(parents) for name, parents in found.items()}

    def in_order(self) -> tuple[CaseTask, ...]:
        """The tasks, parents before children."""
        by_name = {task.name: task for task in self.tasks}
        return tuple(by_name[name] for name in TopologicalSorter(self.parents()).static_order())


def read_case(text: str | bytes) -> Case:
    """The case that a JSON text holds.

    Raises:
        CaseError: it holds none.
    """
    try:
        case = Case.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise CaseError(f"{where}: {fault['msg']}" if where else fault["msg"]) from error
    names = [task.name for task in case.tasks]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice:
        raise CaseError(f"two tasks are named {twice!r}")
    unknown = sorted({name for edge in case.edges for name in edge} - {*names})
    if unknown:
        raise CaseError(f"an edge names {unknown[0]!r}, which is no task")
    try:
        case.in_order()
    except CycleError as error:
        raise CaseError(f"the edges form a cycle: {' -> '.join(reversed(error.args[1]))}") from error
    return case


def egress_usd(source: str, target: str, gb: float) -> float:
    """$ for so many GB from a cloud to another.

    From AWS and Azure what is left is compared with the next threshold, not the whole, so that 10,240 GB are free.
    """
    if source == target or gb == 0:
        return 0.0
    if source == "gcp":
        return gb * (0.12 if gb <= 1024 else 0.11 if gb <= 10_240 else 0.08)
    if source not in {"aws", "azure"}:
        return 0.0
    if gb > 153_600:
        return 0.05 * gb
    middle, first = (0.085, 0.09) if source == "aws" else (0.083, 0.0875)
    cost = 0.0
    if gb >= 51_200:
        cost, gb = cost + (gb - 51_200) * 0.07, gb - 51_200
    if gb >= 10_240:
        cost, gb = cost + (gb - 10_240) * middle, gb - 10_240
    return cost + (gb - 1) * first if gb > 1 else cost


def transfer_s(source: str, target: str, gb: float) -> float:
    """Seconds for so many GB: 10 Gbit/s between different clouds, at once within one."""
    return 0.0 if source == target else gb * 8 / 10


@dataclass(frozen=True)
class Figures:
    """What a plan comes to; the measure that a case has no figures of is None."""

    cost_usd: float | None
    makespan_s: float | None


Usd = Mapping[str, Sequence[float]]
"""By task: $ of each of its candidates."""


def usd_of(case: Case, twin: Case | None = None) -> Usd | None:
    """$ of each candidate for the whole run, None where they are not at hand.

    A case for time has them in its `twin` (the same DAG and candidates, for cost), or as hourly prices. Those are read
    for tasks of one node only: whether the price of several is meant of one of them, the form does not say.
    """
    if case.objective is Objective.COST:
        return {task.name: [candidate.value for candidate in task.candidates] for task in case.tasks}
    found = {task.name: _usd_of_task(task, twin) for task in case.tasks}
    known = {name: usd for name, usd in found.items() if usd is not None}
    return known if len(known) == len(found) else None


def _usd_of_task(task: CaseTask, twin: Case | None) -> list[float] | None:
    same = next((other for other in twin.tasks if other.name == task.name), None) if twin else None
    values: dict[str, set[float]] = {}
    for candidate in same.candidates if same else ():
        values.setdefault(candidate.identity, set()).add(candidate.value)
    if all(len(values.get(candidate.identity, ())) == 1 for candidate in task.candidates):
        return [next(iter(values[candidate.identity])) for candidate in task.candidates]
    hourly = [candidate.usd_per_hour for candidate in task.candidates]
    if task.num_nodes != 1 or None in hourly:
        return None
    return [
        usd * candidate.value / HOUR_S
        for usd, candidate in zip(hourly, task.candidates, strict=True)
        if usd is not None
    ]


def figures(case: Case, choice: Mapping[str, int], usd: Usd | None) -> Figures:
    """What a choice (the number of a candidate by task) comes to, by the formulas alone."""
    chosen = {task.name: task.candidates[choice[task.name]] for task in case.tasks}
    return Figures(
        cost_usd=None if usd is None else _cost_usd(case, choice, chosen, usd),
        makespan_s=_makespan_s(case, chosen) if case.objective is Objective.TIME else None,
    )


def _cost_usd(case: Case, choice: Mapping[str, int], chosen: Mapping[str, Candidate], usd: Usd) -> float:
    out_gb = {task.name: task.out_gb or 0.0 for task in case.tasks}
    cost = sum(figures[choice[name]] for name, figures in usd.items())
    for task, parents in zip(case.tasks, case.parents().values(), strict=True):
        here = chosen[task.name].cloud
        cost += sum(egress_usd(chosen[parent].cloud, here, out_gb[parent]) for parent in parents)
        cost += egress_usd(*_moved_in(task, parents, here))
    return cost


def _makespan_s(case: Case, chosen: Mapping[str, Candidate]) -> float:
    out_gb = {task.name: task.out_gb or 0.0 for task in case.tasks}
    parents = case.parents()
    finish: dict[str, float] = {}
    for task in case.in_order():
        here = chosen[task.name]
        arrivals = [
            finish[parent] + transfer_s(chosen[parent].cloud, here.cloud, out_gb[parent])
            for parent in parents[task.name]
        ]
        inputs = transfer_s(*_moved_in(task, parents[task.name], here.cloud))
        finish[task.name] = max(arrivals, default=inputs) + here.value
    return max(finish.values())


def _moved_in(task: CaseTask, parents: Sequence[str], cloud: str) -> tuple[str, str, float]:
    """Whence, whither and how many GB of inputs: those of a task with parents are ignored."""
    home, gb = task.inputs if task.inputs and not parents else NOWHERE
    return home, cloud, gb


def problem_of(case: Case, usd: Usd | None) -> DagProblem:
    """The case as a problem, its tasks in order: one place a cloud, and no figures but those of the case.

    What a case for cost takes is not known, and without `usd` not what a case for time costs: such figures are 0, so
    that no tie is broken by the data's way alone.
    """
    tasks, parents = case.in_order(), case.parents()
    clouds = sorted({candidate.cloud for task in tasks for candidate in task.candidates})
    number = {task.name: index for index, task in enumerate(tasks)}
    timed, priced = case.objective is Objective.TIME, usd is not None
    between = {task.out_gb or 0.0: _between(clouds, task.out_gb or 0.0, timed=timed, priced=priced) for task in tasks}
    return DagProblem(
        tasks=tuple(
            _options(task, parents[task.name], clouds, usd[task.name] if usd else None, timed=timed) for task in tasks
        ),
        edges=tuple(
            EdgeOptions(number[parent], number[task.name], *between[tasks[number[parent]].out_gb or 0.0])
            for task in tasks
            for parent in parents[task.name]
        ),
        objective=case.objective,
    )


def _between(clouds: Sequence[str], gb: float, *, timed: bool, priced: bool) -> tuple[Floats, Floats]:
    """$ and h for so many GB, cloud by cloud."""
    usd = np.array([[egress_usd(a, b, gb) for b in clouds] for a in clouds])
    hours = np.array([[transfer_s(a, b, gb) / HOUR_S for b in clouds] for a in clouds])
    return usd * priced, hours * timed


def _options(
    task: CaseTask, parents: Sequence[str], clouds: Sequence[str], usd: Sequence[float] | None, *, timed: bool
) -> TaskOptions:
    where = [candidate.cloud for candidate in task.candidates]
    moved = [_moved_in(task, parents, cloud) for cloud in where]
    none = np.zeros(len(where))
    return TaskOptions(
        name=task.name,
        cost_usd=none if usd is None else np.array(usd) + [egress_usd(*inputs) for inputs in moved],
        hours=np.array([candidate.value / HOUR_S for candidate in task.candidates]) if timed else none,
        ready_h=np.array([transfer_s(*inputs) / HOUR_S for inputs in moved]) if timed else none,
        place=np.array([clouds.index(cloud) for cloud in where], dtype=np.int64),
        preference=np.zeros(len(where), dtype=np.int64),
    )
