"""The plan: what was chosen, what it costs, what else there is, and how good that is proven to be.

A plan is data. It is written as JSON, read back strictly, and holds nothing secret: of the workload it has
the name, the file and the digest, never its environment, its commands or its secrets.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config

from catalog_data.schema import Confidence, Purchase
from engine.policy_section import DeadlinePolicy, faults_of_policy
from engine.status import Status
from engine.workload import Objective

SCHEMA_VERSION: Final = 3
TOLERANCE: Final = 1e-6
"""How far figures of one plan may differ, relative to them."""
UNPRINTABLE: Final = frozenset({"Cc", "Zl", "Zp"})
"""Unicode's categories of control characters and of separators of lines and paragraphs."""


class PlanError(ValueError):
    """A plan file that cannot be used; `hint` says what the user can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


_STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class SourceUsed:
    """One source of the snapshot and when it last looked."""

    source: str
    source_version: str | None
    observed_at: datetime


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class SnapshotUsed:
    """The catalog that the plan was made from."""

    id: str
    published_at: datetime
    sources: tuple[SourceUsed, ...]


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class WorkloadUsed:
    """The workload that the plan is for: `sha256` is the digest of its text."""

    name: str
    file: str
    sha256: str


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the user allows at most."""

    deadline_h: float | None
    budget_usd: float | None
    hourly_budget_usd: float | None
    """Of all machines that run at one time."""
    carbon_kg: float | None
    capacity: float | None
    """The least chance that all machines are got."""
    uninterrupted: float | None
    """The least chance that none is taken back before its task is done."""


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Charges:
    """What plans are charged for beyond their cost when they are compared."""

    value_of_time_usd_h: float
    carbon_usd_t: float
    preferences: int
    """How many wishes there are, each with its penalty."""


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Proof:
    """How good the plan is: no plan that keeps as well to the user's order of preference is below `bound` ($ or h).

    The objective is the cost with all charges, or the hours.
    `gap` is (objective - bound) / |objective|, 0 where the optimum is proven. `method` says how.
    """

    status: Status
    objective: float
    bound: float
    gap: float
    method: str


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Placement:
    """The candidate chosen for one task. Money is for all nodes and the whole run unless it says `_h`."""

    task: str
    num_nodes: int
    cloud: str
    region: str
    also_in: tuple[str, ...]
    """The other regions of the cloud that offer the same for the same."""
    zones: tuple[str, ...]
    instance_type: str
    purchase: Purchase
    vcpus: float | None
    memory_gib: float | None
    accelerator: str | None
    accelerator_count: float | None
    price_usd_h: float
    """Of one node."""
    start_h: float
    """When the machines are asked for, from the start of the plan."""
    setup_h: float
    """Until the work begins: the machines' start and the task's setup."""
    hours: float
    """Of the run, with the interruptions to be expected."""
    wait_h: float
    """Of these hours, those in which an interrupted run waits for another machine."""
    billed_h: float
    """What each machine is billed for."""
    input_h: float
    """Until the task's inputs from outside the workload have arrived."""
    input_usd: float
    disk_usd: float | None
    """Of the disks that the task asks for, None where their price is not known."""
    cost_usd: float
    """All nodes for `billed_h`, `disk_usd` and `input_usd`."""
    carbon_kg: float | None
    """Emissions of the power that all nodes draw, kg CO2e; None where they are not known."""
    available: bool | None
    """Whether it was seen to be offered there; None where nobody has looked."""
    capacity: float | None
    """How much there was to be had when last looked, above 0 up to 1 (plenty; see schema.OBSERVATIONS).

    None where nobody has looked.
    """
    chance: float
    """That the machines are got when they are asked for: of one kind in one place they are got, or not, together."""
    interruptions: float | None
    """How many are to be expected during the run; None where none can happen."""
    interruption_low: float | None
    interruption_high: float | None
    """Share of such spot machines taken back within a month."""
    source: str
    price_observed_at: datetime
    confidence: Confidence

    @property
    def end_h(self) -> float:
        """When the task is done, from the start of the plan."""
        return self.start_h + self.setup_h + self.hours


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Data handed from one task to another: cost, and the time between the end of one and the start of the other."""

    source_task: str
    target_task: str
    data_gb: float
    egress_usd: float
    hours: float


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Option:
    """One whole way to run the workload: `hours` is the makespan."""

    placements: tuple[Placement, ...]
    transfers: tuple[Transfer, ...]
    cost_usd: float
    hours: float
    charge_usd: float
    """The cost and all charges beyond it."""

    @property
    def chance(self) -> float:
        """That all machines are got: tasks that ask for the same in the same place ask once, each ask by itself."""
        return math.prod(ask.chance for ask in asks(self))


def asks(option: Option) -> list[Placement]:
    """A placement for each machine type that is asked for in a place and bought in one way."""
    kinds = {
        (placement.cloud, placement.region, placement.zones[:1], placement.instance_type, placement.purchase): placement
        for placement in reversed(option.placements)
    }
    return list(reversed(kinds.values()))


Scope = Literal["zone", "region", "cloud", "purchase"]


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Fallback:
    """What to try when all options before it are not to be had: they are of other zones, regions, clouds or purchases.

    Tasks on machines that the user owns need not differ, nor those that can be bought in one way only.
    """

    differs_in: Scope
    option: Option
    chance: float
    """That its machines are got, given that those of the options before it were not."""


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class FellOut:
    """How many offers were no candidates for a task, and why."""

    task: str
    reason: str
    offers: int


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Plan:
    """The result of planning: `best`, then the ranked alternatives, then the best of every cloud and purchase."""

    schema_version: Literal[3]
    created_at: datetime
    snapshot: SnapshotUsed
    workload: WorkloadUsed
    objective: Objective
    limits: Limits
    charges: Charges
    proof: Proof
    best: Option
    alternatives: tuple[Option, ...]
    alternatives_complete: bool
    """Whether these are as many as were asked for, or all that there are: not where the time was up."""
    comparison: tuple[Option, ...]
    fallbacks: tuple[Fallback, ...]
    """To be tried in turn after the best, where its machines are asked for in the first of their zones."""
    chance: float
    """That the machines of the best or of a fallback are got."""
    candidates: int
    assumptions: tuple[str, ...]
    fell_out: tuple[FellOut, ...]
    policy: DeadlinePolicy | None
    """How to keep the deadline on spot machines; None where none were compared."""

    def to_json(self) -> str:
        """The plan file's text."""
        return _adapter().dump_json(self, indent=2).decode() + "\n"

    def to_data(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        data: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return data


@cache
def _adapter() -> TypeAdapter[Plan]:
    """Reads and writes plans; building it takes as long as planning, and printing a plan does not need it."""
    return TypeAdapter(Plan)


def read_plan(text: str, *, file: str) -> Plan:
    """The plan that a file's text holds.

    Raises:
        PlanError: it is no plan, a damaged one, one of a later version, or one whose figures contradict each other.
    """
    try:
        plan = _adapter().validate_json(text)
    except ValidationError as error:
        raise _plan_error(error, text, file) from error
    fault = next(_faults(plan), None)
    if fault is not None:
        raise PlanError(f"{file}: {fault}", "the file was changed by hand: plan again")
    return plan


class _Version(BaseModel):
    schema_version: int
    plans: list[Any] | None = None


def _plan_error(error: ValidationError, text: str, file: str) -> PlanError:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return PlanError(f"{file}: not a plan file: {first['msg']}", "write it anew with `skybroker plan FILE -o`")
    try:
        read = _Version.model_validate_json(text)
    except ValidationError:
        return PlanError(
            f"{file}: not a plan file: it has no schema_version", "write one with `skybroker plan FILE -o`"
        )
    version = read.schema_version
    if version == SCHEMA_VERSION and read.plans is not None:
        return PlanError(f"{file}: holds several plans", "write one with `skybroker plan FILE -o`")
    if version != SCHEMA_VERSION:
        return PlanError(
            f"{file}: the plan has schema version {version}, this version reads {SCHEMA_VERSION}",
            "upgrade skybroker or plan again" if version > SCHEMA_VERSION else "plan again",
        )
    where = ".".join(str(part) for part in first["loc"])
    return PlanError(f"{file}: {where}: {first['msg']}", "the file was changed by hand or cut short: plan again")


def _faults(plan: Plan) -> Iterator[str]:
    """What contradicts itself in the plan, each with where it is."""
    yield from _unprintable(plan, "")
    yield from _of_option("best", plan.best)
    for kind, options in (("alternatives", plan.alternatives), ("comparison", plan.comparison)):
        for number, option in enumerate(options):
            yield from _of_option(f"{kind}.{number}", option)
    for number, fallback in enumerate(plan.fallbacks):
        yield from _of_option(f"fallbacks.{number}.option", fallback.option)
        yield from _of_fallback(f"fallbacks.{number}", fallback, plan.best)
    if plan.policy is not None:
        yield from faults_of_policy(plan.policy)
    if not _equal(1 - plan.chance, (1 - plan.best.chance) * math.prod(1 - each.chance for each in plan.fallbacks)):
        yield "chance: it is not that of the best and the fallbacks"
    if not _equal(plan.proof.objective, _objective(plan, plan.best)):
        yield "proof: the objective is not that of the best plan"


def _of_option(where: str, option: Option) -> Iterator[str]:
    if option.placements:
        yield from _of_figures(where, option)
    else:
        yield f"{where}: it has no placements"


def _of_fallback(where: str, fallback: Fallback, best: Option) -> Iterator[str]:
    if not 0 <= fallback.chance <= 1:
        yield f"{where}: the chance is not from 0 to 1"
    if [placement.task for placement in fallback.option.placements] != [each.task for each in best.placements]:
        yield f"{where}: its tasks are not those of the best plan"
        return
    same = [
        _scope_of(fallback.differs_in, placement) == _scope_of(fallback.differs_in, of_best)
        for placement, of_best in zip(fallback.option.placements, best.placements, strict=True)
        if of_best.purchase is not Purchase.OWNED
    ]
    # Not every task can be bought in another way.
    if all(same) if fallback.differs_in == "purchase" else any(same):
        yield f"{where}: it does not differ from the best plan in the {fallback.differs_in}"


def _scope_of(scope: Scope, placement: Placement) -> tuple[object, ...]:
    """What fails together with the placement."""
    return {
        "zone": (placement.cloud, placement.region, placement.zones[:1]),
        "region": (placement.cloud, placement.region),
        "cloud": (placement.cloud,),
        "purchase": (placement.purchase,),
    }[scope]


def _of_figures(where: str, option: Option) -> Iterator[str]:
    for number, placement in enumerate(option.placements):
        yield from _of_placement(f"{where}.placements.{number}", placement)
    for number, transfer in enumerate(option.transfers):
        if min(transfer.data_gb, transfer.egress_usd, transfer.hours) < 0:
            yield f"{where}.transfers.{number}: a figure is below 0"
    moved_usd = math.fsum(transfer.egress_usd for transfer in option.transfers)
    if not _equal(option.cost_usd, math.fsum(placement.cost_usd for placement in option.placements) + moved_usd):
        yield f"{where}: the costs do not add up"
    if option.charge_usd < option.cost_usd and not _equal(option.charge_usd, option.cost_usd):
        yield f"{where}: the charge is below the cost"
    if not _equal(option.hours, max(placement.end_h for placement in option.placements)):
        yield f"{where}: the hours do not add up"


def _of_placement(where: str, placement: Placement) -> Iterator[str]:
    least = min(
        placement.price_usd_h,
        placement.start_h,
        placement.setup_h,
        placement.hours,
        placement.wait_h,
        placement.billed_h,
        placement.input_h,
        placement.input_usd,
        placement.disk_usd or 0.0,
        placement.cost_usd,
        placement.carbon_kg or 0.0,
        placement.interruptions or 0.0,
    )
    if least < 0 or placement.num_nodes < 1:
        yield f"{where}: a figure is below {0 if least < 0 else 1}"
    if placement.capacity is not None and not 0 < placement.capacity <= 1:
        yield f"{where}: the capacity is not above 0 and up to 1"
    if not 0 < placement.chance <= 1:
        yield f"{where}: the chance is not above 0 and up to 1"
    # machines * $/h * h = $
    machine_usd = placement.num_nodes * placement.price_usd_h * placement.billed_h
    if not _equal(placement.cost_usd, machine_usd + (placement.disk_usd or 0.0) + placement.input_usd):
        yield f"{where}: the costs do not add up"


def _objective(plan: Plan, option: Option) -> float:
    return option.charge_usd if plan.objective is Objective.COST else option.hours


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2)


def _unprintable(value: object, where: str) -> Iterator[str]:
    """Texts that would not print as they stand, wherever they are."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _unprintable(getattr(value, field.name), f"{where}.{field.name}" if where else field.name)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _unprintable(item, f"{where}.{number}")
    elif isinstance(value, str) and any(unicodedata.category(letter) in UNPRINTABLE for letter in value):
        yield f"{where}: it holds characters that cannot be printed"
