"""One task that any of six kinds of GPU will do for, on demand or spot."""

from __future__ import annotations

from typing import Final

from benchmarks.dag_cases import Pipeline, Step
from benchmarks.placement import against_peer
from benchmarks.result import Result

RUNS: Final = 3
LIMIT: Final = 1 / 100
KINDS: Final = ("A100:8", "A100-80GB:8", "H100:8", "H200:8", "L4:8", "V100:8")


def measure() -> Result:
    """Of the candidates of all kinds together the cheapest."""
    task = Step("task", KINDS, spot_too=True)
    return against_peer("plan of one task, any of 6 GPUs, spot or not", Pipeline((task,), ()), LIMIT, RUNS)
