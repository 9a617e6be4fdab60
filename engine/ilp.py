"""Mixed-integer linear models: built by name, solved in process, and explained where nothing solves them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from engine.ilp_program import Column, Options, Program, Row, Sense, Solved, Terms, Variable
from engine.ilp_solvers import by_arrays, by_pulp, conflicting_rows
from engine.status import Status, raised

__all__ = ["Model", "Row", "Sense", "Solved", "Terms", "Variable"]

LEXICOGRAPHIC_SLACK: Final = 1e-9
"""How far a later objective may push an earlier one, relative to it; HiGHS itself lets a row be overstepped by 1e-7."""
BUILT_BY_PULP: Final = 2_000
"""Variables and nonzeros up to which PuLP builds the model: some 0.03 s. What is larger goes to HiGHS as arrays."""


@dataclass
class Model:
    """A minimisation. Each variable and each row has a name, for reading the model and its solution."""

    name: str
    variables: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def binary(self, name: str) -> Variable:
        """Add a variable that is 0 or 1."""
        return self._add(Column(name, 0.0, 1.0, integer=True))

    def continuous(self, name: str, high: float = math.inf) -> Variable:
        """Add a variable between 0 and `high`."""
        return self._add(Column(name, 0.0, high, integer=False))

    def constrain(self, name: str, terms: Terms, sense: Sense, rhs: float) -> None:
        """Add a row; terms whose coefficient is 0 are left out.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        _require_finite(name, [*terms.values(), rhs])
        self.rows.append(Row(name, {variable: value for variable, value in terms.items() if value}, sense, rhs))

    def solve(
        self,
        objective: Terms,
        time_limit_s: float | None = None,
        *,
        start: Terms | Sequence[float] | None = None,
        relative_gap: float = 0.0,
    ) -> Solved:
        """Minimise; without a time limit and a gap the answer is the proven optimum or infeasible.

        `start` is a solution to begin from, as values of all variables or of some: binaries that it leaves open are
        0, others follow. It is a hint, which need not satisfy the rows, and none where no variable is integer.
        At `relative_gap`, a share of the objective, the solver may stop: the status is then `feasible`, with the gap
        that is left. It is `optimal` where objective and bound differ by no more than 1e-9 of the objective (of 1
        where that is less), and where the solver went on to the end, which HiGHS takes to be 1e-6.

        Raises:
            ValueError: the objective may fall without end, which HiGHS does not tell from infeasible; a coefficient
                is infinite or no number; or `start` is a sequence of another length than the model has variables.
        """
        _require_finite("the objective", objective.values())
        endless = [self.variables[variable] for variable, value in objective.items() if value < 0]
        if any(math.isinf(column.high) for column in endless):
            raise ValueError("the objective rewards a variable that has no upper bound")
        program = Program(self.variables, self.rows, objective)
        options = Options(time_limit_s, relative_gap, self._by_variable(start))
        solved = _run(program, options)
        if solved.status is not Status.INFEASIBLE:
            return solved
        # The presolve of HiGHS 1.15.1 calls some feasible models infeasible: without it the answer is believed.
        left_s = None if time_limit_s is None else max(0.0, time_limit_s - solved.seconds)
        again = _run(program, replace(options, time_limit_s=left_s, presolve=False))
        return replace(again, seconds=solved.seconds + again.seconds)

    def solve_in_order(
        self,
        objectives: Sequence[Terms],
        time_limit_s: float | None = None,
        *,
        start: Terms | Sequence[float] | None = None,
        relative_gap: float = 0.0,
    ) -> list[Solved]:
        """Minimise the first objective, then the second among the optima of the first, and so on.

        `time_limit_s` is for all together, `relative_gap` for each; each starts from the solution before. Ends early
        where one is not proven as far as the gap; the last entry holds the solution.
        """
        solved: list[Solved] = []
        model = Model(self.name, self.variables, list(self.rows))
        for number, objective in enumerate(objectives):
            latest = model.solve(objective, time_limit_s, start=start, relative_gap=relative_gap)
            if solved and not latest.values:
                break
            solved.append(latest)
            if latest.status is Status.INFEASIBLE or latest.gap > raised(relative_gap):
                break
            start = latest.values
            if time_limit_s is not None:
                time_limit_s = max(0.0, time_limit_s - latest.seconds)
            slack = LEXICOGRAPHIC_SLACK * max(1.0, abs(latest.objective))
            model.constrain(f"keep_objective_{number}", objective, Sense.AT_MOST, latest.objective + slack)
        return solved

    def conflict(self, names: Iterable[str], time_limit_s: float | None = None) -> tuple[str, ...]:
        """Of the named rows of an infeasible model so many that it stays infeasible, and none could be left out.

        Rows that are not named always hold: where they conflict among themselves, the answer is empty. Rows of one
        name stand and fall together. The deletion filter (Chinneck and Dravnieks) begins with the rows that conflict
        already where fractions are allowed, if there are any. `time_limit_s` is for each trial; a row whose trial
        ends without an answer stays.

        Raises:
            ValueError: a name is that of no row, or the model has a solution.
        """
        named = tuple(dict.fromkeys(names))
        if strange := set(named) - {row.name for row in self.rows}:
            raise ValueError(f"no such rows: {', '.join(sorted(strange))}")
        relaxed = conflicting_rows(Program(self.variables, self.rows, {}), time_limit_s)
        outside = set(named) - {self.rows[number].name for number in relaxed} if relaxed else set()
        # Multipliers are rounded: that a row has none counts only where the others are infeasible without it.
        dropped = outside if outside and self._without(outside, time_limit_s) is Status.INFEASIBLE else set()
        for name in named:
            if name not in dropped and self._without(dropped | {name}, time_limit_s) is Status.INFEASIBLE:
                dropped |= {name}
        if not (relaxed or dropped) and self._without(dropped, time_limit_s) in {Status.OPTIMAL, Status.FEASIBLE}:
            raise ValueError("the model has a solution")
        return tuple(name for name in named if name not in dropped)

    def text(self, objective: Terms) -> str:
        """The model as a person reads it, by name: for golden files and for explaining."""
        lines = [f"minimise {self._sum(objective)}", "subject to"]
        lines += [f"  {row.name}: {self._sum(row.terms)} {row.sense} {row.rhs:g}" for row in self.rows]
        lines += ["with"]
        lines += [
            f"  {name} {'in {0, 1}' if integer else f'in [{low:g}, {high:g}]'}"
            for name, low, high, integer in self.variables
        ]
        return "\n".join(lines) + "\n"

    def _add(self, column: Column) -> Variable:
        self.variables.append(column)
        return Variable(len(self.variables) - 1)

    def _sum(self, terms: Terms) -> str:
        return " + ".join(f"{value:g} {self.variables[variable].name}" for variable, value in terms.items()) or "0"

    def _by_variable(self, start: Terms | Sequence[float] | None) -> Terms:
        if start is None or isinstance(start, Mapping):
            return start or {}
        return dict(zip(map(Variable, range(len(self.variables))), start, strict=True))

    def _without(self, names: Set[str], time_limit_s: float | None) -> Status:
        """Whether the rows that are not so named have a solution together."""
        rest = [row for row in self.rows if row.name not in names]
        return Model(self.name, self.variables, rest).solve({}, time_limit_s).status


def _run(program: Program, options: Options) -> Solved:
    arrays = options.start or program.size > BUILT_BY_PULP
    return by_arrays(program, options) if arrays else by_pulp(program, options)


def _require_finite(what: str, figures: Iterable[float]) -> None:
    """HiGHS leaves out a row with an infinite coefficient, and says nothing."""
    if not all(map(math.isfinite, figures)):
        raise ValueError(f"{what}: a figure is infinite or no number")
