"""Ours: the decision of least expected cost, by stochastic dynamic programming over fitted models of spot capacity.

A finite-horizon Markov decision process over (time left, work left, machine, state of the market), in which the class
of a zone is hidden. Its value tables are computed as if the class were seen from the next step on, and the decision of
this gap weighs them by the belief that all sightings so far make (QMDP: Littman, Cassandra and Kaelbling 1995,
"Learning policies for partially observable environments"). Several zones are one market (see
`engine.policies.market_chain`), whose zones' classes are drawn from the belief a few times; the costs of a choice are
the mean over these, and all is drawn anew as the belief moves.

What is not safe is never done (`engine.policies.safety`), whatever the tables say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel
from engine.policies.base import PAID_S, Codes, Decide, Decision, Machine, Observation, Setting
from engine.policies.chains import ZoneChain
from engine.policies.market_chain import market_chain
from engine.policies.outlook import MarketOutlook, Outlook, ZoneOutlook
from engine.policies.safety import deadline_in_gaps_s, safe
from engine.policies.sightings import Sightings
from engine.policies.value_tables import JobCosts, ValueTables, value_tables
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags

MOST_STEPS: Final = 450
"""Steps of a table of one zone: of one gap each, or as many gaps as keep it at that."""
MOST_MARKET_STEPS: Final = 200
"""The same for several zones, whose tables are many and made anew."""
RENEWED_H: Final = 6.0
"""How often the tables of several zones are made anew."""
SCENARIOS: Final = 3
"""So often the classes of several zones are drawn from the belief about them, each time with tables of its own."""
TIE: Final = 0.25
"""This share of a gap on spot decides between choices that cost the same: for the machine that is held, and against a
wait beside spot. The tables are no more exact than that, for whole gaps are billed."""
MOST_ASKED: Final = 2
"""Of more than twice so many zones, so many of the cheapest and of those seen the longest are weighed."""
_WAIT, _ON_DEMAND, _SPOT = 0, 1, 2
"""Columns of expected costs; from `_SPOT` on one for each zone."""


@dataclass(frozen=True, eq=False)
class StochasticDynamic:
    """The least expected cost, in one zone or in several, never late while on-demand machines can be had.

    Attributes:
        models: one for each zone, or one for all; they share their classes (`AvailabilityModel.of_zone`).
    """

    models: Sequence[AvailabilityModel]
    name: str = "stochastic dynamic"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`.

        Raises:
            ValueError: there is neither one model nor one for each zone, or their classes differ.
        """
        if len(self.models) not in {1, setting.zones}:
            raise ValueError(f"one model, or one for each of {setting.zones} zones, not {len(self.models)}")
        if not all(_same_classes(self.models[0], model) for model in self.models):
            raise ValueError("the models of the zones of one market share their classes")
        models = list(self.models) * (setting.zones // len(self.models))
        sightings = Sightings(models, setting.gap_s / SECONDS_AN_HOUR)
        groups: list[_Group] = []

        def decide(seen: Observation) -> Decision:
            sightings.see(seen)
            if not groups:
                groups.extend(_groups(setting, seen, sightings))
            machine, zone = np.zeros(len(seen.zone), dtype=np.int64), seen.zone.copy()
            for group in groups:
                if group.done(seen):
                    continue
                group.renew(seen)
                machine[group.rows], zone[group.rows] = group.decide(seen)
            return Decision(machine, zone)

        return decide


def _same_classes(one: AvailabilityModel, other: AvailabilityModel) -> bool:
    return all(
        np.array_equal(mine, yours)
        for mine, yours in (
            (one.edges_h, other.edges_h),
            (one.loss_per_h, other.loss_per_h),
            (one.gain_per_h, other.gain_per_h),
        )
    )


def _groups(setting: Setting, seen: Observation, sightings: Sightings) -> list[_Group]:
    """Runs in one zone with one job and price share their tables; in several zones each run has its own."""
    if setting.zones > 1:
        return [_Group(setting, sightings, np.array([row])) for row in range(len(setting.work_s))]
    keys = np.column_stack(
        [setting.work_s, setting.deadline_s, setting.overhead_s, setting.on_demand_usd_h, seen.spot_usd_h]
    )
    _, group = np.unique(keys, axis=0, return_inverse=True)
    return [_Group(setting, sightings, np.flatnonzero(group.ravel() == one)) for one in range(int(group.max()) + 1)]


class _Group:
    """Runs that share their value tables."""

    def __init__(self, setting: Setting, sightings: Sightings, rows: Codes) -> None:
        self.setting, self.sightings, self.rows = setting, sightings, rows
        self.end_s = float(deadline_in_gaps_s(setting)[rows[0]])
        self.work_s, self.overhead_s = float(setting.work_s[rows[0]]), float(setting.overhead_s[rows[0]])
        self.on_demand_usd_h = float(setting.on_demand_usd_h[rows[0]].min())
        gaps = max(self.end_s / setting.gap_s, 1.0)
        most_steps = MOST_STEPS if setting.zones == 1 else MOST_MARKET_STEPS
        self.step_s = setting.gap_s * int(np.ceil(gaps / most_steps))
        self.gap_h = setting.gap_s / SECONDS_AN_HOUR
        self.renewed_s = -np.inf
        self.views: list[_View] = []

    def done(self, seen: Observation) -> bool:
        """Whether nothing is left to do for any of the runs."""
        return bool((self.setting.work_s[self.rows] - seen.done_s[self.rows] <= PAID_S).all())

    def renew(self, seen: Observation) -> None:
        """Makes the tables, at first and whenever the belief about several zones may have moved."""
        due = not np.isfinite(self.renewed_s) or (
            self.setting.zones > 1 and seen.elapsed_s - self.renewed_s >= RENEWED_H * SECONDS_AN_HOUR
        )
        left_s = max(self.end_s - seen.elapsed_s, 0.0)
        work_left_s = (self.setting.work_s - seen.done_s)[self.rows]
        if not due:
            return
        self.renewed_s = seen.elapsed_s
        cheapest_usd_h = min(self.on_demand_usd_h, float(seen.spot_usd_h[self.rows].min()))
        costs = JobCosts(self.step_s, self.overhead_s, self.on_demand_usd_h, cheapest_usd_h * self.gap_h)
        steps = int(np.ceil(left_s / self.step_s - 1e-9))
        slack_s = max(left_s - work_left_s.min(), 0.0)
        self.views = [
            _View(outlook, value_tables(outlook.chain, costs, steps, slack_s)) for outlook in self._outlooks(seen)
        ]

    def _outlooks(self, seen: Observation) -> list[Outlook]:
        prices = seen.spot_usd_h[self.rows[0]]
        step_h = self.step_s / SECONDS_AN_HOUR
        if self.setting.zones == 1:
            return [ZoneOutlook(ZoneChain(self.sightings.models[0], step_h, float(prices[0])))]
        start_usd = self.on_demand_usd_h * self.overhead_s / SECONDS_AN_HOUR
        drawn = self.sightings.drawn(int(self.rows[0]), prices, SCENARIOS)
        return [MarketOutlook(market_chain(zones, step_h, start_usd)) for zones in drawn]

    def decide(self, seen: Observation) -> tuple[Codes, Codes]:
        """The machine and zone of each run of the group: of what is safe, what costs least in the mean."""
        rows = self.rows
        costs = self._expected(seen)
        choice = costs.argmin(axis=1)
        spot_zone = np.maximum(choice - _SPOT, 0)
        machine = np.where(
            choice == _ON_DEMAND, Machine.ON_DEMAND, np.where(choice == _WAIT, Machine.NONE, Machine.SPOT)
        )
        zone = np.where(machine == Machine.SPOT, spot_zone, seen.zone[rows])
        zone = np.where(machine == Machine.ON_DEMAND, self._on_demand_zone(seen), zone)
        return np.where(self.setting.work_s[rows] - seen.done_s[rows] <= 0, Machine.NONE, machine), zone

    def _expected(self, seen: Observation) -> Figures:
        """(R, 2 + Z): the expected cost of each choice in USD, infinite where it is not safe or not to be had."""
        now = _Now.of(self.setting, seen, self.rows, self.end_s)
        allowed = safe(self.setting, seen)
        costs = np.full((len(self.rows), _SPOT + self.setting.zones), np.inf)
        costs[:, _ON_DEMAND] = self._mean(lambda view: self._on_demand(view, seen, now))
        tie_usd = TIE * self.gap_h * np.where(seen.available[self.rows], seen.spot_usd_h[self.rows], 0.0).max(axis=1)
        idle = self._mean(lambda view: self._idle(view, now)) + tie_usd
        costs[:, _WAIT] = np.where(allowed.wait[self.rows], idle, np.inf)
        for zone in self._asked(seen):
            stay = (now.current == Machine.SPOT) & (now.home == zone)
            offered = seen.available[self.rows, zone]
            offered = offered & np.where(stay, allowed.stay[self.rows], allowed.start_spot[self.rows])
            if offered.any():
                usd = self._mean(partial(self._spot, seen=seen, now=now, zone=zone, stay=stay))
                costs[:, _SPOT + zone] = np.where(offered, usd, np.inf)
        return costs

    def _asked(self, seen: Observation) -> list[int]:
        """The zones whose spot machines are weighed: of many the run's own, the cheapest and those seen the longest."""
        if self.setting.zones <= 2 * MOST_ASKED:
            return list(range(self.setting.zones))
        row = self.rows[0]
        offered = np.flatnonzero(seen.available[row])
        cheapest = offered[np.argsort(seen.spot_usd_h[row, offered], kind="stable")[:MOST_ASKED]]
        oldest = offered[np.argsort(-self.sightings.age_h[row, offered], kind="stable")[:MOST_ASKED]]
        return sorted({int(seen.zone[row]), *cheapest.tolist(), *oldest.tolist()})

    def _mean(self, cost: Callable[[_View], Figures]) -> Figures:
        return np.asarray(np.mean([cost(view) for view in self.views], axis=0))

    def _idle(self, view: _View, now: _Now) -> Figures:
        after = view.tables.at(view.tables.waiting, now.left_s, now.slack_s - self.setting.gap_s)
        return np.asarray((view.outlook.market(self.sightings, self.rows) * after).sum(axis=1))

    def _on_demand(self, view: _View, seen: Observation, now: _Now) -> Figures:
        stay = now.current == Machine.ON_DEMAND
        zone = self._on_demand_zone(seen)
        unpaid_s = np.where(stay, now.pending_s, self.overhead_s)
        after = view.tables.at(view.tables.on_demand, now.left_s, now.slack_s - unpaid_s)
        return np.asarray(
            self.setting.on_demand_usd_h[self.rows, zone] * self.gap_h
            + np.where(stay, 0.0, self.setting.move_usd[self.rows, now.home, zone])
            + (view.outlook.market(self.sightings, self.rows) * after).sum(axis=1)
        )

    def _spot(self, view: _View, *, seen: Observation, now: _Now, zone: int, stay: Flags) -> Figures:
        usd_h = seen.spot_usd_h[self.rows, zone]
        unpaid_s = np.where(stay, now.pending_s, self.overhead_s)
        after_s = np.maximum(unpaid_s - self.setting.gap_s, 0.0)
        kept, lost = view.outlook.on_spot(self.sightings, self.rows, zone)
        tables, slack_s = view.tables, now.slack_s - unpaid_s
        return np.asarray(
            usd_h * self.gap_h
            + np.where(stay, -TIE * self.gap_h * usd_h, self.setting.move_usd[self.rows, now.home, zone])
            + (kept * tables.kept(now.left_s, slack_s, after_s)).sum(axis=1)
            + (lost * tables.at(tables.waiting, now.left_s, slack_s + after_s)).sum(axis=1)
        )

    def _on_demand_zone(self, seen: Observation) -> Codes:
        """Where each run goes on demand: where it is on demand already, else the zone that costs least to the end."""
        rows, setting = self.rows, self.setting
        hours = (setting.work_s[rows] - seen.done_s[rows]) / SECONDS_AN_HOUR
        usd = setting.on_demand_usd_h[rows] * hours[:, np.newaxis] + setting.move_usd[rows, seen.zone[rows]]
        return np.where(seen.current[rows] == Machine.ON_DEMAND, seen.zone[rows], usd.argmin(axis=1))


@dataclass(frozen=True, eq=False)
class _View:
    """One way in which the market may go on, and what the job then costs."""

    outlook: Outlook
    tables: ValueTables


@dataclass(frozen=True, eq=False)
class _Now:
    """Where the runs of a group stand: `left_s` is the time left after this gap, `slack_s` (R,) the slack before it."""

    left_s: float
    slack_s: Figures
    current: Codes
    pending_s: Figures
    home: Codes

    @classmethod
    def of(cls, setting: Setting, seen: Observation, rows: Codes, end_s: float) -> _Now:
        return cls(
            max(end_s - seen.elapsed_s - setting.gap_s, 0.0),
            end_s - seen.elapsed_s - (setting.work_s[rows] - seen.done_s[rows]),
            seen.current[rows],
            seen.pending_s[rows],
            seen.zone[rows],
        )
