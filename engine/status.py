"""What a solver proved, in words that nothing else is called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ROUNDING: Final = 1e-9
"""How far a sum may lie above what it is held against, relative to it, by rounding alone."""


class Status(StrEnum):
    """`optimal`: proven best. `feasible`: the limit of time was hit and a solution was at hand, see the gap.

    `infeasible`: no solution exists. `unknown`: the limit of time was hit before any solution was found.
    """

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """How good a solution is: no solution that keeps as well to the user's order of preference is below `bound`.

    `gap` is (objective - bound) / |objective|, 0 where the optimum is proven. `method` says how.
    """

    status: Status
    objective: float
    bound: float
    gap: float
    method: str


def relative_gap(objective: float, bound: float) -> float:
    """The share of the objective that a better solution could save at most."""
    if objective == bound:
        return 0.0
    return abs(objective - bound) / abs(objective) if objective else float("inf")


def raised(limit: float) -> float:
    """A limit with room for the rounding of what is held against it."""
    return limit + ROUNDING * max(1.0, abs(limit))
