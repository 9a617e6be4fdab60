"""Requirements are pinned with hashes, name no host, and are the ones that the code imports."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.layout import PYPROJECT, ROOT, TOP_LEVEL, python_files, relative, syntax

FILES = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(
    r"(?P<requirement>[\w.\-]+(\[[\w, \-]+\])?==[\w.+!]+( ; [^#]+?)?)(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)"
)
DEPENDENCIES: list[str] = PYPROJECT["project"]["dependencies"]
NAMESPACES = {"google", "google.cloud"}  # packages of several distributions, which say nothing by themselves
GROUPS: dict[str, list[str]] = PYPROJECT["dependency-groups"]


def _entries(path: Path) -> list[str]:
    """The logical lines of a requirements file, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [" ".join(entry.split()) for entry in text.splitlines() if entry.strip()]


def _pins(path: Path) -> dict[str, str]:
    """The version of each distribution that a requirements file names."""
    requirements = [Requirement(entry.partition(" --hash")[0]) for entry in _entries(path)]
    return {canonicalize_name(found.name): str(found.specifier).removeprefix("==") for found in requirements}


def _names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_group_has_its_file() -> None:
    """What pyproject.toml names is pinned in a file of the same name; `run` holds what it takes to run."""
    assert {path.stem for path in FILES} == {"run", *GROUPS}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_requirement_is_pinned_with_hashes(path: Path) -> None:
    """Every line is one version with its hashes: no option, no address, no folder."""
    entries = _entries(path)
    assert entries
    assert not [entry for entry in entries if not PINNED.fullmatch(entry)]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_requirement_file_names_a_host_or_a_place(path: Path) -> None:
    """Where packages come from is the installing machine's affair; comments are held to it as well."""
    assert not re.findall(
        r"\w+://\S*|\bfile:\S*|--(?:extra-)?index\S*|--find-links\S*|(?<![\w.])/\w\S*", path.read_text()
    )


@pytest.mark.parametrize(
    ("path", "requirements"),
    [(ROOT / "requirements/run.txt", DEPENDENCIES)]
    + [(ROOT / f"requirements/{group}.txt", wanted) for group, wanted in GROUPS.items()],
    ids=["run", *GROUPS],
)
def test_pins_are_what_pyproject_asks_for(path: Path, requirements: list[str]) -> None:
    """A bound that is changed in pyproject.toml alone would change nothing."""
    pins = _pins(path)
    wanted = [Requirement(text) for text in requirements]
    assert not [str(one) for one in wanted if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"))]


def test_tests_run_on_the_versions_that_users_run() -> None:
    """The test requirements hold every run requirement, at the same version."""
    run, test = _pins(ROOT / "requirements/run.txt"), _pins(ROOT / "requirements/test.txt")
    assert run.items() <= test.items()


def test_extras_are_pinned_with_what_they_belong_to() -> None:
    """Else pip takes a newer release, which no hash covers, for a requirement with an extra (`coverage[toml]`)."""
    pins = _entries(ROOT / "requirements/test.txt")
    asked = [need for need in map(Requirement, GROUPS["test"]) if need.extras]
    assert asked
    assert not [need for need in asked if not any(pin.startswith(f"{need.name}[") for pin in pins)]
    assert any(pin.startswith("coverage[toml]==") for pin in pins)


def test_the_build_system_is_pinned() -> None:
    """Installing the project itself needs nothing that no hash covers."""
    assert PYPROJECT["build-system"]["requires"] == GROUPS["build"]


def test_dependencies_are_what_the_code_imports() -> None:
    """A dependency that nobody imports costs every user a download; one that is not named is there by luck."""
    imported = {
        name
        for path in python_files(*TOP_LEVEL)
        for node in ast.walk(syntax(path))
        for name in _imported_names(node)
        if name.partition(".")[0] not in {*TOP_LEVEL, *sys.stdlib_module_names}
    }
    used = {canonicalize_name(owner) for name in imported for owner in _owners(name)}
    assert used == _names(DEPENDENCIES)


def _owners(module: str) -> list[str]:
    """The distributions that a module comes from. Some share a top-level name (`google`): then its files tell."""
    top = module.partition(".")[0]
    candidates = importlib.metadata.packages_distributions().get(top, [top])
    if len(set(candidates)) == 1:
        return candidates
    places = (f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py")
    return [
        name
        for name in candidates
        if any(str(file) in places for file in importlib.metadata.distribution(name).files or ())
    ]


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        named = [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module, *(named if node.module in NAMESPACES else ())]
    return []
