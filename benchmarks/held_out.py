"""What is evaluated is not fitted to: the dates of windows, cut out of all traces of those dates.

Zones are taken away together, so it is the dates that count: a window of one zone is cut out of the traces of every
zone. Traces of unknown date that lie in one folder are taken to begin together; where windows of known date occur in
them, they get their date from those.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from engine.spot_market import SECONDS_AN_HOUR, Trace

LEAST_H: Final = 24.0
"""What is left between two windows is fitted to if it lasts so long."""


@dataclass(frozen=True)
class Span:
    """From one second to another: of the epoch, or, of unknown date, of the beginning of the traces of a folder."""

    folder: Path | None
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Recorded:
    """A trace and the folder of its file."""

    folder: Path
    trace: Trace

    @property
    def start_s(self) -> float:
        """The second of its first gap, see `Span`."""
        return 0.0 if self.trace.start is None else self.trace.start.timestamp()

    @property
    def clock(self) -> Path | None:
        """What its seconds are counted from, see `Span`."""
        return self.folder if self.trace.start is None else None

    def span(self, first: int, length: int) -> Span:
        """Of some of its gaps."""
        begin_s = self.start_s + first * self.trace.gap_s
        return Span(self.clock, begin_s, begin_s + length * self.trace.gap_s)


def span_of(window: Trace) -> Span | None:
    """The dates of a window that was cut out already; None where they are not known."""
    if window.start is None:
        return None
    start_s = window.start.timestamp()
    return Span(None, start_s, start_s + window.gaps * window.gap_s)


def dated(recorded: Sequence[Recorded], windows: Sequence[Trace]) -> list[Recorded]:
    """Traces of unknown date get that of a window, of known date, that occurs in them just once, gap for gap."""
    return [replace(one, trace=_dated(one.trace, windows)) for one in recorded]


def _dated(trace: Trace, windows: Sequence[Trace]) -> Trace:
    if trace.start is not None:
        return trace
    whole = trace.available.tobytes()
    for window in windows:
        alike = (window.zone, window.instance_type, window.gap_s) == (trace.zone, trace.instance_type, trace.gap_s)
        if window.start is None or not window.gaps or not alike:
            continue
        part = window.available.tobytes()
        first = whole.find(part)
        if first >= 0 and whole.find(part, first + 1) < 0:
            return replace(trace, start=window.start - timedelta(seconds=first * trace.gap_s))
    return trace


def without(recorded: Iterable[Recorded], spans: Iterable[Span]) -> Iterator[Trace]:
    """The traces where no span touches them, and of the others every stretch between spans of `LEAST_H` or more."""
    taken = frozenset(spans)
    for one in recorded:
        kept = _kept(one, taken)
        if kept.all():
            yield one.trace
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
        for first, end in edges.reshape(-1, 2).tolist():
            if (end - first) * one.trace.gap_s >= LEAST_H * SECONDS_AN_HOUR:
                yield one.trace.window(first, end - first)


def _kept(one: Recorded, spans: Iterable[Span]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(gaps,): whether no span touches the gap."""
    gap_s, kept = one.trace.gap_s, np.ones(one.trace.gaps, dtype=np.bool_)
    for span in spans:
        if span.folder == one.clock:
            # A millisecond: dates are written in whole seconds or less.
            first = math.floor((span.start_s - one.start_s) / gap_s + 1e-3 / gap_s)
            end = math.ceil((span.end_s - one.start_s) / gap_s - 1e-3 / gap_s)
            kept[max(first, 0) : max(end, 0)] = False
    return kept
