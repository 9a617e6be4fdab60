"""A job on a spot machine that is lost and regained: how long it takes in the mean, what it costs, how often it stops.

Work goes on in segments, after each of which but the last a checkpoint is written. A machine that is lost throws the
job back to its last checkpoint; it waits for another, which takes the overhead before work goes on. A machine ages
while it works, and the next one begins anew: up runs are alike, so that the job is a renewal process over segments.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel
from engine.hazard import mean_within
from engine.semi_markov import SemiMarkov
from engine.spot_market import Figures

MOST_SEGMENTS: Final = 20_000
"""A job of more segments is taken for a mistake in its checkpoint interval."""


@dataclass(frozen=True)
class SpotJob:
    """`work_h` hours of work, a checkpoint after each `checkpoint_h` of them (None: none at all).

    Writing one takes `write_h`, and each start of a machine, the first too, `overhead_h`; both are billed, and in both
    the machine may be lost.

    Raises:
        ValueError: a time is negative, there is no work, or there are more segments than `MOST_SEGMENTS`.
    """

    work_h: float
    checkpoint_h: float | None = None
    write_h: float = 0.0
    overhead_h: float = 0.0

    def __post_init__(self) -> None:
        if not self.work_h > 0 or not self.write_h >= 0 or not self.overhead_h >= 0:
            raise ValueError("a job has some work, and takes no negative time for its checkpoints and starts")
        if self.checkpoint_h is not None and not self.checkpoint_h * MOST_SEGMENTS >= self.work_h:
            raise ValueError(f"a job has at most {MOST_SEGMENTS} segments between checkpoints")

    @property
    def segments(self) -> int:
        """How many pieces the checkpoints cut the work into."""
        # Ten times 0.1 hours are an hour.
        return 1 if self.checkpoint_h is None else max(1, math.ceil(self.work_h / self.checkpoint_h - 1e-9))

    @property
    def segment_h(self) -> float:
        """How long a segment takes with its checkpoint; the last one takes `last_h`."""
        return self.work_h if self.checkpoint_h is None else self.checkpoint_h + self.write_h

    @property
    def last_h(self) -> float:
        """How long the last segment takes, after which no checkpoint is written."""
        return self.work_h if self.checkpoint_h is None else self.work_h - (self.segments - 1) * self.checkpoint_h


@dataclass(frozen=True)
class SpotRun:
    """Expectations of one job: from its first machine to its end in `hours`, of which `billed_h` with a machine."""

    hours: float
    billed_h: float
    interruptions: float

    def usd(self, usd_h: float) -> float:
        """The expected cost at a price per hour of a running machine."""
        return usd_h * self.billed_h if usd_h else 0.0


def expected_run(process: SemiMarkov, job: SpotJob, *, age_h: float = 0.0) -> SpotRun:
    """The expectations of a job whose first machine has run for `age_h` hours when the job starts on it.

    With n segments left at the start of a machine of life X, k of them are done when it is lost with the chance p_k,
    and all with S(d + l_n), S being the survival function, d the overhead and l_n how long n segments take:

        T_n = E[min(X, d + l_n)] + (1 - S(d + l_n)) wait + sum over k < n of p_k T_(n-k),

    which is solved for T_1, T_2, ... by turns. (With a constant hazard L, no overhead and no time for writing it is
    (1/L + wait)(e^(L c) - 1) a segment, see `engine.interruption.expected_run_h`.)

    Returns:
        Infinite figures where a segment is never done, or a machine never regained.
    """
    wait_h = float(process.mean_wait_h())
    new = _machine(process, job, 0.0)
    after = np.zeros((job.segments + 1, 3))
    for left in range(1, job.segments + 1):
        reached = new.reached(left)
        if reached[1] <= 0:
            return SpotRun(math.inf, math.inf, math.inf)
        # A machine that does no segment leaves all as it was: the chance of that is on both sides.
        lost = -np.diff(reached)[1:] @ after[left - 1 : 0 : -1]
        after[left] = (new.spent(left, wait_h) + lost) / reached[1]
    first = _machine(process, job, age_h)
    lost = -np.diff(first.reached(job.segments)) @ after[:0:-1]
    hours, billed_h, interruptions = first.spent(job.segments, wait_h) + lost
    return SpotRun(float(hours), float(billed_h), float(interruptions))


def expected_run_in(model: AvailabilityModel, log_weights: Figures, job: SpotJob, *, age_h: float = 0.0) -> SpotRun:
    """The expectations in a zone that is so believed in (C,): the mean over the classes that it may be of."""
    runs = [astuple(expected_run(process, job, age_h=age_h)) for process in model.classes]
    hours, billed_h, interruptions = np.exp(log_weights) @ np.array(runs)
    return SpotRun(float(hours), float(billed_h), float(interruptions))


@dataclass(frozen=True, eq=False)
class _Machine:
    """What one machine does for a job of n segments, shapes (n,).

    `lasts`, the chance that it lasts until k of them are done, k = 0 to n - 1; `finishes`, that it does all of k, the
    last one shorter, k = 1 to n; and `works_h`, how long it works on those in the mean.
    """

    lasts: Figures
    finishes: Figures
    works_h: Figures

    def reached(self, left: int) -> Figures:
        """The chances that 0, 1, ... of the segments that are left are done before it is lost, (left + 1,)."""
        return np.append(self.lasts[:left], self.finishes[left - 1])

    def spent(self, left: int, wait_h: float) -> Figures:
        """Hours until it is lost and another is there, or the job is done; hours billed; whether it is lost."""
        works_h, lost = self.works_h[left - 1], 1 - self.finishes[left - 1]
        return np.array([works_h + (lost * wait_h if lost > 0 else 0.0), works_h, lost])


def _machine(process: SemiMarkov, job: SpotJob, age_h: float) -> _Machine:
    done_h = job.overhead_h + np.arange(job.segments) * job.segment_h
    finished_h = done_h + job.last_h
    lasts = process.survival(age_h, done_h)
    lasts[0] = 1.0  # no segment is done whenever it is lost
    return _Machine(
        lasts,
        process.survival(age_h, finished_h),
        mean_within(process.edges_h, process.loss_per_h, age_h, finished_h),
    )
