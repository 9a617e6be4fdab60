"""Requirement + snapshot -> candidates: filter, price, and keep why each offer fell out.

An offer meets a task if it passes every check of one of the task's requirements. The checks stand in order, so the
first that fails is the reason, and the furthest that any offer came is what a task that no offer meets is answered
with. Where the task's estimate has a run time for some of these offers, the others fall out: how they compare is not
known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import polars as pl

from catalog_data.schema import Confidence, Purchase
from catalog_data.snapshot import Snapshot
from engine.requirements import Check, assumed_of_requirements, checks_of, first_failing, plain, with_defaults
from engine.transfers import place, transfers
from engine.workload import CPU, Estimate, Objective, Task, Workload

ASSUMED_HOURS: Final = 1.0
"""How long a task is taken to run where the workload does not say (the figure that `sky` takes)."""

HOME_REGION: Final[Mapping[str, str]] = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
"""Where a bucket is taken to lie, for its egress rate, when the task runs in another cloud."""

CLOUD_OF_SCHEME: Final[Mapping[str, str]] = {"s3": "aws", "gs": "gcp", "azure": "azure", "az": "azure"}

SEEN_AT_MOST: Final = 8

WITHOUT_HOURS: Final = "without a run time in the estimate"

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
class Candidates:
    """All ways to run one task.

    `frame` has one row for each (cloud, region, instance_type, purchase, price), its `zones` in a list, how many
    `offers` it stands for, whether one of them is known to be `available` (else null) and the best `capacity` that was
    observed (a level above 0, see schema.OBSERVATIONS; null where nobody has looked), with the hardware, the `place`
    (`cloud:region`), the `requirement` that it meets (the first), `hours`, the inputs' `input_usd` and `input_h`,
    `cost_usd` (all nodes, the whole run, inputs included) and, for spot, `interruption_low` and `interruption_high`
    (share a month). The rows of the least `scarcity` (0: plenty of capacity, 1: none) and of the least `doubt` (0: seen
    to be available, of high confidence) come first, then names. `fell_out` counts the other offers by reason; `unmet`
    is empty where the frame is not.
    """

    task: Task
    frame: pl.DataFrame
    fell_out: Mapping[str, int]
    unmet: tuple[Unmet, ...]
    assumptions: tuple[str, ...]


def find_candidates(task: Task, workload: Workload, snapshot: Snapshot) -> Candidates:
    """All candidates of a task in a fixed order, and the reasons of all other offers.

    The observations of the snapshot are taken to hold: whoever plans leaves out those that have expired.
    """
    places = snapshot.regions.select("cloud", "region", "continent", "country")
    offers = snapshot.offers.join(places, on=["cloud", "region"], how="left").with_columns(_price_to_pay())
    offers = _with_capacity(offers, snapshot.observations)
    effective = [with_defaults(requirement) for requirement in task.requirements]
    checks = [checks_of(requirement, workload.residency, task.num_nodes) for requirement, _ in effective]
    judged = offers.with_columns(
        first_failing(checks_of_one).alias(f"stage_{number}") for number, checks_of_one in enumerate(checks)
    )
    met = _met(judged, checks)
    timed = _with_hours(met, task)
    known = timed.filter(pl.col("hours").is_not_null())
    without_hours = {WITHOUT_HOURS: met.height - known.height} if known.height < met.height else {}
    priced, assumed_inputs = _price(_merge_zones(known), task, snapshot)
    assumed_hardware = dict.fromkeys(f"{task.name}: {line}" for _, line in effective if line)
    return Candidates(
        task=task,
        frame=_with_interruptions(priced, snapshot),
        fell_out=_fell_out(judged, checks) | without_hours,
        unmet=_unmet(judged, checks, task) if met.is_empty() else _untimed(timed, task) if known.is_empty() else (),
        assumptions=(
            *assumed_hardware,
            *_assumed_hours(task, workload.objective),
            *assumed_inputs,
            *_uncounted_outputs(task, workload),
            *assumed_of_requirements(task, priced),
            *_shared_machines(task, workload, priced),
        ),
    )


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


def _unmet(judged: pl.DataFrame, checks: Sequence[Sequence[Check]], task: Task) -> tuple[Unmet, ...]:
    clouds = set(judged["cloud"])
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
    return _shortened(texts, distinct.len())


def _shortened(texts: Sequence[str], number: int) -> tuple[str, ...]:
    """The first few of them, and a mark where there are more (`number` in all)."""
    return (*texts[:SEEN_AT_MOST], "...") if number > SEEN_AT_MOST else tuple(texts)


def _untimed(timed: pl.DataFrame, task: Task) -> tuple[Unmet, ...]:
    """The estimate has no run time for the hardware of any offer that would do."""
    estimate = task.estimate or Estimate()
    named = ", ".join(estimate.hours if isinstance(estimate.hours, Mapping) else estimate.throughput)
    kinds = timed.select("accelerator", "accelerator_count").unique().sort("accelerator", "accelerator_count")
    texts = [
        f"{plain(count or 1)} x {accelerator}" if accelerator else f"{CPU} (without accelerators)"
        for accelerator, count in kinds.iter_rows()
    ]
    wanted = f"a run time: the estimate names {named}"
    return (Unmet(None, wanted, timed.height, _shortened(texts, len(texts)), seen_as="are"),)


def _merge_zones(met: pl.DataFrame) -> pl.DataFrame:
    """One row for each price of an offer in a region, with the zones that have it, in a fixed order.

    Where the zones come from several sources, the newest look at them stands for all.
    """
    key = ["cloud", "region", "instance_type", "purchase", "price_usd_h", "requirement"]
    merged = {*key, "zone", "available", "capacity"}
    rest = [name for name in met.columns if name not in merged and not name.startswith("stage_")]
    return (
        met.lazy()
        .sort("observed_at", "zone", "source", descending=[True, False, False])
        .group_by(key, maintain_order=True)
        .agg(
            pl.col("zone").drop_nulls().sort().alias("zones"),
            pl.len().alias("offers"),
            pl.col("available", "capacity").max(),
            pl.col(rest).first(),
        )
        .with_columns((1 - pl.col("capacity").fill_null(UNKNOWN_CAPACITY)).alias("scarcity"), _doubt().alias("doubt"))
        .sort("scarcity", "doubt", *key)
        .collect()
    )


def _doubt() -> pl.Expr:
    """Whether the offer was seen to be available comes before how far its price can be trusted; 0 is best."""
    trust = [str(confidence) for confidence in Confidence]
    unseen = (~pl.col("available").fill_null(value=False)).cast(pl.Int32)
    shaky = pl.col("confidence").replace_strict(trust, range(len(trust)), return_dtype=pl.Int32)
    return unseen * len(trust) + shaky


def _with_hours(met: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Add `hours`: by the estimate, null where it has none; without an estimate, what is assumed."""
    kinds = met.select("accelerator", "accelerator_count").unique()
    hours = [
        task.estimate.hours_on(accelerator, count, task.num_nodes) if task.estimate else ASSUMED_HOURS
        for accelerator, count in kinds.iter_rows()
    ]
    of_kind = kinds.with_columns(pl.Series("hours", hours, dtype=pl.Float64))
    return met.join(of_kind, on=kinds.columns, how="left", nulls_equal=True, maintain_order="left")


def _assumed_hours(task: Task, objective: Objective) -> list[str]:
    if task.estimate:
        return []
    blind = ", and least time cannot tell hardware apart then" if objective is Objective.TIME else ""
    return [f"{task.name}: the run time is not known; {plain(ASSUMED_HOURS)} h is assumed{blind} (say `estimate`)"]


def _price(timed: pl.DataFrame, task: Task, snapshot: Snapshot) -> tuple[pl.DataFrame, list[str]]:
    """Add `place`, `input_usd`, `input_h` and `cost_usd`; what had to be assumed."""
    placed = timed.with_columns(pl.format("{}:{}", "cloud", "region").alias("place"))
    with_inputs, assumed = _add_inputs(placed, task, snapshot)
    # machines * $/h * h = $
    compute_usd = task.num_nodes * pl.col("price_usd_h") * pl.col("hours")
    return with_inputs.with_columns((compute_usd + pl.col("input_usd")).alias("cost_usd")), assumed


def cloud_of(url: str) -> str | None:
    """The cloud in which a bucket lies, None where its URL does not say."""
    return CLOUD_OF_SCHEME.get(url.split("://", 1)[0])


def home_of(cloud: str) -> str:
    """The place from which a bucket of the cloud is taken to leave it."""
    return place(cloud, HOME_REGION[cloud])


def _add_inputs(placed: pl.DataFrame, task: Task, snapshot: Snapshot) -> tuple[pl.DataFrame, list[str]]:
    """Add what bringing the task's inputs in costs and takes; inputs arrive side by side."""
    frame = placed.with_columns(pl.lit(0.0).alias("input_usd"), pl.lit(0.0).alias("input_h"))
    assumptions = []
    for url, data_gb in task.inputs.items():
        cloud = cloud_of(url)
        if not data_gb:
            continue
        if cloud is None:
            assumptions.append(f"{task.name}: where {url} lies is not known; moving it is taken to be free")
            continue
        home = home_of(cloud)
        assumptions.append(f"{task.name}: {url} is taken to lie where the task runs if that is {cloud}, else in {home}")
        frame, unknown = _add_input(
            frame, cloud, transfers(snapshot, data_gb, [home], frame["place"].unique().to_list())
        )
        if unknown:
            assumptions.append(
                f"{task.name}: what moving {url} costs or takes is not known for {unknown} of the places where it could"
                " run, and counted as 0"
            )
    return frame, assumptions


def _add_input(frame: pl.DataFrame, cloud: str, moved: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Add one input that lies in `cloud` or is `moved` from there; to how many places a figure is not known."""
    joined = frame.join(moved.drop("src"), left_on="place", right_on="dst", how="left", maintain_order="left")
    comes = pl.col("cloud") != cloud
    unknown = joined.filter(comes & (pl.col("egress_usd").is_null() | pl.col("transfer_h").is_null()))
    usd, hours = (pl.when(comes).then(pl.col(name)).fill_null(0.0) for name in ("egress_usd", "transfer_h"))
    added = joined.with_columns(pl.col("input_usd") + usd, pl.max_horizontal("input_h", hours).alias("input_h"))
    return added.drop("egress_usd", "transfer_h"), unknown["place"].n_unique()


def _uncounted_outputs(task: Task, workload: Workload) -> list[str]:
    """What is written for nobody in the workload: where the bucket lies is known only when it is made."""
    if any(edge.source == task.name for edge in workload.edges):
        return []
    return [
        f"{task.name}: writing {plain(data_gb)} GB to {url} is taken to be free"
        for url, data_gb in task.outputs.items()
        if data_gb
    ]


def _shared_machines(task: Task, workload: Workload, priced: pl.DataFrame) -> list[str]:
    """Each task is weighed by itself against how many machines there are."""
    if len(workload.tasks) == 1 or priced["quantity"].null_count() == priced.height:
        return []
    return [f"{task.name}: where machines are limited in number, those that other tasks hold meanwhile are not counted"]


def _with_interruptions(priced: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Add the interruption band of spot offers."""
    bands = snapshot.spot_risk.select(
        "cloud", "region", "instance_type", "interruption_low", "interruption_high"
    ).with_columns(pl.lit(str(Purchase.SPOT)).alias("purchase"))
    return priced.join(bands, on=["cloud", "region", "instance_type", "purchase"], how="left", maintain_order="left")
