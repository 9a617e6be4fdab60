"""The solver behind the model: what it proves, what it says when it runs out of time, and that it is quiet."""

from __future__ import annotations

import math
import random
from itertools import product

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
    """Without rows the first objective is solved in no time; the second finds nothing, and the first one stands."""
    model = Model("box")
    x, y = (model.continuous(name, high=4.0) for name in "xy")
    solved = model.solve_in_order([{x: -1.0, y: -2.0}, {x: 2.0, y: 1.0}], time_limit_s=0.0)
    assert [entry.status for entry in solved] == [Status.OPTIMAL]
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
