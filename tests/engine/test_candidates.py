"""From offers to candidates: who falls out and why, what is merged, what a candidate costs, and what is assumed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, find_candidates
from engine.matching import Unmet
from engine.workload import AcceleratorRequest, Edge, Estimate, Objective, Range, Requirement, Residency, Task, Workload
from tests.kits.market import SEEN, Row, default_links, flat_rates, market, observed, offer, region, risk, tiers

H100 = Requirement(accelerator=AcceleratorRequest("H100", 8))
CPU = Requirement(vcpus=Range(4, exact=False))
P5 = offer("aws", "us-east-1", "p5", 55.0, accelerator="H100", count=8.0)
A3 = offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0)
M5 = offer("aws", "us-east-1", "m5", 0.4)


def found(
    task: Task, offers: Sequence[Row] | Snapshot, residency: Residency | None = None, **frames: Any
) -> Candidates:
    """The candidates of a task alone in its workload."""
    known = offers if isinstance(offers, Snapshot) else market(offers, **frames)
    return find_candidates(task, Workload("w", (task,), residency=residency), known)


@pytest.mark.parametrize(
    ("asked", "columns", "reason"),
    [
        (CPU, {"accelerator": "T4", "accelerator_count": 1.0}, "with accelerators that were not asked for"),
        (H100, {"accelerator": "A100", "accelerator_count": 8.0}, "another accelerator"),
        (H100, {}, "another accelerator"),
        (H100, {"accelerator": "H100", "accelerator_count": 4.0}, "another number of accelerators"),
        (H100, {"accelerator": "H100"}, "another number of accelerators"),
        (Requirement(region="us-east-2"), {}, "in another region"),
        (Requirement(zone="us-east-1b"), {"zone": "us-east-1a"}, "in another zone"),
        (Requirement(zone="us-east-1b"), {}, "in another zone"),
        (Requirement(instance_type="m6"), {}, "another instance type"),
        (CPU, {"arch": "arm64"}, "another CPU architecture"),
        (Requirement(vcpus=Range(16, exact=False)), {}, "too few or too many vCPUs"),
        (Requirement(vcpus=Range(4, exact=True)), {}, "too few or too many vCPUs"),
        (Requirement(memory_gib=Range(64, exact=False)), {}, "too little or too much memory"),
        (Requirement(memory_gib_per_vcpu=8.0), {}, "too little memory for its vCPUs"),
        (CPU, {"purchase": "spot"}, "bought another way"),
        (CPU, {"available": False}, "not offered there now"),
        (CPU, {"quantity": 0}, "fewer machines than nodes"),
        (CPU, {"price_usd_h": None}, "price unknown"),
        (Requirement(vcpus=Range(4, exact=False), max_hourly_cost=0.3), {}, "above the hourly price limit"),
    ],
)
def test_an_offer_falls_out_for_one_reason(asked: Requirement, columns: Row, reason: str) -> None:
    """A plain machine with one thing wrong falls out for that thing, and nothing is left."""
    outcome = found(Task("t", requirements=(asked,)), [M5 | columns])
    assert outcome.fell_out == {reason: 1}
    assert outcome.frame.is_empty()
    assert [unmet.offers for unmet in outcome.unmet] == [1]


def test_an_offer_in_another_cloud_falls_out() -> None:
    """Whether the catalog has the cloud or not; where it has no price of it at all, that is the answer."""
    gcp = offer("gcp", "us-central1", "n2", 0.5, vcpus=2.0)
    asked = Requirement(cloud="gcp", vcpus=Range(4, exact=False))
    outcome = found(Task("t", requirements=(asked,)), [M5, gcp])
    assert outcome.fell_out == {"in another cloud": 1, "too few or too many vCPUs": 1}
    assert [(unmet.wanted, unmet.offers) for unmet in outcome.unmet] == [("4+ vCPUs", 1)]
    nowhere = found(Task("t", requirements=(asked,)), [M5])
    assert nowhere.fell_out == {"in another cloud": 1}
    assert nowhere.unmet == (Unmet(0, "cloud gcp (the catalog holds no prices of it)"),)


def test_an_offer_outside_the_residency_falls_out() -> None:
    """The residency belongs to the workload, and holds for each of its tasks."""
    outcome = found(Task("t", requirements=(CPU,)), [M5], Residency(allow=("europe",)))
    assert outcome.fell_out == {"outside the allowed places": 1}


def test_the_first_thing_wrong_is_the_reason() -> None:
    """A spot offer without a price fell out as a spot offer."""
    outcome = found(Task("t", requirements=(CPU,)), [M5 | {"purchase": "spot", "price_usd_h": None}, M5])
    assert outcome.fell_out == {"bought another way": 1}
    assert outcome.frame.height == 1
    assert outcome.unmet == ()


def test_of_several_alternatives_the_one_that_an_offer_came_furthest_with_counts() -> None:
    """An AWS machine without a price is no GCP machine; what it lacks for the alternative in AWS is the reason.

    The order of the checks is not the same for all alternatives: each reason is in the words of its own.
    """
    task = Task("t", requirements=(H100, Requirement(cloud="gcp"), Requirement(cloud="aws")))
    offers = [
        M5 | {"price_usd_h": None},
        A3 | {"accelerator": "T4"},
        P5,
        P5 | {"accelerator_count": 4.0, "cloud": "oci"},
        M5 | {"cloud": "oci"},
    ]
    assert list(found(task, offers).fell_out.items()) == [
        ("another accelerator", 1),
        ("another number of accelerators", 1),
        ("with accelerators that were not asked for", 1),
        ("price unknown", 1),
    ]


def test_a_candidate_names_the_first_alternative_that_it_meets() -> None:
    """An offer that meets two alternatives is one candidate, under the earlier one."""
    task = Task("t", requirements=(Requirement(cloud="gcp", accelerator=H100.accelerator), H100))
    frame = found(task, [P5, A3]).frame
    assert dict(frame.select("cloud", "requirement").rows()) == {"aws": 1, "gcp": 0}


def test_zones_of_one_price_are_one_candidate() -> None:
    """A zone with another price is a candidate of its own; zones stand in order."""
    rows = [M5 | {"zone": "c"}, M5 | {"zone": "a"}, M5 | {"zone": "b", "price_usd_h": 0.5}]
    frame = found(Task("t", requirements=(CPU,)), rows).frame
    assert frame.select("price_usd_h", "zones").rows() == [(0.4, ["a", "c"]), (0.5, ["b"])]


def test_an_offer_of_a_region_has_no_zones() -> None:
    """A null is no zone."""
    assert found(Task("t", requirements=(CPU,)), [M5]).frame["zones"].to_list() == [[]]


@pytest.mark.parametrize(
    ("zones", "available"), [((True, None), True), ((None, None), None), ((True, True), True), ((None, True), True)]
)
def test_merged_zones_are_available_where_one_was_seen(zones: Sequence[bool | None], available: bool | None) -> None:
    """Unknown is not no, and one zone that was seen is enough to try."""
    rows = [M5 | {"zone": name, "available": seen} for name, seen in zip("ab", zones, strict=True)]
    assert found(Task("t", requirements=(CPU,)), rows).frame["available"].to_list() == [available]


def test_the_newest_look_stands_for_merged_zones() -> None:
    """Source, instant and confidence are of one and the same row."""
    old = M5 | {"zone": "a", "source": "list", "observed_at": SEEN - timedelta(days=9), "confidence": "low"}
    new = M5 | {"zone": "b", "source": "feed", "confidence": "medium"}
    frame = found(Task("t", requirements=(CPU,)), [old, new]).frame
    assert frame.select("source", "observed_at", "confidence").rows() == [("feed", SEEN, "medium")]


def test_without_any_hardware_a_default_is_assumed_and_said() -> None:
    """The default of `sky`: 8 vCPUs or more, 4 GiB each."""
    rows = [M5, M5 | {"instance_type": "small", "vcpus": 4.0}, M5 | {"instance_type": "lean", "memory_gib": 16.0}]
    outcome = found(Task("t", requirements=(Requirement(), Requirement(cloud="aws"))), rows)
    assert outcome.frame["instance_type"].to_list() == ["m5"]
    assert [line for line in outcome.assumptions if "hardware" in line] == [
        "t: no hardware is asked for; 8+ vCPUs with 4 GiB each are assumed"
    ]


def test_cost_is_of_all_nodes_for_the_whole_run() -> None:
    """3 machines * $55 an hour * 10 h, and the 3 minutes that they take to start."""
    frame = found(Task("t", num_nodes=3, requirements=(H100,), estimate=Estimate(hours=10.0)), [P5]).frame
    assert frame.select("setup_h", "hours", "cost_usd", "input_usd", "input_h", "place").rows() == [
        (0.05, 10.0, pytest.approx(3 * 55.0 * 10.05), 0.0, 0.0, "aws:us-east-1")
    ]


def test_hours_go_by_hardware() -> None:
    """A time for a node of eight H100, one for any number of A100, and none for L4, which falls out for that."""
    rows = [
        P5,
        offer("aws", "us-east-1", "p4", 32.0, accelerator="A100", count=8.0),
        offer("aws", "us-east-1", "g6", 10.0, accelerator="L4", count=8.0),
    ]
    task = Task(
        "t",
        requirements=tuple(Requirement(accelerator=AcceleratorRequest(name, 8)) for name in ("H100", "A100", "L4")),
        estimate=Estimate(hours={"H100:8": 2.0, "A100": 5.0}),
    )
    outcome = found(task, rows)
    assert dict(outcome.frame.select("instance_type", "hours").rows()) == {"p5": 2.0, "p4": 5.0}
    assert outcome.fell_out == {"without a run time in the estimate": 1}
    assert outcome.assumptions == ()


def test_hours_go_by_throughput() -> None:
    """7,200 units at 0.25 a second on each of 8 devices in 2 nodes take half an hour; on a CPU node at 1, an hour."""
    task = Task(
        "t",
        num_nodes=2,
        requirements=(H100, CPU),
        estimate=Estimate(work=7200.0, throughput={"H100": 0.25, "cpu": 1.0}),
    )
    outcome = found(task, [P5, M5])
    assert dict(outcome.frame.select("instance_type", "hours").rows()) == {"p5": 0.5, "m5": 1.0}
    assert outcome.assumptions == ()


def test_an_unknown_run_time_is_assumed_and_said() -> None:
    """The same for all machines, which leaves nothing to choose the fastest by."""
    task = Task("t", requirements=(H100,))
    assert found(task, [P5, A3]).assumptions == ("t: the run time is not known; 1 h is assumed (say `estimate`)",)
    fastest = Workload("w", (task,), objective=Objective.TIME)
    assert find_candidates(task, fastest, market([P5, A3])).assumptions == (
        "t: the run time is not known; 1 h is assumed, and least time cannot tell hardware apart then (say `estimate`)",
    )


def test_offers_without_a_run_time_fall_out_by_the_offer() -> None:
    """All zones of them, whatever they cost: nobody knows what they would come to."""
    partly = Task("t", requirements=(H100, CPU), estimate=Estimate(hours={"H100": 2.0}))
    outcome = found(partly, [P5, M5 | {"zone": "a"}, M5 | {"zone": "b"}, M5 | {"arch": "arm64"}])
    assert outcome.frame["instance_type"].to_list() == ["p5"]
    assert outcome.fell_out == {"another CPU architecture": 1, "without a run time in the estimate": 2}
    assert (outcome.unmet, outcome.assumptions) == ((), ())


@pytest.mark.parametrize(
    ("estimate", "named"),
    [
        (Estimate(hours={"A100": 2.0, "H100:4": 3.0}), "A100, H100:4"),
        (Estimate(work=100.0, throughput={"T4": 2.0}), "T4"),
    ],
)
def test_an_estimate_that_fits_no_offer_leaves_none(estimate: Estimate, named: str) -> None:
    """With what it names and what the offers are, a machine without accelerators as an estimate calls it."""
    any_named = Requirement(instance_type="odd")
    odd = offer("aws", "us-east-1", "odd", 9.0, accelerator="H100", accelerator_count=None)
    outcome = found(Task("t", requirements=(H100, CPU, any_named), estimate=estimate), [P5, A3, M5, odd])
    assert outcome.frame.is_empty()
    assert outcome.fell_out == {"without a run time in the estimate": 4}
    assert outcome.unmet == (
        Unmet(
            None,
            f"a run time: the estimate names {named}",
            4,
            ("cpu (without accelerators)", "1 x H100", "8 x H100"),
            seen_as="are",
        ),
    )


def test_inputs_cost_what_bringing_them_in_does() -> None:
    """100 GB from a bucket of AWS: nothing in AWS, $0.09 a GB and 100 * 8 / 5 seconds to GCP.

    The machines cost what they do for an hour and the 3 minutes of their start.
    """
    task = Task("t", requirements=(H100,), inputs={"s3://data": 100.0}, estimate=Estimate(hours=1.0))
    outcome = found(task, [P5, A3], egress=flat_rates(0.09, ["aws:us-east-1", "gcp:us-central1"]))
    assert outcome.frame.select("cloud", "input_usd", "input_h", "cost_usd").rows() == [
        ("aws", 0.0, 0.0, pytest.approx(55.0 * 1.05)),
        ("gcp", pytest.approx(9.0), pytest.approx(160 / 3600), pytest.approx(50.0 * 1.05 + 9.0)),
    ]
    assert outcome.assumptions == (
        "t: s3://data is taken to lie where the task runs if that is aws, else in aws:us-east-1",
    )


def test_outputs_that_leave_the_workload_are_not_counted_and_that_is_said() -> None:
    """Where a bucket will lie is not known before it is made. What another task takes is counted with its edge."""
    task = Task("t", requirements=(H100,), outputs={"s3://out": 5.0, "s3://empty": 0.0}, estimate=Estimate(hours=1.0))
    assert found(task, [P5]).assumptions == ("t: writing 5 GB to s3://out is taken to be free",)
    handed_on = Workload("w", (task, Task("u")), (Edge("t", "u", 5.0),))
    assert find_candidates(task, handed_on, market([P5])).assumptions == ()


def test_only_spot_offers_have_a_band_of_interruptions() -> None:
    """A band is of spot machines of the type in the region; the same type on demand is kept."""
    spot = Requirement(vcpus=Range(4, exact=False), purchases=(Purchase.SPOT, Purchase.ON_DEMAND))
    rows = [M5, M5 | {"purchase": "spot", "price_usd_h": 0.1}, M5 | {"purchase": "spot", "region": "us-west-2"}]
    frame = found(Task("t", requirements=(spot,)), rows, spot_risk=[risk("aws", "us-east-1", "m5", 0.05, 0.1)]).frame
    columns = ("region", "purchase", "interruption_low", "interruption_high")
    assert set(frame.select(columns).rows()) == {
        ("us-east-1", "on_demand", None, None),
        ("us-east-1", "spot", 0.05, 0.1),
        ("us-west-2", "spot", None, None),
    }


def test_the_order_of_the_rows_changes_nothing() -> None:
    """A snapshot is a set: its rows may come in any order, in every table."""
    rng = random.Random(1)
    places = [(cloud, f"r{number}") for cloud in ("aws", "gcp") for number in range(4)]
    offers = [
        offer(cloud, name, f"m{size}", 0.1 * size, zone=zone, source=source, accelerator=model)
        for cloud, name in places
        for size in range(1, 4)
        for zone, source in (("a", "x"), ("b", "y"), (None, "z"))
        for model in (None, "T4")
    ]
    names = [f"{cloud}:{name}" for cloud, name in (*places, ("aws", "us-east-1"))]
    egress = [row for a in names for b in names if a != b for row in tiers(a, b, (0.0, 0.1), (7.0, 0.05), (9.0, 0.03))]
    task = Task(
        "t",
        requirements=(Requirement(accelerator=AcceleratorRequest("T4", 1)), CPU),
        inputs={"s3://a": 30.0, "gs://b": 8.0},
        estimate=Estimate(hours={"T4": 0.3, "cpu": 1.0}),
    )
    tables = {
        "offers": offers,
        "regions": [region(*p) for p in places],
        "egress": egress,
        "throughput": default_links(),
    }
    frames = []
    for _ in range(5):
        frames.append(found(task, market(**tables)).frame)
        tables = {name: rng.sample(rows, len(rows)) for name, rows in tables.items()}
    assert frames[0].height == 2 * 3 * len(places)
    assert all(frame.equals(frames[0]) for frame in frames)


OWNED = Requirement(vcpus=Range(4, exact=False), purchases=(Purchase.ON_DEMAND, Purchase.OWNED))
LAB = offer("slurm", "lab", "big", None, purchase=Purchase.OWNED, quantity=4)


def test_an_owned_machine_costs_nothing_more() -> None:
    """It has no price to be asked for, and that is said; one with a price is paid by the hour.

    It is running, while EC2's machines start for 96.9 s, which are billed as 97.
    """
    task = Task("t", requirements=(OWNED,), num_nodes=4, estimate=Estimate(hours=2.0))
    outcome = found(task, [M5, LAB, LAB | {"instance_type": "paid", "price_usd_h": 0.1}])
    assert outcome.frame.sort("cost_usd").select("instance_type", "price_usd_h", "cost_usd").rows() == [
        ("big", 0.0, 0.0),
        ("paid", 0.1, pytest.approx(0.8)),
        ("m5", 0.4, pytest.approx(4 * 0.4 * (2 + 97 / 3600))),
    ]
    assert outcome.assumptions == ("t: owned machines (slurm) are taken to cost nothing more",)


def test_an_owned_machine_is_below_any_price_limit() -> None:
    """0 is at most anything; bought another way it is none of the candidates."""
    capped = replace(OWNED, max_hourly_cost=0.3)
    assert found(Task("t", requirements=(capped,)), [M5, LAB]).frame["cloud"].to_list() == ["slurm"]
    rented = replace(CPU, purchases=(Purchase.ON_DEMAND,))
    assert found(Task("t", requirements=(rented,)), [M5, LAB]).fell_out == {"bought another way": 1}


def test_a_cluster_with_fewer_machines_than_nodes_falls_out() -> None:
    """What it has of what is needed is said; each zone is counted by itself, since a job runs in one."""
    task = Task("t", requirements=(OWNED,), num_nodes=8)
    outcome = found(task, [LAB | {"zone": "a"}, LAB | {"zone": "b"}])
    assert outcome.fell_out == {"fewer machines than nodes": 2}
    assert outcome.unmet == (Unmet(0, "machines for 8 nodes", 2, ("only 4 of the 8 nodes",)),)
    assert found(replace(task, num_nodes=4), [LAB]).unmet == ()


def test_what_one_task_would_take_beyond_a_quota_falls_out() -> None:
    """By the name of the quota, with what a node takes up of it; offers of which it does not speak are left."""
    spot = P5 | {"purchase": "spot", "price_usd_h": 20.0}
    quotas = (
        Quota(Scope("aws", purchases=(Purchase.SPOT,)), Unit.ACCELERATORS, 8, "spot"),
        Quota(Scope("aws"), Unit.ACCELERATORS, 64, "all"),
    )
    limited = replace(market([P5, spot]), quotas=quotas)
    two = Task("t", requirements=(replace(H100, purchases=(Purchase.SPOT, Purchase.ON_DEMAND)),), num_nodes=2)
    outcome = found(two, limited)
    assert outcome.frame["purchase"].to_list() == ["on_demand"]
    assert outcome.fell_out == {"above the quota spot": 1}
    nothing = found(replace(two, num_nodes=9), limited)
    assert nothing.fell_out == {"above the quota spot": 1, "above the quota all": 1}
    assert nothing.unmet == (Unmet(0, "room for 9 nodes in the quota all", 1, ("8 accelerators a node",)),)


def test_an_empty_catalog_has_no_candidates() -> None:
    """What was asked for first is what no offer has; nothing was seen."""
    outcome = found(Task("t", requirements=(replace(H100, cloud="aws"), CPU)), [])
    assert outcome.frame.is_empty()
    assert outcome.fell_out == {}
    assert [(unmet.requirement, unmet.wanted, unmet.offers, unmet.seen) for unmet in outcome.unmet] == [
        (0, "accelerator H100", 0, ()),
        (1, "a machine without accelerators", 0, ()),
    ]


def test_what_there_is_instead_is_shown_in_order() -> None:
    """Counts as numbers, not as text: 1, 2, 16; of many, the first few."""
    counts = [offer("aws", "us-east-1", f"p{n}", 1.0 * n, accelerator="H100", count=float(n)) for n in (16, 2, 1)]
    assert found(Task("t", requirements=(H100,)), counts).unmet[0].seen == ("1 x H100", "2 x H100", "16 x H100")
    regions = [offer("aws", f"r{number}", "m5", 0.4) for number in range(10)]
    seen = found(Task("t", requirements=(Requirement(region="nowhere"),)), regions).unmet[0].seen
    assert (len(seen), seen[-1]) == (9, "...")
    near = found(Task("t", requirements=(Requirement(region="r44"),)), regions).unmet[0].seen
    assert near[0] == "r4"
    other = [
        M5 | {"accelerator": name, "accelerator_count": n} for name, n in (("A10", 1.0), ("L4", 0.25), ("T4", None))
    ]
    assert found(Task("t", requirements=(CPU,)), other).unmet[0].seen == ("0.25 x L4", "1 x A10", "T4")


ZONED = [M5 | {"zone": name} for name in "ab"]


@pytest.mark.parametrize(
    ("looks", "zones", "capacity"),
    [
        ([], ["a", "b"], None),
        ([observed(ZONED[0], 0.0)], ["b"], None),
        ([observed(M5, 0.0)], [], None),
        ([observed(M5, 0.3)], ["a", "b"], 0.3),
        ([observed(M5, 0.8), observed(ZONED[0], 0.3)], ["a", "b"], 0.8),
        ([observed(M5, 0.8), observed(ZONED[0], 0.0)], ["b"], 0.8),
        ([observed(M5, 0.0), observed(ZONED[0], 1.0)], [], None),
        ([observed(M5, 1.0), observed(M5, 0.0, signal="failure")], [], None),
        ([observed(M5, 0.9), observed(M5, 0.2, signal="placement_score")], ["a", "b"], 0.2),
        ([observed(M5, 0.0, purchase="spot"), observed(M5, 0.0, region="us-west-2")], ["a", "b"], None),
        ([observed(M5, 0.0, instance_type="m6"), observed(M5, 0.0, cloud="gcp")], ["a", "b"], None),
    ],
)
def test_what_was_observed_of_a_zone_or_its_region(
    looks: Sequence[Row], zones: Sequence[str], capacity: float | None
) -> None:
    """A look at the region speaks of all zones, the most pessimistic one holds, and the best zone is what one gets."""
    candidates = found(Task("t", requirements=(CPU,)), ZONED, observations=looks)
    assert candidates.frame.select("zones", "capacity").rows() == ([(zones, capacity)] if zones else [])
    lost = len(ZONED) - len(zones)
    assert candidates.fell_out == ({"no capacity when last looked": lost} if lost else {})


def test_a_look_at_one_zone_says_nothing_of_an_offer_of_the_region() -> None:
    """Its other zones may have what that one has not."""
    frame = found(Task("t", requirements=(CPU,)), [M5], observations=[observed(ZONED[0], 0.0)]).frame
    assert frame.select("zones", "capacity").rows() == [([], None)]


def test_want_of_capacity_is_the_last_reason() -> None:
    """What would not do anyway is not worth waiting for."""
    dear = Requirement(vcpus=Range(4, exact=False), max_hourly_cost=0.3)
    candidates = found(Task("t", requirements=(dear,)), [M5], observations=[observed(M5, 0.0)])
    assert candidates.fell_out == {"above the hourly price limit": 1}


def test_candidates_of_the_least_doubt_come_first() -> None:
    """Those seen to be available, then those of the most trusted price, then by name: of equals, the first is taken."""
    looks = ((None, "high"), (True, "low"), (True, "high"), (True, "high"))
    rows = [
        M5 | {"instance_type": f"m{number}", "available": seen, "confidence": trust}
        for number, (seen, trust) in enumerate(looks)
    ]
    frame = found(Task("t", requirements=(CPU,)), rows).frame
    assert frame["instance_type"].to_list() == ["m2", "m3", "m1", "m0"]


def test_a_candidate_counts_its_offers() -> None:
    """One a zone."""
    rows = [M5 | {"zone": name} for name in "abc"] + [M5 | {"instance_type": "m6", "price_usd_h": 0.5}]
    assert found(Task("t", requirements=(CPU,)), rows).frame["offers"].to_list() == [3, 1]


def test_what_is_assumed_of_the_requirements_is_said() -> None:
    """Of the task and its candidates."""
    asked = (H100, replace(CPU, disk_tier="high"))
    task = Task("t", requirements=asked, ordered=True, estimate=Estimate(hours=1.0))
    assert found(task, [P5, M5]).assumptions == (
        "t: the alternatives are taken in the order given, whatever they cost",
        "t: disk_tier is not weighed",
    )


def test_what_would_be_interrupted_for_ever_falls_out() -> None:
    """4,000 h on machines of which 7.5 % an hour are lost: not in this life; in parts it is done."""
    spot = offer("azure", "eastus", "nc", 1.0, purchase=Purchase.SPOT)
    lost = market([spot, spot | {"zone": "1"}], spot_risk=[risk("azure", "eastus", "nc", 0.05, 0.1, 1.0)])
    asked = (Requirement(vcpus=Range(4, exact=False), purchases=(Purchase.SPOT,)),)
    task = Task("t", requirements=asked, estimate=Estimate(hours=4000.0))
    never = found(task, lost)
    assert (never.frame.height, never.fell_out) == (0, {"interrupted too often ever to be done": 2})
    assert never.unmet == (Unmet(None, "a machine that stays long enough for the task to be done", 2),)
    assert found(replace(task, estimate=Estimate(hours=4000.0, checkpoint_h=10.0)), lost).unmet == ()


def test_what_is_counted_zone_by_zone_is_added_up() -> None:
    """Zones of one price stand together, with as many machines as all of them; not known of one, not known of all."""
    rows = [M5 | {"zone": name, "quantity": number} for name, number in zip("abc", (2, 3, None), strict=True)]
    for some, expected in ((rows[:2], 5), (rows, None)):
        assert found(Task("t", requirements=(CPU,)), some).frame["quantity"].to_list() == [expected]


def test_the_schema_of_an_empty_frame_is_that_of_a_full_one() -> None:
    """Whoever reads candidates need not ask whether there are any."""
    task = Task("t", requirements=(H100,), inputs={"s3://data": 1.0})
    full, empty = found(task, [P5]).frame, found(task, []).frame
    assert empty.schema == full.schema
    assert full.schema["zones"] == pl.List(pl.String)
