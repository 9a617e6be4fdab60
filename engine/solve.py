"""From a workload and a snapshot to a plan: the way in to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from catalog_data.schema import OTHER_CONTINENT, SAME_CONTINENT, Confidence
from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.candidates import Candidates, cloud_of, home_of
from engine.infeasible import InfeasibleError, require_candidates, waiting_lines
from engine.plan import (
    SCHEMA_VERSION,
    FellOut,
    Limits,
    Option,
    Plan,
    SnapshotUsed,
    SourceUsed,
    WorkloadUsed,
)
from engine.plan_single import plan_single
from engine.planned import Planned
from engine.problems.single import keeps_budget, keeps_deadline
from engine.requirements import plain
from engine.status import Clock, stands_still
from engine.transfers import default_gbit_s, place
from engine.workload import Workload


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
    workload = _from_now(workload, request.created_at)
    snapshot = _holding(snapshot, request.created_at)
    found = find_all(workload, snapshot)
    require_candidates(found)
    planned = _place(workload, found, snapshot, request)
    if len(found) == 1:
        found = [_within_limits(workload, found[0])]
    return _written(workload, found, snapshot, request, planned)


def _from_now(workload: Workload, now: datetime) -> Workload:
    """The workload with its deadline as hours from now."""
    hours_left = workload.hours_left(now)
    if hours_left is not None and hours_left <= 0:
        raise InfeasibleError([f"the deadline passed {plain(-hours_left)} h ago"])
    return replace(workload, deadline_hours=hours_left, deadline_at=None)


def _holding(snapshot: Snapshot, now: datetime) -> Snapshot:
    """The snapshot without the observations that have expired."""
    return replace(snapshot, observations=snapshot.observations.filter(pl.col("expires_at") > now))


def _place(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest) -> Planned:
    try:
        return _placed(workload, found, snapshot, request)
    except InfeasibleError as error:
        raise InfeasibleError([*error.reasons, *waiting_lines(found)]) from error


def _placed(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest) -> Planned:
    if len(found) == 1:
        return plan_single(workload, found[0], request.top)
    # A single task needs no solver, and loading one takes as long as all the rest of planning.
    from engine.plan_dag import plan_dag  # noqa: PLC0415

    return plan_dag(workload, found, snapshot, request.time_limit_s, request.clock)


def _within_limits(workload: Workload, candidates: Candidates) -> Candidates:
    """The candidates of a single task without those that a limit excludes, which fell out too."""
    frame = candidates.frame
    too_slow = frame.filter(~keeps_deadline(workload.deadline_hours))
    in_time = frame.filter(keeps_deadline(workload.deadline_hours))
    too_dear = in_time.filter(~keeps_budget(workload.budget_usd))
    counts = {
        "too slow for the deadline": int(too_slow["offers"].sum()),
        "too dear for the budget": int(too_dear["offers"].sum()),
    }
    return replace(
        candidates,
        frame=in_time.filter(keeps_budget(workload.budget_usd)),
        fell_out={**candidates.fell_out, **{reason: count for reason, count in counts.items() if count}},
    )


def _written(
    workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, request: PlanRequest, planned: Planned
) -> Plan:
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
        proof=planned.proof,
        best=planned.best,
        alternatives=planned.alternatives,
        comparison=planned.comparison,
        candidates=sum(candidates.frame.height for candidates in found),
        assumptions=(
            *workload.assumptions,
            *_assumed_of_tasks(found),
            *planned.assumptions,
            *_assumed_prices(planned.best),
            *_assumed_moves(workload, planned, snapshot),
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
    return lines


def _assumed_moves(workload: Workload, planned: Planned, snapshot: Snapshot) -> list[str]:
    """How the cost and the time of moving data between places was come by, where any is moved."""
    options = (planned.best, *planned.alternatives, *planned.comparison)
    moves = {pair for option in options for pair in _moves(workload, option)}
    if not moves:
        return []
    egress = (
        "egress is billed from the first paid tier on, transfer by transfer; free monthly allowances are not counted"
    )
    return [egress, *_assumed_throughput(default_gbit_s(snapshot, moves))]


def _moves(workload: Workload, option: Option) -> Iterator[tuple[str, str]]:
    """The pairs of different places between which data moves."""
    where = {placement.task: placement for placement in option.placements}
    places = {name: place(placement.cloud, placement.region) for name, placement in where.items()}
    for edge in workload.edges:
        if edge.data_gb and places[edge.source] != places[edge.target]:
            yield places[edge.source], places[edge.target]
    for task in workload.tasks:
        for url, data_gb in task.inputs.items():
            cloud = cloud_of(url)
            if data_gb and cloud is not None and cloud != where[task.name].cloud:
                yield home_of(cloud), places[task.name]


def _assumed_throughput(gbit_s: Mapping[str, float]) -> list[str]:
    """The defaults that stand in for measurements, by class of pair."""
    if not gbit_s:
        return []
    if len(set(gbit_s.values())) == 1:
        return [f"data moves between regions at {plain(next(iter(gbit_s.values())))} Gbit/s of one machine"]
    near, far = (plain(gbit_s[name]) for name in (SAME_CONTINENT, OTHER_CONTINENT))
    return [f"data moves between regions at {near} Gbit/s of one machine, and at {far} Gbit/s between continents"]
