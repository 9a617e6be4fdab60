"""What traces say of hazards by age: how often a run was seen at an age, and how often it ended within the next gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.hazard import overlap
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags, Trace
from engine.spot_runs import ages_in_gaps

_DIGITS = 9
"""Hours are told apart to this many digits: a gap that lies within a bin is the same at every age."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Counts (W, J) of W windows: gaps after which a run was seen `at_risk`, and those by whose end it had `ended`."""

    at_risk: Figures
    ended: Figures


@dataclass(frozen=True, eq=False)
class Exposure:
    """The gaps of W windows, in J kinds of gap that lie alike in the bins of age.

    Shapes: `hours` (J, B), how many hours of such a gap fall into each bin; `up` and `down`, the gaps of runs of either
    kind; `starts_up` (W,), the state at the first gap; `up_gaps` and `gaps` (W,), how many gaps were up, and how many
    there are; `trace` (W,), the number of the trace that a window is of.
    """

    hours: Figures
    up: Ends
    down: Ends
    starts_up: Flags
    up_gaps: Figures
    gaps: Figures
    trace: NDArray[np.int64]

    def of(self, windows: Flags) -> Exposure:
        """Some of the windows (W,) only."""
        return Exposure(
            self.hours,
            Ends(self.up.at_risk[windows], self.up.ended[windows]),
            Ends(self.down.at_risk[windows], self.down.ended[windows]),
            self.starts_up[windows],
            self.up_gaps[windows],
            self.gaps[windows],
            self.trace[windows],
        )


def exposure(traces: Sequence[Trace], edges_h: Figures, window_h: float, *, first_age_h: float = 0.0) -> Exposure:
    """Cut traces of any gap lengths into windows of `window_h` hours, the last of each as long as there are gaps.

    The age of a run counts from the first gap of the trace in which it was seen, also over the edge of a window. The
    first run of a trace has the age `first_age_h` in the first gap. When it began nobody knows (it is truncated on the
    left); it enters all the same, for of a trace that was always up there is no other.

    Raises:
        ValueError: there is no trace with a gap.
    """
    seen = [trace for trace in traces if trace.gaps]
    if not seen:
        raise ValueError("there is no trace to fit a model to")
    clocks = [_ages_h(trace, first_age_h) for trace in seen]
    hours, kinds = _kinds(seen, clocks, edges_h)
    parts = [
        _windows(trace, number, kind, len(hours), window_h)
        for number, (trace, kind) in enumerate(zip(seen, kinds, strict=True))
    ]
    return Exposure(
        hours,
        _ends_of([part.up for part in parts]),
        _ends_of([part.down for part in parts]),
        np.concatenate([part.starts_up for part in parts]),
        np.concatenate([part.up_gaps for part in parts]),
        np.concatenate([part.gaps for part in parts]),
        np.concatenate([part.trace for part in parts]),
    )


def _ends_of(parts: Sequence[Ends]) -> Ends:
    return Ends(np.concatenate([part.at_risk for part in parts]), np.concatenate([part.ended for part in parts]))


def _ages_h(trace: Trace, first_age_h: float) -> Figures:
    """The age of the run of each gap (n,)."""
    ages = ages_in_gaps(trace.available)
    of_first_run = ages == np.arange(trace.gaps)
    return np.asarray(ages * (trace.gap_s / SECONDS_AN_HOUR) + np.where(of_first_run, first_age_h, 0.0))


def _kinds(
    traces: Sequence[Trace], ages_h: Sequence[Figures], edges_h: Figures
) -> tuple[Figures, list[NDArray[np.int64]]]:
    """The kinds of gap (J, B), and the kind of each gap of each trace."""
    gap_h = np.repeat([trace.gap_s / SECONDS_AN_HOUR for trace in traces], [trace.gaps for trace in traces])
    apart, same = np.unique(
        np.stack([gap_h, np.concatenate(ages_h)], axis=1).round(_DIGITS), axis=0, return_inverse=True
    )
    hours, kinds = np.unique(overlap(edges_h, apart[:, 1], apart[:, 0]).round(_DIGITS), axis=0, return_inverse=True)
    return hours, np.split(kinds.ravel()[same.ravel()], np.cumsum([trace.gaps for trace in traces])[:-1])


def _windows(trace: Trace, number: int, kind: NDArray[np.int64], kinds: int, window_h: float) -> Exposure:
    up = trace.available
    window_gaps = max(1, round(min(window_h * SECONDS_AN_HOUR / trace.gap_s, trace.gaps)))
    window = np.arange(trace.gaps) // window_gaps
    windows = int(window[-1]) + 1
    # One cell for each window and kind of gap; nothing is known of what follows the last gap.
    cell = (window * kinds + kind)[:-1]
    ends = up[1:] != up[:-1]

    def count(which: Flags) -> Figures:
        return np.bincount(cell[which], minlength=windows * kinds).reshape(windows, kinds).astype(np.float64)

    return Exposure(
        hours=np.zeros((kinds, 0)),
        up=Ends(count(up[:-1]), count(up[:-1] & ends)),
        down=Ends(count(~up[:-1]), count(~up[:-1] & ends)),
        starts_up=up[np.arange(windows) * window_gaps],
        up_gaps=np.bincount(window[up], minlength=windows).astype(np.float64),
        gaps=np.bincount(window, minlength=windows).astype(np.float64),
        trace=np.full(windows, number, dtype=np.int64),
    )
