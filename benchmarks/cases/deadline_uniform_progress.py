"""1,080 runs of Uniform Progress, as many as the public ones and as long, replayed at once."""

from __future__ import annotations

from typing import Final

from benchmarks.measure import warm
from benchmarks.result import Timed
from benchmarks.spot_markets import runs_in_one_zone
from engine.policies.guard import Guarded
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import simulate

WINDOWS: Final = 180
RUNS: Final = 5
MOST_CPU_S: Final = 1.0


def measure() -> Timed:
    """The batch is made beforehand."""
    runs = runs_in_one_zone(WINDOWS)
    policy = Guarded(UniformProgress())
    samples = warm(lambda: simulate(runs, policy), RUNS)
    return Timed(f"{len(runs):,} runs of uniform progress, 48 h of work in 10-minute gaps", samples, MOST_CPU_S)
