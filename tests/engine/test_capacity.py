"""Plans by what was observed of capacity: what had none is left out for a time, of equals the better chance wins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog_data.snapshot import Snapshot
from engine.infeasible import InfeasibleError
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import Edge, Estimate, Range, Requirement, Task, Workload
from tests.kits.market import NOW, market, observed, offer
from tests.kits.plan_checker import faults

CPU_KIND = "cpu (without accelerators)"
HOUR_USD = 2.0 * (1 + 97 / 3600)
"""Of the dear one: an hour, and the 96.9 s that a machine of EC2 takes to start, on the bill as 97."""
REQUEST = PlanRequest(NOW, "workload.yaml")
CPU = Requirement(vcpus=Range(4, exact=False))
FIRST = Task("a", requirements=(CPU,))
ALONE = Workload("w", (FIRST,))
PAIR = Workload("w", (FIRST, replace(FIRST, name="b")), (Edge("a", "b", 1.0),))
CHEAP, DEAR = (offer("aws", name, "m5", price) for name, price in (("r1", 1.0), ("r2", 2.0)))


def planned(workload: Workload, snapshot: Snapshot) -> Plan:
    """A plan in which the checker finds no fault."""
    plan = make_plan(workload, snapshot, REQUEST)
    assert faults(plan, workload, snapshot) == []
    return plan


def reasons(workload: Workload, snapshot: Snapshot) -> tuple[str, ...]:
    """Why there is no plan."""
    with pytest.raises(InfeasibleError) as refused:
        make_plan(workload, snapshot, REQUEST)
    return refused.value.reasons


@pytest.mark.parametrize(
    ("hours", "level", "region"), [(0.5, 0.0, "r2"), (0.5, 0.1, "r1"), (0.0, 0.0, "r1"), (-1.0, 0.0, "r1")]
)
def test_an_offer_that_had_no_capacity_is_left_out_until_that_expires(hours: float, level: float, region: str) -> None:
    """The next cheapest is taken, and what fell out is counted; at the very instant of the expiry nothing is known."""
    plan = planned(ALONE, market([CHEAP, DEAR], observations=[observed(CHEAP, level, hours=hours)]))
    assert plan.best.placements[0].region == region
    fell_out = {entry.reason: entry.offers for entry in plan.fell_out}
    assert fell_out == ({"no capacity when last looked": 1} if region == "r2" else {})


@pytest.mark.parametrize("workload", [ALONE, PAIR])
@pytest.mark.parametrize(("hours", "level"), [(1.0, 0.4), (0.0, None)])
def test_a_plan_says_how_much_capacity_was_seen(workload: Workload, hours: float, level: float | None) -> None:
    """Null where nobody has looked, and where that has expired."""
    plan = planned(workload, market([CHEAP], observations=[observed(CHEAP, 0.4, hours=hours)]))
    assert {placement.capacity for placement in plan.best.placements} == {level}


@pytest.mark.parametrize("workload", [ALONE, PAIR])
def test_of_equal_machines_the_one_with_the_better_chance_is_taken(workload: Workload) -> None:
    """Among the machines of one place, whatever order their names have."""
    rows = [offer("aws", "r", name, 1.0) for name in ("m1", "m2", "m3", "m4")]
    some = [observed(rows[0], 0.3), observed(rows[2], 0.8), observed(rows[3], 0.7)]
    plan = planned(workload, market(rows, observations=some))
    assert {placement.instance_type for placement in plan.best.placements} == {"m3"}


def test_capacity_that_nobody_has_looked_for_ranks_between_little_and_much() -> None:
    """A seen offer of unknown capacity before one that is nearly sold out."""
    rows = [offer("aws", "r", name, 1.0) for name in ("m1", "m2", "m3")]
    plan = planned(ALONE, market(rows, observations=[observed(rows[0], 0.3), observed(rows[2], 0.7)]))
    ranked = [option.placements[0].instance_type for option in (plan.best, *plan.alternatives)]
    assert ranked == ["m3", "m2", "m1"]


def test_a_better_chance_comes_before_an_offer_that_was_seen() -> None:
    """That machines are free says more than that their type is sold there."""
    rows = [offer("aws", "r", "m1", 1.0), offer("aws", "r", "m2", 1.0, available=None)]
    plan = planned(ALONE, market(rows, observations=[observed(rows[1], 1.0)]))
    assert plan.best.placements[0].instance_type == "m2"


def test_a_lower_price_comes_before_a_better_chance() -> None:
    """How much capacity there is has no price."""
    rows = [offer("aws", "r", name, price) for name, price in (("m1", 1.0), ("m2", 1.01))]
    plan = planned(ALONE, market(rows, observations=[observed(rows[0], 0.1), observed(rows[1], 1.0)]))
    assert plan.best.placements[0].instance_type == "m1"


def test_where_all_else_is_met_no_offer_has_capacity() -> None:
    """The reason of a task of which every machine is gone; each of its requirements says so."""
    gone = market([CHEAP, DEAR], observations=[observed(row, 0.0, signal="failure") for row in (CHEAP, DEAR)])
    line = "no offer has capacity now; there was none when last looked, and waiting may help"
    assert reasons(ALONE, gone) == (f"a: {line} (2 offers come this far)",)
    either = Task("a", requirements=(Requirement(instance_type="m6"), CPU))
    assert reasons(Workload("w", (either,)), gone) == (
        "a (alternative 1): no offer has instance type m6 (2 offers come this far; they have m5)",
        f"a (alternative 2): {line} (2 offers come this far)",
    )


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        (replace(ALONE, budget_usd=1.5), f"budget $1.50: no plan costs less than ${HOUR_USD:.2f}"),
        (replace(PAIR, budget_usd=1.5), f"budget $1.50: no plan costs less than ${2 * HOUR_USD:.2f}"),
        (
            Workload("w", (replace(FIRST, estimate=Estimate(hours={"T4": 1.0})),)),
            f"a: no offer has a run time: the estimate names T4 (1 offer comes this far; it is {CPU_KIND})",
        ),
    ],
)
def test_where_what_is_left_will_not_do_waiting_is_said_to_help(workload: Workload, reason: str) -> None:
    """It keeps no limit or has no run time: what is gone might."""
    half_gone = market([CHEAP, DEAR], observations=[observed(CHEAP, 0.0)])
    assert reasons(workload, half_gone) == (
        reason,
        *(f"{task.name}: 1 more offer had no capacity when last looked; waiting may help" for task in workload.tasks),
    )
