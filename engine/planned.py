"""What planning found, before it is written down as a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.plan import Option, Proof

MOST_TASKS: Final = 2000
"""As many tasks as can be placed together within the memory of a small machine."""


class TooLargeError(Exception):
    """The workload has more tasks than can be placed together."""

    def __init__(self, tasks: int) -> None:
        super().__init__(f"{tasks:,} tasks: up to {MOST_TASKS:,} can be placed together")


@dataclass(frozen=True)
class Planned:
    """The best option, the next best ones, the best of every other cloud and purchase, and the proof."""

    best: Option
    proof: Proof
    alternatives: tuple[Option, ...] = ()
    comparison: tuple[Option, ...] = ()
    assumptions: tuple[str, ...] = ()
