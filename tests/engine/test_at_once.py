"""Limits at once: what tasks none of which waits for another take together, and no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.dag import DagProblem, schedule
from engine.infeasible import InfeasibleError
from engine.limit import Limit
from engine.problems.dag import build, solve
from engine.solve import PlanRequest, make_plan
from engine.status import Status
from engine.workload import AcceleratorRequest, Edge, Estimate, Objective, Requirement, Task, Workload
from tests.kits.choices import antichains_of
from tests.kits.dag_instances import Pairs, best_of_all, dag_edges, edge, ordered, outcome, task
from tests.kits.market import NOW, market, offer
from tests.kits.plan_checker import faults

REQUEST: Final = PlanRequest(created_at=NOW, file="")
T4: Final = Requirement(accelerator=AcceleratorRequest("T4", 1))
DIAMOND: Final = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]


@st.composite
def limited(draw: st.DrawFn) -> DagProblem:
    """Up to 6 tasks in one place with two candidates: the cheaper one takes more of what is limited at once."""
    count = draw(st.integers(3, 6))
    pairs = draw(dag_edges(count, most=9))
    figures = st.tuples(st.integers(1, 9), st.integers(0, 8), st.integers(0, 8))
    tasks = []
    for number, (saves, more, less) in enumerate(draw(st.lists(figures, min_size=count, max_size=count))):
        loads = sorted((more / 2, less / 2), reverse=True)
        tasks.append(task(f"t{number}", [(1, 1, 0), (1 + saves, 1, 0)], loads=[loads, loads]))
    most = draw(st.integers(2, 24)) / 2
    return DagProblem(
        tuple(tasks),
        tuple(edge(a, b, [[0]], [[0]]) for a, b in pairs),
        Objective.COST,
        limits=(Limit("quota", most, at_once=True), Limit("hours", draw(st.sampled_from((999.0, 2 * most))))),
    )


@settings(max_examples=100, deadline=None)
@given(limited())
def test_the_best_of_all_that_no_antichain_forbids(problem: DagProblem) -> None:
    """Every choice against every antichain: neither too much at once, nor a plan refused for nothing."""
    solution, best = solve(problem), best_of_all(problem)
    event("infeasible" if best is None else "feasible")
    assert (solution.status is Status.INFEASIBLE) == (best is None)
    if best is not None:
        assert solution.status is Status.OPTIMAL
        assert ordered(problem, outcome(problem, solution.choice).figures) == best


@settings(max_examples=50, deadline=None)
@given(limited())
def test_the_model_allows_what_the_schedule_counts(problem: DagProblem) -> None:
    """A choice on its own: the model has a solution at what is counted as taken, and none a little below."""
    only = problem.take([np.array([number % 2]) for number, _ in enumerate(problem.tasks)])
    (taken, _) = schedule(only, (0,) * len(only.tasks)).taken
    for most, status in ((taken, Status.OPTIMAL), (taken - 0.25, Status.INFEASIBLE)):
        model, _ = build(replace(only, limits=(Limit("quota", most, at_once=True), Limit("hours", 999.0))))
        assert model.solve({}).status is status


def test_only_what_may_pass_has_variables() -> None:
    """In a row of six, the second and the fourth take something: nothing passes before, and nothing after."""
    loads: Mapping[int, float] = {1: 1.0, 3: 2.0}
    tasks = tuple(task(f"t{number}", [(1, 1, 0)], loads=[[loads.get(number, 0.0)]]) for number in range(6))
    row = tuple(edge(number, number + 1, [[0]], [[0]]) for number in range(5))
    problem = DagProblem(tasks, row, Objective.COST, limits=(Limit("quota", 2.0, at_once=True),))
    _, variables = build(problem)
    assert sorted(variables.unused) == [(0, 1), (0, 3)]
    assert sorted(variables.passed) == [(0, 1, 2), (0, 2, 3)]


def workload(nodes: Mapping[str, int], pairs: Pairs) -> Workload:
    """Tasks of so many nodes with a T4 each, an hour each, and no data to speak of."""
    names = list(nodes)
    return Workload(
        "graph",
        tuple(
            Task(name, num_nodes=number, requirements=(T4,), estimate=Estimate(hours=1.0))
            for name, number in nodes.items()
        ),
        tuple(Edge(names[a], names[b], 0.0) for a, b in pairs),
    )


BIG_ENDS: Final = workload({"first": 8, "m1": 1, "m2": 1, "m3": 1, "last": 8}, DIAMOND)


def with_quota(machines: int) -> Snapshot:
    """One type of machine at $1 and so many of it; another cloud has it for $3."""
    rows = [
        offer("aws", "us-east-1", "g4", 1.0, accelerator="T4"),
        offer("gcp", "us-east1", "n1", 3.0, accelerator="T4"),
    ]
    return replace(market(rows), quotas=(Quota(Scope("aws"), Unit.MACHINES, machines, "ours"),))


@pytest.mark.parametrize(("machines", "cheap_nodes"), [(11, 19), (8, 19), (7, 3), (3, 3), (2, 2)])
def test_a_diamond_takes_no_more_than_runs_beside_each_other(machines: int, cheap_nodes: int) -> None:
    """Eight, then three of one each, then eight: eight are enough, and with two one of the middle goes elsewhere."""
    snapshot = with_quota(machines)
    plan = make_plan(BIG_ENDS, snapshot, REQUEST)
    assert plan.proof.status is Status.OPTIMAL
    assert sum(placement.num_nodes for placement in plan.best.placements if placement.cloud == "aws") == cheap_nodes
    assert faults(plan, BIG_ENDS, snapshot) == []


def test_a_diamond_with_nowhere_else_to_go_has_a_plan_where_the_ends_fit() -> None:
    """Eight machines in the world are enough, seven are not."""
    for machines, fits in ((8, True), (7, False)):
        rows = [offer("aws", "us-east-1", "g4", 1.0, accelerator="T4", zone="a", quantity=machines)]
        if fits:
            plan = make_plan(BIG_ENDS, market(rows), REQUEST)
            assert faults(plan, BIG_ENDS, market(rows)) == []
        else:
            with pytest.raises(InfeasibleError):
                make_plan(BIG_ENDS, market(rows), REQUEST)


def test_the_kit_knows_the_antichains_of_a_diamond() -> None:
    """The ends alone, and the middle together; without edges all are one."""
    assert sorted(map(sorted, antichains_of(BIG_ENDS))) == [[0], [1, 2, 3], [4]]
    assert list(map(sorted, antichains_of(replace(BIG_ENDS, edges=())))) == [[0, 1, 2, 3, 4]]
