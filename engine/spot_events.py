"""Traces from what the catalog knows of spot capacity that came and went, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from catalog_data.schema import OBSERVATIONS, POLARS_TYPES, Kind, Purchase, Signal
from engine.spot_market import Trace

STEP_S: Final = 60
"""The finest gap of a trace that is made of instants: nobody looks more often."""
EVENTS: Final = pl.Schema(
    {
        "zone": pl.String(),
        "instance_type": pl.String(),
        "at": POLARS_TYPES[Kind.INSTANT],
        "available": pl.Boolean(),
    }
)
_SEEN: Final = (Signal.STOCK, Signal.FAILURE)
"""Signals that say whether there was a machine; a placement score says how likely one is."""


class Placed(NamedTuple):
    """A trace and the cloud that it is of."""

    cloud: str
    trace: Trace


def events_of(trace: Trace) -> pl.DataFrame:
    """The first gap of a trace, each in which capacity came or went, and the last (schema: EVENTS).

    Raises:
        ValueError: the trace does not say when it starts.
    """
    if trace.start is None:
        raise ValueError("a trace without a start has no instants")
    changes = np.flatnonzero(trace.available[1:] != trace.available[:-1]) + 1
    told = np.unique(np.concatenate([[0], changes, [trace.gaps - 1]]))
    return pl.DataFrame(
        {
            "zone": trace.zone,
            "instance_type": trace.instance_type,
            "at": [trace.start + timedelta(seconds=int(gap) * trace.gap_s) for gap in told],
            "available": trace.available[told],
        },
        schema=EVENTS,
    )


def traces_of_events(events: pl.DataFrame) -> tuple[Placed, ...]:
    """A trace for each zone and type of SPOT_EVENTS of one source, from its first event to its last.

    What an event says holds until the next one. A gap is as long as divides all times between events, in whole seconds,
    and at least `STEP_S`. A series of one event says nothing of time, and is left out.
    """
    series = events.sort("at").group_by("cloud", "zone", "instance_type", "source", maintain_order=True)
    return tuple(
        Placed(str(cloud), _trace(str(zone), str(instance_type), rows["at"], rows["available"]))
        for (cloud, zone, instance_type, _), rows in series
        if rows.height > 1
    )


def traces_of_observations(observations: pl.DataFrame) -> tuple[Placed, ...]:
    """A trace for each stretch of time over which a spot machine's stock was known (OBSERVATIONS, all versions).

    An observation holds until the next one of the same thing, or until it expires; after that nothing is known, and the
    next stretch is another trace. Regions stand for zones where an observation is of a whole region.
    """
    seen = observations.filter(
        (pl.col("purchase") == Purchase.SPOT)
        & pl.col("signal").is_in(_SEEN)
        & (pl.col("expires_at") > pl.col("observed_at"))
    ).sort("observed_at")
    of = [name for name in OBSERVATIONS.key if name != "purchase"]
    return tuple(
        Placed(str(key[0]), trace)
        for key, rows in seen.group_by([*of, "source"], maintain_order=True)
        for trace in _stretches(str(key[2] or key[1]), str(key[3]), rows)
    )


def _stretches(zone: str, instance_type: str, rows: pl.DataFrame) -> Iterator[Trace]:
    """The traces of one thing's observations, in the order of their instants."""
    ended = (rows["expires_at"].shift(1) < rows["observed_at"]).fill_null(value=False)
    for _, stretch in rows.group_by(ended.cum_sum().alias("stretch"), maintain_order=True):
        available = stretch["level"] > 0
        at = pl.concat([stretch["observed_at"], stretch["expires_at"].tail(1).alias("observed_at")])
        trace = _trace(zone, instance_type, at, pl.concat([available, available.tail(1)]))
        if trace.gaps > 1:
            yield trace.window(0, trace.gaps - 1)  # nothing is known from the instant on at which the last one expired


def _trace(zone: str, instance_type: str, at: pl.Series, available: pl.Series) -> Trace:
    """The trace of what was said at each instant, of two at least, in their order."""
    start: datetime = at[0]
    after_s = np.rint((at - start).dt.total_microseconds().to_numpy() / 1e6).astype(np.int64)
    step_s = max(STEP_S, int(np.gcd.reduce(after_s)))
    gaps = after_s // step_s
    latest = np.searchsorted(gaps, np.arange(gaps[-1] + 1), side="right") - 1
    return Trace(zone, instance_type, float(step_s), available.to_numpy()[latest], start)
