"""Ours: the decision of least expected cost, by stochastic dynamic programming over fitted models of spot capacity.

A finite-horizon Markov decision process over (time left, work left, machine, state of the market), in which the class
of a zone is hidden. Its value tables are computed as if the class were seen from the next step on, and the decision of
this gap weighs them by the belief that all sightings so far make (QMDP: Littman, Cassandra and Kaelbling 1995,
"Learning policies for partially observable environments"). Several zones are one market (see
`engine.policies.market_chain`), whose zones' classes are drawn from the models a few times, with tables for each draw;
the costs of a choice are their mean, weighed by what the sightings say of the drawn classes.

What is not safe is never done (`engine.policies.safety`), whatever the tables say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel, with_common_classes
from engine.policies.base import PAID_S, Codes, Decide, Decision, Machine, Observation, Setting
from engine.policies.chains import ZoneChain
from engine.policies.market_chain import drawn_classes, market_chain, stacked, zones_of
from engine.policies.outlook import MarketOutlook, Outlook, ZoneOutlook
from engine.policies.safety import deadline_in_gaps_s, safe
from engine.policies.sightings import Sightings
from engine.policies.value_tables import JobCosts, ValueTables, value_tables
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags

MOST_STEPS: Final = 450
"""Steps of a table of one zone: of one gap each, or as many gaps as keep it at that."""
MOST_MARKET_STEPS: Final = 200
"""The same for several zones, whose tables are many."""
MOST_DRAWS: Final = 16
MOST_DRAWN: Final = 54
"""So often the classes of several zones are drawn, each time with tables of its own; less often for many zones, whose
tables are larger: so many classes are drawn in all."""
TIE: Final = 0.25
"""This share of a gap on spot decides between choices that cost the same: for the machine that is held, and against a
wait beside spot. The tables are no more exact than that, for whole gaps are billed."""
_TINY: Final = 1e-12
_WAIT, _ON_DEMAND, _SPOT = 0, 1, 2
"""Columns of expected costs; from `_SPOT` on one for each zone."""


@dataclass(frozen=True, eq=False)
class StochasticDynamic:
    """The least expected cost, in one zone or in several, never late while on-demand machines can be had.

    Attributes:
        models: one for each zone, or one for all.
    """

    models: Sequence[AvailabilityModel]
    name: str = "stochastic dynamic"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`.

        Raises:
            ValueError: there is neither one model nor one for each zone.
        """
        if len(self.models) not in {1, setting.zones}:
            raise ValueError(f"one model, or one for each of {setting.zones} zones, not {len(self.models)}")
        models = list(self.models) * (setting.zones // len(self.models))
        if not all(_same_classes(models[0], model) for model in models):
            models = with_common_classes(models)
        sightings = Sightings(models, setting.gap_s / SECONDS_AN_HOUR)
        groups: list[_Group] = []

        def decide(seen: Observation) -> Decision:
            sightings.see(seen)
            if not groups:
                groups.extend(_Group(setting, sightings, rows, seen) for rows in _alike(setting, seen))
            machine, zone = np.zeros(len(seen.zone), dtype=np.int64), seen.zone.copy()
            for group in groups:
                if not group.done(seen):
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


def _alike(setting: Setting, seen: Observation) -> list[Codes]:
    """The runs of one job and one first price, which share their tables."""
    figures = (setting.work_s, setting.deadline_s, setting.overhead_s, setting.on_demand_usd_h, seen.spot_usd_h)
    _, group = np.unique(np.column_stack(figures), axis=0, return_inverse=True)
    return [np.flatnonzero(group.ravel() == one) for one in range(int(group.max()) + 1)]


class _Group:
    """Runs that share their value tables; `seen` is their first gap."""

    def __init__(self, setting: Setting, sightings: Sightings, rows: Codes, seen: Observation) -> None:
        self.setting, self.sightings, self.rows = setting, sightings, rows
        self.end_s = float(deadline_in_gaps_s(setting)[rows[0]])
        self.overhead_s = float(setting.overhead_s[rows[0]])
        self.on_demand_usd_h = float(setting.on_demand_usd_h[rows[0]].min())
        gaps = max(self.end_s / setting.gap_s, 1.0)
        most_steps = MOST_STEPS if setting.zones == 1 else MOST_MARKET_STEPS
        self.step_s = setting.gap_s * int(np.ceil(gaps / most_steps))
        self.gap_h = setting.gap_s / SECONDS_AN_HOUR
        self.outlook, self.kinds = self._outlook(seen.spot_usd_h[rows[0]])
        self.tables = self._tables(seen.spot_usd_h[rows[0]], float(setting.work_s[rows[0]]))

    def done(self, seen: Observation) -> bool:
        """Whether nothing is left to do for any of the runs."""
        return bool((self.setting.work_s[self.rows] - seen.done_s[self.rows] <= PAID_S).all())

    def _outlook(self, spot_usd_h: Figures) -> tuple[Outlook, Codes]:
        """The way that the market goes on, and (V, Z) the classes that its views take the zones to be of."""
        models, step_h = self.sightings.models, self.step_s / SECONDS_AN_HOUR
        if len(models) == 1:
            return ZoneOutlook(ZoneChain(models[0], step_h, float(spot_usd_h[0]))), np.zeros((1, 0), dtype=np.int64)
        start_usd = self.on_demand_usd_h * self.overhead_s / SECONDS_AN_HOUR
        kinds = drawn_classes(models, min(MOST_DRAWS, MOST_DRAWN // len(models) + 1))
        chains = [market_chain(zones_of(models[0], classes, spot_usd_h), step_h, start_usd) for classes in kinds]
        return MarketOutlook(stacked(chains)), kinds

    def _tables(self, spot_usd_h: Figures, work_s: float) -> ValueTables:
        cheapest_usd_h = min(self.on_demand_usd_h, float(spot_usd_h.min()))
        costs = JobCosts(self.step_s, self.overhead_s, self.on_demand_usd_h, cheapest_usd_h * self.gap_h)
        steps = int(np.ceil(self.end_s / self.step_s - 1e-9))
        return value_tables(self.outlook.chain, costs, steps, max(self.end_s - work_s, 0.0))

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
        shares = self._shares()
        costs = np.full((len(self.rows), _SPOT + self.setting.zones), np.inf)
        costs[:, _ON_DEMAND] = (shares * self._on_demand(seen, now)).sum(axis=0)
        tie_usd = TIE * self.gap_h * np.where(seen.available[self.rows], seen.spot_usd_h[self.rows], 0.0).max(axis=1)
        costs[:, _WAIT] = np.where(allowed.wait[self.rows], (shares * self._idle(now)).sum(axis=0) + tie_usd, np.inf)
        for zone in range(self.setting.zones):
            stay = (now.current == Machine.SPOT) & (now.home == zone)
            offered = seen.available[self.rows, zone]
            offered = offered & np.where(stay, allowed.stay[self.rows], allowed.start_spot[self.rows])
            if offered.any():
                usd = (shares * self._spot(seen, now, zone, stay)).sum(axis=0)
                costs[:, _SPOT + zone] = np.where(offered, usd, np.inf)
        return costs

    def _shares(self) -> Figures:
        """(V, R): the weight of each view, by the likelihood of its classes in what each run has seen of each zone."""
        prior = np.log(np.maximum([model.weights for model in self.sightings.models], _TINY))
        learnt = self.sightings.belief[self.rows] - prior
        zones = np.arange(self.kinds.shape[1])
        likelihood = learnt[:, zones, self.kinds].sum(axis=-1).T
        shares = np.exp(likelihood - likelihood.max(axis=0))
        return np.asarray(shares / shares.sum(axis=0))

    def _idle(self, now: _Now) -> Figures:
        """(V, R), or (R,) with one view: what it costs to wait."""
        after = self.tables.at(self.tables.waiting, now.left_s, now.slack_s - self.setting.gap_s)
        after = self._with_moves(after, now, now.home, self.overhead_s)
        return np.asarray((self.outlook.market(self.sightings, self.rows) * after).sum(axis=-1))

    def _on_demand(self, seen: Observation, now: _Now) -> Figures:
        """(V, R), or (R,) with one view: what it costs to go on demand, or to go on with it."""
        stay = now.current == Machine.ON_DEMAND
        zone = self._on_demand_zone(seen)
        unpaid_s = np.where(stay, now.pending_s, self.overhead_s)
        after = self.tables.at(self.tables.on_demand, now.left_s, now.slack_s - unpaid_s)
        after = self._with_moves(after, now, zone, 0.0)
        return np.asarray(
            self.setting.on_demand_usd_h[self.rows, zone] * self.gap_h
            + np.where(stay, 0.0, self.setting.move_usd[self.rows, now.home, zone])
            + (self.outlook.market(self.sightings, self.rows) * after).sum(axis=-1)
        )

    def _spot(self, seen: Observation, now: _Now, zone: int, stay: Flags) -> Figures:
        """(V, R), or (R,) with one view: what it costs to go on spot in a zone, or to `stay` (R,) on it."""
        usd_h = seen.spot_usd_h[self.rows, zone]
        unpaid_s = np.where(stay, now.pending_s, self.overhead_s)
        after_s = np.maximum(unpaid_s - self.setting.gap_s, 0.0)
        kept, lost = self.outlook.on_spot(self.sightings, self.rows, zone)
        tables, slack_s = self.tables, now.slack_s - unpaid_s
        after = tables.at(tables.waiting, now.left_s, slack_s + after_s)
        after = self._with_moves(after, now, np.full(len(self.rows), zone), self.overhead_s)
        return np.asarray(
            usd_h * self.gap_h
            + np.where(stay, -TIE * self.gap_h * usd_h, self.setting.move_usd[self.rows, now.home, zone])
            + (kept * tables.kept(now.left_s, slack_s, after_s)).sum(axis=-1)
            + (lost * after).sum(axis=-1)
        )

    def _with_moves(self, after: Figures, now: _Now, home: Codes, unpaid_s: float) -> Figures:
        """Values (..., R, K) of later, for which moves are free, with what it costs to get from home to the best zone.

        Nobody pays more for that than it costs to finish on demand at home.
        """
        moves = self.setting.move_usd[self.rows, home]
        if not moves.any():
            return after
        ages = len(self.sightings.models[0].edges_h)
        to_best = np.zeros(after.shape[-2:])
        to_best[:, : moves.shape[1] * ages] = np.repeat(moves, ages, axis=1)
        hours = (now.left_s + self.setting.gap_s - now.slack_s + unpaid_s) / SECONDS_AN_HOUR
        finish_usd = self.setting.on_demand_usd_h[self.rows, home] * hours
        return np.minimum(after + to_best, np.maximum(after, finish_usd[:, np.newaxis]))

    def _on_demand_zone(self, seen: Observation) -> Codes:
        """Where each run goes on demand: where it is on demand already, else the zone that costs least to the end."""
        rows, setting = self.rows, self.setting
        hours = (setting.work_s[rows] - seen.done_s[rows]) / SECONDS_AN_HOUR
        usd = setting.on_demand_usd_h[rows] * hours[:, np.newaxis] + setting.move_usd[rows, seen.zone[rows]]
        return np.where(seen.current[rows] == Machine.ON_DEMAND, seen.zone[rows], usd.argmin(axis=1))


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
