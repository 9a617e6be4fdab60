"""Where each dollar and each hour of a plan goes: by task and by kind, and along the critical path.

All of it is read from the plan; with the workload, starts are told from setups and work from interruptions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from catalog_data.schema import Purchase
from engine.candidates import ASSUMED_HOURS
from engine.plan import Option, Placement, Plan
from engine.pricing import KG_PER_T
from engine.status import raised
from engine.workload import Preference, Task, Workload
from engine.worth import Worth

SCHEMA_VERSION: Final = 1


class Kind(StrEnum):
    """What money and time go to; without the workload start and setup are one, and so are work and interruptions."""

    START = "start of machines"
    SETUP = "setup"
    READY = "start and setup"
    WORK = "work"
    INTERRUPTIONS = "expected interruptions"
    RUN = "run"
    WAITING = "waiting for machines"
    ROUNDING = "rounding up of billing"
    DISKS = "disks"
    INPUTS = "inputs"
    EGRESS = "egress"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one kind of thing takes in a task, or between two (`prepare -> train`).

    `usd` is None where it is not known; `hours` is 0 for what takes none.
    """

    subject: str
    kind: Kind
    usd: float | None
    hours: float


@dataclass(frozen=True, kw_only=True)
class Total:
    """The money of all parts that have something in common, and its share of all money (None where there is none)."""

    name: str
    usd: float
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stretch of the critical path: what must take less for the plan to take less."""

    subject: str
    kind: Literal["inputs", "transfer", "task"]
    from_h: float
    to_h: float


@dataclass(frozen=True, kw_only=True)
class Slack:
    """By how many hours a task or a transfer may be late without the plan taking longer."""

    subject: str
    hours: float


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What plans are charged beyond cost; None where the plan alone does not say how it is made up."""

    name: str
    usd: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A plan explained. `limits` is empty and `missing` says why where there was no market to ask."""

    schema_version: Literal[1]
    workload: str
    snapshot: str
    objective: str
    cost_usd: float
    hours: float
    charge_usd: float
    parts: tuple[Part, ...]
    kinds: tuple[Total, ...]
    subjects: tuple[Total, ...]
    critical_path: tuple[Step, ...]
    slack: tuple[Slack, ...]
    charges: tuple[Charge, ...]
    limits: tuple[Worth, ...]
    missing: tuple[str, ...]


def explain(
    plan: Plan, workload: Workload | None, limits: Sequence[Worth] = (), missing: Sequence[str] = ()
) -> Explanation:
    """The best option of a plan, explained.

    `workload` is the plan's, its tasks spread as in the plan; `limits` come from engine.worth.
    """
    best = plan.best
    parts = tuple(parts_of(best, workload))
    return Explanation(
        schema_version=SCHEMA_VERSION,
        workload=plan.workload.name,
        snapshot=plan.snapshot.id,
        objective=plan.objective,
        cost_usd=best.cost_usd,
        hours=best.hours,
        charge_usd=best.charge_usd,
        parts=parts,
        kinds=_totals((part.kind, part.usd) for part in parts),
        subjects=_totals((part.subject, part.usd) for part in parts),
        critical_path=tuple(critical_path(best)),
        slack=tuple(slack_of(best)),
        charges=tuple(_charges(plan, workload)),
        limits=tuple(limits),
        missing=tuple(missing),
    )


def parts_of(option: Option, workload: Workload | None) -> Iterator[Part]:
    """All that an option costs and takes; the money adds up to its cost."""
    tasks = {task.name: task for task in workload.tasks} if workload else {}
    for placement in option.placements:
        yield from _of_placement(placement, tasks.get(placement.task))
    for transfer in option.transfers:
        subject = f"{transfer.source_task} -> {transfer.target_task}"
        yield Part(subject=subject, kind=Kind.EGRESS, usd=transfer.egress_usd, hours=transfer.hours)


def _of_placement(placement: Placement, task: Task | None) -> Iterator[Part]:
    # machines * $/h = $/h of the task
    usd_h = placement.num_nodes * placement.price_usd_h
    for kind, hours in billed_kinds(placement, task):
        yield Part(subject=placement.task, kind=kind, usd=usd_h * hours, hours=0.0 if kind is Kind.ROUNDING else hours)
    yield Part(subject=placement.task, kind=Kind.WAITING, usd=0.0, hours=placement.wait_h)
    yield Part(subject=placement.task, kind=Kind.DISKS, usd=placement.disk_usd, hours=0.0)
    yield Part(subject=placement.task, kind=Kind.INPUTS, usd=placement.input_usd, hours=placement.input_h)


def billed_kinds(placement: Placement, task: Task | None) -> Iterator[tuple[Kind, float]]:
    """What the hours on a machine's bill are for; they add up to `billed_h`."""
    if task is None:
        yield Kind.READY, placement.setup_h
        yield Kind.RUN, placement.hours - placement.wait_h
    else:
        setup_h = min(placement.setup_h, task.estimate.setup_h if task.estimate else 0.0)
        work_h = min(placement.hours, _work_h(placement, task))
        yield Kind.START, placement.setup_h - setup_h
        yield Kind.SETUP, setup_h
        yield Kind.WORK, work_h
        yield Kind.INTERRUPTIONS, placement.hours - placement.wait_h - work_h
    yield Kind.ROUNDING, placement.billed_h - placement.setup_h - placement.hours + placement.wait_h


def _work_h(placement: Placement, task: Task) -> float:
    """The run if nothing interrupts it."""
    if task.estimate is None:
        return ASSUMED_HOURS
    known_h = task.estimate.hours_on(placement.accelerator, placement.accelerator_count, placement.num_nodes)
    return placement.hours if known_h is None else known_h


def _totals(amounts: Iterable[tuple[str, float | None]]) -> tuple[Total, ...]:
    """Sums by name, the largest first; names without money are left out."""
    sums: dict[str, list[float]] = {}
    for name, usd in amounts:
        sums.setdefault(str(name), []).append(usd or 0.0)
    totals = {name: math.fsum(usd) for name, usd in sums.items()}
    whole = math.fsum(totals.values())
    ranked = sorted(((name, usd) for name, usd in totals.items() if usd), key=lambda item: -item[1])
    return tuple(Total(name=name, usd=usd, share=usd / whole if whole else None) for name, usd in ranked)


def critical_path(option: Option) -> Iterator[Step]:
    """The stretches from the start of the plan to its end, each of which begins when the one before ends.

    Of several such paths the one that ends with the first of the last tasks, and comes through the first of each task's
    last data.
    """
    placements = {placement.task: placement for placement in option.placements}
    steps: list[Step] = []
    at: Placement | None = max(option.placements, key=lambda placement: placement.end_h)
    while at is not None:
        steps.append(Step(subject=at.task, kind="task", from_h=at.start_h, to_h=at.end_h))
        into = [transfer for transfer in option.transfers if transfer.target_task == at.task]
        arrivals = [(placements[transfer.source_task].end_h + transfer.hours, transfer) for transfer in into]
        last = max(arrivals, key=lambda arrival: arrival[0], default=None)
        if last is None or raised(last[0]) < at.input_h:
            if at.input_h:
                steps.append(Step(subject=at.task, kind="inputs", from_h=0.0, to_h=at.input_h))
            break
        source = placements[last[1].source_task]
        if last[1].hours:
            subject = f"{source.task} -> {at.task}"
            steps.append(Step(subject=subject, kind="transfer", from_h=source.end_h, to_h=last[0]))
        at = source
    yield from reversed(steps)


def slack_of(option: Option) -> Iterator[Slack]:
    """How late each task and each transfer may be: the latest end less the end (total float), 0 on a critical path."""
    placements = {placement.task: placement for placement in option.placements}
    latest_end: dict[str, float] = {}

    def latest_start(name: str) -> float:
        return latest_end[name] - placements[name].setup_h - placements[name].hours

    # Tasks stand behind those that they wait for.
    for placement in reversed(option.placements):
        after = [transfer for transfer in option.transfers if transfer.source_task == placement.task]
        ends = [latest_start(transfer.target_task) - transfer.hours for transfer in after]
        latest_end[placement.task] = min(ends, default=option.hours)
    for placement in option.placements:
        yield Slack(subject=placement.task, hours=_no_less_than_0(latest_end[placement.task] - placement.end_h))
    for transfer in option.transfers:
        arrives = placements[transfer.source_task].end_h + transfer.hours
        subject = f"{transfer.source_task} -> {transfer.target_task}"
        yield Slack(subject=subject, hours=_no_less_than_0(latest_start(transfer.target_task) - arrives))


def _no_less_than_0(hours: float) -> float:
    """0 for what rounding alone keeps from it."""
    return 0.0 if raised(0.0) >= hours else hours


def _charges(plan: Plan, workload: Workload | None) -> Iterator[Charge]:
    """The value of time, carbon and wishes; they add up with the cost to what is charged."""
    best, charges = plan.best, plan.charges
    time_usd = charges.value_of_time_usd_h * best.hours
    rest_usd = best.charge_usd - best.cost_usd - time_usd
    if charges.value_of_time_usd_h:
        yield Charge(name="value of time", usd=time_usd)
    wishes_usd = _wishes_usd(plan, workload, rest_usd)
    if charges.carbon_usd_t:
        yield Charge(name="carbon", usd=None if wishes_usd is None else rest_usd - wishes_usd)
    if charges.preferences:
        yield Charge(name="wishes not met", usd=wishes_usd)


def _wishes_usd(plan: Plan, workload: Workload | None, rest_usd: float) -> float | None:
    """The penalties of the best option: by the workload's wishes, or what the plan's carbon leaves of the rest."""
    if not plan.charges.preferences:
        return 0.0
    if not plan.charges.carbon_usd_t:
        return rest_usd
    if workload is not None:
        placements = plan.best.placements
        return sum(_penalty_usd(placement, wish) for placement in placements for wish in workload.preferences)
    emitted = [placement.carbon_kg for placement in plan.best.placements]
    known_kg = [kg for kg in emitted if kg is not None]
    if len(known_kg) < len(emitted):
        return None
    return rest_usd - plan.charges.carbon_usd_t * sum(known_kg) / KG_PER_T


def _penalty_usd(placement: Placement, wish: Preference) -> float:
    met = (
        wish.cloud in {None, placement.cloud}
        and wish.region in {None, placement.region}
        and Purchase(placement.purchase) in (wish.purchases or tuple(Purchase))
    )
    return 0.0 if met else wish.penalty_usd
