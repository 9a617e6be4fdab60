"""The solver behind the model: what it proves, what it says out of time or without a solution, and that it is quiet."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ilp import Model, Sense, Terms, Variable
from engine.status import Status, raised, relative_gap


def knapsack(values: list[int], weights: list[int], room: int) -> tuple[Model, Terms]:
    """Least value left behind, with the rest packed into the room."""
    model = Model("knapsack")
    left = [model.binary(f"left[{number}]") for number in range(len(values))]
    packed = {variable: -float(weight) for variable, weight in zip(left, weights, strict=True)}
    model.constrain("room", packed, Sense.AT_MOST, float(room - sum(weights)))
    return model, {variable: float(value) for variable, value in zip(left, values, strict=True)}


def market_split(seed: int, *, slack: bool) -> tuple[Model, Terms]:
    """50 customers to be split so that both halves buy the same of 5 products: easy to state, hard to solve.

    (Cornuejols and Dawande 1998.) With slack every split will do, and the objective is how uneven it is.
    """
    rng = random.Random(seed)
    model = Model("market split")
    half = [model.binary(f"half[{number}]") for number in range(50)]
    uneven: dict[Variable, float] = {}
    for product_number in range(5):
        demand = {customer: float(rng.randrange(100)) for customer in half}
        row = dict(demand)
        if slack:
            over, under = (model.continuous(f"{name}[{product_number}]") for name in ("over", "under"))
            row |= {over: -1.0, under: 1.0}
            uneven |= {over: 1.0, under: 1.0}
        model.constrain(f"even[{product_number}]", row, Sense.EQUAL, sum(demand.values()) // 2)
    return model, uneven


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), st.integers(0, 40))
def test_the_optimum_is_that_of_trying_everything(items: list[tuple[int, int]], room: int) -> None:
    """A knapsack of up to eight things, zeros and ties included."""
    values, weights = ([item[side] for item in items] for side in (0, 1))
    model, objective = knapsack(values, weights, room)
    solved = model.solve(objective)
    best = min(
        sum(value for value, out in zip(values, left, strict=True) if out)
        for left in product((0, 1), repeat=len(items))
        if sum(weight for weight, out in zip(weights, left, strict=True) if not out) <= room
    )
    assert solved.status is Status.OPTIMAL
    assert solved.objective == pytest.approx(best)
    assert (solved.bound, solved.gap) == (solved.objective, 0.0)
    left_behind = [value for value, out in zip(values, solved.values, strict=True) if out > 0.5]
    assert sum(left_behind) == pytest.approx(best)


@pytest.mark.parametrize(("sense", "value"), [(Sense.AT_LEAST, 3.0), (Sense.EQUAL, 3.0), (Sense.AT_MOST, 0.0)])
def test_the_senses_of_a_row(sense: Sense, value: float) -> None:
    """2 x >= 6 and 2 x = 6 hold x at 3, 2 x <= 6 lets it fall to 0."""
    model = Model("senses")
    x = model.continuous("x")
    model.constrain("row", {x: 2.0}, sense, 6.0)
    assert model.solve({x: 1.0}).values == pytest.approx([value])


def test_a_continuous_variable_stays_below_its_bound() -> None:
    """0.5 * 4 and the rest from the dearer one."""
    model = Model("bound")
    cheap, dear = model.continuous("cheap", high=0.5), model.continuous("dear")
    model.constrain("enough", {cheap: 4.0, dear: 1.0}, Sense.AT_LEAST, 5.0)
    assert model.solve({cheap: 1.0, dear: 1.0}).values == pytest.approx([0.5, 3.0])


def test_names_that_the_solver_would_fold_stay_apart() -> None:
    """PuLP makes one variable of `us-east-1` and `us_east_1`; ours are two, and so are equal names."""
    model = Model("names with a space")
    names = ["us-east-1", "us_east_1", "us east 1", "x0", "r0", "", "a" * 300, "a" * 300]
    variables = [model.binary(name) for name in names]
    for number, variable in enumerate(variables):
        model.constrain("a row-name", {variable: 1.0}, Sense.EQUAL, float(number % 2))
    solved = model.solve(dict.fromkeys(variables, 1.0))
    assert [round(value) for value in solved.values] == [number % 2 for number in range(len(names))]


def test_a_model_without_solution_is_infeasible() -> None:
    """Both in whole numbers and in fractions; and nothing is left of it to be read as a solution."""
    for variable_kind in (Model.binary, Model.continuous):
        model = Model("contradiction")
        x = variable_kind(model, "x")
        model.constrain("high", {x: 1.0}, Sense.AT_LEAST, 0.7)
        model.constrain("low", {x: 1.0}, Sense.AT_MOST, 0.3)
        solved = model.solve({x: 1.0})
        assert (solved.status, solved.values, solved.objective) == (Status.INFEASIBLE, (), math.inf)


def test_an_empty_model_is_solved() -> None:
    """No variables, no rows: nothing to pay. A row of nothing that must reach 1 has no solution."""
    assert (solved := Model("empty").solve({})).status is Status.OPTIMAL
    assert (solved.objective, solved.bound, list(solved.values)) == (0.0, 0.0, [])
    model = Model("impossible")
    x = model.binary("x")
    model.constrain("nothing", {}, Sense.AT_LEAST, 1.0)
    assert model.solve({x: 1.0}).status is Status.INFEASIBLE


def test_without_an_objective_any_solution_will_do() -> None:
    """The optimum of nothing is 0."""
    model = Model("free")
    x = model.binary("x")
    model.constrain("one", {x: 1.0}, Sense.EQUAL, 1.0)
    assert (model.solve({}).objective, list(model.solve({}).values)) == (0.0, [1.0])


def test_an_objective_without_end_is_refused() -> None:
    """HiGHS answers "infeasible or unbounded", and reading it as infeasible would be wrong."""
    model = Model("endless")
    x, y = model.continuous("x"), model.continuous("y", high=2.0)
    with pytest.raises(ValueError, match="no upper bound"):
        model.solve({x: -1.0})
    assert model.solve({y: -1.0}).objective == pytest.approx(-2.0)


@pytest.mark.parametrize("figure", [math.inf, -math.inf, math.nan])
def test_what_is_no_figure_is_refused(figure: float) -> None:
    """HiGHS would leave out the row, without which x is 0."""
    model = Model("infinite")
    x = model.continuous("x", high=1.0)
    for coefficient, rhs in ((figure, 1.0), (1.0, figure)):
        with pytest.raises(ValueError, match="row: a figure is infinite or no number"):
            model.constrain("row", {x: coefficient}, Sense.AT_LEAST, rhs)
    with pytest.raises(ValueError, match="the objective: a figure is infinite or no number"):
        model.solve({x: figure})


def test_objectives_in_order() -> None:
    """Of the three cheapest points the one that is fastest, and of those the one that is greenest."""
    model = Model("order")
    points = {"a": (1, 9, 0), "b": (1, 2, 5), "c": (1, 2, 4), "d": (2, 0, 0)}
    chosen = {name: model.binary(name) for name in points}
    model.constrain("one", dict.fromkeys(chosen.values(), 1.0), Sense.EQUAL, 1.0)
    objectives = [{chosen[name]: float(figures[n]) for name, figures in points.items()} for n in range(3)]
    rows = len(model.rows)
    solved = model.solve_in_order(objectives)
    assert [round(entry.objective, 4) for entry in solved] == [1.0, 2.0, 4.0]
    assert {name for name, variable in chosen.items() if solved[-1].values[variable] > 0.5} == {"c"}
    assert len(model.rows) == rows, "the model itself is left as it was"


def test_objectives_in_order_end_with_infeasible() -> None:
    """There is nothing to break ties among."""
    model = Model("none")
    x = model.binary("x")
    model.constrain("two", {x: 1.0}, Sense.AT_LEAST, 2.0)
    assert [entry.status for entry in model.solve_in_order([{x: 1.0}, {x: -1.0}])] == [Status.INFEASIBLE]


def test_objectives_in_order_share_the_time() -> None:
    """The first is solved at once, the second takes what is left, and its solution keeps the first one's optimum."""
    model, uneven = market_split(3, slack=True)
    first = model.binary("first")
    model.constrain("at least one", {first: 1.0}, Sense.AT_LEAST, 1.0)
    solved = model.solve_in_order([{first: 1.0}, uneven, {first: 1.0}], time_limit_s=0.4)
    assert [entry.status for entry in solved] == [Status.OPTIMAL, Status.FEASIBLE]
    assert solved[-1].values[first] == pytest.approx(1.0)
    assert sum(entry.seconds for entry in solved) < 1.5


def test_objectives_in_order_keep_the_last_solution() -> None:
    """Without rows the first objective is solved in no time; whatever becomes of the second, the first one stands."""
    model = Model("box")
    x, y = (model.continuous(name, high=4.0) for name in "xy")
    solved = model.solve_in_order([{x: -1.0, y: -2.0}, {x: 2.0, y: 1.0}], time_limit_s=0.0)
    assert solved[0].status is Status.OPTIMAL
    assert solved[-1].values == pytest.approx([4.0, 4.0])


def test_at_a_time_limit_the_gap_is_true() -> None:
    """A solution, a bound below it and the gap between them; never "optimal"."""
    model, uneven = market_split(1, slack=True)
    solved = model.solve(uneven, time_limit_s=0.3)
    assert solved.status is Status.FEASIBLE
    assert 0 <= solved.bound < solved.objective, "an uneven split, and no proof that none is even"
    assert solved.gap == pytest.approx((solved.objective - solved.bound) / solved.objective)
    assert solved.objective == pytest.approx(sum(solved.values[variable] for variable in uneven))


def test_at_a_time_limit_without_a_solution_nothing_is_known() -> None:
    """Neither infeasible nor feasible."""
    solved = market_split(1, slack=False)[0].solve({}, time_limit_s=0.2)
    assert (solved.status, solved.values, solved.bound) == (Status.UNKNOWN, (), -math.inf)


def test_a_process_solves_again_and_again(capfd: pytest.CaptureFixture[str]) -> None:
    """With a time limit and without, in any order: the same answers, and not a byte on stdout or stderr."""
    model, objective = knapsack([3, 1, 4, 1, 5], [2, 7, 1, 8, 2], 9)
    hard, uneven = market_split(2, slack=True)
    answers = []
    for _ in range(5):
        answers.append(model.solve(objective).objective)
        assert hard.solve(uneven, time_limit_s=0.05).status in {Status.FEASIBLE, Status.UNKNOWN}
        answers.append(model.solve(objective, time_limit_s=60.0).objective)
    assert set(answers) == {2.0}
    assert capfd.readouterr() == ("", "")


def test_the_text_of_a_model() -> None:
    """By name, with the sense of each row and the bounds of each variable; terms of 0 are left out."""
    model = Model("small")
    x, y = model.binary("x[us-east-1]"), model.continuous("y", high=2.5)
    z = model.continuous("z")
    model.constrain("row one", {x: 1.0, y: -0.5, z: 0.0}, Sense.AT_MOST, 3.0)
    model.constrain("row two", {}, Sense.EQUAL, 0.0)
    assert model.text({z: 1.0}) == (
        "minimise 1 z\n"
        "subject to\n"
        "  row one: 1 x[us-east-1] + -0.5 y <= 3\n"
        "  row two: 0 = 0\n"
        "with\n"
        "  x[us-east-1] in {0, 1}\n"
        "  y in [0, 2.5]\n"
        "  z in [0, inf]\n"
    )


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [(10.0, 10.0, 0.0), (10.0, 8.0, 0.2), (0.0, 0.0, 0.0), (0.0, -1.0, math.inf), (-10.0, -12.0, 0.2)],
)
def test_the_gap_is_a_share_of_the_objective(objective: float, bound: float, gap: float) -> None:
    """What a better solution could save at most."""
    assert relative_gap(objective, bound) == pytest.approx(gap)


@pytest.mark.parametrize(("limit", "most"), [(100.0, 100.0 + 1e-7), (0.0, 1e-9), (0.3, 0.3 + 1e-9)])
def test_a_limit_leaves_room_for_rounding(limit: float, most: float) -> None:
    """0.1 * 3 is above 0.3 in floating point, and still within a budget of $0.30."""
    assert raised(limit) == pytest.approx(most, rel=1e-12)
    assert raised(math.inf) == math.inf


# A start


def planted(seed: int) -> tuple[Model, Terms, dict[Variable, float]]:
    """A market split that the first 25 customers make even; HiGHS would have to search for them for long."""
    model, uneven = market_split(seed, slack=True)
    half = {Variable(customer): 1.0 for customer in range(25)}
    rows = [replace(row, rhs=sum(row.terms.get(customer, 0.0) for customer in half)) for row in model.rows]
    return Model(model.name, model.variables, rows), uneven, half


def test_a_start_saves_the_search() -> None:
    """All values, the chosen binaries alone, and such as are a little off: HiGHS works out the rest."""
    model, uneven, half = planted(1)
    whole = [half.get(Variable(number), 0.0) for number in range(60)]
    for start in (whole, half, dict.fromkeys(half, 0.9999999), dict.fromkeys(half, 1.0000001)):
        solved = model.solve(uneven, time_limit_s=60.0, start=start)
        assert solved.status is Status.OPTIMAL
        assert solved.objective == pytest.approx(0.0)
    assert model.solve(uneven, time_limit_s=0.1).status is not Status.OPTIMAL


def test_without_time_the_start_is_the_answer() -> None:
    """A solution, and no bound."""
    model, uneven, half = planted(1)
    start = [half.get(Variable(number), 0.0) for number in range(60)]
    solved = model.solve(uneven, time_limit_s=0.0, start=start)
    assert (solved.status, solved.bound, solved.gap) == (Status.FEASIBLE, -math.inf, math.inf)
    assert list(solved.values) == start
    assert model.solve(uneven, time_limit_s=0.0).status is Status.UNKNOWN


def test_a_start_takes_no_time_of_its_own() -> None:
    """HiGHS would search for the customers that it leaves open as long again as the limit."""
    model, uneven = market_split(1, slack=True)
    solved = model.solve(uneven, time_limit_s=0.4, start={Variable(0): 1.0})
    assert solved.status is Status.FEASIBLE
    assert solved.seconds < 0.7


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
    st.integers(-1, 40),
    st.lists(st.sampled_from((0.0, 0.5, 1.0, 7.0)), min_size=8, max_size=8),
    st.booleans(),
)
def test_a_start_is_only_a_hint(items: list[tuple[int, int]], room: int, start: list[float], named: bool) -> None:
    """It may break rows, bounds and whole numbers, and there may be no solution: the answer is that without it."""
    model, objective = knapsack([value for value, _ in items], [weight for _, weight in items], room)
    hint = {Variable(0): start[0]} if named else start[: len(items)]
    cold, warm = model.solve(objective), model.solve(objective, start=hint)
    assert (warm.status, warm.objective, warm.bound) == (cold.status, cold.objective, cold.bound)
    assert warm.status is (Status.INFEASIBLE if room < 0 else Status.OPTIMAL)


def test_a_start_without_whole_numbers_says_nothing() -> None:
    """The simplex method begins from a basis."""
    model = Model("fractions")
    x = model.continuous("x", high=4.0)
    model.constrain("enough", {x: 2.0}, Sense.AT_LEAST, 3.0)
    assert model.solve({x: 1.0}, start=[4.0]).values == pytest.approx([1.5])


def test_a_start_of_another_length_is_refused() -> None:
    """It is that of another model."""
    model, objective = knapsack([1, 2], [1, 2], 2)
    for start in ([1.0], [1.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="zip"):
            model.solve(objective, start=start)


def test_each_objective_starts_from_the_solution_before() -> None:
    """Among even splits the second would search for long to find any, and has one at hand."""
    model, uneven, half = planted(2)
    solved = model.solve_in_order([uneven, {Variable(30): -1.0}], time_limit_s=0.6, start=half)
    assert [entry.status for entry in solved] == [Status.OPTIMAL, Status.FEASIBLE]
    assert sum(solved[-1].values[variable] for variable in uneven) == pytest.approx(0.0, abs=2e-6)


# A gap


def test_at_a_gap_the_solver_stops() -> None:
    """The first split will do where any gap does: HiGHS would go on for minutes; and then the next objective's turn."""
    model, uneven = market_split(1, slack=True)
    first = model.binary("first")
    solved = model.solve_in_order([uneven, {first: -1.0}], relative_gap=1.0)
    assert [entry.status for entry in solved] == [Status.FEASIBLE, Status.OPTIMAL]
    assert 0 <= solved[0].bound < solved[0].objective
    assert solved[0].gap == relative_gap(solved[0].objective, solved[0].bound) <= 1.0
    kept = sum(solved[1].values[variable] for variable in uneven)
    assert kept <= solved[0].objective * (1 + 1e-6) + 1e-6


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=5, max_size=10),
    st.sampled_from((1e-4, 0.01, 0.1, 0.5)),
)
def test_within_a_gap_the_bound_holds(items: list[tuple[int, int]], gap: float) -> None:
    """The optimum lies between bound and objective, no further apart than the gap; only one figure is "optimal"."""
    values, weights = ([item[side] for item in items] for side in (0, 1))
    model, objective = knapsack(values, weights, sum(weights) // 2)
    best, near = model.solve(objective).objective, model.solve(objective, relative_gap=gap)
    assert near.bound - 1e-6 <= best <= near.objective + 1e-6
    assert near.gap <= gap + 1e-9
    assert near.status is (Status.OPTIMAL if near.bound == near.objective else Status.FEASIBLE)
    assert near.gap == relative_gap(near.objective, near.bound)


# Conflicts


def clauses(model: Model, rows: list[tuple[str, list[int], str, int]]) -> None:
    """Rows (name, coefficients of the variables 0, 1, ..., sense, right-hand side)."""
    for name, coefficients, sense, rhs in rows:
        terms = {Variable(number): float(value) for number, value in enumerate(coefficients)}
        model.constrain(name, terms, Sense(sense), float(rhs))


def has_solution(model: Model, left_out: set[str]) -> bool:
    """Whether some choice of the binaries keeps all other rows, by trying each."""
    compare = {Sense.AT_MOST: float.__le__, Sense.AT_LEAST: float.__ge__, Sense.EQUAL: float.__eq__}
    rows = [row for row in model.rows if row.name not in left_out]
    return any(
        all(
            compare[row.sense](float(sum(value * point[variable] for variable, value in row.terms.items())), row.rhs)
            for row in rows
        )
        for point in product((0, 1), repeat=len(model.variables))
    )


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.lists(st.integers(-3, 3), min_size=3, max_size=3),
            st.sampled_from(list(map(str, Sense))),
            st.integers(-3, 3),
        ),
        min_size=1,
        max_size=7,
    ),
    st.sets(st.sampled_from("abcde")),
)
def test_a_conflict_is_irreducible(rows: list[tuple[str, list[int], str, int]], wanted: set[str]) -> None:
    """Together with the rows that are not named it has no solution, and every proper subset of it has one."""
    model = Model("clauses", [])
    for number in range(3):
        model.binary(f"x{number}")
    clauses(model, rows)
    names = sorted(wanted & {row.name for row in model.rows})
    if has_solution(model, set()):
        with pytest.raises(ValueError, match="has a solution"):
            model.conflict(names)
        return
    found = model.conflict(names)
    assert set(found) <= set(names)
    assert not has_solution(model, set(names) - set(found))
    for size in range(len(found)):
        assert all(has_solution(model, set(names) - set(some)) for some in combinations(found, size))


def test_a_conflict_of_limits() -> None:
    """What the plan needs stands fast; of the limits, those are named that cannot be kept together."""
    model = Model("limits")
    slow, fast = model.binary("slow"), model.binary("fast")
    model.constrain("one", {slow: 1.0, fast: 1.0}, Sense.EQUAL, 1.0)
    model.constrain("deadline", {slow: 9.0, fast: 2.0}, Sense.AT_MOST, 5.0)
    model.constrain("budget", {slow: 1.0, fast: 8.0}, Sense.AT_MOST, 3.0)
    model.constrain("carbon", {slow: 4.0, fast: 5.0}, Sense.AT_MOST, 6.0)
    rows = list(model.rows)
    assert model.conflict(["carbon", "budget", "deadline"]) == ("budget", "deadline")
    assert model.conflict(["budget", "carbon"]) == ("budget",)
    assert model.rows == rows, "the model itself is left as it was"
    model.constrain("both", {slow: 1.0, fast: 1.0}, Sense.AT_LEAST, 2.0)
    assert model.conflict(["carbon", "budget", "deadline"]) == (), "it conflicts with what the plan needs"


def test_a_conflict_of_whole_numbers_alone() -> None:
    """Halves would satisfy both rows: 2 x + 2 y = 1, and x = y."""
    model = Model("parity")
    x, y = model.binary("x"), model.binary("y")
    model.constrain("odd", {x: 2.0, y: 2.0}, Sense.EQUAL, 1.0)
    model.constrain("equal", {x: 1.0, y: -1.0}, Sense.EQUAL, 0.0)
    assert model.conflict(["equal", "odd"]) == ("odd",)


def test_of_a_conflict_that_takes_too_long_all_rows_stay() -> None:
    """No trial ends, so none of them is shown to be needless."""
    model, _ = market_split(1, slack=False)
    names = [row.name for row in model.rows]
    assert model.conflict(names, time_limit_s=0.0) == tuple(names)


def test_a_conflict_of_rows_that_are_not_there_is_refused() -> None:
    """A misspelt limit would otherwise be said to be harmless."""
    model, _ = knapsack([1], [1], 1)
    with pytest.raises(ValueError, match="no such rows: budget, roam"):
        model.conflict(["roam", "room", "budget"])
