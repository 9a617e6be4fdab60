"""What planning found, before it is written down as a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.plan import Fallback, Option, Proof

MOST_TASKS: Final = 2000
"""As many tasks as can be placed together within the memory of a small machine."""


class TooLargeError(Exception):
    """The workload has more tasks than can be placed together."""

    def __init__(self, tasks: int) -> None:
        super().__init__(f"{tasks:,} tasks: up to {MOST_TASKS:,} can be placed together")


@dataclass(frozen=True)
class Planned:
    """The best option of so many candidates, the next best ones, the best of each cloud and purchase, the fallbacks."""

    best: Option
    proof: Proof
    candidates: int
    alternatives: tuple[Option, ...] = ()
    alternatives_complete: bool = True
    comparison: tuple[Option, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    assumptions: tuple[str, ...] = ()
    fell_out: Mapping[str, int] = field(default_factory=dict)
    """The offers that would do but for the limits, by the reason."""
