"""Requirement + snapshot -> the offers that meet it, and why each of the others fell out.

An offer meets a task if it passes every check of one of the task's requirements. The checks stand in order, so the
first that fails is the reason, and the furthest that any offer came is what a task that no offer meets is answered
with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import polars as pl

from catalog_data.schema import Confidence, Purchase
from catalog_data.snapshot import Snapshot
from engine.requirements import Check, checks_of, first_failing, plain, quota_checks, with_defaults, without_checks
from engine.workload import Residency, Task

SEEN_AT_MOST: Final = 8

UNKNOWN_CAPACITY: Final = 0.5
"""What a place where nobody has looked is ranked as: above a low level, below a high one."""


@dataclass(frozen=True)
class Unmet:
    """Why a requirement (None: any of them) has no candidate: `offers` passed every check before, none has `wanted`.

    What these offers have, or are (`seen_as`), is `seen`.
    """

    requirement: int | None
    wanted: str
    offers: int = 0
    seen: tuple[str, ...] = ()
    seen_as: Literal["have", "are"] = "have"


@dataclass(frozen=True)
class Matched:
    """The offers that meet a task: one row for each (cloud, region, instance_type, purchase, price), in a fixed order.

    `frame` has the `zones` of each row in a list, how many `offers` it stands for, whether one of them is known to be
    `available` (else null), how many machines there are (`quantity`, null without a limit), the best `capacity` that
    was observed (a level above 0, see schema.OBSERVATIONS; null where nobody has looked), the hardware, the grid's
    `carbon_g_kwh` and the first `requirement` that it meets. The rows of the least `scarcity` (0: plenty of capacity,
    1: none) and of the least `doubt` (0: seen to be available, of high confidence) come first, then names. `fell_out`
    counts the other offers by reason; `unmet` is empty where the frame is not.
    """

    frame: pl.DataFrame
    fell_out: Mapping[str, int]
    unmet: tuple[Unmet, ...]
    assumptions: tuple[str, ...]


def match(task: Task, residency: Residency | None, snapshot: Snapshot, lifted: Collection[str] = ()) -> Matched:
    """The offers that meet a task, by its requirements and its number of nodes.

    The observations of the snapshot are taken to hold: whoever plans leaves out those that have expired. The checks
    whose `field` is in `lifted` are not held.
    """
    places = snapshot.regions.select("cloud", "region", "continent", "country", "carbon_g_kwh")
    asked = snapshot.offers if "accelerator" in lifted else _in_question(task, snapshot.offers)
    offers = asked.join(places, on=["cloud", "region"], how="left")
    offers = _with_capacity(offers.with_columns(_price_to_pay()), snapshot.observations)
    effective = [with_defaults(requirement) for requirement in task.requirements]
    quotas = quota_checks(snapshot.quotas, offers, task.num_nodes)
    checks = [
        without_checks(checks_of(requirement, residency, task.num_nodes, quotas), lifted)
        for requirement, _ in effective
    ]
    judged = offers.with_columns(
        first_failing(checks_of_one).alias(f"stage_{number}") for number, checks_of_one in enumerate(checks)
    )
    met = _met(judged, checks)
    return Matched(
        frame=_merge_zones(met),
        fell_out=_fell_out(judged, checks),
        unmet=_unmet(judged, checks, task, snapshot) if met.is_empty() else (),
        assumptions=tuple(dict.fromkeys(line for _, line in effective if line)),
    )


def _in_question(task: Task, offers: pl.DataFrame) -> pl.DataFrame:
    """The offers with one of the accelerators that the task names; all, where it names none or there are no such."""
    requests = [requirement.accelerator for requirement in task.requirements]
    if None in requests:
        return offers
    asked = offers.filter(pl.col("accelerator").is_in({request.name for request in requests if request}))
    return offers if asked.is_empty() else asked


def _price_to_pay() -> pl.Expr:
    """The price of an offer; an owned machine that has none costs nothing more, any other is of unknown price."""
    without_price = (pl.col("purchase") == Purchase.OWNED) & pl.col("price_usd_h").is_null()
    return pl.when(without_price).then(0.0).otherwise("price_usd_h").alias("price_usd_h")


def _with_capacity(offers: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """Add `capacity`: the most pessimistic level of the offer's zone and of its region, null where none is known."""
    if observations.is_empty():
        return offers.with_columns(pl.lit(None, pl.Float64).alias("capacity"))
    key = ["cloud", "region", "instance_type", "purchase"]
    of_region = observations.filter(pl.col("zone").is_null()).group_by(key).agg(pl.col("level").min())
    of_zone = observations.group_by(*key, "zone").agg(pl.col("level").min().alias("level_of_zone"))
    return (
        offers.join(of_region, on=key, how="left")
        .join(of_zone, on=[*key, "zone"], how="left")
        .with_columns(pl.min_horizontal("level", "level_of_zone").alias("capacity"))
        .drop("level", "level_of_zone")
    )


def _met(judged: pl.DataFrame, checks: Sequence[Sequence[Check]]) -> pl.DataFrame:
    """The offers that meet a requirement, with its number."""
    meets = [
        pl.when(pl.col(f"stage_{number}") == len(checks_of_one)).then(pl.lit(number, dtype=pl.Int32))
        for number, checks_of_one in enumerate(checks)
    ]
    return judged.with_columns(pl.coalesce(*meets).alias("requirement")).filter(pl.col("requirement").is_not_null())


def _fell_out(judged: pl.DataFrame, checks: Sequence[Sequence[Check]]) -> dict[str, int]:
    """Offers by the reason why they fell out, under the (first) requirement with which each came furthest."""
    stages = [pl.col(f"stage_{number}") for number in range(len(checks))]
    furthest = pl.max_horizontal(stages)
    reasons = [
        pl.when(stage == furthest).then(
            stage.replace_strict(range(len(of_one)), [check.fell_out for check in of_one], default=None)
        )
        for stage, of_one in zip(stages, checks, strict=True)
    ]
    counts = (
        judged.filter(furthest < len(checks[0]))
        .group_by(pl.coalesce(reasons).alias("reason"))
        .agg(pl.len(), furthest.min().alias("stage"))
        .sort("stage", "reason")
    )
    return dict(counts.select("reason", "len").iter_rows())


def _unmet(
    judged: pl.DataFrame, checks: Sequence[Sequence[Check]], task: Task, snapshot: Snapshot
) -> tuple[Unmet, ...]:
    # A cloud without the accelerators in question may have prices of other machines.
    clouds = set(snapshot.offers["cloud"])
    return tuple(
        Unmet(number, f"cloud {requirement.cloud} (the catalog holds no prices of it)")
        if clouds and requirement.cloud not in {None, *clouds}
        else _unmet_of(judged, number, checks_of_one)
        for number, (requirement, checks_of_one) in enumerate(zip(task.requirements, checks, strict=True))
    )


def _unmet_of(judged: pl.DataFrame, number: int, checks: Sequence[Check]) -> Unmet:
    """The check at which the last offers fell out; the first one where there are no offers at all."""
    stage = pl.col(f"stage_{number}")
    furthest = judged.select(stage.max()).item()
    if furthest is None:
        return Unmet(number, next(check.wanted for check in checks if check.wanted))
    check = checks[furthest]
    last = judged.filter(stage == furthest)
    seen = () if check.seen is None else _examples(last.select(check.seen.alias("seen"))["seen"], check)
    return Unmet(number, check.wanted, last.height, seen)


def _examples(values: pl.Series, check: Check) -> tuple[str, ...]:
    distinct = values.drop_nulls().unique().sort()
    shown = (
        get_close_matches(check.near, distinct, n=SEEN_AT_MOST, cutoff=0.0)
        if check.near
        else distinct.head(SEEN_AT_MOST)
    )
    texts = [check.shown.format(plain(value) if isinstance(value, float) else value) for value in shown]
    return shortened(texts, distinct.len())


def shortened(texts: Sequence[str], number: int) -> tuple[str, ...]:
    """The first few of them, and a mark where there are more (`number` in all)."""
    return (*texts[:SEEN_AT_MOST], "...") if number > SEEN_AT_MOST else tuple(texts)


def _merge_zones(met: pl.DataFrame) -> pl.DataFrame:
    """One row for each price of an offer in a region, with the zones that have it, in a fixed order.

    Where the zones come from several sources, the newest look at them stands for all.
    """
    key = ["cloud", "region", "instance_type", "purchase", "price_usd_h", "requirement"]
    merged = {*key, "zone", "available", "capacity", "quantity"}
    rest = [name for name in met.columns if name not in merged and not name.startswith("stage_")]
    newest = met.sort("observed_at", "zone", "source", descending=[True, False, False])
    of_all = newest.group_by(key, maintain_order=True).agg(
        pl.col("zone").drop_nulls().sort().alias("zones"),
        pl.len().alias("offers"),
        pl.col("available", "capacity").max(),
        pl.when(pl.col("quantity").null_count() == 0).then(pl.col("quantity").sum()).alias("quantity"),
    )
    # Both keep the order in which keys first occur.
    of_first = newest.unique(key, keep="first", maintain_order=True).select(rest)
    scarcity = 1 - pl.col("capacity").fill_null(UNKNOWN_CAPACITY)
    return (
        of_all.hstack(of_first)
        .with_columns(scarcity.alias("scarcity"), _doubt().alias("doubt"))
        .sort("scarcity", "doubt", *key)
    )


def _doubt() -> pl.Expr:
    """Whether the offer was seen to be available comes before how far its price can be trusted; 0 is best."""
    trust = [str(confidence) for confidence in Confidence]
    unseen = (~pl.col("available").fill_null(value=False)).cast(pl.Int32)
    shaky = pl.col("confidence").replace_strict(trust, range(len(trust)), return_dtype=pl.Int32)
    return unseen * len(trust) + shaky
