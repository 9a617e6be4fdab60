"""`simulate --multi`: what moves between regions cost, and the bill of the public evaluator of several zones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from catalog_data.schema import EGRESS
from tests.kits.program import Run
from tests.kits.rows import frame, offer, offers, published, row

JOB: Final = ("--work", "4h", "--deadline", "6h", "--overhead", "10m", "--policy", "uniform-progress-any-zone")
RATE_USD_GB: Final = 0.02


@pytest.fixture
def small(skybroker: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program on a catalog that knows the rate from us-east-1 to us-west-2 and from nowhere else."""
    catalog = tmp_path / "catalog.duckdb"
    east_to_west = row(EGRESS, dst_cloud="aws", dst_region="us-west-2", egress_usd_gb=RATE_USD_GB)
    published(catalog, offers=offers(offer()), egress=frame(EGRESS, east_to_west))
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    return skybroker


@pytest.fixture
def zones(tmp_path: Path) -> Callable[..., Path]:
    """A folder of the zones named: the first has spot for two hours, each later one after that."""

    def write(*names: str) -> Path:
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        for number, name in enumerate(names):
            rle = [[int(number == 0), 4], [int(number > 0), 8]]
            trace = {"gap_seconds": 1800, "rle": rle, "start_utc": "2026-01-01T00:00:00Z"}
            (folder / f"{name}_v100.json").write_text(json.dumps(trace))
        return folder

    return write


def data(done: Any) -> Any:
    """The JSON that a run printed."""
    assert done.code == 0, done.err
    return json.loads(done.out)


def mean_usd(found: Any) -> float:
    """Of the one policy."""
    mean: float = found["policies"][1]["mean_usd"]
    return mean


def test_a_move_costs_the_catalogs_egress(small: Run, zones: Callable[..., Path]) -> None:
    """One move from us-east-1 to us-west-2 with 50 GB; the way back, which nobody knows, is assumed and said so."""
    folder = zones("us-east-1a", "us-west-2a")
    free = data(small("simulate", folder, "--multi", *JOB, "--output", "json"))
    assert (free["checkpoint_gb"], free["policies"][1]["moves"]) == (0, 1)
    arguments = ("simulate", folder, "--multi", *JOB, "--checkpoint", "50GB", "--egress", "$0.07")
    billed = data(small(*arguments, "--output", "json"))
    assert mean_usd(billed) == pytest.approx(mean_usd(free) + 50 * RATE_USD_GB)
    assert billed["checkpoint_gb"] == 50
    assert billed["egress"] == [
        {"from": "aws:us-east-1", "to": "aws:us-west-2", "usd": pytest.approx(1.0), "assumed": False},
        {"from": "aws:us-west-2", "to": "aws:us-east-1", "usd": pytest.approx(3.5), "assumed": True},
    ]
    table = small(*arguments).out
    assert "A move to another region carries 50 GB, for $1.00 to $3.50." in table
    assert "Assumed: $0.07/GB for 1 of 2 such moves, whose rates the catalog does not know (--egress)." in table


def test_the_optimum_weighs_what_a_move_costs(small: Run, zones: Callable[..., Path]) -> None:
    """With so much to carry it stays, and goes on demand."""
    folder = zones("us-east-1a", "us-west-2a")
    arguments = ("simulate", folder, "--multi", *JOB, "--egress", "1", "--output", "json", "--checkpoint")
    light, heavy = (data(small(*arguments, size))["policies"][0]["mean_usd"] for size in ("1GB", "10TB"))
    alone = data(small("simulate", folder / "us-east-1a_v100.json", *JOB, "--output", "json"))["policies"][0]
    assert light < heavy
    assert heavy == pytest.approx(alone["mean_usd"])


def test_a_rate_that_nobody_knows_is_not_0(small: Run, zones: Callable[..., Path]) -> None:
    """Neither one that the catalog lacks nor that of a zone whose name says no region."""
    for names, says in (
        (("us-east-1a", "us-west-2a"), "from aws:us-west-2 to aws:us-east-1\n"),
        (("us-east-1a", "dc1-rack"), "from dc1-rack to aws:us-east-1, nor of 1 more such moves\n"),
    ):
        done = small("simulate", zones(*names), "--multi", *JOB, "--checkpoint", "50")
        assert (done.code, done.out) == (1, "")
        assert f"error: the catalog knows no rate of egress {says}" in done.err
        assert "hint: say with --egress what a GB costs where it knows none" in done.err


def test_moves_within_a_region_cost_nothing(small: Run, zones: Callable[..., Path]) -> None:
    """Nothing is asked of the catalog, and nothing is said of moves to other regions."""
    arguments = ("simulate", zones("us-west-2a", "us-west-2b"), "--multi", *JOB)
    assert small(*arguments).out == small(*arguments, "--checkpoint", "50").out
    assert "region" not in small(*arguments).out


def test_moves_that_carry_nothing_are_said_to(small: Run, zones: Callable[..., Path]) -> None:
    """So that nobody takes the figures for a bill with egress; the public simulators have none."""
    arguments = ("simulate", zones("us-east-1a", "us-west-2a"), "--multi", *JOB)
    said = "A move to another region carries nothing, and costs but the overhead (--checkpoint)."
    assert (said in small(*arguments).out, said in small(*arguments, "--reference").out) == (True, False)


def test_the_published_bill_of_several_zones(small: Run, shared: Path) -> None:
    """The 34 public runs as their evaluator bills them, to a millionth of a dollar."""
    golden = json.loads((shared / "golden" / "deadline_multi.json").read_text())
    folder = shared / "data" / "traces" / "adrs"
    arguments = (
        "simulate", "--multi", "--work", "48h", "--deadline", "52h", "--overhead", "12m",
        "--windows", folder / "multi_region_windows_exact.json", "--windows", folder / "multi_region_windows.json",
        "--policy", "on-demand", "--policy", "uniform-progress-any-zone",
    )  # fmt: skip
    found = data(small(*arguments, "--reference", "--output", "json"))
    assert len(found["runs"]) == 34
    for ours, theirs in (("on-demand", "on_demand"), ("uniform-progress-any-zone", "up_any_region(own port)")):
        expected = [run["official"] for scenario in dict.fromkeys(run["window_of"] for run in found["runs"])
                    for run in golden[theirs][scenario]]  # fmt: skip
        assert [run["cost_usd"][ours] for run in found["runs"]] == pytest.approx(expected, abs=1e-6)
