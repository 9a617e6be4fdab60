"""Files of windows -> which stretches of which traces a benchmark replays."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from engine.spot_market import Trace
from engine.trace_fields import TraceError
from engine.trace_text import read_trace
from engine.trace_windows import (
    Scenario,
    ScenarioWindows,
    SingleWindows,
    Window,
    ZoneWindows,
    cut,
    default_windows,
    env_of,
    read_windows,
    scenario_runs,
)

ZONES: Final[dict[str, Any]] = {
    "gap_seconds": 195,
    "length": 3,
    "on_demand_price": 3,
    "zones": {
        "us-east-1a_v100_1": [
            {"start_time": "2023-03-30T13:38:47", "rle": [[0, 3]], "price_changes": [[0, 1], [1, 2]]},
            {"start_time": "2023-03-22T09:15:21", "rle": [[1, 3]], "price_changes": [[0, 4]]},
        ],
        "us-east-1c_v100_1": [{"rle": [[1, 1], [0, 2]]}],
    },
}


def trace(zone: str = "us-west-2a", gaps: int = 10) -> Trace:
    """A trace whose gaps can be told apart by their price."""
    return Trace(zone, "k80_1", 600.0, np.ones(gaps, dtype=bool), spot_usd_h=np.arange(float(gaps)))


def test_single_windows_are_cut_from_the_traces_of_their_name() -> None:
    """A window names a trace, its first gap and its length."""
    found = read_windows(json.dumps({"windows": [{"env": "us-west-2a_k80_1", "start": 4, "length": 3}]}), "w.json")
    assert found == SingleWindows((Window("us-west-2a_k80_1", 4, 3),))
    (stretch,) = cut(found, [trace("us-west-2b"), trace()])
    assert stretch.spot_usd_h is not None
    assert stretch.spot_usd_h.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (Window("us-west-2a_v100_8", 0, 3), "there is no trace of this name"),
        (Window("us-west-2a_k80_1", 8, 3), "a window reaches from gap 8 to 11, but the trace has 10 gaps"),
    ],
)
def test_a_window_that_no_trace_holds_is_refused(window: Window, says: str) -> None:
    """Nothing is cut short in silence."""
    with pytest.raises(TraceError, match=says):
        cut(SingleWindows((window,)), [trace()])


def test_scenarios_over_whole_traces_start_where_the_file_says() -> None:
    """Each scenario takes its first windows, of all of its zones."""
    text = json.dumps({"starts": [5, 2], "length": 4, "scenarios": {"pair": [["a", "b"], 1], "all": [["b"], 2]}})
    found = read_windows(text, "w.json")
    assert found == ScenarioWindows((5, 2), 4, (Scenario("pair", ("a", "b"), 1), Scenario("all", ("b",), 2)))
    runs = scenario_runs(found, [trace("a"), trace("b")])
    assert [(run.scenario, run.window, [one.zone for one in run.traces]) for run in runs] == [
        ("pair", 0, ["a", "b"]),
        ("all", 0, ["b"]),
        ("all", 1, ["b"]),
    ]
    assert [[float(one.spot_usd_h[0]) for one in run.traces if one.spot_usd_h is not None] for run in runs] == [
        [5, 5],
        [5],
        [2],
    ]


def test_windows_that_were_cut_out_are_traces() -> None:
    """The exact form holds each window of each zone, with its prices."""
    found = read_windows(json.dumps(ZONES), "w.json")
    assert isinstance(found, ZoneWindows)
    first, second = found.by_zone["us-east-1a"]
    assert (first.zone, first.instance_type, first.gap_s, first.on_demand_usd_h) == ("us-east-1a", "v100_1", 195, 3)
    assert first.spot_usd_h is not None
    assert first.spot_usd_h.tolist() == [1, 2, 2]
    assert second.available.all()
    assert found.by_zone["us-east-1c"][0].spot_usd_h is None


@pytest.mark.parametrize("other", [{"instance_type": "v100_1"}, {"start": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_two_traces_of_a_zone_of_a_scenario_are_refused(other: dict[str, Any]) -> None:
    """Scenarios name zones alone, so nobody knows which type or time they mean; of other zones it does not matter."""
    scenarios = ScenarioWindows((5,), 4, (Scenario("one", ("b",), 1),))
    with pytest.raises(TraceError, match=r"b: two traces are of this zone: b_k80_1 and b_") as caught:
        scenario_runs(scenarios, [trace("a"), trace("b"), replace(trace("b"), **other)])
    assert "one instance type" in caught.value.hint
    (run,) = scenario_runs(scenarios, [trace("a", gaps=1), trace("b"), replace(trace("a"), **other)])
    assert run.traces[0].instance_type == "k80_1"


def test_two_traces_of_the_name_of_a_window_are_refused() -> None:
    """A name that no window has may be there twice."""
    windows = SingleWindows((Window("us-west-2a_k80_1", 0, 3),))
    with pytest.raises(TraceError, match="us-west-2a_k80_1: two traces are of this name"):
        cut(windows, [trace(), trace()])
    assert len(cut(windows, [trace(), trace("us-west-2b"), trace("us-west-2b")])) == 1


def test_a_scenario_whose_window_is_missing_is_refused() -> None:
    """A zone with fewer windows than the scenario wants is named."""
    zones = read_windows(json.dumps(ZONES), "w.json")
    assert isinstance(zones, ZoneWindows)
    scenarios = ScenarioWindows((0, 0), 3, (Scenario("pair", ("us-east-1a", "us-east-1c"), 2),))
    with pytest.raises(TraceError, match="us-east-1c: window 1 of the zone is missing"):
        scenario_runs(scenarios, zones)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not valid JSON"),
        ("{}", "no file of windows"),
        ('{"windows": [7]}', "windows[0] is 7, not an object"),
        ('{"windows": [{"env": "x", "start": -1, "length": 3}]}', "windows[0].start is -1"),
        ('{"windows": [{"env": "x", "start": 0, "length": 0}]}', "windows[0].length is 0"),
        ('{"starts": [0.5], "length": 3, "scenarios": {}}', "starts[0] is 0.5"),
        ('{"starts": [0], "length": 3, "scenarios": {"x": [["a"], 2]}}', "scenarios.x is malformed"),
        ('{"starts": [0], "length": 3, "scenarios": {"x": [[], 1]}}', "scenarios.x is malformed"),
        (
            json.dumps({**ZONES, "zones": {**ZONES["zones"], "us-east-1c_k80_1": []}}),
            "zones.us-east-1c_k80_1 is of the same zone as us-east-1c_v100_1",
        ),
        (json.dumps({**ZONES, "length": 4}), "zones.us-east-1a_v100_1[0].rle holds 3 gaps, not 4"),
    ],
)
def test_bad_files_of_windows_are_named(text: str, says: str) -> None:
    """The error leads to the field that is wrong."""
    with pytest.raises(TraceError) as caught:
        read_windows(text, "w.json")
    assert says in caught.value.message


def test_default_windows_are_as_long_as_the_longest_deadline() -> None:
    """They start every so many gaps, and the last one still fits."""
    windows = default_windows(trace(gaps=300), 9 * 600.0 + 1)
    assert [(window.first, window.length) for window in windows] == [(0, 10), (140, 10), (280, 10)]


def test_a_trace_as_long_as_the_deadline_has_one_window() -> None:
    """A deadline may last to the end of the trace."""
    assert default_windows(trace(gaps=10), 6000.0) == (Window("us-west-2a_k80_1", 0, 10),)


def test_a_trace_shorter_than_the_deadline_is_refused() -> None:
    """The error says both lengths."""
    with pytest.raises(TraceError, match=r"lasts 1\.7 h, less than the deadline of 2 h"):
        default_windows(trace(gaps=10), 7200.0)


def test_public_windows_are_read(shared: Path) -> None:
    """180 single stretches; 34 runs of 6 scenarios, which agree with the zones' whole traces where those reach."""
    folder = shared / "data" / "traces"

    def windows(name: str) -> SingleWindows | ScenarioWindows | ZoneWindows:
        return read_windows((folder / "adrs" / name).read_text(), name)

    single = windows("single_region_windows.json")
    traces = [read_trace(file.read_text(), file.name) for file in folder.glob("aws-2022/*/*.json")]
    assert isinstance(single, SingleWindows)
    assert {stretch.gaps for stretch in cut(single, traces)} == {554}
    assert len(single.windows) == 180

    scenarios, zones = windows("multi_region_windows.json"), windows("multi_region_windows_exact.json")
    assert isinstance(scenarios, ScenarioWindows)
    assert isinstance(zones, ZoneWindows)
    assert len(scenario_runs(scenarios, zones)) == 34
    for file in folder.glob("aws-2023*/*.json"):
        whole = read_trace(file.read_text(), file.name)
        for first, window in zip(scenarios.firsts, zones.by_zone[whole.zone], strict=True):
            if first + scenarios.length <= whole.gaps:
                assert env_of(window) == env_of(whole)
                assert np.array_equal(window.available, whole.window(first, scenarios.length).available)
