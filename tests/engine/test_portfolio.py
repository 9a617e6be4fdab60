"""Portfolios: the least cost together, what is shared and what is not, and why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.infeasible import InfeasibleError
from engine.plan import Plan, read_plan
from engine.planned import MOST_TASKS, TooLargeError
from engine.portfolio import Member, UnsharableError, make_portfolio
from engine.solve import PlanRequest, make_plan
from engine.workload import (
    AcceleratorRequest,
    Chances,
    Edge,
    Estimate,
    Objective,
    Range,
    Requirement,
    Task,
    Workload,
)
from tests.kits.choices import antichains_of, exceeded, figures, within_limits
from tests.kits.market import NOW, flat_rates, market, offer
from tests.kits.plan_checker import faults
from tests.kits.random_workloads import quotas, snapshots, workloads
from tests.kits.ways import Figures, Market, Way, ways

REQUEST = PlanRequest(created_at=NOW, file="")
WOULD_FIT = "together the workloads do not fit; without this limit they would: "


def members_of(portfolio: Sequence[Workload]) -> list[Member]:
    """Each in a file of its own; workloads may have the same name."""
    return [Member(workload, f"{number}.yaml") for number, workload in enumerate(portfolio)]


@dataclass(frozen=True)
class Joint:
    """All workloads as one without any limits of their own, to count what they share."""

    workload: Workload
    antichains: list[list[int]]

    @classmethod
    def of(cls, portfolio: Sequence[Workload], budget_usd: float | None) -> Joint:
        """Tasks are told apart by the number of their workload."""
        together = Workload(
            "joint",
            tuple(replace(task, name=f"{n}/{task.name}") for n, each in enumerate(portfolio) for task in each.tasks),
            tuple(
                Edge(f"{n}/{edge.source}", f"{n}/{edge.target}", edge.data_gb)
                for n, each in enumerate(portfolio)
                for edge in each.edges
            ),
            budget_usd=budget_usd,
        )
        return cls(together, antichains_of(together))


def best_together(portfolio: Sequence[Workload], snapshot: Snapshot, budget_usd: float | None) -> Figures | None:
    """The figures of the best plans, by trying every joint choice; None where there are none."""
    looked_up, joint = Market(snapshot, NOW), Joint.of(portfolio, budget_usd)
    own = [
        [
            (figures(workload, each, looked_up)[0], each)
            for each in product(*(ways(task, workload, looked_up) for task in workload.tasks))
            if within_limits(workload, each, looked_up, antichains_of(workload))
        ]
        for workload in portfolio
    ]
    every = [(total([plan for plan, _ in each]), [way for _, ways_ in each for way in ways_]) for each in product(*own)]
    ranked = sorted(every, key=lambda each: [round(figure, 7) for figure in order(each[0])])
    return next((plan for plan, chosen in ranked if keeps_shared(joint, chosen, looked_up)), None)


def total(plans: Sequence[Figures]) -> Figures:
    """What plans come to side by side."""
    steps, cost_usd, hours, charge_usd = zip(*plans, strict=True)
    return Figures(sum(steps), sum(cost_usd), max(hours), sum(charge_usd))


def order(plan: Figures) -> tuple[float, ...]:
    """The figures in the order in which they count."""
    return plan.steps, plan.charge_usd, plan.cost_usd, plan.hours


def keeps_shared(joint: Joint, chosen: Sequence[Way], looked_up: Market) -> bool:
    """Whether a joint choice keeps quotas, machines and the budget for all."""
    if len(chosen) == 1 and joint.workload.budget_usd is None:
        return True
    return next(exceeded(joint.workload, chosen, looked_up, joint.antichains), None) is None


@st.composite
def portfolios(draw: st.DrawFn) -> list[Workload]:
    """Up to four tasks in up to three workloads, each with limits of its own."""
    sizes = draw(st.sampled_from(((1, 1), (1, 1, 1), (2, 1), (1, 2), (2, 2))))
    drawn = [draw(workloads(most_tasks=size)) for size in sizes]
    return [replace(each, objective=Objective.COST, value_of_time_usd_h=0.0) for each in drawn]


@st.composite
def few_machines(draw: st.DrawFn) -> Snapshot:
    """A market with up to three quotas, which bind more often than not."""
    limits = st.sampled_from((1, 1, 2, 3, 8, 16))
    return replace(draw(snapshots()), quotas=tuple(draw(st.lists(quotas(limits), max_size=3))))


BUDGETS = st.none() | st.none() | st.integers(1, 60).map(lambda halves: halves / 2)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), few_machines(), BUDGETS)
def test_no_joint_choice_is_better(portfolio: list[Workload], snapshot: Snapshot, budget_usd: float | None) -> None:
    """Whatever workloads ask for and markets lack: graphs, charges, preferences, chances, unknown figures."""
    assert_best(portfolio, named_apart(snapshot), budget_usd)


PLACES_OF_FEW = (("aws", "us-east-1"), ("aws", "eu-west-1"), ("gcp", "us-central1"))
KINDS_OF_FEW = ((None, None), ("T4", 1.0))


@st.composite
def scarce_markets(draw: st.DrawFn) -> Snapshot:
    """Two types in three places, some held by the user, some counted, and one quota or more on them."""
    rows = [
        offer(
            cloud,
            name,
            model or "m",
            float(draw(st.integers(1, 8))),
            accelerator=model,
            count=count,
            zone="a" if counted else None,
            quantity=draw(st.integers(1, 2)) if counted else None,
        )
        for cloud, name in PLACES_OF_FEW
        for model, count in KINDS_OF_FEW
        for counted in (draw(st.booleans()),)
    ]
    rows += [
        offer(cloud, name, model or "m", None, accelerator=model, count=count, purchase=Purchase.OWNED, quantity=held)
        for model, count in KINDS_OF_FEW
        for cloud, name in draw(st.sets(st.sampled_from(PLACES_OF_FEW), max_size=2))
        for held in (draw(st.integers(1, 2)),)
    ]
    of_few = st.builds(
        lambda cloud, region, unit, limit: Quota(Scope(cloud, region=region), unit, limit, "ours"),
        st.sampled_from(("aws", "gcp")),
        st.sampled_from(("*", "us-*")),
        st.sampled_from((Unit.MACHINES, Unit.VCPUS)),
        st.sampled_from((1, 2, 8, 16)),
    )
    found = market(rows, egress=flat_rates(0.02, [f"{cloud}:{name}" for cloud, name in PLACES_OF_FEW]))
    return replace(found, quotas=tuple(draw(st.lists(of_few, min_size=1, max_size=3))))


@st.composite
def wanting(draw: st.DrawFn) -> list[Workload]:
    """Workloads that want the same machines, with limits of their own that bind now and then."""
    sizes = draw(st.sampled_from(((1, 1), (1, 1, 1), (2, 1), (2, 2))))
    return [draw(wanting_workloads(size)) for size in sizes]


@st.composite
def wanting_workloads(draw: st.DrawFn, size: int) -> Workload:
    """One or two tasks, in a row where data moves between them."""
    ways_to_buy = (Purchase.ON_DEMAND, Purchase.OWNED)
    kinds = (
        Requirement(vcpus=Range(4, exact=False), purchases=ways_to_buy),
        Requirement(accelerator=AcceleratorRequest("T4", 1), purchases=ways_to_buy),
    )
    names = [f"t{number}" for number in range(size)]
    edges = (Edge("t0", "t1", 50.0),) if size > 1 and draw(st.booleans()) else ()
    return Workload(
        "wanting",
        tuple(
            Task(
                name,
                num_nodes=draw(st.sampled_from((1, 1, 1, 2))),
                requirements=draw(st.sampled_from((kinds[:1], kinds[1:], kinds))),
                estimate=Estimate(hours={"cpu": draw(st.sampled_from((2.0, 4.0))), "T4": 1.0}),
            )
            for name in names
        ),
        edges,
        deadline_hours=draw(st.sampled_from((None, 1.5, 3.5, 6.5))),
        budget_usd=draw(st.sampled_from((None, None, 12.0, 24.0))),
        hourly_budget_usd=draw(st.sampled_from((None, None, None, 6.0))),
        chances=draw(st.sampled_from((Chances(), Chances(), Chances(capacity=0.9)))),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanting(), scarce_markets(), BUDGETS)
def test_no_joint_choice_is_better_where_machines_are_few(
    portfolio: list[Workload], snapshot: Snapshot, budget_usd: float | None
) -> None:
    """Quotas, held and counted machines, one budget and limits of each bind together and apart."""
    assert_best(portfolio, named_apart(snapshot), budget_usd)


def assert_best(portfolio: Sequence[Workload], snapshot: Snapshot, budget_usd: float | None) -> None:
    """The plans are the best of all that keep the limits of each and what they share; where none do, it is said why."""
    best = best_together(portfolio, snapshot, budget_usd)
    try:
        result = make_portfolio(members_of(portfolio), snapshot, REQUEST, budget_usd=budget_usd)
    except InfeasibleError as error:
        assert best is None
        for line in error.reasons:
            assert_true(line, portfolio, snapshot, budget_usd)
        return
    assert best is not None
    event("plans")
    options = [plan.best for plan in result.plans]
    found = result.cost_usd, result.hours, math.fsum(option.charge_usd for option in options)
    assert found == pytest.approx((best.cost_usd, best.hours, best.charge_usd), abs=1e-6)
    assert result.proof.objective == pytest.approx(best.charge_usd, abs=1e-6)
    for workload, plan in zip(portfolio, result.plans, strict=True):
        assert faults_of_part(plan, workload, snapshot) == []
        assert read_plan(plan.to_json(), file="plan.json") == plan


def named_apart(snapshot: Snapshot) -> Snapshot:
    """Each quota with a name of its own."""
    named = tuple(replace(quota, name=f"q{number}") for number, quota in enumerate(snapshot.quotas))
    return replace(snapshot, quotas=named)


OF_A_RANKING = ("also in", "fell out", "candidates", "offers beyond", "offers too")
"""What a plan of one task alone says of other options, and one beside others does not."""


def faults_of_part(plan: Plan, workload: Workload, snapshot: Snapshot) -> list[str]:
    """What is wrong with a plan by itself."""
    found = faults(plan, workload, snapshot)
    if len(workload.tasks) > 1:
        return found
    return [fault for fault in found if not any(words in fault for words in OF_A_RANKING)]


def assert_true(line: str, portfolio: Sequence[Workload], snapshot: Snapshot, budget_usd: float | None) -> None:
    """A reason holds: a workload that is named has no plan by itself, and what is said to help does help."""
    if line.startswith(WOULD_FIT):
        event("one limit is in the way")
        relaxed = without(line.removeprefix(WOULD_FIT), portfolio, snapshot, budget_usd)
        assert best_together(*relaxed) is not None
    elif line.startswith("together"):
        event("no one limit is in the way")
        for number, _ in enumerate(portfolio):
            for kind in (
                "deadline",
                "budget",
                "carbon",
                "chance of capacity",
                "chance of no interruption",
                "hourly budget",
            ):
                assert best_together(*without(f"{number}.yaml: {kind}", portfolio, snapshot, budget_usd)) is None
        assert best_together(portfolio, snapshot, None) is None
    else:
        event("one has none alone")
        number = int(line.split(".yaml: ", maxsplit=1)[0])
        assert best_together([portfolio[number]], snapshot, None) is None


def without(
    name: str, portfolio: Sequence[Workload], snapshot: Snapshot, budget_usd: float | None
) -> tuple[Sequence[Workload], Snapshot, float | None]:
    """The same without the limit of this name."""
    if name.startswith("quota "):
        left = tuple(quota for quota in snapshot.quotas if quota.name != name.removeprefix("quota "))
        return portfolio, replace(snapshot, quotas=left), budget_usd
    if name.startswith("budget of "):
        return portfolio, snapshot, None
    if ".yaml: " in name:
        file, kind = name.split(".yaml: ")
        lifted = [lift(each, kind) if number == int(file) else each for number, each in enumerate(portfolio)]
        return lifted, snapshot, budget_usd
    instance_type = name.split(" (", maxsplit=1)[0]
    plenty = snapshot.offers.with_columns(
        pl.when(pl.col("instance_type") == instance_type).then(None).otherwise("quantity").alias("quantity")
    )
    return portfolio, replace(snapshot, offers=plenty), budget_usd


def lift(workload: Workload, kind: str) -> Workload:
    """The workload without a limit of its own."""
    chances, carbon = workload.chances, workload.carbon
    return {
        "deadline": replace(workload, deadline_hours=None),
        "budget": replace(workload, budget_usd=None),
        "carbon": replace(workload, carbon=replace(carbon, limit_kg=None)),
        "chance of capacity": replace(workload, chances=replace(chances, capacity=None)),
        "chance of no interruption": replace(workload, chances=replace(chances, uninterrupted=None)),
        "hourly budget": replace(workload, hourly_budget_usd=None),
    }[kind]


ANY_WAY = tuple(Purchase)
HELD = offer("aws", "us-east-1", "p5", None, accelerator="H100", count=8.0, purchase=Purchase.OWNED, quantity=2)
SOLD = (
    offer("aws", "us-east-1", "p5", 55.0, accelerator="H100", count=8.0),
    offer("gcp", "us-central1", "g2", 0.3, accelerator="L4", count=1.0, purchase=Purchase.SPOT),
    offer("gcp", "us-central1", "g2", 0.7, accelerator="L4", count=1.0),
)
H100 = Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=ANY_WAY)
L4 = Requirement(accelerator=AcceleratorRequest("L4", 1), purchases=ANY_WAY)
TRAINING = Workload(
    "training", (Task("train", num_nodes=2, requirements=(H100,), estimate=Estimate(hours=20.0)),), deadline_hours=24.0
)
INFERENCE = Workload(
    "inference",
    (
        Task(
            "infer",
            num_nodes=2,
            requirements=(H100, L4),
            estimate=Estimate(work=7.2e5, throughput={"H100": 10.0, "L4": 5.0}),
        ),
    ),
)


def where(plan: Plan) -> list[tuple[str, str]]:
    """The type and the purchase of each task."""
    return [(placement.instance_type, str(placement.purchase)) for placement in plan.best.placements]


def test_reserved_h100_here_for_training_and_spot_l4_there_for_inference() -> None:
    """Alone each takes the two machines that are held; together the one gets them to which they save most."""
    snapshot = market([HELD, *SOLD])
    alone = [make_plan(workload, snapshot, REQUEST) for workload in (INFERENCE, TRAINING)]
    assert [where(plan) for plan in alone] == [[("p5", "owned")], [("p5", "owned")]]
    together = make_portfolio(members_of([INFERENCE, TRAINING]), snapshot, REQUEST)
    assert [where(plan) for plan in together.plans] == [[("g2", "spot")], [("p5", "owned")]]
    assert together.cost_usd == pytest.approx(together.plans[0].best.cost_usd) == pytest.approx(2 * 0.3 * 20.05)
    assert [(use.name, use.taken, use.most) for use in together.shared] == [("p5 (owned) in aws/us-east-1", 2.0, 2.0)]
    assert together.proof.status == "optimal"


def test_a_quota_moves_the_workload_that_it_costs_least() -> None:
    """Of two that want spot machines one must buy otherwise, the shorter one."""
    quota = Quota(Scope("gcp", accelerator="L4", purchases=(Purchase.SPOT,)), Unit.ACCELERATORS, 1, "spot L4")
    short, long = (
        Workload(name, (Task("t", requirements=(L4,), estimate=Estimate(hours=hours)),))
        for name, hours in (("short", 2.0), ("long", 9.0))
    )
    snapshot = replace(market(SOLD), quotas=(quota,))
    together = make_portfolio(members_of([short, long]), snapshot, REQUEST)
    assert [where(plan) for plan in together.plans] == [[("g2", "on_demand")], [("g2", "spot")]]
    assert [(use.name, use.taken, use.most) for use in together.shared] == [("quota spot L4", 1.0, 1.0)]


def test_a_workload_in_a_row_takes_a_quota_once() -> None:
    """Its tasks never run at one time; beside it another workload does."""
    row_of_two = Workload("row", tuple(Task(name, requirements=(L4,)) for name in ("a", "b")), (Edge("a", "b", 0.0),))
    one = Workload("one", (Task("t", requirements=(L4,)),))
    quota = Quota(Scope("gcp"), Unit.MACHINES, 2, "two")
    snapshot = replace(market(SOLD), quotas=(quota,))
    together = make_portfolio(members_of([row_of_two, one]), snapshot, REQUEST)
    assert together.shared[0].taken == 2.0
    with pytest.raises(InfeasibleError, match="without this limit they would: quota two"):
        make_portfolio(members_of([row_of_two, one, one]), snapshot, REQUEST)


def test_an_hourly_budget_of_one_workload_is_no_business_of_the_others() -> None:
    """It limits its own tasks alone, and is not among what is shared."""
    lean = Workload("same", (Task("t", requirements=(L4,)), Task("u", requirements=(L4,))), hourly_budget_usd=0.6)
    rich = replace(TRAINING, name="same")
    together = make_portfolio(members_of([lean, rich]), market(SOLD), REQUEST)
    assert [use.name for use in together.shared] == []
    assert together.plans[0].limits.hourly_budget_usd == 0.6
    assert where(together.plans[0]) == [("g2", "spot")] * 2


def test_assumptions_name_tasks_as_the_user_wrote_them() -> None:
    """In each plan those of its own workload, and no name that the portfolio made up."""
    two = [Workload(name, (Task("t", requirements=(L4,)),)) for name in ("one", "other")]
    for plan in make_portfolio(members_of(two), market(SOLD), REQUEST).plans:
        assert any(line.startswith("t: the run time is not known") for line in plan.assumptions)
        assert not any("/t" in line or "0:" in line or "1:" in line for line in plan.assumptions)


def test_each_that_has_no_plan_alone_is_named_with_its_file() -> None:
    """What no offer has, and limits that cannot be kept, all at once."""
    lacking = Workload("lacking", (Task("t", requirements=(Requirement(accelerator=AcceleratorRequest("L4", 3)),)),))
    late = replace(TRAINING, deadline_hours=1.0)
    with pytest.raises(InfeasibleError) as error:
        make_portfolio(members_of([INFERENCE, lacking]), market(SOLD), REQUEST)
    assert error.value.reasons[0].startswith("1.yaml: t: no offer has 3 x L4")
    with pytest.raises(InfeasibleError) as error:
        make_portfolio(members_of([late, INFERENCE, late]), market(SOLD), REQUEST)
    assert [reason.split(" h:")[0] for reason in error.value.reasons] == ["0.yaml: deadline 1", "2.yaml: deadline 1"]


def test_where_the_budget_for_all_is_short_each_way_out_is_named() -> None:
    """More money, or the deadline that keeps one of them from a cheaper machine."""
    slow_or_dear = Task("t", requirements=(L4, H100), estimate=Estimate(hours={"L4": 9.0, "H100": 1.0}))
    hurried = Workload("hurried", (slow_or_dear,), deadline_hours=2.0)
    with pytest.raises(InfeasibleError) as error:
        make_portfolio(members_of([hurried, hurried]), market(SOLD), REQUEST, budget_usd=70.0)
    assert error.value.reasons == tuple(
        f"{WOULD_FIT}{name}" for name in ("budget of $70 for all", "0.yaml: deadline", "1.yaml: deadline")
    )
    many = [hurried] * 6
    with pytest.raises(InfeasibleError) as error:
        make_portfolio(members_of(many), market(SOLD), REQUEST, budget_usd=70.0)
    assert error.value.reasons[1:] == (f"{WOULD_FIT}deadline of the 6 workloads with one",)


def test_where_two_limits_are_in_the_way_it_is_said() -> None:
    """Two quotas that both are too tight."""
    both = tuple(Quota(Scope(cloud), Unit.MACHINES, 1, cloud) for cloud in ("aws", "gcp"))
    gpu, large = (Workload("w", (Task("t", requirements=(need,)),)) for need in (L4, H100))
    with pytest.raises(InfeasibleError, match="do not fit; to lift one limit is not enough"):
        make_portfolio(members_of([gpu, gpu, large, large]), replace(market(SOLD), quotas=both), REQUEST)


def test_machines_that_a_market_has_few_of_can_be_in_the_way() -> None:
    """Such limits are met only on the way to the answer; without one, the others still hold."""
    few = offer("aws", "us-east-1", "m5", 1.0, quantity=1)
    two = [Workload("w", (Task("t", estimate=Estimate(hours=1.0)),))] * 2
    with pytest.raises(InfeasibleError) as error:
        make_portfolio(members_of(two), market([few]), REQUEST)
    assert error.value.reasons == (f"{WOULD_FIT}m5 (on_demand) in aws/us-east-1",)


@pytest.mark.parametrize("asked", [{"objective": Objective.TIME}, {"value_of_time_usd_h": 1.0}])
def test_what_has_no_meaning_beside_others_is_refused(asked: dict[str, Any]) -> None:
    """The file is named."""
    with pytest.raises(UnsharableError, match=r"1\.yaml"):
        make_portfolio(members_of([TRAINING, replace(INFERENCE, **asked)]), market(SOLD), REQUEST)


def test_too_many_tasks_are_counted_in_groups() -> None:
    """More than can be placed together, whether in one workload or in all."""
    half = Workload("w", (Task("t", num_nodes=MOST_TASKS, spread=MOST_TASKS, requirements=(L4,)),))
    with pytest.raises(TooLargeError, match="4,000 tasks"):
        make_portfolio(members_of([half, half]), market(SOLD), REQUEST)


def test_when_time_is_up_the_parts_say_how_much_better_they_could_be() -> None:
    """By as much as the whole could be at most, and never below nothing."""
    slow = offer("gcp", "us-central1", "g2", None, accelerator="L4", purchase=Purchase.OWNED, quantity=1)
    either = Task("t", requirements=(L4, H100), estimate=Estimate(hours={"L4": 9.0, "H100": 1.0}))
    two = [Workload("w", (either,))] * 2
    # The fastest choice is at hand at once; the cheapest would take the slow machine twice.
    together = make_portfolio(members_of(two), market([slow, SOLD[0]]), replace(REQUEST, time_limit_s=1e-6))
    room = together.proof.objective - together.proof.bound
    assert together.proof.status == "feasible"
    assert room > 0
    for plan in together.plans:
        assert plan.proof.bound == pytest.approx(max(0.0, plan.proof.objective - room))
        assert read_plan(plan.to_json(), file="plan.json") == plan
