"""A second opinion on plans: everything that a plan says is worked out again (tests.kits.ways), in plain Python.

`faults` says in words what is wrong with a plan; `best_figures` finds the optimum by trying every choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise, product
from typing import Final

from catalog_data.snapshot import Snapshot
from engine.plan import Option, Placement, Plan
from engine.workload import Edge, Objective, Task, Workload
from tests.kits.choices import antichains_of, exceeded, figures, moved, order_of, within_limits
from tests.kits.cost_model import shares_a_month
from tests.kits.ways import Figures, Market, Way, homes, met, timed, undone, ways


def best_figures(workload: Workload, snapshot: Snapshot, now: datetime) -> Figures | None:
    """The best plan's figures at an instant, by trying every choice; None where none keeps the limits."""
    market = Market(snapshot, now)
    every = product(*(ways(task, workload, market) for task in workload.tasks))
    antichains = antichains_of(workload)
    kept = [figures(workload, each, market)[0] for each in every if within_limits(workload, each, market, antichains)]
    # Rounded: sums of the same figures in another order tie.
    return min(kept, key=lambda plan: [round(figure, 7) for figure in order_of(workload, plan)], default=None)


def figures_of_best(plan: Plan, workload: Workload, snapshot: Snapshot) -> Figures:
    """What the plan's best option comes to; ValueError where it is no option at all."""
    market = Market(snapshot, plan.created_at)
    every = [ways(task, workload, market) for task in workload.tasks]
    found, plan_figures = _option_faults(plan.best, workload, every, market, merged=len(every) == 1)
    if plan_figures is None:
        raise ValueError("; ".join(found))
    return plan_figures


def faults(plan: Plan, workload: Workload, snapshot: Snapshot) -> list[str]:
    """What is wrong with a plan of the workload (its deadline in hours from the plan's creation), in words."""
    market = Market(snapshot, plan.created_at)
    found = list(_header_faults(plan, workload, snapshot))
    every = [ways(task, workload, market) for task in workload.tasks]
    ranked = []
    for name, option in _named_options(plan):
        option_faults, option_figures = _option_faults(
            option, workload, every, market, merged="fallback" not in name and len(every) == 1
        )
        found += [f"{name}: {fault}" for fault in option_faults]
        ranked.append((name, option, option_figures))
    if any(option_figures is None for _, _, option_figures in ranked):
        return found
    found += _ranking_faults([entry for entry in ranked if entry[0].split()[0] in {"best", "alternative"}], workload)
    found += _ranking_faults([ranked[0], *(entry for entry in ranked if "comparison" in entry[0])], workload)
    found += _comparison_faults(plan)
    found += _fallback_faults(plan)
    found += _proof_faults(plan)
    found += _count_faults(plan, workload, every, market)
    found += _assumption_faults(plan, workload, snapshot)
    return found


def _named_options(plan: Plan) -> Iterator[tuple[str, Option]]:
    yield "best", plan.best
    yield from ((f"alternative {number + 1}", option) for number, option in enumerate(plan.alternatives))
    yield from ((f"comparison {number + 1}", option) for number, option in enumerate(plan.comparison))
    yield from ((f"fallback {number + 1}", fallback.option) for number, fallback in enumerate(plan.fallbacks))


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
        ("hourly budget", plan.limits.hourly_budget_usd, workload.hourly_budget_usd),
        ("carbon", plan.limits.carbon_kg, workload.carbon.limit_kg),
        ("chance of capacity", plan.limits.capacity, workload.chances.capacity),
        ("chance of no interruption", plan.limits.uninterrupted, workload.chances.uninterrupted),
        ("value of time", plan.charges.value_of_time_usd_h, workload.value_of_time_usd_h),
        ("price of carbon", plan.charges.carbon_usd_t, workload.carbon.price_usd_t),
        ("wishes", plan.charges.preferences, len(workload.preferences)),
    ):
        if said != is_so:
            yield f"{what}: the plan says {said}, it is {is_so}"


def _option_faults(
    option: Option, workload: Workload, every: Sequence[Sequence[Way]], market: Market, *, merged: bool
) -> tuple[list[str], Figures | None]:
    """What is wrong with an option, and its figures if it is one; `merged` if it stands for regions that are alike."""
    if [placement.task for placement in option.placements] != [task.name for task in workload.tasks]:
        return ["the placements are not one for each task in order"], None
    chosen, found = [], []
    for placement, task, ways_of_task in zip(option.placements, workload.tasks, every, strict=True):
        matches = [way for way in ways_of_task if _is_of(placement, way)]
        if len(matches) != 1:
            return [f"{placement.task}: {len(matches)} ways to run it are as the placement says"], None
        chosen.append(matches[0])
        found += [f"{placement.task}: {fault}" for fault in _placement_faults(placement, task, matches[0], market)]
        alike = _regions_alike(matches[0], ways_of_task) if merged else set()
        if set(placement.also_in) != alike or len(placement.also_in) != len(alike):
            found.append(f"{placement.task}: also in {placement.also_in}; the same for the same is in {alike}")
    plan_figures, start = figures(workload, chosen, market)
    said_figures = zip(
        ("cost", "hours", "charge"), (option.cost_usd, option.hours, option.charge_usd), plan_figures[1:], strict=True
    )
    found += [f"{what} {said}, it is {is_so}" for what, said, is_so in said_figures if not _same(said, is_so)]
    found += [
        f"{placement.task}: starts at {placement.start_h}, must at {begin}"
        for placement, begin in zip(option.placements, start, strict=True)
        if not _same(placement.start_h, begin)
    ]
    found += _transfer_faults(
        option, workload.edges, {task.name: way for task, way in zip(workload.tasks, chosen, strict=True)}, market
    )
    for antichains in (None, antichains_of(workload)):
        found += [f"beyond a limit: {words}" for words in exceeded(workload, chosen, market, antichains)]
    return found, plan_figures


def _is_of(placement: Placement, way: Way) -> bool:
    names = ("cloud", "region", "instance_type", "purchase", "price_usd_h")
    zones = tuple(sorted(row["zone"] for row in way.rows if row["zone"] is not None))
    return placement.zones == zones and all(getattr(placement, name) == way.rows[0][name] for name in names)


def _regions_alike(way: Way, others: Iterable[Way]) -> set[str]:
    """The other regions of the cloud that offer the same machine, as good, at the same price and cost."""
    return {
        other.place[1]
        for other in others
        if other.place[0] == way.place[0]
        and other.place != way.place
        and other.requirement == way.requirement
        and all(other.rows[0][name] == way.rows[0][name] for name in ("instance_type", "purchase", "price_usd_h"))
        and all(
            _same(getattr(other, name), getattr(way, name))
            for name in ("hours", "input_h", "cost_usd", "surcharge_usd")
        )
    }


def _placement_faults(placement: Placement, task: Task, way: Way, market: Market) -> Iterator[str]:
    row = way.rows[0]
    available = [known["available"] for known in way.rows if known["available"] is not None]
    levels = [level for known in way.rows if (level := market.capacity(known)) is not None]
    spot = placement.purchase == "spot"
    band = shares_a_month(market.risks.get((row["cloud"], row["region"], row["instance_type"])) if spot else None)
    for what, said, is_so in (
        ("num_nodes", placement.num_nodes, task.num_nodes),
        ("vcpus", placement.vcpus, row["vcpus"]),
        ("memory", placement.memory_gib, row["memory_gib"]),
        ("accelerator", placement.accelerator, row["accelerator"]),
        ("accelerators", placement.accelerator_count, row["accelerator_count"]),
        ("available", placement.available, True if available else None),
        ("capacity", placement.capacity, max(levels, default=None)),
    ):
        if said != is_so:
            yield f"{what} {said}, it is {is_so}"
    for what, said_figure, figure in (
        ("least interruptions", placement.interruption_low, band[0]),
        ("most interruptions", placement.interruption_high, band[1]),
        ("setup", placement.setup_h, way.setup_h),
        ("hours", placement.hours, way.hours),
        ("waiting", placement.wait_h, way.wait_h),
        ("billed hours", placement.billed_h, way.billed_h),
        ("inputs", placement.input_usd, way.input_usd),
        ("inputs' arrival", placement.input_h, way.input_h),
        ("disk", placement.disk_usd, way.disk_usd),
        ("cost", placement.cost_usd, way.cost_usd),
        ("carbon", placement.carbon_kg, way.carbon_kg),
        ("chance", placement.chance, way.chance),
        ("expected interruptions", placement.interruptions, way.interruptions),
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
    for transfer, edge in zip(option.transfers, edges, strict=True):
        egress_usd, hours = moved(edge, chosen[edge.source], chosen[edge.target], market)
        for what, figure, is_so in (("egress", transfer.egress_usd, egress_usd), ("transfer", transfer.hours, hours)):
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


def _fallback_faults(plan: Plan) -> Iterator[str]:
    """Each differs from the best as it says, and the chances multiply: what is left of 1 is that all fail."""
    fails = 1 - _chance(plan.best)
    # Only owned machines need not differ; not all can be bought in another way.
    differing = [number for number, each in enumerate(plan.best.placements) if each.purchase != "owned"]
    for number, fallback in enumerate(plan.fallbacks):
        fails *= 1 - fallback.chance
        pairs = [(plan.best.placements[task], fallback.option.placements[task]) for task in differing]
        differ = [_fails_with(one, fallback.differs_in) != _fails_with(two, fallback.differs_in) for one, two in pairs]
        if not (any(differ) if fallback.differs_in == "purchase" else all(differ)):
            yield f"fallback {number + 1} is not of another {fallback.differs_in} than the best"
        alone = _chance(fallback.option)
        if not 0 <= fallback.chance <= alone * (1 + 1e-9):
            yield f"fallback {number + 1}: its chance is {fallback.chance} after others failed, and {alone} by itself"
    if not _same(1 - plan.chance, fails):
        yield f"the chance of all options is {plan.chance}, it is {1 - fails}"


def _chance(option: Option) -> float:
    """Tasks that ask for the same machines in the same place and zone ask once."""
    asked = {
        (*_fails_with(placement, "zone"), placement.instance_type, placement.purchase): placement.chance
        for placement in option.placements
    }
    return math.prod(asked.values())


def _fails_with(placement: Placement, scope: str) -> tuple[object, ...]:
    """The zone (the first), the region, the cloud or the purchase of a placement."""
    region = placement.cloud, placement.region
    scopes: Mapping[str, tuple[object, ...]] = {
        "zone": (*region, placement.zones[:1]),
        "region": region,
        "cloud": region[:1],
        "purchase": (placement.purchase,),
    }
    return scopes[scope]


def _proof_faults(plan: Plan) -> Iterator[str]:
    proof = plan.proof
    objective = plan.best.charge_usd if plan.objective is Objective.COST else plan.best.hours
    if not _same(proof.objective, objective):
        yield f"the proof is of {proof.objective}, the best plan has {objective}"
    if not proof.method:
        yield "the proof names no method"
    if proof.status == "optimal" and (proof.bound != proof.objective or proof.gap != 0):
        yield f"optimal, with bound {proof.bound} and gap {proof.gap}"
    if proof.status == "feasible":
        gap = (proof.objective - proof.bound) / abs(proof.objective) if proof.objective else math.inf
        if proof.bound > proof.objective or not _same(proof.gap, gap):
            yield f"objective {proof.objective}, bound {proof.bound}: the gap is {gap}, not {proof.gap}"
    if proof.status not in {"optimal", "feasible"}:
        yield f"a plan cannot be {proof.status}"


def _count_faults(plan: Plan, workload: Workload, every: Sequence[Sequence[Way]], market: Market) -> Iterator[str]:
    """Every offer is a candidate or fell out; of a single task, those that no limit excludes are candidates."""
    kept = 0
    for task, ways_of_task in zip(workload.tasks, every, strict=True):
        beyond = _beyond_limits(workload, ways_of_task, market) if len(every) == 1 else {}
        kept += len(ways_of_task) - sum(map(len, beyond.values()))
        timed_ways = timed(task, workload, market)
        with_hours, candidates = _offers(timed_ways), _offers(ways_of_task)
        counts = {
            "without a run time in the estimate": len(list(met(task, workload, market))) - with_hours,
            **{
                reason: _offers(way for way in timed_ways if undone(way, task) == reason)
                for reason in ("interrupted too often ever to be done", "too long for spot without checkpoints")
            },
            **{reason: _offers(beyond.get(limit, ())) for limit, reason in REASONS.items()},
        }
        for reason, is_so in counts.items():
            said = sum(entry.offers for entry in plan.fell_out if (entry.task, entry.reason) == (task.name, reason))
            if said != is_so:
                yield f"{task.name}: {said} offers {reason}, there are {is_so}"
        fell = sum(entry.offers for entry in plan.fell_out if entry.task == task.name)
        candidates -= sum(map(_offers, beyond.values()))
        offers = _in_question(task, market)
        if fell + candidates != offers:
            yield f"{task.name}: {fell} offers fell out and {candidates} are candidates, of {offers}"
    if plan.candidates != kept:
        yield f"{plan.candidates} candidates, there are {kept}"


def _in_question(task: Task, market: Market) -> int:
    """How many offers there are with an accelerator that the task names; all of them, where it can do without."""
    named = {requirement.accelerator and requirement.accelerator.name for requirement in task.requirements}
    asked = sum(row["accelerator"] in named for row in market.offers)
    return asked if asked and None not in named else len(market.offers)


REASONS: Final = {
    "deadline": "too slow for the deadline",
    "budget": "too dear for the budget",
    "chance of capacity": "beyond the limit of chance of capacity",
    "chance of no interruption": "beyond the limit of chance of no interruption",
    "carbon": "beyond the limit of carbon",
    "hourly budget": "beyond the limit of hourly budget",
}
"""What is said of an offer beyond a limit, by the first that it does not keep."""


def _beyond_limits(workload: Workload, ways_of_task: Sequence[Way], market: Market) -> dict[str, list[Way]]:
    """The ways to run a single task by the first limit that they do not keep."""
    found: dict[str, list[Way]] = {}
    for way in ways_of_task:
        broken = {words.split(":")[0] for words in exceeded(workload, [way], market)}
        if broken:
            found.setdefault(next(limit for limit in REASONS if limit in broken), []).append(way)
    return found


def _offers(some: Iterable[Way]) -> int:
    return sum(len(way.rows) for way in some)


def _assumption_faults(plan: Plan, workload: Workload, snapshot: Snapshot) -> Iterator[str]:
    """What the best plan had to take for granted is said."""
    market = Market(snapshot, plan.created_at)
    place = {placement.task: (placement.cloud, placement.region) for placement in plan.best.placements}
    nothing = {placement.task for placement in plan.best.placements if placement.disk_usd is None}
    for name in nothing:
        yield from _unsaid(plan, (name, "disks", "unknown price"))
    for edge in workload.edges:
        market.unknown.clear()
        market.egress_usd(place[edge.source], place[edge.target], edge.data_gb)
        market.transfer_h(place[edge.source], place[edge.target], edge.data_gb)
        for what in market.unknown:
            yield from _unsaid(plan, (f"{edge.source} -> {edge.target}", what, "not known"))
    for task in workload.tasks:
        if task.estimate is None:
            yield from _unsaid(plan, (task.name, "run time", "not known"))
        for url, gb in task.inputs.items():
            if gb:
                yield from _unsaid(plan, (task.name, url))
    for line in workload.assumptions:
        yield from _unsaid(plan, (line,))
    yield from _move_faults(plan, workload, market)


def _move_faults(plan: Plan, workload: Workload, market: Market) -> Iterator[str]:
    """That egress is billed without allowances is said where data moves, and at what speed where that is a default."""
    moves = set()
    for _, option in _named_options(plan):
        place = {placement.task: (placement.cloud, placement.region) for placement in option.placements}
        moves |= {(place[edge.source], place[edge.target]) for edge in workload.edges if edge.data_gb}
        moves |= {(home, place[t.name]) for t in workload.tasks for home, _ in homes(t) if home[0] != place[t.name][0]}
    moves = {(source, target) for source, target in moves if source != target}
    told = any("free monthly allowances are not counted" in line for line in plan.assumptions)
    if told is not bool(moves):
        yield f"{'' if told else 'not '}said that allowances are not counted, with {len(moves)} moves"
    for source, target in moves:
        market.unknown.clear()
        hours = market.transfer_h(source, target, 1.0)
        if not market.unknown and (":".join(source), ":".join(target)) not in market.links:
            yield from _unsaid(plan, ("data moves between regions", f"{8 / 3600 / hours:g} Gbit/s", "one machine"))


def _unsaid(plan: Plan, words: Iterable[str]) -> Iterator[str]:
    if not any(all(word in line for word in words) for line in plan.assumptions):
        yield f"no assumption says: {', '.join(words)}"


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
