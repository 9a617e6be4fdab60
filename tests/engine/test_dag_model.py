"""The text of each family of constraints, as golden files: one file a family, and no family without one.

After a deliberate change, `python -m tests.engine.test_dag_model` writes the files anew; their diff is the review.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

import engine.problems.dag
from engine.dag import DagProblem, Measure, Purse
from engine.ilp import Model
from engine.limit import Limit
from engine.problems.dag import FAMILIES, Variables, build, declare, terms
from engine.workload import Objective
from tests.kits.dag_instances import edge, task

GOLDEN: Final = Path(__file__).parent / "golden"
Family = Callable[[Model, DagProblem, Variables], None]

PROBLEM: Final = DagProblem(
    tasks=(
        task("prep", [(1, 2, 0), (3, 1, 1)], ready_h=[0.5, 0], loads=[[0, 1], [8, 4]]),
        task(
            "train",
            [(10, 8, 0), (12, 4, 1), (30, 2, 1)],
            preference=[0, 1, 1],
            surcharge_usd=[0, 0, 6],
            loads=[[5, 6, 7], [16, 16, 32]],
        ),
        task("eval", [(2, 1, 1)], loads=[[2], [8]]),
        task("watch", [(4, 3, 0), (5, 2, 0)], surcharge_usd=[1, 0], loads=[[1, 1], [2, 0]]),
    ),
    edges=(edge(0, 1, [[0, 9], [5, 0]], [[0, 0.25], [0.5, 0]]), edge(1, 2, [[0, 1], [2, 0]], [[0, 0.1], [0.2, 0]])),
    objective=Objective.COST,
    deadline_h=10.0,
    budget_usd=25.0,
    value_of_time_usd_h=0.5,
    limits=(Limit("carbon", 9.0), Limit("quota", 24.0, at_once=True)),
    due_h=(np.inf, 9.0, np.inf, 2.5),
    purses=(Purse("model", frozenset({0, 1, 2}), 20.0), Purse("rest", frozenset({3}), 4.5)),
)
"""A chain of three tasks over two places, the first with inputs of its own, and a task beside it."""


def family_text(add: Family) -> str:
    """The variables and the rows of one family."""
    model = Model("dag")
    add(model, PROBLEM, declare(model, PROBLEM))
    return f"{(add.__doc__ or '').strip()}\n\n{model.text({})}"


def measure_text(measure: Measure) -> str:
    """The terms of one measure, as the objective of the empty model."""
    model = Model("dag")
    return model.text(terms(PROBLEM, declare(model, PROBLEM), measure)).splitlines()[0] + "\n"


def texts() -> dict[str, str]:
    """Every golden text by the name of its file."""
    by_family = {f"dag_{add.__name__}.txt": family_text(add) for add in FAMILIES}
    return by_family | {f"dag_measure_{measure.name.lower()}.txt": measure_text(measure) for measure in Measure}


@pytest.mark.parametrize("name", sorted(texts()))
def test_the_text_is_the_golden_one(name: str) -> None:
    """Rows, names, coefficients and bounds, under the inequality that the function's docstring opens with."""
    assert texts()[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_family_has_a_golden_text() -> None:
    """Each function `add_*` of the module is in the model and in a file; no file is left over."""
    functions = {name for name in vars(engine.problems.dag) if name.startswith("add_")}
    assert {add.__name__ for add in FAMILIES} == functions
    assert {path.name for path in GOLDEN.glob("dag_*.txt")} == set(texts())


def test_the_model_is_its_families() -> None:
    """Rows stand family by family, and each has a name of its own."""
    model, _ = build(PROBLEM)
    names = [row.name for row in model.rows]
    assert len(set(names)) == len(names)
    alone = []
    for add in FAMILIES:
        family = Model("dag")
        add(family, PROBLEM, declare(family, PROBLEM))
        alone += [row.name for row in family.rows]
    assert names == alone


def test_without_limits_there_are_no_rows_for_them() -> None:
    """Nor for inputs where no task has any, nor for instants that never come."""
    free = DagProblem(PROBLEM.tasks[1:3], (), Objective.TIME, due_h=(np.inf, np.inf))
    assert [row.name for row in build(free)[0].rows] == [
        "one_candidate[train]",
        "one_candidate[eval]",
        "makespan[train]",
        "makespan[eval]",
    ]


def test_pairs_that_are_out_of_reach_have_no_flow() -> None:
    """The rows of their places stay, and hold the candidates there."""
    pairs = [np.array([[True, False], [False, False]]), np.ones((2, 2), dtype=bool)]
    model, variables = build(PROBLEM, pairs)
    assert list(variables.flow[0]) == [(0, 0)]
    row = next(row for row in model.rows if row.name == "flow_leaves[prep,train,1]")
    assert row.terms == {variables.chosen[0][1]: -1.0}


if __name__ == "__main__":
    for name, text in texts().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
