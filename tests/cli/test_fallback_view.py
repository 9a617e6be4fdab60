"""What `plan` prints of fallbacks and of a graph's next best plans."""

from __future__ import annotations

import json

from tests.kits.program import Run, Write

ONE = "name: one\nresources: {accelerators: H100:8}\nestimate: 2h\n"
TWO = """
name: two
tasks:
  prepare: {resources: {cpus: 4+, memory: 16+}, estimate: 1h}
  train: {depends_on: {prepare: {data: 50 GB}}, resources: {accelerators: "H100:8"}, estimate: 3h}
"""


def line_of(text: str, start: str) -> str:
    """The one line that starts like this."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line


def test_each_fallback_is_named_with_its_price_and_its_chance(skybroker: Run, workload: Write) -> None:
    """And the chance of the whole chain, as the plan file has it."""
    file = workload(ONE)
    plan = json.loads(skybroker("plan", file, "--output", "json").out)
    line = line_of(skybroker("plan", file).out, "Fallbacks: ")
    assert plan["fallbacks"]
    for fallback in plan["fallbacks"]:
        (placement,) = fallback["option"]["placements"]
        assert f"another {fallback['differs_in']}: {placement['cloud']}/{placement['region']}" in line
        assert f"${fallback['option']['cost_usd']:,.2f} ({fallback['chance']:.0%})" in line
    assert f"of the whole chain {plan['chance']:.0%}" in line


def test_the_next_best_plans_of_a_graph_are_told_by_what_changes(skybroker: Run, workload: Write) -> None:
    """Each with its price and at least one task that is elsewhere; --top 1 asks for none."""
    file = workload(TWO)
    plan = json.loads(skybroker("plan", file, "--top", "3", "--output", "json").out)
    line = line_of(skybroker("plan", file, "--top", "3").out, "Next best: ")
    assert len(plan["alternatives"]) == line.count(" with ") == 2
    assert all(f"${option['cost_usd']:,.2f}" in line for option in plan["alternatives"])
    alone = skybroker("plan", file, "--top", "1").out
    assert "Next best" not in alone
    assert "Fallbacks" not in alone
