"""The workload as the engine sees it: frozen values, everything parsed, every alternative written out.

`engine.workload_reader` makes them from text; `engine.workload_schema` is the form in which they are written.
Fields that only the executor uses (images, ports, mounts, commands, ...) are carried as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import SecretStr

from catalog_data.schema import Purchase
from engine.quantities import Range

__all__ = [
    "CPU",
    "AcceleratorRequest",
    "Carbon",
    "Chances",
    "Edge",
    "Estimate",
    "JobGroup",
    "Objective",
    "Preference",
    "Purchase",
    "Range",
    "Requirement",
    "Residency",
    "Task",
    "Workload",
]

CPU: Final = "cpu"
"""What estimates call a machine without accelerators."""


class Objective(StrEnum):
    """What a plan makes as small as it can."""

    COST = "cost"
    TIME = "time"


DEFAULT_PURCHASES: Final = (Purchase.ON_DEMAND, Purchase.OWNED)
"""What is acceptable where a workload does not say: machines that cannot be taken back, one's own among them."""


@dataclass(frozen=True)
class AcceleratorRequest:
    """`count` accelerators of one model in each node; below 1 it is a share of one, and a TPU counts in chips."""

    name: str
    """The canonical name, as `catalog_data.normalise` has it."""
    count: float

    def __str__(self) -> str:
        return f"{self.name}:{self.count:g}"


@dataclass(frozen=True)
class Requirement:
    """One way to satisfy a task: what each of its nodes must be. None asks for nothing."""

    cloud: str | None = None
    region: str | None = None
    zone: str | None = None
    instance_type: str | None = None
    accelerator: AcceleratorRequest | None = None
    vcpus: Range | None = None
    memory_gib: Range | None = None
    memory_gib_per_vcpu: float | None = None
    """At least so much memory for each vCPU of the machine (written `memory: 4x`)."""
    arch: str | None = None
    """The CPU architecture, `x86_64` or `arm64`."""
    purchases: tuple[Purchase, ...] = DEFAULT_PURCHASES
    """The ways to buy that are acceptable, in the order written; none is preferred."""
    disk_gib: float | None = None
    max_hourly_cost: float | None = None
    """The highest acceptable price of one node, USD/h, however it is bought."""

    image_id: str | None = None
    ports: tuple[str, ...] = ()
    """Ports (`8080`) and ranges of ports (`8000-8010`) to open."""
    disk_tier: str | None = None
    network_tier: str | None = None
    local_disk: str | None = None
    priority: int | None = None
    priority_class: str | None = None
    accelerator_args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    autostop: Any = field(default=None, hash=False)
    job_recovery: Any = field(default=None, hash=False)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    volumes: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)


@dataclass(frozen=True)
class Estimate:
    """How long a task takes: `hours` as a figure or by hardware, or `work` and the `throughput` of hardware.

    Keys name hardware: `H100:8` is a node with eight of them, `H100` any number of them, `cpu` a machine without
    accelerators. Throughput is in units of work per second: of ONE accelerator under `H100`, of a whole node under
    `H100:8` and `cpu`.
    """

    hours: float | Mapping[str, float] | None = field(default=None, hash=False)
    work: float | None = None
    throughput: Mapping[str, float] = field(default_factory=dict, hash=False)
    setup_h: float = 0.0
    """Hours from the moment when the machines answer to the moment when the work begins: what `setup` takes."""
    checkpoint_h: float | None = None
    """Hours between checkpoints, from the last of which an interrupted run goes on; None: it begins anew."""

    def hours_on(self, accelerator: str | None, count: float | None, num_nodes: int) -> float | None:
        """Hours on `num_nodes` nodes with `count` of an accelerator each (None: without any); None where unknown.

        Hours that are given hold for the whole task, however many nodes it has. Otherwise
        hours = work / (throughput of a node * nodes) / 3600.
        """
        node, model = (CPU, CPU) if accelerator is None else (f"{accelerator}:{count or 1:g}", accelerator)
        if isinstance(self.hours, Mapping):
            return self.hours.get(node, self.hours.get(model))
        if self.hours is not None:
            return self.hours
        if self.work is None:
            return None
        rate = self.throughput.get(node)
        if rate is None and model in self.throughput:
            rate = self.throughput[model] * (count or 1)
        return None if rate is None else self.work / (rate * num_nodes) / 3600  # units / (units/s) / (s/h) = h


@dataclass(frozen=True)
class Task:
    """One step of the workload: `num_nodes` equal nodes that run the same commands."""

    name: str
    num_nodes: int = 1
    requirements: tuple[Requirement, ...] = (Requirement(),)
    """The alternatives, at least one."""
    ordered: bool = False
    """Whether the order of the alternatives is a preference."""
    estimate: Estimate | None = None
    spread: int = 1
    """In how many equal groups, each in a place of its own, the nodes may be; it divides `num_nodes`."""
    inputs: Mapping[str, float] = field(default_factory=dict, hash=False)
    """URL -> GB that the task reads from outside the workload."""
    outputs: Mapping[str, float] = field(default_factory=dict, hash=False)
    """URL -> GB that the task writes."""

    setup: str | None = None
    run: str | None = None
    envs: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """Name -> value; None must be given before the task can run."""
    secrets: Mapping[str, SecretStr | None] = field(default_factory=dict, hash=False, repr=False)
    """Name -> value, which shows nowhere; None must be given before the task can run."""
    workdir: str | Mapping[str, Any] | None = field(default=None, hash=False)
    file_mounts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    volumes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    service: Mapping[str, Any] | None = field(default=None, hash=False)
    pool: Mapping[str, Any] | None = field(default=None, hash=False)
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The other fields of SkyPilot's format (`event_callback`, `volume_mounts`, ...), by name."""


@dataclass(frozen=True)
class Edge:
    """`target` starts when `source` is done and its `data_gb` (10^9 bytes each) have arrived."""

    source: str
    target: str
    data_gb: float


@dataclass(frozen=True)
class Residency:
    """Where the workload may run: where an entry of `allow` matches (or there is none) and no entry of `deny` does.

    An entry is a continent (`europe`), a country (`DE`, ISO 3166-1 alpha-2), a group of countries (`EU`, `EEA`), a
    cloud (`aws`) or a region of one (`aws/eu-west-1`).
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carbon:
    """What emissions of the machines' power are charged (USD per t CO2e), and how much of them is allowed at most."""

    price_usd_t: float = 0.0
    limit_kg: float | None = None


@dataclass(frozen=True)
class Chances:
    """The least chances that will do, above 0 and below 1; None for any."""

    capacity: float | None = None
    """That all machines are got when they are asked for."""
    uninterrupted: float | None = None
    """That none of them is taken back before its task is done."""


@dataclass(frozen=True)
class Preference:
    """A wish: a task that runs elsewhere, or is bought otherwise, is charged `penalty_usd` when plans are compared.

    It is in no plan's cost. None wishes nothing.
    """

    penalty_usd: float
    cloud: str | None = None
    region: str | None = None
    purchases: tuple[Purchase, ...] = ()
    """The ways to buy that are wished for; empty for any."""


@dataclass(frozen=True)
class JobGroup:
    """Tasks that run at the same time (`execution: parallel`); carried for the executor."""

    primary_tasks: tuple[str, ...] = ()
    """When these are done, the others are stopped; empty: all are waited for."""
    termination_delay: Any = field(default=None, hash=False)
    inter_connection: bool = True


@dataclass(frozen=True)
class Workload:
    """Tasks, the data that moves between them, and what the user limits and wants."""

    name: str
    tasks: tuple[Task, ...]
    """In an order in which every task stands behind those that it depends on."""
    edges: tuple[Edge, ...] = ()
    deadline_hours: float | None = None
    """The last task must be done so many hours after the start."""
    deadline_at: datetime | None = None
    """The last task must be done at this instant; it has a time zone. At most one of the two deadlines is given."""
    budget_usd: float | None = None
    hourly_budget_usd: float | None = None
    """What the machines of all tasks that run at one time may cost an hour."""
    residency: Residency | None = None
    objective: Objective = Objective.COST
    value_of_time_usd_h: float = 0.0
    """What an hour is worth: plans are compared by cost and so much for each hour until the last task is done."""
    carbon: Carbon = Carbon()
    chances: Chances = Chances()
    preferences: tuple[Preference, ...] = ()
    group: JobGroup | None = None
    digest: str = ""
    """SHA-256 of the text, in hexadecimal."""
    assumptions: tuple[str, ...] = ()
    """What was taken for granted in reading it, as sentences for the user."""

    def hours_left(self, now: datetime) -> float | None:
        """Hours from `now` to the deadline (below zero when it has passed), or None where there is none."""
        if self.deadline_at is not None:
            return (self.deadline_at - now).total_seconds() / 3600
        return self.deadline_hours
