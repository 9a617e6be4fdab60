"""Traces to fit on without what is replayed: a model that has seen the answer proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from engine.spot_market import SECONDS_AN_HOUR, Flags, Trace


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What is left to fit on, in the order of the traces, and how many hours were `cut_h` out of them."""

    traces: tuple[Trace, ...]
    cut_h: float


def held_out(traces: Sequence[Trace], replayed: Sequence[Trace]) -> HeldOut:
    """The parts of the traces that are not replayed: zone by zone, whatever the instance type, by date.

    Where a trace or what is replayed of its zone does not say when it starts, the dates are not known; then what looks
    the same gap by gap is cut out.

    Args:
        traces: to fit on.
        replayed: what is replayed, window by window.
    """
    kept, cut_s = [], 0.0
    for trace in traces:
        seen = _replayed_gaps(trace, [window for window in replayed if window.zone == trace.zone])
        kept += _parts(trace, ~seen)
        cut_s += float(seen.sum()) * trace.gap_s
    return HeldOut(tuple(kept), cut_s / SECONDS_AN_HOUR)


def _replayed_gaps(trace: Trace, windows: Iterable[Trace]) -> Flags:
    """(n,): which gaps of the trace are in one of the windows of its zone."""
    seen = np.zeros(trace.gaps, dtype=np.bool_)
    for window in windows:
        if trace.start is None or window.start is None:
            first = _found_at(trace, window)
            if first is not None:
                seen[first : first + window.gaps] = True
            continue
        begins = _gaps_between(trace, trace.start, window.start)
        end = window.start + timedelta(seconds=window.gaps * window.gap_s)
        ends = _gaps_between(trace, trace.start, end)
        seen[max(int(np.floor(begins)), 0) : max(int(np.ceil(ends)), 0)] = True
    return seen


def _gaps_between(trace: Trace, start: datetime, at: datetime) -> float:
    return (at - start).total_seconds() / trace.gap_s


def _found_at(trace: Trace, window: Trace) -> int | None:
    """The gap from which on a trace of the same steps and type looks like the window; None where it nowhere does."""
    if trace.gap_s != window.gap_s or trace.instance_type != window.instance_type:
        return None
    found = trace.available.tobytes().find(window.available.tobytes())
    return found if found >= 0 else None


def _parts(trace: Trace, kept: Flags) -> list[Trace]:
    """The stretches of a trace whose gaps are kept."""
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    return [trace.window(int(first), int(end - first)) for first, end in edges.reshape(-1, 2)]
