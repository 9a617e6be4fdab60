"""What a job with a deadline still costs in the mean, by backward induction over a chain of spot capacity.

The state of a job is what it is on (nothing, spot, on demand), the state of the chain, the time left and the slack: the
time left less the work left and the unpaid overhead of the machine it is on. A step on a machine keeps the slack, one
spent waiting takes a step of it, a start takes the overhead. An interruption before the overhead was paid gives the
unpaid part back. Work is done when the slack is all that is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.policies.chains import Chain, Values
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags

_TINY: Final = 1e-9
FINEST: Final = 10
"""Levels of slack a step, where slack is scarce."""
GROWTH: Final = 0.02
"""Above that, levels lie this share of the slack apart: with much of it little hangs on a minute."""
FORBIDDEN: Final = 10.0
"""How many times the cost on demand to the end the tables take an unsafe action to cost. (That none is taken is the
business of `engine.policies.safety`.)"""


@dataclass(frozen=True, eq=False)
class JobCosts:
    """What a table is made for: prices and overhead of one job, in steps of `step_s` seconds.

    `least_usd` is the price of the cheapest gap: whole gaps are billed, so that no work left costs less.
    """

    step_s: float
    overhead_s: float
    on_demand_usd_h: float
    least_usd: float


@dataclass(frozen=True, eq=False)
class ValueTables:
    """Expected costs to go in USD, by steps left (N + 1), level of slack (S) and state.

    Shapes: `slack_s` (S,); `waiting` and `on_demand` (N + 1, S, K); `on_spot` (N + 1, P + 1, S, J), the second axis
    being the whole steps of overhead that are not paid yet. Where the chain is several, an axis of its views stands
    before that of the slack, here and in what the methods give.
    """

    costs: JobCosts
    slack_s: Figures
    waiting: Values
    on_demand: Values
    on_spot: Values

    def at(self, values: Values, left_s: float, slack_s: Figures) -> Figures:
        """(R, K): `waiting` or `on_demand` at a time left and slacks (R,), linear between the steps and the levels."""
        steps = min(left_s / self.costs.step_s, len(values) - 1.0)
        early = int(steps + _TINY)
        found = self._with_steps(values, early, slack_s)
        part = steps - early
        if part > _TINY:
            found = found * (1 - part) + self._with_steps(values, early + 1, slack_s) * part
        return np.asarray(found, dtype=np.float64)

    def _with_steps(self, values: Values, steps: int, slack_s: Figures) -> Values:
        return _between(values[steps], self.slack_s, slack_s, steps, self.costs)

    def kept(self, left_s: float, slack_s: Figures, unpaid_s: Figures) -> Figures:
        """(R, J): the values on spot at a time left, slacks (R,) and overheads (R,) that are not paid yet."""
        stages = self.on_spot.shape[1] - 1
        shape = (*self.on_spot.shape[2:-2], len(slack_s), self.on_spot.shape[-1])
        stage = np.clip(stages - np.floor((self.costs.overhead_s - unpaid_s) / self.costs.step_s + _TINY), 0, stages)
        found = np.zeros(shape)
        for one in np.unique(stage).astype(np.int64):
            rows = stage == one
            found[..., rows, :] = self.at(self.on_spot[:, one], left_s, slack_s[rows])
        return found


def value_tables(chain: Chain, costs: JobCosts, steps: int, most_slack_s: float) -> ValueTables:
    """The tables of a job with up to `steps` steps left and up to `most_slack_s` seconds of slack."""
    slack_s = _levels(costs.step_s, most_slack_s + costs.overhead_s)
    shape, spot_shape = ((*chain.views, len(slack_s), states) for states in (chain.states, len(chain.spot_usd_h)))
    waiting, on_demand = (np.zeros((steps + 1, *shape), dtype=np.float32) for _ in range(2))
    on_spot = np.zeros((steps + 1, _stages(costs) + 1, *spot_shape), dtype=np.float32)
    backward = _Backward(chain, costs, slack_s)
    for left in range(1, steps + 1):
        done = slack_s >= left * costs.step_s - _TINY
        waiting[left], on_demand[left], on_spot[left] = backward.step(
            left, waiting[left - 1], on_demand[left - 1], on_spot[left - 1]
        )
        for values in (waiting[left], on_demand[left], on_spot[left]):
            values[..., done, :] = 0.0
    return ValueTables(costs, slack_s, waiting, on_demand, on_spot)


class _Backward:
    """One step of the induction, with what is the same in all of them."""

    def __init__(self, chain: Chain, costs: JobCosts, slack_s: Figures) -> None:
        self.chain, self.costs, self.slack_s = chain, costs, slack_s
        self.stages = _stages(costs)
        hours = costs.step_s / SECONDS_AN_HOUR
        self.on_demand_usd = np.float32(costs.on_demand_usd_h * hours)
        self.spot_usd = (chain.spot_usd_h * hours).astype(np.float32)

    def step(self, left: int, waiting: Values, on_demand: Values, on_spot: Values) -> tuple[Values, Values, Values]:
        """The values with `left` steps left, for what is waiting, on demand and on spot, from those with one less."""
        spot_states = len(self.spot_usd)
        kept = self._kept(left, waiting, on_spot)
        demanded = self.chain.ahead(on_demand)
        idle = self._at(self.chain.ahead(waiting), -self.costs.step_s, left - 1)
        idle[..., self.slack_s - self.costs.step_s < self.costs.overhead_s - _TINY, :] = self._forbidden(left)
        begin = self.spot_usd + self._at(kept[-1], -self.costs.overhead_s, left - 1)
        begin[..., self._unsafe(left, self.stages, self.slack_s - self.costs.overhead_s), :] = self._forbidden(left)
        off = np.minimum(self.on_demand_usd + self._at(demanded, -self.costs.overhead_s, left - 1), idle)
        stay = np.minimum(self.on_demand_usd + demanded, idle)
        leave = off[..., :spot_states].copy()
        for values in (off, stay):
            values[..., :spot_states] = np.minimum(values[..., :spot_states], begin)
        return off, stay, np.stack([self._on_spot(left, stage, kept[stage], leave) for stage in range(len(on_spot))])

    def _on_spot(self, left: int, stage: int, kept: Values, leave: Values) -> Values:
        """(S, J): the values on spot with `stage` whole steps of overhead unpaid; whoever leaves gets those back."""
        go_on = self.spot_usd + kept
        go_on[..., self._unsafe(left, stage, self.slack_s), :] = self._forbidden(left)
        unpaid_s = self._unpaid_after_s(stage) + (self.costs.step_s if stage else 0.0)
        return np.asarray(np.minimum(go_on, self._at(leave, unpaid_s, left)))

    def _kept(self, left: int, waiting: Values, on_spot: Values) -> list[Values]:
        """For each number of unpaid steps (S, J): what follows a step on spot, the machine being kept or lost."""
        after = []
        for stage in range(len(on_spot)):
            lost = self._at(waiting, self._unpaid_after_s(stage), left - 1)
            after.append(self.chain.ahead_on_spot(on_spot[max(stage - 1, 0)], lost))
        return after

    def _unpaid_after_s(self, stage: int) -> float:
        """What is left of the overhead after a step that began with `stage` whole steps of it unpaid."""
        return max(self.costs.overhead_s - (self.stages - stage + 1) * self.costs.step_s, 0.0) if stage else 0.0

    def _unsafe(self, left: int, stage: int, slack_s: Figures) -> Flags:
        """(S,): whether a step on spot could make the job late: its loss leaves no time, and the work is not done."""
        no_room = slack_s + self._unpaid_after_s(stage) < self.costs.overhead_s - _TINY
        return no_room & (slack_s < (left - 1) * self.costs.step_s - _TINY)

    def _forbidden(self, left: int) -> np.float32:
        """In USD: what the tables take an unsafe action to cost; more than any schedule that is safe."""
        return np.float32(FORBIDDEN * (left + 1) * self.on_demand_usd + self.spot_usd.max() * (left + 1))

    def _at(self, values: Values, more_s: float, steps: int) -> Values:
        """Values (S, K), with `steps` steps left, at so much more slack than each level."""
        return _between(values, self.slack_s, self.slack_s + more_s, steps, self.costs)


def _stages(costs: JobCosts) -> int:
    """Whole steps of overhead that are unpaid after the first."""
    return max(int(np.ceil(costs.overhead_s / costs.step_s - _TINY)) - 1, 0)


def _levels(step_s: float, most_s: float) -> Figures:
    """Ascending levels of slack from 0 to `most_s`: a tenth of a step apart, then ever further."""
    levels = [0.0]
    while levels[-1] < most_s:
        levels.append(levels[-1] + max(step_s / FINEST, GROWTH * levels[-1]))
    return np.array(levels)


def _between(values: Values, levels_s: Figures, at_s: Figures, steps: int, costs: JobCosts) -> Values:
    """Values (S, K) with so many steps left at slacks (R,), linear between the levels on either side.

    Where work is done beyond the lower level, they are linear to the slack at which it is, and until then cost a gap.
    """
    done_s = steps * costs.step_s
    inside = np.minimum(np.maximum(at_s, levels_s[0]), levels_s[-1])
    below = np.searchsorted(levels_s, inside + _TINY, side="right") - 1
    above = np.minimum(below + 1, len(levels_s) - 1)
    upper_s = np.where(levels_s[below] < done_s, np.minimum(levels_s[above], done_s), levels_s[above])
    width_s = upper_s - levels_s[below]
    share = np.minimum((inside - levels_s[below]) / np.where(width_s > 0, width_s, 1.0), 1.0)
    part = share.astype(np.float32)[:, np.newaxis]
    least = np.where(inside < done_s - _TINY, costs.least_usd, 0.0).astype(np.float32)[:, np.newaxis]
    return np.asarray(np.maximum(values[..., below, :] * (1 - part) + values[..., above, :] * part, least))
