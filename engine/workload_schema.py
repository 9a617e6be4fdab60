"""The written form of a workload: what may stand in the YAML file, before anything is expanded.

SkyPilot's task format, and beside it what is ours: `tasks`, `depends_on`, `estimate`, `spread`, `purchase`, and the
WORKLOAD_FIELDS about all tasks together. One YAML document is a WrittenDocument; the editor's JSON Schema comes from
it. An unset field and one that is null are the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from engine.workload_errors import InvalidValueError
from engine.workload_fields import (
    Accelerators,
    Allow,
    Anything,
    Arch,
    Autostop,
    Boolean,
    Budget,
    CarbonPrice,
    Chance,
    Cloud,
    Count,
    DataSizes,
    Deadline,
    Deny,
    Dependencies,
    DiskGib,
    DiskTier,
    Emissions,
    Envs,
    Execution,
    Fields,
    FileMounts,
    Goal,
    HourlyBudget,
    HourlyUsd,
    Hours,
    HoursByHardware,
    Image,
    InfraPlace,
    Items,
    Labels,
    LocalDisk,
    Memory,
    Name,
    Names,
    NetworkTier,
    NumNodes,
    Penalty,
    Ports,
    Priority,
    Purchases,
    Seconds,
    Secrets,
    SetupHours,
    Spread,
    Text,
    TextOrFields,
    Throughput,
    ValueOfTime,
    Vcpus,
    WishedPlace,
    Work,
)

SCHEMA_ID = "urn:skybroker:workload:1"


class Written(BaseModel):
    """A mapping of known fields, all of them optional."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        defer_build=True,  # only what is read or described is built
        model_title_generator=lambda model: model.__name__.removeprefix("Written"),
    )


class WrittenAlternative(Written):
    """What each node of the task must be."""

    infra: InfraPlace = Field(None, description="cloud, cloud/region or cloud/region/zone; * stands for any")
    cloud: Cloud = Field(None, description="the cloud (as in infra)")
    region: Text = Field(None, description="the region (as in infra)")
    zone: Text = Field(None, description="the zone (as in infra)")
    instance_type: Text = Field(None, description="the provider's own name of the machine type")
    accelerators: Accelerators = Field(
        None,
        description="model and count in each node; a list is in order of preference, a mapping is not."
        " A TPU counts in chips.",
    )
    gpus: Accelerators = Field(None, description="another name of accelerators")
    accelerator_args: Fields = Field(None, description="more about a TPU, such as its runtime_version")
    cpus: Vcpus = Field(None, description="vCPUs: 4 is exactly four, 4+ at least four")
    memory: Memory = Field(None, description="memory, GiB: 16 is exactly 16, 16+ at least, 4x is 4 for each vCPU")
    arch: Arch = Field(None, description="CPU architecture (default: x86_64, unless the machine decides it)")
    use_spot: Boolean = Field(None, description="true: spot machines only; false: on demand only")
    purchase: Purchases = Field(
        None, description="acceptable ways to buy; any is on_demand, spot or owned (default: on_demand and owned)"
    )
    max_hourly_cost: HourlyUsd = Field(None, description="the highest price of one node, USD/h")
    disk_size: DiskGib = Field(None, description="size of the system disk, GiB")
    disk_tier: DiskTier = Field(None, description="speed of the system disk")
    local_disk: LocalDisk = Field(None, description="local disk, GB: nvme, nvme:1000+ or 1000+")
    network_tier: NetworkTier = Field(None, description="speed of the network")
    image_id: Image = Field(None, description="image of the machine, or one for each region")
    ports: Ports = Field(None, description="ports or ranges of ports to open")
    labels: Labels = Field(None, description="labels on the machines")
    autostop: Autostop = Field(None, description="stop when idle: true, false, minutes, 2h, or a mapping")
    job_recovery: TextOrFields = Field(None, description="what to do when a machine is lost")
    spot_recovery: TextOrFields = Field(
        None, description="the old name of job_recovery", json_schema_extra={"deprecated": True}
    )
    volumes: Items = Field(None, description="volumes to attach")
    priority: Priority = Field(None, description="priority of the job")
    priority_class: Text = Field(None, description="priority class of the job")


class WrittenResources(WrittenAlternative):
    """What each node of the task must be; alternatives inherit the fields beside them and override them."""

    any_of: list[WrittenAlternative] | None = Field(None, description="alternatives, none preferred")
    ordered: list[WrittenAlternative] | None = Field(None, description="alternatives in order of preference")
    candidates: list[WrittenAlternative] | None = Field(
        None, description="the old name of any_of", json_schema_extra={"deprecated": True}
    )


class WrittenEstimate(Written):
    """How long the task takes: hours, or work and throughput."""

    hours: HoursByHardware = Field(
        None, description="hours of the whole task, or hours by hardware: H100:8 (a node with eight), H100 (any), cpu"
    )
    work: Work = Field(None, description="units of work in all, of any unit")
    throughput: Throughput = Field(
        None, description="units of work per second: of ONE accelerator (H100), of a node (H100:8, cpu)"
    )
    setup: SetupHours = Field(
        None, description="time from when the machines answer to when the work begins (default: 0)"
    )
    checkpoint: Hours = Field(
        None, description="time between checkpoints; an interrupted run goes on from the last (default: it begins anew)"
    )


def _as_estimate(value: object) -> object:
    """`estimate: 3h` is short for `estimate: {hours: 3h}`."""
    return value if isinstance(value, dict) else {"hours": value}


class WrittenPool(Written):
    """A pool of workers for batch jobs."""

    workers: Count = Field(None, description="how many workers")
    min_workers: Count = Field(None, description="never fewer workers")
    max_workers: Count = Field(None, description="never more workers")
    queue_length_threshold: Count = Field(None, description="waiting jobs that make the pool grow")
    upscale_delay_seconds: Seconds = Field(None, description="wait before it grows, s")
    downscale_delay_seconds: Seconds = Field(None, description="wait before it shrinks, s")


class WrittenReplicaPolicy(Written):
    """How many replicas a service has."""

    min_replicas: Count = Field(None, description="never fewer replicas")
    max_replicas: Count = Field(None, description="never more replicas")
    num_overprovision: Count = Field(None, description="replicas beyond what the load asks for")
    target_qps_per_replica: Anything = Field(None, description="queries/s of a replica, or by accelerator")
    dynamic_ondemand_fallback: Boolean = Field(None, description="on demand while spot is short")
    base_ondemand_fallback_replicas: Count = Field(None, description="replicas that are always on demand")
    spot_placer: Text = Field(None, description="how spot replicas are spread")
    upscale_delay_seconds: Seconds = Field(None, description="wait before adding replicas, s")
    downscale_delay_seconds: Seconds = Field(None, description="wait before removing replicas, s")


class WrittenService(Written):
    """A service: the task is one replica of it."""

    readiness_probe: TextOrFields = Field(None, description="path that answers when a replica is ready")
    replicas: Count = Field(None, description="a fixed number of replicas")
    replica_policy: WrittenReplicaPolicy | None = Field(None, description="a number of replicas that follows the load")
    load_balancing_policy: Text = Field(None, description="how queries are spread over replicas")
    load_balancer: Fields = Field(None, description="more about the load balancer")
    ports: Ports = Field(None, description="port of the service")
    tls: Fields = Field(None, description="keyfile and certfile")
    pool: WrittenPool | None = Field(None, description="pool of workers")
    workers: Count = Field(None, description="how many workers")


class WrittenTaskBody(Written):
    """The fields of a task."""

    name: Name = Field(None, description="name of the task")
    num_nodes: NumNodes = Field(None, description="how many equal nodes (default: 1)")
    spread: Spread = Field(
        None, description="equal groups of nodes, each placed on its own; it divides num_nodes (default: 1)"
    )
    resources: WrittenResources | None = Field(None, description="what each node must be")
    estimate: (
        Annotated[WrittenEstimate, BeforeValidator(_as_estimate, json_schema_input_type=WrittenEstimate | float | str)]
        | None
    ) = Field(None, description="how long it takes; 3h is short for {hours: 3h}")
    inputs: DataSizes = Field(None, description="data that is read, URL to GB")
    outputs: DataSizes = Field(None, description="data that is written, URL to GB")
    setup: Text = Field(None, description="commands that prepare a node")
    run: Text = Field(None, description="commands that do the work, on each node")
    envs: Envs = Field(None, description="environment variables; null has to be given later")
    secrets: Secrets = Field(None, description="secret environment variables; they are in no plan")
    managed_secrets: Items = Field(None, description="names of managed secrets")
    workdir: TextOrFields = Field(None, description="folder to copy to the nodes, or {url, ref} of a repository")
    file_mounts: FileMounts = Field(None, description="path on the node to local path, URL or bucket")
    file_mounts_mapping: Fields = Field(None, description="carried for SkyPilot")
    volumes: Fields = Field(None, description="path on the node to volume")
    volume_mounts: Items = Field(None, description="carried for SkyPilot")
    service: WrittenService | None = Field(None, description="makes the task a service")
    pool: WrittenPool | None = Field(None, description="makes the task a pool of workers")
    config: Fields = Field(None, description="advanced configuration, carried")
    experimental: Fields = Field(None, description="carried for SkyPilot")
    event_callback: Text = Field(None, description="command that is run when the state of the job changes")
    api_server_access: Boolean = Field(None, description="carried for SkyPilot")


class WrittenTask(WrittenTaskBody):
    """One of several tasks under `tasks`."""

    depends_on: Dependencies = Field(
        None, description="tasks that must be done before; {task: {data: 50 GB}} says what moves from there to here"
    )


class WrittenResidency(Written):
    """Where the workload may run: continents, countries (ISO 3166-1), EU, EEA, clouds, cloud/region."""

    allow: Allow = Field(None, description="only where one of these matches")
    deny: Deny = Field(None, description="nowhere where one of these matches")


class WrittenCarbon(Written):
    """What emissions of the machines' power cost, and how much of them is allowed."""

    price: CarbonPrice = Field(
        None, description="USD for each tonne of CO2e, charged when plans are compared (default: 0)"
    )
    limit: Emissions = Field(None, description="the most that all may emit, kg of CO2e")


class WrittenChance(Written):
    """The least chances that are accepted: 90% or 0.9."""

    capacity: Chance = Field(None, description="that all machines are got when they are asked for")
    uninterrupted: Chance = Field(None, description="that no machine is taken back before its task is done")


class WrittenPreference(Written):
    """A wish for a place or a way to buy, and what it is worth."""

    infra: WishedPlace = Field(None, description="the cloud or cloud/region that is wished for")
    purchase: Purchases = Field(None, description="the ways to buy that are wished for")
    penalty: Penalty = Field(
        None, description="USD charged for each task that has it otherwise, when plans are compared"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A wish without a penalty, or for nothing, is none."""
        if self.infra is None and self.purchase is None:
            raise InvalidValueError("wishes for nothing", "write infra, purchase or both")
        if self.penalty is None:
            raise InvalidValueError("penalty is missing", "such as `penalty: $5`")
        return self


def _as_list(value: object) -> object:
    """A mapping alone is short for a list of it."""
    return [value] if isinstance(value, dict) else value


class WrittenDocument(WrittenTaskBody):
    """One YAML document: a task, or the head of several. Documents of one file are a chain."""

    tasks: dict[str, WrittenTask] | list[WrittenTask] | None = Field(
        None, description="the tasks by name (or a list, each with its name), when depends_on connects them"
    )
    deadline: Deadline = Field(None, description="all must be done by then: hours, 12h, 2d, an instant or a day")
    budget: Budget = Field(None, description="the most that all may cost, USD")
    hourly_budget: HourlyBudget = Field(
        None, description="the most that all machines that run at one time may cost, USD/h"
    )
    residency: WrittenResidency | None = Field(None, description="where data and machines may be")
    objective: Goal = Field(None, description="what is made as small as it can be (default: cost)")
    value_of_time: ValueOfTime = Field(
        None, description="what an hour until all is done is charged when plans are compared, USD (default: 0)"
    )
    carbon: WrittenCarbon | None = Field(None, description="price and limit of emissions")
    chance: WrittenChance | None = Field(None, description="least chances to get the machines and to keep them")
    prefer: (
        Annotated[
            list[WrittenPreference],
            BeforeValidator(_as_list, json_schema_input_type=list[WrittenPreference] | WrittenPreference),
        ]
        | None
    ) = Field(None, description="wishes, each with its penalty; one alone may stand without the list")
    execution: Execution = Field(None, description="parallel: the documents that follow run at the same time")
    primary_tasks: Names = Field(None, description="when these are done, the others are stopped (parallel)")
    termination_delay: Anything = Field(None, description="how long the others may go on (parallel)")
    inter_connection: Boolean = Field(None, description="whether the tasks reach each other (parallel)")


TASK_FIELDS = frozenset(WrittenTaskBody.model_fields)
WORKLOAD_FIELDS = frozenset(
    (
        "deadline",
        "budget",
        "hourly_budget",
        "residency",
        "objective",
        "value_of_time",
        "carbon",
        "chance",
        "prefer",
    )
)
"""Fields about all tasks together; they stand in the first document."""
GROUP_FIELDS = frozenset(("execution", "primary_tasks", "termination_delay", "inter_connection"))
"""Fields that make a document the head of the ones that follow."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one YAML document, for editors."""
    schema = WrittenDocument.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
        "title": "Skybroker workload",
    }
