"""How often to write checkpoints: the intervals of Young and Daly, and the best one for machines that age."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from engine.semi_markov import SemiMarkov
from engine.spot_run import SpotJob, expected_run

MOST_TRIED: Final = 2_000
"""The most segments that a job is cut into when the best interval is sought."""
_GROWTH: Final = 1.5
"""Numbers of segments that are tried first grow by this factor."""


def young_h(write_h: float, mean_life_h: float) -> float:
    """Young's interval sqrt(2 w M), for writing that takes little of a machine's mean life at a constant hazard.

    Young 1974, "A first order approximation to the optimum checkpoint interval" (CACM 17,
    doi:10.1145/361147.361115).
    """
    return math.sqrt(2 * write_h * mean_life_h)


def daly_h(write_h: float, mean_life_h: float) -> float:
    """Daly's interval, of higher order; the mean life itself where writing takes twice that or more.

    With x = w / (2 M): sqrt(2 w M) (1 + sqrt(x) / 3 + x / 9) - w. Daly 2006, "A higher order estimate of the optimum
    checkpoint interval for restart dumps" (Future Generation Computer Systems 22, doi:10.1016/j.future.2004.11.016).
    """
    x = write_h / (2 * mean_life_h)
    if x >= 1:
        return mean_life_h
    return young_h(write_h, mean_life_h) * (1 + math.sqrt(x) / 3 + x / 9) - write_h


def best_checkpoint_h(process: SemiMarkov, job: SpotJob) -> float:
    """The interval, a whole part of the work, by which the job takes least time in the mean; all of the work for none.

    Machines that were not lost at once are lost less and less, so that the best interval for them is not that of their
    mean life. Numbers of segments are tried first far apart, then, around the best of them, by thirds: too few lose
    more to each loss, too many lose time to writing.

    Args:
        process: how machines are lost and regained.
        job: its work, its overhead and its time for writing; the interval that it has does not matter.

    Raises:
        ValueError: writing takes no time, so that no interval is too short.
    """
    if not job.write_h > 0:
        raise ValueError("there is a best checkpoint interval only where writing a checkpoint takes time")

    def hours(segments: int) -> float:
        return expected_run(process, replace(job, checkpoint_h=job.work_h / segments)).hours

    tried = [1]
    while tried[-1] < MOST_TRIED:
        tried.append(min(MOST_TRIED, max(tried[-1] + 1, round(tried[-1] * _GROWTH))))
    best = min(range(len(tried)), key=lambda number: hours(tried[number]))
    low, high = tried[max(0, best - 1)], tried[min(len(tried) - 1, best + 1)]
    while high - low > 2:
        third = (high - low) // 3
        if hours(low + third) <= hours(high - third):
            high -= third
        else:
            low += third
    return job.work_h / min(range(low, high + 1), key=hours)
