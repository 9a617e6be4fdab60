"""A second opinion on plans: everything that a plan says is worked out again, offer by offer, in plain Python.

It shares the workload's values and the plan's with the engine and nothing else: no frame operation, no array and no
model. `faults` says in words what is wrong with a plan; `best_figures` finds the optimum by trying every choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, Final

from catalog_data.snapshot import Snapshot
from engine.plan import Option, Placement, Plan
from engine.workload import Edge, Estimate, Objective, Range, Requirement, Residency, Task, Workload

Row = Mapping[str, Any]
Figures = tuple[float, float, float]
"""Of a plan: steps down the lists of alternatives, $, h."""

HOMES: Final = {"s3": ("aws", "us-east-1"), "gs": ("gcp", "us-central1"), "az": ("azure", "eastus")}
EU: Final = set("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split())
NEAR: Final = 1e-6
"""How far a solver may overstep a limit, relative to it."""


@dataclass(frozen=True)
class Way:
    """One way to run a task: offers of one price in one region, under the first requirement that they meet."""

    requirement: int
    rows: tuple[Row, ...]
    hours: float
    input_usd: float
    input_h: float
    cost_usd: float

    @property
    def place(self) -> tuple[str, str]:
        """Cloud and region."""
        return self.rows[0]["cloud"], self.rows[0]["region"]


@dataclass
class Market:
    """The snapshot, looked up by place; `unknown` collects what it had no figure for."""

    snapshot: Snapshot
    unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.offers = self.snapshot.offers.to_dicts()
        self.regions = {(row["cloud"], row["region"]): row for row in self.snapshot.regions.to_dicts()}
        self.links = {(row["src"], row["dst"]): row["gbit_s"] for row in self.snapshot.throughput.to_dicts()}
        self.risks = {
            (row["cloud"], row["region"], row["instance_type"]): (row["interruption_low"], row["interruption_high"])
            for row in self.snapshot.spot_risk.to_dicts()
        }
        self.tiers: dict[tuple[str, ...], list[tuple[float, float]]] = {}
        for row in self.snapshot.egress.to_dicts():
            pair = row["src_cloud"], row["src_region"], row["dst_cloud"], row["dst_region"]
            self.tiers.setdefault(pair, []).append((row["tier_from_gb"], row["egress_usd_gb"]))

    def egress_usd(self, source: tuple[str, str], target: tuple[str, str], gb: float) -> float:
        """What moving so many GB costs, GB by GB through the tiers; 0, and noted, where no rate is known."""
        if source == target or gb == 0:
            return 0.0
        tiers = sorted(self.tiers.get((*source, *target), []))
        if not tiers or tiers[0][0] != 0:
            self.unknown.add("egress")
            return 0.0
        ends = [start for start, _ in tiers[1:]] + [math.inf]
        return sum(rate * max(0.0, min(gb, end) - start) for (start, rate), end in zip(tiers, ends, strict=True))

    def transfer_h(self, source: tuple[str, str], target: tuple[str, str], gb: float) -> float:
        """How long that takes; 0, and noted, where no throughput is known."""
        if source == target or gb == 0:
            return 0.0
        here, there = (self.regions.get(place, {}).get("continent") for place in (source, target))
        kind = "same_continent" if here is not None and here == there else "other_continent"
        gbit_s = self.links.get((":".join(source), ":".join(target)), self.links.get(("*", kind)))
        if gbit_s is None:
            self.unknown.add("throughput")
            return 0.0
        return gb * 8 / float(gbit_s) / 3600


def ways(task: Task, workload: Workload, market: Market) -> list[Way]:
    """Every way to run a task."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in market.offers:
        number = next((n for n, r in enumerate(task.requirements) if _meets(row, r, workload.residency, market)), None)
        if number is not None:
            key = (row["cloud"], row["region"], row["instance_type"], row["purchase"], row["price_usd_h"], number)
            found.setdefault(key, []).append(row)
    return [_way(task, key[-1], rows, market) for key, rows in found.items()]


def _way(task: Task, requirement: int, rows: Sequence[Row], market: Market) -> Way:
    row = rows[0]
    place = row["cloud"], row["region"]
    known_h = _run_hours(task.estimate, row["accelerator"], row["accelerator_count"], task.num_nodes)
    hours = 1.0 if known_h is None else known_h
    homes = [(HOMES.get(url.split("://")[0]), gb) for url, gb in task.inputs.items()]
    moves = [(home, gb) for home, gb in homes if home is not None and home[0] != place[0]]
    usd = sum(market.egress_usd(home, place, gb) for home, gb in moves)
    input_h = max((market.transfer_h(home, place, gb) for home, gb in moves), default=0.0)
    return Way(requirement, tuple(rows), hours, usd, input_h, task.num_nodes * row["price_usd_h"] * hours + usd)


def _run_hours(estimate: Estimate | None, accelerator: str | None, count: float | None, nodes: int) -> float | None:
    if estimate is None:
        return None
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


def figures(workload: Workload, chosen: Sequence[Way], market: Market) -> tuple[Figures, list[float]]:
    """What a choice comes to, and when each task starts."""
    number = {task.name: index for index, task in enumerate(workload.tasks)}
    start = [way.input_h for way in chosen]
    cost = sum(way.cost_usd for way in chosen)
    # Tasks stand in topological order: a task's start is final when the edges into it have been seen.
    for edge in sorted(workload.edges, key=lambda edge: number[edge.target]):
        source, target = number[edge.source], number[edge.target]
        move = chosen[source].place, chosen[target].place, edge.data_gb
        cost += market.egress_usd(*move)
        start[target] = max(start[target], start[source] + chosen[source].hours + market.transfer_h(*move))
    makespan = max(begin + way.hours for begin, way in zip(start, chosen, strict=True))
    steps = sum(way.requirement for way, task in zip(chosen, workload.tasks, strict=True) if task.ordered)
    return (steps, cost, makespan), start


def order_of(workload: Workload, plan: Figures) -> Figures:
    """The figures in the order in which plans are compared."""
    steps, cost, hours = plan
    return (steps, cost, hours) if workload.objective is Objective.COST else (steps, hours, cost)


def within_limits(workload: Workload, plan: Figures) -> bool:
    """Whether a plan keeps the deadline (in hours) and the budget."""
    limits = (plan[1], workload.budget_usd), (plan[2], workload.deadline_hours)
    return all(limit is None or figure <= limit + NEAR * max(1.0, limit) for figure, limit in limits)


def best_figures(workload: Workload, snapshot: Snapshot) -> Figures | None:
    """The best plan's figures, by trying every choice; None where none keeps the limits."""
    market = Market(snapshot)
    every = product(*(ways(task, workload, market) for task in workload.tasks))
    plans = (figures(workload, chosen, market)[0] for chosen in every)
    kept = [plan for plan in plans if within_limits(workload, plan)]
    # Rounded: sums of the same figures in another order tie.
    return min(kept, key=lambda plan: [round(figure, 7) for figure in order_of(workload, plan)], default=None)


def figures_of_best(plan: Plan, workload: Workload, snapshot: Snapshot) -> Figures:
    """What the plan's best option comes to; ValueError where it is no option at all."""
    market = Market(snapshot)
    found, plan_figures = _option_faults(
        plan.best, workload, [ways(t, workload, market) for t in workload.tasks], market
    )
    if plan_figures is None:
        raise ValueError("; ".join(found))
    return plan_figures


def faults(plan: Plan, workload: Workload, snapshot: Snapshot) -> list[str]:
    """What is wrong with a plan of the workload (its deadline in hours from the plan's creation), in words."""
    market = Market(snapshot)
    found = list(_header_faults(plan, workload, snapshot))
    every = [ways(task, workload, market) for task in workload.tasks]
    ranked = []
    for name, option in _named_options(plan):
        option_faults, option_figures = _option_faults(option, workload, every, market)
        found += [f"{name}: {fault}" for fault in option_faults]
        ranked.append((name, option, option_figures))
    if any(option_figures is None for _, _, option_figures in ranked):
        return found
    found += _ranking_faults([entry for entry in ranked if "comparison" not in entry[0]], workload)
    found += _ranking_faults([ranked[0], *(entry for entry in ranked if "comparison" in entry[0])], workload)
    found += _comparison_faults(plan)
    found += _proof_faults(plan)
    found += _count_faults(plan, workload, every, market)
    found += _assumption_faults(plan, workload, snapshot)
    return found


def _named_options(plan: Plan) -> Iterator[tuple[str, Option]]:
    yield "best", plan.best
    yield from ((f"alternative {number + 1}", option) for number, option in enumerate(plan.alternatives))
    yield from ((f"comparison {number + 1}", option) for number, option in enumerate(plan.comparison))


def _header_faults(plan: Plan, workload: Workload, snapshot: Snapshot) -> Iterator[str]:
    for what, said, is_so in (
        ("snapshot", plan.snapshot.id, snapshot.info.id),
        ("published_at", plan.snapshot.published_at, snapshot.info.published_at),
        ("sources", [source.source for source in plan.snapshot.sources], [age.source for age in snapshot.sources]),
        ("workload", plan.workload.name, workload.name),
        ("digest", plan.workload.sha256, workload.digest),
        ("objective", plan.objective, workload.objective),
        ("deadline", plan.limits.deadline_h, workload.deadline_hours),
        ("budget", plan.limits.budget_usd, workload.budget_usd),
    ):
        if said != is_so:
            yield f"{what}: the plan says {said}, it is {is_so}"


def _option_faults(
    option: Option, workload: Workload, every: Sequence[Sequence[Way]], market: Market
) -> tuple[list[str], Figures | None]:
    if [placement.task for placement in option.placements] != [task.name for task in workload.tasks]:
        return ["the placements are not one for each task in order"], None
    chosen, found = [], []
    for placement, task, ways_of_task in zip(option.placements, workload.tasks, every, strict=True):
        matches = [way for way in ways_of_task if _is_of(placement, way)]
        if len(matches) != 1:
            return [f"{placement.task}: {len(matches)} ways to run it are as the placement says"], None
        chosen.append(matches[0])
        found += [f"{placement.task}: {fault}" for fault in _placement_faults(placement, task, matches[0], market)]
    plan_figures, start = figures(workload, chosen, market)
    steps_cost_hours = zip(("cost", "hours"), (option.cost_usd, option.hours), plan_figures[1:], strict=True)
    found += [f"{what} {said}, it is {is_so}" for what, said, is_so in steps_cost_hours if not _same(said, is_so)]
    found += [
        f"{placement.task}: starts at {placement.start_h}, must at {begin}"
        for placement, begin in zip(option.placements, start, strict=True)
        if not _same(placement.start_h, begin)
    ]
    found += _transfer_faults(
        option, workload.edges, {task.name: way for task, way in zip(workload.tasks, chosen, strict=True)}, market
    )
    if not within_limits(workload, plan_figures):
        found.append(f"{plan_figures[1]} $ in {plan_figures[2]} h do not keep the limits")
    return found, plan_figures


def _is_of(placement: Placement, way: Way) -> bool:
    names = ("cloud", "region", "instance_type", "purchase", "price_usd_h")
    zones = tuple(sorted(row["zone"] for row in way.rows if row["zone"] is not None))
    return placement.zones == zones and all(getattr(placement, name) == way.rows[0][name] for name in names)


def _placement_faults(placement: Placement, task: Task, way: Way, market: Market) -> Iterator[str]:
    row = way.rows[0]
    available = [known["available"] for known in way.rows if known["available"] is not None]
    spot = placement.purchase == "spot"
    risk = market.risks.get((row["cloud"], row["region"], row["instance_type"]), (None, None)) if spot else (None, None)
    for what, said, is_so in (
        ("num_nodes", placement.num_nodes, task.num_nodes),
        ("vcpus", placement.vcpus, row["vcpus"]),
        ("memory", placement.memory_gib, row["memory_gib"]),
        ("accelerator", placement.accelerator, row["accelerator"]),
        ("accelerators", placement.accelerator_count, row["accelerator_count"]),
        ("available", placement.available, True if available else None),
        ("interruptions", (placement.interruption_low, placement.interruption_high), risk),
    ):
        if said != is_so:
            yield f"{what} {said}, it is {is_so}"
    for what, said_figure, figure in (
        ("hours", placement.hours, way.hours),
        ("cost", placement.cost_usd, way.cost_usd),
    ):
        if not _same(said_figure, figure):
            yield f"{what} {said_figure}, it is {figure}"
    newest = max(known["observed_at"] for known in way.rows)
    seen = {(known["source"], known["confidence"]) for known in way.rows if known["observed_at"] == newest}
    if placement.price_observed_at != newest or (placement.source, placement.confidence) not in seen:
        yield f"the price is of {placement.source}, {placement.price_observed_at}; the newest is of {seen}, {newest}"


def _transfer_faults(option: Option, edges: Sequence[Edge], chosen: Mapping[str, Way], market: Market) -> Iterator[str]:
    said = [(transfer.source_task, transfer.target_task, transfer.data_gb) for transfer in option.transfers]
    if said != [(edge.source, edge.target, edge.data_gb) for edge in edges]:
        yield "the transfers are not one for each edge in order"
        return
    for transfer in option.transfers:
        move = chosen[transfer.source_task].place, chosen[transfer.target_task].place, transfer.data_gb
        for what, figure, is_so in (
            ("egress", transfer.egress_usd, market.egress_usd(*move)),
            ("transfer", transfer.hours, market.transfer_h(*move)),
        ):
            if not _same(figure, is_so):
                yield f"{transfer.source_task} -> {transfer.target_task}: {what} {figure}, it is {is_so}"


def _ranking_faults(ranked: Sequence[tuple[str, Option, Figures | None]], workload: Workload) -> Iterator[str]:
    """Each option is no better than the one before it, and none occurs twice."""
    for (name, _, figures_a), (next_name, _, figures_b) in pairwise(ranked):
        if figures_a is not None and figures_b is not None and _before(figures_b, figures_a, workload):
            yield f"{next_name} {figures_b} is better than {name} {figures_a}"
    options = [option.placements for _, option, _ in ranked]
    if any(option in options[:number] for number, option in enumerate(options)):
        yield "an option occurs twice"


def _before(one: Figures, other: Figures, workload: Workload) -> bool:
    for a, b in zip(order_of(workload, one), order_of(workload, other), strict=True):
        if not _same(a, b):
            return a < b
    return False


def _comparison_faults(plan: Plan) -> Iterator[str]:
    kinds = [(option.placements[0].cloud, option.placements[0].purchase) for option in (plan.best, *plan.comparison)]
    if len(set(kinds)) < len(kinds):
        yield "the comparison holds two options of one cloud and purchase"


def _proof_faults(plan: Plan) -> Iterator[str]:
    proof = plan.proof
    objective = plan.best.cost_usd if plan.objective is Objective.COST else plan.best.hours
    if not _same(proof.objective, objective):
        yield f"the proof is of {proof.objective}, the best plan has {objective}"
    if not proof.method:
        yield "the proof names no method"
    if proof.status == "optimal" and (proof.bound != proof.objective or proof.gap != 0):
        yield f"optimal, with bound {proof.bound} and gap {proof.gap}"
    if proof.status == "feasible" and proof.bound is not None:
        gap = (proof.objective - proof.bound) / abs(proof.objective) if proof.objective else math.inf
        if proof.bound > proof.objective or proof.gap is None or not _same(proof.gap, gap):
            yield f"objective {proof.objective}, bound {proof.bound}: the gap is {gap}, not {proof.gap}"
    if proof.status not in {"optimal", "feasible"}:
        yield f"a plan cannot be {proof.status}"


def _count_faults(plan: Plan, workload: Workload, every: Sequence[Sequence[Way]], market: Market) -> Iterator[str]:
    if plan.candidates != sum(map(len, every)):
        yield f"{plan.candidates} candidates, there are {sum(map(len, every))}"
    for task, ways_of_task in zip(workload.tasks, every, strict=True):
        fell = sum(entry.offers for entry in plan.fell_out if entry.task == task.name)
        met = sum(len(way.rows) for way in ways_of_task)
        if fell + met != len(market.offers):
            yield f"{task.name}: {fell} offers fell out and {met} are candidates, of {len(market.offers)}"


def _assumption_faults(plan: Plan, workload: Workload, snapshot: Snapshot) -> Iterator[str]:
    """What the best plan had to take for granted is said."""
    market = Market(snapshot)
    place = {placement.task: (placement.cloud, placement.region) for placement in plan.best.placements}
    for edge in workload.edges:
        market.unknown.clear()
        market.egress_usd(place[edge.source], place[edge.target], edge.data_gb)
        market.transfer_h(place[edge.source], place[edge.target], edge.data_gb)
        for what in market.unknown:
            yield from _unsaid(plan, (f"{edge.source} -> {edge.target}", what, "not known"))
    for task, placement in zip(workload.tasks, plan.best.placements, strict=True):
        if _run_hours(task.estimate, placement.accelerator, placement.accelerator_count, task.num_nodes) is None:
            yield from _unsaid(plan, (task.name, "run time", "not known"))
        for url, gb in task.inputs.items():
            if gb:
                yield from _unsaid(plan, (task.name, url))
    for line in workload.assumptions:
        yield from _unsaid(plan, (line,))


def _unsaid(plan: Plan, words: Iterable[str]) -> Iterator[str]:
    if not any(all(word in line for word in words) for line in plan.assumptions):
        yield f"no assumption says: {', '.join(words)}"


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
