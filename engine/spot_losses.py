"""What losing spot machines makes of many runs at once, by a model of how machines are lost and regained.

The expectations are those of `engine.spot_run`, for all lengths of work that one model is asked about together: a plan
has as many of them as there are tasks and kinds of machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel
from engine.hazard import mean_within, over
from engine.spot_market import Figures

MOST_SEGMENTS: Final = 200
"""Into how many segments the work is cut at most: of shorter ones between checkpoints a little too much is lost."""
LONGEST: Final = 50.0
"""Expected losses in one segment from which on a run is taken never to end (e^50)."""
_NEARLY: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Losses:
    """Expectations of R runs, each of shape (R,): from the first hour of work to the last.

    `hours` in all, `wait_h` of them without a machine, `interruptions`; infinite where a run never ends. `hazard`: the
    chance of no interruption from the start of the machine on is exp(-hazard).
    """

    hours: Figures
    wait_h: Figures
    interruptions: Figures
    hazard: Figures


def expected_losses(
    model: AvailabilityModel, work_h: Figures, ready_h: Figures, checkpoint_h: float | None = None
) -> Losses:
    """The expectations in a zone that was just seen for the first time, and up: its first machine has some age.

    With n segments left at the start of a machine of life X, k of them are done when it is lost with the chance p_k,
    and all with S(d + l_n), S being the survival function, d what a machine takes to be ready and l_n the n segments:

        T_n = E[min(X, d + l_n)] + (1 - S(d + l_n)) wait + sum over k < n of p_k T_(n-k).

    The runs of all machines of a zone end together, however many there are.

    Args:
        model: of the zone.
        work_h: (R,), how long each run takes without interruptions.
        ready_h: (R,), the start of a machine and the setup; in them it may be lost too.
        checkpoint_h: hours of work between two checkpoints; None: an interrupted run begins anew.
    """
    belief = np.exp(model.first_sight(is_up=True))
    segments = np.ones(len(work_h), dtype=np.int64)
    if checkpoint_h is not None:
        segments = np.clip(np.ceil(work_h / checkpoint_h - _NEARLY), 1, MOST_SEGMENTS).astype(np.int64)
    expected = np.zeros((len(model.classes), len(work_h), 3))
    for number in np.unique(segments):
        rows = np.flatnonzero(segments == number)
        # Of shorter work than an interval there is one segment.
        segment_h = np.maximum(checkpoint_h or 0.0, work_h[rows] / number)
        expected[:, rows] = _expected(model, work_h[rows], ready_h[rows], int(number), segment_h)
    hours, wait_h, interruptions = np.moveaxis(np.einsum("c,crf->rf", belief, expected), 1, 0)
    due = _expected_ends(model, model.first_age_h, ready_h + work_h)
    hazard = -np.logaddexp.reduce(model.first_sight(is_up=True)[:, np.newaxis] - due, axis=0)
    return Losses(hours - ready_h, wait_h, interruptions, np.asarray(hazard))


def _expected(
    model: AvailabilityModel, work_h: Figures, ready_h: Figures, segments: int, segment_h: Figures
) -> Figures:
    """(C, R, 3): hours with those until the first machine is ready, hours of waiting and interruptions, by class."""
    last_h = work_h - (segments - 1) * segment_h
    means_h = np.array([float(one.mean_wait_h()) for one in model.classes])
    waits_h = np.where(np.isinf(means_h), 0.0, means_h)
    new = _Machines.of(model, 0.0, segments, ready_h, segment_h, last_h)
    after = np.zeros((*new.works_h.shape[:2], segments + 1, 3))
    # A machine that begins with the longer of a whole segment and the last one passes it hardly ever.
    endless = np.minimum(new.lasts[..., :2].min(axis=-1), new.finishes[..., 0]) < np.exp(-LONGEST)
    for left in range(1, segments + 1):
        reached = new.reached(left)
        later = np.einsum("crk,crkf->crf", -np.diff(reached)[..., 1:], after[..., left - 1 : 0 : -1, :])
        passes = np.where(endless, 1.0, reached[..., 1])
        after[..., left, :] = (new.spent(left, waits_h) + later) / passes[..., np.newaxis]
    first = _Machines.of(model, model.first_age_h, segments, ready_h, segment_h, last_h)
    later = np.einsum("crk,crkf->crf", -np.diff(first.reached(segments)), after[..., :0:-1, :])
    expected = first.spent(segments, waits_h) + later
    # Where no machine comes back, the first loss is the end.
    endless |= np.isinf(means_h)[:, np.newaxis] & (expected[..., 2] > 0)
    return np.where(endless[..., np.newaxis], np.inf, expected)


@dataclass(frozen=True, eq=False)
class _Machines:
    """What one machine does for n segments, by class and run, shapes (C, R, n); see `engine.spot_run`.

    `lasts`, the chance that it lasts until k of them are done, k = 0 to n - 1; `finishes`, that it does all of k, the
    last one shorter, k = 1 to n; `works_h`, how long it works on those in the mean.
    """

    lasts: Figures
    finishes: Figures
    works_h: Figures

    @classmethod
    def of(
        cls,
        model: AvailabilityModel,
        age_h: float,
        segments: int,
        ready_h: Figures,
        segment_h: Figures,
        last_h: Figures,
    ) -> _Machines:
        done_h = ready_h[:, np.newaxis] + np.arange(segments) * segment_h[:, np.newaxis]
        finished_h = done_h + last_h[:, np.newaxis]
        lasts = np.exp(-_expected_ends(model, age_h, done_h))
        lasts[..., 0] = 1.0  # no segment is done whenever it is lost
        works_h = [mean_within(model.edges_h, loss_per_h, age_h, finished_h) for loss_per_h in model.loss_per_h]
        return cls(lasts, np.exp(-_expected_ends(model, age_h, finished_h)), np.stack(works_h))

    def reached(self, left: int) -> Figures:
        """The chances that 0, 1, ... of the segments that are left are done before it is lost, (C, R, left + 1)."""
        return np.concatenate([self.lasts[..., :left], self.finishes[..., left - 1 : left]], axis=-1)

    def spent(self, left: int, waits_h: Figures) -> Figures:
        """(C, R, 3): hours until it is lost and another is there, or all is done; of them waiting; whether lost."""
        lost = 1 - self.finishes[..., left - 1]
        wait_h = lost * waits_h[:, np.newaxis]
        return np.stack([self.works_h[..., left - 1] + wait_h, wait_h, lost], axis=-1)


def _expected_ends(model: AvailabilityModel, age_h: float, h: Figures) -> Figures:
    """(C, *S): the integral of each class's hazard over each of the `h` (*S) hours after an age."""
    return over(model.edges_h, model.loss_per_h, np.full(h.shape, age_h), h)
