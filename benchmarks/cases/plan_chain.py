"""A chain of 30 tasks."""

from __future__ import annotations

from typing import Final

from benchmarks.dag_cases import Pipeline, chain
from benchmarks.placement import against_peer
from benchmarks.result import Result

TASKS: Final = 30
SEED: Final = 30
LIMIT: Final = 1 / 100


def measure() -> Result:
    """Each task hands its data to the next."""
    return against_peer(f"plan of a chain of {TASKS} tasks", Pipeline.of(chain(TASKS), TASKS, SEED), LIMIT)
