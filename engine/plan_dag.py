"""The plan of a workload of several tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates
from engine.dag import DagProblem, EdgeOptions, Floats, TaskOptions, schedule
from engine.dag_bounds import Booleans
from engine.infeasible import InfeasibleError, NoPlanInTimeError, limits_lines
from engine.placements import placement_of
from engine.plan import Option, Proof, Transfer
from engine.planned import Planned
from engine.problems.dag import DagSolution, solve
from engine.status import Clock, Status, TimeLimit, stands_still
from engine.transfers import transfers
from engine.workload import Edge, Objective, Workload

METHOD: Final = "mixed-integer program (HiGHS)"


@dataclass(frozen=True)
class _Moved:
    """What moving some data costs and takes (place x place), 0 where that is not known."""

    egress_usd: Floats
    transfer_h: Floats
    rate_unknown: Booleans
    throughput_unknown: Booleans

    @classmethod
    def of(cls, matrices: tuple[Floats, Floats]) -> _Moved:
        """From matrices that are NaN where a figure is not known."""
        egress_usd, transfer_h = matrices
        return cls(np.nan_to_num(egress_usd), np.nan_to_num(transfer_h), np.isnan(egress_usd), np.isnan(transfer_h))


@dataclass(frozen=True)
class _Instance:
    """The problem, the candidates that its numbers stand for, and by edge which figures are not known (by places)."""

    problem: DagProblem
    frames: tuple[pl.DataFrame, ...]
    rate_unknown: tuple[Booleans, ...]
    throughput_unknown: tuple[Booleans, ...]


def plan_dag(
    workload: Workload,
    found: Sequence[Candidates],
    snapshot: Snapshot,
    time_limit_s: float | None,
    clock: Clock = stands_still,
) -> Planned:
    """Place all tasks together; the `clock` tells the seconds that the limit counts, apart from the solver's own.

    Raises:
        InfeasibleError: no plan keeps the deadline and the budget.
        NoPlanInTimeError: the time limit came first.
    """
    limit = TimeLimit.of(time_limit_s, clock)
    instance = _instance(workload, found, snapshot)
    solution = solve(instance.problem, limit)
    if solution.status is Status.INFEASIBLE:
        raise InfeasibleError(_limits(instance.problem, limit))
    if not solution.choice:
        within = "" if time_limit_s is None else f" within {time_limit_s:g} s"
        raise NoPlanInTimeError(f"no plan was found{within}")
    return Planned(
        best=_option(workload, found, instance, solution),
        proof=Proof(
            status=solution.status,
            objective=solution.objective,
            bound=solution.bound,
            gap=solution.gap,
            method=METHOD,
        ),
        assumptions=tuple(_assumed(workload, instance, solution)),
    )


def _instance(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot) -> _Instance:
    frames = {id(candidates.frame): candidates.frame for candidates in found}.values()
    places = pl.concat([frame["place"].unique() for frame in frames]).unique().sort().to_list()
    place_number = {name: index for index, name in enumerate(places)}
    task_number = {candidates.task.name: index for index, candidates in enumerate(found)}
    # Edges that move as much share their matrices, and tasks that share their candidates their arrays.
    of_size = {
        data_gb: _Moved.of(_matrices(snapshot, data_gb, places))
        for data_gb in {edge.data_gb for edge in workload.edges}
    }
    moved = [of_size[edge.data_gb] for edge in workload.edges]
    problem = DagProblem(
        tasks=tuple(_all_options(found, place_number)),
        edges=tuple(
            EdgeOptions(task_number[edge.source], task_number[edge.target], data.egress_usd, data.transfer_h)
            for edge, data in zip(workload.edges, moved, strict=True)
        ),
        objective=workload.objective,
        deadline_h=workload.deadline_hours,
        budget_usd=workload.budget_usd,
    )
    return _Instance(
        problem,
        frames=tuple(candidates.frame for candidates in found),
        rate_unknown=tuple(data.rate_unknown for data in moved),
        throughput_unknown=tuple(data.throughput_unknown for data in moved),
    )


def _all_options(found: Sequence[Candidates], place_number: Mapping[str, int]) -> Iterator[TaskOptions]:
    first: dict[tuple[int, bool], TaskOptions] = {}
    for candidates in found:
        key = id(candidates.frame), candidates.task.ordered
        if key not in first:
            first[key] = _task_options(candidates, place_number)
        yield replace(first[key], name=candidates.task.name)


def _task_options(candidates: Candidates, place_number: Mapping[str, int]) -> TaskOptions:
    frame = candidates.frame
    return TaskOptions(
        name=candidates.task.name,
        cost_usd=frame["cost_usd"].to_numpy(),
        hours=frame["hours"].to_numpy(),
        ready_h=frame["input_h"].to_numpy(),
        place=frame["place"].replace_strict(place_number, return_dtype=pl.Int64).to_numpy(),
        preference=frame["requirement"].cast(pl.Int64).to_numpy() * int(candidates.task.ordered),
    )


def _matrices(snapshot: Snapshot, data_gb: float, places: Sequence[str]) -> tuple[Floats, Floats]:
    """Egress in $ and transfer time in h (place x place), NaN where no figure is known."""
    moved = transfers(snapshot, data_gb, places, places)
    shape = len(places), len(places)
    egress_usd, transfer_h = (
        moved[name].fill_null(float("nan")).to_numpy().reshape(shape) for name in ("egress_usd", "transfer_h")
    )
    return egress_usd, transfer_h


def _option(workload: Workload, found: Sequence[Candidates], instance: _Instance, solution: DagSolution) -> Option:
    times = schedule(instance.problem, solution.choice)
    placements = tuple(
        placement_of(candidates.task, frame.row(number, named=True), start_h=start_h)
        for candidates, frame, number, start_h in zip(
            found, instance.frames, solution.choice, times.start_h, strict=True
        )
    )
    return Option(
        placements=placements,
        transfers=tuple(
            Transfer(
                source_task=edge.source,
                target_task=edge.target,
                data_gb=edge.data_gb,
                egress_usd=float(options.egress_usd[pair]),
                hours=float(options.transfer_h[pair]),
            )
            for edge, options, pair in _chosen_pairs(workload, instance, solution)
        ),
        cost_usd=times.cost_usd,
        hours=times.makespan_h,
    )


def _chosen_pairs(
    workload: Workload, instance: _Instance, solution: DagSolution
) -> list[tuple[Edge, EdgeOptions, tuple[int, int]]]:
    """Each edge with the places of its source and its target."""
    tasks = instance.problem.tasks
    where = [int(task.place[number]) for task, number in zip(tasks, solution.choice, strict=True)]
    return [
        (edge, options, (where[options.source], where[options.target]))
        for edge, options in zip(workload.edges, instance.problem.edges, strict=True)
    ]


def _assumed(workload: Workload, instance: _Instance, solution: DagSolution) -> Iterator[str]:
    """Which figures of the transfers had to be left out of the plan."""
    pairs = _chosen_pairs(workload, instance, solution)
    for number, (edge, _, pair) in enumerate(pairs):
        if instance.rate_unknown[number][pair]:
            yield f"{edge.source} -> {edge.target}: the egress rate is not known and counted as free"
        if instance.throughput_unknown[number][pair]:
            yield f"{edge.source} -> {edge.target}: the throughput is not known and the data taken to arrive at once"


def _limits(problem: DagProblem, limit: TimeLimit) -> tuple[str, ...]:
    """Which limit cannot be kept, by what is the least without it."""
    equal = {id(task.preference): np.zeros_like(task.preference) for task in problem.tasks}
    indifferent = tuple(replace(task, preference=equal[id(task.preference)]) for task in problem.tasks)
    free = replace(problem, tasks=indifferent, deadline_h=None, budget_usd=None)
    in_time = replace(free, deadline_h=problem.deadline_h)
    return limits_lines(
        problem.deadline_h,
        problem.budget_usd,
        fastest_h=solve(replace(free, objective=Objective.TIME), limit).bound,
        cheapest_usd=solve(replace(free, objective=Objective.COST), limit).bound,
        cheapest_in_time_usd=solve(replace(in_time, objective=Objective.COST), limit).bound,
    )
