"""What is shipped is what pyproject.toml says, and nobody else's package takes its place."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.layout import PYPROJECT, ROOT, TOP_LEVEL

PACKAGES = set(PYPROJECT["tool"]["setuptools"]["packages"])
NOT_SHIPPED = {"benchmarks", "tests"}


def test_packages_are_the_folders_on_disk() -> None:
    """A package that is not in the list would be missing from the wheel and from nothing else."""
    tops = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_SHIPPED]
    folders = [path.parent.relative_to(ROOT) for top in tops for path in top.rglob("__init__.py")]
    assert {".".join(folder.parts) for folder in folders} == PACKAGES


def test_import_contracts_cover_every_top_level_package() -> None:
    """A top-level package that import-linter does not know could import anything."""
    assert {name.partition(".")[0] for name in PACKAGES} == set(TOP_LEVEL)


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_package_is_typed(name: str) -> None:
    """A type checker of code that imports us sees our annotations (PEP 561)."""
    assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_no_other_distribution_owns_our_names(name: str) -> None:
    """Names such as `executor` are taken on the package index: another one installed here would shadow ours."""
    assert set(importlib.metadata.packages_distributions().get(name, ())) <= {"skybroker"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout without the network."""
    copy = tmp_path_factory.mktemp("checkout")
    junk = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, copy, ignore=junk, dirs_exist_ok=True)
    built = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", built, copy], check=True)
    (path,) = built.iterdir()
    return path


def test_wheel_holds_our_packages_and_their_data(wheel: Path) -> None:
    """Every file of our packages is in the wheel, data files too, and nothing else is."""
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for name in TOP_LEVEL
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert shipped == on_disk


def test_wheel_holds_the_licence_and_the_command(wheel: Path) -> None:
    """The licence travels with the code, and so does the notice of whose data the seed holds."""
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        assert {"LICENSE", "NOTICE"} <= names.keys()
        assert "skybroker = cli.main:main" in archive.read(names["entry_points.txt"]).decode()
