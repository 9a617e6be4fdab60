"""The omniscient optimum: what a job with a deadline costs at least, were all of the future known.

No policy can be cheaper on a run, so each is measured by how near it comes. The optimum is exact, by dynamic
programming over (gap, machine and zone, slack used), under the rules of a gap of `engine.simulator` in its honest mode:
each gap at its own price, every start and every move with its whole overhead, and what a move costs.

Slack used is all time that did no work: waits * gap + starts * overhead. So the work done by gap t is t * gap - slack,
and the job is in time while its slack is at most deadline - work. Only such sums occur. The levels are the distinct
ones: few where gap and overhead have a large common divisor (at most slack / divisor), exact whatever they are. A start
that is given up before its overhead was paid took whole gaps and did no work: waiting in them is no dearer and leaves
the job where it would be. It is left out, but for what waiting cannot do: bring the checkpoint to another zone (see
`_Costs.step`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np

from engine.policies.base import PAID_S, Codes, Machine, Setting
from engine.policies.scripted import Scripted
from engine.simulator import Runs
from engine.spot_market import SECONDS_AN_HOUR, Figures

_SAME_S = 1e-9
"""Sums of slack that differ by less differ by rounding alone."""
_CELLS = 50_000
"""So many costs are kept for each machine at once, to stay in the cache of the processor."""


def omniscient_usd(runs: Runs) -> Figures:
    """What each run costs at least, (R,) in USD; infinity where no schedule keeps the deadline.

    Time and memory grow with gaps * levels * machines; 1,080 runs of 48 h of work in gaps of ten minutes take a second.
    """
    cost_usd = np.empty(len(runs))
    for rows in _alike(runs.setting):
        slack = _slack_of(runs.setting, rows[0])
        size = max(1, _CELLS // (len(slack.used_s) + 1))
        for batch in np.split(rows, range(size, len(rows), size)):
            market = _market_of(runs, batch, slack.gaps)
            *_, (_, start) = _backwards(market, slack, _all_done(market, slack), range(slack.gaps))
            cost_usd[batch] = start.idle[0, 0]
    return cost_usd


def omniscient_schedule(runs: Runs, row: int) -> Scripted:
    """A cheapest schedule of one run, up to the gap in which its work is done; replayed, it costs `omniscient_usd`.

    Args:
        runs: the batch.
        row: of the run.

    Raises:
        ValueError: no schedule keeps the deadline.
    """
    slack = _slack_of(runs.setting, row)
    market = _market_of(runs, np.array([row]), slack.gaps)
    stride = isqrt(slack.gaps) + 1
    steps = _backwards(market, slack, _all_done(market, slack), range(slack.gaps))
    kept = {gap: costs.copy() for gap, costs in steps if gap % stride == 0 or gap == slack.gaps}
    if np.isinf(kept[0].idle[0, 0, 0]):
        earliest_h = earliest_finish_s(runs.setting)[row] / SECONDS_AN_HOUR
        raise ValueError(f"no schedule keeps the deadline: the earliest possible finish is after {earliest_h:g} h")
    return _forwards(market, slack, _after_each(market, slack, kept))


def earliest_finish_s(setting: Setting) -> Figures:
    """When each run can have its work done at the earliest, (R,) in seconds after its start: on demand at once."""
    return np.where(setting.work_s > 0, _overhead_s(setting) + setting.work_s, 0.0)


def _overhead_s(setting: Setting) -> Figures:
    """What a start takes, (R,): of its last gap a rest too small to count is forgiven, as in the simulator."""
    whole_s = np.floor(setting.overhead_s / setting.gap_s) * setting.gap_s
    forgiven = (whole_s > 0) & (setting.overhead_s - whole_s < PAID_S)
    return np.where(forgiven, whole_s, setting.overhead_s)


def _alike(setting: Setting) -> list[Codes]:
    """The rows of the runs that share work, deadline and overhead, and so their levels of slack."""
    jobs = np.stack([setting.work_s, setting.deadline_s, setting.overhead_s], axis=1)
    _, group = np.unique(jobs, axis=0, return_inverse=True)
    return [np.flatnonzero(group == one) for one in range(int(group.max()) + 1)]


@dataclass(frozen=True)
class _Slack:
    """The L levels of slack that a job can have used and still be in time, in ascending order.

    `used_s` (L,); `wait`, `start` (L,), the level after a gap of waiting, or after a start: L where that is too much.
    `first`, `reach` (gaps + 1,): at the start of gap t a job with a level below `first[t]` is done, and none can have
    used one of `reach[t]` or above; after the last gap it is done at any level.
    """

    used_s: Figures
    wait: Codes
    start: Codes
    first: Codes
    reach: Codes

    @property
    def gaps(self) -> int:
        """How many gaps begin before the deadline."""
        return len(self.first) - 1


def _slack_of(setting: Setting, row: int) -> _Slack:
    """The levels of the job of this run; none where its work alone is longer than its deadline."""
    gap_s, work_s = setting.gap_s, float(setting.work_s[row])
    overhead_s = float(_overhead_s(setting)[row])
    in_time_s = float(setting.deadline_s[row]) + PAID_S
    gaps = max(0, int(np.ceil(in_time_s / gap_s)))
    used_s, wait, start = _levels(gap_s, overhead_s, in_time_s - work_s, gaps)
    begins_s = np.arange(gaps + 1) * gap_s
    most_s = np.arange(gaps + 1) * max(gap_s, overhead_s)
    return _Slack(
        used_s=used_s,
        wait=wait,
        start=start,
        first=np.searchsorted(used_s, begins_s - work_s + PAID_S, side="right"),
        reach=np.searchsorted(used_s, most_s + PAID_S, side="right"),
    )


def _levels(gap_s: float, overhead_s: float, most_s: float, gaps: int) -> tuple[Figures, Codes, Codes]:
    """The distinct sums waits * gap + starts * overhead up to `most_s`, with at most one start in each of the gaps.

    Returns:
        The sums, and the places of each plus a gap and plus an overhead, as in `_Slack`.
    """
    most_waits = int(max(most_s, 0.0) / gap_s)
    most_starts = int(min(gaps, max(most_s, 0.0) / overhead_s)) if overhead_s else 0
    sums = np.arange(most_starts + 1)[:, None] * overhead_s + np.arange(most_waits + 1) * gap_s
    starts, waits = np.nonzero(sums <= most_s + _SAME_S)
    sums_s = sums[starts, waits]
    order = np.argsort(sums_s)
    fresh = np.diff(sums_s[order], prepend=-np.inf) > _SAME_S
    count = int(fresh.sum())
    place = np.full((most_starts + 2, most_waits + 2), count)
    place[starts[order], waits[order]] = np.cumsum(fresh) - 1
    # Of the ways to one level, that with the fewest starts: it alone has one to spare wherever any has.
    fewest = np.minimum.reduceat(order, np.flatnonzero(fresh)) if count else order
    wait = place[starts[fewest], waits[fewest] + 1]
    start = place[starts[fewest] + 1, waits[fewest]] if overhead_s else np.arange(count)
    return sums_s[fewest], wait, start


@dataclass(frozen=True)
class _Market:
    """What R runs can take: K machines in H homes of their checkpoint, machine k in home k % H.

    `usd` (gaps, K, R): the price of a gap, infinite where spot is not to be had; `machine` (K,), `zone` (K, R): what
    and where they are; `move_usd` (H, H, R), from the home of the row to that of the column.
    """

    usd: Figures
    machine: Codes
    zone: Codes
    move_usd: Figures

    @property
    def homes(self) -> int:
        """H."""
        return len(self.move_usd)


def _market_of(runs: Runs, rows: Codes, gaps: int) -> _Market:
    """Spot and on demand in each zone; where no move costs anything, one home for all and on demand at its cheapest."""
    setting = runs.setting
    on_demand, move_usd = setting.on_demand_usd_h[rows].T, setting.move_usd[rows].transpose(1, 2, 0)
    zones = np.broadcast_to(np.arange(setting.zones)[:, None], on_demand.shape)
    on_demand_zones = zones
    if not move_usd.any():
        move_usd = move_usd[:1, :1]
        on_demand_zones = on_demand.argmin(axis=0)[None]
        on_demand = on_demand.min(axis=0)[None]
    at = np.arange(gaps)
    recorded = np.minimum(at, runs.available.shape[1] - 1)
    offered = runs.available[rows][:, recorded] & (at < runs.gaps[rows, None])[:, :, None]
    spot = np.where(offered, runs.spot_usd_h[rows][:, recorded], np.inf).transpose(1, 2, 0)
    usd_h = np.concatenate([spot, np.broadcast_to(on_demand, (gaps, *on_demand.shape))], axis=1)
    return _Market(
        usd=usd_h * setting.gap_s / SECONDS_AN_HOUR,
        machine=np.repeat([Machine.SPOT, Machine.ON_DEMAND], [len(zones), len(on_demand)]),
        zone=np.concatenate([zones, on_demand_zones]),
        move_usd=move_usd,
    )


@dataclass(frozen=True)
class _Costs:
    """What is still to be paid from the start of a gap on, by the level of slack; level L, too much, is infinite.

    `running` (K, L + 1, R): with machine k running if it is not lost, its overhead counted as used; `idle`
    (H, L + 1, R): without a machine, the checkpoint at home h.
    """

    running: Figures
    idle: Figures

    def copy(self) -> _Costs:
        """The figures of now, which later steps leave alone."""
        return _Costs(self.running.copy(), self.idle.copy())

    def step(self, market: _Market, slack: _Slack, gap: int) -> None:
        """From the start of the next gap back to that of this one, in place.

        A relay takes a machine for one gap only to have the checkpoint there: with an overhead longer than a gap it
        is given up unpaid, which can be a cheaper way on to a third zone; with a shorter one it is never cheaper.
        """
        first = slack.first[gap]
        live = slice(first, slack.reach[gap])  # Levels below cost nothing more, those above do not occur.
        usd = market.usd[gap]
        self.running[:, first : slack.reach[gap + 1]] += usd[:, None]
        started = _cheapest(self.running[:, first:], market.homes).take(slack.start[live] - first, axis=1)
        waited = self.idle.take(slack.wait[live], axis=1)
        if market.homes > 1:
            relayed = _cheapest(usd, market.homes)[:, None] + waited
            np.minimum(started, relayed, out=started)
            started = np.stack([(move[:, None] + started).min(axis=0) for move in market.move_usd])
        np.minimum(waited, started, out=self.idle[:, live])
        running = self.running.reshape(-1, *self.idle.shape)[:, :, live]
        np.minimum(running, self.idle[:, live], out=running)


def _cheapest(figures: Figures, homes: int) -> Figures:
    """The least over the machines of each home: (K, ...) -> (H, ...)."""
    least: Figures = figures.reshape(-1, homes, *figures.shape[1:]).min(axis=0)
    return least


def _all_done(market: _Market, slack: _Slack) -> _Costs:
    """The costs when time is up: none, whatever slack was used."""
    machines, runs = market.zone.shape
    levels = len(slack.used_s) + 1
    costs = _Costs(np.zeros((machines, levels, runs)), np.zeros((market.homes, levels, runs)))
    costs.running[:, -1] = costs.idle[:, -1] = np.inf
    return costs


def _backwards(market: _Market, slack: _Slack, costs: _Costs, gaps: range) -> Iterator[tuple[int, _Costs]]:
    """Takes `costs` from the end of these gaps back to the start of each, in place."""
    yield gaps.stop, costs
    for gap in reversed(gaps):
        costs.step(market, slack, gap)
        yield gap, costs


def _after_each(market: _Market, slack: _Slack, kept: dict[int, _Costs]) -> Iterator[_Costs]:
    """The costs at the end of each gap, in order, from those that were kept at the start of some.

    What lies between is found anew, so that memory grows with the root of the number of gaps.
    """
    for start, end in pairwise(sorted(kept)):
        between = [costs.copy() for _, costs in _backwards(market, slack, kept[end], range(start + 1, end))]
        yield from reversed(between)


def _forwards(market: _Market, slack: _Slack, after: Iterable[_Costs]) -> Scripted:
    """The schedule of one run along the least costs; `after` holds those at the end of each gap."""
    home_of = np.arange(len(market.zone)) % market.homes
    level, home, running = 0, 0, None
    taken: list[int | None] = []
    for gap, costs in enumerate(after):
        if level < slack.first[gap]:
            break
        rest, idle = costs.running[:, :, 0], costs.idle[:, :, 0]
        usd, arrival_usd = market.usd[gap, :, 0], market.usd[gap, :, 0] + market.move_usd[home, home_of, 0]
        stays = np.inf if running is None else usd[running] + rest[running, level]
        starts = arrival_usd + rest[:, slack.start[level]]
        waits = idle[home, slack.wait[level]]
        relays = arrival_usd + idle[home_of, slack.wait[level]]
        least = min(stays, starts.min(), waits, relays.min())
        if stays == least:
            taken.append(running)
        elif starts.min() == least:
            running = int(starts.argmin())
            taken.append(running)
            level, home = int(slack.start[level]), int(home_of[running])
        else:
            relay = None if waits == least else int(relays.argmin())
            taken.append(relay)
            running = None
            level, home = int(slack.wait[level]), home if relay is None else int(home_of[relay])
    return _scripted(market, taken)


def _scripted(market: _Market, taken: list[int | None]) -> Scripted:
    """The machine taken in each gap as a policy, None where none is; a job without one stays where it was."""
    machine = np.array([Machine.NONE if one is None else market.machine[one] for one in taken], dtype=np.int64)
    zones = [0]
    for one in taken:
        zones.append(zones[-1] if one is None else int(market.zone[one, 0]))
    return Scripted(machine, np.array(zones[1:], dtype=np.int64), "omniscient optimum")
