"""Code stays small enough to be read: the limits that no linter of ours checks."""

from __future__ import annotations

import ast

from tests.house.layout import TOP_LEVEL, python_files, relative, syntax

FILE_LINES = 500
FUNCTION_LINES = 60


def test_no_file_is_long() -> None:
    """A file above the limit is two things; tests are held to it as well."""
    lengths = {path: len(path.read_text().splitlines()) for path in python_files(*TOP_LEVEL, "benchmarks", "tests")}
    assert not [f"{relative(path)}: {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES]


def test_no_function_is_long() -> None:
    """A function above the limit does more than its name says."""
    functions = [
        (path, node)
        for path in python_files(*TOP_LEVEL, "benchmarks")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = [
        (f"{relative(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path, node in functions
    ]
    assert not [f"{name}: {lines} lines" for name, lines in lengths if lines > FUNCTION_LINES]


def test_imports_are_absolute() -> None:
    """A name is imported from where it lives, so that a file can be moved and searched for."""
    imports = [
        (path, node)
        for path in python_files(*TOP_LEVEL, "benchmarks", "tests")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.ImportFrom)
    ]
    assert not [f"{relative(path)}:{node.lineno}" for path, node in imports if node.level]
