"""The plan of a workload of one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from engine.candidates import Candidates
from engine.fallback import Find, fallbacks_of
from engine.infeasible import InfeasibleError, limits_lines
from engine.limit import Limit
from engine.limits import limits_of
from engine.placements import placement_of
from engine.plan import Option, Proof
from engine.planned import Planned
from engine.problems.single import (
    SingleLimit,
    SingleProblem,
    best_of_each,
    beyond_limits,
    finish_h,
    merge_regions,
    rank,
    within_limits,
)
from engine.status import Status
from engine.workload import Objective, Workload

DEADLINE = "deadline"
BUDGET = "budget"


def plan_single(workload: Workload, candidates: Candidates, top: int) -> Planned:
    """Rank the candidates: the best, the `top` - 1 next ones and the best of every other cloud and purchase.

    Fallbacks are looked for where more than the best is asked for.

    Raises:
        InfeasibleError: no candidate keeps the limits.
    """
    problem = single_problem(workload, candidates)
    unmerged = rank(problem)
    ranked = merge_regions(unmerged)
    if ranked.is_empty():
        raise InfeasibleError(_limits(workload, problem))
    best, *alternatives = _options(candidates, ranked.head(top))
    objective = best.charge_usd if workload.objective is Objective.COST else best.hours
    return Planned(
        best=best,
        alternatives=tuple(alternatives),
        comparison=tuple(_options(candidates, best_of_each(ranked)))[1:],
        fallbacks=fallbacks_of(best, (unmerged,), _first_of(candidates, unmerged)) if top > 1 else (),
        proof=Proof(status=Status.OPTIMAL, objective=objective, bound=objective, gap=0.0, method="enumeration"),
        candidates=within_limits(problem).height,
        fell_out=beyond_limits(problem),
    )


def _first_of(candidates: Candidates, ranked: pl.DataFrame) -> Find:
    """The first of the rows that are given: all of them are ranked, and keep the limits."""
    return lambda rows: _option(candidates, ranked.row(int(rows[0][0]), named=True))


def single_problem(workload: Workload, candidates: Candidates) -> SingleProblem:
    """The problem of ranking the candidates of the workload's one task."""
    # Quotas and machines are enough for one task alone, which was checked of each offer.
    limited = limits_of(workload, [candidates], ())
    loads = [each.loads[0].alias(each.limit.name) for each in limited]
    return SingleProblem(
        frame=candidates.frame.with_columns(loads),
        objective=workload.objective,
        ordered=candidates.task.ordered,
        limits=(*_own_limits(workload), *(_single_limit(each.limit) for each in limited)),
        value_of_time_usd_h=workload.value_of_time_usd_h,
    )


def _own_limits(workload: Workload) -> Iterator[SingleLimit]:
    if workload.deadline_hours is not None:
        yield SingleLimit(DEADLINE, finish_h(), workload.deadline_hours, "too slow for the deadline")
    if workload.budget_usd is not None:
        yield SingleLimit(BUDGET, pl.col("cost_usd"), workload.budget_usd, "too dear for the budget")


def _single_limit(limit: Limit) -> SingleLimit:
    return SingleLimit(limit.name, pl.col(limit.name), limit.most, f"beyond the limit of {limit.name}")


def _limits(workload: Workload, problem: SingleProblem) -> tuple[str, ...]:
    """Which limits no candidate keeps."""
    fastest_h, cheapest_usd = problem.frame.select(finish_h().min(), pl.col("cost_usd").min()).row(0)
    in_time = pl.all_horizontal(pl.lit(value=True), *(limit.kept for limit in problem.limits if limit.name == DEADLINE))
    return limits_lines(
        workload.deadline_hours,
        workload.budget_usd,
        fastest_h=fastest_h,
        cheapest_usd=cheapest_usd,
        cheapest_in_time_usd=problem.frame.filter(in_time).select(pl.col("cost_usd").min()).item(),
    )


def _options(candidates: Candidates, ranked: pl.DataFrame) -> Iterator[Option]:
    for row in ranked.iter_rows(named=True):
        yield _option(candidates, row)


def _option(candidates: Candidates, row: Mapping[str, Any]) -> Option:
    placement = placement_of(candidates.task, row, start_h=row["input_h"])
    return Option(
        placements=(placement,),
        transfers=(),
        cost_usd=placement.cost_usd,
        hours=placement.end_h,
        charge_usd=row["charge_usd"],
    )
