"""Planning under a time limit, and without a solver."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from engine.infeasible import NoPlanInTimeError
from engine.solve import PlanRequest, make_plan
from engine.workload import AcceleratorRequest, Edge, Estimate, Requirement, Task, Workload
from tests.kits.market import NOW, flat_rates, market, offer
from tests.kits.plan_checker import faults

REQUEST = PlanRequest(NOW, "workload.yaml")


def test_a_single_task_needs_no_solver() -> None:
    """Loading one takes as long as all the rest: the module that knows it is not even imported."""
    program = (
        "import sys; from engine.solve import make_plan;"
        "assert not {'pulp', 'highspy', 'engine.ilp'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_at_a_time_limit_the_plan_says_what_is_proven() -> None:
    """A plan of twenty tangled tasks in a hundredth of a second: feasible, with a bound and a gap, or proven."""
    rng = random.Random(5)
    offers = [
        offer("aws", f"r{place}", f"{model}", rng.uniform(0.5, 9.0), accelerator=model)
        for place in range(15)
        for model in ("H100", "A100", "T4")
    ]
    known = market(offers, egress=flat_rates(0.01, [f"aws:r{place}" for place in range(15)]))
    any_of = tuple(Requirement(accelerator=AcceleratorRequest(name, 1)) for name in ("H100", "A100", "T4"))
    hours = Estimate(hours={"H100": 1.0, "A100": 2.0, "T4": 5.0})
    tasks = tuple(Task(f"t{n}", requirements=any_of, estimate=hours) for n in range(20))
    edges = tuple(Edge(f"t{a}", f"t{b}", rng.uniform(1, 99)) for b in range(20) for a in range(b) if rng.random() < 0.2)
    workload = Workload("w", tasks, edges, deadline_hours=16.0)
    plan = make_plan(workload, known, replace(REQUEST, time_limit_s=0.01))
    assert faults(plan, workload, known) == []
    assert math.isfinite(plan.proof.bound)
    assert plan.proof.bound <= plan.proof.objective


def test_at_a_time_limit_without_a_plan_that_is_said() -> None:
    """Three tasks on cheap, fast or middling machines, limits that only a mixture keeps, and no time to find it."""
    machines = {"T4": (0.1, 10.0), "H100": (10.0, 1.0), "A100": (1.0, 6.0), "L4": (0.97, 6.1), "V100": (1.04, 5.9)}
    known = market([offer("aws", "us-east-1", name, price, accelerator=name) for name, (price, _) in machines.items()])
    any_of = tuple(Requirement(accelerator=AcceleratorRequest(name, 1)) for name in machines)
    hours = Estimate(hours={name: run for name, (_, run) in machines.items()})
    tasks = tuple(Task(f"t{number}", requirements=any_of, estimate=hours) for number in range(3))
    workload = Workload(
        "w", tasks, (Edge("t0", "t1", 0.0), Edge("t1", "t2", 0.0)), deadline_hours=18.0, budget_usd=18.0
    )
    with pytest.raises(NoPlanInTimeError, match="no plan was found within 0 s"):
        make_plan(workload, known, replace(REQUEST, time_limit_s=0.0))
    plan = make_plan(workload, known, REQUEST)
    assert faults(plan, workload, known) == []
    assert plan.best.hours <= 18.0
