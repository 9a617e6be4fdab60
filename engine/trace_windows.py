"""Which stretches of which traces a benchmark replays: the text of a file -> windows, as values.

Three kinds of file are read. `windows` lists stretches of single zones. `scenarios` lists groups of zones that a job
may move between, and the gaps at which their windows start. `zones` holds the windows of zones themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.spot_market import Trace
from engine.trace_fields import Fields, TraceError, is_whole, json_object, series_of, shown

EVERY_GAPS: Final = 140
"""Default windows start this many gaps apart."""


@dataclass(frozen=True)
class Window:
    """`length` gaps from gap `first` on of the trace named `env` (`<zone>_<instance>`)."""

    env: str
    first: int
    length: int


@dataclass(frozen=True)
class SingleWindows:
    """Stretches of single zones, in the order of the file."""

    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Scenario:
    """Zones that a job may move between, and how many of the windows count."""

    name: str
    zones: tuple[str, ...]
    windows: int


@dataclass(frozen=True)
class ScenarioWindows:
    """Scenarios over common windows: window i of every zone is `length` gaps from gap `firsts[i]` on."""

    firsts: tuple[int, ...]
    length: int
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True)
class ZoneWindows:
    """The windows of each zone (by its name, without the instance), cut out and with their prices."""

    by_zone: Mapping[str, tuple[Trace, ...]]


@dataclass(frozen=True)
class ScenarioRun:
    """One window of one scenario: a trace for each of its zones, side by side."""

    scenario: str
    window: int
    traces: tuple[Trace, ...]


def env_of(trace: Trace) -> str:
    """The name that files of windows call a trace by."""
    return f"{trace.zone}_{trace.instance_type}" if trace.instance_type else trace.zone


def default_windows(trace: Trace, longest_deadline_s: float, every_gaps: int = EVERY_GAPS) -> tuple[Window, ...]:
    """Windows as long as the longest deadline, every `every_gaps` gaps from the first on.

    Raises:
        TraceError: the trace is shorter than the deadline.
    """
    length = math.ceil(longest_deadline_s / trace.gap_s)
    if length > trace.gaps:
        raise TraceError(
            env_of(trace),
            f"the trace lasts {trace.gaps * trace.gap_s / 3600:.1f} h, less than the deadline of"
            f" {longest_deadline_s / 3600:g} h",
            "take a longer trace or an earlier deadline",
        )
    return tuple(Window(env_of(trace), first, length) for first in range(0, trace.gaps - length + 1, every_gaps))


def read_windows(text: str, name: str) -> SingleWindows | ScenarioWindows | ZoneWindows:
    """What a file of windows says; `name` is for messages.

    Raises:
        TraceError: the text is no file of windows, or says what cannot be.
    """
    found = Fields(json_object(text, name), name)
    if "windows" in found:
        return SingleWindows(tuple(_window(one) for one in found.parts("windows")))
    if "scenarios" in found:
        return _scenario_windows(found)
    if "zones" in found:
        return _zone_windows(found)
    raise TraceError(name, "it is no file of windows", "it has to have `windows`, `scenarios` or `zones`")


def cut(windows: SingleWindows, traces: Sequence[Trace]) -> tuple[Trace, ...]:
    """The stretch of each window, from the trace of its name.

    Raises:
        TraceError: a window is of no given trace or of two, or reaches beyond its end.
    """
    named = {window.env for window in windows.windows}
    by_env: dict[str, Trace] = {}
    for trace in traces:
        env = env_of(trace)
        if env in named and by_env.setdefault(env, trace) is not trace:
            raise TraceError(env, "two traces are of this name", "name the one that the windows are of")
    return tuple(_cut(window, by_env.get(window.env)) for window in windows.windows)


def scenario_runs(scenarios: ScenarioWindows, zones: ZoneWindows | Sequence[Trace]) -> tuple[ScenarioRun, ...]:
    """Every window of every scenario, from windows that were cut out already or from the zones' whole traces.

    Raises:
        TraceError: a zone or a window of a scenario is missing, or two traces are of one of the zones.
    """
    by_zone = zones.by_zone if isinstance(zones, ZoneWindows) else _cut_all(scenarios, zones)
    return tuple(
        ScenarioRun(scenario.name, window, tuple(_window_of(by_zone, zone, window) for zone in scenario.zones))
        for scenario in scenarios.scenarios
        for window in range(scenario.windows)
    )


def _window(found: Fields) -> Window:
    return Window(found.text("env"), found.whole("start"), found.whole("length", least=1))


def _scenario_windows(found: Fields) -> ScenarioWindows:
    firsts = found.values("starts")
    for index, first in enumerate(firsts):
        if not is_whole(first):
            raise found.error(f"starts[{index}]", f"is {shown(first)}, not a gap", "write a whole number, 0 or more")
    parts = found.part("scenarios")
    return ScenarioWindows(
        firsts=tuple(firsts),
        length=found.whole("length", least=1),
        scenarios=tuple(_scenario(parts, name, len(firsts)) for name in parts.keys()),  # noqa: SIM118
    )


def _scenario(parts: Fields, name: str, most: int) -> Scenario:
    match parts.values(name):
        case [[*zones], int(windows)] if zones and all(isinstance(zone, str) for zone in zones) and 0 < windows <= most:
            return Scenario(name, tuple(zones), windows)
    raise parts.error(name, "is malformed", f"a scenario is [[zone, ...], windows (1 to {most})]")


def _zone_windows(found: Fields) -> ZoneWindows:
    gap_s = found.gap_s("gap_seconds")
    length = found.whole("length", least=1)
    on_demand_usd_h = found.price_usd_h("on_demand_price")
    zones = found.part("zones")
    envs: dict[str, str] = {}
    by_zone: dict[str, tuple[Trace, ...]] = {}
    for env in zones.keys():  # noqa: SIM118
        series = series_of(f"{env}.json")
        other = envs.setdefault(series.zone, env)
        if other != env:
            raise zones.error(env, f"is of the same zone as {other}", "put each instance type into a file of its own")
        windows = []
        for part in zones.parts(env):
            available = part.runs("rle")
            if len(available) != length:
                raise part.error("rle", f"holds {len(available)} gaps, not {length}", "all windows are equally long")
            windows.append(
                Trace(
                    zone=series.zone,
                    instance_type=series.instance_type,
                    gap_s=gap_s,
                    available=available,
                    start=part.instant("start_time"),
                    spot_usd_h=part.stepwise_usd_h("price_changes", length),
                    on_demand_usd_h=on_demand_usd_h,
                )
            )
        by_zone[series.zone] = tuple(windows)
    return ZoneWindows(by_zone)


def _cut_all(scenarios: ScenarioWindows, traces: Sequence[Trace]) -> Mapping[str, tuple[Trace, ...]]:
    """The windows of the zones that scenarios name, which they do without the instance type."""
    named = {zone for scenario in scenarios.scenarios for zone in scenario.zones}
    whole: dict[str, Trace] = {}
    for trace in traces:
        if trace.zone not in named:
            continue
        other = whole.setdefault(trace.zone, trace)
        if other is not trace:
            raise TraceError(
                trace.zone,
                f"two traces are of this zone: {env_of(other)} and {env_of(trace)}",
                "scenarios name zones alone: name the traces of one instance type and time",
            )
    return {
        zone: tuple(_cut(Window(env_of(trace), first, scenarios.length), trace) for first in scenarios.firsts)
        for zone, trace in whole.items()
    }


def _cut(window: Window, trace: Trace | None) -> Trace:
    if trace is None:
        raise TraceError(window.env, "there is no trace of this name", "give the folder that holds it")
    if window.first + window.length > trace.gaps:
        raise TraceError(
            window.env,
            f"a window reaches from gap {window.first} to {window.first + window.length}, but the trace has"
            f" {trace.gaps} gaps",
            "give the whole trace",
        )
    return trace.window(window.first, window.length)


def _window_of(by_zone: Mapping[str, tuple[Trace, ...]], zone: str, window: int) -> Trace:
    windows = by_zone.get(zone, ())
    if window >= len(windows):
        raise TraceError(zone, f"window {window} of the zone is missing", "give all windows of the zones of a scenario")
    return windows[window]
