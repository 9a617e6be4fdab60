"""What limits the tasks of a workload together: what each candidate takes, and which plan is left."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.infeasible import InfeasibleError
from engine.limits import Limited, limits_of
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import Carbon, Chances, Edge, Estimate, Range, Requirement, Task, Workload
from tests.kits.market import NOW, Row, market, offer, region, risk
from tests.kits.plan_checker import faults

ANY = Requirement(vcpus=Range(4, exact=False), purchases=tuple(Purchase))
TASK = Task("a", requirements=(ANY,), estimate=Estimate(hours=10.0))
TRIO = tuple(replace(TASK, name=name) for name in "abc")
SPOT = offer("cloudy", "r", "m", 1.0, purchase=Purchase.SPOT)
SURE = offer("cloudy", "r", "m", 3.0)
GRID = [region("cloudy", "r", carbon_g_kwh=500.0)]
RISK = [risk("cloudy", "r", "m", 0.2, 1.0)]


def in_market(*rows: Row, quotas: tuple[Quota, ...] = (), **tables: Any) -> Snapshot:
    """A market of these offers, and what is allowed of it."""
    return replace(market(rows, **tables), quotas=quotas)


def limited(workload: Workload, snapshot: Snapshot) -> dict[str, Limited]:
    """The limits by name."""
    found = limits_of(workload, find_all(workload, snapshot), snapshot.quotas)
    assert len({each.limit.name for each in found}) == len(found)
    return {each.limit.name: each for each in found}


def planned(workload: Workload, snapshot: Snapshot) -> Plan:
    """A plan in which the checker finds no fault."""
    plan = make_plan(workload, snapshot, PlanRequest(NOW, "workload.yaml"))
    assert faults(plan, workload, snapshot) == []
    return plan


def bought(plan: Plan) -> list[str]:
    """How each task's machines are bought, in order of the words."""
    return sorted(str(placement.purchase) for placement in plan.best.placements)


def test_without_limits_there_are_none() -> None:
    """Machines of unknown number, and more of a kind than are asked for, limit nothing."""
    plenty = offer("slurm", "lab", "big", None, purchase=Purchase.OWNED, quantity=3)
    assert limited(Workload("w", TRIO), in_market(SPOT, SURE, plenty)) == {}


def test_chances_are_added_up_as_logarithms() -> None:
    """0.9 for spot and 0.98 on demand; the chance to stay is exp(-hazard * nodes * hours), 1 where nothing is known."""
    workload = Workload("w", (replace(TASK, num_nodes=2),), chances=Chances(0.5, 0.25))
    found = limited(workload, in_market(SPOT, SURE, spot_risk=RISK))
    capacity, stays = found["chance of capacity"], found["chance of no interruption"]
    assert not capacity.limit.at_once
    assert capacity.limit.most == pytest.approx(math.log(2))
    assert list(capacity.loads[0]) == pytest.approx([-math.log(0.98), -math.log(0.9)])
    assert not stays.limit.at_once
    assert stays.limit.most == pytest.approx(math.log(4))
    assert list(stays.loads[0]) == pytest.approx([0.0, -math.log(0.4) / 730 * 2 * 10])
    unknown = limited(workload, in_market(SPOT, SURE))["chance of no interruption"]
    assert list(unknown.loads[0]) == [0.0, 0.0]


def test_emissions_that_are_not_known_keep_no_limit() -> None:
    """Whoever limits them wants to know."""
    dark = offer("cloudy", "dark", "m", 1.0)
    workload = Workload("w", (TASK,), carbon=Carbon(limit_kg=7.0))
    snapshot = in_market(SURE, dark, regions=[*GRID, region("cloudy", "dark")])
    carbon = limited(workload, snapshot)["carbon"]
    emitted = find_all(workload, snapshot)[0].frame["carbon_kg"].to_list()
    assert (carbon.limit.most, carbon.limit.at_once) == (7.0, False)
    assert [load for load in carbon.loads[0] if load < math.inf] == [kg for kg in emitted if kg is not None]
    assert max(carbon.loads[0]) == math.inf


def test_money_an_hour_is_of_all_nodes_at_one_time() -> None:
    """Whatever is billed for it in the end."""
    workload = Workload("w", (replace(TASK, num_nodes=3),), hourly_budget_usd=5.0)
    found = limited(workload, in_market(SPOT, SURE))["hourly budget"]
    assert (found.limit.most, found.limit.at_once) == (5.0, True)
    assert list(found.loads[0]) == [9.0, 3.0]


def test_a_quota_counts_what_it_speaks_of() -> None:
    """By its unit, and nothing of the others; one that all tasks together cannot exceed is left out."""
    rows = [SURE, SPOT, offer("cloudy", "r", "g", 9.0, accelerator="H100", count=8.0)]
    gpu = Requirement(instance_type="g")
    workload = Workload("w", (replace(TASK, num_nodes=2, requirements=(ANY, gpu)), replace(TASK, name="b")))
    quotas = {
        "machines": Quota(Scope("cloudy", purchases=(Purchase.SPOT,)), Unit.MACHINES, 2, "machines"),
        "vcpus": Quota(Scope("cloudy", instance_type="m*"), Unit.VCPUS, 23, "vcpus"),
        "accelerators": Quota(Scope("cloudy"), Unit.ACCELERATORS, 15, "accelerators"),
        "plenty": Quota(Scope("cloudy"), Unit.VCPUS, 24, "plenty"),
        "elsewhere": Quota(Scope("aws"), Unit.VCPUS, 0, "elsewhere"),
    }
    found = find_all(workload, in_market(*rows))
    kinds = [each.frame.select("instance_type", "purchase").rows() for each in found]
    by_name = {each.limit.name: each for each in limits_of(workload, found, tuple(quotas.values()))}
    assert set(by_name) == {"quota machines", "quota vcpus", "quota accelerators"}
    assert all(each.limit.at_once for each in by_name.values())
    taken = {
        name: [dict(zip(kind, load.to_list(), strict=True)) for kind, load in zip(kinds, each.loads, strict=True)]
        for name, each in by_name.items()
    }
    g, m, spot = ("g", "on_demand"), ("m", "on_demand"), ("m", "spot")
    assert taken["quota machines"] == [{m: 0.0, spot: 2.0, g: 0.0}, {m: 0.0, spot: 1.0}]
    assert taken["quota vcpus"] == [{m: 16.0, spot: 16.0, g: 0.0}, {m: 8.0, spot: 8.0}]
    assert taken["quota accelerators"] == [{m: 0.0, spot: 0.0, g: 16.0}, {m: 0.0, spot: 0.0}]


def test_tasks_that_are_alike_share_what_they_take() -> None:
    """One array for all of them, so that the model knows them to be alike; of another number of nodes it is another."""
    more = replace(TASK, name="d", num_nodes=2)
    workload = Workload("w", (*TRIO, more), hourly_budget_usd=5.0, chances=Chances(capacity=0.5))
    for each in limited(workload, in_market(SPOT, SURE)).values():
        assert each.loads[0] is each.loads[1] is each.loads[2] is not each.loads[3]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, ["spot"] * 3),
        ({"hourly_budget_usd": 3.0}, ["spot"] * 3),
        # 0.9 * 0.9 * 0.98 = 0.79 and 0.9 * 0.98 * 0.98 = 0.86.
        ({"chances": Chances(capacity=0.8)}, ["on_demand", "on_demand", "spot"]),
        # Each stays with the chance 0.4^(10/730) = 0.9875: two with 0.975, three with 0.963.
        ({"chances": Chances(uninterrupted=0.97)}, ["on_demand", "spot", "spot"]),
        ({"chances": Chances(uninterrupted=0.98)}, ["on_demand", "on_demand", "spot"]),
    ],
)
def test_a_limit_takes_as_many_tasks_as_it_must(limits: dict[str, Any], expected: list[str]) -> None:
    """From the cheap machines to those that can be relied on, and no more."""
    assert bought(planned(Workload("w", TRIO, **limits), in_market(SPOT, SURE, spot_risk=RISK))) == expected


def test_a_limit_of_emissions_takes_tasks_to_a_cleaner_place() -> None:
    """As many as it must."""
    clean = offer("cloudy", "clean", "m", 3.0)
    snapshot = in_market(SPOT, clean, regions=[*GRID, region("cloudy", "clean", carbon_g_kwh=50.0)])
    dirty_kg = planned(Workload("w", TRIO), snapshot).best.placements[0].carbon_kg
    assert dirty_kg is not None
    for limit_kg, expected in ((3.0, ["spot"] * 3), (2.2, ["on_demand", "spot", "spot"]), (0.4, ["on_demand"] * 3)):
        limit = Carbon(limit_kg=limit_kg * dirty_kg)
        assert bought(planned(Workload("w", TRIO, carbon=limit), snapshot)) == expected


def test_money_an_hour_limits_what_runs_side_by_side() -> None:
    """Three side by side do not fit into $2 an hour, one after the other they do."""
    chain = (Edge("a", "b", 0.0), Edge("b", "c", 0.0))
    snapshot = in_market(SPOT, SURE)
    planned(Workload("w", TRIO, chain, hourly_budget_usd=2.0), snapshot)
    with pytest.raises(InfeasibleError):
        make_plan(Workload("w", TRIO, hourly_budget_usd=2.0), snapshot, PlanRequest(NOW, "w.yaml"))


@pytest.mark.parametrize(
    ("purchase", "quantity"), [("owned", 2), ("capacity_block", 2), ("reserved_1y", 2), ("spot", 2), ("on_demand", 2)]
)
@pytest.mark.parametrize("apart", [True, False])
def test_no_more_machines_are_taken_than_there_are(purchase: str, quantity: int, apart: bool) -> None:
    """Held by the user or on a market: the third task goes elsewhere, unless it comes after the others."""
    few = offer("cloudy", "r", "few", 1.0, purchase=Purchase(purchase), quantity=quantity)
    snapshot = in_market(few, offer("cloudy", "r", "many", 3.0))
    edges = () if apart else (Edge("a", "b", 0.0), Edge("b", "c", 0.0))
    plan = planned(Workload("w", TRIO, edges), snapshot)
    types = sorted(placement.instance_type for placement in plan.best.placements)
    assert types == (["few", "few", "many"] if apart else ["few"] * 3)
    assert (plan.proof.status, plan.proof.gap) == ("optimal", 0.0)


def test_what_a_market_has_is_no_limit_until_a_plan_exceeds_it() -> None:
    """What is held for the user is one from the start."""
    rows = [
        offer("cloudy", "r", name, 1.0, purchase=how, quantity=2)
        for name, how in (("mine", Purchase.OWNED), ("m", Purchase.SPOT))
    ]
    assert set(limited(Workload("w", TRIO), in_market(*rows))) == {"mine (owned) in cloudy/r"}


def test_several_kinds_that_are_few_are_met_one_after_the_other() -> None:
    """Each cheaper than the next, one of each: nobody gets two."""
    rows = [offer("cloudy", "r", f"m{price:g}", price, purchase=Purchase.SPOT, quantity=1) for price in (1.0, 2.0, 4.0)]
    plan = planned(Workload("w", TRIO), in_market(*rows))
    assert sorted(placement.instance_type for placement in plan.best.placements) == ["m1", "m2", "m4"]
    with pytest.raises(InfeasibleError) as refused:
        make_plan(Workload("w", TRIO, budget_usd=9999.0), in_market(*rows[:2]), PlanRequest(NOW, "w.yaml"))
    assert refused.value.reasons


def test_tasks_of_some_zones_share_the_machines_of_these() -> None:
    """Two in zone a, one in b: who may be anywhere leaves room for those who may not, and nobody takes what is not."""
    rows = [SPOT | {"zone": "a", "quantity": 2}, SPOT | {"zone": "b", "quantity": 1}, SURE]
    in_a, in_b = (replace(TASK, name=zone, requirements=(replace(ANY, zone=zone), ANY)) for zone in "ab")
    anywhere = tuple(replace(TASK, name=f"any{number}") for number in range(2))
    for tasks, expected in (
        ((in_a, in_b), ["spot"] * 2),
        ((in_a, in_b, anywhere[0]), ["spot"] * 3),
        ((in_a, in_b, *anywhere), ["on_demand", *["spot"] * 3]),
    ):
        assert bought(planned(Workload("w", tasks), in_market(*rows))) == expected


def test_a_zone_of_unknown_number_limits_only_what_must_be_elsewhere() -> None:
    """One machine in zone a, nobody knows how many in b: who may be in b as well has enough."""
    rows = [SPOT | {"zone": "a", "quantity": 1}, SPOT | {"zone": "b"}, SURE | {"zone": "a"}]
    in_a = tuple(replace(TASK, name=f"a{n}", requirements=(replace(ANY, zone="a"),)) for n in range(2))
    plan = planned(Workload("w", (*in_a, *TRIO)), in_market(*rows))
    assert bought(plan) == ["on_demand", *["spot"] * 4]
    assert sorted(str(each.purchase) for each in plan.best.placements if each.task in {"a0", "a1"}) == [
        "on_demand",
        "spot",
    ]
