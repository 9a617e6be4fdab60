"""`simulate`: what cannot be replayed gets one line, a hint, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from tests.kits.program import Outcome, Run

JOB: Final = ("--work", "4h", "--deadline", "6h", "--policy", "greedy")
DAY: Final = {"gap_seconds": 1800, "rle": [[1, 24], [0, 24]], "start_utc": "2026-01-01T00:00:00Z"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds one good trace, and is where the program runs."""
    place = tmp_path / "traces"
    place.mkdir()
    (place / "us-west-2a_v100.json").write_text(json.dumps(DAY))
    return place


def said(done: Outcome) -> list[str]:
    """The error and its hint."""
    return [line for line in done.err.splitlines() if line.startswith(("error:", "hint:"))]


@pytest.mark.parametrize(
    ("arguments", "error", "hint", "code"),
    [
        (["--work", "7h"], "the earliest possible finish, on demand, is after 7.1 h", "a later --deadline", 3),
        (["--overhead", "3h"], "the earliest possible finish, on demand, is after 7 h", "less --work or --overhead", 3),
        (["--work", "50h", "--deadline", "49h"], "on demand, is after 50.1 h", "a later --deadline", 3),
        (["--deadline", "30h"], "the trace lasts 24.0 h, less than the deadline of 30 h", "an earlier deadline", 1),
        (["--spot-price", "-1"], "--spot-price must be at least 0, not -1", "US dollars", 64),
        (["--on-demand-price", "free"], "--on-demand-price must be an amount in USD, not free", "US dollars", 64),
        (["--checkpoint", "5GB"], "--checkpoint: a job in one zone never moves", "add --multi", 64),
        (["--egress", "0.02"], "--egress: nothing moves", "say with --checkpoint how much does", 64),
        (["--multi", "--checkpoint", "5 bags"], "5 bags is not an amount of data", "500MB, 1.5TB", 64),
        (["--multi", "--checkpoint", "5", "--egress", "x"], "--egress must be an amount in USD", "US dollars", 64),
        (["--multi", "--checkpoint", "5", "--reference"], "bill no egress", "leave out --reference", 64),
        (["--work", "0h"], "a time must be above 0, not 0", "12, 90m, 3h, 2d", 64),
        (["--deadline", "6h,soon"], "soon is not a time", "12, 90m, 3h, 2d", 64),
        (["--overhead", "-1m"], "a time must be at least 0", "0, 10m, 1h", 64),
        (["--policy", "greddy"], "unknown policy greddy", "did you mean greedy? policies are on-demand,", 64),
        (["--plot", "99"], "--plot 99: there is no such run", "runs are 1 to 1", 64),
        (["--fit", "traces"], "0 h are left to fit on, without 24 h of dates that are replayed", "other dates", 1),
        (["--fit", "nowhere"], "nowhere: no such file", "", 1),
        (["--windows", "nowhere.json"], "nowhere.json: no such file", "", 1),
        (["--windows", "traces/us-west-2a_v100.json"], "it is no file of windows", "`windows`, `scenarios` or", 1),
    ],
)
def test_options_that_cannot_be(
    skybroker: Run,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: str,
    hint: str,
    code: int,
) -> None:
    """A later option takes the place of the one before."""
    monkeypatch.chdir(folder.parent)
    policy = "stochastic" if "--fit" in arguments else "greedy"
    done = skybroker("simulate", folder, "--work", "4h", "--deadline", "6h", "--policy", policy, *arguments)
    assert done.code == code, done.err
    lines = said(done)
    assert error in lines[0]
    assert hint in lines[-1]
    assert len(lines) <= 2
    assert done.out == ""


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("holes.csv", "at,available\n0,1\n600,1\n1200,0\n1800,1\n9000,1\n", "nothing was recorded for 12.0 steps"),
        ("empty.json", "", "it is empty"),
        ("none.json", json.dumps({**DAY, "rle": []}), "rle is an empty list"),
        ("debt.json", json.dumps({**DAY, "price_changes": [[0, -1]]}), "price_changes[0] is -1, not a price"),
        ("gift.json", json.dumps({**DAY, "on_demand_price": "free"}), 'on_demand_price is "free", not a price'),
        ("words.txt", "no trace", "it is no trace"),
    ],
)
def test_traces_that_cannot_be(skybroker: Run, tmp_path: Path, name: str, text: str, error: str) -> None:
    """The message names the file."""
    (tmp_path / name).write_text(text)
    done = skybroker("simulate", tmp_path / name, *JOB)
    assert (done.code, done.out) == (1, "")
    lines = said(done)
    assert name.split(".", maxsplit=1)[0] in lines[0]
    assert error in lines[0]
    assert lines[1].startswith("hint: ")


def test_zones_side_by_side_are_recorded_in_the_same_steps(skybroker: Run, folder: Path) -> None:
    """The message names both."""
    (folder / "us-west-2b_v100.json").write_text(json.dumps({**DAY, "gap_seconds": 600}))
    done = skybroker("simulate", folder, *JOB, "--multi")
    assert done.code == 1
    assert said(done)[0] == ("error: us-west-2b_v100: its gaps are of 600 s, those of us-west-2a_v100 of 1800 s")
    assert skybroker("simulate", folder, *JOB).code == 0


def test_windows_that_are_shorter_than_the_deadline(skybroker: Run, folder: Path, tmp_path: Path) -> None:
    """The file says how long they are."""
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps({"windows": [{"env": "us-west-2a_v100", "start": 0, "length": 10}]}))
    done = skybroker("simulate", folder, *JOB, "--windows", windows)
    assert done.code == 1
    assert "us-west-2a_v100: what was recorded lasts 5 h, less than the deadline of 6 h" in done.err


def test_a_fit_that_no_policy_uses(skybroker: Run, folder: Path) -> None:
    """Nobody is left to think that it counted; the files are not even read."""
    done = skybroker("simulate", folder, *JOB, "--fit", "nowhere")
    assert (done.code, done.out) == (64, "")
    assert said(done) == [
        "error: --fit is of no use: no policy that is named expects anything of spot",
        "hint: add --policy stochastic, or leave out --fit",
    ]


def test_nothing_is_named(skybroker: Run) -> None:
    """Neither traces nor windows."""
    done = skybroker("simulate")
    assert done.code == 64
    assert said(done) == ["error: nothing is named to replay", "hint: name traces or folders of them"]
