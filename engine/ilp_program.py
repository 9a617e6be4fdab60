"""Mixed-integer programs as values: what a solver is handed, how it is to solve it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType

from engine.status import Status

Variable = NewType("Variable", int)
"""The number of a column."""
Terms = Mapping[Variable, float]


class Sense(StrEnum):
    """How the sum of a row compares with its right-hand side."""

    AT_MOST = "<="
    AT_LEAST = ">="
    EQUAL = "="


class Column(NamedTuple):
    """A variable between `low` and `high`, both included; `high` may be infinite."""

    name: str
    low: float
    high: float
    integer: bool


@dataclass(frozen=True)
class Row:
    """A constraint: sum of coefficient * variable, `sense`, `rhs`."""

    name: str
    terms: Terms
    sense: Sense
    rhs: float


@dataclass(frozen=True)
class Program:
    """Minimise the objective subject to the rows. A variable is the number of its column."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    objective: Terms

    @property
    def size(self) -> int:
        """Variables and nonzeros of the rows."""
        return len(self.columns) + sum(len(row.terms) for row in self.rows)

    @property
    def integral(self) -> bool:
        """Whether some variable is to be a whole number."""
        return any(column.integer for column in self.columns)


@dataclass(frozen=True)
class Options:
    """How to solve. `start` holds values to begin from, a hint; at `relative_gap` the solver may stop."""

    time_limit_s: float | None = None
    relative_gap: float = 0.0
    start: Terms = field(default_factory=dict)
    presolve: bool = True


@dataclass(frozen=True)
class Solved:
    """What came of a solve; `values` is empty without a solution, and `objective` and `bound` may be infinite.

    `seconds` is what the solver took.
    """

    status: Status
    objective: float
    bound: float
    gap: float
    values: Sequence[float]
    seconds: float
