"""The trade-offs of a workload: the Pareto frontier of its plans, each point as a whole option of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.candidates import Candidates
from engine.dag import Measure
from engine.infeasible import InfeasibleError, NoPlanInTimeError, require_candidates
from engine.instance import Instance, instance_of
from engine.limit import Limit
from engine.pareto import Frontier, frontier, skyline
from engine.plan import Option
from engine.solve import PlanRequest, from_now, holding, placed
from engine.spread import with_groups
from engine.status import TimeLimit
from engine.workload import Workload

SCHEMA_VERSION: Final = 1


class Axis(StrEnum):
    """What money is traded against: the makespan, the interruptions to be expected, or the emissions."""

    TIME = "time"
    RISK = "risk"
    CARBON = "carbon"


@dataclass(frozen=True)
class TradeOff:
    """A point of the frontier; `interruptions` and `carbon_kg` are null where they are not known of a placement."""

    option: Option
    interruptions: float | None
    carbon_kg: float | None

    @classmethod
    def of(cls, option: Option) -> TradeOff:
        """The point that an option is: on machines that nobody takes back there are no interruptions."""
        interruptions = [
            0.0 if placement.purchase is not Purchase.SPOT else placement.interruptions
            for placement in option.placements
        ]
        return cls(option, _sum(interruptions), _sum([placement.carbon_kg for placement in option.placements]))

    def to_data(self) -> dict[str, Any]:
        """The point as plain JSON types."""
        return {
            "cost_usd": self.option.cost_usd,
            "charge_usd": self.option.charge_usd,
            "hours": self.option.hours,
            "interruptions": self.interruptions,
            "carbon_kg": self.carbon_kg,
            "placements": [
                {
                    "task": placement.task,
                    "cloud": placement.cloud,
                    "region": placement.region,
                    "instance_type": placement.instance_type,
                    "purchase": str(placement.purchase),
                    "num_nodes": placement.num_nodes,
                }
                for placement in self.option.placements
            ],
        }


@dataclass(frozen=True)
class TradeOffs:
    """The points, the cheapest first; `complete` where there are no others; what had to be assumed."""

    workload: str
    snapshot: str
    against: Axis
    points: tuple[TradeOff, ...]
    complete: bool
    assumptions: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """The frontier as plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "workload": self.workload,
            "snapshot": self.snapshot,
            "against": str(self.against),
            "complete": self.complete,
            "points": [point.to_data() for point in self.points],
            "assumptions": list(self.assumptions),
        }


def make_trade_offs(
    workload: Workload, snapshot: Snapshot, request: PlanRequest, against: Axis, points: int | None = None
) -> TradeOffs:
    """The frontier of what is charged against an axis; with `points`, a few of it (engine.pareto.frontier).

    Candidates of which the figure is not known are left out. The time limit ends the search with what there is.

    Raises:
        InfeasibleError: see `make_plan`, and where a task has no candidate whose figure is known.
        NoPlanInTimeError: the time limit was hit before any point was found.
    """
    workload = with_groups(from_now(workload, request.created_at))
    snapshot = holding(snapshot, request.created_at)
    everything = find_all(workload, snapshot)
    require_candidates(everything)
    found, left_out = _known(everything, against)
    limit = TimeLimit.of(request.time_limit_s, request.clock)
    instance = _with_axis(instance_of(workload, found, snapshot), against)
    instance, solved = _solved(instance, against, limit, points)
    if not solved.points:
        # Planning says what cannot be kept.
        placed(workload, found, snapshot, replace(request, top=1))
        raise NoPlanInTimeError("no trade-off was found in time")
    return TradeOffs(
        workload=workload.name,
        snapshot=snapshot.info.id,
        against=against,
        points=tuple(TradeOff.of(instance.option(point.choice)) for point in solved.points),
        complete=solved.complete,
        assumptions=(*workload.assumptions, *(line for each in found for line in each.assumptions), *left_out),
    )


def _known(found: Sequence[Candidates], against: Axis) -> tuple[list[Candidates], list[str]]:
    """The candidates of which the axis's figure is known, and how many others there are."""
    frames = {id(each.frame): each.frame.filter(_figure(against).is_not_null()) for each in found}
    left_out = [
        f"{each.task.name}: {each.frame.height - frames[id(each.frame)].height} of {each.frame.height} candidates are"
        f" left out, whose {against} is not known"
        for each in found
        if frames[id(each.frame)].height < each.frame.height
    ]
    without = [each.task.name for each in found if frames[id(each.frame)].is_empty()]
    if without:
        raise InfeasibleError([f"{name}: the {against} of no candidate is known" for name in without])
    return [replace(each, frame=frames[id(each.frame)]) for each in found], left_out


def _figure(against: Axis) -> pl.Expr:
    """What a candidate adds to the axis; null where that is not known."""
    if against is Axis.TIME:
        return pl.lit(0.0)
    if against is Axis.CARBON:
        return pl.col("carbon_kg")
    return pl.when(pl.col("purchase") == Purchase.SPOT).then(pl.col("interruptions")).otherwise(0.0)


def _with_axis(instance: Instance, against: Axis) -> Instance:
    """The instance with the axis as its first limit, which never binds by itself."""
    frames = {id(each.frame): each.frame for each in instance.found}
    columns = {key: frame.with_columns(_figure(against).alias("load"))["load"] for key, frame in frames.items()}
    arrays = {key: column.to_numpy() for key, column in columns.items()}
    loads = [arrays[id(each.frame)] for each in instance.found]
    tasks = tuple(
        replace(task, loads=(load, *task.loads)) for task, load in zip(instance.problem.tasks, loads, strict=True)
    )
    axis = Limit(f"axis {against}", 1.0 + sum(float(load.max()) for load in loads))
    return replace(instance, problem=replace(instance.problem, tasks=tasks, limits=(axis, *instance.problem.limits)))


def _solved(instance: Instance, against: Axis, limit: TimeLimit, points: int | None) -> tuple[Instance, Frontier]:
    """The frontier, and the instance with the limits that it took: those of machines that are few come as needed."""
    measure = Measure.TIME if against is Axis.TIME else Measure.LOAD
    while True:
        if len(instance.found) == 1:
            return instance, skyline(instance.problem, measure)
        found = frontier(instance.problem, measure, limit, points)
        short = {short.limit.name: short for point in found.points for short in instance.short_of(point.choice)}
        if not short:
            return instance, found
        instance = instance.limited_by(list(short.values()))


def _sum(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None
