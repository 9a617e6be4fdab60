"""One task: its candidates, ranked. No solver is needed; the order is the proof."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.status import raised
from engine.workload import Objective

TIE_BREAKERS = ("scarcity", "doubt", "cloud", "region", "instance_type", "purchase", "requirement")


@dataclass(frozen=True)
class SingleProblem:
    """Rank the candidates (schema: candidates.Candidates.frame) of one task under limits.

    `ordered`: an earlier requirement comes before everything else.
    """

    frame: pl.DataFrame
    objective: Objective
    ordered: bool
    deadline_h: float | None
    budget_usd: float | None


def finish_h() -> pl.Expr:
    """When a candidate is done: its inputs brought in, then its run."""
    return pl.col("input_h") + pl.col("hours")


def keeps_deadline(deadline_h: float | None) -> pl.Expr:
    """Whether a candidate is done in time."""
    return pl.lit(value=True) if deadline_h is None else finish_h() <= raised(deadline_h)


def keeps_budget(budget_usd: float | None) -> pl.Expr:
    """Whether a candidate is cheap enough."""
    return pl.lit(value=True) if budget_usd is None else pl.col("cost_usd") <= raised(budget_usd)


def within_limits(problem: SingleProblem) -> pl.DataFrame:
    """The candidates that keep the deadline and the budget."""
    return problem.frame.filter(keeps_deadline(problem.deadline_h), keeps_budget(problem.budget_usd))


def rank(problem: SingleProblem) -> pl.DataFrame:
    """The candidates within the limits, best first: by objective, the other one, scarcity, doubt and name."""
    keys = [pl.col("cost_usd"), finish_h()]
    if problem.objective is Objective.TIME:
        keys.reverse()
    first = [pl.col("requirement")] if problem.ordered else []
    return within_limits(problem).sort([*first, *keys, *TIE_BREAKERS])


def merge_regions(ranked: pl.DataFrame) -> pl.DataFrame:
    """One row for what several regions of a cloud offer alike, in the same order; the others are its `also_in`."""
    alike = ["cloud", "instance_type", "purchase", "price_usd_h", "hours", "input_h", "cost_usd", "requirement"]
    rest = [name for name in ranked.columns if name not in alike]
    also_in = pl.col("region").slice(1).unique(maintain_order=True).alias("also_in")
    return ranked.group_by(alike, maintain_order=True).agg(pl.col(rest).first(), also_in)


def best_of_each(ranked: pl.DataFrame) -> pl.DataFrame:
    """The best candidate of every (cloud, purchase), best first."""
    return ranked.unique(["cloud", "purchase"], keep="first", maintain_order=True)
