"""From a workload and a snapshot to a plan: the way in to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from catalog_data.schema import Confidence
from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, find_candidates
from engine.infeasible import InfeasibleError, require_candidates
from engine.plan import (
    SCHEMA_VERSION,
    FellOut,
    Limits,
    Option,
    Plan,
    ProofShown,
    SnapshotUsed,
    SourceUsed,
    WorkloadUsed,
)
from engine.plan_single import plan_single
from engine.planned import Planned
from engine.status import raised
from engine.workload import Workload


@dataclass(frozen=True)
class PlanRequest:
    """How to plan: the best and `top` - 1 alternatives; `created_at` and `file` are noted in the plan."""

    created_at: datetime
    file: str
    top: int = 5
    time_limit_s: float | None = None


def make_plan(workload: Workload, snapshot: Snapshot, request: PlanRequest) -> Plan:
    """The best plan for the workload at the snapshot's prices.

    Raises:
        InfeasibleError: no offer meets a requirement, or no plan keeps the limits.
        NoPlanInTimeError: the time limit was hit before any plan was found.
    """
    workload = _from_now(workload, request.created_at)
    found = [find_candidates(task, workload, snapshot) for task in workload.tasks]
    require_candidates(found)
    planned = _place(workload, found, snapshot, request)
    return _written(workload, found, snapshot, request, planned)


def _from_now(workload: Workload, now: datetime) -> Workload:
    """The workload with its deadline as hours from now."""
    hours_left = workload.hours_left(now)
    if hours_left is not None and hours_left <= 0:
        raise InfeasibleError([f"the deadline passed {-hours_left:.4g} h ago"])
    return replace(workload, deadline_hours=hours_left, deadline_at=None)


def _place(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest) -> Planned:
    if len(found) == 1:
        return plan_single(workload, found[0], request.top)
    # A single task needs no solver, and loading one takes as long as all the rest of planning.
    from engine.plan_dag import plan_dag  # noqa: PLC0415

    return plan_dag(workload, found, snapshot, request.time_limit_s)


def _written(
    workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest, planned: Planned
) -> Plan:
    proof = planned.proof
    return Plan(
        schema_version=SCHEMA_VERSION,
        created_at=request.created_at,
        snapshot=SnapshotUsed(
            id=snapshot.info.id,
            published_at=snapshot.info.published_at,
            sources=tuple(
                SourceUsed(source=age.source, source_version=age.source_version, observed_at=age.observed_at)
                for age in snapshot.sources
            ),
        ),
        workload=WorkloadUsed(name=workload.name, file=request.file, sha256=workload.digest),
        objective=workload.objective,
        limits=Limits(deadline_h=workload.deadline_hours, budget_usd=workload.budget_usd),
        proof=ProofShown(
            status=proof.status, objective=proof.objective, bound=proof.bound, gap=proof.gap, method=proof.method
        ),
        best=planned.best,
        alternatives=planned.alternatives,
        comparison=planned.comparison,
        candidates=sum(candidates.frame.height for candidates in found),
        assumptions=(
            *workload.assumptions,
            *_assumed_of_tasks(found),
            *planned.assumptions,
            *_assumed_prices(planned.best),
        ),
        fell_out=tuple(
            FellOut(task=candidates.task.name, reason=reason, offers=count)
            for candidates in found
            for reason, count in candidates.fell_out.items()
        ),
    )


def _assumed_of_tasks(found: Sequence[Candidates]) -> list[str]:
    """What was assumed of the candidates; what holds for several tasks is said once."""
    tasks: dict[str, list[str]] = {}
    for candidates in found:
        for line in candidates.assumptions:
            tasks.setdefault(line.removeprefix(f"{candidates.task.name}: "), []).append(candidates.task.name)
    return [f"{', '.join(names)}: {line}" for line, names in tasks.items()]


def _assumed_prices(best: Option) -> list[str]:
    """What is not in the price, and which prices are shaky."""
    lines = ["prices are of machines and egress; disks, start-up time and minimum billing are not counted"]
    lines += [
        f"{placement.task}: the price of {placement.instance_type} is of low confidence"
        f" ({placement.source}, seen {placement.price_observed_at:%Y-%m-%d})"
        for placement in best.placements
        if placement.confidence is Confidence.LOW
    ]
    moved_in = any(
        placement.cost_usd > raised(placement.num_nodes * placement.price_usd_h * placement.hours)
        for placement in best.placements
    )
    if moved_in or any(transfer.egress_usd for transfer in best.transfers):
        lines.append("egress is billed from the first tier on, as if nothing else were sent this month")
    return lines
