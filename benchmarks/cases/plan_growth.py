"""DAGs of 10 to 1,000 tasks, where the peer gets to no end: planned whole, and solved with 50 candidates each."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.contestants import Broker, opened_broker
from benchmarks.dag_cases import Pipeline, golden, layered
from benchmarks.measure import Sample
from benchmarks.result import Alone, Growth
from benchmarks.skypilot_model import problem_of, read_case, usd_of
from engine.problems.dag import solve
from engine.status import TimeLimit

SIZES: Final = (10, 30, 100, 300, 1_000)
CANDIDATES: Final = 50
MOST_GAP: Final = 0.001
MOST_CPU_S: Final = 60.0


def measure() -> Growth:
    """Every size is stopped when its CPU seconds are up."""
    with tempfile.TemporaryDirectory() as name, opened_broker(Path(name) / "ours") as broker:
        planned = [_planned(broker, tasks) for tasks in SIZES]
    return Growth((*planned, *(_solved(tasks) for tasks in SIZES)))


def _planned(broker: Broker, tasks: int) -> Alone:
    """The whole plan: candidates of all regions found, priced and chosen."""
    found = broker.planned(Pipeline.of(layered(tasks, tasks), tasks, tasks), MOST_CPU_S)
    what = f"plan of a DAG of {tasks:,} tasks, {found.plan.candidates:,} candidates"
    return Alone(what, found.sample, found.plan.proof.gap, MOST_GAP, MOST_CPU_S)


def _solved(tasks: int) -> Alone:
    """The choice alone, between candidates that are given, by SkyPilot's cost model."""
    case = read_case(json.dumps(golden(layered(tasks, tasks), tasks, CANDIDATES, tasks)))
    problem = problem_of(case, usd_of(case))
    cpu_start, start = time.process_time(), time.perf_counter()
    solution = solve(problem, TimeLimit.of(MOST_CPU_S, time.process_time))
    sample = Sample(time.process_time() - cpu_start, time.perf_counter() - start)
    return Alone(
        f"a DAG of {tasks:,} tasks x {CANDIDATES} candidates solved", sample, solution.gap, MOST_GAP, MOST_CPU_S
    )
