"""Changes to a scenario: what each path reads, what it changes, and what is said of those that lead nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.whatif import parse_change, parse_changes, widened
from engine.whatif_scenario import Scenario
from engine.workload import Carbon, Chances, Edge, Estimate, Objective, Requirement, Task, Workload
from engine.workload_errors import InvalidValueError
from tests.kits.market import flat_rates, market, offer

OFFERS = (
    offer("aws", "us-east-1", "p5.48xlarge", 40.0, accelerator="H100", count=8),
    offer("aws", "us-east-1", "p5.48xlarge", 10.0, accelerator="H100", count=8, purchase=Purchase.SPOT),
    offer("aws", "eu-west-1", "m5.xlarge", 1.0),
    offer("gcp", "us-central1", "a3-highgpu-8g", 50.0, accelerator="H100", count=8),
    offer("gcp", "us-central1", "unpriced", None),
)
WORKLOAD = Workload(
    "two",
    (
        Task("prepare", estimate=Estimate(hours=2.0)),
        Task("train", num_nodes=2, estimate=Estimate(work=7200.0, throughput={"H100": 0.5}, checkpoint_h=1.0)),
    ),
    (Edge("prepare", "train", 500.0),),
    budget_usd=100.0,
)


def scenario() -> Scenario:
    """Two tasks, and a market in which data leaves each place at one rate."""
    return Scenario(WORKLOAD, market(OFFERS, egress=flat_rates(0.1, ("aws:us-east-1", "gcp:us-central1"))))


def prices(snapshot: Snapshot) -> list[float | None]:
    """Of all offers in their order."""
    return snapshot.offers["price_usd_h"].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price*=2", [80.0, 20.0, 2.0, 100.0, None]),
        ("price.spot*=1.5", [40.0, 15.0, 1.0, 50.0, None]),
        ("price.aws *= 0.5", [20.0, 5.0, 0.5, 50.0, None]),
        ("price.aws.spot*=3", [40.0, 30.0, 1.0, 50.0, None]),
        ("price.spot.aws*=3", [40.0, 30.0, 1.0, 50.0, None]),
        ("price.on-demand*=2", [80.0, 10.0, 2.0, 100.0, None]),
        ("price.aws/p5.48xlarge*=2", [80.0, 20.0, 1.0, 50.0, None]),
        ("price/p5.**=2", [80.0, 20.0, 1.0, 50.0, None]),
        ("price/p5.* = 2", [2.0, 2.0, 1.0, 50.0, None]),
        ("price@us-**=2", [80.0, 20.0, 1.0, 100.0, None]),
        ("price:h100*=2", [80.0, 20.0, 1.0, 100.0, None]),
        ("price.aws.on_demand/p5.*@us-east-1:H100=$30", [30.0, 10.0, 1.0, 50.0, None]),
        ("price/unpriced=3", [40.0, 10.0, 1.0, 50.0, 3.0]),
    ],
)
def test_prices(text: str, expected: list[float | None]) -> None:
    """A scope narrows by cloud, purchase, type, region and accelerator; no factor makes an unknown price known."""
    assert prices(parse_change(text).apply(scenario()).snapshot) == expected


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("cloud.aws=off", ["gcp", "gcp"]),
        ("region.aws.us-east-1=off", ["aws", "gcp", "gcp"]),
        ("region.aws/us-*=off", ["aws", "gcp", "gcp"]),
        ("region.us-*=off", ["aws"]),
        ("instance.p5.48xlarge=off", ["aws", "gcp", "gcp"]),
        ("accelerator.H100=off", ["aws", "gcp"]),
        ("purchase.spot=off", ["aws", "aws", "gcp", "gcp"]),
    ],
)
def test_off(text: str, left: list[str]) -> None:
    """What is off is offered no more."""
    assert parse_change(text).apply(scenario()).snapshot.offers["cloud"].to_list() == left


def test_a_way_to_buy_is_turned_on() -> None:
    """Each task that did not accept spot does so, and all offers of it are then the workload's own."""
    changes = parse_changes("purchase.spot=on, price.spot*=2")
    tasks = changes[0].apply(scenario()).workload.tasks
    assert all(Purchase.SPOT in need.purchases for task in tasks for need in task.requirements)
    assert widened(WORKLOAD, changes).tasks == tasks
    assert widened(WORKLOAD, changes[1:]) == WORKLOAD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deadline=12h", replace(WORKLOAD, deadline_hours=12.0)),
        ("deadline=2026-12-01T18:00", replace(WORKLOAD, deadline_at=datetime(2026, 12, 1, 18, tzinfo=UTC))),
        ("budget=$1,200", replace(WORKLOAD, budget_usd=1200.0)),
        ("budget*=0.5", replace(WORKLOAD, budget_usd=50.0)),
        ("budget=none", replace(WORKLOAD, budget_usd=None)),
        ("hourly_budget=$30", replace(WORKLOAD, hourly_budget_usd=30.0)),
        ("value_of_time=20", replace(WORKLOAD, value_of_time_usd_h=20.0)),
        ("objective=time", replace(WORKLOAD, objective=Objective.TIME)),
        ("carbon.price=$80", replace(WORKLOAD, carbon=Carbon(price_usd_t=80.0))),
        ("carbon.limit=1.5t", replace(WORKLOAD, carbon=Carbon(limit_kg=1500.0))),
        ("chance.capacity=90%", replace(WORKLOAD, chances=Chances(capacity=0.9))),
        ("chance.uninterrupted=0.5", replace(WORKLOAD, chances=Chances(uninterrupted=0.5))),
        ("data.prepare->train=1TB", replace(WORKLOAD, edges=(Edge("prepare", "train", 1000.0),))),
        ("data*=2", replace(WORKLOAD, edges=(Edge("prepare", "train", 1000.0),))),
    ],
)
def test_the_workload(text: str, expected: Workload) -> None:
    """Its fields are read as its own text has them."""
    assert parse_change(text).apply(scenario()).workload == expected


def test_tasks() -> None:
    """Hours by a factor (of the work, where these come from it) or as a figure; nodes and checkpoints."""
    longer = parse_change("hours*=1.5").apply(scenario()).workload.tasks
    assert longer[0].estimate == Estimate(hours=3.0)
    assert longer[1].estimate == Estimate(work=10800.0, throughput={"H100": 0.5}, checkpoint_h=1.0)
    fixed = parse_change("hours.train=6h").apply(scenario()).workload.tasks
    assert fixed[0] == WORKLOAD.tasks[0]
    assert fixed[1].estimate is not None
    assert (fixed[1].estimate.hours, fixed[1].estimate.work, fixed[1].estimate.checkpoint_h) == (6.0, None, 1.0)
    assert [task.num_nodes for task in parse_change("nodes.tr**=8").apply(scenario()).workload.tasks] == [1, 16]
    assert [task.num_nodes for task in parse_change("nodes=4").apply(scenario()).workload.tasks] == [4, 4]
    denser = parse_change("checkpoint.train=30m").apply(scenario()).workload.tasks[1].estimate
    assert denser is not None
    assert denser.checkpoint_h == 0.5


def test_rates() -> None:
    """What leaves one cloud is scaled, what leaves another is not."""
    egress = parse_change("egress.aws*=0.5").apply(scenario()).snapshot.egress
    assert dict(egress.select("src_cloud", "egress_usd_gb").iter_rows()) == {"aws": 0.05, "gcp": 0.1}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("12h", "not a change", "PATH=VALUE"),
        ("deadlin=12h", "deadlin is nothing that can be changed", "deadline"),
        ("prices.spot*=2", "nothing that can be changed", "price"),
        ("deadline=soon", "deadline: soon is not a time", "12h"),
        ("price.spot*=cheap", "price.spot: a factor must be a number", ""),
        ("price.spot*=-1", "at least 0", ""),
        ("price.aws.p5.48xlarge*=2", "one cloud and one way to buy", "price.aws/p5.48xlarge"),
        ("price.spot.on_demand*=2", "two ways to buy", "each"),
        ("price.awss*=2", "price.awss: no cloud of this workload is called awss", "aws"),
        ("price/p5.48xlarg*=2", "no instance type of this workload is called p5.48xlarg", "p5.48xlarge"),
        ("price.gcp.spot*=2", "no offer for this workload is of gcp and spot", "catalog offers"),
        ("region.us-eats-1=off", "no region of this workload is called us-eats-1", "us-east-1"),
        ("cloud.aws=on", "must be one of off", ""),
        ("cloud.aws*=2", "cannot be multiplied", "=off"),
        ("cloud=off", "needs a name", "cloud.NAME"),
        ("purchase.sport=off", "must be one of", "spot"),
        ("purchase.on_demand=on", "accepts it already", ""),
        ("deadline*=2", "there is none to multiply", "=VALUE"),
        ("objective*=2", "cannot be multiplied", ""),
        ("value_of_time=none", "value_of_time", "US dollars"),
        ("hours.trian=2h", "no task of this workload is called trian", "train"),
        ("nodes.train=1.5", "whole number", ""),
        ("checkpoint.prepare*=2", "no checkpoints", "30m"),
        ("data.train=5", "names one task", "data.train->*"),
        ("data.train->prepare=5", "no task hands data on", "prepare->train"),
        ("egress.azure*=2", "no cloud of this workload is called azure", "aws, gcp"),
    ],
)
def test_what_leads_nowhere_is_one_line(text: str, message: str, hint: str) -> None:
    """The line says what is wrong, the hint what there is; nothing is silently left out."""
    with pytest.raises(InvalidValueError) as raised:
        parse_change(text).apply(scenario())
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert hint in (raised.value.faults[0].hint or "")


def test_groups_of_nodes_stay_equal() -> None:
    """A task in two groups takes no odd number of nodes."""
    spread = replace(WORKLOAD, tasks=(Task("train", num_nodes=2, spread=2, requirements=(Requirement(),)),), edges=())
    with pytest.raises(InvalidValueError, match="cannot share 3 nodes"):
        parse_change("nodes=3").apply(replace(scenario(), workload=spread))
