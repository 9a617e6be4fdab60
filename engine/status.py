"""What a solver proved, in words that nothing else is called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """How good a solution is: no solution has an objective below `bound`.

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
