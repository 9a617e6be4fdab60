"""The checker of plans notices what is wrong: every figure and every name of a plan, changed one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import polars as pl
import pytest
from pydantic import TypeAdapter

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Chances,
    Edge,
    Estimate,
    Preference,
    Requirement,
    Task,
    Workload,
)
from tests.kits.market import NOW, flat_rates, market, observed, offer, region, risk
from tests.kits.plan_checker import faults

SPOT = Requirement(
    accelerator=AcceleratorRequest("H100", 8), purchases=(Purchase.SPOT, Purchase.ON_DEMAND), disk_gib=100.0
)
PLACES = (("aws", "us-east-1"), ("gcp", "us-central1"), ("gcp", "us-east1"), ("gcp", "us-west1"))
MARKET = market(
    [
        offer("aws", "us-east-1", "m5", 0.4, zone="us-east-1a"),
        offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0),
        offer("gcp", "us-central1", "gone", 9.0, accelerator="H100", count=8.0, available=False),
        *(
            offer("gcp", name, "a3", 20.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT)
            for name in ("us-central1", "us-east1", "us-west1")
        ),
        offer("gcp", "us-central1", "a3-high", 30.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    ],
    regions=[region(*place, carbon_g_kwh=400.0) for place in PLACES],
    egress=flat_rates(0.09, [":".join(place) for place in PLACES]),
    spot_risk=[
        risk("gcp", "us-central1", "a3", 0.05, 0.1),
        risk("gcp", "us-east1", "a3", 0.0, 0.05),
        risk("gcp", "us-west1", "a3", 0.0, 0.05),
    ],
)
HOURS = Estimate(hours=4.0, setup_h=0.25, checkpoint_h=1.5)
TRAIN = Task("train", num_nodes=2, requirements=(SPOT,), estimate=HOURS, inputs={"s3://data": 20.0})
SINGLE = Workload(
    "one",
    (TRAIN,),
    deadline_hours=9.0,
    budget_usd=900.0,
    hourly_budget_usd=200.0,
    value_of_time_usd_h=1.5,
    carbon=Carbon(price_usd_t=20.0, limit_kg=500.0),
    chances=Chances(0.1, 0.2),
    preferences=(Preference(3.0, cloud="aws"),),
    digest="ab" * 32,
)
PREP = Task("prep", requirements=(Requirement(cloud="aws"),))
CHAIN = Workload("two", (PREP, TRAIN), (Edge("prep", "train", 50.0),))
WORKLOADS = pytest.mark.parametrize("workload", [SINGLE, CHAIN], ids=["single", "chain"])

# What no checker can know, or what is words alone.
FREE: Final = {
    "alternatives_complete",
    "differs_in",
    "schema_version",
    "created_at",
    "file",
    "source_version",
    "method",
    "reason",
}

SHAPE: Final = TypeAdapter(Plan)

Path = tuple[str | int, ...]


def plan_of(workload: Workload) -> Plan:
    """A plan without fault."""
    plan = make_plan(workload, MARKET, PlanRequest(NOW, "workload.yaml"))
    assert faults(plan, workload, MARKET) == []
    return plan


def as_plan(data: Any) -> Plan:
    """The plan of this shape, whatever its figures: reading a plan file would refuse some of them."""
    return SHAPE.validate_json(json.dumps(data))


def leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every single value of a plan's data, with where it is."""
    if not isinstance(data, dict | list):
        yield path, data
        return
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield from leaves(value, (*path, key))


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    others = {"cost": "time", "high": "low", "optimal": "infeasible", "spot": "on_demand", "on_demand": "owned"}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.001 + 0.001
    if isinstance(value, str):
        return value.replace("2026-09", "2026-08") if value.startswith("2026-09") else others.get(value, f"{value}x")
    return 0.5


def at(data: Any, path: Path) -> Any:
    """What stands there."""
    for key in path:
        data = data[key]
    return data


def with_value(plan: Plan, path: Path, value: Any) -> Plan:
    """The plan with one value changed."""
    data = plan.to_data()
    at(data, path[:-1])[path[-1]] = value
    return as_plan(data)


@WORKLOADS
def test_every_value_is_checked(workload: Workload) -> None:
    """Each name, figure, count and instant, wherever it stands; sentences are checked by what they must say."""
    plan = plan_of(workload)
    checked = 0
    for path, value in leaves(plan.to_data()):
        if path[-1] in FREE or path[0] == "assumptions" or path[:2] == ("snapshot", "sources"):
            continue
        if value is None and path[-1] in {"accelerator", "available", "policy"}:
            continue
        assert faults(with_value(plan, path, changed(value)), workload, MARKET), f"{path}: {value} is not checked"
        checked += 1
    assert checked > 60


@WORKLOADS
def test_every_part_is_missed(workload: Workload) -> None:
    """A placement, a transfer, an option, a count or an assumption that is left out, or stands there twice."""
    plan = plan_of(workload)
    data = plan.to_data()
    lists: list[Path] = [("best", "placements"), ("fell_out",), ("snapshot", "sources"), ("assumptions",)]
    only_one = [("alternatives",), ("comparison",), ("best", "placements", 0, "also_in")]
    lists += [("best", "transfers")] if workload is CHAIN else only_one
    for path in lists:
        items = at(data, path)
        assert items
        if path != ("assumptions",):
            assert faults(with_value(plan, path, [*items, items[0]]), workload, MARKET), f"{path} twice"
        if path not in {("alternatives",), ("comparison",)}:
            assert faults(with_value(plan, path, []), workload, MARKET), f"no {path}"


def test_an_option_in_the_wrong_place_is_noticed() -> None:
    """The best and the next one exchanged: each is right in itself."""
    data = plan_of(SINGLE).to_data()
    data["best"], data["alternatives"][0] = data["alternatives"][0], data["best"]
    found = faults(as_plan(data), SINGLE, MARKET)
    assert any("is better than" in fault for fault in found)


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ({"budget_usd": 100.0}, "budget"),
        ({"deadline_hours": 2.0}, "deadline"),
        ({"hourly_budget_usd": 39.0}, "hourly budget"),
        ({"carbon": Carbon(limit_kg=1.0)}, "carbon"),
        ({"chances": Chances(capacity=0.9)}, "chance of capacity"),
        ({"chances": Chances(uninterrupted=0.9999)}, "chance of no interruption"),
    ],
)
def test_a_plan_beyond_a_limit_is_noticed(limit: dict[str, Any], name: str) -> None:
    """A plan made without limits does not keep this one."""
    known_risk = replace(TRAIN, requirements=(replace(SPOT, region="us-central1", instance_type="a3"),))
    plan = make_plan(Workload("one", (known_risk,)), MARKET, PlanRequest(NOW, "workload.yaml"))
    found = faults(plan, Workload("one", (known_risk,), **limit), MARKET)
    assert any(f"best: beyond a limit: {name}: " in fault for fault in found)


@pytest.mark.parametrize("quantity", [None, 1])
def test_more_at_once_than_there_is_is_noticed(quantity: int | None) -> None:
    """A quota, or the machines that there are, in a plan of tasks side by side made when there were more of them."""
    pair = Workload("w", (PREP, replace(PREP, name="other")))
    plan = make_plan(pair, MARKET, PlanRequest(NOW, "workload.yaml"))
    quotas = () if quantity else (Quota(Scope("aws"), Unit.MACHINES, 1, "ours"),)
    counted = MARKET.offers.with_columns(quantity=pl.lit(quantity, MARKET.offers.schema["quantity"]))
    found = faults(plan, pair, replace(MARKET, offers=counted, quotas=quotas))
    assert any("2.0 of 1 at once" in fault for fault in found)


@pytest.mark.parametrize("name", ["us-central1", "eu-west4"])
def test_a_region_that_does_not_offer_the_same_is_noticed(name: str) -> None:
    """The region itself, and one that is not sold at all."""
    data = plan_of(SINGLE).to_data()
    at(data, ("best", "placements", 0, "also_in"))[0] = name
    found = faults(as_plan(data), SINGLE, MARKET)
    assert any("the same for the same" in fault for fault in found)


def test_a_machine_without_capacity_is_noticed() -> None:
    """A plan made before somebody looked in vain does not hold after it, until that has expired."""
    plan = plan_of(SINGLE)
    sold = MARKET.offers.filter(region=plan.best.placements[0].region).rows(named=True)
    for hours, noticed in ((1.0, True), (0.0, False)):
        looks = market([], observations=[observed(row, 0.0, hours=hours) for row in sold]).observations
        found = faults(plan, SINGLE, replace(MARKET, observations=looks))
        assert any("0 ways to run it" in fault for fault in found) is noticed


def test_speeds_and_allowances_that_are_not_said_are_noticed() -> None:
    """One line at a time is left out of what a plan with moving data takes for granted."""
    plan = plan_of(CHAIN)
    for words in ("allowances", "5 Gbit/s"):
        kept = tuple(line for line in plan.assumptions if words not in line)
        assert len(kept) == len(plan.assumptions) - 1
        assert faults(replace(plan, assumptions=kept), CHAIN, MARKET)


def test_a_machine_that_meets_no_requirement_is_noticed() -> None:
    """The plan of another workload: its machine is an offer, and not one for this task."""
    other = Workload("one", (Task("train", requirements=(Requirement(cloud="aws"),), estimate=Estimate(hours=4.0)),))
    plan = make_plan(other, MARKET, PlanRequest(NOW, "workload.yaml"))
    assert any("0 ways to run it" in fault for fault in faults(plan, Workload("one", (TRAIN,)), MARKET))
