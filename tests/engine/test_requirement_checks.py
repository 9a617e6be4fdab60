"""The checks that an offer must pass: what each lets through, and what it says of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from engine.requirements import assumed_of_requirements, checks_of, first_failing, plain, quota_checks, with_defaults
from engine.workload import AcceleratorRequest, Range, Requirement, Residency, Task
from tests.kits.market import Row, market, offer, region
from tests.kits.random_workloads import offers, quotas
from tests.kits.ways import exceeds

PLAIN = Requirement(vcpus=Range(4, exact=False))
GPU = Requirement(accelerator=AcceleratorRequest("A10", 1))


def passes(
    requirement: Requirement, residency: Residency | None = None, *, capacity: float | None = None, **columns: Any
) -> bool:
    """Whether an otherwise plain offer meets a requirement."""
    row = offer(
        "aws", "us-east-1", "m5", 0.4, zone="us-east-1a", accelerator="A10" if requirement.accelerator else None
    )
    known = market([row | columns], regions=[region("aws", "us-east-1")])
    places = known.regions.select("cloud", "region", "continent", "country")
    frame = known.offers.join(places, on=["cloud", "region"], how="left").with_columns(capacity=pl.lit(capacity))
    checks = checks_of(requirement, residency)
    return bool(frame.select(first_failing(checks)).item() == len(checks))


@pytest.mark.parametrize(
    ("requirement", "met", "unmet"),
    [
        (replace(PLAIN, cloud="aws"), {}, {"cloud": "gcp"}),
        (replace(PLAIN, zone="us-east-1a"), {}, {"zone": None}),
        (replace(PLAIN, instance_type="m5"), {}, {"instance_type": "m6"}),
        (replace(PLAIN, vcpus=Range(8, exact=True)), {}, {"vcpus": 16.0}),
        (replace(PLAIN, vcpus=Range(8, exact=False)), {"vcpus": 16.0}, {"vcpus": 4.0}),
        (replace(PLAIN, vcpus=Range(8, exact=False)), {}, {"vcpus": None}),
        (replace(PLAIN, memory_gib=Range(32, exact=True)), {}, {"memory_gib": 64.0}),
        (replace(PLAIN, memory_gib=Range(30.5, exact=True)), {"memory_gib": 30.5004}, {"memory_gib": 30.6}),
        (replace(PLAIN, memory_gib=Range(32, exact=False)), {"memory_gib": 31.9995}, {"memory_gib": 31.9}),
        (replace(PLAIN, memory_gib_per_vcpu=4.0), {}, {"vcpus": 9.0}),
        (replace(PLAIN, memory_gib_per_vcpu=4.0), {}, {"memory_gib": None}),
        (PLAIN, {"arch": None}, {"arch": "arm64"}),
        (replace(PLAIN, arch="arm64"), {"arch": "arm64"}, {"arch": None}),
        (PLAIN, {}, {"accelerator": "T4"}),
        (GPU, {"arch": "arm64"}, {"accelerator": None}),
        (GPU, {}, {"accelerator": "A100"}),
        (GPU, {}, {"accelerator_count": 2.0}),
        (PLAIN, {}, {"purchase": Purchase.SPOT}),
        (replace(PLAIN, purchases=(Purchase.SPOT, Purchase.OWNED)), {"purchase": Purchase.OWNED}, {}),
        (PLAIN, {"available": None}, {"available": False}),
        (PLAIN, {"capacity": 0.1}, {"capacity": 0.0}),
        (PLAIN, {"quantity": 1}, {"quantity": 0}),
        (PLAIN, {}, {"price_usd_h": None}),
        (replace(PLAIN, max_hourly_cost=0.4), {}, {"price_usd_h": 0.41}),
    ],
)
def test_what_a_requirement_lets_through(requirement: Requirement, met: dict[str, Any], unmet: dict[str, Any]) -> None:
    """One offer that meets it, and one that differs in what it is about."""
    assert passes(requirement, **met)
    assert not passes(requirement, **unmet)


@pytest.mark.parametrize(
    ("wanted", "sold", "met"),
    [
        (0.5, 0.5, True),
        (0.5, 1.0, True),
        (0.5, 0.333, False),
        (0.5, 2.0, False),
        (0.17, 0.167, True),
        (1 / 6, 0.17, True),
        (1.0, 0.5, False),
        (2.0, 2.0, True),
        (2.0, 4.0, False),
    ],
)
def test_a_share_of_an_accelerator(wanted: float, sold: float, met: bool) -> None:
    """A share is met by itself, as sources round it, by a larger one and by a whole device; whole ones are counted."""
    assert passes(Requirement(accelerator=AcceleratorRequest("A10", wanted)), accelerator_count=sold) is met


def test_a_machine_chosen_by_name_may_be_anything() -> None:
    """Its accelerators and its architecture are no surprise."""
    assert passes(Requirement(instance_type="m5"), accelerator="T4", arch="arm64")


@pytest.mark.parametrize(
    ("residency", "inside"),
    [
        (Residency(allow=("US",)), True),
        (Residency(allow=("europe", "aws")), True),
        (Residency(allow=("europe",)), False),
        (Residency(deny=("europe",)), True),
        (Residency(deny=("aws/us-east-1",)), False),
        (Residency(allow=("north_america",), deny=("US",)), False),
    ],
)
def test_residency_is_a_check_like_the_others(residency: Residency, inside: bool) -> None:
    """Allowed by one entry and denied by none."""
    assert passes(PLAIN, residency) is inside


@pytest.mark.parametrize(
    ("residency", "inside"),
    [
        (Residency(allow=("US",)), False),
        (Residency(deny=("US",)), False),
        (Residency(deny=("gcp",)), True),
        (Residency(allow=("aws",)), True),
    ],
)
def test_a_region_of_unknown_place_is_not_trusted(residency: Residency, inside: bool) -> None:
    """Where the country decides and is not known, the data must not go there; where the cloud decides, it may."""
    row = offer("aws", "moon-1", "m5", 0.4)
    frame = market([row]).offers.with_columns(
        pl.lit(None, dtype=pl.String).alias("continent"),
        pl.lit(None, dtype=pl.String).alias("country"),
        pl.lit(None, dtype=pl.Float64).alias("capacity"),
    )
    checks = checks_of(PLAIN, residency)
    assert (frame.select(first_failing(checks)).item() == len(checks)) is inside


def test_no_hardware_at_all_means_what_sky_takes() -> None:
    """8 vCPUs or more with 4 GiB each, and a sentence that says so; a place or a price is no hardware."""
    effective, assumed = with_defaults(Requirement(cloud="aws", max_hourly_cost=1.0))
    assert (effective.vcpus, effective.memory_gib_per_vcpu) == (Range(8, exact=False), 4.0)
    assert assumed == "no hardware is asked for; 8+ vCPUs with 4 GiB each are assumed"


@pytest.mark.parametrize(
    "asked",
    [
        Requirement(instance_type="m5"),
        Requirement(accelerator=AcceleratorRequest("T4", 1)),
        Requirement(vcpus=Range(2, exact=True)),
        Requirement(memory_gib=Range(16, exact=False)),
        Requirement(memory_gib_per_vcpu=8.0),
    ],
)
def test_any_hardware_asked_for_stands_alone(asked: Requirement) -> None:
    """Nothing is added to it."""
    assert with_defaults(asked) == (asked, None)


def test_the_number_of_checks_does_not_depend_on_what_is_asked() -> None:
    """Stages of two requirements can be compared."""
    full = Requirement(
        cloud="aws",
        region="us-east-1",
        zone="us-east-1a",
        instance_type="p5",
        accelerator=AcceleratorRequest("H100", 8),
        vcpus=Range(8, exact=False),
        memory_gib=Range(32, exact=False),
        memory_gib_per_vcpu=4.0,
        arch="x86_64",
        max_hourly_cost=100.0,
    )
    assert len(checks_of(full, Residency(("US",), ("DE",)))) == len(checks_of(Requirement(), None))


def test_the_place_comes_before_a_machine_without_accelerators() -> None:
    """Where none is asked for: what is sold in that place is the answer, not where the like is sold."""
    cpu_there = Requirement(cloud="aws", region="us-east-1", zone="us-east-1a", vcpus=Range(8, exact=False))
    assert [check.wanted for check in checks_of(cpu_there, None) if check.wanted][:4] == [
        "cloud aws",
        "region us-east-1",
        "zone us-east-1a",
        "a machine without accelerators",
    ]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.0, "0"),
        (8.0, "8"),
        (30.5, "30.5"),
        (1 / 60, "0.01667"),
        (0.00001234, "0.00001234"),
        (999.96, "1,000"),
        (1234.5678, "1,235"),
        (60_460.3, "60,460"),
        (1_048_576.0, "1,048,576"),
        (1e21, "1,000,000,000,000,000,000,000"),
    ],
)
def test_figures_are_written_plainly(figure: float, text: str) -> None:
    """Four significant digits, all digits before the point, no exponent."""
    assert plain(figure) == text


def lines(task: Task, **columns: Any) -> list[str]:
    """What is assumed of a task's requirements where one offer is a candidate of the first."""
    row = {"requirement": 0, "accelerator_count": 1.0, "purchase": "on_demand", "price_usd_h": 0.4, **columns}
    return assumed_of_requirements(task, pl.DataFrame([row]))


def test_an_order_of_alternatives_is_said() -> None:
    """Where there is one; a single requirement has no order."""
    assert lines(Task("t", requirements=(PLAIN, GPU), ordered=True)) == [
        "the alternatives are taken in the order given, whatever they cost"
    ]
    assert lines(Task("t", requirements=(PLAIN, GPU))) == []
    assert lines(Task("t", requirements=(PLAIN,), ordered=True)) == []


@pytest.mark.parametrize(
    ("wanted", "columns", "said"),
    [
        (0.5, {"accelerator_count": 1.0}, True),
        (0.5, {"accelerator_count": 0.5}, False),
        (0.17, {"accelerator_count": 1 / 6}, False),
        (0.16, {"accelerator_count": 0.164}, False),
        (0.5, {"accelerator_count": 1.0, "requirement": 1}, False),
        (1.0, {"accelerator_count": 1.0}, False),
    ],
)
def test_a_share_for_which_more_is_priced_is_said(wanted: float, columns: dict[str, Any], said: bool) -> None:
    """Only where some candidate of that requirement is more than the share."""
    task = Task("t", requirements=(Requirement(accelerator=AcceleratorRequest("A10", wanted)), PLAIN))
    expected = f"where {wanted:g} x A10 is not sold, the price is that of the larger share or the whole one that is"
    assert lines(task, **columns) == ([expected] if said else [])


def test_what_is_carried_but_not_weighed_is_said() -> None:
    """Under the names that the user wrote, of whichever alternative; what is not given is not named."""
    assert lines(Task("t", requirements=(PLAIN, replace(PLAIN, network_tier="best")))) == [
        "network_tier is not weighed"
    ]
    full = replace(PLAIN, network_tier="best", disk_tier="high", local_disk="nvme", disk_gib=512.0)
    assert lines(Task("t", requirements=(full,))) == ["network_tier, disk_tier, local_disk are not weighed"]


@pytest.mark.parametrize(
    ("bought", "years"),
    [
        (("reserved_1y",), "1 year"),
        (("reserved_3y",), "3 years"),
        (("reserved_3y", "on_demand", "reserved_1y"), "1 year or 3 years"),
    ],
)
def test_a_commitment_is_said(bought: tuple[str, ...], years: str) -> None:
    """Its hours are priced and its other years are not."""
    frame = pl.DataFrame({"purchase": bought}).with_columns(requirement=0, accelerator_count=None, price_usd_h=0.4)
    (line,) = assumed_of_requirements(Task("t", requirements=(PLAIN,)), frame)
    assert line == (
        f"reserved prices are per hour of a commitment of {years}, which must be paid to its end;"
        " the commitment itself is not in the cost"
    )


@pytest.mark.parametrize(("quantity", "met"), [(None, True), (8, True), (9, True), (7, False)])
def test_there_must_be_a_machine_for_each_node(quantity: int | None, met: bool) -> None:
    """Eight nodes need eight machines; where no limit is known, there is none."""
    checks = checks_of(PLAIN, None, num_nodes=8)
    offers = market([offer("slurm", "lab", "m5", 0.4, quantity=quantity)]).offers
    frame = offers.with_columns(capacity=pl.lit(None, pl.Float64))
    assert (frame.select(first_failing(checks)).item() == len(checks)) is met


def within(quota: Quota, row: Row, nodes: int = 1) -> bool:
    """Whether so many of an offer keep a quota."""
    offers = market([row]).offers
    return bool(offers.select(first_failing(quota_checks([quota], offers, nodes)) == 1).item())


@pytest.mark.parametrize(
    ("unit", "limit", "nodes", "met"),
    [
        (Unit.MACHINES, 3, 3, True),
        (Unit.MACHINES, 3, 4, False),
        (Unit.MACHINES, 0, 1, False),
        (Unit.ACCELERATORS, 1, 10, True),
        (Unit.ACCELERATORS, 1, 11, False),
        (Unit.VCPUS, 31, 3, True),
        (Unit.VCPUS, 31, 4, False),
    ],
)
def test_one_task_alone_stays_within_a_quota(unit: Unit, limit: int, nodes: int, met: bool) -> None:
    """Each node takes up a machine, 0.1 accelerators and 8 vCPUs; what is just used up is not exceeded."""
    row = offer("aws", "us-east-1", "g6f", 0.4, accelerator="A10", count=0.1)
    assert within(Quota(Scope("aws", "us-*"), unit, limit, "ours"), row, nodes) is met


@pytest.mark.parametrize(
    ("scope", "columns"),
    [
        (Scope("gcp"), {}),
        (Scope("aws", "eu-*"), {}),
        (Scope("aws", purchases=(Purchase.SPOT,)), {}),
        (Scope("aws"), {"accelerator_count": None}),
        (Scope("aws"), {"accelerator": None, "accelerator_count": None}),
    ],
)
def test_a_quota_is_silent_of_other_offers_and_of_what_cannot_be_counted(scope: Scope, columns: dict[str, Any]) -> None:
    """No machine falls out for accelerators that it has not, or of which nobody knows how many they are."""
    row = offer("aws", "us-east-1", "p5", 0.4, accelerator="H100", count=8.0)
    quota = Quota(scope, Unit.ACCELERATORS, 0, "none")
    assert within(quota, row | columns)
    assert not within(replace(quota, scope=Scope("aws")), row)


@settings(deadline=None)
@given(offers(), st.lists(quotas(st.integers(0, 24)), max_size=3), st.sampled_from((1, 3)))
def test_offers_keep_quotas_as_counted_one_by_one(rows: list[Row], limits: list[Quota], nodes: int) -> None:
    """On random offers and quotas: the second opinion has the same left."""
    known = market(rows).offers
    checks = quota_checks(limits, known, nodes)
    kept = known.filter(first_failing(checks) == len(checks))
    assert kept.rows(named=True) == [
        row for row in known.rows(named=True) if not any(exceeds(row, nodes, quota) for quota in limits)
    ]


def test_there_are_as_many_checks_more_as_quotas() -> None:
    """For every requirement the same, after how many machines there are."""
    quotas = [Quota(Scope("aws"), unit, 8, unit.value) for unit in Unit]
    of_quotas = quota_checks(quotas, market([]).offers, 2)
    for requirement in (PLAIN, GPU, Requirement()):
        plain_checks = [check.fell_out for check in checks_of(requirement, None, 2)]
        at = plain_checks.index("fewer machines than nodes") + 1
        more = [check.fell_out for check in checks_of(requirement, None, 2, of_quotas)]
        assert more == [*plain_checks[:at], *(f"above the quota {unit.value}" for unit in Unit), *plain_checks[at:]]


def test_owned_machines_without_a_price_are_said_to_cost_nothing_more() -> None:
    """Those that have a price are paid for as any other."""
    assert lines(Task("t", requirements=(PLAIN,)), cloud="slurm", purchase="owned", price_usd_h=0.0) == [
        "owned machines (slurm) are taken to cost nothing more"
    ]
    assert lines(Task("t", requirements=(PLAIN,)), cloud="slurm", purchase="owned", price_usd_h=0.4) == []


def test_what_is_wanted_reads_after_no_offer_has() -> None:
    """Each check in words, as a user meets them; what is not asked for is silent."""
    full = Requirement(
        cloud="aws",
        region="us-east-1",
        zone="us-east-1a",
        instance_type="p5",
        accelerator=AcceleratorRequest("H100", 8),
        vcpus=Range(8, exact=True),
        memory_gib=Range(32.5, exact=False),
        memory_gib_per_vcpu=4.0,
        arch="arm64",
        purchases=(Purchase.SPOT, Purchase.ON_DEMAND),
        max_hourly_cost=100.0,
    )
    residency = Residency(allow=("europe", "US"), deny=("DE",))
    assert [check.wanted for check in checks_of(full, residency)] == [
        "accelerator H100",
        "8 x H100",
        "cloud aws",
        "region us-east-1",
        "zone us-east-1a",
        "instance type p5",
        "CPU architecture arm64",
        "8 vCPUs",
        "32.5+ GiB of memory",
        "4 GiB of memory a vCPU",
        "purchase spot or on_demand",
        "a place in europe, US and outside DE",
        "availability there now",
        "a machine that may be used",
        "a known price",
        "a price of at most $100/h",
        "capacity now; there was none when last looked, and waiting may help",
    ]
    assert [check.wanted for check in checks_of(Requirement(instance_type="p5"), None) if check.wanted] == [
        "instance type p5",
        "purchase on_demand or owned",
        "availability there now",
        "a machine that may be used",
        "a known price",
        "capacity now; there was none when last looked, and waiting may help",
    ]
