"""`python -m benchmarks.deadline`: the windows that it takes, what it prints, and what it makes of odd folders."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from benchmarks.deadline import Weights
from benchmarks.deadline_windows import beside, of_one_zone, of_several_zones, read
from benchmarks.trace_folders import traces_in
from engine.held_out import Recorded

ROOT: Final = Path(__file__).parents[2]
HALF_HOUR: Final = 1800
RUNS: Final = [[1, 30], [0, 7], [1, 3], [0, 20], [1, 50], [0, 14], [1, 8], [0, 12]]
"""72 hours in half hours: longer than the later deadline by two."""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "benchmarks.deadline", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write(folder: Path, zone: str, rle: list[list[int]] = RUNS, *, gap_s: int = HALF_HOUR, **fields: Any) -> None:
    """A trace in a folder."""
    folder.mkdir(exist_ok=True)
    stored = {"zone": zone, "instance": "machine", "gap_seconds": gap_s, "rle": rle} | fields
    (folder / f"{zone}_{gap_s}_{fields.get('start_utc', '')[:10]}.json").write_text(json.dumps(stored))


def recorded(folder: Path) -> list[Recorded]:
    """The traces of a folder, as the command takes them."""
    return [Recorded(path.parent, trace) for path, trace in traces_in(folder).items()]


def table(printed: str) -> Mapping[tuple[str, str], list[str]]:
    """The figures of the first table by policy and rules."""
    rows = printed.split("\n\n")[1].splitlines()[1:]
    return {(row[:36].strip(), row[37:43]): row[43:].split() for row in rows}


def test_one_zone(tmp_path: Path) -> None:
    """A row for each policy by its rules: 97 half hours on demand, none below the optimum, ours never late."""
    write(tmp_path / "old", "us-west-2a", RUNS * 2)
    write(tmp_path / "old", "us-east-1a", RUNS, gap_s=600)
    write(tmp_path / "new", "us-west-2b")
    write(tmp_path / "new", "us-west-2c", [[1, 5]])
    (tmp_path / "new" / "notes.json").write_text('{"hello": 1}')
    ended = run("--fit", tmp_path / "old", "--eval", tmp_path / "new")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("fitted to: 2 traces of 168 h, without 0 h")
    assert "6 runs in 1 windows; left out: 1 windows without" in ended.stdout
    rows = table(ended.stdout)
    assert len(rows) == 13
    assert rows["on demand only", "public"][:3] == [f"{97 * 1.53:.4f}", "0.000", "0"]
    assert rows["ours: stochastic dynamic", "honest"][2] == "0"
    assert rows["omniscient optimum", "honest"][2:4] == ["-", "1.0000"]
    assert all(float(row[3]) >= 1 for row in rows.values())
    assert "\nus-west-2b_machine " in ended.stdout
    assert ended.stdout.endswith("\nours by honest rules: 0 late, 0 below the optimum\n")


def test_several_zones(tmp_path: Path) -> None:
    """Named windows: one job each, scenarios count alike, and what is replayed is not fitted to."""
    for zone in ("us-west-2a", "us-east-1a"):
        write(tmp_path / "traces", zone, RUNS[::-1] + RUNS, start_utc="2023-02-15T00:00:00")
    scenarios = {"both": [["us-west-2a", "us-east-1a"], 1], "turned": [["us-east-1a", "us-west-2a"], 2]}
    windows = {"starts": [0, 9_999], "length": 104, "scenarios": scenarios}
    (tmp_path / "windows.json").write_text(json.dumps(windows))
    folder = tmp_path / "traces"
    ended = run("--multi", "--fit", folder, "--eval", folder, "--windows", tmp_path / "windows.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("fitted to: 2 traces of 288 h, without 104 h")
    assert "2 runs in 2 windows; left out: 1 windows without" in ended.stdout
    rows = table(ended.stdout)
    assert len(rows) == 8
    assert rows["ours: stochastic dynamic", "honest"][2] == "0"


def test_wrong_usage_ends_with_a_line(tmp_path: Path) -> None:
    """No folder, no trace, none that lasts, all of it replayed, windows of single zones with --multi."""
    write(tmp_path / "good", "us-west-2a")
    write(tmp_path / "short", "us-west-2a", [[1, 9]])
    (tmp_path / "empty").mkdir()
    (tmp_path / "windows.json").write_text('{"windows": []}')
    good = tmp_path / "good"
    for arguments in (
        ("--fit", tmp_path / "absent", "--eval", good),
        ("--fit", good, "--eval", tmp_path / "empty"),
        ("--fit", good, "--eval", tmp_path / "short"),
        ("--fit", good, "--eval", good),
        ("--multi", "--fit", good, "--eval", good, "--windows", tmp_path / "windows.json"),
    ):
        ended = run(*arguments)
        assert ended.returncode == 64
        assert ended.stderr.count("\n") == 1


def test_default_windows_of_one_zone(tmp_path: Path) -> None:
    """Every 140 gaps, as long as the later deadline, or the earlier where a trace reaches no more; else none."""
    write(tmp_path, "us-west-2a", [[1, 421]])
    write(tmp_path, "us-west-2b", [[1, 104]])
    write(tmp_path, "us-west-2c", [[1, 103]])
    chosen = of_one_zone(recorded(tmp_path), None)
    found = [(stretch.traces[0].zone, stretch.traces[0].gaps) for stretch in chosen.stretches]
    assert found == [("us-west-2a", 140)] * 3 + [("us-west-2b", 104)]
    assert chosen.missing == 1


def test_windows_of_no_trace_are_counted(tmp_path: Path) -> None:
    """One reaches beyond the end, one is of another zone."""
    write(tmp_path / "traces", "us-west-2a", [[1, 300]])
    listed = [
        {"env": f"{zone}_machine", "start": start, "length": 110}
        for zone, start in (("us-west-2a", 190), ("us-west-2a", 191), ("us-west-2b", 0))
    ]
    (tmp_path / "windows.json").write_text(json.dumps({"windows": listed}))
    chosen = of_one_zone(recorded(tmp_path / "traces"), read(tmp_path / "windows.json"))
    assert (len(chosen.stretches), chosen.missing) == (1, 2)


def test_default_scenarios(tmp_path: Path) -> None:
    """Zones of one date go together, and those of a region of several; another date or gap length goes elsewhere."""
    for zone in ("us-west-2a", "us-west-2b", "us-east-1a"):
        write(tmp_path, zone, [[1, 300]], start_utc="2023-02-15T00:00:00")
    write(tmp_path, "us-west-2a", [[1, 300]], start_utc="2023-03-15T00:00:00")
    write(tmp_path, "us-west-2b", [[1, 300]], gap_s=3600)
    chosen = of_several_zones(recorded(tmp_path), None)
    groups = [(stretch.group, len(stretch.traces)) for stretch in chosen.stretches]
    assert groups == [("machine 2023-02-15 all 3 zones", 3)] * 2 + [("machine 2023-02-15 us-west-2", 2)] * 2
    assert chosen.missing == 2


def test_zones_that_begin_apart_are_replayed_from_the_last_on(tmp_path: Path) -> None:
    """An hour is two gaps."""
    write(tmp_path, "us-west-2a", [[0, 2], [1, 150]], start_utc="2023-02-15T00:00:00")
    write(tmp_path, "us-east-1a", [[1, 150]], start_utc="2023-02-15T01:00:00")
    chosen = of_several_zones(recorded(tmp_path), None)
    assert [trace.available.all() for trace in chosen.stretches[0].traces] == [True, True]
    assert len({trace.start for trace in chosen.stretches[0].traces}) == 1


def test_the_public_scenarios_from_either_file(shared: Path) -> None:
    """34 windows from the zones with the scenarios beside them, and the other way round."""
    folder = shared / "data" / "traces" / "adrs"
    for name in ("multi_region_windows_exact.json", "multi_region_windows.json"):
        chosen = of_several_zones([], read(folder / name), beside(folder / name))
        assert (len(chosen.stretches), chosen.missing) == (34, 0)
        assert len({stretch.group for stretch in chosen.stretches}) == 6


@pytest.mark.parametrize(("by_group", "mean", "sd"), [(False, 2.0, np.sqrt(3)), (True, 3.0, 2.0)])
def test_means(by_group: bool, mean: float, sd: float) -> None:
    """Over runs, or over the means of groups; the deviation is weighted alike."""
    weights = Weights.of(["a", "a", "a", "b"], by_group=by_group)
    figures = np.array([1.0, 1.0, 1.0, 5.0])
    assert weights.mean(figures) == pytest.approx(mean)
    assert weights.sd(figures) == pytest.approx(sd)
