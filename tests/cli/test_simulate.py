"""`simulate`: traces, windows and models in, a table, data or a drawing out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cli.expecting import expected_by_fit
from engine.spot_market import Trace
from tests.kits.program import Run
from tests.kits.rows import offer, offers, published

Put = Callable[..., Path]
SHORT_JOB = ("--work", "4h", "--deadline", "6h", "--overhead", "10m")


@pytest.fixture
def small(skybroker: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program on a catalog of one offer, and of no model."""
    catalog = tmp_path / "catalog.duckdb"
    published(catalog, offers=offers(offer()))
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    return skybroker


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a trace of half an hour a gap, by default of a day on which a V100 comes and goes."""

    def write(name: str = "us-west-2a_v100.json", runs: object = None, **changes: object) -> Path:
        file = tmp_path / "traces" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        rle = runs or [[1, 9], [0, 4], [1, 6], [0, 11], [1, 18]]
        keys = {"gap_seconds": 1800, "rle": rle, "start_utc": "2026-01-01T00:00:00Z", **changes}
        file.write_text(json.dumps({key: value for key, value in keys.items() if value is not None}))
        return file

    return write


def data(done: Any) -> Any:
    """The JSON that a run printed."""
    assert done.code == 0, done.err
    return json.loads(done.out)


def names(found: Any) -> list[str]:
    """The policies of a table of data."""
    return [one["policy"] for one in found["policies"]]


def test_a_row_for_each_policy_and_what_was_replayed(small: Run, put: Put) -> None:
    """The optimum first; by default all policies that differ in one zone; below, the grounds."""
    done = small("simulate", put(), *SHORT_JOB, "--every", "6")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ("POLICY MEAN $ SD $ 5 % $ 95 % $ LATE x OPTIMUM INTERRUPTIONS MOVES SPOT".split())
    rows = {line.split()[0]: line.split()[1:] for line in lines[2 : lines.index("")]}
    assert list(rows) == [
        "optimum",
        "on-demand",
        "greedy",
        "time-sliced",
        "uniform-progress",
        "uniform-progress-no-hysteresis",
        "stochastic",
    ]
    assert rows["optimum"][4:] == ["0", "1.000", "-", "-", "-"]
    # Four hours, ten minutes to start, in whole gaps at $3.06/h.
    assert rows["on-demand"][0] == "13.77"
    assert rows["on-demand"][6:] == ["0.0", "0.0", "0%"]
    remarks = lines[lines.index("") + 1 :]
    assert remarks[0] == (
        "7 runs: 1 job (4 h of work; deadline 6 h; overhead 0.1667 h) in each of 7 windows of 1 series."
    )
    assert remarks[1].startswith("Fitted on: the built-in prior")
    assert remarks[2].startswith("Assumed: $0.9731/h for spot and $3.06/h on demand")


def test_data_hold_every_run_and_every_job(small: Run, put: Put) -> None:
    """Two deadlines and two overheads are four jobs in each window; means are those of the runs."""
    done = small(
        "simulate", put(), "--work", "2h", "--deadline", "3h,5h", "--overhead", "0,15m", "--every", "12",
        "--policy", "greedy", "--policy", "on-demand", "--output", "json",
    )  # fmt: skip
    found = data(done)
    assert (found["schema_version"], found["reference"], found["multi"]) == (1, False, False)
    assert names(found) == ["optimum", "greedy", "on-demand"]
    assert [(job["deadline_h"], job["overhead_h"]) for job in found["jobs"]] == [(3, 0), (3, 0.25), (5, 0), (5, 0.25)]
    runs = found["runs"]
    assert (found["windows"], len(runs), [run["run"] for run in runs]) == (4, 16, list(range(1, 17)))
    mean = sum(run["cost_usd"]["greedy"] for run in runs) / 16
    assert found["policies"][1]["mean_usd"] == pytest.approx(mean)
    of_last_job = [run["cost_usd"]["on-demand"] for run in runs if (run["deadline_h"], run["overhead_h"]) == (5, 0.25)]
    assert found["jobs"][3]["policies"][2]["mean_usd"] == pytest.approx(sum(of_last_job) / 4)
    assert all(run["cost_usd"]["optimum"] <= run["cost_usd"]["greedy"] + 1e-9 for run in runs)
    assert runs[4]["start"] == "2026-01-01T06:00:00+00:00"
    # No policy of these expects anything.
    assert found["fitted_on"] is None


def test_yaml_says_the_same(small: Run, put: Put) -> None:
    """Data for programs, in either form."""
    arguments = ("simulate", put(), *SHORT_JOB, "--policy", "greedy", "--output")
    assert yaml.safe_load(small(*arguments, "yaml").out) == data(small(*arguments, "json"))


def test_what_is_free_has_no_ratio(small: Run, put: Put) -> None:
    """Spot at $0/h all day: the optimum is $0.00, and a cost over it is not told, neither as a number nor as one."""
    free = ("simulate", put(runs=[[1, 12]], price_changes=[[0, 0]]), *SHORT_JOB)
    done = small(*free)
    assert done.code == 0, done.err
    rows = {line.split()[0]: line.split() for line in done.out.splitlines()[2:9]}
    assert (rows["optimum"][1], rows["optimum"][6]) == ("0.00", "-")
    assert (rows["on-demand"][1], rows["on-demand"][6]) == ("13.77", "-")
    assert "It is free here, so that no cost has a ratio to it." in done.out
    assert {one["ratio"] for one in data(small(*free, "--output", "json"))["policies"]} == {None}
    assert "free" not in small("simulate", put(runs=[[1, 12]]), *SHORT_JOB).out


def test_a_price_of_0_may_be_assumed(small: Run, put: Put) -> None:
    """Where a trace has none, and somebody says that it is free."""
    done = small("simulate", put(runs=[[1, 12]]), *SHORT_JOB, "--spot-price", "0", "--policy", "greedy")
    assert "Assumed: $0/h for spot and $3.06/h on demand" in done.out
    assert done.out.splitlines()[3].split()[:2] == ["greedy", "0.00"]


def test_zones_side_by_side(small: Run, put: Put) -> None:
    """What one zone lacks another has: the job moves, and is cheaper than in the first zone alone."""
    put("us-west-2a_v100.json", [[1, 4], [0, 20]])
    folder = put("us-west-2b_v100.json", [[0, 4], [1, 20]]).parent
    found = data(small("simulate", folder, "--multi", *SHORT_JOB, "--output", "json"))
    assert "uniform-progress-any-zone" in names(found)
    by_name = {one["policy"]: one for one in found["policies"]}
    assert by_name["uniform-progress-any-zone"]["moves"] > 0
    assert by_name["stochastic"]["mean_usd"] < by_name["greedy"]["mean_usd"]
    assert found["runs"][0]["zones"] == ["us-west-2a", "us-west-2b"]
    table = small("simulate", folder, "--multi", *SHORT_JOB, "--policy", "greedy").out
    assert "1 window of 1 market." in table


def test_windows_of_a_file(small: Run, put: Put, tmp_path: Path) -> None:
    """They name the trace, the first gap and the length."""
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps({"windows": [{"env": "us-west-2a_v100", "start": 9, "length": 12}]}))
    found = data(small("simulate", put(), *SHORT_JOB, "--windows", windows, "--output", "json", "--policy", "greedy"))
    assert [run["start"] for run in found["runs"]] == ["2026-01-01T04:30:00+00:00"]


def test_windows_of_zones_need_no_trace(small: Run, tmp_path: Path) -> None:
    """Each by itself, or side by side in the scenarios of another file."""
    zones, scenarios = tmp_path / "zones.json", tmp_path / "scenarios.json"
    cut = [{"rle": [[1, 12]], "price_changes": [[0, 1.5]]}]
    zones.write_text(
        json.dumps({"gap_seconds": 1800, "length": 12, "on_demand_price": 3, "zones": {"a-1_x": cut, "b-1_x": cut}})
    )
    scenarios.write_text(json.dumps({"starts": [0], "length": 12, "scenarios": {"pair": [["a-1", "b-1"], 1]}}))
    arguments = (*SHORT_JOB, "--policy", "greedy", "--output", "json", "--windows", zones)
    found = data(small("simulate", *arguments))
    assert [run["cost_usd"]["greedy"] for run in found["runs"]] == [pytest.approx(1.5 * 4.5)] * 2
    found = data(small("simulate", *arguments, "--windows", scenarios, "--multi"))
    assert [(run["window_of"], run["zones"]) for run in found["runs"]] == [("pair", ["a-1", "b-1"])]


def test_a_series_that_is_too_short_is_left_out_and_named(small: Run, put: Put) -> None:
    """The others are replayed."""
    put("us-west-2b_v100.json", [[1, 4]])
    done = small("simulate", put().parent, *SHORT_JOB, "--policy", "greedy")
    assert (done.code, "Shorter than the deadline and left out: us-west-2b_v100." in done.out) == (0, True)


def test_late_runs_are_in_the_table_and_no_error(small: Run, put: Put) -> None:
    """The public simulator rounds a deadline of four and a half gaps down; honestly a run ends within it."""
    job = ("--work", "100m", "--deadline", "135m", "--overhead", "30m", "--policy", "on-demand")
    faulty, honest = (small("simulate", put(runs=[[1, 6]]), *job, *mode) for mode in (["--reference"], []))
    assert (faulty.code, honest.code) == (0, 0)
    late = [done.out.splitlines()[3].split()[5] for done in (faulty, honest)]
    assert late == ["1", "0"]
    assert "The faults of the public simulators are kept" in faulty.out
    assert "faults" not in honest.out


def test_the_catalogs_model_is_taken_if_its_data_are_of_other_dates(small: Run, put: Put) -> None:
    """What was fitted to the dates that are replayed proves nothing; then the prior is taken, and it is said."""
    march = put("march/us-west-2a_v100.json".replace("/", "-"), [[1, 60], [0, 30]] * 3, zone="us-west-2a",
                instance="v100", start_utc="2026-03-01T00:00:00Z")  # fmt: skip
    assert small("catalog", "fit", march).code == 0
    january = data(small("simulate", put(), *SHORT_JOB, "--policy", "stochastic", "--output", "json"))
    assert january["fitted_on"] == ["the catalog's model of aws v100: 135 h of march-us-west-2a_v100.json"]
    again = data(small("simulate", march, *SHORT_JOB, "--policy", "stochastic", "--output", "json"))
    assert again["fitted_on"][0].startswith("the built-in prior")
    assert again["fitted_on"][0].endswith("the catalog's model of aws v100 may know what is replayed")


def test_what_is_replayed_is_cut_out_of_what_is_fitted_to(small: Run, put: Put, tmp_path: Path) -> None:
    """A window of six hours out of a long trace that is named for both."""
    trace = put(runs=[[1, 60], [0, 30]] * 3)
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps({"windows": [{"env": "us-west-2a_v100", "start": 100, "length": 12}]}))
    done = small("simulate", trace, *SHORT_JOB, "--windows", windows, "--fit", trace, "--policy", "stochastic")
    assert done.code == 0, done.err
    said = "129 h of 1 series in us-west-2a_v100.json, without 6 h of dates that are replayed, or of stretches of less"
    assert f"Fitted on: {said}" in done.out


@pytest.mark.parametrize("start", ["2026-01-01T00:00:00Z", None])
def test_dates_are_cut_out_of_all_zones(small: Run, put: Put, tmp_path: Path, start: str | None) -> None:
    """Files of one folder that say no date are taken to begin together; those of another folder are not touched."""
    replayed = put(runs=[[1, 60], [0, 30], [1, 7], [0, 83]], start_utc=start)
    neighbour = put("us-west-2b_v100.json", [[1, 90], [0, 90]], start_utc=start)
    other = put("elsewhere/us-west-2b_v100.json", [[0, 96]], start_utc=start and "2026-02-01T00:00:00Z")
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps({"windows": [{"env": "us-west-2a_v100", "start": 88, "length": 12}]}))
    arguments = ("simulate", replayed, *SHORT_JOB, "--windows", windows, "--policy", "stochastic", "--output", "json")
    [said] = data(small(*arguments, "--fit", neighbour, "--fit", other))["fitted_on"]
    assert said.startswith("132 h of 1 series in us-west-2b_v100.json, us-west-2b_v100.json, without 6 h of dates")


def test_each_zone_is_expected_to_be_as_its_own_traces_were(put: Put) -> None:
    """One that the traces say nothing of is expected to be as all of them."""
    put("past/us-west-2a_v100.json", [[1, 20], [0, 2]] * 8)
    folder = put("past/us-west-2b_v100.json", [[0, 20], [1, 2]] * 8).parent
    zones = [Trace(f"us-west-2{letter}", "v100", 1800.0, np.ones(9, dtype=bool)) for letter in "abc"]
    models = expected_by_fit([folder], [], []).models_of(zones)
    often, seldom, between = (model.weights @ model.up_share for model in models)
    assert seldom < between < often


def test_a_run_drawn(small: Run, put: Put) -> None:
    """Four hours from the first gap, all on spot; 80 columns of plain ASCII where stdout is no terminal."""
    done = small("simulate", put(runs=[[1, 12]]), *SHORT_JOB, "--policy", "greedy", "--plot", "1")
    assert done.code == 0, done.err
    assert done.out.isascii()
    lines = done.out.splitlines()
    drawing = lines[next(row for row, line in enumerate(lines) if line.startswith("greedy:")) :]
    assert drawing[0] == "greedy: $4.38, done after 4.167 h; optimum: $4.38, done after 4.167 h."
    assert max(map(len, drawing[1:15])) == 80
    assert drawing[1].startswith("4 h ")
    assert drawing[1].endswith("|")
    (machine,) = (line for line in drawing if line.startswith("machine"))
    assert set(machine.split()[1]) == {"a"}
    (spot,) = (line for line in drawing if line.startswith("spot a"))
    assert spot.split()[2] == "=" * 70


def test_a_run_drawn_as_data(small: Run, put: Put) -> None:
    """The machine of each stretch, and the work done at its end."""
    trace = put(runs=[[1, 4], [0, 8]])
    done = small("simulate", trace, *SHORT_JOB, "--policy", "greedy", "--plot", "1", "--output", "json")
    greedy, optimum = data(done)["plot"]["policies"]
    assert optimum["policy"] == "optimum"
    assert [(one["machine"], one["zone"], one["from_h"], one["to_h"]) for one in greedy["stretches"]][:2] == [
        ("spot", "us-west-2a", 0.0, 2.0), ("none", None, 2.0, 3.5),
    ]  # fmt: skip
    assert greedy["stretches"][0]["done_h"] == pytest.approx(2 - 1 / 6)
    assert greedy["stretches"][-1]["done_h"] == pytest.approx(4.0)
