"""Where the parts of the checkout are, for the tests of the house."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP_LEVEL: Final = tuple(PYPROJECT["tool"]["importlinter"]["root_packages"])
"""The top-level packages that are shipped."""


def python_files(*folders: str) -> Iterator[Path]:
    """Every Python file below these folders of the checkout."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    """The path as a reader of the checkout writes it."""
    return path.relative_to(ROOT).as_posix()


@cache
def syntax(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))
