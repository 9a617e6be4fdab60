"""The plan of a workload of one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from engine.candidates import Candidates
from engine.infeasible import InfeasibleError, limits_lines
from engine.placements import placement_of
from engine.plan import Option, Proof
from engine.planned import Planned
from engine.problems.single import SingleProblem, best_of_each, finish_h, merge_regions, rank, within_limits
from engine.status import Status
from engine.workload import Objective, Workload


def plan_single(workload: Workload, candidates: Candidates, top: int) -> Planned:
    """Rank the candidates: the best, the `top` - 1 next ones and the best of every other cloud and purchase.

    Raises:
        InfeasibleError: no candidate keeps the deadline and the budget.
    """
    problem = SingleProblem(
        frame=candidates.frame,
        objective=workload.objective,
        ordered=candidates.task.ordered,
        deadline_h=workload.deadline_hours,
        budget_usd=workload.budget_usd,
    )
    ranked = merge_regions(rank(problem))
    if ranked.is_empty():
        raise InfeasibleError(_limits(problem))
    best, *alternatives = _options(candidates, ranked.head(top))
    objective = best.cost_usd if workload.objective is Objective.COST else best.hours
    return Planned(
        best=best,
        alternatives=tuple(alternatives),
        comparison=tuple(_options(candidates, best_of_each(ranked)))[1:],
        proof=Proof(status=Status.OPTIMAL, objective=objective, bound=objective, gap=0.0, method="enumeration"),
    )


def _limits(problem: SingleProblem) -> tuple[str, ...]:
    fastest_h, cheapest_usd = problem.frame.select(finish_h().min(), pl.col("cost_usd").min()).row(0)
    in_time = within_limits(replace(problem, budget_usd=None))
    return limits_lines(
        problem.deadline_h,
        problem.budget_usd,
        fastest_h=fastest_h,
        cheapest_usd=cheapest_usd,
        cheapest_in_time_usd=in_time.select(pl.col("cost_usd").min()).item(),
    )


def _options(candidates: Candidates, ranked: pl.DataFrame) -> Iterator[Option]:
    for row in ranked.iter_rows(named=True):
        yield _option(candidates, row)


def _option(candidates: Candidates, row: Mapping[str, Any]) -> Option:
    placement = placement_of(candidates.task, row, start_h=row["input_h"])
    return Option(
        placements=(placement,), transfers=(), cost_usd=placement.cost_usd, hours=placement.start_h + placement.hours
    )
