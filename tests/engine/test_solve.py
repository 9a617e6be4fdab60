"""Whole plans, checked from outside: by an independent checker and by trying every choice."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.infeasible import InfeasibleError
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.startup import EC2_STARTUP_H, GCE_STARTUP_H
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Edge,
    Estimate,
    Objective,
    Preference,
    Range,
    Requirement,
    Residency,
    Task,
    Workload,
)
from tests.kits.choices import order_of
from tests.kits.market import NOW, Row, flat_rates, market, offer, region, tiers
from tests.kits.plan_checker import best_figures, faults, figures_of_best
from tests.kits.random_workloads import snapshots, workloads

REQUEST = PlanRequest(NOW, "workload.yaml")
PLACES = ("aws:us-east-1", "aws:eu-west-1", "gcp:us-central1")
REGIONS = [
    region("aws", "us-east-1"),
    region("aws", "eu-west-1", "europe", "IE"),
    region("gcp", "us-central1"),
]
OFFERS: list[Row] = [
    *(offer("aws", name, "m5", price, zone=f"{name}a") for name, price in (("us-east-1", 0.38), ("eu-west-1", 0.43))),
    *(offer("aws", name, "p5", price, accelerator="H100", count=8.0) for name, price in (("us-east-1", 55.0),)),
    offer("aws", "eu-west-1", "p5", 21.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0),
    offer("gcp", "us-central1", "n2", 0.5),
]
MARKET = market(OFFERS, regions=REGIONS, egress=flat_rates(0.09, PLACES))
EGRESS_SAID = (
    "egress is billed from the first paid tier on, transfer by transfer; free monthly allowances are not counted"
)
MOVING = {"s3://data": 100.0}
CPU = Requirement(vcpus=Range(4, exact=False))
GPU = Requirement(accelerator=AcceleratorRequest("H100", 8))
EC2_HOUR = 1 + 97 / 3600
GCE_HOUR = 1 + 25 / 3600
"""Billed for an hour of work: EC2's machines start in 96.9 s, Google's small ones in 25 s, those with GPUs in 180 s."""
LEAST_USD = f"no plan costs less than ${0.5 * GCE_HOUR + 50.0 * 10.05:.2f}"
"""To prepare and to train at Google."""


def chain(data_gb: float, **fields: object) -> Workload:
    """Prepare, hand over the data, train for 10 h."""
    tasks = (Task("prep", requirements=(CPU,)), Task("train", requirements=(GPU,), estimate=Estimate(hours=10.0)))
    return Workload("w", tasks, (Edge("prep", "train", data_gb),), **fields)  # type: ignore[arg-type]


def planned(workload: Workload, snapshot: Snapshot = MARKET) -> Plan:
    """A plan in which the checker finds no fault."""
    plan = make_plan(workload, snapshot, REQUEST)
    assert faults(plan, workload, snapshot) == []
    return plan


def places(plan: Plan) -> list[str]:
    """Where each task runs."""
    return [f"{placement.cloud}/{placement.region}" for placement in plan.best.placements]


def reasons(workload: Workload, snapshot: Snapshot = MARKET) -> tuple[str, ...]:
    """Why there is no plan."""
    with pytest.raises(InfeasibleError) as refused:
        make_plan(workload, snapshot, REQUEST)
    return refused.value.reasons


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workloads(), snapshots())
def test_every_plan_is_right_and_the_best(workload: Workload, snapshot: Snapshot) -> None:
    """On random workloads and markets: no fault, the optimum of trying everything, no plan only if there is none."""
    best = best_figures(workload, snapshot, NOW)
    if best is None:
        assert reasons(workload, snapshot)
        return
    figures = figures_of_best(planned(workload, snapshot), workload, snapshot)
    assert order_of(workload, figures) == pytest.approx(order_of(workload, best), rel=1e-5)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workloads(most_tasks=3), snapshots())
def test_the_order_of_the_rows_changes_nothing(workload: Workload, snapshot: Snapshot) -> None:
    """The same plan, to the last byte, from the same snapshot in another order."""
    rng = random.Random(7)
    frames = {
        name: frame.sample(fraction=1.0, shuffle=True, seed=rng.randrange(1000))
        for name, frame in vars(snapshot).items()
        if name not in {"info", "sources", "quotas"}
    }
    assert answer(workload, replace(snapshot, **frames)) == answer(workload, snapshot)


def answer(workload: Workload, snapshot: Snapshot) -> str | tuple[str, ...]:
    """The plan's text, or why there is none."""
    try:
        return make_plan(workload, snapshot, REQUEST).to_json()
    except InfeasibleError as error:
        return error.reasons


def test_a_workload_on_machines_of_ones_own_costs_nothing() -> None:
    """Also where tasks hand over data: a plan of no cost is the proven optimum."""
    owned = replace(CPU, purchases=tuple(Purchase))
    lab = offer("slurm", "lab", "big", None, purchase=Purchase.OWNED, quantity=4)
    workload = Workload("w", tuple(Task(name, requirements=(owned,)) for name in "ab"), (Edge("a", "b", 10.0),))
    plan = planned(workload, market([*OFFERS, lab]))
    assert places(plan) == ["slurm/lab", "slurm/lab"]
    assert (plan.best.cost_usd, plan.proof.status, plan.proof.gap) == (0.0, "optimal", 0.0)


def test_a_cluster_that_is_too_small_is_named() -> None:
    """With how many machines it has."""
    lab = offer("slurm", "lab", "big", None, purchase=Purchase.OWNED, quantity=4)
    asked = Requirement(cloud="slurm", vcpus=Range(4, exact=False), purchases=(Purchase.OWNED,))
    assert reasons(Workload("w", (Task("t", num_nodes=8, requirements=(asked,)),)), market([*OFFERS, lab])) == (
        "t: no offer has machines for 8 nodes (1 offer comes this far; it has only 4 of the 8 nodes)",
    )


@pytest.mark.parametrize(
    ("data_gb", "where"),
    [
        (0.0, ["aws/us-east-1", "gcp/us-central1"]),
        (1.0, ["aws/us-east-1", "gcp/us-central1"]),
        (2.0, ["gcp/us-central1", "gcp/us-central1"]),
        (5_000.0, ["gcp/us-central1", "gcp/us-central1"]),
    ],
)
def test_data_draws_tasks_together(data_gb: float, where: list[str]) -> None:
    """12 cents saved on the first machine pay for one GB at 9 cents, not for two."""
    assert places(planned(chain(data_gb))) == where


def test_the_deadline_counts_the_transfer() -> None:
    """With the data far away the cheapest plan is too late by the transfer; a dearer one keeps the deadline."""
    near_only = replace(GPU, cloud="gcp")
    tasks = (Task("prep", requirements=(CPU,)), Task("train", requirements=(near_only,), estimate=Estimate(hours=10.0)))
    workload = Workload("w", tasks, (Edge("prep", "train", 1.0),))
    transfer_h = 8 / 5 / 3600
    assert places(planned(workload)) == ["aws/us-east-1", "gcp/us-central1"]
    assert planned(workload).best.hours == pytest.approx(EC2_STARTUP_H + 1 + transfer_h + 0.05 + 10)
    near_h = GCE_STARTUP_H + 1 + 0.05 + 10
    assert places(planned(replace(workload, deadline_hours=near_h))) == ["gcp/us-central1", "gcp/us-central1"]


@pytest.mark.parametrize("objective", Objective)
def test_the_best_plan_of_each_objective(objective: Objective) -> None:
    """Spot in Ireland is cheapest where it may be bought; Google's small machines start soonest."""
    spot = replace(GPU, purchases=(Purchase.ON_DEMAND, Purchase.SPOT))
    tasks = (Task("prep", requirements=(CPU,)), Task("train", requirements=(spot,), estimate=Estimate(hours=10.0)))
    workload = Workload("w", tasks, (Edge("prep", "train", 50.0),), objective=objective)
    plan = planned(workload)
    if objective is Objective.COST:
        assert places(plan) == ["aws/eu-west-1", "aws/eu-west-1"]
        assert plan.best.cost_usd == pytest.approx(0.43 * EC2_HOUR + 21.0 * 10.05)
    else:
        assert places(plan) == ["gcp/us-central1", "gcp/us-central1"]
        assert plan.best.hours == pytest.approx(GCE_STARTUP_H + 1 + 0.05 + 10)


def test_an_order_of_alternatives_holds_in_a_dag() -> None:
    """The preferred machine while the budget allows it; where it does not, the other one, not "infeasible"."""
    ordered = (replace(GPU, cloud="aws"), replace(GPU, cloud="gcp"))
    train = Task("train", requirements=ordered, ordered=True, estimate=Estimate(hours=10.0))
    workload = Workload("w", (Task("prep", requirements=(CPU,)), train), (Edge("prep", "train", 1.0),))
    assert places(planned(workload))[1] == "aws/us-east-1"
    assert places(planned(replace(workload, budget_usd=520.0)))[1] == "gcp/us-central1"
    least_usd = 0.38 * EC2_HOUR + 0.09 + 50.0 * 10.05
    assert reasons(replace(workload, budget_usd=100.0)) == (
        f"budget $100.00: no plan costs less than ${least_usd:.2f}",
    )


def test_what_no_offer_has_is_named_for_each_alternative() -> None:
    """With how far the offers came and what they have instead."""
    requirements = tuple(Requirement(accelerator=AcceleratorRequest(name, n)) for name, n in (("H100", 3), ("A100", 8)))
    one = offer("aws", "us-east-1", "p5.4xlarge", 6.9, accelerator="H100")
    workload = Workload("w", (Task("train", requirements=requirements), Task("eval", requirements=(requirements[1],))))
    assert reasons(workload, market([*OFFERS, one], regions=REGIONS)) == (
        "train (alternative 1): no offer has 3 x H100 (4 offers come this far; they have 1 x H100, 8 x H100)",
        "train (alternative 2): no offer has accelerator A100 (4 offers come this far; they have H100)",
        "eval: no offer has accelerator A100 (7 offers come this far; they have H100)",
    )


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        (
            replace(GPU, cloud="azure"),
            "t: no offer has cloud azure (the catalog holds no prices of it)",
        ),
        (
            replace(GPU, cloud="gcp", purchases=(Purchase.SPOT,)),
            "t: no offer has purchase spot (1 offer comes this far; it has on_demand)",
        ),
        (
            replace(GPU, cloud="gcp", region="europe-west4"),
            "t: no offer has region europe-west4 (1 offer comes this far; it has us-central1)",
        ),
        (
            replace(GPU, region="us-central1", zone="us-central1-a"),
            "t: no offer has zone us-central1-a (1 offer comes this far)",
        ),
        (
            Requirement(vcpus=Range(64, exact=False)),
            "t: no offer has 64+ vCPUs (3 offers come this far; they have 8)",
        ),
        (
            Requirement(memory_gib=Range(7.5, exact=True)),
            "t: no offer has 7.5 GiB of memory (3 offers come this far; they have 32)",
        ),
        (
            Requirement(memory_gib_per_vcpu=6.5),
            "t: no offer has 6.5 GiB of memory a vCPU (3 offers come this far; they have 4)",
        ),
        (
            replace(CPU, arch="arm64"),
            "t: no offer has CPU architecture arm64 (3 offers come this far; they have x86_64)",
        ),
        (
            replace(CPU, purchases=(Purchase.SPOT,)),
            "t: no offer has purchase spot (3 offers come this far; they have on_demand)",
        ),
        (
            replace(CPU, max_hourly_cost=0.1),
            "t: no offer has a price of at most $0.1/h (3 offers come this far; they have $0.38/h, $0.43/h, $0.5/h)",
        ),
    ],
)
def test_each_requirement_says_what_there_is_instead(requirement: Requirement, reason: str) -> None:
    """In the words of the workload, with figures of the catalog."""
    assert reasons(Workload("w", (Task("t", requirements=(requirement,)),))) == (reason,)


def test_a_cloud_that_sells_only_accelerators_says_so() -> None:
    """A plain machine there: the cloud is not the thing that is missing."""
    rows = [
        *OFFERS,
        offer("lambda", "us-west-1", "gpu_1x_a10", 0.75, accelerator="A10"),
        offer("lambda", "us-west-1", "gpu_8x_h100", 24.0, accelerator="H100", count=8.0),
    ]
    there = Workload("w", (Task("t", requirements=(replace(CPU, cloud="lambda"),)),))
    assert reasons(there, market(rows)) == (
        "t: no offer has a machine without accelerators (2 offers come this far; they have 1 x A10, 8 x H100)",
    )
    with_a10 = Task("t", requirements=(Requirement(cloud="aws", accelerator=AcceleratorRequest("A10", 1)),))
    assert reasons(Workload("w", (with_a10,)), market(rows)) == (
        "t: no offer has cloud aws (1 offer comes this far; it has lambda)",
    )


def test_an_estimate_that_fits_no_offer_is_named() -> None:
    """Instead of an hour on everything."""
    train = Task("train", requirements=(GPU,), estimate=Estimate(hours={"A100": 2.0}))
    assert reasons(Workload("w", (train,))) == (
        "train: no offer has a run time: the estimate names A100 (2 offers come this far; they are 8 x H100)",
    )
    assert reasons(
        Workload("w", (replace(train, requirements=(replace(GPU, cloud="gcp"), GPU)),)), market(OFFERS[4:])
    ) == ("train: no offer has a run time: the estimate names A100 (1 offer comes this far; it is 8 x H100)",)


def test_hardware_without_a_run_time_does_not_win() -> None:
    """An hour on a T4 would be cheapest, if it took an hour there."""
    known = market([*OFFERS, offer("aws", "us-east-1", "g4", 0.5, accelerator="T4")], regions=REGIONS)
    t4 = Requirement(accelerator=AcceleratorRequest("T4", 1))
    plan = planned(
        Workload("w", (Task("train", requirements=(GPU, t4), estimate=Estimate(hours={"H100": 10.0})),)), known
    )
    assert plan.best.placements[0].accelerator == "H100"
    assert not any("assumed" in line for line in plan.assumptions)


def test_offers_beyond_a_limit_are_counted() -> None:
    """By the limit that excludes them, the deadline first; the candidates are those that are left."""
    rows = [
        *(offer("aws", "us-east-1", "p5", 55.0, accelerator="H100", count=8.0, zone=zone) for zone in "ab"),
        offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0),
        *(
            offer("aws", "us-east-1", "p4", price, accelerator="A100", count=8.0, zone=str(price))
            for price in (9.0, 90.0)
        ),
    ]
    any_of = (GPU, Requirement(accelerator=AcceleratorRequest("A100", 8)))
    train = Task("train", requirements=any_of, estimate=Estimate(hours={"H100": 10.0, "A100": 30.0}))
    plan = planned(Workload("w", (train,), deadline_hours=20.0, budget_usd=520.0), market(rows))
    assert {entry.reason: entry.offers for entry in plan.fell_out} == {
        "too slow for the deadline": 2,
        "too dear for the budget": 2,
    }
    assert plan.candidates == 1


def test_of_equal_machines_the_one_that_was_seen_to_be_available_is_taken() -> None:
    """Alone and in a DAG, there among the machines of one place."""
    rows = [offer("aws", "r", name, 1.0, available=seen) for name, seen in (("m1", None), ("m2", True), ("m3", None))]
    first = Task("a", requirements=(CPU,))
    pair = Workload("w", (first, replace(first, name="b")), (Edge("a", "b", 1.0),))
    for workload in (Workload("w", (first,)), pair):
        assert {placement.instance_type for placement in planned(workload, market(rows)).best.placements} == {"m2"}


def test_offers_that_only_lack_a_place_a_price_or_stock() -> None:
    """Machines that would do, were they in the right place, there, or priced."""
    cpu = Workload("w", (Task("t", requirements=(CPU,)),))
    assert reasons(replace(cpu, residency=Residency(allow=("asia",))), market(OFFERS[:2])) == (
        "t: no offer has a place in asia (2 offers come this far; they have aws/eu-west-1, aws/us-east-1)",
    )
    gone = market([row | {"available": False} for row in OFFERS], regions=REGIONS)
    assert reasons(cpu, gone) == ("t: no offer has availability there now (3 offers come this far)",)
    unpriced = market([row | {"price_usd_h": None} for row in OFFERS], regions=REGIONS)
    assert reasons(cpu, unpriced) == ("t: no offer has a known price (3 offers come this far)",)
    assert reasons(Workload("w", (Task("t", requirements=(GPU,)),)), market([])) == (
        "t: no offer has accelerator H100",
    )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"deadline_hours": 5.0}, ("deadline 5 h: no plan takes less than 11.06 h",)),
        ({"budget_usd": 100.0}, (f"budget $100.00: {LEAST_USD}",)),
        ({"budget_usd": 0.000012}, (f"budget $0.000012: {LEAST_USD}",)),
        ({"deadline_hours": 1 / 60}, ("deadline 0.01667 h: no plan takes less than 11.06 h",)),
        # 1 h and 10 h of work, and the starts of 25 s and 3 min.
        ({"deadline_hours": 11.0569}, ("deadline 11.0569 h: no plan takes less than 11.05694 h",)),
        (
            {"deadline_hours": 5.0, "budget_usd": 100.0},
            ("deadline 5 h: no plan takes less than 11.06 h", f"budget $100.00: {LEAST_USD}"),
        ),
        ({"deadline_hours": 5.0, "carbon": Carbon(limit_kg=1.0)}, ("no plan keeps the limits",)),
        (
            {"budget_usd": 100.0, "value_of_time_usd_h": 50.0, "preferences": (Preference(9.0, cloud="azure"),)},
            (f"budget $100.00: {LEAST_USD}",),
        ),
    ],
)
def test_a_limit_that_no_plan_keeps_is_named(limits: dict[str, Any], expected: tuple[str, ...]) -> None:
    """With what the least is, which is what to relax it to: in money that is spent, whatever else is charged."""
    assert reasons(chain(5_000.0, **limits)) == expected


def test_limits_that_conflict_are_named_together() -> None:
    """The cheap plan moves data and is late, the fast one stays and is dear: each limit can be kept alone.

    It stays for $5 an hour and 25 s, and $50 for 10 h and 3 minutes.
    """
    far = market(
        [offer("aws", "us-east-1", "m5", 0.1), offer("gcp", "us-central1", "n2", 5.0), *OFFERS[4:5]],
        regions=REGIONS,
        egress=flat_rates(0.0001, PLACES),
    )
    workload = chain(5_000.0, deadline_hours=12.0, budget_usd=504.0)
    least_usd = 5.0 * GCE_HOUR + 50.0 * 10.05
    assert reasons(workload, far) == (
        f"deadline 12 h and budget $504.00 conflict: within the deadline no plan costs less than ${least_usd:.2f}",
    )
    planned(replace(workload, deadline_hours=None), far)
    planned(replace(workload, budget_usd=None), far)


def test_a_deadline_at_an_instant_is_counted_from_now() -> None:
    """As hours, which the plan states; one that has passed is refused."""
    at = replace(chain(1.0), deadline_at=NOW + timedelta(hours=12))
    plan = make_plan(at, MARKET, REQUEST)
    assert plan.limits.deadline_h == 12.0
    assert faults(plan, replace(at, deadline_at=None, deadline_hours=12.0), MARKET) == []
    assert reasons(replace(at, deadline_at=NOW - timedelta(minutes=90))) == ("the deadline passed 1.5 h ago",)


def test_what_a_plan_takes_for_granted_is_said() -> None:
    """Of the workload, the run times, the rates, the doubtful prices and the bills; each once."""
    doubtful = [row | {"confidence": "low"} for row in OFFERS[5:]]
    plan = planned(
        replace(chain(2.0), assumptions=("the zone is UTC",)), market([*OFFERS[:5], *doubtful], regions=REGIONS)
    )
    assert plan.assumptions == (
        "the zone is UTC",
        "prep: the run time is not known; 1 h is assumed (say `estimate`)",
        "prep -> train: the egress rate is not known and counted as free",
        (
            "machines are ready and set up within 3 min, and billed from their start on as their cloud meters them;"
            " disks are counted where disk_size asks for one"
        ),
        EGRESS_SAID,
        "data moves between regions at 5 Gbit/s of one machine, and at 2 Gbit/s between continents",
    )
    there = planned(
        replace(chain(2.0), residency=Residency(allow=("gcp",))), market(doubtful + OFFERS[4:5], regions=REGIONS)
    )
    assert "prep: the price of n2 is of low confidence (prices, seen 2026-09-01)" in there.assumptions


def test_an_unknown_rate_draws_no_data() -> None:
    """Where egress is not known the highest rate of its cloud is taken: a place does not win by it. Else it is free."""
    known = market(OFFERS, regions=REGIONS, egress=flat_rates(0.09, PLACES[:2]))
    plan = planned(chain(2_000.0), known)
    assert places(plan) == ["gcp/us-central1", "gcp/us-central1"]
    plan = planned(chain(0.5), known)
    assert plan.best.transfers[0].egress_usd == pytest.approx(0.045)
    assert "prep -> train: the egress rate is not known and taken as the highest of its cloud" in plan.assumptions
    assert planned(chain(2_000.0), market(OFFERS, regions=REGIONS)).best.transfers[0].egress_usd == 0.0


def test_an_unknown_throughput_is_said() -> None:
    """Where none is known at all, the data arrives at once."""
    known = market(OFFERS, regions=REGIONS, egress=flat_rates(0.0, PLACES), throughput=[])
    plan = planned(chain(500.0), known)
    assert places(plan) == ["aws/us-east-1", "gcp/us-central1"]
    assert not any("Gbit/s" in line for line in plan.assumptions)
    assert "prep -> train: the throughput is not known and taken as the lowest of all" in plan.assumptions


@pytest.mark.parametrize("inputs", [{}, {"gs://here": 100.0}, {"s3://empty": 0.0}, {"file:///here": 9.0}, MOVING])
def test_allowances_that_are_not_counted_are_said(inputs: dict[str, float]) -> None:
    """Where data moves, for inputs as between tasks and free or not, and not where none does."""
    train = Task("train", requirements=(replace(GPU, cloud="gcp"),), estimate=Estimate(hours=1.0), inputs=inputs)
    for known in (MARKET, market(OFFERS, egress=flat_rates(0.0, PLACES))):
        assert (EGRESS_SAID in planned(Workload("w", (train,)), known).assumptions) is (inputs == MOVING)


def test_what_only_the_comparison_moves_counts_too() -> None:
    """The best plan stays where the data is; the one of the other cloud, shown beside it, moves it."""
    train = Task("train", requirements=(GPU,), inputs=MOVING, estimate=Estimate(hours=1.0))
    stays = market([row | {"price_usd_h": 40.0} for row in OFFERS[2:3]] + OFFERS[4:5], egress=flat_rates(0.09, PLACES))
    workload = Workload("w", (train,))
    plan = make_plan(workload, stays, replace(REQUEST, top=1))
    assert faults(plan, workload, stays) == []
    assert (places(plan), plan.alternatives, len(plan.comparison)) == (["aws/us-east-1"], (), 1)
    assert EGRESS_SAID in plan.assumptions


def test_speeds_by_distance_are_said() -> None:
    """Where an option moves data within a continent and another one across, at other speeds."""
    train = Task("train", requirements=(replace(GPU, cloud="gcp"),), inputs=MOVING, estimate=Estimate(hours=1.0))
    far = offer("gcp", "europe-west4", "a3", 60.0, accelerator="H100", count=8.0)
    known = market([*OFFERS, far], regions=[*REGIONS, region("gcp", "europe-west4", "europe", "NL")])
    lines = planned(Workload("w", (train,)), known).assumptions
    assert "data moves between regions at 5 Gbit/s of one machine, and at 2 Gbit/s between continents" in lines


def test_an_allowance_is_not_granted_to_every_edge() -> None:
    """Twenty times 100 GB across: 2,000 GB at 9 cents, not twenty allowances."""
    tier = [row for p in PLACES[:2] for row in tiers(p, PLACES[2], (0.0, 0.0), (100.0, 0.09))]
    parts = tuple(Task(f"p{n}", requirements=(replace(CPU, cloud="aws", region="us-east-1"),)) for n in range(20))
    train = Task("train", requirements=(replace(GPU, cloud="gcp"),), estimate=Estimate(hours=1.0))
    edges = tuple(Edge(part.name, "train", 100.0) for part in parts)
    plan = planned(Workload("w", (*parts, train), edges), market(OFFERS, regions=REGIONS, egress=tier))
    assert sum(transfer.egress_usd for transfer in plan.best.transfers) == pytest.approx(180.0)


def test_of_a_tie_the_same_plan_every_time() -> None:
    """Equal offers everywhere: the answer does not depend on chance."""
    offers = [offer(cloud, f"r{n}", "m", 1.0) for cloud in ("aws", "gcp") for n in range(5)]
    names = [f"{row['cloud']}:{row['region']}" for row in offers]
    known = market(offers, egress=flat_rates(0.05, names))
    tasks = tuple(Task(f"t{n}", requirements=(CPU,)) for n in range(4))
    workload = Workload("w", tasks, tuple(Edge(f"t{n}", f"t{n + 1}", 10.0) for n in range(3)))
    texts = {planned(workload, known).to_json() for _ in range(3)}
    assert len(texts) == 1
    assert len({place for text in texts for place in places(planned(workload, known))}) == 1
