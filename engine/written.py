"""What planning found, written down as a plan: the snapshot, the limits, and all that was taken for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from catalog_data.schema import OTHER_CONTINENT, SAME_CONTINENT, Confidence
from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates
from engine.fallback import chance_of_chain
from engine.inputs import cloud_of, home_of
from engine.plan import (
    SCHEMA_VERSION,
    Charges,
    FellOut,
    Limits,
    Option,
    Plan,
    SnapshotUsed,
    SourceUsed,
    WorkloadUsed,
)
from engine.planned import Planned
from engine.requirements import plain
from engine.spread import names_text
from engine.transfers import default_gbit_s, place
from engine.workload import Workload


def written(
    workload: Workload,
    found: Sequence[Candidates],
    snapshot: Snapshot,
    planned: Planned,
    *,
    created_at: datetime,
    file: str,
) -> Plan:
    """The plan of what was found for a workload, with all that was assumed."""
    return Plan(
        schema_version=SCHEMA_VERSION,
        created_at=created_at,
        snapshot=SnapshotUsed(
            id=snapshot.info.id,
            published_at=snapshot.info.published_at,
            sources=tuple(
                SourceUsed(source=age.source, source_version=age.source_version, observed_at=age.observed_at)
                for age in snapshot.sources
            ),
        ),
        workload=WorkloadUsed(name=workload.name, file=file, sha256=workload.digest),
        objective=workload.objective,
        limits=Limits(
            deadline_h=workload.deadline_hours,
            budget_usd=workload.budget_usd,
            hourly_budget_usd=workload.hourly_budget_usd,
            carbon_kg=workload.carbon.limit_kg,
            capacity=workload.chances.capacity,
            uninterrupted=workload.chances.uninterrupted,
        ),
        charges=Charges(
            value_of_time_usd_h=workload.value_of_time_usd_h,
            carbon_usd_t=workload.carbon.price_usd_t,
            preferences=len(workload.preferences),
        ),
        proof=planned.proof,
        best=planned.best,
        alternatives=planned.alternatives,
        alternatives_complete=planned.alternatives_complete,
        comparison=planned.comparison,
        fallbacks=planned.fallbacks,
        chance=chance_of_chain(planned.best, planned.fallbacks),
        candidates=planned.candidates,
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
            for reason, count in {**candidates.fell_out, **planned.fell_out}.items()
        ),
        policy=None,
    )


def _assumed_of_tasks(found: Sequence[Candidates]) -> list[str]:
    """What was assumed of the candidates; what holds for several tasks is said once."""
    tasks: dict[str, list[str]] = {}
    for candidates in found:
        for line in candidates.assumptions:
            tasks.setdefault(line.removeprefix(f"{candidates.task.name}: "), []).append(candidates.task.name)
    return [f"{names_text(names)}: {line}" for line, names in tasks.items()]


def _assumed_prices(best: Option) -> list[str]:
    """What is in a cost, and which prices are shaky."""
    ready_h = max(placement.setup_h for placement in best.placements)
    billed = (
        f"machines are ready and set up within {plain(60 * ready_h, 2)} min, and billed from their start on as their"
        " cloud meters them; disks are counted where disk_size asks for one"
    )
    shaky: dict[str, list[str]] = {}
    for placement in best.placements:
        if placement.confidence is Confidence.LOW:
            seen = f"({placement.source}, seen {placement.price_observed_at:%Y-%m-%d})"
            line = f"the price of {placement.instance_type} is of low confidence {seen}"
            shaky.setdefault(line, []).append(placement.task)
    return [billed, *(f"{names_text(names)}: {line}" for line, names in shaky.items())]


def _assumed_moves(workload: Workload, planned: Planned, snapshot: Snapshot) -> list[str]:
    """How the cost and the time of moving data between places was come by, where any is moved."""
    fallbacks = (fallback.option for fallback in planned.fallbacks)
    options = (planned.best, *planned.alternatives, *planned.comparison, *fallbacks)
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
