"""When a job on a spot machine that is lost and regained is done: the distribution, and the chance to be on time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.availability import AvailabilityModel
from engine.hazard import over
from engine.semi_markov import SemiMarkov
from engine.spot_market import Figures
from engine.spot_run import SpotJob

STEPS: Final = 800
"""Steps of time up to the horizon."""
MOST_SEGMENTS: Final = 1_000
"""The most segments of a job: the work grows with their number and with the square of the steps."""


@dataclass(frozen=True, eq=False)
class FinishTimes:
    """The `chance` (T,) that the job is done by each of the times `hours` (T,), from 0 to the horizon."""

    hours: Figures
    chance: Figures

    def by(self, deadline_h: float) -> float:
        """The chance that the job is done by then.

        Raises:
            ValueError: the deadline lies beyond the horizon.
        """
        if deadline_h > self.hours[-1]:
            raise ValueError("what comes after the horizon was not computed")
        return float(np.interp(deadline_h, self.hours, self.chance))

    def quantile_h(self, share: float) -> float | None:
        """The time by which the job is done with that chance; None where it lies beyond the horizon."""
        if share > self.chance[-1]:
            return None
        number = int(np.searchsorted(self.chance, share))
        if number == 0:
            return float(self.hours[0])
        low, high = self.chance[number - 1], self.chance[number]
        within = (share - low) / (high - low)
        return float(self.hours[number - 1] + within * (self.hours[number] - self.hours[number - 1]))


def finish_times(process: SemiMarkov, job: SpotJob, horizon_h: float, *, age_h: float = 0.0) -> FinishTimes:
    """The finish of a job whose first machine has run for `age_h` hours when the job starts on it.

    With F_n(t) the chance that n segments are done within t from the start of a machine, G_n(t) that within t from the
    loss of one, X the life of a machine, k(X) the segments that it does, and W a wait:

        F_n(t) = [l_n + d <= t] S(d + l_n) + sum over x < min(t, d + l_n) of P(X = x) G_(n-k(x))(t - x),
        G_n(t) = sum over w < t of P(W = w) F_n(t - w),

    in steps of time. What is lost or regained within a step is so at its middle; the two halves add up to a step.

    Raises:
        ValueError: the horizon is not positive, or the job has more than `MOST_SEGMENTS` segments.
    """
    if not horizon_h > 0:
        raise ValueError("the horizon is a positive number of hours")
    if job.segments > MOST_SEGMENTS:
        raise ValueError(f"the finish is computed for at most {MOST_SEGMENTS} segments")
    times_h = np.linspace(0.0, horizon_h, STEPS + 1)
    new, waits = _Life.of(process, job, times_h, 0.0), np.diff(process.regained_within(0.0, times_h))
    done = np.zeros((STEPS + 1, job.segments + 1))  # F_n(t)
    lost = np.zeros((STEPS + 1, job.segments + 1))  # G_n(t), half a step later
    for step in range(1, STEPS + 1):
        done[step] = new.finish(step, lost)
        lost[step] = waits[:step] @ done[step:0:-1]
    first = _Life.of(process, job, times_h, age_h)
    return FinishTimes(times_h, np.array([0.0, *(first.finish(step, lost)[-1] for step in range(1, STEPS + 1))]))


def finish_times_in(
    model: AvailabilityModel, log_weights: Figures, job: SpotJob, horizon_h: float, *, age_h: float = 0.0
) -> FinishTimes:
    """The finish in a zone that is so believed in (C,): the mean over the classes that it may be of."""
    finishes = [finish_times(process, job, horizon_h, age_h=age_h) for process in model.classes]
    return FinishTimes(finishes[0].hours, np.exp(log_weights) @ [finish.chance for finish in finishes])


@dataclass(frozen=True, eq=False)
class _Life:
    """What becomes of one machine in each of T steps, with n = 0 to N segments left at its start.

    Shapes: `ends` (T, N + 1), the chance that it is lost in the step before all are done; `left` (T, N + 1), how many
    are left then; `finishes` (T + 1, N + 1), the chance that it has done them all by the end of the step.
    """

    ends: Figures
    left: NDArray[np.int64]
    finishes: Figures

    @classmethod
    def of(cls, process: SemiMarkov, job: SpotJob, times_h: Figures, age_h: float) -> _Life:
        segments = np.arange(job.segments + 1)
        finish_h = np.where(segments > 0, job.overhead_h + (segments - 1) * job.segment_h + job.last_h, 0.0)
        until_h = np.minimum(times_h[:, np.newaxis], finish_h)
        survives = np.exp(-over(process.edges_h, process.loss_per_h, age_h, until_h))
        middle_h = (times_h[1:] + times_h[:-1]) / 2
        done = np.maximum(np.floor((middle_h - job.overhead_h) / job.segment_h), 0).astype(np.int64)
        return cls(
            ends=-np.diff(survives, axis=0),
            # At least the last one is left of those that are not all done.
            left=np.maximum(segments - done[:, np.newaxis], np.minimum(segments, 1)),
            finishes=np.where(times_h[:, np.newaxis] >= finish_h, survives, 0.0),
        )

    def finish(self, step: int, lost: Figures) -> Figures:
        """The chances (N + 1,) that all is done by this step, by those after the loss of a machine (T + 1, N + 1)."""
        after = np.take_along_axis(lost[step - 1 :: -1], self.left[:step], axis=1)
        return np.asarray(self.finishes[step] + np.einsum("tn,tn->n", self.ends[:step], after))
