"""Jobs and traces once, twice and four times as long: replayed by Uniform Progress and by ours, and their optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.measure import warm
from benchmarks.result import Growth, Timed
from benchmarks.spot_markets import made_up, runs_in_one_zone
from engine.availability import fit_availability
from engine.omniscient import omniscient_usd
from engine.policies.guard import Guarded
from engine.policies.stochastic import StochasticDynamic
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import Runs, simulate

WINDOWS: Final = 20
TIMES: Final = (1, 2, 4)


def measure() -> Growth:
    """Six jobs in each of the windows."""
    model = fit_availability(made_up(2, 600.0, 1_000.0))
    work: Mapping[str, Callable[[Runs], object]] = {
        "uniform progress": lambda runs: simulate(runs, Guarded(UniformProgress())),
        "omniscient optimum": omniscient_usd,
        "stochastic dynamic": lambda runs: simulate(runs, StochasticDynamic([model])),
    }
    batches = {times: runs_in_one_zone(WINDOWS, times) for times in TIMES}
    return Growth(
        tuple(
            _timed(f"{name}, {len(runs)} runs of {48 * times} h of work in 10-minute gaps", of, runs)
            for name, of in work.items()
            for times, runs in batches.items()
        )
    )


def _timed(what: str, work: Callable[[Runs], object], runs: Runs) -> Timed:
    return Timed(what, warm(lambda: work(runs), 1), None)
