"""The simulator once more: one run at a time in plain Python, written from the published rules of a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.spot_market import DeadlineJob, SpotMarket

Request = tuple[str, int]
"""On what ("none", "spot" or "on demand"), and in which zone, the run wants to be in a gap."""
FORGIVEN_S: Final = 1e-3


@dataclass
class Replayed:
    """What became of the run; the figures of `engine.simulator.Outcome`."""

    cost_usd: float = 0.0
    spot_gaps: int = 0
    on_demand_gaps: int = 0
    finish_gap: int = 0
    finish_s: float = 0.0
    interruptions: int = 0
    moves: int = 0
    starts: int = 0
    zone: int = 0


def replay(market: SpotMarket, job: DeadlineJob, requests: Sequence[Request], *, free_moves: bool = False) -> Replayed:
    """The requests, one a gap, until the work is done.

    With `free_moves` a spot machine that runs may be moved to another zone at once and for nothing.
    """
    found = Replayed()
    machine, overhead_left_s, work_left_s = "none", 0.0, job.work_s
    last_start_zone = 0
    for gap, (wanted, zone) in enumerate(requests):
        if work_left_s <= FORGIVEN_S:
            found.finish_gap = gap
            return found
        kind = wanted
        if machine == "spot" and not _offers(market, gap, found.zone):
            machine = "none"
            found.interruptions += 1
        if kind == "spot" and not _offers(market, gap, zone):
            kind = "none"
        begins = kind != "none" and (kind != machine or (zone != found.zone and not free_moves))
        if begins:
            found.starts += 1
            found.moves += zone != last_start_zone
            found.cost_usd += float(market.move_usd[last_start_zone, zone])
            last_start_zone, overhead_left_s = zone, job.overhead_s
        machine, found.zone = kind, zone
        if kind == "none":
            continue
        price_usd_h = market.on_demand_usd_h[zone] if kind == "on demand" else _spot_usd_h(market, gap, zone)
        found.cost_usd += float(price_usd_h) * market.gap_s / 3600
        found.spot_gaps += kind == "spot"
        found.on_demand_gaps += kind == "on demand"
        works_s = max(market.gap_s - overhead_left_s, 0.0)
        found.finish_s = gap * market.gap_s + overhead_left_s + work_left_s
        work_left_s -= min(works_s, work_left_s)
        overhead_left_s -= market.gap_s - works_s
        if overhead_left_s < FORGIVEN_S:
            overhead_left_s = 0.0
    raise AssertionError("the requests end before the work")


def _offers(market: SpotMarket, gap: int, zone: int) -> bool:
    return gap < market.gaps and bool(market.available[gap, zone])


def _spot_usd_h(market: SpotMarket, gap: int, zone: int) -> float:
    return float(market.spot_usd_h[gap, zone])
