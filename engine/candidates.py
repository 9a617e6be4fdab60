"""Tasks + the offers that meet them -> candidates: timed and priced.

Where a task's estimate has a run time for some of the offers, the others fall out: how they compare is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from catalog_data.snapshot import Snapshot
from engine.matching import Matched, Unmet, match, shortened
from engine.pricing import NEVER_DONE, TOO_LONG, assumed_of_prices, priced
from engine.requirements import assumed_of_requirements, plain
from engine.workload import CPU, Estimate, Objective, Task, Workload

Kind: TypeAlias = tuple[str | None, float | None]
"""An accelerator and how many of them a node has."""

ASSUMED_HOURS: Final = 1.0
"""How long a task is taken to run where the workload does not say (the figure that `sky` takes)."""

WITHOUT_HOURS: Final = "without a run time in the estimate"
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
    lost = _lost(frame)
    matched_offers = int(matched.frame["offers"].sum())
    done = frame.filter(pl.col("undone").is_null()).drop("undone")
    of_task = done.partition_by("run", as_dict=True, maintain_order=True, include_key=False)
    assumed: dict[tuple[object, ...], tuple[str, ...]] = {}
    for number, task in enumerate(tasks):
        of_run = of_task.get((number,), done.clear().drop("run"))
        # Of the same offers the same is assumed, however long the task takes.
        key = (*(work_h is None for work_h in hours[number]), of_run.height)
        if key not in assumed:
            lines = (*matched.assumptions, *_assumed_hours(task, workload.objective), *assumed_inputs)
            lines += (*assumed_of_prices(of_run, task, workload), *_uncounted_outputs(task, workload))
            assumed[key] = (*lines, *assumed_of_requirements(task, of_run))
        fell_out = lost.get(number, {})
        untimed = matched_offers - int(of_run["offers"].sum()) - sum(each.offers for each in fell_out.values())
        reasons = {WITHOUT_HOURS: untimed, **{reason: each.offers for reason, each in fell_out.items()}}
        yield Candidates(
            task=task,
            frame=of_run,
            fell_out={**matched.fell_out, **{reason: offers for reason, offers in reasons.items() if offers}},
            unmet=matched.unmet or (_unmet(matched, task, fell_out) if of_run.is_empty() else ()),
            assumptions=tuple(f"{task.name}: {line}" for line in (*assumed[key], *_left_out(fell_out))),
        )


class _Lost(NamedTuple):
    """So many offers on which a task is not done; the fewest interruptions to be expected on one, in so much work."""

    offers: int
    interruptions: float
    work_h: float


def _lost(frame: pl.DataFrame) -> Mapping[int, Mapping[str, _Lost]]:
    """What each run loses, by the reason."""
    lost = (
        frame.filter(pl.col("undone").is_not_null())
        .sort("interruptions", "work_h")
        .group_by("run", "undone", maintain_order=True)
        .agg(pl.col("offers").sum(), pl.col("interruptions", "work_h").first())
    )
    found: dict[int, dict[str, _Lost]] = {}
    for run, reason, *figures in lost.iter_rows():
        found.setdefault(run, {})[reason] = _Lost(*figures)
    return found


def _left_out(lost: Mapping[str, _Lost]) -> list[str]:
    """That spot machines are out of the question, where others are not."""
    if TOO_LONG not in lost:
        return []
    offers, interruptions, work_h = lost[TOO_LONG]
    fewest = f"at least {plain(interruptions, 2)} interruptions expected in {plain(work_h)} h"
    return [f"{TOO_LONG} (say `estimate: {{checkpoint: 30m}}`): {fewest} on {offers:,} offer{'s'[: offers > 1]}"]


def _unmet(matched: Matched, task: Task, lost: Mapping[str, _Lost]) -> tuple[Unmet, ...]:
    """No offer that would do has a run time in the estimate, or stays long enough for the task to be done."""
    offers = int(matched.frame["offers"].sum())
    if TOO_LONG in lost:
        too_long = lost[TOO_LONG]
        wanted = (
            f"a machine that stays long enough for {plain(too_long.work_h)} h of work without checkpoints (say"
            " `estimate: {checkpoint: 30m}`, or allow machines on demand)"
        )
        expected = f"{plain(too_long.interruptions, 2)} interruptions or more to be expected"
        return (Unmet(None, wanted, too_long.offers, (expected,)),)
    if NEVER_DONE in lost:
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
