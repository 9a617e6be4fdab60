"""The pages that are made from the program are what it says now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", ["cli.md", "catalog.md"])
def test_generated_pages_are_current(name: str) -> None:
    """`make docs` writes them again."""
    spec = importlib.util.spec_from_file_location("make_reference", CHECKOUT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (CHECKOUT / "docs" / name).read_text(encoding="utf-8") == module.pages()[name]


def test_the_readme_names_files_that_exist() -> None:
    """Every relative link of the README leads somewhere."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []
    assert "@@" not in text
