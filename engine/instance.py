"""A workload, its candidates and a snapshot as a problem of numbers, and the way back from a choice to an option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.antichains import heaviest_antichain
from engine.candidates import Candidates
from engine.dag import Booleans, DagProblem, EdgeOptions, Floats, Integers, TaskOptions, schedule
from engine.limits import Limited, is_kind, limits_of, machine_kind, machine_limits
from engine.links import Links
from engine.placements import placement_of
from engine.plan import Option, Transfer
from engine.status import raised
from engine.transfers import hours_to_move
from engine.workload import Edge, Workload

_KIND: Final = ("cloud", "instance_type", "purchase", "price_usd_h", "hours", "requirement")


@dataclass(frozen=True)
class _Moved:
    """What moving some data costs and takes (place x place); the worst that is known where it is not."""

    egress_usd: Floats
    transfer_h: Floats
    rate_unknown: Booleans
    throughput_unknown: Booleans

    @classmethod
    def of(cls, links: Links, data_gb: float, streams: int) -> _Moved:
        """For so many GB, and so many machines that send side by side."""
        egress_usd, transfer_h = links.egress_usd(data_gb), links.transfer_h(data_gb, streams)
        return cls(
            np.where(np.isnan(egress_usd), data_gb * links.dearest_usd_gb[:, None], egress_usd),
            np.nan_to_num(transfer_h, nan=hours_to_move(data_gb, streams * links.slowest_gbit_s)),
            np.isnan(egress_usd),
            np.isnan(transfer_h),
        )


@dataclass(frozen=True)
class Instance:
    """The problem, the tasks' candidates, and by edge which figures are not known (place x place).

    A choice numbers the rows of each task's frame.
    """

    workload: Workload
    found: tuple[Candidates, ...]
    problem: DagProblem
    rate_unknown: tuple[Booleans, ...]
    throughput_unknown: tuple[Booleans, ...]

    def option(self, choice: Sequence[int]) -> Option:
        """What a choice comes to, as an option of a plan."""
        times = schedule(self.problem, choice)
        return Option(
            placements=tuple(
                placement_of(candidates.task, candidates.frame.row(number, named=True), start_h=start_h)
                for candidates, number, start_h in zip(self.found, choice, times.start_h, strict=True)
            ),
            transfers=tuple(
                Transfer(
                    source_task=edge.source,
                    target_task=edge.target,
                    data_gb=edge.data_gb,
                    egress_usd=float(options.egress_usd[pair]),
                    hours=float(options.transfer_h[pair]),
                )
                for edge, options, pair in self._pairs(choice)
            ),
            cost_usd=times.cost_usd,
            hours=times.makespan_h,
            charge_usd=times.charge_usd,
        )

    def among(self, numbers: Sequence[Integers]) -> Instance:
        """The instance with the candidates of these numbers alone, task by task."""
        frames: dict[tuple[int, int], pl.DataFrame] = {}
        for each, of_task in zip(self.found, numbers, strict=True):
            key = id(each.frame), id(of_task)
            if key not in frames:
                frames[key] = each.frame[of_task]
        found = tuple(
            replace(each, frame=frames[id(each.frame), id(of_task)])
            for each, of_task in zip(self.found, numbers, strict=True)
        )
        return replace(self, found=found, problem=self.problem.take(numbers))

    def kinds(self) -> list[Integers]:
        """By task of which kind each candidate is: the same machine, bought alike, at one price, for the same hours.

        Plans that differ in regions alone are of the same kinds.
        """
        frames = {id(each.frame): each.frame for each in self.found}
        of_frame = {
            key: frame.select(pl.struct(_KIND).rank("dense").cast(pl.Int64).alias("kind"))["kind"].to_numpy()
            for key, frame in frames.items()
        }
        return [of_frame[id(each.frame)] for each in self.found]

    def unknown_of(self, choice: Sequence[int]) -> Iterator[str]:
        """Which figures of an option's transfers are not known."""
        for number, (edge, options, pair) in enumerate(self._pairs(choice)):
            if self.rate_unknown[number][pair]:
                taken = "taken as the highest of its cloud" if options.egress_usd[pair] else "counted as free"
                yield f"{edge.source} -> {edge.target}: the egress rate is not known and {taken}"
            if self.throughput_unknown[number][pair]:
                yield f"{edge.source} -> {edge.target}: the throughput is not known and taken as the lowest of all"

    def short_of(self, choice: Sequence[int]) -> list[Limited]:
        """The limits of how many machines there are that a choice does not keep."""
        chosen = [each.frame.row(number, named=True) for each, number in zip(self.found, choice, strict=True)]
        kinds = {machine_kind(row) for row in chosen if row["quantity"] is not None}
        if not kinds:
            return []
        limited = machine_limits(self.found, pl.any_horizontal(map(is_kind, sorted(kinds))))
        return [each for each in limited if self._taken(each, choice) > raised(each.limit.most)]

    def _taken(self, limited: Limited, choice: Sequence[int]) -> float:
        """How much of a limit at once a choice takes."""
        loads = [float(load[number]) for load, number in zip(limited.loads, choice, strict=True)]
        return sum(loads[task] for task in heaviest_antichain(loads, self.problem.after))

    def limited_by(self, more: Sequence[Limited]) -> Instance:
        """The instance with more limits."""
        arrays = _arrays(more)
        tasks = tuple(
            replace(task, loads=(*task.loads, *(arrays[id(limited.loads[number])] for limited in more)))
            for number, task in enumerate(self.problem.tasks)
        )
        limits = (*self.problem.limits, *(limited.limit for limited in more))
        return replace(self, problem=replace(self.problem, tasks=tasks, limits=limits))

    def _pairs(self, choice: Sequence[int]) -> list[tuple[Edge, EdgeOptions, tuple[int, int]]]:
        """Each edge with the places of its source and its target."""
        where = [int(task.place[number]) for task, number in zip(self.problem.tasks, choice, strict=True)]
        return [
            (edge, options, (where[options.source], where[options.target]))
            for edge, options in zip(self.workload.edges, self.problem.edges, strict=True)
        ]


def instance_of(
    workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, limits: Sequence[Limited] | None = None
) -> Instance:
    """The problem of placing all tasks together, under these limits, or else those of the workload.

    Edges that move as much share their matrices, and tasks that share their candidates their arrays.
    """
    frames = {id(candidates.frame): candidates.frame for candidates in found}.values()
    places = pl.concat([frame["place"].unique() for frame in frames]).unique().sort().to_list()
    number = {candidates.task.name: index for index, candidates in enumerate(found)}
    links = Links.of(snapshot, places, places)
    nodes = {task.name: task.num_nodes for task in workload.tasks}
    # As many machines send side by side as the smaller end has.
    sizes = [(edge.data_gb, min(nodes[edge.source], nodes[edge.target])) for edge in workload.edges]
    of_size = {size: _Moved.of(links, *size) for size in set(sizes)}
    moved = [of_size[size] for size in sizes]
    if limits is None:
        limits = limits_of(workload, found, snapshot.quotas)
    problem = DagProblem(
        tasks=tuple(_all_options(found, limits, {name: index for index, name in enumerate(places)})),
        edges=tuple(
            EdgeOptions(number[edge.source], number[edge.target], data.egress_usd, data.transfer_h)
            for edge, data in zip(workload.edges, moved, strict=True)
        ),
        objective=workload.objective,
        deadline_h=workload.deadline_hours,
        budget_usd=workload.budget_usd,
        value_of_time_usd_h=workload.value_of_time_usd_h,
        limits=tuple(limited.limit for limited in limits),
    )
    return Instance(
        workload,
        tuple(found),
        problem,
        rate_unknown=tuple(data.rate_unknown for data in moved),
        throughput_unknown=tuple(data.throughput_unknown for data in moved),
    )


def _all_options(
    found: Sequence[Candidates], limits: Sequence[Limited], place_number: Mapping[str, int]
) -> Iterator[TaskOptions]:
    arrays = _arrays(limits)
    first: dict[tuple[object, ...], TaskOptions] = {}
    for index, candidates in enumerate(found):
        loads = [arrays[id(limited.loads[index])] for limited in limits]
        key = (id(candidates.frame), candidates.task.ordered, *map(id, loads))
        if key not in first:
            first[key] = replace(_task_options(candidates, place_number), loads=tuple(loads))
        yield replace(first[key], name=candidates.task.name)


def _arrays(limits: Sequence[Limited]) -> dict[int, Floats]:
    """The loads as arrays, each once: tasks that share theirs still do."""
    return {id(load): load.to_numpy() for load in {id(load): load for each in limits for load in each.loads}.values()}


def _task_options(candidates: Candidates, place_number: Mapping[str, int]) -> TaskOptions:
    columns = candidates.frame.select(
        "cost_usd",
        "busy_h",
        "input_h",
        pl.col("place").replace_strict(place_number, return_dtype=pl.Int64),
        pl.col("requirement").cast(pl.Int64) * int(candidates.task.ordered),
        "surcharge_usd",
    )
    cost_usd, hours, ready_h, place, preference, surcharge_usd = (column.to_numpy() for column in columns)
    return TaskOptions(
        name=candidates.task.name,
        cost_usd=cost_usd,
        hours=hours,
        ready_h=ready_h,
        place=place,
        preference=preference,
        surcharge_usd=surcharge_usd if surcharge_usd.any() else None,
    )
