"""`apply` and what is told afterwards, on this machine: as processes of their own, and with wrong input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kits.program import Run, Write

TASK = """
name: hello
resources: {accelerators: V100}
estimate: {hours: 1}
secrets: {TOKEN: }
envs: {PLACE: }
run: |
  echo "hello from $SKYBROKER_TASK in $PLACE"
  [ -n "$TOKEN" ] && echo "with a token"
"""


@pytest.fixture
def home(tmp_path: Path, process: Run) -> Iterator[Run]:
    """The program with an empty home; its local machines end with it."""
    yield process
    process(["down", "--all", "--yes"])


def test_a_workload_is_planned_and_carried_out(home: Run, workload: Write) -> None:
    """The output is on stdout and nothing else, what happens and the bill on stderr; status and logs know it after."""
    file = workload(TASK)
    done = home(["apply", file, "--on", "local", "--yes"], TOKEN="s3cr3t", PLACE="town")
    assert done.code == 0, done.err
    assert done.out == "hello from hello in town\nwith a token\n"
    assert "asking for 1 x" in done.err
    assert "hello-1 cost $" in done.err.splitlines()[-1]
    assert "s3cr3t" not in done.err
    status = json.loads(home(["status", "--all", "--output", "json"]).out)
    [one] = status["deployments"]
    assert (one["id"], one["state"], one["usd_h"], one["tasks"][0]["exit_code"]) == ("hello-1", "done", 0, 0)
    assert one["spent_usd"] > 0
    assert home(["logs", "hello"]).out == done.out
    assert "hello-1 has no task 'bye'" in home(["logs", "hello", "--task", "bye"]).err
    assert home(["status"]).out.strip() == "Nothing is being carried out."
    again = home(["down", "hello"])
    assert (again.code, again.err.strip()) == (0, "hello-1: no machines are left")


def test_a_failure_is_the_programs(home: Run, workload: Write) -> None:
    """With the task's exit code in words, and a way to its output."""
    done = home(
        ["apply", workload(TASK.replace('echo "hello', 'exit 9; echo "hello')), "--on", "local", "--yes"],
        TOKEN="x",
        PLACE="town",
    )
    assert done.code == 1
    assert "error: hello-1: hello ended with exit code 9" in done.err
    assert "skybroker logs hello-1" in done.err


def test_a_plan_is_for_one_workload_and_todays_prices(home: Run, workload: Write, tmp_path: Path) -> None:
    """A changed workload, a price that moved and an old plan are refused with 4, before anything is asked for."""
    file, plan = workload(TASK), tmp_path / "plan.json"
    assert home(["plan", file, "-o", plan]).code == 0
    text = file.read_text()
    file.write_text(text.replace("hello from", "bye from"))
    changed = home(["apply", plan, "--on", "local"], TOKEN="x", PLACE="town")
    assert (changed.code, "has changed since it was planned" in changed.err) == (4, True)
    file.write_text(text)
    prices = tmp_path / "prices.yaml"
    data = json.loads(plan.read_text())
    cloud = data["best"]["placements"][0]["cloud"]
    prices.write_text(f"discounts:\n  - {{cloud: {cloud}, percent: 20}}\n")
    moved = home(["apply", plan, "--on", "local"], TOKEN="x", PLACE="town", SKYBROKER_PRICES=str(prices))
    assert moved.code == 4, moved.err
    assert "(-20%)" in moved.err
    allowed = home(
        ["apply", plan, "--on", "local", "--max-drift", "0.5"], TOKEN="x", PLACE="town", SKYBROKER_PRICES=str(prices)
    )
    assert allowed.code == 0, allowed.err
    data["created_at"] = "2026-01-01T00:00:00Z"
    plan.write_text(json.dumps(data))
    old = home(["apply", plan, "--on", "local"], TOKEN="x", PLACE="town")
    assert (old.code, "days old" in old.err) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["apply", "{file}", "--on", "local", "--yes"], 1, "the secret TOKEN has no value"),
        (["apply", "{file}", "--on", "local"], 64, "nobody is there to say yes"),
        (["apply", "{file}", "--on", "moon", "--yes"], 64, "there is no 'moon'"),
        (["apply", "{file}", "--market", "m.yaml", "--yes"], 64, "--market goes with --on local"),
        (["apply", "nowhere.json"], 1, "nowhere.json"),
        (["down"], 64, "nothing is named"),
        (["down", "hello"], 1, "there is no deployment 'hello'"),
        (["logs", "hello"], 1, "there is no deployment 'hello'"),
        (["local", "take-back", "hello"], 1, "there is no deployment 'hello'"),
    ],
)
def test_wrong_input_is_one_line_and_a_hint(
    process: Run, workload: Write, arguments: list[str], code: int, said: str
) -> None:
    """With its exit code; nothing is asked for."""
    file = str(workload(TASK))
    done = process([word.format(file=file) for word in arguments])
    assert (done.code, said in done.err, "Traceback" in done.err) == (code, True, False), done.err
