"""Tasks + the offers that meet them -> candidates: timed and priced.

Where a task's estimate has a run time for some of the offers, the others fall out: how they compare is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import polars as pl

from catalog_data.snapshot import Snapshot
from engine.matching import Matched, Unmet, match, shortened
from engine.pricing import assumed_of_prices, priced
from engine.requirements import assumed_of_requirements, plain
from engine.workload import CPU, Estimate, Objective, Task, Workload

Kind: TypeAlias = tuple[str | None, float | None]
"""An accelerator and how many of them a node has."""

ASSUMED_HOURS: Final = 1.0
"""How long a task is taken to run where the workload does not say (the figure that `sky` takes)."""

WITHOUT_HOURS: Final = "without a run time in the estimate"
NEVER_DONE: Final = "interrupted too often ever to be done"
PRICED_TOGETHER: Final = 200_000
"""Rows of so many candidates are priced in one go: what is saved by more is less than the memory that they take."""


@dataclass(frozen=True)
class Candidates:
    """All ways to run one task.

    `frame` has the rows and columns of Matched.frame that have a run time, `work_h`, and what engine.pricing adds.
    `fell_out` counts the other offers by reason; `unmet` is empty where the frame is not.
    """

    task: Task
    frame: pl.DataFrame
    fell_out: Mapping[str, int]
    unmet: tuple[Unmet, ...]
    assumptions: tuple[str, ...]


def find_candidates(task: Task, workload: Workload, snapshot: Snapshot, lifted: Collection[str] = ()) -> Candidates:
    """All candidates of a task in a fixed order, and the reasons of all other offers; see `match`."""
    [found] = candidates_of([task], match(task, workload.residency, snapshot, lifted), workload, snapshot)
    return found


def candidates_of(
    tasks: Sequence[Task], matched: Matched, workload: Workload, snapshot: Snapshot
) -> Iterator[Candidates]:
    """The candidates of tasks that differ in their names and in how long they take, and in nothing else.

    All of them are priced together: a frame of thousands of rows takes hardly longer than one of ten.
    """
    at_once = 1 + PRICED_TOGETHER // max(1, matched.frame.height)
    for first in range(0, len(tasks), at_once):
        yield from _priced_together(tasks[first : first + at_once], matched, workload, snapshot)


def _priced_together(
    tasks: Sequence[Task], matched: Matched, workload: Workload, snapshot: Snapshot
) -> Iterator[Candidates]:
    kinds = list(matched.frame.select("accelerator", "accelerator_count").unique().iter_rows())
    hours = [_hours(task, kinds) for task in tasks]
    timed = _with_hours(matched.frame, kinds, hours).filter(pl.col("work_h").is_not_null())
    frame, assumed_inputs = priced(timed, tasks[0], workload, snapshot)
    is_done = pl.col("hours").is_finite()
    offers, done_offers = pl.col("offers").sum(), pl.col("offers").filter(is_done).sum().alias("done")
    counts = {run: both for run, *both in frame.group_by("run").agg(offers, done_offers).iter_rows()}
    matched_offers = int(matched.frame.select(offers).item())
    of_task = frame.filter(is_done).partition_by("run", as_dict=True, maintain_order=True, include_key=False)
    assumed: dict[tuple[object, ...], tuple[str, ...]] = {}
    for number, task in enumerate(tasks):
        done = of_task.get((number,), frame.clear().drop("run"))
        timed_offers, in_time = counts.get(number, (0, 0))
        # Of the same offers the same is assumed, however long the task takes.
        key = (*(work_h is None for work_h in hours[number]), done.height)
        if key not in assumed:
            lines = (*matched.assumptions, *_assumed_hours(task, workload.objective), *assumed_inputs)
            lines += (*assumed_of_prices(done, task, workload), *_uncounted_outputs(task, workload))
            assumed[key] = (*lines, *assumed_of_requirements(task, done))
        lost = {WITHOUT_HOURS: matched_offers - timed_offers, NEVER_DONE: timed_offers - in_time}
        yield Candidates(
            task=task,
            frame=done,
            fell_out={**matched.fell_out, **{reason: offers for reason, offers in lost.items() if offers}},
            unmet=matched.unmet or (_undone(matched, task, timed_offers) if done.is_empty() else ()),
            assumptions=tuple(f"{task.name}: {line}" for line in assumed[key]),
        )


def _undone(matched: Matched, task: Task, timed_offers: int) -> tuple[Unmet, ...]:
    """The estimate has no run time for the hardware of any offer that would do, or none that would ever be done."""
    offers = int(matched.frame["offers"].sum())
    if timed_offers:
        return (Unmet(None, "a machine that stays long enough for the task to be done", offers),)
    estimate = task.estimate or Estimate()
    named = ", ".join(estimate.hours if isinstance(estimate.hours, Mapping) else estimate.throughput)
    kinds = matched.frame.select("accelerator", "accelerator_count").unique().sort("accelerator", "accelerator_count")
    texts = [
        f"{plain(count or 1)} x {accelerator}" if accelerator else f"{CPU} (without accelerators)"
        for accelerator, count in kinds.iter_rows()
    ]
    wanted = f"a run time: the estimate names {named}"
    return (Unmet(None, wanted, offers, shortened(texts, len(texts)), seen_as="are"),)


def _hours(task: Task, kinds: Sequence[Kind]) -> list[float | None]:
    """How long the task takes on each kind of hardware: by its estimate, or what is assumed without one."""
    if task.estimate is None:
        return [ASSUMED_HOURS] * len(kinds)
    return [task.estimate.hours_on(accelerator, count, task.num_nodes) for accelerator, count in kinds]


def _with_hours(frame: pl.DataFrame, kinds: Sequence[Kind], hours: Sequence[Sequence[float | None]]) -> pl.DataFrame:
    """The rows once for each run (a list of `hours`, by kind), with its number and `work_h`."""
    of_kind = pl.DataFrame(
        [(run, *kind, work_h) for run, of_run in enumerate(hours) for kind, work_h in zip(kinds, of_run, strict=True)],
        {"run": pl.Int32, "accelerator": pl.String, "accelerator_count": pl.Float64, "work_h": pl.Float64},
        orient="row",
    )
    runs = pl.DataFrame({"run": pl.Series(range(len(hours)), dtype=pl.Int32)})
    return runs.join(frame, how="cross", maintain_order="left_right").join(
        of_kind, on=["run", "accelerator", "accelerator_count"], how="left", nulls_equal=True, maintain_order="left"
    )


def _assumed_hours(task: Task, objective: Objective) -> list[str]:
    if task.estimate:
        return []
    blind = ", and least time cannot tell hardware apart then" if objective is Objective.TIME else ""
    return [f"the run time is not known; {plain(ASSUMED_HOURS)} h is assumed{blind} (say `estimate`)"]


def _uncounted_outputs(task: Task, workload: Workload) -> list[str]:
    """What is written for nobody in the workload: where the bucket lies is known only when it is made."""
    if any(edge.source == task.name for edge in workload.edges):
        return []
    return [
        f"writing {plain(data_gb)} GB to {url} is taken to be free" for url, data_gb in task.outputs.items() if data_gb
    ]
