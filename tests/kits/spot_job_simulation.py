"""A job on a spot machine, simulated machine by machine, to check its expectations and its finish against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.hazard import cumulative, lives
from engine.semi_markov import SemiMarkov
from engine.spot_market import Figures
from engine.spot_run import SpotJob


class Simulated(NamedTuple):
    """R runs, shapes (R,): hours to the end, hours with a machine, machines that were lost."""

    hours: Figures
    billed_h: Figures
    interruptions: Figures


def simulated(process: SemiMarkov, job: SpotJob, runs: int, *, age_h: float = 0.0, seed: int = 1) -> Simulated:
    """So many runs of the job."""
    rng = np.random.default_rng(seed)
    return Simulated(*np.array([_one(rng, process, job, age_h) for _ in range(runs)]).T)


def _one(rng: np.random.Generator, process: SemiMarkov, job: SpotJob, age_h: float) -> tuple[float, float, int]:
    """Work goes on piece by piece: the overhead, then each segment with its checkpoint, the last one without."""
    hours = billed_h = 0.0
    interruptions, left_h = 0, job.work_h
    while True:
        started = float(cumulative(process.edges_h, process.loss_per_h, age_h))
        life_h = float(lives(process.edges_h, process.loss_per_h, started + rng.exponential())) - age_h
        worked_h = job.overhead_h
        while worked_h <= life_h and left_h > 1e-9:
            segment_h = min(left_h, job.checkpoint_h or left_h)
            is_last = segment_h > left_h - 1e-9
            worked_h += segment_h + (0.0 if is_last else job.write_h)
            left_h -= segment_h if worked_h <= life_h else 0.0
        if left_h <= 1e-9:
            return hours + worked_h, billed_h + worked_h, interruptions
        interruptions += 1
        billed_h += life_h
        hours += life_h + float(lives(process.edges_h, process.gain_per_h, rng.exponential()))
        age_h = 0.0
