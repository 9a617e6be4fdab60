"""Workloads without a plan: the smallest set of limits that conflict, and what would have to change of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.conflicts import conflicts_of
from engine.dag import keeps_limits, schedule
from engine.infeasible import Conflict, InfeasibleError, conflict_lines
from engine.instance import instance_of
from engine.optimum import Question, Solver
from engine.solve import PlanRequest, make_plan
from engine.user_limits import UserLimit, user_limits
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Chances,
    Edge,
    Estimate,
    Range,
    Requirement,
    Residency,
    Task,
    Workload,
)
from tests.kits.market import NOW, Row, flat_rates, market, observed, offer, region
from tests.kits.random_workloads import snapshots, workloads

PLACES = ("aws:us-east-1", "aws:eu-west-1", "gcp:us-central1")
REGIONS = [
    {**region("aws", "us-east-1"), "carbon_g_kwh": 400.0},
    {**region("aws", "eu-west-1", "europe", "IE"), "carbon_g_kwh": 100.0},
    {**region("gcp", "us-central1"), "carbon_g_kwh": 400.0},
]
OFFERS: list[Row] = [
    offer("aws", "us-east-1", "p5", 55.0, accelerator="H100", count=8.0),
    offer("aws", "eu-west-1", "p5", 60.0, accelerator="H100", count=8.0),
    offer("aws", "us-east-1", "p5", 20.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    offer("gcp", "us-central1", "a2", 30.0, accelerator="A100", count=8.0),
    offer("gcp", "us-central1", "n2", 0.5),
    offer("aws", "us-east-1", "m7g", 0.25, arch="arm64", memory_gib=64.0),
]
MARKET = market(OFFERS, regions=REGIONS, egress=flat_rates(0.09, PLACES))
H100 = Requirement(accelerator=AcceleratorRequest("H100", 8))
TEN_HOURS = Estimate(hours=10.0)


def one(requirement: Requirement = H100, **fields: object) -> Workload:
    """A single task of ten hours."""
    return Workload("w", (Task("train", requirements=(requirement,), estimate=TEN_HOURS),), **fields)  # type: ignore[arg-type]


def conflict(workload: Workload, snapshot: Snapshot = MARKET) -> Conflict:
    """The one conflict of a workload."""
    (found,) = conflicts_of(workload, snapshot, NOW)
    assert found.smallest
    return found


def is_feasible(workload: Workload, snapshot: Snapshot = MARKET) -> bool:
    """Whether there is a plan."""
    try:
        make_plan(workload, snapshot, PlanRequest(NOW, "w.yaml"))
    except InfeasibleError:
        return False
    return True


def changes(found: Conflict) -> dict[str, str | None]:
    """By limit what would have to change."""
    return {change.limit: change.text for change in found.changes}


def test_budget_and_deadline_each_have_a_value_that_works() -> None:
    """Eight H100 cost $20 an hour as spot; ten hours and their start do not fit nine, nor $100."""
    found = conflict(one(replace(H100, purchases=(Purchase.SPOT,)), budget_usd=100.0))
    assert found.limits == ("budget $100", "train: accelerator H100")
    assert changes(found) == {"budget": "budget $201", "train: accelerator": None}


def test_a_value_that_works_is_the_least_that_does() -> None:
    """A plan is found with it, and none with a millionth less."""
    for workload, name in (
        (one(budget_usd=100.0), "budget_usd"),
        (one(deadline_hours=9.0), "deadline_hours"),
        (one(hourly_budget_usd=9.0), "hourly_budget_usd"),
    ):
        (change,) = (change for change in conflict(workload).changes if change.value is not None)
        assert change.value is not None
        assert change.exact
        assert is_feasible(replace(workload, **{name: change.value}))  # type: ignore[arg-type]
        assert not is_feasible(replace(workload, **{name: change.value * (1 - 1e-6)}))  # type: ignore[arg-type]


def test_carbon_and_chances_are_moved_as_far_as_needed() -> None:
    """The cleanest region emits so much; on demand is got with a chance of 0.8."""
    clean = conflict(one(Requirement(vcpus=Range(8, exact=False)), carbon=Carbon(limit_kg=1e-3)))
    (kg,) = (change.value for change in clean.changes if change.limit == "carbon")
    assert kg is not None
    cpu = Requirement(vcpus=Range(8, exact=False))
    assert is_feasible(one(cpu, carbon=Carbon(limit_kg=kg)))
    assert not is_feasible(one(cpu, carbon=Carbon(limit_kg=kg * (1 - 1e-5))))
    sure = conflict(one(chances=Chances(capacity=0.9)))
    assert next(change.text for change in sure.changes) == "chance of capacity 0.8"


def test_what_no_offer_has_is_told_by_the_fields_that_conflict() -> None:
    """H100 are sold in gcp under no name: the cloud or the model would have to be another."""
    found = conflict(one(replace(H100, cloud="gcp")))
    assert found.limits == ("train: accelerator H100", "train: cloud gcp")
    assert changes(found) == {"train: accelerator": "train: 8 x A100", "train: cloud": "train: cloud aws"}


@pytest.mark.parametrize(
    ("requirement", "text"),
    [
        (replace(H100, max_hourly_cost=30.0), "train: max_hourly_cost $55"),
        (replace(H100, max_hourly_cost=30.0), "train: purchase spot"),
        (Requirement(instance_type="n2", region="us-east-1"), "train: region gcp/us-central1"),
        (Requirement(instance_type="p5", zone="b"), "train: zone of any name in aws/us-east-1"),
        (Requirement(accelerator=AcceleratorRequest("H100", 4)), "train: 8 x H100"),
        (Requirement(vcpus=Range(16, exact=False)), "train: 8+ vCPUs"),
        (Requirement(memory_gib=Range(48, exact=False)), "train: 32+ GiB of memory"),
        (Requirement(memory_gib=Range(48, exact=False)), "train: CPU architecture arm64"),
        (Requirement(vcpus=Range(4, exact=True)), "train: 8 vCPUs"),
        (Requirement(vcpus=Range(8, exact=True), memory_gib_per_vcpu=8.0), "train: 32 GiB for 8 vCPUs"),
        (Requirement(instance_type="a3"), "train: instance type m7g (aws)"),
    ],
)
def test_each_field_of_a_task_says_what_would_do(requirement: Requirement, text: str) -> None:
    """The value is one that a plan has; of figures it is the closest."""
    found = conflicts_of(one(requirement), MARKET, NOW)
    assert text in {change.text for each in found for change in each.changes}


def test_residency_names_the_place_that_would_have_to_be_allowed() -> None:
    """A100 are sold in the US alone."""
    a100 = Requirement(accelerator=AcceleratorRequest("A100", 8))
    found = conflict(one(a100, residency=Residency(allow=("europe",))))
    assert changes(found)["residency"] == "residency that allows gcp/us-central1"


def test_capacity_is_waited_for() -> None:
    """What had none when last looked is a limit that time may lift."""
    gone = market(OFFERS, regions=REGIONS, observations=[observed(row, 0.0) for row in OFFERS[:2]])
    found = conflict(one(H100), gone)
    assert "train: capacity for p5 (on_demand) in aws/us-east-1; waiting may help" in changes(found).values()


def test_a_quota_is_raised_by_whole_units() -> None:
    """Two tasks side by side need two machines of the quota's one."""
    tasks = tuple(Task(name, requirements=(H100,), estimate=TEN_HOURS) for name in ("a", "b"))
    quota = Quota(Scope("aws", instance_type="p5"), Unit.ACCELERATORS, 8, "p5")
    found = conflict(Workload("w", tasks), replace(MARKET, quotas=(quota,)))
    assert "quota p5: 16 accelerators" in changes(found).values()


def test_two_conflicts_that_share_nothing_are_both_named() -> None:
    """Each task asks for what nobody sells; a change is told for either beside the other."""
    tasks = tuple(Task(name, requirements=(Requirement(instance_type=name),), estimate=TEN_HOURS) for name in "xy")
    lines = list(conflict_lines(conflicts_of(Workload("w", tasks), MARKET, NOW)))
    assert lines[0] == "conflict: x: instance type x"
    assert lines[2] == "conflict: y: instance type y"
    assert lines[-1] == "each of these 2 conflicts must be resolved"


def test_what_can_be_planned_does_not_conflict() -> None:
    """Neither does a deadline that has passed: no limit but the time itself would have to change."""
    assert conflicts_of(one(), MARKET, NOW) == ()
    assert conflicts_of(one(deadline_hours=-1.0), MARKET, NOW) == ()


def test_nothing_conflicts_where_nothing_is_sold() -> None:
    """No limit is to blame for an empty market."""
    assert conflicts_of(one(), market([]), NOW) == ()


def test_a_chain_conflicts_by_all_of_its_tasks() -> None:
    """Neither task alone is too slow for 15 h, and both together take 20: the deadline alone conflicts."""
    tasks = tuple(Task(name, requirements=(H100,), estimate=TEN_HOURS) for name in ("a", "b"))
    found = conflict(Workload("w", tasks, (Edge("a", "b", 0.0),), deadline_hours=15.0))
    assert found.limits == ("deadline 15 h",)
    (change,) = found.changes
    assert change.text == "deadline 20.1 h"
    assert change.value == pytest.approx(20.1)
    assert change.exact


def test_what_many_tasks_ask_for_alike_is_one_limit() -> None:
    """Four tasks of 16 vCPUs: a machine of 8 would do for all of them."""
    need = Requirement(vcpus=Range(16, exact=False))
    tasks = tuple(Task(name, requirements=(need,), estimate=TEN_HOURS) for name in "abcd")
    found = conflict(Workload("w", tasks))
    assert found.limits == ("a and 3 more: 16+ vCPUs",)
    assert [change.text for change in found.changes] == ["a and 3 more: 8+ vCPUs"]


def brute_force(question: Question) -> bool:
    """Whether any choice of candidates keeps the limits."""
    found = Solver().candidates(question)
    if any(candidates.frame.is_empty() for candidates in found):
        return False
    instance = instance_of(question.workload, found, question.snapshot)
    return any(
        keeps_limits(instance.problem, schedule(instance.problem, choice)) and not instance.short_of(choice)
        for choice in product(*(range(candidates.frame.height) for candidates in found))
    )


def keeping(question: Question, limits: list[UserLimit], kept: set[str]) -> Question:
    """The question with these limits alone."""
    for limit in limits:
        if limit.text not in kept:
            question = limit.lifted(question)
    return question


@given(snapshots(), workloads(2))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_no_smaller_set_of_limits_conflicts(snapshot: Snapshot, workload: Workload) -> None:
    """By trying every choice: the set has no plan, each of fewer limits has one, and the changes that are said work."""
    found = conflicts_of(workload, snapshot, NOW)
    assume(found)
    question = Question.of(workload, snapshot, NOW)
    limits = user_limits(question)
    texts = [limit.text for limit in limits]
    least = min(found, key=lambda each: len(each.limits))
    for size in range(len(least.limits)):
        for some in combinations(dict.fromkeys(texts), size):
            assert brute_force(keeping(question, limits, set(some)))
    for each in found:
        assert not brute_force(keeping(question, limits, set(each.limits)))
    others = {text for each in found[1:] for text in each.limits}
    beside = keeping(question, limits, set(texts) - others)
    for change in found[0].changes:
        limit = next(limit for limit in limits if limit.name == change.limit)
        assert brute_force(limit.lifted(beside)) == (change.text is not None)
        if limit.figure is not None and change.value is not None:
            tighter = change.value * (1 - 1e-5 if limit.figure.grows else 1 + 1e-5)
            tighter += 0.0 if limit.figure.grows else 5e-3
            if limit.figure.whole:
                tighter = change.value - 1
            assert brute_force(limit.figure.moved(beside, change.value))
            assert not brute_force(limit.figure.moved(beside, tighter))
