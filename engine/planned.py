"""What planning found, before it is written down as a plan."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan import Option
from engine.status import Proof


@dataclass(frozen=True)
class Planned:
    """The best option, the next best ones, the best of every other cloud and purchase, and the proof."""

    best: Option
    proof: Proof
    alternatives: tuple[Option, ...] = ()
    comparison: tuple[Option, ...] = ()
    assumptions: tuple[str, ...] = ()
