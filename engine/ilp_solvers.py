"""The only file that knows PuLP and HiGHS: one function a way to hand a program to the solver.

Both hand over the same program in the same order, columns and rows, so that HiGHS takes the same way through it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

import highspy
import numpy as np
import pulp

from engine.ilp_program import Options, Program, Sense, Solved, Terms
from engine.status import ROUNDING, Status, relative_gap

THREADS: Final = 1
"""Every solve of a process uses one setting: HiGHS fails silently when it changes between solves."""
PULP_SENSES: Final = {
    Sense.AT_MOST: pulp.LpConstraintLE,
    Sense.AT_LEAST: pulp.LpConstraintGE,
    Sense.EQUAL: pulp.LpConstraintEQ,
}


def by_pulp(program: Program, options: Options) -> Solved:
    """Built object by object, about 2.5 microseconds a variable or nonzero; PuLP passes no start on."""
    problem = pulp.LpProblem("model", pulp.LpMinimize)
    # Names are ours alone (PuLP folds `us-east-1` and `us_east_1` into one); it sorts columns by name as text.
    columns = [
        problem.add_variable(
            f"x{number:09}",
            lowBound=column.low,
            upBound=None if math.isinf(column.high) else column.high,
            cat=pulp.LpInteger if column.integer else pulp.LpContinuous,
        )
        for number, column in enumerate(program.columns)
    ]
    problem.setObjective(_expression(columns, program.objective))
    for number, row in enumerate(program.rows):
        constraint = pulp.LpConstraint(_expression(columns, row.terms), PULP_SENSES[row.sense], rhs=row.rhs)
        problem.addConstraint(constraint, f"r{number}")
    problem.solve(pulp.HiGHS(msg=False, **_settings(options)))
    return _read(problem.solverModel, program, options, [float(column.varValue or 0.0) for column in columns])


def by_arrays(program: Program, options: Options) -> Solved:
    """Passed to HiGHS as arrays, a tenth of what building takes, and with the start. At least one variable."""
    highs = _loaded(program, options)
    if options.start and program.integral:
        _begin_from(highs, program, options.start)
    highs.run()
    return _read(highs, program, options, highs.getSolution().col_value)


def conflicting_rows(program: Program, time_limit_s: float | None = None) -> Sequence[int]:
    """The numbers of rows that not even fractional values satisfy together; none where HiGHS proves no such thing.

    By the dual ray of the relaxation (Farkas): the rows with a multiplier suffice for the contradiction, though
    fewer may do. HiGHS's own search for a least set (`getIis`) takes many times as long as the relaxation itself.
    """
    relaxed = replace(program, columns=[column._replace(integer=False) for column in program.columns], objective={})
    highs = _loaded(relaxed, Options(time_limit_s, presolve=False))
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kInfeasible:
        return ()
    _, found, multipliers = highs.getDualRay()  # type: ignore[attr-defined]  # its stubs leave it out
    return np.flatnonzero(multipliers).tolist() if found else ()


def _expression(columns: Sequence[pulp.LpVariable], terms: Terms) -> pulp.LpAffineExpression:
    return pulp.LpAffineExpression([(columns[variable], value) for variable, value in terms.items()])


def _settings(options: Options) -> dict[str, bool | float | str]:
    """HiGHS's options; without its absolute gap of 1e-6, beside which a small relative one would mean nothing."""
    settings: dict[str, bool | float | str] = {
        "output_flag": False,
        "threads": THREADS,
        "mip_rel_gap": options.relative_gap,
        "mip_abs_gap": 0.0,
        "presolve": "choose" if options.presolve else "off",
    }
    return settings if options.time_limit_s is None else settings | {"time_limit": float(options.time_limit_s)}


def _loaded(program: Program, options: Options) -> highspy.Highs:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its stubs leave it out
    for name, value in _settings(options).items():
        highs.setOptionValue(name, value)
    columns, rows = program.columns, program.rows
    cost = np.zeros(len(columns))
    cost[list(program.objective)] = list(program.objective.values())
    ends = np.cumsum([len(row.terms) for row in rows], dtype=np.int32)
    nonzeros = int(ends[-1]) if rows else 0
    highs.passModel(
        len(columns),
        len(rows),
        nonzeros,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        cost,
        np.array([column.low for column in columns], dtype=np.float64),
        np.array([column.high for column in columns], dtype=np.float64),
        np.array([-math.inf if row.sense is Sense.AT_MOST else row.rhs for row in rows], dtype=np.float64),
        np.array([math.inf if row.sense is Sense.AT_LEAST else row.rhs for row in rows], dtype=np.float64),
        np.concatenate([np.zeros(1, dtype=np.int32), ends]),
        np.fromiter(chain.from_iterable(row.terms for row in rows), np.int32, nonzeros),
        np.fromiter(chain.from_iterable(row.terms.values() for row in rows), np.float64, nonzeros),
        np.array([column.integer for column in columns], dtype=np.int32),
    )
    return highs


def _begin_from(highs: highspy.Highs, program: Program, start: Terms) -> None:
    """Whole numbers that the start leaves open are 0: HiGHS would search for them, for a time limit of its own."""
    _, low, high, integer = (np.array(figures) for figures in zip(*program.columns, strict=True))
    values = np.where(integer, 0.0, np.nan)
    values[list(start)] = list(start.values())
    values = np.clip(np.where(integer, np.rint(values), values), low, high)
    given = np.flatnonzero(~np.isnan(values)).astype(np.int32)
    highs.setSolution(given.size, given, values[given])


def _read(highs: highspy.Highs, program: Program, options: Options, values: Sequence[float]) -> Solved:
    """Status, bound and gap as HiGHS itself has them: at a time limit PuLP would say "Optimal"."""
    info = highs.getInfo()
    outcome, seconds = highs.modelStatusToString(highs.getModelStatus()), highs.getRunTime()
    if outcome in {"Infeasible", "Primal infeasible or unbounded"}:
        return Solved(Status.INFEASIBLE, math.inf, math.inf, 0.0, (), seconds)
    has_solution = info.primal_solution_status == 2  # HiGHS: kSolutionStatusFeasible
    if not has_solution:
        return Solved(Status.UNKNOWN, math.inf, -math.inf, math.inf, (), seconds)
    objective = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if program.integral else -math.inf
    to_the_end = outcome == "Optimal" and not (options.relative_gap and program.integral)
    if to_the_end or objective - bound <= ROUNDING * max(1.0, abs(objective)):
        return Solved(Status.OPTIMAL, objective, objective, 0.0, values, seconds)
    return Solved(Status.FEASIBLE, objective, bound, relative_gap(objective, bound), values, seconds)
