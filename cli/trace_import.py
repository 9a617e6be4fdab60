"""Imports of traces: when spot capacity came and went, as a source of the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from catalog_data.schema import SPOT_EVENTS, Confidence
from catalog_fetchers.base import Source
from catalog_fetchers.skypilot_csv import FILE
from cli.errors import CommandError
from cli.trace_files import files_of, may_be_trace, placed_traces
from engine.spot_events import Placed, events_of


def holds_traces(place: Path) -> bool:
    """Whether a file or a folder holds traces rather than prices."""
    if place.is_file():
        return not place.name.endswith(FILE) and may_be_trace(place)
    return place.is_dir() and not any(place.glob(f"**/*{FILE}")) and bool(files_of(place))


def trace_source(place: Path, name: str, cloud: str | None) -> Source:
    """What the traces at a place say, as a source of that name."""
    traces = placed_traces([place], cloud)
    _require_events(place, traces)
    events = pl.concat([events_of(trace).with_columns(cloud=pl.lit(cloud)) for cloud, trace in traces])
    rows = events.with_columns(
        source=pl.lit(name),
        source_version=pl.lit(None, pl.String()),
        observed_at=pl.col("at"),
        confidence=pl.lit(Confidence.MEDIUM.value),
    ).select(SPOT_EVENTS.column_names)
    return Source(
        name=name,
        clouds=(),
        brings="when spot capacity came and went",
        page="https://www.usenix.org/conference/nsdi24/presentation/wu-zhanghao",
        fetch=lambda _access: (),
        parse=lambda _pages, _now: {SPOT_EVENTS.name: rows},
        current=False,
    )


def _require_events(place: Path, traces: Sequence[Placed]) -> None:
    """Each has a start and a type, and none the zone and type of another, as events need."""
    for _, trace in traces:
        if trace.start is None:
            raise CommandError(
                f"{place}: the trace of {trace.zone} does not say when it starts",
                hint="add `start_utc`, or fit models from the file itself: `skybroker catalog fit FILE`",
            )
        if not trace.instance_type:
            raise CommandError(
                f"{place}: the trace of {trace.zone} does not say of which instance type it is",
                hint="add `instance`, or name the file <zone>_<instance>.json",
            )
    counts = Counter((cloud, trace.zone, trace.instance_type) for cloud, trace in traces)
    [(twice, count)] = counts.most_common(1)
    if count > 1:
        raise CommandError(
            f"{place}: {count} traces are of {twice[2]} in {twice[1]}",
            hint="import them one by one, each file by itself",
        )
