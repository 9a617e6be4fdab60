"""The plan of a workload of several tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates
from engine.infeasible import InfeasibleError, NoPlanInTimeError, limits_line
from engine.placements import placement_of
from engine.plan import Option, Transfer
from engine.planned import Planned
from engine.problems.dag import DagProblem, DagSolution, EdgeOptions, Schedule, TaskOptions, schedule, solve
from engine.status import Proof, Status
from engine.transfers import transfers
from engine.workload import Edge, Objective, Workload

METHOD: Final = "mixed-integer program (HiGHS)"


@dataclass(frozen=True)
class _Instance:
    """The problem, the candidates that its numbers stand for, and where no egress rate is known (edge by edge)."""

    problem: DagProblem
    frames: tuple[pl.DataFrame, ...]
    rate_unknown: tuple[npt.NDArray[np.bool_], ...]


def plan_dag(
    workload: Workload, found: Sequence[Candidates], snapshot: Snapshot, time_limit_s: float | None
) -> Planned:
    """Place all tasks together.

    Raises:
        InfeasibleError: no plan keeps the deadline and the budget.
        NoPlanInTimeError: the time limit came first.
    """
    instance = _instance(workload, found, snapshot)
    solution = solve(instance.problem, time_limit_s)
    if solution.status is Status.INFEASIBLE:
        raise InfeasibleError(_limits(instance.problem, time_limit_s))
    if not solution.choice:
        raise NoPlanInTimeError(f"no plan was found within {time_limit_s:g} s")
    times = schedule(instance.problem, solution.choice)
    objective = times.cost_usd if workload.objective is Objective.COST else times.makespan_h
    return Planned(
        best=_option(workload, found, instance, solution, times),
        proof=Proof(solution.status, objective, min(solution.bound, objective), solution.gap, METHOD),
        assumptions=_assumed_rates(workload, instance, solution),
    )


def _instance(workload: Workload, found: Sequence[Candidates], snapshot: Snapshot) -> _Instance:
    frames = tuple(_in_order_of_preference(candidates) for candidates in found)
    places = pl.concat([frame["place"] for frame in frames]).unique().sort().to_list()
    number = {name: index for index, name in enumerate(places)}
    task_number = {candidates.task.name: index for index, candidates in enumerate(found)}
    edges, unknown = [], []
    for edge in workload.edges:
        egress_usd, transfer_h = _matrices(snapshot, edge, places)
        unknown.append(np.isnan(egress_usd))
        edges.append(
            EdgeOptions(
                task_number[edge.source], task_number[edge.target], np.nan_to_num(egress_usd), np.nan_to_num(transfer_h)
            )
        )
    problem = DagProblem(
        tasks=tuple(
            _task_options(candidates.task.name, frame, number) for candidates, frame in zip(found, frames, strict=True)
        ),
        edges=tuple(edges),
        objective=workload.objective,
        deadline_h=workload.deadline_hours,
        budget_usd=workload.budget_usd,
    )
    return _Instance(problem, frames, tuple(unknown))


def _in_order_of_preference(candidates: Candidates) -> pl.DataFrame:
    """All candidates; where the order of the requirements is a preference, those of the first that has any."""
    if not candidates.task.ordered:
        return candidates.frame
    return candidates.frame.filter(pl.col("requirement") == pl.col("requirement").min())


def _task_options(name: str, frame: pl.DataFrame, number: Mapping[str, int]) -> TaskOptions:
    return TaskOptions(
        name=name,
        cost_usd=frame["cost_usd"].to_numpy(),
        hours=frame["hours"].to_numpy(),
        ready_h=frame["input_h"].to_numpy(),
        place=frame["place"].replace_strict(number, return_dtype=pl.Int64).to_numpy(),
    )


def _matrices(
    snapshot: Snapshot, edge: Edge, places: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Egress in $ and transfer time in h (place x place), NaN where no figure is known."""
    moved = transfers(snapshot, edge.data_gb, places, places)
    shape = len(places), len(places)
    egress_usd, transfer_h = (
        moved[name].fill_null(float("nan")).to_numpy().reshape(shape) for name in ("egress_usd", "transfer_h")
    )
    return egress_usd, transfer_h


def _option(
    workload: Workload, found: Sequence[Candidates], instance: _Instance, solution: DagSolution, times: Schedule
) -> Option:
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


def _assumed_rates(workload: Workload, instance: _Instance, solution: DagSolution) -> tuple[str, ...]:
    pairs = _chosen_pairs(workload, instance, solution)
    return tuple(
        f"{edge.source} -> {edge.target}: the egress rate is not known and counted as free"
        for (edge, _, pair), unknown in zip(pairs, instance.rate_unknown, strict=True)
        if unknown[pair]
    )


def _limits(problem: DagProblem, time_limit_s: float | None) -> tuple[str, ...]:
    """Which limit cannot be kept: each is dropped, and what is then the least is compared with it."""
    free = DagProblem(problem.tasks, problem.edges, Objective.COST)
    cheapest = schedule(free, solve(free, time_limit_s).choice)
    free = DagProblem(problem.tasks, problem.edges, Objective.TIME)
    fastest = schedule(free, solve(free, time_limit_s).choice)
    return limits_line(problem.deadline_h, problem.budget_usd, fastest.makespan_h, cheapest.cost_usd)
