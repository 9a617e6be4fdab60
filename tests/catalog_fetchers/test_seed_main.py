"""The command that builds the seed: its exit codes, and what it says when it cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog_fetchers.seed import packages
from catalog_fetchers.seed.__main__ import main
from catalog_fetchers.seed.packages import Wanted


def test_wrong_usage_exits_64(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown option is named on stderr."""
    with pytest.raises(SystemExit) as raised:
        main(["--folder", "x"])
    assert raised.value.code == 64
    assert "--folder" in capsys.readouterr().err


def test_missing_packages_exit_1_and_write_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line names the package and the command that installs it; stdout and the folder stay empty."""
    missing = Wanted("no-such-package", "1.0", "no_such_package", "", "MIT", "", datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(packages, "WANTED", (missing,))
    assert main(["--out", str(tmp_path / "seed")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no-such-package 1.0" in printed.err
    assert "make seed" in printed.err
    assert not (tmp_path / "seed").exists()
