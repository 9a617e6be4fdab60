"""Random tiny markets and workloads: few offers, round figures, and every hole that real data has."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from catalog_data.schema import OBSERVATIONS, Purchase, Signal
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import Snapshot
from engine.workload import (
    AcceleratorRequest,
    Carbon,
    Chances,
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
from tests.kits.market import SEEN, Row, default_links, link, market, observed, offer, region, risk, tiers

PLACES = (("aws", "us-east-1"), ("aws", "eu-west-1"), ("gcp", "us-central1"), ("oci", "moon-1"), ("vultr", "ewr"))
REGIONS = {
    ("aws", "us-east-1"): ("north_america", "US"),
    ("aws", "eu-west-1"): ("europe", "IE"),
    ("gcp", "us-central1"): ("north_america", "US"),
    ("oci", "moon-1"): (None, None),
    ("vultr", "ewr"): ("north_america", "US"),
}
BANDS = ((0.05, 0.1, 730.0), (0.2, 1.0, 730.0), (0.05, 0.1, 1.0), (0.0, 1.0, 730.0))
"""Of a month: seldom and often; of an hour; and what says nothing."""
NAMES = tuple(f"{cloud}:{name}" for cloud, name in PLACES)
MACHINES = (*3 * ((None, None), ("H100", 8.0), ("T4", 1.0)), ("H100", 1.0), ("A10", 0.5))
PRICES = st.integers(1, 12).map(lambda quarters: quarters / 4)


@st.composite
def offers(draw: st.DrawFn) -> list[Row]:
    """Up to twelve offers of few types: several zones, ways to buy and prices of each; unknown and unavailable ones."""
    rows: dict[tuple[object, ...], Row] = {}
    for _ in range(draw(st.integers(8, 12) | st.integers(8, 12) | st.integers(0, 12))):
        cloud, name = draw(st.sampled_from(PLACES))
        model, count = draw(st.sampled_from(MACHINES))
        quantity, zone = draw(st.sampled_from((*4 * (None,), 1, 3))), draw(st.sampled_from((None, "a", "b")))
        if quantity is not None:
            # What is counted is so in each zone, or in the region as a whole.
            zone = (zone or "a") if cloud == "aws" else None
        row = offer(
            cloud,
            name,
            f"{model or 'm'}-{count or 0:g}",
            draw(PRICES if draw(st.integers(0, 7)) else st.none()),
            accelerator=model,
            count=count,
            zone=zone,
            purchase=draw(st.sampled_from((*4 * (Purchase.ON_DEMAND,), *2 * (Purchase.SPOT,), Purchase.OWNED))),
            quantity=quantity,
            available=draw(st.sampled_from((*4 * (True,), *3 * (None,), False))),
            source=draw(st.sampled_from(("list", "feed"))),
            observed_at=SEEN.replace(day=draw(st.integers(1, 3))),
        )
        rows[row["cloud"], row["region"], row["zone"], row["instance_type"], row["purchase"]] = row
    return list(rows.values())


@st.composite
def observations(draw: st.DrawFn, of: list[Row]) -> list[Row]:
    """Looks at up to four offers, in their zone or the region: some expired, some that found nothing."""
    if not of:
        return []
    rows: dict[tuple[object, ...], Row] = {}
    for _ in range(draw(st.integers(0, 4))):
        seen = draw(st.sampled_from(of))
        row = observed(
            seen,
            draw(st.sampled_from((0.0, 0.0, 0.3, 1.0))),
            hours=draw(st.sampled_from((1.0, 1.0, 0.0, -1.0))),
            signal=draw(st.sampled_from(Signal)).value,
            zone=draw(st.sampled_from((None, seen["zone"]))),
        )
        rows[tuple(row[name] for name in OBSERVATIONS.key)] = row
    return list(rows.values())


@st.composite
def quotas(draw: st.DrawFn, limits: st.SearchStrategy[int]) -> Quota:
    """A quota on some of the offers, by any of what entries can say."""
    scope = Scope(
        draw(st.sampled_from(("aws", "aws", "gcp"))),
        region=draw(st.sampled_from(("*", "us-*", "eu-west-?"))),
        instance_type=draw(st.sampled_from(("*", "m-*", "H100-[18]"))),
        accelerator=draw(st.sampled_from((None, None, "H100", "A10"))),
        purchases=draw(st.sampled_from((tuple(Purchase), (Purchase.SPOT,), (Purchase.ON_DEMAND, Purchase.OWNED)))),
    )
    return Quota(scope, draw(st.sampled_from(Unit)), draw(limits), "ours")


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """A market where some regions, rates, throughputs and risks are not known, and some machines few or forbidden."""
    rates = st.lists(st.sampled_from((0.0, 0.001, 0.005, 0.09)), min_size=2, max_size=2)
    pairs = [(source, target) for source in NAMES for target in NAMES if source != target and draw(st.booleans())]
    known = draw(st.sets(st.sampled_from(PLACES)))
    measured = draw(st.lists(st.sampled_from(pairs), max_size=2, unique=True)) if pairs else []
    sold = draw(offers())
    found = market(
        sold,
        regions=[
            region(*place, *REGIONS[place], carbon_g_kwh=draw(st.sampled_from((None, 50.0, 400.0))))
            for place in sorted(known)
        ],
        egress=[
            row
            for source, target in pairs
            for row in tiers(source, target, *zip((0.0, 100.0), draw(rates), strict=True))
        ],
        throughput=[
            *draw(st.sampled_from((default_links(), default_links(), default_links()[:2]))),
            *(link(source, target, 0.5) for source, target in measured),
        ],
        spot_risk=[
            risk(*place, name, *draw(st.sampled_from(BANDS)))
            for name in ("m-0", "T4-1", "H100-8")
            for place in sorted(draw(st.sets(st.sampled_from(PLACES))))
        ],
        observations=draw(observations(sold)),
    )
    limited = draw(quotas(st.sampled_from((0, 0, 1, 3, 8, 24))))
    return replace(found, quotas=draw(st.sampled_from(((), (limited,)))))


EASY = (
    Requirement(vcpus=Range(4, exact=False)),
    Requirement(vcpus=Range(4, exact=False), purchases=tuple(Purchase)),
    Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=tuple(Purchase)),
    Requirement(accelerator=AcceleratorRequest("T4", 1), purchases=tuple(Purchase)),
    Requirement(vcpus=Range(4, exact=False), purchases=(Purchase.SPOT, Purchase.ON_DEMAND), disk_gib=200.0),
)
HARD = (
    Requirement(),
    Requirement(cloud="aws"),
    Requirement(memory_gib=Range(32, exact=True), max_hourly_cost=2.0),
    Requirement(accelerator=AcceleratorRequest("A10", 0.25), purchases=tuple(Purchase)),
    Requirement(accelerator=AcceleratorRequest("T4", 1), region="us-east-1"),
    Requirement(accelerator=AcceleratorRequest("H100", 8), zone="a"),
    Requirement(instance_type="H100-1"),
)
REQUIREMENTS = st.sampled_from((*6 * EASY, *HARD))
ESTIMATES = st.sampled_from(
    [
        None,
        Estimate(hours=2.0),
        Estimate(hours={"H100:8": 1.0, "H100": 4.0, "cpu": 8.0}, setup_h=0.25),
        Estimate(hours=300.0),
        Estimate(hours=300.0, setup_h=0.5, checkpoint_h=7.0),
        Estimate(work=7200.0, throughput={"H100": 0.5, "T4:1": 1.0, "cpu": 0.25}),
    ]
)


@st.composite
def tasks(draw: st.DrawFn, name: str) -> Task:
    """A task with up to five alternatives, and perhaps inputs of its own."""
    return Task(
        name,
        num_nodes=draw(st.sampled_from((1, 1, 3))),
        requirements=(*draw(st.lists(REQUIREMENTS, min_size=1, max_size=2)), *draw(st.sampled_from(((), EASY[1:4])))),
        ordered=draw(st.booleans()),
        estimate=draw(ESTIMATES),
        inputs=draw(st.sampled_from(({}, {}, {"s3://data": 150.0}, {"gs://data": 8.0, "file:///here": 1.0}))),
    )


CARBON = st.sampled_from((*4 * (Carbon(),), Carbon(price_usd_t=1000.0), Carbon(limit_kg=0.5), Carbon(100.0, 20.0)))
CHANCES = st.sampled_from((Chances(), Chances(capacity=0.7), Chances(uninterrupted=0.9), Chances(0.4, 0.6)))
WISHES = (
    Preference(3.0, cloud="aws"),
    Preference(0.5, region="us-central1"),
    Preference(1.0, purchases=(Purchase.ON_DEMAND, Purchase.OWNED)),
    Preference(2.0, cloud="gcp", purchases=(Purchase.SPOT,)),
)


@st.composite
def workloads(draw: st.DrawFn, most_tasks: int = 4) -> Workload:
    """Up to four tasks in a DAG, with limits and a residency now and then."""
    count = draw(st.integers(1, most_tasks))
    pairs = [(a, b) for b in range(count) for a in range(b) if draw(st.booleans())]
    limits = st.none() | (st.integers(1, 200) | st.integers(600, 4000)).map(lambda halves: halves / 2)
    seldom = draw(st.sampled_from((False, False, True)))
    residencies = (*6 * (None,), Residency(allow=("north_america", "IE")), Residency(deny=("EU", "gcp")))
    return Workload(
        "random",
        tuple(draw(tasks(f"t{number}")) for number in range(count)),
        tuple(Edge(f"t{a}", f"t{b}", draw(st.sampled_from((0.0, 10.0, 150.0)))) for a, b in pairs),
        deadline_hours=draw(limits),
        budget_usd=draw(limits),
        hourly_budget_usd=draw(st.none() | st.integers(1, 60).map(float)) if seldom else None,
        value_of_time_usd_h=draw(st.sampled_from((0.0, 0.0, 0.5, 20.0))),
        carbon=draw(CARBON),
        chances=draw(CHANCES) if seldom else Chances(),
        preferences=tuple(draw(st.lists(st.sampled_from(WISHES), max_size=2))),
        residency=draw(st.sampled_from(residencies)),
        objective=draw(st.sampled_from(Objective)),
        digest="ab" * 32,
        assumptions=draw(st.sampled_from(((), ("something was taken for granted",)))),
    )
