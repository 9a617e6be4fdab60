"""One task that needs eight A100s."""

from __future__ import annotations

from typing import Final

from benchmarks.placement import ONE_TASK, against_peer
from benchmarks.result import Result

RUNS: Final = 11
LIMIT: Final = 1 / 50


def measure() -> Result:
    """From a workload and a snapshot that have been read to the text of the plan."""
    return against_peer("plan of one task, `A100:8`", ONE_TASK, LIMIT, RUNS)
