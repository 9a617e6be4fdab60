"""The runs of a trace: how long spot capacity stayed, and how long it stayed away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags, Trace


@dataclass(frozen=True, eq=False)
class Runs:
    """R runs of one kind: each from the first gap in which capacity was up (or down) to the last.

    Shapes (R,): `length_h`, how long each was seen; `ended`, whether its end was seen (else it is censored on the
    right: it lasted at least that long); `begun`, whether its beginning was seen (else it was older than it looked).
    """

    length_h: Figures
    ended: Flags
    begun: Flags


def up_runs(trace: Trace) -> Runs:
    """The runs in which a machine could be had; none for a trace without gaps."""
    return _runs_where(trace, up=True)


def down_runs(trace: Trace) -> Runs:
    """The runs in which none could be had; none for a trace without gaps."""
    return _runs_where(trace, up=False)


def ages_in_gaps(available: Flags) -> NDArray[np.int64]:
    """For each gap (n,), how many gaps before it the run began that it belongs to: 0 in the first of each run."""
    numbers = np.arange(len(available))
    begins = np.zeros(len(available), dtype=np.int64)
    begins[_firsts(available)] = _firsts(available)
    return np.asarray(numbers - np.maximum.accumulate(begins), dtype=np.int64)


def _runs_where(trace: Trace, *, up: bool) -> Runs:
    firsts = _firsts(trace.available)
    lengths = np.diff(np.append(firsts, trace.gaps))
    kept = trace.available[firsts] == up
    ended = np.arange(len(firsts)) < len(firsts) - 1
    begun = np.arange(len(firsts)) > 0
    return Runs(lengths[kept] * (trace.gap_s / SECONDS_AN_HOUR), ended[kept], begun[kept])


def _firsts(available: Flags) -> NDArray[np.int64]:
    """The first gap of each run."""
    if not len(available):
        return np.zeros(0, dtype=np.int64)
    return np.append(0, np.flatnonzero(available[1:] != available[:-1]) + 1)
