"""What is replayed: recorded traces -> stretches of one zone, or of several side by side -> cases.

A stretch is a `ScenarioRun`: the traces of its zones, one gap length, cut to the same gaps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from engine.availability import AvailabilityModel
from engine.replay import Case
from engine.spot_market import DeadlineJob, Figures, Trace, market_of
from engine.trace_fields import TraceError
from engine.trace_windows import (
    ScenarioRun,
    ScenarioWindows,
    SingleWindows,
    ZoneWindows,
    cut,
    default_windows,
    env_of,
    scenario_runs,
)


def jobs_of(work_s: float, deadlines_s: Iterable[float], overheads_s: Iterable[float]) -> tuple[DeadlineJob, ...]:
    """The job of every deadline and overhead, all in seconds."""
    return tuple(DeadlineJob(work_s, *figures) for figures in itertools.product(deadlines_s, overheads_s))


def cases_of(
    stretches: Sequence[ScenarioRun],
    jobs: Sequence[DeadlineJob],
    *,
    spot_usd_h: float,
    on_demand_usd_h: float,
    models_of: Callable[[Sequence[Trace]], tuple[AvailabilityModel, ...]] | None = None,
    move_usd_of: Callable[[Sequence[Trace]], Figures] | None = None,
) -> tuple[Case, ...]:
    """Every job in every stretch, by stretches.

    Args:
        stretches: what was recorded.
        jobs: what is to be done.
        spot_usd_h: the price of spot where a trace has none.
        on_demand_usd_h: the price on demand where a trace has none.
        models_of: what a policy may expect of the zones of a stretch, see `Case`; None for nothing. Stretches for which
            it gives the same objects are simulated together.
        move_usd_of: what moves between the zones of a stretch cost, (Z, Z) in USD, see `SpotMarket`; None for nothing.

    Raises:
        TraceError: the gaps of zones side by side differ.
    """
    cases = []
    for stretch in stretches:
        _require_one_gap(stretch.traces)
        move_usd = None if move_usd_of is None else move_usd_of(stretch.traces)
        market = market_of(stretch.traces, spot_usd_h=spot_usd_h, on_demand_usd_h=on_demand_usd_h, move_usd=move_usd)
        models = () if models_of is None else models_of(stretch.traces)
        start = stretch.traces[0].start
        cases += [Case(stretch.scenario, market, job, models, start) for job in jobs]
    return tuple(cases)


def default_stretches(
    markets: Sequence[tuple[Trace, ...]], longest_deadline_s: float, every_gaps: int
) -> tuple[ScenarioRun, ...]:
    """Stretches as long as the deadline, every so many gaps of each market; one that does not last so long has none.

    Args:
        markets: zones side by side as of `markets_of`, or single ones.
        longest_deadline_s: in seconds.
        every_gaps: how far apart they begin.

    Raises:
        TraceError: no market lasts so long.
    """
    longest = max(markets, key=lambda market: market[0].gaps * market[0].gap_s)
    enough = [market for market in markets if lasts(market, longest_deadline_s)] or [longest]
    return tuple(
        ScenarioRun(name_of(market), number, tuple(trace.window(window.first, window.length) for trace in market))
        for market in enough
        for number, window in enumerate(default_windows(market[0], longest_deadline_s, every_gaps))
    )


def lasts(market: Sequence[Trace], deadline_s: float) -> bool:
    """Whether its traces, cut to the same gaps, last until a deadline."""
    return market[0].gaps * market[0].gap_s >= deadline_s


def markets_of(traces: Sequence[Trace]) -> tuple[tuple[Trace, ...], ...]:
    """The zones of one instance type whose dates overlap, cut to the dates that all of them share.

    Traces of a type that do not say when they start are taken to start together.

    Raises:
        TraceError: gap lengths differ, only some say when they start, a zone is there twice, or no date is shared.
    """
    by_type: dict[str, list[Trace]] = {}
    for trace in traces:
        by_type.setdefault(trace.instance_type, []).append(trace)
    return tuple(market for of_type in by_type.values() for market in _side_by_side(of_type))


def named_stretches(
    files: Mapping[str, SingleWindows | ScenarioWindows | ZoneWindows], traces: Sequence[Trace], *, multi: bool
) -> tuple[ScenarioRun, ...]:
    """The stretches that files of windows name, cut from the traces or from the windows of zones among the files.

    Args:
        files: what they say, by their names. Scenarios take their zones from windows of zones, where there are any.
        traces: what was recorded.
        multi: whether zones are side by side.

    Raises:
        TraceError: a window is of no trace or of two, two files have windows of one zone, or a file is for the other
            way.
    """
    zones = _zones_in(files)
    stretches: list[ScenarioRun] = []
    for file, found in files.items():
        if isinstance(found, ScenarioWindows):
            if not multi:
                raise TraceError(file, "its scenarios are of several zones side by side", "add --multi")
            stretches += scenario_runs(found, zones if zones.by_zone else traces)
        elif isinstance(found, SingleWindows):
            if multi:
                raise TraceError(file, "its windows are of single zones", "leave out --multi")
            cut_out = zip(found.windows, cut(found, traces), strict=True)
            stretches += [ScenarioRun(window.env, number, (trace,)) for number, (window, trace) in enumerate(cut_out)]
    return tuple(stretches) or _all_windows(zones, multi=multi)


def _zones_in(files: Mapping[str, SingleWindows | ScenarioWindows | ZoneWindows]) -> ZoneWindows:
    """The windows of zones of all files together."""
    by_zone: dict[str, tuple[Trace, ...]] = {}
    for file, found in files.items():
        for zone, windows in found.by_zone.items() if isinstance(found, ZoneWindows) else ():
            if by_zone.setdefault(zone, windows) is not windows:
                raise TraceError(file, f"another file has windows of {zone} too", "replay one of them at a time")
    return ZoneWindows(by_zone)


def _all_windows(zones: ZoneWindows, *, multi: bool) -> tuple[ScenarioRun, ...]:
    """Every window of the zones, window by window side by side if `multi`."""
    if not multi:
        return tuple(
            ScenarioRun(env_of(trace), number, (trace,))
            for windows in zones.by_zone.values()
            for number, trace in enumerate(windows)
        )
    number = min((len(windows) for windows in zones.by_zone.values()), default=0)
    side_by_side = zip(*(windows[:number] for windows in zones.by_zone.values()), strict=True)
    return tuple(ScenarioRun(name_of(market), window, market) for window, market in enumerate(side_by_side))


def _side_by_side(traces: Sequence[Trace]) -> Iterator[tuple[Trace, ...]]:
    """The markets of one instance type."""
    _require_one_gap(traces)
    dated = [(trace.start, trace) for trace in traces if trace.start is not None]
    if not dated:
        yield _cut_to(traces, [0] * len(traces))
        return
    if len(dated) < len(traces):
        missing = next(trace for trace in traces if trace.start is None)
        raise TraceError(
            env_of(missing), "it does not say when it starts, as others do", "say so in all of them, or in none"
        )
    for group in _overlapping(dated):
        first = max(start for start, _ in group)
        skipped = [round((first - start).total_seconds() / trace.gap_s) for start, trace in group]
        yield _cut_to([trace for _, trace in group], skipped)


def _overlapping(dated: Sequence[tuple[datetime, Trace]]) -> Iterator[list[tuple[datetime, Trace]]]:
    """Groups of traces that are linked by common dates, from the earliest on."""
    group: list[tuple[datetime, Trace]] = []
    until: datetime | None = None
    for start, trace in sorted(dated, key=lambda one: one[0]):
        if until is not None and start >= until:
            yield group
            group = []
        end = start + timedelta(seconds=trace.gaps * trace.gap_s)
        until = end if until is None else max(until, end)
        group.append((start, trace))
    yield group


def _cut_to(traces: Sequence[Trace], skipped: Sequence[int]) -> tuple[Trace, ...]:
    """The traces without their first gaps, to the end of the shortest."""
    zones = [trace.zone for trace in traces]
    if twice := next((zone for zone in zones if zones.count(zone) > 1), None):
        raise TraceError(twice, "two traces are of this zone at the same time", "name one of them")
    length = min(trace.gaps - skip for trace, skip in zip(traces, skipped, strict=True))
    if length <= 0:
        raise TraceError(
            name_of(traces), "there is no date that all of these traces share", "name those of the same dates"
        )
    return tuple(trace.window(skip, length) for trace, skip in zip(traces, skipped, strict=True))


def name_of(market: Sequence[Trace]) -> str:
    """`us-west-2a_v100_1`, or `v100_1 in 9 zones`."""
    if len(market) == 1:
        return env_of(market[0])
    kind = market[0].instance_type
    return f"{kind} in {len(market)} zones" if kind else f"{len(market)} zones"


def _require_one_gap(traces: Sequence[Trace]) -> None:
    first = traces[0]
    for trace in traces:
        if trace.gap_s != first.gap_s:
            raise TraceError(
                env_of(trace),
                f"its gaps are of {trace.gap_s:g} s, those of {env_of(first)} of {first.gap_s:g} s",
                "zones side by side are recorded in the same steps",
            )
