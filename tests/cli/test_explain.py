"""`explain`: from a plan's file, or a workload, to what is printed and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.kits.program import Run, Write

TRAIN = """
name: train
deadline: 8h
budget: 400
resources: {any_of: [{accelerators: "H100:8"}, {accelerators: "A100-80GB:8"}]}
estimate: {hours: {"H100:8": 6h, "A100-80GB:8": 13h}}
"""
INFEASIBLE = "name: dear\nbudget: 10\nresources: {accelerators: 'H100:8'}\nestimate: 6h\n"


@pytest.fixture
def plan(skybroker: Run, workload: Write, tmp_path: Path) -> Path:
    """The plan of a training run, beside its workload."""
    file = tmp_path / "plan.json"
    assert skybroker("plan", workload(TRAIN), "-o", file).code == 0
    return file


def test_a_plan_is_explained_by_money_time_and_limits(skybroker: Run, plan: Path) -> None:
    """The table's total is the plan's cost, and each limit has its line."""
    done = skybroker("explain", plan)
    cost = json.loads(plan.read_text())["best"]["cost_usd"]
    assert done.code == 0
    assert f"train: ${cost:,.2f} in" in done.out
    assert "WORK $" in done.out
    assert "CRITICAL PATH" in done.out
    assert "deadline 8 h: does not bind" in done.out
    assert "budget $400: does not bind" in done.out


def test_json_and_yaml_hold_the_same(skybroker: Run, plan: Path) -> None:
    """Both have the version of their schema, the parts and the limits."""
    as_json = json.loads(skybroker("explain", plan, "--output", "json").out)
    assert as_json == yaml.safe_load(skybroker("explain", plan, "--output", "yaml").out)
    assert as_json["schema_version"] == 1
    assert sum(part["usd"] or 0 for part in as_json["parts"]) == pytest.approx(as_json["cost_usd"])
    assert {limit["limit"] for limit in as_json["limits"]} == {"deadline", "budget"}


def test_what_the_command_line_asked_for_is_explained(skybroker: Run, workload: Write, tmp_path: Path) -> None:
    """The deadline of the plan holds, not that of its workload: an hour is told to be worth something."""
    file = tmp_path / "plan.json"
    text = TRAIN.replace('"H100:8": 6h', '"H100:8": 12.5h').replace("8h", "30h").replace("400", "1000")
    assert skybroker("plan", workload(text), "--deadline", "12.7h", "-o", file).code == 0
    out = skybroker("explain", file).out
    assert "deadline 12.7 h: binds; deadline 13.7 h would save $" in out


def test_without_its_workload_a_plan_is_explained_by_itself(skybroker: Run, plan: Path) -> None:
    """What is missing is said; another file can be named, if its text is the same."""
    moved = plan.parent / "moved.yaml"
    (plan.parent / "workload.yaml").rename(moved)
    alone = skybroker("explain", plan)
    assert alone.code == 0
    assert "START AND SETUP $" in alone.out
    assert "is not there (name it with --workload)" in alone.out
    assert "does not bind" in skybroker("explain", plan, "--workload", moved).out


def test_a_workload_that_has_changed_is_refused(skybroker: Run, plan: Path, workload: Write) -> None:
    """Its digest is another one."""
    workload(TRAIN + "# changed\n")
    done = skybroker("explain", plan)
    assert done.code == 1
    assert "is not the workload of" in done.err
    assert "hint: plan again" in done.err


def test_a_snapshot_that_is_gone_leaves_the_plan_alone(skybroker: Run, plan: Path) -> None:
    """Money and time are explained, limits are not; why-not needs the market."""
    data = json.loads(plan.read_text())
    data["snapshot"]["id"] = "0123456789ab"
    plan.write_text(json.dumps(data))
    done = skybroker("explain", plan)
    assert done.code == 0
    assert "the catalog no longer holds the snapshot 0123456789ab" in done.out
    refused = skybroker("explain", plan, "--why-not", "aws")
    assert refused.code == 1
    assert "no longer holds" in refused.err


def test_a_plan_that_cannot_be_found_again_has_no_limits_explained(skybroker: Run, plan: Path) -> None:
    """Its machines were cheaper when it was made: what limits are worth today would be of another plan."""
    data = json.loads(plan.read_text())
    best, placement = data["best"], data["best"]["placements"][0]
    placement["price_usd_h"] /= 2
    placement["cost_usd"] = best["cost_usd"] = best["charge_usd"] = best["cost_usd"] / 2
    data["proof"]["objective"] = data["proof"]["bound"] = data["best"]["cost_usd"]
    plan.write_text(json.dumps(data))
    done = skybroker("explain", plan)
    assert done.code == 0
    assert "planning again does not come to this plan" in done.out
    assert "binds" not in done.out


def test_why_not_is_answered_in_dollars(skybroker: Run, plan: Path) -> None:
    """An offer that is dearer, as text and as data."""
    done = skybroker("explain", plan, "--why-not", "on-demand p5.48xlarge aws")
    assert done.code == 0
    assert " more, at the same time" in done.out
    assert "price an hour +$" in done.out
    data = json.loads(skybroker("explain", plan, "--why-not", "aws p5.48xlarge", "--output", "json").out)
    assert data["schema_version"] == 1
    assert data["forced"]["more_usd"] > 0
    assert "bought another way" in {failed["reason"] for failed in data["failed"]}


def test_why_not_names_the_limit_that_forbids_it(skybroker: Run, plan: Path) -> None:
    """A100 take 13 hours and the deadline leaves 8."""
    out = skybroker("explain", plan, "--why-not", "A100-80GB:8 lambda").out
    assert "conflict: deadline 8 h" in out
    assert "would work: deadline 13.05 h" in out


def test_words_and_tasks_that_are_none_are_refused(skybroker: Run, plan: Path) -> None:
    """With what may have been meant."""
    done = skybroker("explain", plan, "--why-not", "p5.48xlage")
    assert (done.code, done.err) == (
        1,
        "error: no offer has anything called p5.48xlage\nhint: did you mean p5.48xlarge?\n",
    )
    assert skybroker("explain", plan, "--why-not", "aws", "--task", "other").code == 64


def test_a_workload_is_planned_and_explained(skybroker: Run, workload: Write) -> None:
    """Without a plan's file; --workload has no place then."""
    file = workload(TRAIN)
    assert "deadline 8 h: does not bind" in skybroker("explain", file).out
    assert skybroker("explain", file, "--workload", file).code == 64


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_what_conflicts_is_named_with_what_would_work(skybroker: Run, workload: Write, command: str) -> None:
    """A workload without a plan ends with 3 and says what would have to change."""
    done = skybroker(command, workload(INFEASIBLE))
    assert done.code == 3
    assert "conflict: budget $10 + dear: accelerator H100" in done.err
    assert "would work: budget $193.12" in done.err


def test_conflicts_are_data_too(skybroker: Run, workload: Write) -> None:
    """What people read on stderr stands on stdout as JSON."""
    done = skybroker("explain", workload(INFEASIBLE), "--output", "json")
    assert done.code == 3
    (conflict,) = json.loads(done.out)["conflicts"]
    assert conflict["smallest"]
    assert [change["limit"] for change in conflict["changes"]] == ["budget", "dear: accelerator"]
    assert conflict["changes"][0]["value"] == pytest.approx(193.12, abs=0.01)
