"""What a job waits for before its first decision: the tables of the stochastic policy, in one zone and in nine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.measure import warm
from benchmarks.result import Growth, Timed
from benchmarks.spot_markets import ON_DEMAND_USD_H, SPOT_USD_H, made_up
from engine.availability import AvailabilityModel, fit_availability
from engine.policies.base import Decision, Observation, Setting
from engine.policies.stochastic import StochasticDynamic
from engine.spot_market import SECONDS_AN_HOUR

SHAPES: Final = ((1, 600.0), (1, 195.0), (9, 195.0))
"""Zones, and seconds of a gap."""
WORK_H, DEADLINE_H, OVERHEAD_H = 48.0, 70.0, 0.1
RUNS: Final = 3
MOST_CPU_S: Final = 2.0
FITTED_H: Final = 1_000.0


def measure() -> Growth:
    """The models are fitted beforehand."""
    return Growth(tuple(_of_shape(zones, gap_s) for zones, gap_s in SHAPES))


def _of_shape(zones: int, gap_s: float) -> Timed:
    traces = made_up(max(zones, 2), gap_s, FITTED_H)
    pooled = fit_availability(traces)
    models = [pooled.of_zone([trace]) for trace in traces[:zones]]
    what = f"first decision of a job of {WORK_H:g} h within {DEADLINE_H:g} h"
    where = f"{zones} zone{'s' if zones > 1 else ''}, gaps of {gap_s:g} s, {len(pooled.classes)} classes"
    return Timed(f"{what}, {where}", warm(lambda: _first_decision(models, gap_s), RUNS), MOST_CPU_S)


def _first_decision(models: Sequence[AvailabilityModel], gap_s: float) -> Decision:
    """Of one run that sees spot in every second zone."""
    zones = len(models)
    setting = Setting(
        gap_s=gap_s,
        work_s=np.array([WORK_H * SECONDS_AN_HOUR]),
        deadline_s=np.array([DEADLINE_H * SECONDS_AN_HOUR]),
        overhead_s=np.array([OVERHEAD_H * SECONDS_AN_HOUR]),
        on_demand_usd_h=np.full((1, zones), ON_DEMAND_USD_H),
        move_usd=np.zeros((1, zones, zones)),
    )
    none, no_time = np.zeros(1, dtype=np.int64), np.zeros(1)
    seen = Observation(
        elapsed_s=0.0,
        done_s=no_time,
        last=none,
        current=none,
        zone=none,
        pending_s=no_time,
        available=np.arange(zones)[np.newaxis] % 2 == 0,
        spot_usd_h=np.full((1, zones), SPOT_USD_H),
    )
    return StochasticDynamic(models).begin(setting)(seen)
