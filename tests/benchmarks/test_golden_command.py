"""`python -m benchmarks.golden_placement`: what it prints, and what it makes of what it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "benchmarks.golden_placement", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write(folder: Path, name: str, **fields: Any) -> None:
    """A case of one task with a cheap slow candidate, a dear fast one, and one that is as fast and dearer still."""
    candidates = [
        {"cloud": "aws", "region": region, "value": value, "usd_per_hour": usd}
        for region, value, usd in (("slow", 7200.0, 1.0), ("fast", 3600.0, 4.0), ("dear", 3600.0, 9.0))
    ]
    tasks = [{"name": "t", "candidates": candidates}]
    case = {"objective": "time", "sky_objective": 3600.0, "sky_total_cost": 9.0, "tasks": tasks, "edges": []}
    (folder / name).write_text(json.dumps(case | fields))


def test_no_golden_plan_is_better_than_ours(shared: Path) -> None:
    """A line a file and a total, and the end is a success."""
    ended = run(shared / "golden" / "placement")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert lines[0].split() == ["file", "objective", "ours", "theirs", "difference", "CPU", "s"]
    assert [line.split()[0] for line in lines[1:-1]] == sorted(
        path.name for path in (shared / "golden" / "placement").glob("*.json")
    )
    assert lines[-1].startswith("12 files, 0 worse, ")


def test_a_plan_that_is_worse_is_a_failure(tmp_path: Path) -> None:
    """Nobody needs less than an hour: a case that says so is marked, and the others are run all the same."""
    write(tmp_path, "a.json", sky_objective=3599.0)
    write(tmp_path, "b.json")
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.count("WORSE") == 1
    assert ended.stdout.splitlines()[1].split()[:5] == ["a.json", "time", "3600.000000", "3599.000000", "+1.000000"]
    assert ended.stdout.splitlines()[-1].startswith("2 files, 1 worse, ")


def test_a_plan_as_fast_and_dearer_is_worse(tmp_path: Path) -> None:
    """The cheapest of the fastest costs $4; SkyPilot cannot have found one for $3."""
    write(tmp_path, "case.json", sky_total_cost=3.0)
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "$4.00, theirs $3.00  WORSE" in ended.stdout


def test_a_case_that_skypilot_has_no_answer_to_is_run(tmp_path: Path) -> None:
    """There is nothing to be worse than."""
    write(tmp_path, "case.json", sky_objective=None, sky_total_cost=None)
    ended = run(tmp_path)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1].split()[:5] == ["case.json", "time", "3600.000000", "-", "-"]


@pytest.mark.parametrize(
    ("content", "said"),
    [("rubbish", "Invalid JSON"), ('{"policies": []}', "objective"), ("[]", "object")],
    ids=["no JSON", "another golden file", "a list"],
)
def test_a_file_that_is_no_case_is_named(tmp_path: Path, content: str, said: str) -> None:
    """One line, before anything is run."""
    write(tmp_path, "a.json")
    (tmp_path / "b.json").write_text(content)
    ended = run(tmp_path)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert ended.stderr.count("\n") == 1
    assert "b.json: no case: " in ended.stderr
    assert said in ended.stderr


def test_nothing_to_compare_is_wrong_usage(tmp_path: Path) -> None:
    """An empty folder, none at all, and none named."""
    for arguments in ([tmp_path], [tmp_path / "nowhere"], []):
        ended = run(*arguments)
        assert (ended.returncode, ended.stdout) == (64, "")
        assert ended.stderr.count("\n") == 1
