"""Finding the data files of packages without importing them."""

from __future__ import annotations

import gzip
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from catalog_fetchers.seed import packages
from catalog_fetchers.seed.packages import WANTED, Package, PackageMissingError, Wanted, find_packages

DATED = datetime(2026, 1, 1, tzinfo=UTC)


def wanted(name: str, number: str, module: str) -> Wanted:
    """A package to look for."""
    return Wanted(name, number, module, "https://example.org", "MIT", "nothing", DATED)


def test_an_installed_package_is_found_with_its_folder_and_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    """pluggy, which every test environment has, stands in for a package of data; under MIT its licence comes along."""
    monkeypatch.setattr(packages, "WANTED", (wanted("pluggy", version("pluggy"), "pluggy"),))
    found = find_packages()["pluggy"]
    assert (found.folder / "__init__.py").is_file()
    assert found.version == version("pluggy")
    assert "Permission is hereby granted" in found.notice


def test_finding_a_package_runs_none_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that was not imported before is not imported after."""
    monkeypatch.delitem(sys.modules, "pluggy", raising=False)
    monkeypatch.setattr(packages, "WANTED", (wanted("pluggy", version("pluggy"), "pluggy"),))
    find_packages()
    assert "pluggy" not in sys.modules


def test_all_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is not installed, the other is there in another version: the message names both and says what to run."""
    monkeypatch.setattr(
        packages, "WANTED", (wanted("no-such-package", "1.0", "no_such_package"), wanted("pluggy", "0.0.1", "pluggy"))
    )
    with pytest.raises(PackageMissingError, match=r"no-such-package 1\.0, pluggy 0\.0\.1: run `make seed`") as raised:
        find_packages()
    assert raised.value.names == ("no-such-package 1.0", "pluggy 0.0.1")


def test_data_files_are_read_plain_and_compressed(tmp_path: Path) -> None:
    """A JSON file and a compressed one give the same value."""
    (tmp_path / "a.json").write_text('{"a": 1}', encoding="utf-8")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'{"a": 1}'))
    package = Package("p", "1", "MIT", "", "", DATED, tmp_path)
    assert package.json("a.json") == package.json("a.json.gz") == {"a": 1}


def test_the_versions_looked_for_are_those_that_the_project_installs() -> None:
    """The seed group of pyproject.toml pins each wanted package to the version whose data is known."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert {f"{item.distribution}=={item.version}" for item in WANTED} <= set(project["dependency-groups"]["seed"])
