"""The cost model: what each way to run a task costs and takes, against the definitions and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, find_candidates
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Estimate,
    Preference,
    Range,
    Requirement,
    Task,
    Workload,
)
from tests.kits.market import NOW, Row, market, observed, offer, region, risk
from tests.kits.random_workloads import snapshots, workloads
from tests.kits.ways import Market, Way, ways

CPU = Requirement(vcpus=Range(4, exact=False), purchases=tuple(Purchase))
HOUR = Task("t", requirements=(CPU,), estimate=Estimate(hours=1.0))
PLAIN = offer("cloudy", "r", "m", 2.0)
"""Of a made-up cloud: it starts in 3 minutes, and is billed as long as it is occupied."""
COLUMNS = (
    "setup_h hours wait_h busy_h billed_h input_usd input_h disk_usd cost_usd carbon_kg chance interruptions"
    " hazard surcharge_usd"
).split()


def found(task: Task, *rows: Row, workload: Workload | None = None, **tables: Any) -> Candidates:
    """The candidates of a task in a market of these offers."""
    return find_candidates(task, workload or Workload("w", (task,)), market(rows, **tables))


def figures(task: Task, *rows: Row, workload: Workload | None = None, **tables: Any) -> dict[str, Any]:
    """All of the one candidate that there is."""
    frame = found(task, *rows, workload=workload, **tables).frame
    assert frame.height == 1
    return frame.row(0, named=True)


def identity(way: Way) -> tuple[Any, ...]:
    """What tells ways to run a task apart."""
    row = way.rows[0]
    return (*way.place, row["instance_type"], row["purchase"], row["price_usd_h"], way.requirement)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workloads(most_tasks=1), snapshots())
def test_every_figure_is_as_defined(workload: Workload, snapshot: Snapshot) -> None:
    """Of every candidate of random tasks in random markets, worked out offer by offer."""
    task = workload.tasks[0]
    held = replace(snapshot, observations=snapshot.observations.filter(snapshot.observations["expires_at"] > NOW))
    by_hand = {identity(way): way for way in ways(task, workload, Market(snapshot, NOW))}
    frame = find_candidates(task, workload, held).frame
    assert frame.height == len(by_hand)
    for row in frame.iter_rows(named=True):
        names = ("cloud", "region", "instance_type", "purchase", "price_usd_h", "requirement")
        way = by_hand[tuple(row[name] for name in names)]
        for column in COLUMNS:
            is_so = getattr(way, column)
            assert row[column] == (is_so if is_so is None else pytest.approx(is_so, rel=1e-9, abs=1e-12)), column


def test_a_machine_is_paid_from_its_start_to_the_end_of_the_run() -> None:
    """3 minutes to start, 15 minutes of setup and an hour of work, on 2 nodes at $2 an hour."""
    row = figures(replace(HOUR, num_nodes=2, estimate=Estimate(hours=1.0, setup_h=0.25)), PLAIN)
    assert (row["setup_h"], row["hours"], row["busy_h"], row["billed_h"]) == pytest.approx((0.3, 1.0, 1.3, 1.3))
    assert (row["machine_usd"], row["disk_usd"], row["cost_usd"]) == pytest.approx((5.2, 0.0, 5.2))
    assert (row["interruptions"], row["hazard"], row["surcharge_usd"]) == (None, None, 0.0)


def test_a_cloud_that_bills_whole_hours_is_paid_by_them() -> None:
    """An hour and 3 minutes are two hours; what runs is what it was."""
    row = figures(HOUR, PLAIN | {"cloud": "vultr"})
    assert (row["busy_h"], row["billed_h"], row["cost_usd"]) == pytest.approx((1.05, 2.0, 4.0))


def test_interruptions_cost_the_work_that_is_lost_and_a_new_start() -> None:
    """Of spot machines, at the pace of their band; a checkpoint saves most of it."""
    spot = PLAIN | {"purchase": "spot"}
    rate = 2 * -math.log(1 - 0.6) / 730
    often: dict[str, Any] = {"spot_risk": [risk("cloudy", "r", "m", 0.2, 1.0)]}
    long = replace(HOUR, num_nodes=2, estimate=Estimate(hours=400.0, setup_h=0.45))
    row = figures(long, spot, **often)
    lost = math.exp(rate * 400) - 1
    assert row["interruptions"] == pytest.approx(lost)
    assert row["hours"] == pytest.approx((1 / rate + 0.5) * lost)
    assert row["hazard"] == pytest.approx(rate * 400)
    assert row["cost_usd"] == pytest.approx(2 * 2.0 * (0.5 + row["hours"]))
    saved = figures(replace(long, estimate=Estimate(hours=400.0, setup_h=0.45, checkpoint_h=4.0)), spot, **often)
    assert saved["interruptions"] == pytest.approx(100 * (math.exp(rate * 4) - 1))
    assert 402 < saved["hours"] < 403 < row["hours"]
    assert saved["hazard"] == row["hazard"]
    assert figures(long, PLAIN, **often)["interruptions"] is None


def test_a_disk_costs_by_the_month_of_each_node() -> None:
    """730 GiB of gp3 at $0.08 a month: 8 cents an hour on each of 3 nodes, of which an hour and 96.9 s are used."""
    asked = replace(HOUR, num_nodes=3, requirements=(replace(CPU, disk_gib=730.0),))
    row = figures(asked, PLAIN | {"cloud": "aws"})
    assert row["disk_usd"] == pytest.approx(3 * 0.08 * (1 + 96.9 / 3600))
    assert row["cost_usd"] == pytest.approx(3 * 2.0 * (1 + 97 / 3600) + row["disk_usd"])


def test_the_disk_is_that_of_the_alternative_that_is_met() -> None:
    """A cloud whose machines meet the one without a disk has none to pay."""
    first = replace(CPU, cloud="aws", disk_gib=730.0)
    frame = found(
        replace(HOUR, requirements=(first, CPU)), PLAIN | {"cloud": "aws"}, PLAIN | {"cloud": "gcp"}, PLAIN
    ).frame
    disks = dict(frame.select("cloud", "disk_usd").rows())
    assert disks == {"aws": pytest.approx(0.08 * (1 + 96.9 / 3600)), "gcp": 0.0, "cloudy": 0.0}


def test_a_disk_of_unknown_price_is_free_and_that_is_said() -> None:
    """Null beside the other figures, which add up without it."""
    asked = replace(HOUR, requirements=(replace(CPU, disk_gib=100.0),))
    outcome = found(asked, PLAIN, PLAIN | {"cloud": "aws"})
    free = outcome.frame.filter(cloud="cloudy").row(0, named=True)
    assert (free["disk_usd"], free["cost_usd"]) == (None, pytest.approx(2.1))
    assert outcome.assumptions == ("t: disks of cloudy are of unknown price and counted as free",)


def test_emissions_are_of_all_nodes_while_they_are_occupied() -> None:
    """8 vCPUs and 32 GiB of some data centre on 500 g a kWh; unknown where the grid is."""
    watts = (8 * (0.74 + 0.5 * (3.84 - 0.74)) + 32 * 0.392) * 1.54
    here: dict[str, Any] = {"regions": [region("cloudy", "r", carbon_g_kwh=500.0)]}
    row = figures(replace(HOUR, num_nodes=2), PLAIN, **here)
    assert row["carbon_kg"] == pytest.approx(2 * 1.05 * watts / 1000 * 500 / 1000)
    assert figures(HOUR, PLAIN)["carbon_kg"] is None


def test_emissions_are_charged_at_their_price_and_unknown_ones_as_the_most_of_the_others() -> None:
    """In the surcharge, not in the cost. Where all are unknown nothing is charged."""
    rows = [PLAIN | {"region": name} for name in ("clean", "dirty", "unknown")]
    where = [
        region("cloudy", "clean", carbon_g_kwh=10.0),
        region("cloudy", "dirty", carbon_g_kwh=1000.0),
        region("cloudy", "unknown"),
    ]
    priced = Workload("w", (HOUR,), carbon=Carbon(price_usd_t=200.0))
    outcome = found(HOUR, *rows, workload=priced, regions=where)
    charged = dict(outcome.frame.select("region", "surcharge_usd").rows())
    emitted = dict(outcome.frame.select("region", "carbon_kg").rows())
    assert charged["dirty"] == pytest.approx(0.2 * emitted["dirty"])
    assert charged["clean"] == pytest.approx(charged["dirty"] / 100)
    assert charged["unknown"] == charged["dirty"]
    assert set(outcome.frame["cost_usd"]) == {2.0 * 1.05}
    assert (
        "t: the emissions of 1 of 3 candidates are not known, and charged as the most of the others"
        in outcome.assumptions
    )
    assert found(HOUR, *rows, workload=priced, regions=where[2:]).frame["surcharge_usd"].to_list() == [0.0] * 3


def test_what_is_never_done_charges_nobody() -> None:
    """Its emissions have no end; a candidate of unknown emissions is charged as the most of those that are done."""
    lost = offer("azure", "eastus", "nc", 1.0, purchase=Purchase.SPOT)
    where = [region("azure", "eastus", carbon_g_kwh=400.0), region("cloudy", "r")]
    endless = replace(HOUR, estimate=Estimate(hours=4000.0))
    tables: dict[str, Any] = {"regions": where, "spot_risk": [risk("azure", "eastus", "nc", 0.05, 0.1, 1.0)]}
    for price in (0.0, 100.0):
        workload = Workload("w", (endless,), carbon=Carbon(price_usd_t=price))
        assert figures(endless, PLAIN, lost, workload=workload, **tables)["surcharge_usd"] == 0.0


def test_each_wish_that_is_not_met_is_charged() -> None:
    """A wish is met where all that it says is so; the penalties add up and are in no cost."""
    wishes = (
        Preference(1.0, cloud="aws"),
        Preference(2.0, cloud="aws", region="a"),
        Preference(4.0, purchases=(Purchase.ON_DEMAND, Purchase.OWNED)),
    )
    workload = Workload("w", (HOUR,), preferences=wishes)
    rows = [
        offer("aws", "a", "m", 1.0),
        offer("aws", "b", "m", 1.0),
        offer("gcp", "a", "m", 1.0),
        offer("aws", "a", "m", 1.0, purchase=Purchase.SPOT),
    ]
    frame = found(HOUR, *rows, workload=workload).frame
    assert {row[:3]: row[3] for row in frame.select("cloud", "region", "purchase", "surcharge_usd").rows()} == {
        ("aws", "a", "on_demand"): 0.0,
        ("aws", "b", "on_demand"): 2.0,
        ("gcp", "a", "on_demand"): 3.0,
        ("aws", "a", "spot"): 4.0,
    }


def test_the_chance_is_that_of_the_best_zone() -> None:
    """What was observed there, or the prior of machines like it."""
    zones = [PLAIN | {"zone": name} for name in "ab"]
    looks = [observed(zones[0], 0.2), observed(zones[1], 0.6)]
    assert figures(HOUR, *zones, observations=looks)["chance"] == 0.6
    assert figures(HOUR, *zones)["chance"] == 0.98
    gpu = replace(
        HOUR, requirements=(Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=tuple(Purchase)),)
    )
    assert (
        figures(gpu, offer("x", "r", "p", 9.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT))["chance"] == 0.5
    )


def test_what_is_taken_for_granted_of_spot_is_said() -> None:
    """By what machines are taken back, and whether a run begins anew or not; nothing where none is spot."""
    spot = [PLAIN | {"purchase": "spot", "instance_type": name} for name in ("m", "n")]
    known: dict[str, Any] = {"spot_risk": [risk("cloudy", "r", "m", 0.05, 0.1)]}
    paces = "t: spot machines are taken back at the pace of their monthly band, and an interrupted run"
    begins_anew = "and an interrupted run begins anew (say `estimate: {checkpoint: 30m}`)"
    assert found(HOUR, spot[0], **known).assumptions == (f"{paces} begins anew (say `estimate: {{checkpoint: 30m}}`)",)
    both = "at the pace of their monthly band (1), as others were that are known, where nothing is known of them (1)"
    assert found(HOUR, *spot, **known).assumptions == (f"t: spot machines are taken back {both}, {begins_anew}",)
    saving = replace(HOUR, estimate=Estimate(hours=1.0, checkpoint_h=0.5))
    assert found(saving, spot[0], **known).assumptions == (f"{paces} goes on from its last checkpoint",)
    assert found(HOUR, PLAIN).assumptions == ()
