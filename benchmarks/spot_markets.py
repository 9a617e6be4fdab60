"""Recorded spot capacity that is made up, from a seed, so that speed can be measured anywhere."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.semi_markov import SemiMarkov
from engine.simulator import Runs, runs_of
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Trace, market_of

SEED: Final = 5
SPOT_USD_H, ON_DEMAND_USD_H = 0.9731, 3.06
EDGES_H: Final = np.array([0.0, 1.0, 6.0, 24.0])
KINDS: Final = (
    SemiMarkov(EDGES_H, np.array([0.6, 0.15, 0.06, 0.02]), np.array([1.0, 0.3, 0.1, 0.03])),
    SemiMarkov(EDGES_H, np.array([1.5, 0.6, 0.3, 0.1]), np.array([0.6, 0.15, 0.05, 0.02])),
)
"""A zone with much spot and one with little: runs that last are likelier to last on, as those that were recorded."""


def made_up(zones: int, gap_s: float, hours: float) -> list[Trace]:
    """Zones of the kinds by turns."""
    rng = np.random.default_rng(SEED)
    gaps = int(np.ceil(hours * SECONDS_AN_HOUR / gap_s))
    return [
        Trace(
            f"zone-{zone}", "machine", gap_s, KINDS[zone % 2].sample(rng, gap_s, gaps, starts_up=bool(rng.integers(2)))
        )
        for zone in range(zones)
    ]


def runs_in_one_zone(windows: int, times: int = 1) -> Runs:
    """Six jobs in each window of ten-minute gaps: 48 h of work, two deadlines, three overheads; `times` as long."""
    jobs = [
        DeadlineJob(*(hours * SECONDS_AN_HOUR for hours in (48.0 * times, deadline_h * times, overhead_h)))
        for deadline_h in (52.0, 70.0)
        for overhead_h in (0.02, 0.05, 0.1)
    ]
    markets = [
        market_of([trace], spot_usd_h=SPOT_USD_H, on_demand_usd_h=ON_DEMAND_USD_H)
        for trace in made_up(windows, 600.0, 92.0 * times)
    ]
    return runs_of([(market, job) for market in markets for job in jobs])
