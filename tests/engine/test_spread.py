"""Tasks spread over places in equal groups: nothing is lost on the way, and spreading never costs more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.infeasible import InfeasibleError
from engine.plan import Plan
from engine.planned import MOST_TASKS, TooLargeError
from engine.portfolio import Member, make_portfolio
from engine.solve import PlanRequest, make_plan
from engine.spread import with_groups
from engine.workload import AcceleratorRequest, Edge, Estimate, Requirement, Task, Workload
from tests.kits.market import NOW, flat_rates, market, offer
from tests.kits.plan_checker import best_figures, faults

REQUEST = PlanRequest(created_at=NOW, file="")
GPU = Requirement(accelerator=AcceleratorRequest("T4", 1))
PLACES = (("aws", "us-east-1"), ("aws", "eu-west-1"), ("gcp", "us-central1"))
NAMES = st.text("ab#12", min_size=1, max_size=4)


@st.composite
def spread_workloads(draw: st.DrawFn) -> Workload:
    """Up to four tasks of any names, each in one group or more, with data between some of them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    tasks = tuple(
        Task(
            name,
            num_nodes=groups * draw(st.integers(1, 3)),
            spread=groups,
            estimate=draw(st.sampled_from((None, Estimate(hours=2.0), Estimate(work=7200.0, throughput={"cpu": 1.0})))),
            inputs=draw(st.sampled_from(({}, {"s3://in": 12.0}))),
            outputs=draw(st.sampled_from(({}, {"s3://out": 8.0}))),
        )
        for name in names
        for groups in (draw(st.integers(1, 4)),)
    )
    pairs = [(a, b) for number, b in enumerate(names) for a in names[:number] if draw(st.booleans())]
    return Workload("spread", tasks, tuple(Edge(a, b, draw(st.sampled_from((0.0, 12.0)))) for a, b in pairs))


def groups_of(workload: Workload) -> list[list[Task]]:
    """The groups of each task, in order."""
    rest = iter(with_groups(workload).tasks)
    return [[next(rest) for _ in range(task.spread)] for task in workload.tasks]


@settings(max_examples=50, deadline=None)
@given(spread_workloads())
def test_nothing_is_lost_in_groups(workload: Workload) -> None:
    """Nodes, work, inputs, outputs and data add up to what was asked for, and no hour comes to it."""
    for task, groups in zip(workload.tasks, groups_of(workload), strict=True):
        assert sum(group.num_nodes for group in groups) == task.num_nodes
        assert all(group.spread == 1 for group in groups)
        for whole, shares in (
            (task.inputs, [group.inputs for group in groups]),
            (task.outputs, [group.outputs for group in groups]),
        ):
            assert all(math.isclose(size, sum(share[url] for share in shares)) for url, size in whole.items())
        for group in groups:
            if task.estimate is not None and group.estimate is not None:
                hours = task.estimate.hours_on(None, None, task.num_nodes)
                assert group.estimate.hours_on(None, None, group.num_nodes) == pytest.approx(hours)
    moved = sum(edge.data_gb for edge in workload.edges)
    assert sum(edge.data_gb for edge in with_groups(workload).edges) == pytest.approx(moved)


@settings(max_examples=50, deadline=None)
@given(spread_workloads())
def test_names_of_groups_are_new_and_tell_the_task(workload: Workload) -> None:
    """No two alike, those of whole tasks as they were, and every group waits for every group before it."""
    written = with_groups(workload)
    names = [task.name for task in written.tasks]
    assert len(set(names)) == len(names)
    of_task = {}
    for task, groups in zip(workload.tasks, groups_of(workload), strict=True):
        of_task[task.name] = [group.name for group in groups]
        assert of_task[task.name] == [task.name] or all(name.startswith(f"{task.name}#") for name in of_task[task.name])
    pairs = [
        (source, target)
        for edge in workload.edges
        for source in of_task[edge.source]
        for target in of_task[edge.target]
    ]
    assert sorted((edge.source, edge.target) for edge in written.edges) == sorted(pairs)
    assert all(names.index(source) < names.index(target) for source, target in pairs)


@st.composite
def few_or_plenty(draw: st.DrawFn) -> Snapshot:
    """Machines at up to three places, of some of which there are few, and perhaps a quota."""
    rows = [
        offer(
            cloud,
            name,
            "g4",
            float(draw(st.integers(1, 9))),
            accelerator="T4",
            zone=None if held is None else "a",
            quantity=held,
        )
        for cloud, name in sorted(draw(st.sets(st.sampled_from(PLACES), min_size=1)))
        for held in (draw(st.sampled_from((None, 1, 2, 3, 4))),)
    ]
    limited = draw(st.sampled_from(((), (Quota(Scope("aws"), Unit.MACHINES, 2, "two"),))))
    return replace(market(rows, egress=flat_rates(0.02, [f"{a}:{b}" for a, b in PLACES])), quotas=limited)


def spread_over(groups: int, edges: bool) -> Workload:
    """Four machines in so many groups, alone or between two other tasks."""
    train = Task("train", num_nodes=4, spread=groups, requirements=(GPU,), estimate=Estimate(hours=3.0))
    if not edges:
        return Workload("w", (train,))
    first, last = (Task(name, requirements=(GPU,), estimate=Estimate(hours=1.0)) for name in ("first", "last"))
    return Workload("w", (first, train, last), (Edge("first", "train", 40.0), Edge("train", "last", 80.0)))


def plan_of(workload: Workload, snapshot: Snapshot) -> Plan | None:
    """The plan, None where there is none."""
    try:
        return make_plan(workload, snapshot, REQUEST)
    except InfeasibleError:
        return None


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(few_or_plenty(), st.sampled_from((2, 4)), st.booleans())
def test_spreading_is_no_dearer_and_the_best_of_all_choices(snapshot: Snapshot, groups: int, edges: bool) -> None:
    """Of tiny ones every choice is tried; where there are machines enough, groups cost what the whole does."""
    whole = plan_of(spread_over(1, edges), snapshot)
    workload = spread_over(groups, edges)
    spread = plan_of(workload, snapshot)
    best = best_figures(with_groups(workload), snapshot, NOW)
    assert (spread is None) == (best is None)
    if spread is None or best is None:
        assert whole is None
        return
    assert spread.best.cost_usd == pytest.approx(best.cost_usd)
    assert faults(spread, with_groups(workload), snapshot) == []
    plenty = snapshot.offers["quantity"].is_null().all() and not snapshot.quotas
    if plenty and whole is not None:
        assert spread.best.cost_usd == pytest.approx(whole.best.cost_usd)
    if whole is not None:
        assert spread.best.cost_usd <= whole.best.cost_usd + 1e-9


def places_of(plan: Plan) -> Sequence[str]:
    """The region of each task or group."""
    return [placement.region for placement in plan.best.placements]


FEW = market(
    [
        offer("aws", "us-east-1", "g4", 1.0, accelerator="T4", zone="a", quantity=3),
        offer("aws", "eu-west-1", "g4", 2.0, accelerator="T4", zone="a", quantity=2),
    ]
)


def test_where_no_region_has_enough_groups_take_of_several() -> None:
    """Whole it cannot run; in two groups one goes where it is dearer, in four only one."""
    assert plan_of(spread_over(1, edges=False), FEW) is None
    two, four = (make_plan(spread_over(groups, edges=False), FEW, REQUEST) for groups in (2, 4))
    assert sorted(places_of(two)) == ["eu-west-1", "us-east-1"]
    assert sorted(places_of(four)) == ["eu-west-1", *["us-east-1"] * 3]
    assert [placement.task for placement in four.best.placements] == ["train#1", "train#2", "train#3", "train#4"]


def test_groups_share_with_other_workloads() -> None:
    """In a portfolio a group is one of the tasks that want the same machines."""
    other = Workload("other", (Task("t", requirements=(GPU,), estimate=Estimate(hours=30.0)),))
    members = [Member(spread_over(4, edges=False), "a.yaml"), Member(other, "b.yaml")]
    together = make_portfolio(members, FEW, REQUEST)
    assert sorted(places_of(together.plans[0])) == ["eu-west-1"] * 2 + ["us-east-1"] * 2
    assert places_of(together.plans[1]) == ["us-east-1"]


@pytest.mark.parametrize("groups", [MOST_TASKS + 1, 10**7])
def test_more_groups_than_can_be_placed_are_refused_at_once(groups: int) -> None:
    """Before they are written out."""
    task = Task("t", num_nodes=groups, spread=groups, requirements=(GPU,))
    with pytest.raises(TooLargeError, match="up to 2,000"):
        make_plan(Workload("w", (task,)), FEW, REQUEST)
