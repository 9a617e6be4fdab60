"""Every way to run a task and what a choice of them comes to, in plain Python, offer by offer.

It shares the workload's values with the engine and nothing else: no frame operation, no array and no model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from catalog_data.scopes import Quota
from catalog_data.snapshot import Snapshot
from engine.availability import AvailabilityModel
from engine.spot_priors import spot_prior
from engine.workload import Estimate, Preference, Range, Requirement, Residency, Task, Workload
from tests.kits.cost_model import (
    Row,
    billed_h,
    carbon_kg,
    chance,
    disk_usd,
    hazard_per_h,
    interrupted,
    modelled,
    startup_h,
)


class Figures(NamedTuple):
    """Of a plan: steps down the lists of alternatives, what it costs and takes, and the cost with all charges."""

    steps: float
    cost_usd: float
    hours: float
    charge_usd: float


HOMES: Final = {"s3": ("aws", "us-east-1"), "gs": ("gcp", "us-central1"), "az": ("azure", "eastus")}
EU: Final = set("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split())
OBSERVED: Final = ("cloud", "region", "zone", "instance_type", "purchase")
NEAR: Final = 1e-6
"""How far a solver may overstep a limit, relative to it."""


@dataclass(frozen=True)
class Way:
    """One way to run a task: offers of one price in one region, under the first requirement that they meet."""

    requirement: int
    nodes: int
    rows: tuple[Row, ...]
    setup_h: float
    hours: float
    wait_h: float
    work_h: float
    input_usd: float
    input_h: float
    billed_h: float
    disk_usd: float | None
    cost_usd: float
    carbon_kg: float | None
    chance: float
    interruptions: float | None
    hazard: float | None
    """The logarithm of the chance of no interruption, with the sign turned; None where none can happen."""
    surcharge_usd: float = 0.0

    @property
    def place(self) -> tuple[str, str]:
        """Cloud and region."""
        return self.rows[0]["cloud"], self.rows[0]["region"]

    @property
    def busy_h(self) -> float:
        """From asking for the machines to the end of the run."""
        return self.setup_h + self.hours

    @property
    def zones(self) -> frozenset[str | None]:
        """The zones that have it; None stands for offers of the region as a whole."""
        return frozenset(row["zone"] for row in self.rows)

    @property
    def quantity(self) -> int | None:
        """How many there are in these zones; None where that is not known of one of them."""
        known = [row["quantity"] for row in self.rows]
        return None if None in known else sum(known)


@dataclass
class Market:
    """The snapshot at an instant, looked up by place; `unknown` collects what it had no figure for."""

    snapshot: Snapshot
    now: datetime
    unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.offers = [_to_pay(row) for row in self.snapshot.offers.to_dicts()]
        self.regions = {(row["cloud"], row["region"]): row for row in self.snapshot.regions.to_dicts()}
        self.links = {(row["src"], row["dst"]): row["gbit_s"] for row in self.snapshot.throughput.to_dicts()}
        self.risks = {
            (row["cloud"], row["region"], row["instance_type"]): row for row in self.snapshot.spot_risk.to_dicts()
        }
        self.fits = {
            tuple(row[name] for name in ("cloud", "region", "zone", "instance_type")): row["model"]
            for row in self.snapshot.spot_models.to_dicts()
        }
        self.levels: dict[tuple[str | None, ...], list[float]] = {}
        for row in self.snapshot.observations.to_dicts():
            if row["expires_at"] > self.now:
                self.levels.setdefault(tuple(row[name] for name in OBSERVED), []).append(row["level"])
        self.tiers: dict[tuple[str, ...], list[tuple[float, float]]] = {}
        for row in self.snapshot.egress.to_dicts():
            pair = row["src_cloud"], row["src_region"], row["dst_cloud"], row["dst_region"]
            self.tiers.setdefault(pair, []).append((row["tier_from_gb"], row["egress_usd_gb"]))

    def model(self, row: Row, zone: str | None) -> AvailabilityModel | None:
        """What says how long spot machines of an offer stay, if its band does not: the nearest fit, or the prior."""
        if row["purchase"] != "spot":
            return None
        fits = [
            self.fits.get((row["cloud"], *pool))
            for pool in (
                (row["region"], zone, row["instance_type"]),
                ("*", "*", row["instance_type"]),
                ("*", "*", "*"),
            )
        ]
        fitted = next((text for text in fits if text is not None), None)
        if fitted is not None:
            return AvailabilityModel.from_dict(json.loads(fitted))
        risk = self.risks.get((row["cloud"], row["region"], row["instance_type"]))
        return spot_prior().model() if hazard_per_h(row, risk) is None else None

    def capacity(self, row: Row) -> float | None:
        """The least that is known of the capacity of an offer, in its zone and in its region."""
        places = {row["zone"], None}
        levels = [self.levels.get(tuple({**row, "zone": zone}[name] for name in OBSERVED), []) for zone in places]
        return min((level for of_place in levels for level in of_place), default=None)

    def egress_usd(self, source: tuple[str, str], target: tuple[str, str], gb: float) -> float:
        """What moving so many GB costs, GB by GB through the tiers; the cloud's highest, noted, where none is known.

        GB that are free once a month cost what the first GB after them cost.
        """
        if source == target or gb == 0:
            return 0.0
        tiers = sorted(self.tiers.get((*source, *target), []))
        if not tiers or tiers[0][0] != 0:
            self.unknown.add("egress")
            of_cloud = [rate for pair, of_pair in self.tiers.items() if pair[0] == source[0] for _, rate in of_pair]
            return gb * max(of_cloud, default=0.0)
        ends = [start for start, _ in tiers[1:]] + [math.inf]
        billed = 0.0
        for number, ((start, _), end) in enumerate(zip(tiers, ends, strict=True)):
            rate = next((paid for _, paid in tiers[number:] if paid), 0.0)
            billed += rate * max(0.0, min(gb, end) - start)
        return billed

    def transfer_h(self, source: tuple[str, str], target: tuple[str, str], gb: float, streams: int = 1) -> float:
        """How long that takes so many machines side by side; at the lowest speed, and noted, where none is known."""
        if source == target or gb == 0:
            return 0.0
        here, there = (self.regions.get(place, {}).get("continent") for place in (source, target))
        kind = "same_continent" if here is not None and here == there else "other_continent"
        gbit_s = self.links.get((":".join(source), ":".join(target)), self.links.get(("*", kind)))
        if gbit_s is None:
            self.unknown.add("throughput")
            gbit_s = min(self.links.values(), default=math.inf)
        return gb * 8 / float(gbit_s) / 3600 / streams


def _to_pay(row: Row) -> Row:
    """What is owned and has no price costs nothing."""
    return {**row, "price_usd_h": 0.0} if row["purchase"] == "owned" and row["price_usd_h"] is None else row


def ways(task: Task, workload: Workload, market: Market) -> list[Way]:
    """Every way to run a task, with what it is charged beyond its cost."""
    found = [way for way in timed(task, workload, market) if undone(way, task) is None]
    most_kg = max((way.carbon_kg for way in found if way.carbon_kg is not None), default=0.0)
    return [replace(way, surcharge_usd=_surcharge_usd(way, workload, most_kg)) for way in found]


def timed(task: Task, workload: Workload, market: Market) -> list[Way]:
    """Every way for which the estimate has hours, those among them that would never be done."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row, number in met(task, workload, market):
        key = (row["cloud"], row["region"], row["instance_type"], row["purchase"], row["price_usd_h"], number)
        found.setdefault(key, []).append(row)
    work = ((key[-1], rows, _hours_on(rows[0], task)) for key, rows in found.items())
    return [_way(task, number, rows, work_h, market) for number, rows, work_h in work if work_h is not None]


def undone(way: Way, task: Task) -> str | None:
    """Why the task is not done in that way; None where it is."""
    if not math.isfinite(way.hours):
        return "interrupted too often ever to be done"
    if (task.estimate is None or task.estimate.checkpoint_h is None) and way.hours - way.wait_h > 2 * way.work_h:
        return "too long for spot without checkpoints"
    return None


def _surcharge_usd(way: Way, workload: Workload, most_kg: float) -> float:
    """What is emitted, or what is emitted at most where that is not known, at its price; and each wish not met."""
    emitted_kg = most_kg if way.carbon_kg is None else way.carbon_kg
    missed = (wish.penalty_usd for wish in workload.preferences if not _is_as_wished(way.rows[0], wish))
    return emitted_kg / 1000 * workload.carbon.price_usd_t + sum(missed)


def _is_as_wished(row: Row, wish: Preference) -> bool:
    return (
        wish.cloud in {None, row["cloud"]}
        and wish.region in {None, row["region"]}
        and (not wish.purchases or row["purchase"] in {str(purchase) for purchase in wish.purchases})
    )


def met(task: Task, workload: Workload, market: Market) -> Iterator[tuple[Row, int]]:
    """Every offer that meets a requirement, with the number of the first such."""
    for row in market.offers:
        if row["quantity"] is not None and row["quantity"] < task.num_nodes:
            continue
        if market.capacity(row) == 0 or any(exceeds(row, task.num_nodes, quota) for quota in market.snapshot.quotas):
            continue
        number = next((n for n, r in enumerate(task.requirements) if _meets(row, r, workload.residency, market)), None)
        if number is not None:
            yield row, number


def exceeds(row: Row, nodes: int, quota: Quota) -> bool:
    """Whether so many of an offer, by themselves, are more than a quota allows."""
    return taken_of(row, nodes, quota) > quota.limit + NEAR


def taken_of(row: Row, nodes: int, quota: Quota) -> float:
    """How much of a quota so many of an offer take; nothing where that is not known."""
    scope = quota.scope
    spoken_of = (
        row["cloud"] == scope.cloud
        and fnmatchcase(row["region"], scope.region)
        and fnmatchcase(row["instance_type"], scope.instance_type)
        and scope.accelerator in {None, row["accelerator"]}
        and row["purchase"] in {str(purchase) for purchase in scope.purchases}
    )
    of_one = {"machines": 1, "accelerators": row["accelerator_count"], "vcpus": row["vcpus"]}[quota.unit]
    return float(nodes * of_one) if spoken_of and of_one is not None else 0.0


def _hours_on(row: Row, task: Task) -> float | None:
    """The run without interruptions: an hour where there is no estimate, None where the estimate has no hours."""
    if task.estimate is None:
        return 1.0
    return _run_hours(task.estimate, row["accelerator"], row["accelerator_count"], task.num_nodes)


def _way(task: Task, requirement: int, rows: Sequence[Row], work_h: float, market: Market) -> Way:
    row = rows[0]
    place = row["cloud"], row["region"]
    nodes, estimate = task.num_nodes, task.estimate or Estimate()
    setup_h = startup_h(row) + estimate.setup_h
    hours, wait_h, losses, hazard = _run(task, rows, work_h, setup_h, market)
    moves = [(home, gb) for home, gb in homes(task) if home[0] != place[0]]
    input_usd = sum(market.egress_usd(home, place, gb) for home, gb in moves)
    of_one = disk_usd(row, task.requirements[requirement].disk_gib, setup_h + hours)
    billed = billed_h(row, setup_h + hours - wait_h) if math.isfinite(hours) else hours
    return Way(
        requirement,
        nodes,
        tuple(rows),
        setup_h,
        hours,
        wait_h,
        work_h,
        input_usd,
        input_h=max((market.transfer_h(home, place, gb, nodes) for home, gb in moves), default=0.0),
        billed_h=billed,
        disk_usd=None if of_one is None else nodes * of_one,
        cost_usd=nodes * row["price_usd_h"] * billed + nodes * (of_one or 0.0) + input_usd,
        carbon_kg=carbon_kg(row, setup_h + hours - wait_h, nodes, market.regions.get(place, {}).get("carbon_g_kwh")),
        chance=chance(row, max((level for r in rows if (level := market.capacity(r)) is not None), default=None)),
        interruptions=losses,
        hazard=hazard,
    )


def _run(
    task: Task, rows: Sequence[Row], work_h: float, setup_h: float, market: Market
) -> tuple[float, float, float | None, float | None]:
    """Hours with the interruptions to be expected, those of waiting, how many there are, and the hazard of any."""
    row, nodes = rows[0], task.num_nodes
    checkpoint_h = task.estimate.checkpoint_h if task.estimate else None
    model = market.model(row, min((r["zone"] for r in rows if r["zone"] is not None), default=None))
    if model is not None:
        run = modelled(model, work_h, setup_h, checkpoint_h)
        return run.hours - setup_h, run.wait_h, run.losses, run.hazard
    rate = hazard_per_h(row, market.risks.get((row["cloud"], row["region"], row["instance_type"])))
    if rate is None:
        return work_h, 0.0, None, None
    hours, losses = interrupted(rate * nodes, work_h, checkpoint_h, setup_h)
    return hours, 0.0, losses, rate * nodes * work_h


def homes(task: Task) -> list[tuple[tuple[str, str], float]]:
    """Where the inputs lie of which that is known, with the GB of each."""
    of_urls = [(HOMES.get(url.split("://")[0]), gb) for url, gb in task.inputs.items()]
    return [(home, gb) for home, gb in of_urls if home is not None and gb]


def _run_hours(estimate: Estimate, accelerator: str | None, count: float | None, nodes: int) -> float | None:
    model = accelerator or "cpu"
    node = f"{model}:{count:g}" if accelerator else model
    if isinstance(estimate.hours, Mapping):
        return estimate.hours.get(node, estimate.hours.get(model))
    if estimate.hours is not None:
        return estimate.hours
    if estimate.work is None:
        return None
    of_node = estimate.throughput.get(node)
    of_model = estimate.throughput.get(model)
    rate = of_node if of_node is not None else None if of_model is None else of_model * (count or 1)
    return None if rate is None else estimate.work / rate / nodes / 3600


def _meets(row: Row, r: Requirement, residency: Residency | None, market: Market) -> bool:
    asks_for_hardware = r.instance_type or r.accelerator or r.vcpus or r.memory_gib or r.memory_gib_per_vcpu
    vcpus, ratio = (r.vcpus, r.memory_gib_per_vcpu) if asks_for_hardware else (Range(8, exact=False), 4.0)
    arch = r.arch or (None if r.instance_type or r.accelerator else "x86_64")
    named = {"cloud": r.cloud, "region": r.region, "zone": r.zone, "instance_type": r.instance_type}
    return (
        all(value is None or row[column] == value for column, value in named.items())
        and _has_accelerator(row, r)
        and (arch is None or (row["arch"] or "x86_64") == arch)
        and _in_range(row["vcpus"], vcpus)
        and _in_range(row["memory_gib"], r.memory_gib)
        and (ratio is None or _has_ratio(row, ratio))
        and row["purchase"] in {str(purchase) for purchase in r.purchases}
        and (residency is None or _resides(row, residency, market))
        and row["available"] is not False
        and row["price_usd_h"] is not None
        and (r.max_hourly_cost is None or row["price_usd_h"] <= r.max_hourly_cost)
    )


def _has_accelerator(row: Row, r: Requirement) -> bool:
    if r.accelerator is None:
        return r.instance_type is not None or row["accelerator"] is None
    if row["accelerator"] != r.accelerator.name or row["accelerator_count"] is None:
        return False
    if r.accelerator.count < 1:
        return bool(r.accelerator.count - 5e-3 <= row["accelerator_count"] <= 1)
    return bool(row["accelerator_count"] == r.accelerator.count)


def _has_ratio(row: Row, gib_per_vcpu: float) -> bool:
    if row["vcpus"] is None or row["memory_gib"] is None:
        return False
    return bool(row["memory_gib"] / row["vcpus"] > gib_per_vcpu - 1e-3)


def _in_range(value: float | None, wanted: Range | None) -> bool:
    if wanted is None or wanted.low is None:
        return True
    return value is not None and (abs(value - wanted.low) < 1e-3 if wanted.exact else value > wanted.low - 1e-3)


def _resides(row: Row, residency: Residency, market: Market) -> bool:
    """Whether it surely lies in an allowed place and surely in no denied one."""
    allowed = [_lies_in(row, entry, market) for entry in residency.allow]
    denied = [_lies_in(row, entry, market) for entry in residency.deny]
    return (not allowed or True in allowed) and not any(answer is not False for answer in denied)


def _lies_in(row: Row, entry: str, market: Market) -> bool | None:
    region = market.regions.get((row["cloud"], row["region"]), {})
    if entry in {"africa", "asia", "europe", "north_america", "oceania", "south_america"}:
        return None if region.get("continent") is None else region["continent"] == entry
    if entry.isupper():
        countries = {"EU": EU, "EEA": EU | {"IS", "LI", "NO"}}.get(entry, {entry})
        return None if region.get("country") is None else region["country"] in countries
    return entry in {row["cloud"], f"{row['cloud']}/{row['region']}"}
