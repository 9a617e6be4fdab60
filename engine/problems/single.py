"""One task: its candidates, ranked. No solver is needed; the order is the proof."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.status import raised
from engine.workload import Objective

TIE_BREAKERS = ("scarcity", "doubt", "cloud", "region", "instance_type", "purchase", "requirement")


@dataclass(frozen=True)
class SingleLimit:
    """The most that a candidate may come to by `figure`; `name` says of what, `fell_out` what is wrong beyond it."""

    name: str
    figure: pl.Expr
    most: float
    fell_out: str

    @property
    def kept(self) -> pl.Expr:
        """Whether a candidate keeps it."""
        return self.figure <= raised(self.most)


@dataclass(frozen=True)
class SingleProblem:
    """Rank the candidates (schema: candidates.Candidates.frame) of one task under limits.

    `ordered`: an earlier requirement comes before everything else. An hour until the task is done is charged
    `value_of_time_usd_h` beside cost and surcharge.
    """

    frame: pl.DataFrame
    objective: Objective
    ordered: bool
    limits: tuple[SingleLimit, ...] = ()
    value_of_time_usd_h: float = 0.0

    @property
    def charge_usd(self) -> pl.Expr:
        """What a candidate is charged in all."""
        return pl.col("cost_usd") + pl.col("surcharge_usd") + self.value_of_time_usd_h * finish_h()


def finish_h() -> pl.Expr:
    """When a candidate is done: its inputs brought in, its machines ready, then its run."""
    return pl.col("input_h") + pl.col("busy_h")


def within_limits(problem: SingleProblem) -> pl.DataFrame:
    """The candidates that keep all limits."""
    return problem.frame.filter(pl.all_horizontal(pl.lit(value=True), *(limit.kept for limit in problem.limits)))


def beyond_limits(problem: SingleProblem) -> dict[str, int]:
    """How many offers fell out by the first limit that they do not keep, and why; those that lost none are left out."""
    counts, left = {}, problem.frame
    for limit in problem.limits:
        offers = int(left.filter(~limit.kept)["offers"].sum())
        if offers:
            counts[limit.fell_out] = offers
        left = left.filter(limit.kept)
    return counts


def rank(problem: SingleProblem) -> pl.DataFrame:
    """The candidates within the limits, best first, with `charge_usd`.

    By objective (the charge in all, or the time), then by cost, time, scarcity, doubt and name.
    """
    charged = within_limits(problem).with_columns(problem.charge_usd.alias("charge_usd"))
    keys = [pl.col("charge_usd"), pl.col("cost_usd"), finish_h()]
    if problem.objective is Objective.TIME:
        keys = [keys[-1], *keys[:-1]]
    first = [pl.col("requirement")] if problem.ordered else []
    return charged.sort([*first, *keys, *TIE_BREAKERS])


def merge_regions(ranked: pl.DataFrame) -> pl.DataFrame:
    """One row for what several regions of a cloud offer alike, in the same order; the others are its `also_in`."""
    alike = ["cloud", "instance_type", "purchase", "price_usd_h", "hours", "input_h", "requirement"]
    alike += ["cost_usd", "charge_usd"]
    rest = [name for name in ranked.columns if name not in alike]
    also_in = pl.col("region").slice(1).unique(maintain_order=True).alias("also_in")
    return ranked.group_by(alike, maintain_order=True).agg(pl.col(rest).first(), also_in)


def best_of_each(ranked: pl.DataFrame) -> pl.DataFrame:
    """The best candidate of every (cloud, purchase), best first."""
    return ranked.unique(["cloud", "purchase"], keep="first", maintain_order=True)
