"""Faults that were measured in SkyPilot 0.14.1's optimizer (see ../shared/golden and benchmarks/skypilot_model.py).

Each test is one of them, and holds that this engine does not have it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog_data.checks import check
from catalog_data.embedded import publish_embedded
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_data.store import Catalog
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.transfers import transfers
from engine.workload import AcceleratorRequest, Edge, Estimate, Objective, Requirement, Task, Workload
from engine.workload_reader import read_workload
from tests.kits import rows
from tests.kits.market import NOW, Row, flat_rates, market, observed, offer, region
from tests.kits.plan_checker import faults

REQUEST = PlanRequest(NOW, "workload.yaml")
GPU = Requirement(accelerator=AcceleratorRequest("H100", 8))
EAST, WEST = "aws:us-east-1", "aws:us-west-2"
REGIONS = [region("aws", "us-east-1"), region("aws", "us-west-2"), region("gcp", "us-central1")]


def gpus(cloud: str, where: str, instance_type: str, price_usd_h: float) -> Row:
    """Machines with eight H100."""
    return offer(cloud, where, instance_type, price_usd_h, accelerator="H100", count=8.0)


def pair(data_gb: float, *, nodes: int = 1, source: str = "us-east-1", target: str = "us-west-2") -> Workload:
    """A task in one region of AWS hands data to a task in another one."""
    tasks = [
        Task(name, nodes, (replace(GPU, region=where),), estimate=Estimate(hours=1.0))
        for name, where in (("first", source), ("then", target))
    ]
    return Workload("w", tuple(tasks), (Edge("first", "then", data_gb),))


def planned(workload: Workload, *offers: Row, **frames: list[Row]) -> Plan:
    """A plan in which the checker finds no fault."""
    snapshot = market(offers, regions=REGIONS, **frames)
    plan = make_plan(workload, snapshot, REQUEST)
    assert faults(plan, workload, snapshot) == []
    return plan


@pytest.mark.parametrize(("data_gb", "usd"), [(10_240.0, 921.60), (51_200.0, 4_403.20)])
def test_tiers_of_egress_add_up(tmp_path: Path, data_gb: float, usd: float) -> None:
    """AWS to the internet at the embedded rates: 9 cents up to 10 TiB, 8.5 from there to 50; the peer says $0.00."""
    publish_embedded(tmp_path / "catalog.duckdb")
    with Catalog.open(tmp_path / "catalog.duckdb") as catalog:
        known = catalog.snapshot(network=True)
    assert transfers(known, data_gb, [EAST], ["gcp:us-central1"])["egress_usd"].item() == pytest.approx(usd)


def test_data_between_regions_of_one_cloud_is_not_free() -> None:
    """1 TB at 2 cents."""
    offers = (gpus("aws", "us-east-1", "p5", 50.0), gpus("aws", "us-west-2", "p5", 50.0))
    plan = planned(pair(1_000.0), *offers, egress=flat_rates(0.02, [EAST, WEST]))
    assert plan.best.transfers[0].egress_usd == pytest.approx(20.0)
    assert plan.best.transfers[0].hours > 0


def test_several_machines_move_data_side_by_side() -> None:
    """Four at both ends take a quarter of the time."""
    offers = (gpus("aws", "us-east-1", "p5", 50.0), gpus("aws", "us-west-2", "p5", 50.0))
    one, four = (planned(pair(1_000.0, nodes=nodes), *offers).best.transfers[0].hours for nodes in (1, 4))
    assert four == pytest.approx(one / 4)


def test_of_the_fastest_plans_the_cheapest_is_taken() -> None:
    """The task beside the long one may be slow: for least time it runs on the cheap machine nonetheless."""
    machines = (gpus("aws", "us-east-1", "p5", 50.0), offer("aws", "us-east-1", "g6", 1.0, accelerator="L4"))
    either = (GPU, Requirement(accelerator=AcceleratorRequest("L4", 1)))
    long = Task("long", requirements=(GPU,), estimate=Estimate(hours=10.0))
    beside = Task("beside", requirements=either, estimate=Estimate(hours={"H100": 1.0, "L4": 8.0}))
    plan = planned(Workload("w", (long, beside), objective=Objective.TIME), *machines)
    assert plan.best.hours == pytest.approx(10.05)
    assert [placement.instance_type for placement in plan.best.placements] == ["p5", "g6"]


def test_without_the_cheapest_type_the_cloud_has_others() -> None:
    """Of one there is none when last looked: the next type of the same cloud comes before another cloud."""
    cheapest, next_type = gpus("aws", "us-east-1", "p5", 50.0), gpus("aws", "us-east-1", "p5e", 55.0)
    task = Workload("w", (Task("t", requirements=(GPU,), estimate=Estimate(hours=1.0)),))
    offers = (cheapest, next_type, gpus("gcp", "us-central1", "a3", 90.0))
    plan = planned(task, *offers, observations=[observed(cheapest, 0.0)])
    assert plan.best.placements[0].instance_type == "p5e"


def test_of_equal_prices_the_same_one_wins_in_any_order() -> None:
    """Whichever row of the catalog comes first."""
    task = Workload("w", (Task("t", requirements=(GPU,), estimate=Estimate(hours=1.0)),))
    offers = [gpus("aws", "us-east-1", f"p5{letter}", 50.0) for letter in "abcdef"]
    chosen = {planned(task, *some).best.placements[0].instance_type for some in (offers, offers[::-1], offers[3:])}
    assert planned(task, *offers).best == planned(task, *offers[::-1]).best
    assert chosen == {"p5a", "p5d"}


def test_names_that_differ_in_a_dash_are_two_tasks() -> None:
    """`prep-data` and `prep_data` stand side by side."""
    text = "tasks: {prep-data: {resources: {cpus: 4+}}, prep_data: {resources: {cpus: 4+}, depends_on: [prep-data]}}\n"
    plan = planned(read_workload(text), offer("aws", "us-east-1", "m5", 0.4))
    assert [placement.task for placement in plan.best.placements] == ["prep-data", "prep_data"]


def test_placeholder_prices_never_reach_a_plan() -> None:
    """Eight H100 at a dollar each is a price that was filled in: the checks before publishing leave it out."""
    eight = {"accelerator": "H100", "accelerator_count": 8.0, "accelerator_memory_gib": 80.0}
    machines = rows.frame(INSTANCE_TYPES, rows.machine(instance_type="h100.8x", **eight))
    asked = rows.offers(rows.offer(instance_type="h100.8x", price_usd_h=8.0))
    assert check(OFFERS, asked, instance_types=machines).reasons() == {"placeholder_price": 1}
