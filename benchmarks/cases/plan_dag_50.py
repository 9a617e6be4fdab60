"""A DAG of 50 tasks."""

from __future__ import annotations

from typing import Final

from benchmarks.dag_cases import Pipeline, layered
from benchmarks.placement import against_peer
from benchmarks.result import Result

TASKS: Final = 50
SEED: Final = 50
LIMIT: Final = 1 / 100


def measure() -> Result:
    """Each task reads from one or two before it."""
    return against_peer(f"plan of a DAG of {TASKS} tasks", Pipeline.of(layered(TASKS, SEED), TASKS, SEED), LIMIT)
