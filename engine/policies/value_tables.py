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

from engine.policies.base import Codes
from engine.policies.chains import Chain, Values
from engine.spot_market import SECONDS_AN_HOUR, Figures

_TINY: Final = 1e-9
FINEST: Final = 10
"""Levels of slack a step, where slack is scarce."""
GROWTH: Final = 0.03
"""Above that, levels lie this share of the slack apart: with much of it little hangs on a minute."""
FORBIDDEN: Final = 1e5
"""In USD: what the tables take an unsafe action to cost. (That none is taken is not their business.)"""


@dataclass(frozen=True, eq=False)
class JobCosts:
    """What a table is made for: prices and overhead of one job, in steps of `step_s` seconds."""

    step_s: float
    overhead_s: float
    on_demand_usd_h: float


@dataclass(frozen=True, eq=False)
class ValueTables:
    """Expected costs to go in USD, by steps left (N + 1), level of slack (S) and state.

    Shapes: `slack_s` (S,); `waiting` and `on_demand` (N + 1, S, K); `on_spot` (N + 1, P + 1, S, J), the second axis
    being the whole steps of overhead that are not paid yet.
    """

    step_s: float
    overhead_s: float
    slack_s: Figures
    waiting: Values
    on_demand: Values
    on_spot: Values

    def at(self, values: Values, left_s: float, slack_s: Figures) -> Figures:
        """(R, K): values (N + 1, S, K) at a time left and at slacks (R,), linear between the levels of both."""
        below, above, share = _between(self.slack_s, slack_s)
        step = min(left_s / self.step_s, len(values) - 1.0)
        early = int(step)
        later = min(early + 1, len(values) - 1)
        part = step - early
        found = values[early, below] * (1 - share)[:, np.newaxis] + values[early, above] * share[:, np.newaxis]
        if part <= _TINY:
            return np.asarray(found, dtype=np.float64)
        after = values[later, below] * (1 - share)[:, np.newaxis] + values[later, above] * share[:, np.newaxis]
        return np.asarray(found * (1 - part) + after * part, dtype=np.float64)

    def kept(self, left_s: float, slack_s: Figures, unpaid_s: Figures) -> Figures:
        """(R, J): the values on spot at a time left, slacks (R,) and overheads (R,) that are not paid yet."""
        stages = self.on_spot.shape[1] - 1
        stage = np.clip(stages - np.floor((self.overhead_s - unpaid_s) / self.step_s + _TINY), 0, stages)
        found = np.zeros((len(slack_s), self.on_spot.shape[-1]))
        for one in np.unique(stage).astype(np.int64):
            rows = stage == one
            found[rows] = self.at(self.on_spot[:, one], left_s, slack_s[rows])
        return found


def value_tables(chain: Chain, costs: JobCosts, steps: int, most_slack_s: float) -> ValueTables:
    """The tables of a job with up to `steps` steps left and up to `most_slack_s` seconds of slack."""
    slack_s = _levels(costs.step_s, most_slack_s + costs.overhead_s)
    stages = max(int(np.ceil(costs.overhead_s / costs.step_s - _TINY)) - 1, 0)
    shape, spot_states = (steps + 1, len(slack_s), chain.states), len(chain.spot_usd_h)
    waiting, on_demand = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    on_spot = np.zeros((steps + 1, stages + 1, len(slack_s), spot_states), dtype=np.float32)
    backward = _Backward(chain, costs, slack_s)
    for left in range(1, steps + 1):
        done = slack_s >= left * costs.step_s - _TINY
        waiting[left], on_demand[left], on_spot[left] = backward.step(
            waiting[left - 1], on_demand[left - 1], on_spot[left - 1]
        )
        for values in (waiting[left], on_demand[left]):
            values[done] = 0.0
        on_spot[left][:, done] = 0.0
    return ValueTables(costs.step_s, costs.overhead_s, slack_s, waiting, on_demand, on_spot)


class _Backward:
    """One step of the induction, with what is the same in all of them."""

    def __init__(self, chain: Chain, costs: JobCosts, slack_s: Figures) -> None:
        self.chain, self.costs, self.slack_s = chain, costs, slack_s
        hours = costs.step_s / SECONDS_AN_HOUR
        self.on_demand_usd = np.float32(costs.on_demand_usd_h * hours)
        self.spot_usd = (chain.spot_usd_h * hours).astype(np.float32)
        self.start = _between(slack_s, slack_s - costs.overhead_s)
        self.wait = _between(slack_s, slack_s - costs.step_s)
        back_s = max(costs.overhead_s - costs.step_s, 0.0)
        self.no_wait = slack_s - costs.step_s < costs.overhead_s - _TINY
        self.no_start = slack_s - costs.overhead_s + back_s < costs.overhead_s - _TINY

    def step(self, waiting: Values, on_demand: Values, on_spot: Values) -> tuple[Values, Values, Values]:
        """The values one step earlier, for what is waiting, on demand and on spot."""
        chain, spot_states = self.chain, len(self.spot_usd)
        demanded = chain.ahead(on_demand)
        kept = self._on_spot(waiting, on_spot)
        idle = self._shifted(chain.ahead(waiting), self.wait)
        idle[self.no_wait] = FORBIDDEN
        begin = self.spot_usd + self._shifted(kept[-1], self.start)
        begin[self.no_start] = FORBIDDEN
        off = np.minimum(self.on_demand_usd + self._shifted(demanded, self.start), idle)
        stay = np.minimum(self.on_demand_usd + demanded, idle)
        leave = off[:, :spot_states].copy()
        for values in (off, stay):
            values[:, :spot_states] = np.minimum(values[:, :spot_states], begin)
        return off, stay, np.minimum(self.spot_usd + kept, leave)

    def _on_spot(self, waiting: Values, on_spot: Values) -> Values:
        """(P + 1, S, J): what follows a step on spot, by the steps of overhead that were unpaid before it."""
        stages = len(on_spot) - 1
        after = []
        for stage in range(stages + 1):
            unpaid_s = max(self.costs.overhead_s - (stages - stage + 1) * self.costs.step_s, 0.0) if stage else 0.0
            lost = self._shifted(waiting, _between(self.slack_s, self.slack_s + unpaid_s)) if unpaid_s else waiting
            after.append(self.chain.ahead_on_spot(on_spot[max(stage - 1, 0)], lost))
        return np.stack(after)

    @staticmethod
    def _shifted(values: Values, to: tuple[Codes, Codes, Figures]) -> Values:
        below, above, share = to
        part = share.astype(np.float32)[:, np.newaxis]
        return values[below] * (1 - part) + values[above] * part


def _levels(step_s: float, most_s: float) -> Figures:
    """Ascending levels of slack from 0 to `most_s`: a tenth of a step apart, then ever further."""
    levels = [0.0]
    while levels[-1] < most_s:
        levels.append(levels[-1] + max(step_s / FINEST, GROWTH * levels[-1]))
    return np.array(levels)


def _between(levels: Figures, at: Figures) -> tuple[Codes, Codes, Figures]:
    """The levels on either side of each value, and how far it lies from the lower to the upper, within the levels."""
    inside = np.clip(at, levels[0], levels[-1])
    below = np.minimum(np.searchsorted(levels, inside + _TINY, side="right") - 1, len(levels) - 1)
    above = np.minimum(below + 1, len(levels) - 1)
    width = np.where(above > below, levels[above] - levels[below], 1.0)
    return below, above, np.clip((inside - levels[below]) / width, 0.0, 1.0)
