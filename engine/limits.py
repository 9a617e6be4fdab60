"""What limits the tasks of a workload together: chances, emissions, money an hour, quotas and machines that are few.

A limit is linear in the choice: each candidate takes so much of it. Chances multiply, so that their logarithms add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, speaks_of, units_of_one
from engine.candidates import Candidates
from engine.limit import Limit
from engine.workload import Workload

CHANCE_OF_CAPACITY: Final = "chance of capacity"
CHANCE_UNINTERRUPTED: Final = "chance of no interruption"
CARBON: Final = "carbon"
HOURLY_BUDGET: Final = "hourly budget"
HELD: Final = (Purchase.OWNED, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y, Purchase.CAPACITY_BLOCK)
"""What is held for the user is few, and wanted by all tasks; of what a market sells there mostly is enough."""
MachineKind: TypeAlias = tuple[Any, ...]
_MACHINE: Final = ("cloud", "region", "instance_type", "purchase", "price_usd_h")
_COUNTED: Final = pl.col("quantity").is_not_null()


@dataclass(frozen=True)
class Limited:
    """A limit, and by task what each candidate takes of it (in the order of its frame); alike tasks share theirs."""

    limit: Limit
    loads: tuple[pl.Series, ...]


def limits_of(workload: Workload, found: Sequence[Candidates], quotas: Sequence[Quota]) -> list[Limited]:
    """What the user limits, and the machines that are held for the user."""
    return [*limits_of_workload(workload, found), *shared_limits(found, quotas)]


def shared_limits(found: Sequence[Candidates], quotas: Sequence[Quota]) -> list[Limited]:
    """What limits all that runs at one time, whichever workload it is of: quotas, and machines that are held."""
    held = pl.col("purchase").is_in([str(purchase) for purchase in HELD])
    of_quotas = (_of_quota(found, quota) for quota in quotas)
    return [*(limited for limited in of_quotas if _may_exceed(limited)), *machine_limits(found, held)]


def limits_of_workload(workload: Workload, found: Sequence[Candidates]) -> Iterator[Limited]:
    """What limits the tasks of one workload."""
    chances, carbon = workload.chances, workload.carbon
    if chances.capacity is not None:
        most = Limit(CHANCE_OF_CAPACITY, -math.log(chances.capacity))
        yield _limited(most, found, lambda _: -pl.col("chance").log())
    if chances.uninterrupted is not None:
        most = Limit(CHANCE_UNINTERRUPTED, -math.log(chances.uninterrupted))
        yield _limited(most, found, lambda _: pl.col("hazard").fill_null(0.0))
    if carbon.limit_kg is not None:
        yield _limited(Limit(CARBON, carbon.limit_kg), found, lambda _: pl.col("carbon_kg").fill_null(math.inf))
    if workload.hourly_budget_usd is not None:
        yield _limited(
            Limit(HOURLY_BUDGET, workload.hourly_budget_usd, at_once=True),
            found,
            lambda nodes: nodes * pl.col("price_usd_h"),
        )


def _of_quota(found: Sequence[Candidates], quota: Quota) -> Limited:
    """A quota counts over all that runs at one time."""
    return _limited(
        Limit(f"quota {quota.name}", float(quota.limit), at_once=True),
        found,
        lambda nodes: nodes * units_of_one(quota.unit).fill_null(0.0),
        where=lambda frame: speaks_of(quota.scope, frame),
    )


def machine_limits(found: Sequence[Candidates], which: pl.Expr) -> Iterator[Limited]:
    """A limit for each kind of machine of `which`, and each set of zones, if the tasks together could ask for more.

    Candidates that have their machines from these zones alone share what there is in them. Where the number is not
    known of one of a candidate's zones, it has no limit.
    """
    most: dict[tuple[MachineKind, tuple[str, ...]], int] = {}
    for frame in {id(candidates.frame): candidates.frame for candidates in found}.values():
        counted = frame.filter(_COUNTED, which).select(*_MACHINE, "zones", "quantity")
        for *kind, zones, quantity in counted.iter_rows():
            pool = tuple(kind), tuple(zones)
            most[pool] = max(quantity, most.get(pool, 0))
    limited = (_of_machines(found, kind, zones, quantity) for (kind, zones), quantity in sorted(most.items()))
    return (of_machines for of_machines in limited if _may_exceed(of_machines))


def _of_machines(found: Sequence[Candidates], kind: MachineKind, zones: Sequence[str], quantity: int) -> Limited:
    cloud, region, instance_type, purchase, _ = kind
    where = f"{cloud}/{region}" + (f" ({', '.join(zones)})" if zones else "")
    return _limited(
        Limit(f"{instance_type} ({purchase}) in {where}", float(quantity), at_once=True),
        found,
        lambda nodes: pl.lit(float(nodes)),
        where=lambda _: _COUNTED & is_kind(kind) & _has_no_other_zones(zones),
    )


def _has_no_other_zones(zones: Sequence[str]) -> pl.Expr:
    """Whether a candidate is of some of these zones, and of no other; what is of no zone is apart from all zones."""
    others = pl.col("zones").list.set_difference(pl.lit(list(zones), pl.List(pl.String)))
    return ((pl.col("zones").list.len() > 0) == bool(zones)) & (others.list.len() == 0)


def machine_kind(row: Mapping[str, Any]) -> MachineKind:
    """What there is a number of: a type, in a region, bought in one way at one price."""
    return tuple(row[column] for column in _MACHINE)


def is_kind(kind: MachineKind) -> pl.Expr:
    """Whether a candidate is of such machines."""
    return pl.all_horizontal(pl.col(column) == value for column, value in zip(_MACHINE, kind, strict=True))


def _may_exceed(limited: Limited) -> bool:
    """Whether the tasks can take more than there is, each on the candidate that takes most."""
    most = (load.max() for load in limited.loads)
    return sum(taken for taken in most if isinstance(taken, float)) > limited.limit.most


def _limited(
    limit: Limit,
    found: Sequence[Candidates],
    load_of: Callable[[int], pl.Expr],
    where: Callable[[pl.DataFrame], pl.Expr] = lambda _: pl.lit(value=True),
) -> Limited:
    """The limit with the load of each candidate, by the number of nodes, 0 except `where`."""
    loads: dict[tuple[int, int], pl.Series] = {}
    for candidates in found:
        key = id(candidates.frame), candidates.task.num_nodes
        if key not in loads:
            load = load_of(candidates.task.num_nodes)
            taken = pl.when(where(candidates.frame)).then(load).otherwise(0.0).cast(pl.Float64).alias("load")
            loads[key] = candidates.frame.select(taken)["load"]
    return Limited(limit, tuple(loads[id(each.frame), each.task.num_nodes] for each in found))
