"""`python -m benchmarks [NAME...]`: run measures and print them as a section of RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from benchmarks.registry import CASES
from benchmarks.result import SkippedError

PACKAGES: Final = ("duckdb", "highspy", "numpy", "polars", "pulp", "pydantic", "typer")


def main() -> None:
    """Run the measures that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run measures; all of them by default.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(CASES)}")
    names = parser.parse_args().names or list(CASES)
    unknown = set(names) - set(CASES)
    if unknown:
        parser.error(f"no measure {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    print(f"## {datetime.now(UTC):%Y-%m-%d}: `python -m benchmarks {' '.join(names)}`\n")
    print(_machine(), end="\n\n")
    print("CPU seconds (wall seconds in brackets), medians.\n")
    print("| what | ours | peer | peer's | ratio | limit | |\n| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        try:
            print(CASES[name]().row(), flush=True)
        except SkippedError as error:
            print(f"| {name}: skipped, {error} | | | | | | |", flush=True)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}; {packages}."


if __name__ == "__main__":
    main()
