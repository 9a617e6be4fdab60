"""Replays what spot capacity did for a policy: (market, job, policy) -> outcome, many runs at once.

The rules of a gap are those of the public simulator of "Can't Be Late" (Wu et al., NSDI 2024): machines are lost only
at the start of a gap and the work of the gap before is kept; a policy sees what this gap offers, not the next; a start,
or a change of machine, takes the whole overhead; whole gaps are billed, the last one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.policies.base import PAID_S, Codes, Decision, Machine, Observation, Policy, Setting
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Figures, Flags, SpotMarket

Array = TypeVar("Array", bound=NDArray[Any])


@dataclass(frozen=True)
class Runs:
    """R runs that are replayed together: as many jobs, each in its own market, of one gap length and Z zones.

    Shapes: `available`, `spot_usd_h` (R, T, Z), T being that of the longest market (after its end a market has no
    spot); `gaps` (R,), how long each was recorded.
    """

    setting: Setting
    available: Flags
    spot_usd_h: Figures
    gaps: Codes

    def __len__(self) -> int:
        return len(self.gaps)


@dataclass(frozen=True)
class Outcome:
    """What became of R runs; each of shape (R,) but `machines` and `zones`, (R, gaps), which hold every gap.

    `cost_usd` bills each gap at its own price and each move; `finish_gap` is the gap at whose start the work was found
    done, `finish_s` the second in which it was; `late` says that this lies after the deadline; `interruptions` counts
    the spot machines that were lost, `starts` of machines, `moves` those in
    another zone than the start before (the first: than zone 0);
    `zone` is the one at the end.
    """

    cost_usd: Figures
    spot_gaps: Codes
    on_demand_gaps: Codes
    finish_gap: Codes
    finish_s: Figures
    late: Flags
    interruptions: Codes
    moves: Codes
    starts: Codes
    zone: Codes
    machines: Codes
    zones: Codes


def runs_of(cases: Sequence[tuple[SpotMarket, DeadlineJob]]) -> Runs:
    """The batch of these runs.

    Raises:
        ValueError: there are none, their gaps or numbers of zones differ, or a market ends before its deadline.
    """
    if not cases:
        raise ValueError("there is no run to simulate")
    shapes = {(market.gap_s, len(market.zones)) for market, _ in cases}
    if len(shapes) > 1:
        raise ValueError("runs that are simulated together have gaps of one length and as many zones each")
    gap_s = cases[0][0].gap_s
    for market, job in cases:
        if market.gaps * gap_s < job.deadline_s:
            raise ValueError(
                f"a trace of {market.gaps * gap_s / SECONDS_AN_HOUR:g} h cannot tell of a deadline of"
                f" {job.deadline_s / SECONDS_AN_HOUR:g} h"
            )
    gaps = np.array([market.gaps for market, _ in cases])
    setting = Setting(
        gap_s=gap_s,
        work_s=_frozen(np.array([job.work_s for _, job in cases], dtype=np.float64)),
        deadline_s=_frozen(np.array([job.deadline_s for _, job in cases], dtype=np.float64)),
        overhead_s=_frozen(np.array([job.overhead_s for _, job in cases], dtype=np.float64)),
        on_demand_usd_h=_frozen(np.stack([market.on_demand_usd_h for market, _ in cases])),
        move_usd=_frozen(np.stack([market.move_usd for market, _ in cases])),
    )
    return Runs(
        setting=setting,
        available=_padded([market.available for market, _ in cases], int(gaps.max())),
        spot_usd_h=_padded([market.spot_usd_h for market, _ in cases], int(gaps.max())),
        gaps=gaps,
    )


def simulate(runs: Runs, policy: Policy, *, reference: bool = False) -> Outcome:
    """Replays the runs with the policy, gap by gap, until all work is done.

    Args:
        runs: the batch.
        policy: decides for all of them; it is given read-only copies of this gap's figures and nothing of later ones.
        reference: the faults of the public simulators are kept, so that their published figures come out: a spot
            machine that runs moves to another zone at once and for nothing, and a deadline that is no multiple of the
            gap is rounded to the nearest gap. (Their guard is a policy: `engine.policies.guard`; their bill of several
            zones is `bill_at_first_price`.)

    Raises:
        RuntimeError: the policy leaves work undone for as long as it would take from the deadline on.
        ValueError: it decides for a machine or a zone that there is not.
    """
    state = _State(runs)
    decide = policy.begin(runs.setting)
    setting = runs.setting
    longest_s = float((setting.deadline_s + setting.work_s + setting.overhead_s).max())
    for gap in range(int(np.ceil(longest_s / setting.gap_s)) + 2):
        seen = state.observe(gap)
        if not state.active.any():
            return state.outcome(reference=reference)
        state.spend(seen, _checked(decide(seen), setting.zones), free_moves=reference)
    raise RuntimeError(f"{policy.name} does not finish")


class _State:
    """Where R runs are, between two gaps."""

    def __init__(self, runs: Runs) -> None:
        count = len(runs)
        self.runs = runs
        self.rows = np.arange(count)
        self.active = np.ones(count, dtype=np.bool_)
        self.last = np.zeros(count, dtype=np.int64)
        self.zone = np.zeros(count, dtype=np.int64)
        self.home = np.zeros(count, dtype=np.int64)
        """Where the checkpoint is: the zone of the last start."""
        self.done_s = np.zeros(count)
        self.pending_s = np.zeros(count)
        self.finish_s = np.zeros(count)
        self.finish_gap = np.zeros(count, dtype=np.int64)
        self.cost_usd = np.zeros(count)
        self.counts = {name: np.zeros(count, dtype=np.int64) for name in ("interruptions", "moves", "starts")}
        self.history: list[Decision] = []

    def observe(self, gap: int) -> Observation:
        """Accounts for the gap before, ends the runs whose work is done, and says what this one offers."""
        gap_s = self.runs.setting.gap_s
        available, prices = self._offered(gap)
        here = available[self.rows, self.zone]
        current = np.where((self.last == Machine.SPOT) & ~here, Machine.NONE, self.last)
        worked_s = np.where(self.last == Machine.NONE, 0.0, np.maximum(gap_s - self.pending_s, 0.0))
        left_s = self.runs.setting.work_s - self.done_s
        done_at_s = np.maximum((gap - 1) * gap_s + self.pending_s + left_s, 0.0)
        self.finish_s = np.where(self.active, done_at_s, self.finish_s)
        paid_s = np.where(self.last == Machine.NONE, 0.0, gap_s - worked_s)
        self.pending_s = self.pending_s - paid_s
        self.pending_s[self.pending_s < PAID_S] = 0.0
        self.done_s = self.done_s + np.minimum(worked_s, left_s)
        over = self.active & (self.runs.setting.work_s - self.done_s <= PAID_S)
        self.finish_gap[over] = gap
        self.active = self.active & ~over
        self.counts["interruptions"] += self.active & (current != self.last)
        return Observation(
            elapsed_s=gap * gap_s,
            done_s=_frozen(self.done_s.copy()),
            last=_frozen(self.last.copy()),
            current=_frozen(current),
            zone=_frozen(self.zone.copy()),
            pending_s=_frozen(self.pending_s.copy()),
            available=_frozen(available),
            spot_usd_h=_frozen(prices),
        )

    def _offered(self, gap: int) -> tuple[Flags, Figures]:
        """Copies, so that no view leads to later gaps; after its end a market has no spot, at its last price."""
        last = self.runs.available.shape[1] - 1
        available = self.runs.available[:, min(gap, last)].copy()
        return available & (gap < self.runs.gaps)[:, None], self.runs.spot_usd_h[:, min(gap, last)].copy()

    def spend(self, seen: Observation, decision: Decision, *, free_moves: bool) -> None:
        """Carries the decision out, as far as there is spot, and bills the gap."""
        setting = self.runs.setting
        zone = decision.zone
        refused = (decision.machine == Machine.SPOT) & ~seen.available[self.rows, zone]
        machine = np.where(refused | ~self.active, Machine.NONE, decision.machine)
        moved = zone != self.zone
        starts = (machine != Machine.NONE) & ((machine != seen.current) | (moved & (not free_moves)))
        self.pending_s = np.where(starts, setting.overhead_s, self.pending_s)
        usd_h = np.where(
            machine == Machine.SPOT, seen.spot_usd_h[self.rows, zone], setting.on_demand_usd_h[self.rows, zone]
        )
        self.cost_usd += np.where(machine == Machine.NONE, 0.0, usd_h * setting.gap_s / SECONDS_AN_HOUR)
        self.cost_usd += np.where(starts, setting.move_usd[self.rows, self.home, zone], 0.0)
        self.counts["moves"] += starts & (zone != self.home)
        self.counts["starts"] += starts
        self.home = np.where(starts, zone, self.home)
        self.last, self.zone = machine, np.where(self.active, zone, self.zone)
        self.history.append(Decision(machine, self.zone))

    def outcome(self, *, reference: bool) -> Outcome:
        """What became of the runs."""
        setting = self.runs.setting
        machines = _history([spent.machine for spent in self.history], len(self.runs))
        deadline_gap = np.rint(setting.deadline_s / setting.gap_s)
        late = self.finish_gap > deadline_gap if reference else self.finish_s > setting.deadline_s + PAID_S
        return Outcome(
            cost_usd=self.cost_usd,
            spot_gaps=(machines == Machine.SPOT).sum(axis=1),
            on_demand_gaps=(machines == Machine.ON_DEMAND).sum(axis=1),
            finish_gap=self.finish_gap,
            finish_s=self.finish_s,
            late=late,
            **self.counts,
            zone=self.zone,
            machines=machines,
            zones=_history([spent.zone for spent in self.history], len(self.runs)),
        )


def bill_at_first_price(runs: Runs, outcome: Outcome) -> Figures:
    """The bill of the public evaluator of several zones, (R,) in USD.

    All spot gaps cost what the zone of the end cost in the first gap.
    """
    rows = np.arange(len(runs))
    spot = runs.spot_usd_h[rows, 0, outcome.zone]
    on_demand = runs.setting.on_demand_usd_h[rows, outcome.zone]
    hours = runs.setting.gap_s / SECONDS_AN_HOUR
    return np.asarray((outcome.spot_gaps * spot + outcome.on_demand_gaps * on_demand) * hours)


def _checked(decision: Decision, zones: int) -> Decision:
    """The decision.

    Raises:
        ValueError: it is for a machine or a zone that there is not.
    """
    if not (np.isin(decision.machine, list(Machine)).all() and ((decision.zone >= 0) & (decision.zone < zones)).all()):
        raise ValueError(f"a policy decides for one of {len(Machine)} machines in one of {zones} zones")
    return decision


def _history(gaps: Sequence[Codes], runs: int) -> Codes:
    """(R, gaps): one array (R,) for each gap side by side."""
    return np.stack([np.zeros(runs, dtype=np.int64), *gaps], axis=1)[:, 1:]


def _frozen(array: Array) -> Array:
    """The array, which nobody can write to any more."""
    array.setflags(write=False)
    return array


def _padded(series: Sequence[NDArray[Any]], gaps: int) -> NDArray[Any]:
    """(R, T, Z) of R series (T_r, Z), each continued by its last gap."""
    return _frozen(np.stack([np.pad(one, ((0, gaps - len(one)), (0, 0)), mode="edge") for one in series]))
