"""`pareto`, from the file to the printed table, the drawing, the written file and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from cli.plot import MOST_POINT_ROWS, scatter
from tests.kits.program import Run, Write

GPUS = """
name: gpus
resources:
  any_of: [{accelerators: H100:8}, {accelerators: A100:8}]
  purchase: [on_demand, spot]
estimate:
  hours: {"H100:8": 2h, "A100:8": 5h}
"""
TWO_TASKS = """
name: two
tasks:
  prepare: {resources: {cpus: 4+, memory: 16+}, estimate: 1h}
  train:
    depends_on: {prepare: {data: 50 GB}}
    resources: {any_of: [{accelerators: "H100:8"}, {accelerators: "A100:8"}]}
    estimate: {hours: {"H100:8": 2h, "A100:8": 5h}}
"""
FIGURE = {"time": "hours", "risk": "interruptions", "carbon": "carbon_kg"}


@pytest.mark.parametrize("against", FIGURE)
def test_each_point_costs_more_and_has_less_of_the_other(skybroker: Run, workload: Write, against: str) -> None:
    """From the cheapest on, whatever cost is traded against."""
    done = skybroker("pareto", workload(GPUS), "--against", against, "--output", "json")
    found = json.loads(done.out)
    assert (done.code, found["against"], found["complete"]) == (0, against, True)
    costs = [point["cost_usd"] for point in found["points"]]
    figures = [point[FIGURE[against]] for point in found["points"]]
    assert costs == sorted(set(costs))
    assert figures == sorted(set(figures), reverse=True)


def test_the_ends_are_the_cheapest_and_the_fastest_plan(skybroker: Run, workload: Write) -> None:
    """What `plan` finds for least cost and for least time, of a graph."""
    file = workload(TWO_TASKS)
    points = json.loads(skybroker("pareto", file, "--output", "json").out)["points"]
    cheapest, fastest = (
        json.loads(skybroker("plan", file, "--objective", objective, "--top", "1", "--output", "json").out)["best"]
        for objective in ("cost", "time")
    )
    assert points[0]["cost_usd"] == pytest.approx(cheapest["cost_usd"], rel=1e-5)
    assert points[-1]["hours"] == pytest.approx(fastest["hours"], rel=1e-5)
    assert len(points) > 1


def test_few_points_are_told_to_be_few(skybroker: Run, workload: Write) -> None:
    """Both ends alone; that there may be more is said, in the table as in the data."""
    file = workload(TWO_TASKS)
    found = json.loads(skybroker("pareto", file, "--points", "2", "--output", "json").out)
    assert (len(found["points"]), found["complete"]) == (2, False)
    assert "There may be more" in skybroker("pareto", file, "--points", "2").out


def test_the_table_is_drawn_without_colour_in_80_columns(skybroker: Run, workload: Write) -> None:
    """A point is marked for each row, or fewer where two meet; a row names what it buys."""
    done = skybroker("pareto", workload(GPUS))
    drawing = [line for line in done.out.splitlines() if line.startswith(("|", "+-"))]
    assert len(drawing) == MOST_POINT_ROWS + 1
    assert max(map(len, drawing)) <= 80
    assert sum(line.count("●") + line.count("*") for line in drawing) >= 2
    assert "\x1b" not in done.out
    assert "MACHINES" in done.out


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet"])
def test_the_points_are_written_as_data(skybroker: Run, workload: Write, tmp_path: Path, suffix: str) -> None:
    """A row for each point, the same as are printed."""
    file, out = workload(GPUS), tmp_path / f"points{suffix}"
    printed = json.loads(skybroker("pareto", file, "-o", out, "--output", "json").out)
    if suffix == ".json":
        assert json.loads(out.read_text()) == printed
        return
    rows = pl.read_csv(out) if suffix == ".csv" else pl.read_parquet(out)
    assert rows["cost_usd"].to_list() == pytest.approx([point["cost_usd"] for point in printed["points"]])
    assert set(rows.columns) == {"cost_usd", "charge_usd", "hours", "interruptions", "carbon_kg", "machines"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--against", "beauty"], 64, "--against"),
        (["--points", "1"], 64, "--points"),
        (["-o", "points.xlsx"], 64, ".parquet"),
        (["--time-limit", "0"], 64, "--time-limit"),
    ],
)
def test_bad_input_is_one_line(skybroker: Run, workload: Write, arguments: list[str], code: int, words: str) -> None:
    """What is wrong, and nothing on stdout."""
    done = skybroker("pareto", workload(GPUS), *arguments)
    assert (done.code, done.out) == (code, "")
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]


@pytest.mark.parametrize("text", [GPUS, TWO_TASKS], ids=["single", "graph"])
def test_limits_that_nothing_keeps_are_named(skybroker: Run, workload: Write, text: str) -> None:
    """Infeasible, as `plan` says it."""
    file = workload(f"budget: 0.01{text}")
    done = skybroker("pareto", file)
    assert (done.code, done.out) == (3, "")
    reason = done.err.splitlines()[0]
    assert "budget $0.01" in reason
    assert reason in skybroker("plan", file).err.splitlines()


def test_points_are_drawn_where_they_are() -> None:
    """The dearest to the right, the slowest on top; what does not differ in both is not drawn."""
    lines = scatter([(1.0, 9.0), (3.0, 1.0)], width=10, glyph="*")
    assert (lines[0], lines[MOST_POINT_ROWS - 1], lines[-1]) == ("| *", "|        *", "+---------")
    assert scatter([(1.0, 9.0), (1.0, 1.0)], width=10, glyph="*") == []
