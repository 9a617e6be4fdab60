"""SkyPilot 0.14.1 placements by its own cost model: ours are never worse, and as good where its are optimal.

Its values for `cost` are optimal (checked by an exact method), and so are its makespans for `time`. The cost model,
faults included, is in benchmarks.skypilot_model: the engine knows nothing of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from benchmarks.skypilot_model import figures, problem_of, read_case, usd_of
from engine.problems.dag import solve
from engine.status import Status
from engine.workload import Objective

CASES: Final = (
    "anyof6 chain10 chain3 chain3_c5 dag10_c5 dag10_c50 dag20_c5 dag20_c50 single_A100x8 single_T4"
    " anyof6_time dag10_c5_time"
).split()


@pytest.mark.parametrize("name", CASES)
def test_our_plan_is_as_good_as_the_golden_one(shared: Path, name: str) -> None:
    """The same least cost; the same makespan, at no higher cost."""
    cases = shared / "golden" / "placement"
    case = read_case((cases / f"{name}.json").read_bytes())
    usd = usd_of(case, read_case((cases / f"{name.removesuffix('_time')}.json").read_bytes()))
    problem = problem_of(case, usd)
    solution = solve(problem)
    choice = dict(zip([task.name for task in problem.tasks], solution.choice, strict=True))
    plan = figures(case, choice, usd)
    assert solution.status is Status.OPTIMAL
    ours = plan.cost_usd if case.objective is Objective.COST else plan.makespan_s
    assert ours == pytest.approx(case.sky_objective, rel=1e-6)
    assert plan.cost_usd is not None
    assert case.sky_total_cost is not None
    assert plan.cost_usd <= case.sky_total_cost * (1 + 1e-6)


def test_every_golden_case_is_used(shared: Path) -> None:
    """None was left out."""
    assert {path.stem for path in (shared / "golden" / "placement").glob("*.json")} == set(CASES)
