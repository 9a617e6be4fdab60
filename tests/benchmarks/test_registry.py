"""The benchmarks: none is left out, and what they measure with tells the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.cases
from benchmarks.measure import Contest, Sample, contest, function, process
from benchmarks.registry import CASES
from benchmarks.result import Alone, Growth, Result, Timed

HERE = Path(benchmarks.cases.__file__).parent


def test_every_case_is_registered() -> None:
    """A file under cases/ without a line in the registry would never run."""
    files = {path.stem.replace("_", "-") for path in HERE.glob("*.py") if path.stem != "__init__"}
    assert files == set(CASES)


def test_every_peer_is_pinned_with_hashes() -> None:
    """Each environment of a peer is made from hashes, so that a figure can be had again."""
    pinned = list((HERE.parent / "baselines").glob("*.txt"))
    assert pinned
    for file in pinned:
        text = file.read_text(encoding="utf-8")
        assert text.count("--hash=sha256:") >= text.count("==") > 0
        assert "://" not in text


def test_the_time_of_a_process_is_its_own() -> None:
    """A process that computes has CPU time, one that sleeps has wall time, one that fails is no sample."""
    busy = process([sys.executable, "-c", "sum(range(3_000_000))"])
    idle = process([sys.executable, "-c", "import time; time.sleep(0.3)"])
    assert busy.cpu_s > 0
    assert idle.wall_s >= 0.3 > idle.cpu_s
    with pytest.raises(subprocess.CalledProcessError):
        process([sys.executable, "-c", "raise SystemExit(3)"])


def test_contestants_run_in_turn_and_warm_up_first() -> None:
    """One run of each is not counted; then ours and the peer's alternate."""
    order: list[str] = []
    held = contest(
        lambda: function(lambda: order.append("ours")), lambda: function(lambda: order.append("peer")), runs=2
    )
    assert order == ["ours", "peer"] * 3
    assert len(held.ours) == len(held.peer) == 2


def test_a_row_states_the_ratio_of_the_medians() -> None:
    """An outlier does not move it, and a limit that is missed is said to be."""
    ours = (Sample(1.0, 2.0), Sample(2.0, 3.0), Sample(90.0, 99.0))
    row = Result("a", "b", Contest(ours, (Sample(4.0, 4.0),)), limit=0.4).row()
    assert "| 2.000 (3.000) | b | 4.000 (4.000) | 0.500 | 0.400 | not reached |" in row


@pytest.mark.parametrize(
    ("gap", "cpu_s", "verdict"),
    [(0.001, 60.0, "reached"), (0.0011, 60.0, "not reached"), (0.0, 60.1, "not reached")],
)
def test_without_a_peer_both_gap_and_time_count(gap: float, cpu_s: float, verdict: str) -> None:
    """Each at its limit is good enough, and neither makes up for the other."""
    row = Alone("a", Sample(cpu_s, 70.0), gap, most_gap=0.001, most_cpu_s=60.0).row()
    assert row.startswith(f"| a | {cpu_s:.3f} (70.000) | none | | gap {gap:.3%} | 0.100% in 60 s | {verdict} |")


def test_growth_is_a_row_for_each_size() -> None:
    """With as many cells as the table has."""
    sizes = tuple(Alone(name, Sample(1.0, 1.0), 0.0, 0.001, 60.0) for name in ("ten", "hundred"))
    rows = Growth(sizes).row().splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| ten", "| hundred"]
    assert all(row.count("|") == 8 for row in rows)


@pytest.mark.parametrize(
    ("most_cpu_s", "end"), [(1.0, "| 1 s | reached |"), (0.5, "| 0.5 s | not reached |"), (None, "| | |")]
)
def test_a_time_stands_against_its_limit_or_alone(most_cpu_s: float | None, end: str) -> None:
    """The median counts, and without a limit there is no verdict."""
    row = Timed("a", (Sample(9.0, 9.0), Sample(0.9, 1.0), Sample(0.8, 0.8)), most_cpu_s).row()
    assert row == f"| a | 0.900 (1.000) | none | | {end}"
