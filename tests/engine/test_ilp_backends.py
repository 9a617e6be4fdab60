"""PuLP and arrays hand HiGHS the same program: what holds of one holds of the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dag import DagProblem
from engine.ilp import BUILT_BY_PULP, Model, Sense, Solved
from engine.ilp_program import Column, Options, Program, Row, Terms, Variable
from engine.ilp_solvers import by_arrays, by_pulp, conflicting_rows
from engine.problems.dag import build, terms
from engine.status import Status
from tests.kits.dag_instances import FIGURES, problems

TOLERANCE = 1e-6
"""HiGHS's own, of rows, bounds and whole numbers."""


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Up to seven variables and six rows: whole numbers and fractions, all senses, empty rows, no objective."""
    bounds = st.sampled_from((0.0, 1.0, 2.5, 4.0, math.inf))
    columns = [
        Column(f"x{number}", 0.0, draw(bounds), draw(st.booleans())) for number in range(draw(st.integers(1, 7)))
    ]
    rows = [
        Row(f"r{number}", draw(_terms(len(columns), -5)), draw(st.sampled_from(Sense)), draw(st.integers(-9, 20)))
        for number in range(draw(st.integers(0, 6)))
    ]
    return Program(columns, rows, draw(_terms(len(columns), 0)))


@st.composite
def _terms(draw: st.DrawFn, variables: int, least: int) -> Terms:
    numbers = draw(st.lists(st.integers(0, variables - 1), unique=True))
    return {Variable(number): float(draw(st.integers(least, 9).filter(bool))) for number in numbers}


def satisfies(program: Program, values: Sequence[float]) -> bool:
    """Whether the values are within bounds, whole where they must be, and keep every row."""
    within = all(
        column.low - TOLERANCE <= value <= column.high + TOLERANCE
        and (not column.integer or abs(value - round(value)) <= TOLERANCE)
        for column, value in zip(program.columns, values, strict=True)
    )
    excess = [sum(value * values[variable] for variable, value in row.terms.items()) - row.rhs for row in program.rows]
    return within and all(
        (row.sense is Sense.AT_LEAST or over <= 10 * TOLERANCE)
        and (row.sense is Sense.AT_MOST or over >= -10 * TOLERANCE)
        for row, over in zip(program.rows, excess, strict=True)
    )


def hold_equal(program: Program) -> Solved:
    """One status and one objective, of values that are a solution; the answer is handed back."""
    built, passed = by_pulp(program, Options()), by_arrays(program, Options())
    assert built.status is passed.status
    assert passed.objective == pytest.approx(built.objective, rel=1e-9, abs=1e-9)
    assert passed.bound == pytest.approx(built.bound, rel=1e-9, abs=1e-9)
    for solved in (built, passed):
        assert bool(solved.values) is (solved.status is Status.OPTIMAL)
        if solved.values:
            assert satisfies(program, solved.values)
            worth = sum(value * solved.values[variable] for variable, value in program.objective.items())
            assert worth == pytest.approx(solved.objective, abs=1e-6)
    return passed


@settings(deadline=None, max_examples=60)
@given(programs())
def test_both_ways_lead_to_one_answer(program: Program) -> None:
    """Random programs, with a solution or without."""
    hold_equal(program)


@settings(deadline=None, max_examples=50)
@given(problems(loads=FIGURES))
def test_both_ways_place_tasks_alike(problem: DagProblem) -> None:
    """Each measure of the placement of a DAG of tasks."""
    model, variables = build(problem)
    for measure in problem.order:
        hold_equal(Program(model.variables, model.rows, terms(problem, variables, measure)))


@settings(deadline=None, max_examples=60)
@given(programs())
def test_rows_that_conflict_have_no_solution(program: Program) -> None:
    """Not even in fractions."""
    if numbers := conflicting_rows(program):
        relaxed = [column._replace(integer=False) for column in program.columns]
        rows = [program.rows[number] for number in numbers]
        assert by_pulp(Program(relaxed, rows, {}), Options(presolve=False)).status is Status.INFEASIBLE


def test_rows_that_conflict_are_found() -> None:
    """x + y <= 1 and x - y >= 2, of four rows; whole numbers are not asked for: 2 x = 1 conflicts with nothing."""
    x, y = Variable(0), Variable(1)
    columns = [Column(name, 0.0, math.inf, integer=True) for name in "xy"]
    rows = [
        Row("far", {x: 1.0}, Sense.AT_MOST, 9.0),
        Row("sum", {x: 1.0, y: 1.0}, Sense.AT_MOST, 1.0),
        Row("half", {x: 2.0}, Sense.EQUAL, 1.0),
        Row("difference", {x: 1.0, y: -1.0}, Sense.AT_LEAST, 2.0),
    ]
    assert not conflicting_rows(Program(columns, rows[:3], {}))
    assert set(conflicting_rows(Program(columns, [*rows[:2], rows[3]], {}))) == {1, 2}


def test_a_large_model_is_solved_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Past the size at which it goes to HiGHS as arrays: the cheapest of ten thousand pairs each, and not a byte."""
    model = Model("pairs")
    dear = [model.binary(f"dear[{number}]") for number in range(BUILT_BY_PULP)]
    cheap = [model.binary(f"cheap[{number}]") for number in range(BUILT_BY_PULP)]
    for number, pair in enumerate(zip(dear, cheap, strict=True)):
        model.constrain(f"one[{number}]", dict.fromkeys(pair, 1.0), Sense.EQUAL, 1.0)
    solved = model.solve(dict.fromkeys(dear, 2.0) | dict.fromkeys(cheap, 1.0))
    assert (solved.status, solved.objective) == (Status.OPTIMAL, float(BUILT_BY_PULP))
    assert [solved.values[variable] for variable in (*dear[:2], *cheap[:2])] == [0.0, 0.0, 1.0, 1.0]
    assert capfd.readouterr() == ("", "")
