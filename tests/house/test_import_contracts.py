"""The import contracts of pyproject.toml speak of modules that exist: a typo would make one pass for ever."""

from __future__ import annotations

import importlib.util
import re
import sys
from typing import Any

import pytest

from tests.house.layout import PYPROJECT, ROOT, TOP_LEVEL, python_files

CONTRACTS: list[dict[str, Any]] = PYPROJECT["tool"]["importlinter"]["contracts"]
LISTS = ("modules", "source_modules", "forbidden_modules", "protected_modules", "allowed_importers", "ancestors")

# Packages of others that a contract keeps out before anyone has installed them.
KEPT_OUT = {"boto3", "httpx", "libcloud", "requests"}


def _modules() -> set[str]:
    """The dotted name of every module of ours."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in python_files(*TOP_LEVEL)]
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


def _matches(expression: str) -> set[str]:
    """The modules of ours that an expression of import-linter names (`*` is one name, `**` one or more)."""
    pattern = re.escape(expression).replace(r"\*\*", r".+").replace(r"\*", r"[^.]+")
    return {module for module in _modules() if re.fullmatch(pattern, module)}


def _expressions(contract: dict[str, Any]) -> set[str]:
    """Every module expression that a contract holds."""
    named = {name for key in LISTS for name in contract.get(key, ())}
    named |= {name for ignored in contract.get("ignore_imports", ()) for name in ignored.split(" -> ")}
    layers = [name.strip(" ()") for layer in contract.get("layers", ()) for name in re.split(r"[|:]", layer)]
    prefixes = [f"{container}." for container in contract.get("containers", ())] or [""]
    return named | {prefix + name for prefix in prefixes for name in layers}


def _exists(expression: str) -> bool:
    if expression.partition(".")[0] in TOP_LEVEL:
        return bool(_matches(expression))
    return expression in KEPT_OUT | sys.stdlib_module_names or importlib.util.find_spec(expression) is not None


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["id"])
def test_contract_names_what_exists(contract: dict[str, Any]) -> None:
    """Every name in the contract is a module of ours or a package that can be imported."""
    expressions = _expressions(contract)
    assert expressions
    assert not {name for name in expressions if not _exists(name)}


def test_every_engine_module_has_a_floor() -> None:
    """The contract on the floors of engine fails on a module that it does not name."""
    (floors,) = [contract for contract in CONTRACTS if contract["id"] == "engine-floors"]
    assert floors["containers"] == ["engine"]
    assert floors["exhaustive"] is True
