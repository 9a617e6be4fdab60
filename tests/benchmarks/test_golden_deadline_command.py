"""`python -m benchmarks.golden_deadline`: what it finds in golden files, and what it makes of others."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.golden_deadline import GoldenError, checks_of

ROOT: Final = Path(__file__).parents[2]
CASE: Final[dict[str, Any]] = {
    "name": "spot for an hour",
    "gap_seconds": 3600,
    "task_hours": 2,
    "deadline_hours": 5,
    "restart_overhead_hours": 0,
    "price_on_demand": 3.0,
    "price_spot": 1.0,
    "availability_rle": [[1, 1], [0, 4]],
    "results": {
        "on_demand_only": {"cost": 6.0, "spot_gaps": 0, "on_demand_gaps": 2, "finish_gap": 2, "actions": "O2"},
        "greedy": {"cost": 4.0, "finish_gap": 5, "late": False, "actions": "S1 .3 O1"},
    },
    "omniscient_cost": 4.0,
}
"""Greedy waits until the last gap in which an hour on demand still ends in time."""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "benchmarks.golden_deadline", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def changed(policy: str, **figures: Any) -> dict[str, Any]:
    """The case with other golden figures of a policy."""
    case = copy.deepcopy(CASE)
    case["results"][policy] |= figures
    return case


def test_every_golden_case_comes_out(shared: Path) -> None:
    """Five policies, the sound guard and the optimum of twelve cases, a line each and a total."""
    ended = run(shared / "golden" / "deadline.json")
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(line.endswith("none") for line in lines[1:-1])
    assert lines[-1] == "12 cases, 84 checks, 0 differ, 0 results of unknown policies"


def test_a_file_of_few_policies_is_checked_for_those() -> None:
    """What a result does not tell is not compared."""
    checks = list(checks_of(CASE, "case"))
    assert [check.policy for check in checks] == ["on_demand_only", "greedy", "omniscient_cost"]
    assert not any(check.differences for check in checks)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"cost": 4.00001}, "cost is 4.0, not 4.00001"),
        ({"finish_gap": 4}, "finish_gap is 5, not 4"),
        ({"late": True}, "late is False, not True"),
        ({"spot_gaps": 2}, "spot_gaps is 1, not 2"),
        ({"actions": "S1 .2 O1"}, "actions is S1 .3 O1, not S1 .2 O1"),
    ],
)
def test_each_figure_counts(figures: dict[str, Any], said: str) -> None:
    """A difference is told in words; a cost may be off by rounding alone."""
    checks = list(checks_of(changed("greedy", **figures), "case"))
    assert [check.differences for check in checks] == [(), (said,), ()]


def test_the_optimum_counts_and_may_be_none() -> None:
    """Null says that no schedule keeps the deadline."""
    wrong = list(checks_of(CASE | {"omniscient_cost": 3.5}, "case"))[-1]
    assert wrong.differences == ("cost is 4.0, not 3.5",)
    hopeless = CASE | {"deadline_hours": 1, "omniscient_cost": None, "results": {}}
    assert [check.differences for check in checks_of(hopeless, "case")] == [()]


def test_a_difference_is_a_failure(tmp_path: Path) -> None:
    """The other cases are checked all the same, and policies that nobody knows are counted."""
    cases = [changed("greedy", cost=5.0), CASE | {"results": {"random": {"cost": 1.0}}}]
    (tmp_path / "golden.json").write_text(json.dumps({"cases": cases}))
    ended = run(tmp_path / "golden.json")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1] == "2 cases, 4 checks, 1 differ, 1 results of unknown policies"


@pytest.mark.parametrize("fault", [{"gap_seconds": None}, {"availability_rle": [[1, 2]]}, {"task_hours": "two"}])
def test_a_case_without_a_market_is_named(fault: dict[str, Any]) -> None:
    """A figure is missing, the trace ends before the deadline, an hour is no number."""
    with pytest.raises(GoldenError, match="case 7: "):
        list(checks_of(CASE | fault, "case 7"))


@pytest.mark.parametrize("content", ["rubbish", '{"cases": []}'])
def test_nothing_to_compare_is_wrong_usage(tmp_path: Path, content: str) -> None:
    """One line of error."""
    (tmp_path / "file.json").write_text(content)
    ended = run(tmp_path / "file.json")
    assert (ended.returncode, ended.stdout) == (64, "")
    assert ended.stderr.count("\n") == 1
