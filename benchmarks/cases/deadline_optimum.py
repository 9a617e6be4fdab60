"""The omniscient optimum of 1,080 runs, by exact dynamic programming."""

from __future__ import annotations

from typing import Final

from benchmarks.measure import warm
from benchmarks.result import Timed
from benchmarks.spot_markets import runs_in_one_zone
from engine.omniscient import omniscient_usd

WINDOWS: Final = 180
RUNS: Final = 3
MOST_CPU_S: Final = 30.0


def measure() -> Timed:
    """The batch is made beforehand."""
    runs = runs_in_one_zone(WINDOWS)
    samples = warm(lambda: omniscient_usd(runs), RUNS)
    return Timed(f"omniscient optimum of {len(runs):,} runs, 48 h of work in 10-minute gaps", samples, MOST_CPU_S)
