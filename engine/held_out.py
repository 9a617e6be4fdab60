"""What is replayed is not fitted to: its dates, cut out of all traces of those dates.

Zones are taken away together, so it is the dates that count: a window of one zone is cut out of the traces of every
zone. Traces of unknown date that were recorded together, as the files of one folder are, are taken to begin together;
where windows of known date occur in them, they get their date from those.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Final

import numpy as np

from engine.spot_market import SECONDS_AN_HOUR, Flags, Trace

LEAST_H: Final = 24.0
"""What is left between two windows is fitted to if it lasts so long."""


@dataclass(frozen=True)
class Span:
    """From one second to another of a clock: of the epoch (None), or of traces of unknown date, see `Recorded`."""

    clock: Hashable | None
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Recorded:
    """A trace, and where it is from (its folder, say): what is from one place and says no date begins together."""

    origin: Hashable
    trace: Trace

    @property
    def start_s(self) -> float:
        """The second of its first gap, see `Span`."""
        return 0.0 if self.trace.start is None else self.trace.start.timestamp()

    @property
    def clock(self) -> Hashable | None:
        """What its seconds are counted from, see `Span`."""
        return self.origin if self.trace.start is None else None

    def span(self, first: int, length: int) -> Span:
        """Of some of its gaps."""
        begin_s = self.start_s + first * self.trace.gap_s
        return Span(self.clock, begin_s, begin_s + length * self.trace.gap_s)


def span_of(window: Trace) -> Span | None:
    """The dates of a window that was cut out already; None where they are not known."""
    return None if window.start is None else Recorded(None, window).span(0, window.gaps)


def spans_of(windows: Iterable[Trace], recorded: Sequence[Recorded]) -> frozenset[Span]:
    """The dates of windows that were cut out already.

    Where a window or a trace of its zone says no date, the window is taken to be wherever it occurs in the trace, gap
    for gap.
    """
    windows = tuple(windows)
    looks = {(one.start is None, _series(one), one.available.tobytes()): one for one in windows}
    found = {
        span
        for window in looks.values()
        for one in recorded
        if window.start is None or one.trace.start is None
        for span in _occurrences(one, window)
    }
    return frozenset(found.union(span for span in map(span_of, windows) if span is not None))


def dated(recorded: Sequence[Recorded], windows: Sequence[Trace]) -> list[Recorded]:
    """Traces of unknown date get that of a window, of known date, that occurs in them just once, gap for gap."""
    return [replace(one, trace=_dated(one.trace, windows)) for one in recorded]


def without(recorded: Iterable[Recorded], spans: Iterable[Span]) -> Iterator[Trace]:
    """The traces where no span touches them, and of the others every stretch between spans of `LEAST_H` or more."""
    taken = frozenset(spans)
    for one in recorded:
        kept = _kept(one, taken)
        if kept.all():
            yield one.trace
            continue
        for first, length in _runs(kept):
            if length * one.trace.gap_s >= LEAST_H * SECONDS_AN_HOUR:
                yield one.trace.window(first, length)


def _dated(trace: Trace, windows: Sequence[Trace]) -> Trace:
    if trace.start is not None:
        return trace
    for window in windows:
        if window.start is None:
            continue
        places = list(islice(_places(trace, window), 2))
        if len(places) == 1:
            return replace(trace, start=window.start - timedelta(seconds=places[0] * trace.gap_s))
    return trace


def _occurrences(one: Recorded, window: Trace) -> Iterator[Span]:
    """The gaps of a trace in which a window occurs; places that overlap are one span."""
    found = np.zeros(one.trace.gaps, dtype=np.bool_)
    for first in _places(one.trace, window):
        found[first : first + window.gaps] = True
    for first, length in _runs(found):
        yield one.span(first, length)


def _places(trace: Trace, window: Trace) -> Iterator[int]:
    """From which gaps on a trace of the same zone, type and steps looks like a window."""
    if not window.gaps or _series(window) != _series(trace):
        return
    whole, part = trace.available.tobytes(), window.available.tobytes()
    first = whole.find(part)
    while first >= 0:
        yield first
        first = whole.find(part, first + 1)


def _series(trace: Trace) -> tuple[str, str, float]:
    return trace.zone, trace.instance_type, trace.gap_s


def _kept(one: Recorded, spans: Iterable[Span]) -> Flags:
    """(gaps,): whether no span touches the gap."""
    gap_s, kept = one.trace.gap_s, np.ones(one.trace.gaps, dtype=np.bool_)
    for span in spans:
        if span.clock == one.clock:
            # A millisecond: dates are written in whole seconds or less.
            first = math.floor((span.start_s - one.start_s) / gap_s + 1e-3 / gap_s)
            end = math.ceil((span.end_s - one.start_s) / gap_s - 1e-3 / gap_s)
            kept[max(first, 0) : max(end, 0)] = False
    return kept


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """The first of each run of flags that are set, and how many there are."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).reshape(-1, 2)
    return [(first, end - first) for first, end in edges.tolist()]
