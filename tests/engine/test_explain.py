"""Where a plan's money and hours go, and what its limits are worth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import fsum

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.explain import Explanation, Kind, explain
from engine.infeasible import InfeasibleError
from engine.optimum import Question, Solver
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.spread import with_groups
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Edge,
    Estimate,
    Objective,
    Preference,
    Range,
    Requirement,
    Task,
    Workload,
)
from engine.worth import Worth, worth_of_limits
from tests.kits.market import NOW, Row, flat_rates, market, offer, region, risk
from tests.kits.random_workloads import snapshots, workloads

PLACES = ("aws:us-east-1", "gcp:us-central1")
OFFERS: list[Row] = [
    offer("aws", "us-east-1", "p5", 40.0, accelerator="H100", count=8.0),
    offer("aws", "us-east-1", "p5", 10.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    offer("aws", "us-east-1", "p4", 16.0, accelerator="A100", count=8.0),
    offer("gcp", "us-central1", "n2", 0.5),
    offer("vultr", "ewr", "vc2", 0.25),
]
MARKET = market(
    OFFERS,
    egress=flat_rates(0.09, PLACES),
    spot_risk=[risk("aws", "us-east-1", "p5", 0.2, 1.0)],
    regions=[{**region(*place), "carbon_g_kwh": 400.0} for place in (("aws", "us-east-1"), ("gcp", "us-central1"))],
)
CPU = Requirement(cloud="gcp", vcpus=Range(4, exact=False))
H100 = Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=(Purchase.SPOT,), disk_gib=1000.0)
EITHER = (
    Requirement(accelerator=AcceleratorRequest("H100", 8)),
    Requirement(accelerator=AcceleratorRequest("A100", 8)),
)
HOURS = Estimate(hours={"H100": 10.0, "A100": 20.0}, setup_h=0.5)
CHAIN = Workload(
    "w",
    (
        Task("prep", requirements=(CPU,), estimate=Estimate(hours=1.0)),
        Task("side", requirements=(CPU,), estimate=Estimate(hours=0.25)),
        Task("train", requirements=(H100,), estimate=HOURS, inputs={"gs://data": 90.0}),
    ),
    (Edge("prep", "train", 100.0), Edge("side", "train", 0.0)),
)


def planned(workload: Workload, snapshot: Snapshot = MARKET) -> Plan:
    """The plan of a workload."""
    return make_plan(workload, snapshot, PlanRequest(NOW, "w.yaml"))


def worths(workload: Workload, snapshot: Snapshot = MARKET) -> dict[str, Worth]:
    """What each limit is worth, by name."""
    _, found = worth_of_limits(Question.of(workload, snapshot, NOW), Solver())
    return {worth.limit: worth for worth in found}


def test_every_dollar_and_hour_of_a_chain_has_its_place() -> None:
    """Work, starts, setups, interruptions, disks, inputs and egress are told apart, and add up."""
    explanation = explain(planned(CHAIN), CHAIN)
    parts = {(part.subject, part.kind): part for part in explanation.parts}
    assert parts["train", Kind.WORK].usd == pytest.approx(100.0)
    assert parts["train", Kind.WORK].hours == 10.0
    assert parts["train", Kind.SETUP].usd == pytest.approx(5.0)
    assert parts["train", Kind.START].hours == pytest.approx(0.05)
    assert (parts["train", Kind.INTERRUPTIONS].usd or 0.0) > 0
    assert (parts["train", Kind.DISKS].usd or 0.0) > 0
    assert parts["train", Kind.INPUTS].usd == pytest.approx(90 * 0.09)
    assert parts["prep -> train", Kind.EGRESS].usd == pytest.approx(9.0)
    assert fsum(part.usd or 0.0 for part in explanation.parts) == pytest.approx(explanation.cost_usd)
    assert fsum(total.share or 0.0 for total in explanation.kinds) == pytest.approx(1.0)
    assert fsum(total.usd for total in explanation.subjects) == pytest.approx(explanation.cost_usd)


def test_without_the_workload_run_and_readiness_are_whole() -> None:
    """The plan alone does not say what is setup or interruption; the money adds up all the same."""
    explanation = explain(planned(CHAIN), None, missing=["the workload"])
    kinds = {part.kind for part in explanation.parts}
    assert {Kind.READY, Kind.RUN} <= kinds
    assert not kinds & {Kind.START, Kind.SETUP, Kind.WORK, Kind.INTERRUPTIONS}
    assert fsum(part.usd or 0.0 for part in explanation.parts) == pytest.approx(explanation.cost_usd)
    assert explanation.missing == ("the workload",)


def test_the_rest_of_a_begun_hour_is_rounding() -> None:
    """Vultr bills whole hours: 1.05 h are billed as 2."""
    vultr = Workload("w", (Task("t", requirements=(Requirement(cloud="vultr"),), estimate=Estimate(hours=1.0)),))
    (rounding,) = (part for part in explain(planned(vultr), vultr).parts if part.kind is Kind.ROUNDING)
    assert rounding.usd == pytest.approx(0.25 * 0.95)
    assert rounding.hours == 0.0


def test_the_critical_path_makes_the_makespan_and_the_rest_has_slack() -> None:
    """`prep` and its data hold `train` up; `side` is done three quarters of an hour and a transfer earlier."""
    explanation = explain(planned(CHAIN), CHAIN)
    assert [step.subject for step in explanation.critical_path] == ["prep", "prep -> train", "train"]
    assert explanation.critical_path[-1].to_h == pytest.approx(explanation.hours)
    transfer_h = 100 * 8 / 5 / 3600
    slack = {each.subject: each.hours for each in explanation.slack}
    assert slack["side"] == pytest.approx(0.75 + transfer_h)
    assert slack["side -> train"] == pytest.approx(0.75 + transfer_h)
    assert slack["prep"] == slack["prep -> train"] == slack["train"] == 0.0


def test_inputs_hold_a_task_up_too() -> None:
    """A task that waits for nothing but its inputs has them on its path."""
    alone = Workload("w", (CHAIN.tasks[2],))
    first = explain(planned(alone), alone).critical_path[0]
    assert (first.kind, first.from_h) == ("inputs", 0.0)


def assert_paths_and_slack(explanation: Explanation) -> None:
    """The path has no gap and no slack."""
    slack = {each.subject: each.hours for each in explanation.slack}
    ends = [0.0, *(step.to_h for step in explanation.critical_path)]
    for step, end in zip(explanation.critical_path, ends, strict=False):
        assert step.from_h == pytest.approx(end, abs=1e-6)
        assert step.kind == "inputs" or slack[step.subject] == pytest.approx(0.0, abs=1e-6)
    assert ends[-1] == pytest.approx(explanation.hours)


@given(snapshots(), workloads(4))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_whatever_the_plan_it_adds_up(snapshot: Snapshot, workload: Workload) -> None:
    """Parts add up to cost, charges to what is charged, and the critical path to the makespan."""
    try:
        plan = planned(workload, snapshot)
    except InfeasibleError:
        assume(False)
    for known in (None, with_groups(workload)):
        explanation = explain(plan, known)
        assert fsum(part.usd or 0.0 for part in explanation.parts) == pytest.approx(plan.best.cost_usd, abs=1e-6)
        charged = [charge.usd for charge in explanation.charges]
        if None not in charged and charged:
            charge_usd = fsum([plan.best.cost_usd, *(usd or 0.0 for usd in charged)])
            assert charge_usd == pytest.approx(plan.best.charge_usd, abs=1e-6)
        hours: dict[str, float] = defaultdict(float)
        for part in explanation.parts:
            hours[part.subject] += part.hours if part.kind not in {Kind.INPUTS, Kind.EGRESS} else 0.0
        for placement in plan.best.placements:
            assert hours[placement.task] == pytest.approx(placement.setup_h + placement.hours)
        assert_paths_and_slack(explanation)


def test_charges_beyond_cost_are_told_apart() -> None:
    """An hour at $3, carbon at $100 a tonne and a wish that is not met."""
    workload = replace(
        CHAIN,
        value_of_time_usd_h=3.0,
        carbon=Carbon(price_usd_t=100.0),
        preferences=(Preference(penalty_usd=7.0, cloud="oci"),),
    )
    plan = planned(workload)
    kg = fsum(placement.carbon_kg or 0.0 for placement in plan.best.placements)
    for known in (workload, None):
        charges = {charge.name: charge.usd for charge in explain(plan, known).charges}
        assert charges["value of time"] == pytest.approx(3 * plan.best.hours)
        assert charges["carbon"] == pytest.approx(kg / 10)
        assert charges["wishes not met"] == pytest.approx(21.0)


def test_an_hour_more_of_deadline_is_worth_what_the_slower_plan_saves() -> None:
    """A100 take 20.55 h for $328.80; within 20 h H100 on demand take 10.55 h for $422."""
    task = Task("train", requirements=EITHER, estimate=HOURS)
    worth = worths(Workload("w", (task,), deadline_hours=20.0))["deadline"]
    assert worth.binds
    assert worth.moved_to == 21.0
    assert worth.with_more is not None
    assert worth.with_more.cost_usd == pytest.approx(16 * 20.55 - 40 * 10.55)
    assert worth.with_more.hours == pytest.approx(10.0)
    assert worth.taken == pytest.approx(10.55)
    tight = worths(Workload("w", (task,), deadline_hours=15.0))["deadline"]
    assert tight.binds
    assert tight.with_more is None
    assert tight.without == worth.with_more


def test_a_limit_with_room_does_not_bind() -> None:
    """Without it the plan is the same."""
    worth = worths(Workload("w", (Task("train", requirements=EITHER, estimate=HOURS),), budget_usd=1000.0))["budget"]
    assert worth.binds is False
    assert worth.without is None


def test_dollars_buy_hours_where_time_is_the_objective() -> None:
    """Ten dollars more of $415 (5 % of which are more) reach H100 on demand."""
    workload = Workload(
        "w",
        (Task("train", requirements=EITHER, estimate=HOURS),),
        budget_usd=415.0,
        objective=Objective.TIME,
    )
    worth = worths(workload)["budget"]
    assert worth.moved_to == pytest.approx(415 * 1.05)
    assert worth.with_more is not None
    assert worth.with_more.hours == pytest.approx(-10.0)


def test_one_machine_more_of_a_quota_is_worth_the_wait() -> None:
    """With two machines the tasks need not fall back on what is dearer."""
    tasks = tuple(Task(name, requirements=EITHER, estimate=Estimate(hours=1.0)) for name in ("a", "b"))
    quota = Quota(Scope("aws", instance_type="p4"), Unit.MACHINES, 1, "p4")
    worth = worths(Workload("w", tasks), replace(MARKET, quotas=(quota,)))["quota p4"]
    assert worth.moved_to == 2.0
    assert worth.with_more is not None
    assert worth.with_more.cost_usd == pytest.approx(-24 * 1.05)
