"""The program, run in this process or as a process of its own, on the embedded catalog."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from catalog_data.embedded import publish_embedded
from cli.main import run
from tests.kits.program import CHECKOUT, PROGRAM, Outcome, Run, Write


@pytest.fixture(scope="session")
def embedded_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog file that holds the embedded catalog; tests only read it."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    publish_embedded(path)
    return path


@pytest.fixture
def skybroker(embedded_catalog: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""
    monkeypatch.setenv("SKYBROKER_CATALOG", str(embedded_catalog))

    def call(*arguments: str | Path) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def process(embedded_catalog: Path, tmp_path: Path) -> Run:
    """Run a command line as a process of its own, with an empty home folder."""

    def call(arguments: Sequence[str | Path], stdin: str = "", **environment: str) -> Outcome:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SKYBROKER_", "XDG_"))}
        done = subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            env={**clean, "HOME": str(tmp_path), "SKYBROKER_CATALOG": str(embedded_catalog), **environment},
            cwd=CHECKOUT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def workload(tmp_path: Path) -> Write:
    """Write a workload file."""

    def write(text: str) -> Path:
        file = tmp_path / "workload.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write
