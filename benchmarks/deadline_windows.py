"""Which stretches of which traces benchmarks.deadline replays, and which jobs in them.

Windows begin every 140 gaps, or where a file says (`engine.trace_windows`). Several zones are replayed side by side if
they are of one machine, one gap length and one date.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.trace_folders import text_of
from benchmarks.usage import refuse
from engine.held_out import Recorded, Span, span_of
from engine.spot_market import SECONDS_AN_HOUR, Trace
from engine.trace_fields import TraceError, region_of
from engine.trace_windows import EVERY_GAPS, ScenarioWindows, SingleWindows, ZoneWindows, env_of, read_windows

WORK_H: Final = 48.0
DEADLINES_H: Final = (52.0, 70.0)
OVERHEADS_H: Final = (0.02, 0.05, 0.1)
MOVE_OVERHEAD_H: Final = 0.2
"""What a start takes in the public runs of several zones; the deadline there is the first."""

Windows = SingleWindows | ScenarioWindows | ZoneWindows


@dataclass(frozen=True)
class Stretch:
    """One window: a trace for each zone side by side, the dates it is of, and its group in reports."""

    group: str
    traces: tuple[Trace, ...]
    span: Span | None


@dataclass(frozen=True)
class Chosen:
    """The windows that are there, and how many were asked for that are not: of no trace, or beyond its end."""

    stretches: tuple[Stretch, ...]
    missing: int


def read(path: Path) -> Windows:
    """The windows of a file; the process ends where it holds none."""
    try:
        return read_windows(text_of(path), str(path))
    except TraceError as error:
        refuse(f"{path}: no windows: {error}")


def beside(path: Path) -> list[Windows]:
    """The windows of the other files of its folder: of scenarios, the zones may be in another file."""
    found = []
    for other in sorted(path.parent.glob("*.json")):
        if other != path:
            try:
                found.append(read_windows(text_of(other), str(other)))
            except TraceError:
                continue
    return found


def of_one_zone(recorded: Sequence[Recorded], windows: Windows | None, every_gaps: int = EVERY_GAPS) -> Chosen:
    """Windows of single zones, every so many gaps where `windows` is None."""
    if isinstance(windows, SingleWindows):
        return _listed(recorded, windows)
    if isinstance(windows, ZoneWindows):
        cut = [window for zone in windows.by_zone.values() for window in zone]
        return Chosen(tuple(Stretch(env_of(window), (window,), span_of(window)) for window in cut), 0)
    if isinstance(windows, ScenarioWindows):
        refuse("the file of windows is for several zones: say --multi")
    found: list[Stretch] = []
    missing = 0
    for one in recorded:
        length = _default_length(one.trace.gaps, one.trace.gap_s)
        firsts = range(0, one.trace.gaps - length + 1, every_gaps) if length else ()
        found += [Stretch(env_of(one.trace), *_cut((one,), first, length)) for first in firsts]
        missing += not length
    return Chosen(tuple(found), missing)


def of_several_zones(
    recorded: Sequence[Recorded],
    windows: Windows | None,
    others: Sequence[Windows] = (),
    every_gaps: int = EVERY_GAPS,
) -> Chosen:
    """Windows of several zones.

    Args:
        recorded: whole traces.
        windows: scenarios, or zones cut out already; what the one lacks is taken from the other where that is among
            `others` and of the same length. None: all zones that go together, and those of each region.
        others: see `beside`.
        every_gaps: how far apart windows begin that are not named.
    """
    if isinstance(windows, SingleWindows):
        refuse("the file of windows is for single zones: leave out --multi")
    if windows is None:
        return _default_scenarios(recorded, every_gaps)
    alike = [windows, *(other for other in others if _length(other) == _length(windows))]
    scenarios = next((one for one in alike if isinstance(one, ScenarioWindows)), None)
    zones = next((one for one in alike if isinstance(one, ZoneWindows)), None)
    if zones is not None:
        return _scenarios_of(zones, scenarios)
    return _default_scenarios(recorded, every_gaps) if scenarios is None else _scenarios_in(recorded, scenarios)


def _length(windows: Windows) -> int | None:
    """In gaps; None where there is no single one."""
    if isinstance(windows, ScenarioWindows):
        return windows.length
    if isinstance(windows, ZoneWindows):
        return next((window.gaps for zone in windows.by_zone.values() for window in zone), None)
    return None


def _scenarios_of(zones: ZoneWindows, scenarios: ScenarioWindows | None) -> Chosen:
    """Windows that were cut out already."""
    by_zone = zones.by_zone
    counts = {zone: len(windows) for zone, windows in by_zone.items()}
    if scenarios is None:
        least = min(counts.values(), default=0)
        wanted = {name: (of_group, least) for name, of_group in _groups_of(tuple(by_zone)).items()}
    else:
        wanted = {one.name: (one.zones, one.windows) for one in scenarios.scenarios}
    found: list[Stretch] = []
    missing = 0
    for name, (of_group, most) in wanted.items():
        there = min(most, *(counts.get(zone, 0) for zone in of_group))
        missing += most - there
        for window in range(there):
            traces = tuple(by_zone[zone][window] for zone in of_group)
            found.append(Stretch(name, traces, span_of(traces[0])))
    return Chosen(tuple(found), missing)


def _scenarios_in(recorded: Sequence[Recorded], scenarios: ScenarioWindows) -> Chosen:
    """Windows of whole traces; the zones of a scenario are looked for among those of one machine and date."""
    found: list[Stretch] = []
    asked = 0
    sides = list(_side_by_side(recorded))
    for scenario in scenarios.scenarios:
        firsts = scenarios.firsts[: scenario.windows]
        asked += len(firsts)
        for side in sides:
            if all(zone in side for zone in scenario.zones):
                found += _windows(scenario.name, [side[zone] for zone in scenario.zones], firsts, scenarios.length)
    return Chosen(tuple(found), max(asked - len(found), 0))


def _default_scenarios(recorded: Sequence[Recorded], every_gaps: int) -> Chosen:
    """All zones that go together, and those of each region."""
    found: list[Stretch] = []
    missing = 0
    for side in _side_by_side(recorded):
        some = next(iter(side.values())).trace
        gaps = min(one.trace.gaps for one in side.values())
        length = _default_length(gaps, some.gap_s)
        if len(side) == 1 or not length:
            missing += len(side)
            continue
        date = "" if some.start is None else f" {some.start:%Y-%m-%d}"
        for name, zones in _groups_of(tuple(side)).items():
            firsts = range(0, gaps - length + 1, every_gaps)
            found += _windows(
                f"{some.instance_type}{date} {name}".strip(), [side[zone] for zone in zones], firsts, length
            )
    return Chosen(tuple(found), missing)


def _groups_of(zones: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """All zones, and those of each region that has several of them but not all."""
    groups = {f"all {len(zones)} zones": tuple(zones)}
    for region in dict.fromkeys(map(region_of, zones)):
        of_region = tuple(zone for zone in zones if region_of(zone) == region)
        if 1 < len(of_region) < len(zones):
            groups[region] = of_region
    return groups


def _side_by_side(recorded: Sequence[Recorded]) -> Iterator[Mapping[str, Recorded]]:
    """Traces of one machine, gap length and date by zone, from the gap on in which the last of them begins."""
    groups: dict[tuple[object, ...], dict[str, Recorded]] = {}
    for one in recorded:
        date = one.origin if one.trace.start is None else one.trace.start.date()
        key = (one.trace.gap_s, one.trace.instance_type, date)
        groups.setdefault(key, {}).setdefault(one.trace.zone, one)
    for group in groups.values():
        start_s = max(one.start_s for one in group.values())
        yield {zone: _from(one, start_s) for zone, one in group.items()}


def _from(one: Recorded, start_s: float) -> Recorded:
    first = round((start_s - one.start_s) / one.trace.gap_s)
    return Recorded(one.origin, one.trace.window(first, one.trace.gaps)) if first else one


def _windows(group: str, side: Sequence[Recorded], firsts: Sequence[int], length: int) -> Iterator[Stretch]:
    gaps = min(one.trace.gaps for one in side)
    for first in firsts:
        if first + length <= gaps:
            yield Stretch(group, *_cut(side, first, length))


def _cut(side: Sequence[Recorded], first: int, length: int) -> tuple[tuple[Trace, ...], Span]:
    return tuple(one.trace.window(first, length) for one in side), side[0].span(first, length)


def _listed(recorded: Sequence[Recorded], windows: SingleWindows) -> Chosen:
    by_env: dict[str, Recorded] = {}
    for one in recorded:
        if by_env.setdefault(env_of(one.trace), one) is not one:
            refuse(f"two traces are named {env_of(one.trace)}, so windows of them cannot be told apart")
    found: list[Stretch] = []
    for window in windows.windows:
        if window.env in by_env:
            found += _windows(window.env, [by_env[window.env]], [window.first], window.length)
    return Chosen(tuple(found), len(windows.windows) - len(found))


def _default_length(gaps: int, gap_s: float) -> int:
    """As many gaps as the longest deadline takes that a trace of so many reaches; 0 where it reaches none."""
    lengths = [math.ceil(deadline_h * SECONDS_AN_HOUR / gap_s) for deadline_h in DEADLINES_H]
    return max((length for length in lengths if length <= gaps), default=0)
