"""Mixed-integer linear models: the only file that knows PuLP and HiGHS.

A model is built by name and solved in process. Names are ours alone (PuLP folds `us-east-1` and `us_east_1`
into one): the solver sees x0, x1, ...
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NewType

import pulp

from engine.status import Status, relative_gap

Variable = NewType("Variable", int)
Terms = Mapping[Variable, float]

# Every solve of a process uses one setting: HiGHS fails silently when it changes between solves.
THREADS: Final = 1
# How far a later objective may push an earlier one, relative to it: above HiGHS's own tolerances.
LEXICOGRAPHIC_SLACK: Final = 1e-6


class Sense(StrEnum):
    """How the sum of a row compares with its right-hand side."""

    AT_MOST = "<="
    AT_LEAST = ">="
    EQUAL = "="


@dataclass(frozen=True)
class Row:
    """A constraint: sum of coefficient * variable, `sense`, `rhs`."""

    name: str
    terms: Terms
    sense: Sense
    rhs: float


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


@dataclass
class Model:
    """A minimisation. Each variable and each row has a name, for reading the model and its solution."""

    name: str
    variables: list[tuple[str, float, float, bool]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def binary(self, name: str) -> Variable:
        """Add a variable that is 0 or 1."""
        return self._add(name, 0.0, 1.0, integer=True)

    def continuous(self, name: str, high: float = math.inf) -> Variable:
        """Add a variable between 0 and `high`."""
        return self._add(name, 0.0, high, integer=False)

    def constrain(self, name: str, terms: Terms, sense: Sense, rhs: float) -> None:
        """Add a row; terms whose coefficient is 0 are left out."""
        self.rows.append(Row(name, {variable: value for variable, value in terms.items() if value}, sense, rhs))

    def solve(self, objective: Terms, time_limit_s: float | None = None) -> Solved:
        """Minimise; without a time limit the answer is the proven optimum or infeasible.

        Raises:
            ValueError: the objective may fall without end, which HiGHS does not tell from infeasible.
        """
        endless = [self.variables[variable] for variable, value in objective.items() if value < 0]
        if any(math.isinf(high) for _, _, high, _ in endless):
            raise ValueError("the objective rewards a variable that has no upper bound")
        solved = self._run(objective, time_limit_s, presolve="choose")
        if solved.status is not Status.INFEASIBLE:
            return solved
        # The presolve of HiGHS 1.15.1 calls some feasible models infeasible: without it the answer is believed.
        left_s = None if time_limit_s is None else max(0.0, time_limit_s - solved.seconds)
        again = self._run(objective, left_s, presolve="off")
        return replace(again, seconds=solved.seconds + again.seconds)

    def solve_in_order(self, objectives: Sequence[Terms], time_limit_s: float | None = None) -> list[Solved]:
        """Minimise the first objective, then the second among the optima of the first, and so on.

        `time_limit_s` is for all together. Ends early where one has no proven optimum; the last entry holds the
        solution.
        """
        solved: list[Solved] = []
        model = Model(self.name, self.variables, list(self.rows))
        for number, objective in enumerate(objectives):
            latest = model.solve(objective, time_limit_s)
            if solved and not latest.values:
                break
            solved.append(latest)
            if latest.status is not Status.OPTIMAL:
                break
            if time_limit_s is not None:
                time_limit_s = max(0.0, time_limit_s - latest.seconds)
            slack = LEXICOGRAPHIC_SLACK * max(1.0, abs(latest.objective))
            model.constrain(f"keep_objective_{number}", objective, Sense.AT_MOST, latest.objective + slack)
        return solved

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

    def _run(self, objective: Terms, time_limit_s: float | None, *, presolve: str) -> Solved:
        problem, columns = self._build(objective)
        solver = pulp.HiGHS(
            msg=False, output_flag=False, threads=THREADS, gapRel=0.0, timeLimit=time_limit_s, presolve=presolve
        )
        problem.solve(solver)
        return _read(problem, columns)

    def _add(self, name: str, low: float, high: float, *, integer: bool) -> Variable:
        self.variables.append((name, low, high, integer))
        return Variable(len(self.variables) - 1)

    def _sum(self, terms: Terms) -> str:
        return " + ".join(f"{value:g} {self.variables[variable][0]}" for variable, value in terms.items()) or "0"

    def _build(self, objective: Terms) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
        problem = pulp.LpProblem("model", pulp.LpMinimize)
        columns = [
            problem.add_variable(
                f"x{number}",
                lowBound=low,
                upBound=None if math.isinf(high) else high,
                cat=pulp.LpInteger if integer else pulp.LpContinuous,
            )
            for number, (_, low, high, integer) in enumerate(self.variables)
        ]
        problem.setObjective(_expression(columns, objective))
        senses = {
            Sense.AT_MOST: pulp.LpConstraintLE,
            Sense.AT_LEAST: pulp.LpConstraintGE,
            Sense.EQUAL: pulp.LpConstraintEQ,
        }
        for number, row in enumerate(self.rows):
            problem.addConstraint(
                pulp.LpConstraint(_expression(columns, row.terms), senses[row.sense], rhs=row.rhs), f"r{number}"
            )
        return problem, columns


def _expression(columns: Sequence[pulp.LpVariable], terms: Terms) -> pulp.LpAffineExpression:
    return pulp.LpAffineExpression([(columns[variable], value) for variable, value in terms.items()])


def _read(problem: pulp.LpProblem, columns: Sequence[pulp.LpVariable]) -> Solved:
    """Status, bound and gap as HiGHS itself has them: at a time limit PuLP would say "Optimal"."""
    highs = problem.solverModel
    info = highs.getInfo()
    outcome, seconds = highs.modelStatusToString(highs.getModelStatus()), highs.getRunTime()
    if outcome in {"Infeasible", "Primal infeasible or unbounded"}:
        return Solved(Status.INFEASIBLE, math.inf, math.inf, 0.0, (), seconds)
    has_solution = info.primal_solution_status == 2  # HiGHS: kSolutionStatusFeasible
    if not has_solution:
        return Solved(Status.UNKNOWN, math.inf, -math.inf, math.inf, (), seconds)
    objective = float(info.objective_function_value)
    integral = any(column.cat == pulp.LpInteger for column in columns)
    proven = outcome in {"Optimal", "Empty"}
    bound = objective if proven else float(info.mip_dual_bound) if integral else -math.inf
    values = [float(column.varValue or 0.0) for column in columns]
    status = Status.OPTIMAL if proven else Status.FEASIBLE
    return Solved(status, objective, bound, relative_gap(objective, bound), values, seconds)
