"""`python -m benchmarks.calibration`: models of one year judged on another, and what it makes of what it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.calibration import HEADER, TOLERANCE, judged
from tests.kits.seen_zones import recorded

ROOT = Path(__file__).parents[2]
YEARS = ("aws-2022", "aws-2023-02-15-v100")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "benchmarks.calibration", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("fitted", "new"), [YEARS, YEARS[::-1]])
def test_models_of_one_year_are_calibrated_in_another(shared: Path, fitted: str, new: str) -> None:
    """Zones, machines and gap lengths differ too.

    Over 28 kinds of forecast, weighted by their runs, the chances that were given are off by less than the tolerance,
    and they beat constant hazards by Brier's score and by the likelihood.
    """
    traces = shared / "data" / "traces"
    found = judged(recorded(traces / fitted), recorded(traces / new))
    verdict = found.verdict
    assert len(found.rows) == 28
    assert verdict.error <= TOLERANCE
    assert verdict.brier < 0.95 * verdict.memoryless_brier
    assert verdict.nats_h > verdict.memoryless_nats_h
    assert verdict.passes


@pytest.mark.parametrize(("known", "new"), [("us-west", "us-east"), ("us-east", "us-west")])
def test_models_of_some_regions_are_calibrated_in_others(shared: Path, known: str, new: str) -> None:
    """The zones of one coast are up twice as often as those of the other."""
    traces = recorded(shared / "data" / "traces" / YEARS[1])
    assert judged(*([one for one in traces if one.zone.startswith(coast)] for coast in (known, new))).verdict.passes


def test_the_command_prints_a_table_two_plots_and_a_verdict(shared: Path) -> None:
    """And the end is a success."""
    traces = shared / "data" / "traces"
    ended = run("--fit", traces / YEARS[1], "--eval", traces / YEARS[0])
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert lines[0].startswith("9 traces fitted")
    assert lines[1] == HEADER
    assert sum(line.startswith(("up ", "down ")) and "runs that last" not in line for line in lines) == 28
    assert [line.split()[0] for line in lines if "runs that last" in line] == ["up", "down"]
    assert lines[-1].endswith("; calibrated")


def test_a_model_of_zones_that_are_nothing_alike_fails(tmp_path: Path) -> None:
    """Fitted where machines stay for days, judged where they are lost every half hour."""
    for folder, runs in (("good", [[1, 600], [0, 1]]), ("bad", [[1, 3], [0, 30]])):
        (tmp_path / folder).mkdir()
        trace = {"gap_seconds": 600, "rle": runs * 40, "zone": "us-west-2a", "instance": "p3.2xlarge"}
        (tmp_path / folder / "trace.json").write_text(json.dumps(trace))
    ended = run("--fit", tmp_path / "good", "--eval", tmp_path / "bad")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].endswith("; NOT CALIBRATED")


def test_nothing_to_judge_is_wrong_usage(tmp_path: Path) -> None:
    """No such folder, one without a trace, one with a broken trace, no folder at all."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "trace.json").write_text('{"rle": [[1, 0]], "gap_seconds": 600}')
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("--fit", tmp_path / "absent", "--eval", tmp_path),
        ("--fit", tmp_path / "empty", "--eval", tmp_path),
        ("--fit", tmp_path / "broken", "--eval", tmp_path),
        (),
    ):
        ended = run(*arguments)
        assert (ended.returncode, ended.stdout) == (64, "")
        assert ended.stderr
