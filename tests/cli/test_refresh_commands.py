"""`catalog refresh`, `sources`, `rejected`, `import` and `prune`, and plans with private prices."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from catalog_fetchers.registry import SOURCES
from tests.kits.program import CHECKOUT, PROGRAM, Run, Write
from tests.kits.provider import provider_of, recorded_env, recorded_routes

NARROW: Final = 80
EIGHT_H100: Final = "name: eight\nresources:\n  accelerators: H100:8\nestimate: 2h\n"
VMS: Final = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice\n"
    "cpu_4x_general,,,4.0,16.0,0.2,europe-central-1,,\n"
    "gpu_1x_a10,A10,1.0,30.0,200.0,0.0,us-east-1,,\n"
)
"""A catalog of Lambda in SkyPilot's layout: one sound row, and one whose price is zero."""


@pytest.fixture
def catalog(embedded_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog file that a test may change, and a home folder in which nothing is."""
    for name in [name for name in os.environ if name.startswith(("XDG_", "SKYBROKER_", "LAMBDA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "catalog.duckdb"
    shutil.copyfile(embedded_catalog, file)
    return file


@pytest.fixture
def broker(skybroker: Run, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process, on a catalog that it may change."""
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    return skybroker


@pytest.fixture
def connected(broker: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The same where Lambda and Oracle answer, and with a key that opens Lambda."""
    with provider_of([*recorded_routes("lambda"), *recorded_routes("oci")]) as provider:
        monkeypatch.setenv("SKYBROKER_MIRROR", provider.mirror)
        for name, value in recorded_env("lambda").items():
            monkeypatch.setenv(name, value)
        yield broker


@pytest.fixture
def vms(tmp_path: Path) -> Path:
    """A folder in SkyPilot's layout that holds `VMS`."""
    folder = tmp_path / "vms"
    folder.mkdir()
    (folder / "lambda_vms.csv").write_text(VMS, encoding="utf-8")
    return folder


# Sources.


def test_sources_lists_all_and_what_they_lack(broker: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is there makes its source ready, and is not printed."""
    monkeypatch.setenv("LAMBDA_API_KEY", "hush-hush")
    monkeypatch.delenv("CUDO_API_KEY", raising=False)
    table = broker("catalog", "sources")
    data = broker("catalog", "sources", "--output", "json")
    entries = {entry["source"]: entry for entry in json.loads(data.out)["sources"]}
    assert (table.code, data.code) == (0, 0)
    assert list(entries) == [source.name for source in SOURCES]
    assert entries["lambda"]["missing"] == ""
    assert entries["cudo"]["missing"] == "set CUDO_API_KEY"
    assert "\ncudo: set CUDO_API_KEY\n" in table.out
    assert "hush-hush" not in table.out + data.out


@pytest.mark.parametrize("command", [["catalog", "sources"], ["catalog", "refresh", "--only", "cudo,crusoe"]])
@pytest.mark.usefixtures("broker")
def test_a_narrow_terminal_is_not_overrun(command: list[str]) -> None:
    """Long texts are folded: no line is wider than 80 columns."""
    lines = _at_a_terminal(command)
    assert any("CUDO_API_KEY" in line for line in lines)
    assert [line for line in lines if len(line) > NARROW] == []


def _at_a_terminal(command: list[str]) -> list[str]:
    """What the program prints to a terminal of 80 columns; its talk goes elsewhere."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, NARROW))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "CUDO_API_KEY"}}
    with subprocess.Popen(
        [*PROGRAM, *command],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**environment, "NO_COLOR": "1"},
        cwd=CHECKOUT,
    ) as running:
        os.close(theirs)
        text = b"".join(_read_to_the_end(ours))
        assert running.wait(timeout=120) == 0
    os.close(ours)
    return text.decode().splitlines()


def _read_to_the_end(terminal: int) -> Iterator[bytes]:
    """The bytes that come out of a terminal; Linux says with an error that nobody writes to it any more."""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:
            return
        if not part:
            return
        yield part


# Refresh.


def test_a_second_refresh_changes_nothing(connected: Run) -> None:
    """The first one publishes a snapshot; the one that finds the same again does not."""
    first = json.loads(connected("catalog", "refresh", "--only", "oci", "--output", "json").out)
    second = connected("catalog", "refresh", "--only", "oci")
    assert first["published"]
    assert first["sources"][0]["outcome"] == "published"
    assert first["sources"][0]["new"] > 0
    assert second.code == 0
    assert f"Nothing changed: the catalog is still at snapshot {first['snapshot']}.\n" in second.out
    known = json.loads(connected("catalog", "history", "--output", "json").out)["snapshots"]
    assert [snapshot["note"] for snapshot in known] == ["embedded catalog", "refresh: oci"]


def test_a_dry_run_publishes_nothing(connected: Run) -> None:
    """It counts what would change, and neither a snapshot nor a look is noted."""
    done = connected("catalog", "refresh", "--only", "lambda", "--dry-run")
    assert done.code == 0
    assert "Nothing was published: that was a dry run." in done.out
    assert len(json.loads(connected("catalog", "history", "--output", "json").out)["snapshots"]) == 1
    entries = json.loads(connected("catalog", "sources", "--output", "json").out)["sources"]
    assert {entry["looked_at"] for entry in entries} == {None}


def test_a_source_without_its_key_is_skipped_and_said(broker: Run) -> None:
    """That is no error."""
    done = broker("catalog", "refresh", "--only", "lambda")
    assert done.code == 0
    assert "lambda skipped: set LAMBDA_API_KEY" in done.out
    assert "Nothing changed" in done.out


def test_a_refused_key_is_a_failure(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1, the reason stands in the report, and the key does not."""
    monkeypatch.setenv("LAMBDA_API_KEY", "another-key")
    done = connected("catalog", "refresh", "--only", "lambda")
    assert done.code == 1
    assert "lambda failed: " in done.out
    assert "1 of 1 sources failed: their last good rows stay." in done.out
    assert "another-key" not in done.out + done.err


@pytest.mark.parametrize(
    ("only", "line"),
    [("lamda", "hint: did you mean lambda?"), (" , ", "error: --only names no source")],
)
def test_only_wants_names_that_there_are(broker: Run, only: str, line: str) -> None:
    """Anything else is wrong usage, with the nearest name."""
    done = broker("catalog", "refresh", "--only", only)
    assert done.code == 64
    assert line in done.err.splitlines()


# Import and quarantine.


def test_a_row_that_fails_a_check_is_rejected_and_listed(broker: Run, vms: Path) -> None:
    """The sound row of the file is published; the other is listed with its reason."""
    done = broker("catalog", "import", vms)
    assert done.code == 0
    assert "import_vms rejected: 1 zero_price.\n`skybroker catalog rejected` lists these rows.\n" in done.out
    rows = json.loads(broker("catalog", "rejected", "--output", "json").out)["rejected"]
    assert [(row["source"], row["table"], row["reason"], row["price_usd_h"]) for row in rows] == [
        ("import_vms", "offers", "zero_price", 0.0)
    ]
    table = broker("catalog", "rejected", "import_vms").out
    assert "lambda us-east-1 - gpu_1x_a10 on_demand" in table
    price = json.loads(broker("catalog", "history", "lambda", "cpu_4x_general", "--output", "json").out)["prices"]
    assert [(row["price_usd_h"], row["source"]) for row in price] == [(0.2, "import_vms")]


def test_few_rows_of_each_reason_are_shown(broker: Run, vms: Path) -> None:
    """Where there are many rejected rows, those of one reason do not push out the others."""
    zero = "".join(f"cpu_{size}x_general,,,4.0,16.0,0.0,us-east-1,,\n" for size in range(100))
    blank = "cpu_large,,,8.0,32.0,0.4,,,\n"
    (vms / "lambda_vms.csv").write_text(VMS + zero + blank, encoding="utf-8")
    broker("catalog", "import", vms)
    shown = broker("catalog", "rejected").out.split("\n\n")
    assert [
        sum(f"  {reason} " in line for line in shown[1].splitlines()) for reason in ("zero_price", "empty_text")
    ] == [
        29,
        1,
    ]
    assert "72 more with --all." in shown[2]


def test_nothing_is_rejected_where_nothing_was_looked_at(broker: Run) -> None:
    """And a name that no source has is an error."""
    assert broker("catalog", "rejected").out == "No row of the last looks was rejected.\n"
    unknown = broker("catalog", "rejected", "lamda")
    assert unknown.code == 1
    assert unknown.err == "error: there is no source lamda\nhint: see `skybroker catalog sources`\n"


def test_an_import_of_nothing_says_what_is_wanted(broker: Run, tmp_path: Path) -> None:
    """A place that is not there, and a folder without a catalog."""
    assert broker("catalog", "import", tmp_path / "gone").err == f"error: {tmp_path}/gone: no such file or folder\n"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = broker("catalog", "import", empty)
    assert done.code == 1
    assert "hint: it should hold <cloud>_vms.csv or <cloud>/vms.csv" in done.err


# Prune.


def test_pruning_forgets_what_was_replaced(connected: Run) -> None:
    """The snapshot that a refresh replaced is gone, the newest one stays."""
    newest = json.loads(connected("catalog", "refresh", "--only", "lambda", "--output", "json").out)["snapshot"]
    assert connected("catalog", "prune", "--keep", "1d").out.startswith("0 snapshots ")
    done = connected("catalog", "prune", "--keep", "0.000001h")
    known = json.loads(connected("catalog", "history", "--output", "json").out)["snapshots"]
    assert done.code == 0
    assert [snapshot["id"] for snapshot in known] == [newest]


@pytest.mark.parametrize("keep", ["abc", "-5d", "0d", ""])
def test_prune_refuses_what_is_no_time(broker: Run, keep: str) -> None:
    """Wrong usage, with an example."""
    done = broker("catalog", "prune", "--keep", keep)
    assert done.code == 64
    assert "hint: write a time back from now (90d, 12h)" in done.err


# Private prices.


def test_a_plan_counts_with_private_prices(
    broker: Run, workload: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A discount of half on what a plan chose halves it; what the catalog holds stays the list price."""
    file = workload(EIGHT_H100)
    listed = json.loads(broker("plan", file, "--output", "json").out)["best"]
    prices = tmp_path / "mine.yaml"
    prices.write_text(f"discounts:\n  - cloud: {listed['placements'][0]['cloud']}\n    percent: 50\n", encoding="utf-8")
    monkeypatch.setenv("SKYBROKER_PRICES", str(prices))
    own = json.loads(broker("plan", file, "--output", "json").out)["best"]
    assert own["cost_usd"] == pytest.approx(listed["cost_usd"] / 2)
    row = own["placements"][0]
    history = json.loads(
        broker("catalog", "history", row["cloud"], row["instance_type"], row["region"], "--output", "json").out
    )
    (list_price,) = {entry["price_usd_h"] for entry in history["prices"] if entry["purchase"] == row["purchase"]}
    assert list_price == pytest.approx(2 * row["price_usd_h"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("discounts: [{cloud: awz, percent: 5}]", "{file}:1: discounts[0].cloud: unknown cloud awz: did you mean aws?"),
        (None, "{file}: no such file"),
    ],
)
def test_private_prices_that_cannot_be_read_stop_the_plan(
    broker: Run, workload: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, line: str
) -> None:
    """One line says where, and no plan is made with the list prices instead."""
    prices = tmp_path / "mine.yaml"
    if text is not None:
        prices.write_text(text, encoding="utf-8")
    monkeypatch.setenv("SKYBROKER_PRICES", str(prices))
    done = broker("plan", workload(EIGHT_H100))
    errors = [said for said in done.err.splitlines() if said.startswith("error: ")]
    assert (done.code, done.out) == (1, "")
    assert errors == [f"error: {line.format(file=prices)}"]
