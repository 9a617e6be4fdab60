"""Sweeps: axes from text, and every point of a grid against a plan that is made anew."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog_data.snapshot import Snapshot
from engine.infeasible import InfeasibleError
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.status import Status
from engine.sweep import Answer, Index, answers, parts_of, plans_of
from engine.sweep_axis import Axis, parse_axis
from engine.whatif_scenario import Scenario, value_text
from engine.workload import AcceleratorRequest, Estimate, Requirement, Task, Workload
from engine.workload_errors import InvalidValueError
from tests.kits.market import NOW, market, offer
from tests.kits.random_workloads import snapshots, workloads

AXES = st.lists(
    st.sampled_from(
        (
            "price*=0.25..4#5",
            "price.aws*=0.5..2#4",
            "price.spot=*0.5,*3",
            "price.gcp=1,2",
            "egress*=0.5..2#4",
            "deadline=1h..9h:2h",
            "deadline=30,60,200,400",
            "budget=$5,$20,$100",
            "hourly_budget=2,8,30",
            "value_of_time=0..40#4",
            "carbon.price=0,500",
            "carbon.limit=1,10,100",
            "chance.capacity=10%,60%",
            "objective=cost,time",
            "hours.t0*=0.5..2#3",
        )
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda text: text.split("=")[0].rstrip("*"),
)


def swept(scenario: Scenario, axes: list[Axis]) -> dict[Index, Answer]:
    """All answers of a grid."""
    return {index: answer for part in parts_of(scenario, axes, NOW) for index, answer in answers(part)}


def fresh(scenario: Scenario, axes: list[Axis], index: Index) -> Plan | None:
    """The plan of a point, made anew from the changed scenario."""
    for axis, number in zip(axes, index, strict=True):
        scenario = axis.changes[number].apply(scenario)
    try:
        return make_plan(scenario.workload, scenario.snapshot, PlanRequest(created_at=NOW, file="w.yaml", top=1))
    except InfeasibleError:
        return None


@settings(max_examples=15, deadline=None)
@given(workloads(most_tasks=3), snapshots(), AXES)
def test_each_point_is_what_a_fresh_plan_comes_to(workload: Workload, snapshot: Snapshot, texts: list[str]) -> None:
    """Cost, hours and charge, and infeasible where it is, whatever the limits and the objective."""
    scenario, axes = Scenario(workload, snapshot), [parse_axis(text) for text in texts]
    try:
        found = swept(scenario, axes)
    except InvalidValueError:
        assume(False)  # a change that matches nothing in this market
    for index, answer in found.items():
        plan = fresh(scenario, axes, index)
        if plan is None:
            assert answer.status is Status.INFEASIBLE
        else:
            figures = plan.best.cost_usd, plan.best.hours, plan.best.charge_usd
            assert (answer.cost_usd, answer.hours, answer.charge_usd) == pytest.approx(figures, rel=1e-6, abs=1e-9)
            assert answer.status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("deadline=6h..12h:2h", ["6", "8", "10", "12"]),
        ("deadline=6h..13h:2h", ["6", "8", "10", "12"]),
        ("price.spot=*0.5..*2#4", ["0.5", "1", "1.5", "2"]),
        ("price.spot*=0.5..2:0.5", ["0.5", "1", "1.5", "2"]),
        ("budget=$1,000..$3,000#3", ["1,000", "2,000", "3,000"]),
        ("deadline=2d,6h,1d", ["6", "24", "48"]),
        ("budget=$1200,$900", ["900", "1,200"]),
        ("objective=time,cost", ["time", "cost"]),
        ("deadline=none,4h", ["none", "4"]),
    ],
)
def test_axes(text: str, values: list[str]) -> None:
    """Ranges by step or by number of points, and lists; numbers ascend."""
    assert [value_text(change.value) for change in parse_axis(text).changes] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deadline", "not an axis"),
        ("deadline=12h..6h", "is not below"),
        ("deadline=6h..12h:0.0001", "more than"),
        ("deadline=6h..12h#1", "at least 2"),
        ("deadline=6h..12h#many", "not a number of points"),
        ("objective=cost..time", "no figure that could grow"),
        ("dedline=6h..12h", "nothing that can be changed"),
    ],
)
def test_what_is_no_axis_is_one_line(text: str, message: str) -> None:
    """What is wrong is said, with what can be written instead."""
    with pytest.raises(InvalidValueError, match=message) as raised:
        parse_axis(text)
    assert raised.value.faults[0].hint


def test_most_points_need_no_solver() -> None:
    """Of 5 deadlines and 41 prices, between two plans, only ends and turns are solved; the plans have their numbers."""
    machines = [
        offer("aws", "us-east-1", "slow", 4.0, accelerator="T4"),
        offer("gcp", "us-central1", "fast", 30.0, accelerator="H100"),
    ]
    needs = tuple(Requirement(accelerator=AcceleratorRequest(name, 1)) for name in ("T4", "H100"))
    task = Task("t", estimate=Estimate(hours={"T4": 8.0, "H100": 2.0}), requirements=needs)
    scenario = Scenario(Workload("one", (task,)), market(machines))
    found = swept(scenario, [parse_axis("deadline=9h..13h:1h"), parse_axis("price.aws=*0.5..*4.5#41")])
    assert len(found) == 5 * 41
    assert len(plans_of(found)) == 2
    # Eight parts along the prices, each solved at its ends and halved where the plan turns; never once more a deadline.
    assert sum(answer.solved for answer in found.values()) <= 25
