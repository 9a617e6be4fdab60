"""What a solver proved, in words that nothing else is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

Clock = Callable[[], float]
"""Tells seconds from an arbitrary moment on."""

ROUNDING: Final = 1e-9
"""How far a sum may lie above what it is held against, relative to it, by rounding alone."""


class Status(StrEnum):
    """`optimal`: proven best. `feasible`: a limit of time or size was hit and a solution was at hand, see the gap.

    `infeasible`: no solution exists. `unknown`: such a limit was hit before any solution was found.
    """

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


def relative_gap(objective: float, bound: float) -> float:
    """The share of the objective that a better solution could save at most."""
    if objective == bound:
        return 0.0
    return abs(objective - bound) / abs(objective) if objective else float("inf")


def raised(limit: float) -> float:
    """A limit with room for the rounding of what is held against it."""
    return limit + ROUNDING * max(1.0, abs(limit))


def stands_still() -> float:
    """The clock of those who have none."""
    return 0.0


@dataclass(frozen=True)
class TimeLimit:
    """When to be done, by a clock that is handed in; by one that stands still, only the solver's own time counts."""

    ends_s: float = math.inf
    clock: Clock = stands_still

    @classmethod
    def of(cls, seconds: float | None, clock: Clock = stands_still) -> TimeLimit:
        """So many seconds from now on; None for no limit."""
        return cls() if seconds is None else cls(clock() + seconds, clock)

    @property
    def left_s(self) -> float | None:
        """Seconds left, at least 0; None for no limit."""
        return None if math.isinf(self.ends_s) else max(0.0, self.ends_s - self.clock())

    def allows(self, seconds: float = 0.0) -> bool:
        """Whether there is time left, and for what takes so many seconds."""
        return self.left_s is None or self.left_s > seconds

    def share(self, part: float) -> TimeLimit:
        """A limit that leaves all but this part of the time that is left."""
        return self if self.left_s is None else replace(self, ends_s=self.ends_s - (1 - part) * self.left_s)


NO_LIMIT: Final = TimeLimit()
