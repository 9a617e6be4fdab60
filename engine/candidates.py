"""Requirement + snapshot -> candidates: filter, price, and keep why each offer fell out.

An offer meets a task if it passes every check of one of the task's requirements. The checks stand in one
order, so the first that fails is the reason, and the furthest that any offer came is what a task that no
offer meets is answered with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.requirements import Check, checks_of, first_failing, with_defaults
from engine.transfers import place, transfers
from engine.workload import Task, Workload

ASSUMED_HOURS: Final = 1.0
"""How long a task is taken to run where the workload does not say (the figure that `sky` takes)."""

HOME_REGION: Final[Mapping[str, str]] = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
"""Where a bucket is taken to lie, for its egress rate, when the task runs in another cloud."""

CLOUD_OF_SCHEME: Final[Mapping[str, str]] = {"s3": "aws", "gs": "gcp", "azure": "azure", "az": "azure"}

SEEN_AT_MOST: Final = 8


@dataclass(frozen=True)
class Unmet:
    """Why a requirement has no candidate: `offers` passed every check before, and none has `wanted`."""

    requirement: int
    wanted: str
    offers: int
    seen: tuple[str, ...]


@dataclass(frozen=True)
class Candidates:
    """All ways to run one task.

    `frame` has one row for each (cloud, region, instance_type, purchase, price), its `zones` in a list and whether
    one of them is known to be `available` (else null), with the hardware, the `place` (`cloud:region`), the
    `requirement` that it meets (the first), `hours`, the inputs' `input_usd` and `input_h`, `cost_usd` (all nodes, the
    whole run, inputs included) and, for spot, `interruption_low` and `interruption_high` (share a month). `fell_out`
    counts the other offers by reason; `unmet` holds an entry for each requirement where the frame is empty.
    """

    task: Task
    frame: pl.DataFrame
    fell_out: Mapping[str, int]
    unmet: tuple[Unmet, ...]
    assumptions: tuple[str, ...]


def find_candidates(task: Task, workload: Workload, snapshot: Snapshot) -> Candidates:
    """All candidates of a task in a fixed order, and the reasons of all other offers."""
    places = snapshot.regions.select("cloud", "region", "continent", "country")
    offers = snapshot.offers.join(places, on=["cloud", "region"], how="left")
    effective = [with_defaults(requirement) for requirement in task.requirements]
    checks = [checks_of(requirement, workload.residency) for requirement, _ in effective]
    judged = offers.with_columns(
        first_failing(checks_of_one).alias(f"stage_{number}") for number, checks_of_one in enumerate(checks)
    )
    met = _met(judged, checks)
    priced, assumed = _price(_merge_zones(met), task, snapshot)
    assumed_hardware = dict.fromkeys(f"{task.name}: {line}" for _, line in effective if line)
    return Candidates(
        task=task,
        frame=_with_interruptions(priced, snapshot),
        fell_out=_fell_out(judged, checks),
        unmet=_unmet(judged, checks) if met.is_empty() else (),
        assumptions=(*assumed_hardware, *assumed, *_uncounted_outputs(task, workload)),
    )


def _met(judged: pl.DataFrame, checks: Sequence[Sequence[Check]]) -> pl.DataFrame:
    """The offers that meet a requirement, with its number."""
    meets = [
        pl.when(pl.col(f"stage_{number}") == len(checks_of_one)).then(pl.lit(number, dtype=pl.Int32))
        for number, checks_of_one in enumerate(checks)
    ]
    return judged.with_columns(pl.coalesce(*meets).alias("requirement")).filter(pl.col("requirement").is_not_null())


def _fell_out(judged: pl.DataFrame, checks: Sequence[Sequence[Check]]) -> dict[str, int]:
    """Offers by the reason why they fell out, under the requirement with which each came furthest."""
    # Only the first check is called differently by different requirements, and who fails it has failed it by all.
    names = [check.fell_out for check in checks[0]]
    counts = (
        judged.select(pl.max_horizontal(f"stage_{number}" for number in range(len(checks))).alias("stage"))
        .filter(pl.col("stage") < len(names))
        .group_by("stage")
        .len()
        .sort("stage")
    )
    return {names[stage]: count for stage, count in counts.iter_rows()}


def _unmet(judged: pl.DataFrame, checks: Sequence[Sequence[Check]]) -> tuple[Unmet, ...]:
    return tuple(_unmet_of(judged, number, checks_of_one) for number, checks_of_one in enumerate(checks))


def _unmet_of(judged: pl.DataFrame, number: int, checks: Sequence[Check]) -> Unmet:
    """The check at which the last offers fell out; the first one where there are no offers at all."""
    stage = pl.col(f"stage_{number}")
    furthest = judged.select(stage.max()).item()
    if furthest is None:
        return Unmet(number, next(check.wanted for check in checks if check.wanted), 0, ())
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
    examples = tuple(check.shown.format(value) for value in shown)
    return (*examples, "...") if distinct.len() > SEEN_AT_MOST else examples


def _merge_zones(met: pl.DataFrame) -> pl.DataFrame:
    """One row for each price of an offer in a region, with the zones that have it, in a fixed order.

    Where the zones come from several sources, the newest look at them stands for all.
    """
    key = ["cloud", "region", "instance_type", "purchase", "price_usd_h", "requirement"]
    rest = [name for name in met.columns if name not in {*key, "zone", "available"} and not name.startswith("stage_")]
    return (
        met.lazy()
        .sort("observed_at", "zone", "source", descending=[True, False, False])
        .group_by(key, maintain_order=True)
        .agg(pl.col("zone").drop_nulls().sort().alias("zones"), pl.col("available").max(), pl.col(rest).first())
        .sort(key)
        .collect()
    )


def _price(met: pl.DataFrame, task: Task, snapshot: Snapshot) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Add `hours`, `place`, `input_usd`, `input_h` and `cost_usd`; what had to be assumed."""
    hours, assumed_hours = _hours(met, task)
    kind = ["accelerator", "accelerator_count"]
    with_hours = met.join(hours, on=kind, how="left", nulls_equal=True, maintain_order="left")
    placed = with_hours.with_columns(pl.format("{}:{}", "cloud", "region").alias("place"))
    with_inputs, assumed_inputs = _add_inputs(placed, task, snapshot)
    # machines * $/h * h = $
    compute_usd = task.num_nodes * pl.col("price_usd_h") * pl.col("hours")
    priced = with_inputs.with_columns((compute_usd + pl.col("input_usd")).alias("cost_usd"))
    return priced, (*assumed_hours, *assumed_inputs)


def _hours(met: pl.DataFrame, task: Task) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """`hours` for each (accelerator, accelerator_count) that occurs."""
    kinds = met.select("accelerator", "accelerator_count").unique().sort("accelerator", "accelerator_count")
    estimate = task.estimate
    known = [
        None if estimate is None else estimate.hours_on(accelerator, count, task.num_nodes)
        for accelerator, count in kinds.iter_rows()
    ]
    frame = kinds.with_columns(
        pl.Series("hours", [ASSUMED_HOURS if hours is None else hours for hours in known], dtype=pl.Float64)
    )
    if None not in known:
        return frame, ()
    if all(hours is None for hours in known):
        return frame, (f"{task.name}: the run time is not known; {ASSUMED_HOURS:g} h is assumed (say `estimate`)",)
    names = ", ".join(
        f"{count:g} x {accelerator}" if accelerator else "machines without accelerator"
        for (accelerator, count), hours in zip(kinds.iter_rows(), known, strict=True)
        if hours is None
    )
    return frame, (f"{task.name}: the run time on {names} is not known; {ASSUMED_HOURS:g} h is assumed",)


def _add_inputs(placed: pl.DataFrame, task: Task, snapshot: Snapshot) -> tuple[pl.DataFrame, list[str]]:
    """Add what bringing the task's inputs in costs and takes; inputs arrive side by side."""
    frame = placed.with_columns(pl.lit(0.0).alias("input_usd"), pl.lit(0.0).alias("input_h"))
    assumptions = []
    for url, data_gb in task.inputs.items():
        cloud = CLOUD_OF_SCHEME.get(url.split("://", 1)[0])
        if not data_gb:
            continue
        if cloud is None:
            assumptions.append(f"{task.name}: where {url} lies is not known; moving it is taken to be free")
            continue
        home = place(cloud, HOME_REGION[cloud])
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
        f"{task.name}: writing {data_gb:g} GB to {url} is taken to be free"
        for url, data_gb in task.outputs.items()
        if data_gb
    ]


def _with_interruptions(priced: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Add the interruption band of spot offers."""
    bands = snapshot.spot_risk.select(
        "cloud", "region", "instance_type", "interruption_low", "interruption_high"
    ).with_columns(pl.lit(str(Purchase.SPOT)).alias("purchase"))
    return priced.join(bands, on=["cloud", "region", "instance_type", "purchase"], how="left", maintain_order="left")
