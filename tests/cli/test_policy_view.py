"""What `plan` and `show` print of policies for a deadline."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kits.program import EXAMPLES, Run, Write

EXAMPLE = EXAMPLES / "deadline-finetune.yaml"
TOO_LONG = """
name: long
resources: {accelerators: V100:1, any_of: [{use_spot: true}, {use_spot: false}]}
estimate: {hours: 48}
deadline: 70h
"""


def test_the_policies_are_a_table_and_the_chosen_one_stands_at_the_top(skybroker: Run, tmp_path: Path) -> None:
    """Of the plan and of its file alike, with the figures that the file has."""
    file = tmp_path / "plan.json"
    printed = skybroker("plan", EXAMPLE, "--out", file)
    policy = json.loads(file.read_text())["policy"]
    figures = {each["name"]: each for each in policy["compared"]}
    chosen = figures[policy["chosen"]]
    lines = printed.out.splitlines()
    assert lines[1] == (
        f"Carried out by policy {policy['chosen']}: ${chosen['mean_usd']:,.2f} expected (+/- {chosen['sd_usd']:,.2f}),"
        f" on time 100%; on demand only: ${figures['on-demand']['mean_usd']:,.2f}"
    )
    head = next(number for number, line in enumerate(lines) if "POLICY" in line)
    rows = [line.replace("*", " ").split() for line in lines[head + 2 : head + 2 + len(figures)]]
    assert [row[0] for row in rows] == list(figures)
    assert [row[2] for row in rows] == [f"{each['mean_usd']:,.2f}" for each in figures.values()]
    assert [line.split()[1] for line in lines if line.startswith("*")][-1] == policy["chosen"]
    assert any(line.split()[:2] == ["with", "hindsight"] for line in lines)
    assert any(line.startswith("Policies: 100 runs were sampled") for line in lines)
    assert skybroker("show", file).out == printed.out


def test_without_checkpoints_spot_is_left_out_with_the_reason(skybroker: Run, workload: Write) -> None:
    """The plan is on demand, and there are no policies to compare."""
    plan = json.loads(skybroker("plan", workload(TOO_LONG), "--output", "json").out)
    assert plan["policy"] is None
    assert plan["best"]["placements"][0]["purchase"] == "on_demand"
    assert "too long for spot without checkpoints" in {entry["reason"] for entry in plan["fell_out"]}
    assert any("interruptions expected in 48 h" in line for line in plan["assumptions"])


def test_where_only_spot_will_do_that_is_why_there_is_no_plan(skybroker: Run, workload: Write) -> None:
    """With what would help."""
    text = TOO_LONG.replace("any_of: [{use_spot: true}, {use_spot: false}]", "use_spot: true")
    done = skybroker("plan", workload(text))
    assert done.code == 3
    assert "48 h of work without checkpoints (say `estimate: {checkpoint: 30m}`" in done.err
