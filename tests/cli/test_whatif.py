"""`skybroker whatif`, from the file to the printed comparison, the written grid and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from cli.side_by_side import InProcess, Processes
from tests.kits.program import CHECKOUT, PROGRAM, Run, Write

TWO_TASKS = """
name: two
tasks:
  prepare: {resources: {cpus: 4+, memory: 16+}, estimate: 1h}
  train:
    depends_on: {prepare: {data: 500 GB}}
    resources: {accelerators: {H100: 8, A100: 8}, purchase: [spot, on_demand]}
    estimate: {hours: {H100: 3, A100: 7}}
"""


def test_plans_stand_side_by_side(skybroker: Run, workload: Write) -> None:
    """Each variant has its column; one without a plan says why; what moves has a row."""
    file = workload(TWO_TASKS)
    done = skybroker("whatif", file, "--set", "price.spot*=100", "--variant", "deadline=1h, price.aws*=2")
    assert done.code == 0, done.err
    assert "price.spot*=100" in done.out.splitlines()[0]
    assert "no plan takes less than" in done.out
    assert any(line.startswith("train") and "spot" in line and "on_demand" in line for line in done.out.splitlines())


def test_variants_are_whole_plans_as_data(skybroker: Run, workload: Write) -> None:
    """JSON holds each variant's plan: without spot it costs more, and uses none."""
    done = skybroker("whatif", workload(TWO_TASKS), "--set", "purchase.spot=off", "--output", "json")
    today, changed = json.loads(done.out)["variants"]
    assert changed["plan"]["best"]["cost_usd"] > today["plan"]["best"]["cost_usd"]
    assert {task["purchase"] for task in changed["plan"]["best"]["placements"]} == {"on_demand"}


def test_a_way_to_buy_that_the_file_does_not_accept_is_turned_on(skybroker: Run, workload: Write) -> None:
    """With spot the plan is cheaper, and knows how often such machines are taken back."""
    only_on_demand = TWO_TASKS.replace("purchase: [spot, on_demand]", "purchase: [on_demand]")
    done = skybroker("whatif", workload(only_on_demand), "--set", "purchase.spot=on", "--output", "json")
    today, changed = json.loads(done.out)["variants"]
    assert changed["plan"]["best"]["cost_usd"] < today["plan"]["best"]["cost_usd"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 64, "nothing is asked"),
        (["--set", "pric.spot*=2"], 64, "did you mean price"),
        (["--set", "price.awss*=2"], 64, "did you mean aws"),
        (["--set", "region.us-eats-1=off"], 64, "did you mean us-east-1"),
        (["--set", "deadline=soon"], 64, "is not a time"),
        (["--sweep", "deadline=6h"], 0, ""),
        (["--sweep", "deadline=9h..6h"], 64, "is not below"),
        (["--sweep", "deadline=1h..9h", "--break-even", "price"], 64, "one at a time"),
        (["--set", "deadline=9h", "-o", "grid.json"], 64, "--out takes a sweep"),
        (["--sweep", "deadline=1h..9h", "-o", "grid.xlsx"], 64, ".parquet"),
        (["--break-even", "deadline"], 64, "of prices or of value_of_time"),
        (["--set", "deadline=1h", "--break-even", "price.spot"], 3, "no plan keeps the limits"),
    ],
)
def test_what_cannot_be_asked_is_said(
    skybroker: Run, workload: Write, options: list[str], code: int, message: str
) -> None:
    """One line, a hint, and the exit code of what it is."""
    done = skybroker("whatif", workload(TWO_TASKS), *options)
    assert done.code == code, done.out
    assert message in done.err


@pytest.mark.parametrize("suffix", ["json", "csv", "parquet"])
def test_a_sweep_is_written_and_read_back(skybroker: Run, workload: Write, tmp_path: Path, suffix: str) -> None:
    """A row for each point of the grid, in all forms; the table names the plans and draws the costs."""
    out = tmp_path / f"grid.{suffix}"
    done = skybroker(
        "whatif", workload(TWO_TASKS), "--sweep", "deadline=3h..9h:3h", "--sweep", "price.spot=*0.5..*4#4", "-o", out
    )
    assert done.code == 0, done.err
    assert "Plan 1:" in done.out
    assert "price.spot from 0.5 to 4" in done.out
    if suffix == "json":
        frame = pl.DataFrame(json.loads(out.read_text())["points"])
    else:
        frame = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert frame.columns == ["deadline", "price.spot", "status", "cost_usd", "hours", "charge_usd", "gap", "plan"]
    assert frame["deadline"].to_list() == [3.0] * 4 + [6.0] * 4 + [9.0] * 4
    assert frame["status"].to_list() == ["infeasible"] * 4 + ["optimal"] * 8
    costs = frame["cost_usd"].to_list()
    assert costs[:4] == [None] * 4
    assert costs[4:8] == sorted(costs[4:8])


def test_two_processes_answer_what_one_does(process: Run, workload: Write) -> None:
    """A grid that is large enough for several processes, as a program of its own."""
    grid = ["--sweep", "deadline=5h..9h#4", "--sweep", "price.spot=*0.5..*4#20", "--output", "json"]
    one, two = (process(["whatif", workload(TWO_TASKS), *grid, "--processes", count]) for count in ("1", "2"))
    assert one.code == two.code == 0, two.err
    figures = [[(point["cost_usd"], point["hours"]) for point in json.loads(done.out)["points"]] for done in (one, two)]
    assert figures[0] == figures[1]
    assert len(figures[0]) == 80


def test_a_break_even_is_where_the_plan_turns(skybroker: Run, workload: Write) -> None:
    """Just below the multiple the best plan uses spot, just above it does not."""
    file = workload(TWO_TASKS)
    found = json.loads(skybroker("whatif", file, "--break-even", "price.spot", "--output", "json").out)
    assert found["using"]["cost_usd"] == pytest.approx(found["avoiding"]["cost_usd"])
    for factor, uses in ((0.999, True), (1.001, False)):
        change = f"price.spot*={factor * found['multiple']}"
        plan = json.loads(skybroker("whatif", file, "--set", change, "--output", "json").out)["variants"][1]["plan"]
        assert any(task["purchase"] == "spot" for task in plan["best"]["placements"]) is uses
    assert "times today's prices" in skybroker("whatif", file, "--break-even", "price.spot").out


def test_the_value_of_time_has_its_turns(skybroker: Run, workload: Write) -> None:
    """Each turn is to a faster and dearer plan."""
    done = skybroker("whatif", workload(TWO_TASKS), "--break-even", "value_of_time", "--output", "json")
    found = json.loads(done.out)["turns"]
    assert found
    assert all(turn["before"]["hours"] > turn["after"]["hours"] for turn in found)
    assert [turn["value_of_time_usd_h"] for turn in found] == sorted(turn["value_of_time_usd_h"] for turn in found)
    assert "turns to a faster one" in skybroker("whatif", workload(TWO_TASKS), "--break-even", "value_of_time").out


def test_the_past_is_asked_likewise(skybroker: Run, workload: Write) -> None:
    """`--as-of` names the snapshot; before there was any, that is said."""
    file = workload(TWO_TASKS)
    now = skybroker("whatif", file, "--set", "price*=2", "--as-of", f"{datetime.now(UTC):%Y-%m-%d}", "--output", "json")
    assert now.code == 0, now.err
    assert skybroker("whatif", file, "--set", "price*=2", "--as-of", "2001-01-01").code == 1


def test_an_interrupt_ends_all_processes_at_once(embedded_catalog: Path, tmp_path: Path, workload: Write) -> None:
    """Ctrl-C at a terminal reaches the whole group: exit code 130, no word of a traceback, and nobody is left."""
    slow = ["--sweep", "price.aws=*0.5..*2#300", "--sweep", "price.gcp=*0.5..*2#300", "--processes", "2"]
    running = subprocess.Popen(
        [*PROGRAM, "whatif", workload(TWO_TASKS), *slow],
        env={**os.environ, "HOME": str(tmp_path), "SKYBROKER_CATALOG": str(embedded_catalog)},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(6.0)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=10)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert not out


@pytest.mark.parametrize("executor", [InProcess(), Processes(2)], ids=["here", "processes"])
def test_results_come_in_the_order_of_the_items(executor: InProcess | Processes) -> None:
    """Whichever way the work is done, and however many items there are."""
    assert list(executor.map(abs, iter(range(-20, 0)))) == list(range(20, 0, -1))
