"""From a workload and a snapshot to a plan: the way in to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.candidates import Candidates
from engine.infeasible import InfeasibleError, require_candidates, waiting_lines
from engine.plan import Plan
from engine.plan_single import plan_single
from engine.planned import Planned
from engine.requirements import plain
from engine.spread import with_groups
from engine.status import Clock, stands_still
from engine.workload import Objective, Workload
from engine.written import written


@dataclass(frozen=True)
class PlanRequest:
    """How to plan: the best and `top` - 1 alternatives; `created_at` and `file` are noted in the plan.

    `clock` tells the seconds that `time_limit_s` counts; without one only the solver's own time counts.
    """

    created_at: datetime
    file: str
    top: int = 5
    time_limit_s: float | None = None
    clock: Clock = stands_still


def make_plan(workload: Workload, snapshot: Snapshot, request: PlanRequest) -> Plan:
    """The best plan for the workload at the snapshot's prices.

    Raises:
        InfeasibleError: no offer meets a requirement, or no plan keeps the limits.
        NoPlanInTimeError: the time limit was hit before any plan was found.
        TooLargeError: there are more tasks than can be placed together.
    """
    workload = with_groups(from_now(workload, request.created_at))
    snapshot = holding(snapshot, request.created_at)
    found = find_all(workload, snapshot)
    require_candidates(found)
    planned = placed(workload, found, snapshot, request)
    return written(workload, found, snapshot, planned, created_at=request.created_at, file=request.file)


def has_policy(workload: Workload) -> bool:
    """Whether its deadline may be kept by a policy (`engine.deadline_plan`).

    It may where one task that writes checkpoints is planned for least cost, and spot machines will do.
    """
    [task, *others] = workload.tasks
    return (
        not others
        and (workload.deadline_hours, workload.deadline_at) != (None, None)
        and workload.objective is Objective.COST
        and task.estimate is not None
        and task.estimate.checkpoint_h is not None
        and any(Purchase.SPOT in need.purchases for need in task.requirements)
    )


def from_now(workload: Workload, now: datetime) -> Workload:
    """The workload with its deadline as hours from now."""
    hours_left = workload.hours_left(now)
    if hours_left is not None and hours_left <= 0:
        raise InfeasibleError([f"the deadline passed {plain(-hours_left)} h ago"])
    return replace(workload, deadline_hours=hours_left, deadline_at=None)


def holding(snapshot: Snapshot, now: datetime) -> Snapshot:
    """The snapshot without the observations that have expired."""
    return replace(snapshot, observations=snapshot.observations.filter(pl.col("expires_at") > now))


def placed(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest) -> Planned:
    """The best of these candidates.

    Raises:
        InfeasibleError, NoPlanInTimeError: see `make_plan`.
    """
    try:
        return _placed(workload, found, snapshot, request)
    except InfeasibleError as error:
        raise InfeasibleError([*error.reasons, *waiting_lines(found)]) from error


def _placed(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest) -> Planned:
    if len(found) == 1:
        return plan_single(workload, found[0], request.top)
    # A single task needs no solver, and loading one takes as long as all the rest of planning.
    from engine.plan_dag import plan_dag  # noqa: PLC0415

    return plan_dag(workload, found, snapshot, request.time_limit_s, request.clock, top=request.top)
