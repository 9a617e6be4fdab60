"""SkyPilot 0.14.1 placements by its own cost model: ours are never worse, and as good where its are optimal.

A case holds tasks with candidates (cloud, and a value: $ for the whole run, or seconds), the GB that each task hands to
every child, and what SkyPilot found. Its egress formula, faults included, is written out here: the engine knows nothing
of it. Its values for `cost` are optimal (checked by an exact method), and so are its makespans for `time`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from engine.dag import DagProblem, EdgeOptions, Floats, Measure, TaskOptions, schedule
from engine.problems.dag import solve
from engine.status import Status
from engine.workload import Objective

CASES: Final = (
    "anyof6 chain10 chain3 chain3_c5 dag10_c5 dag10_c50 dag20_c5 dag20_c50 single_A100x8 single_T4"
    " anyof6_time dag10_c5_time"
).split()
Case = Mapping[str, Any]


def egress_usd(source: str, target: str, gb: float) -> float:
    """SkyPilot's own: from AWS and Azure what is left is compared with the next threshold, not the whole."""
    if source == target or gb == 0:
        return 0.0
    if source == "gcp":
        return gb * (0.12 if gb <= 1024 else 0.11 if gb <= 10_240 else 0.08)
    if source not in {"aws", "azure"}:
        return 0.0
    if gb > 153_600:
        return 0.05 * gb
    middle, first = (0.085, 0.09) if source == "aws" else (0.083, 0.0875)
    cost = 0.0
    if gb >= 51_200:
        cost, gb = cost + (gb - 51_200) * 0.07, gb - 51_200
    if gb >= 10_240:
        cost, gb = cost + (gb - 10_240) * middle, gb - 10_240
    return cost + (gb - 1) * first if gb > 1 else cost


def transfer_h(source: str, target: str, gb: float) -> float:
    """10 Gbit/s between different clouds, at once within one."""
    return 0.0 if source == target else gb * 8 / 10 / 3600


def between(clouds: list[str], gb: float) -> tuple[Floats, Floats]:
    """Egress in $ and transfer in h, cloud by cloud."""
    return (
        np.array([[egress_usd(a, b, gb) for b in clouds] for a in clouds]),
        np.array([[transfer_h(a, b, gb) for b in clouds] for a in clouds]),
    )


def identity(candidate: Case) -> tuple[Any, ...]:
    """What two files call the same candidate."""
    return tuple(candidate[name] for name in ("cloud", "region", "zone", "instance_type", "spot"))


def figures_of(cases: Path, case: Case, task: Case) -> list[tuple[float, float]]:
    """$ and h of each candidate; a `time` case has its prices in the `cost` case of the same name.

    Where there is no case of the other kind, SkyPilot's second figure is not at hand, and 0 stands for it.
    """
    values = {identity(candidate): candidate["value"] for candidate in task["candidates"]}
    if case["objective"] == "cost":
        return [(value, 0.0) for value in values.values()]
    twin = json.loads((cases / f"{case['name'].removesuffix('_time')}.json").read_text())
    same_task = next(other for other in twin["tasks"] if other["name"] == task["name"])
    usd = {identity(candidate): candidate["value"] for candidate in same_task["candidates"]}
    return [(usd[key], value / 3600) for key, value in values.items()]


def problem_of(cases: Path, case: Case) -> DagProblem:
    """The case as a problem: one place a cloud, and inputs of tasks without parents in their candidates' figures."""
    clouds = sorted({candidate["cloud"] for task in case["tasks"] for candidate in task["candidates"]})
    number = {task["name"]: index for index, task in enumerate(case["tasks"])}
    children = {child for _, child in case["edges"]}
    return DagProblem(
        tasks=tuple(_task(cases, case, task, clouds, brings_in=task["name"] not in children) for task in case["tasks"]),
        edges=tuple(
            EdgeOptions(number[parent], number[child], *between(clouds, case["tasks"][number[parent]]["out_gb"] or 0.0))
            for parent, child in case["edges"]
        ),
        objective=Objective(case["objective"]),
    )


def _task(cases: Path, case: Case, task: Case, clouds: list[str], *, brings_in: bool) -> TaskOptions:
    home, gb = task["inputs"] if task["inputs"] and brings_in else ("aws", 0.0)
    figures = figures_of(cases, case, task)
    where = [candidate["cloud"] for candidate in task["candidates"]]
    assert len(figures) == len(where), "no two candidates are the same"
    return TaskOptions(
        name=task["name"],
        cost_usd=np.array([usd + egress_usd(home, cloud, gb) for (usd, _), cloud in zip(figures, where, strict=True)]),
        hours=np.array([hours for _, hours in figures]),
        ready_h=np.array([transfer_h(home, cloud, gb) for cloud in where]),
        place=np.array([clouds.index(cloud) for cloud in where], dtype=np.int64),
        preference=np.zeros(len(where), dtype=np.int64),
    )


@pytest.mark.parametrize("name", CASES)
def test_our_plan_is_as_good_as_the_golden_one(shared: Path, name: str) -> None:
    """The same least cost; the same makespan, at no higher cost."""
    cases = shared / "golden" / "placement"
    case = json.loads((cases / f"{name}.json").read_text())
    problem = problem_of(cases, case)
    solution = solve(problem)
    plan = schedule(problem, solution.choice)
    assert solution.status is Status.OPTIMAL
    golden = case["sky_objective"] / (1.0 if problem.main is Measure.COST else 3600.0)
    assert plan.figure(problem.main) == pytest.approx(golden, rel=1e-6)
    assert plan.cost_usd <= case["sky_total_cost"] * (1 + 1e-6)


def test_every_golden_case_is_used(shared: Path) -> None:
    """None was left out."""
    assert {path.stem for path in (shared / "golden" / "placement").glob("*.json")} == set(CASES)
