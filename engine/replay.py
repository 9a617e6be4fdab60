"""Replays recorded markets for policies, and sums up what became of the jobs.

    Case (market, job) -> batched -> Batch -> replayed, optimum_usd -> figures by case -> summary_of -> Summary

Cases of any mixture of gap lengths and numbers of zones may be replayed together; all figures are in their order.
`engine.replay_cases` makes cases of traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.availability import AvailabilityModel
from engine.omniscient import earliest_finish_s, omniscient_usd
from engine.policies.base import PAID_S, Codes, Decide, Decision, Observation, Policy, Setting
from engine.policies.registry import Maker
from engine.simulator import Outcome, Runs, bill_at_first_price, runs_of, simulate
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Figures, Flags, SpotMarket

LOW, HIGH = 5.0, 95.0
"""The percentiles between which nine runs of ten lie."""
MOST_TABLES: Final = 8
MOST_MARKET_TABLES: Final = 2
"""So many sets of value tables, of up to half a gigabyte each, are in memory at once: of one zone, and of several."""
OPTIMUM: Final = "optimum"
"""How summaries call the omniscient optimum."""


class ReplayError(ValueError):
    """The cases cannot be replayed.

    ReplayError
        +-- ImpossibleJobError    no machine has the work done by the deadline, were one on demand had at once
    """


class ImpossibleJobError(ReplayError):
    """It says when the work can be done at the earliest."""


@dataclass(frozen=True, eq=False)
class Case:
    """One job in one recorded market.

    Attributes:
        label: of the recording: the scenario, or zone and instance type. Several cases may share it.
        market: what could be had; it has to last until the deadline.
        job: what is to be done.
        models: what a policy may expect of the zones: one model for each, or one for all.
        start: the instant of the first gap, None where it is not known.
    """

    label: str
    market: SpotMarket
    job: DeadlineJob
    models: tuple[AvailabilityModel, ...] = ()
    start: datetime | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Some cases of one gap length, number of zones and models; `rows` (R,) are their places among all cases."""

    rows: Codes
    runs: Runs
    models: tuple[AvailabilityModel, ...]


@dataclass(frozen=True, eq=False)
class Replayed:
    """What became of N cases with one policy; each figure of shape (N,), see `engine.simulator.Outcome`."""

    policy: str
    cost_usd: Figures
    late: Flags
    interruptions: Codes
    moves: Codes
    spot_gaps: Codes
    on_demand_gaps: Codes

    def rows(self, rows: Codes | Flags) -> Replayed:
        """Those of some cases alone."""
        return Replayed(
            self.policy,
            self.cost_usd[rows],
            self.late[rows],
            self.interruptions[rows],
            self.moves[rows],
            self.spot_gaps[rows],
            self.on_demand_gaps[rows],
        )


@dataclass(frozen=True, eq=False)
class Course:
    """How R runs went: `done_s` (R, G + 1) is the work that was done at the start of each of G gaps and at the end."""

    outcome: Outcome
    done_s: Figures


@dataclass(frozen=True)
class Summary:
    """One policy over all runs: the mean cost, its standard deviation, and its 5th and 95th percentile, in USD.

    `late` runs missed their deadline. `ratio` is the mean cost over the mean of the optimum, None where that is 0.
    `interruptions` and `moves` are means a run, `spot_share` is that of all time on a machine; None where unknown (of
    the optimum, whose cost alone is found).
    """

    policy: str
    runs: int
    mean_usd: float
    sd_usd: float
    low_usd: float
    high_usd: float
    late: int
    ratio: float | None
    interruptions: float | None = None
    moves: float | None = None
    spot_share: float | None = None


def batched(cases: Sequence[Case]) -> tuple[Batch, ...]:
    """The cases in groups that can be simulated together.

    Raises:
        ImpossibleJobError: no machine has the work of a case done by its deadline.
        ReplayError: there is no case, or a market ends before a deadline.
    """
    if not cases:
        raise ReplayError("there is nothing to replay")
    for case in cases:
        _require_whole(case)
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, case in enumerate(cases):
        key = (case.market.gap_s, len(case.market.zones), *map(id, case.models))
        groups.setdefault(key, []).append(row)
    batches = tuple(
        Batch(np.array(rows), runs_of([(cases[row].market, cases[row].job) for row in rows]), cases[rows[0]].models)
        for alike in groups.values()
        for rows in _portions(cases, alike)
    )
    for batch in batches:
        _require_possible(batch.runs)
    return batches


def _portions(cases: Sequence[Case], rows: Sequence[int]) -> list[list[int]]:
    """The rows in portions whose policies need few sets of value tables at once.

    Runs share theirs if job and first prices are the same.
    """
    sets: dict[object, list[int]] = {}
    for row in rows:
        case = cases[row]
        key = (case.job, *case.market.spot_usd_h[0], *case.market.on_demand_usd_h)
        sets.setdefault(key, []).append(row)
    alike = list(sets.values())
    most = MOST_TABLES if len(cases[rows[0]].market.zones) == 1 else MOST_MARKET_TABLES
    return [sorted(row for one in alike[first : first + most] for row in one) for first in range(0, len(alike), most)]


def require_time(jobs: Sequence[DeadlineJob]) -> None:
    """Refuses what cannot be done in time in any market, so that nobody looks for a longer record of one.

    Raises:
        ImpossibleJobError: a job ends after its deadline on demand from the start on, however long a gap is.
    """
    for job in jobs:
        finish_s = job.overhead_s + job.work_s
        # Of an overhead, a rest below PAID_S may be forgiven, see `engine.omniscient.earliest_finish_s`.
        if finish_s - PAID_S > job.deadline_s + PAID_S:
            raise _impossible(job, finish_s)


def optimum_usd(batches: Sequence[Batch]) -> Figures:
    """What each case costs at least, were the future known, (N,) in USD: see `engine.omniscient`."""
    return _in_order(batches, [omniscient_usd(batch.runs) for batch in batches])


def replayed(
    batches: Sequence[Batch], policy: str, maker: Maker, *, reference: bool = False, at_first_price: bool = False
) -> Replayed:
    """All cases with one policy.

    Args:
        batches: the cases.
        policy: its name, for the summary.
        maker: makes it from the models of a batch: `engine.policies.registry.maker_of`, or any other.
        reference: as `engine.simulator.simulate` has it.
        at_first_price: costs are the bill of the public evaluator of several zones
            (`engine.simulator.bill_at_first_price`); else each gap is billed at its own price.
    """
    outcomes = [
        _outcome(batch.runs, maker(batch.models), reference=reference, at_first_price=at_first_price)
        for batch in batches
    ]
    return Replayed(policy, *(_in_order(batches, [getattr(one, name) for one in outcomes]) for name in _COLUMNS))


def course_of(batch: Batch, policy: Policy, *, reference: bool = False, at_first_price: bool = False) -> Course:
    """The runs of a batch with a policy, gap by gap; `reference` and `at_first_price` as `replayed` has them."""
    watched = _Watched(policy, [])
    outcome = _outcome(batch.runs, watched, reference=reference, at_first_price=at_first_price)
    return Course(outcome, np.stack([*watched.done_s, batch.runs.setting.work_s], axis=1))


def summary_of(found: Replayed, optimum: Figures) -> Summary:
    """The policy over all of the cases, `optimum` (N,) being what each costs at least in USD."""
    spot, on_demand = int(found.spot_gaps.sum()), int(found.on_demand_gaps.sum())
    return _summary(
        found.policy,
        found.cost_usd,
        optimum,
        late=int(found.late.sum()),
        interruptions=float(found.interruptions.mean()),
        moves=float(found.moves.mean()),
        spot_share=spot / (spot + on_demand) if spot + on_demand else None,
    )


def summary_of_optimum(optimum: Figures) -> Summary:
    """The optimum as if it were a policy."""
    return _summary(OPTIMUM, optimum, optimum, late=0)


_COLUMNS: Final = ("cost_usd", "late", "interruptions", "moves", "spot_gaps", "on_demand_gaps")


@dataclass(frozen=True)
class _Watched:
    """A policy, and the work that it saw done at the start of each gap."""

    policy: Policy
    done_s: list[Figures]

    @property
    def name(self) -> str:
        """See `Policy`."""
        return self.policy.name

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        decide = self.policy.begin(setting)

        def watched(seen: Observation) -> Decision:
            self.done_s.append(seen.done_s)
            return decide(seen)

        return watched


def _outcome(runs: Runs, policy: Policy, *, reference: bool, at_first_price: bool) -> Outcome:
    outcome = simulate(runs, policy, reference=reference)
    return replace(outcome, cost_usd=bill_at_first_price(runs, outcome)) if at_first_price else outcome


def _summary(
    policy: str,
    usd: Figures,
    optimum: Figures,
    *,
    late: int,
    interruptions: float | None = None,
    moves: float | None = None,
    spot_share: float | None = None,
) -> Summary:
    least = float(optimum.mean())
    low, high = np.percentile(usd, (LOW, HIGH))
    return Summary(
        policy=policy,
        runs=len(usd),
        mean_usd=float(usd.mean()),
        sd_usd=float(usd.std()),
        low_usd=float(low),
        high_usd=float(high),
        late=late,
        ratio=float(usd.mean()) / least if least > 0 else None,
        interruptions=interruptions,
        moves=moves,
        spot_share=spot_share,
    )


def _in_order(batches: Sequence[Batch], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(N,) in the order of the cases, of one part (R,) for each batch."""
    return np.concatenate(parts)[np.argsort(np.concatenate([batch.rows for batch in batches]))]


def _require_whole(case: Case) -> None:
    lasts_s = case.market.gaps * case.market.gap_s
    if lasts_s < case.job.deadline_s:
        raise ReplayError(
            f"{case.label}: what was recorded lasts {lasts_s / SECONDS_AN_HOUR:.4g} h, less than the deadline of"
            f" {case.job.deadline_s / SECONDS_AN_HOUR:g} h"
        )


def _require_possible(runs: Runs) -> None:
    """On demand at once is the earliest that a job can be done."""
    setting = runs.setting
    finish_s = earliest_finish_s(setting)
    too_late = np.flatnonzero(finish_s > setting.deadline_s + PAID_S)
    if len(too_late):
        row = too_late[0]
        job = DeadlineJob(setting.work_s[row], setting.deadline_s[row], setting.overhead_s[row])
        raise _impossible(job, finish_s[row])


def _impossible(job: DeadlineJob, finish_s: float) -> ImpossibleJobError:
    return ImpossibleJobError(
        f"{job.work_s / SECONDS_AN_HOUR:g} h of work and {job.overhead_s / SECONDS_AN_HOUR:g} h to start cannot be done"
        f" by a deadline of {job.deadline_s / SECONDS_AN_HOUR:g} h: the earliest possible finish, on demand, is after"
        f" {finish_s / SECONDS_AN_HOUR:g} h"
    )
