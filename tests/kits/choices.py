"""What a choice of ways comes to, and whether it keeps what limits a plan: in plain Python, from the definitions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.workload import Edge, Objective, Workload
from tests.kits.ways import NEAR, Figures, Market, Way, taken_of


def figures(workload: Workload, chosen: Sequence[Way], market: Market) -> tuple[Figures, list[float]]:
    """What a choice comes to, and when each task's machines are asked for."""
    number = {task.name: index for index, task in enumerate(workload.tasks)}
    start = [way.input_h for way in chosen]
    cost = sum(way.cost_usd for way in chosen)
    # Tasks stand in topological order: a task's start is final when the edges into it have been seen.
    for edge in sorted(workload.edges, key=lambda edge: number[edge.target]):
        source, target = number[edge.source], number[edge.target]
        egress_usd, transfer_h = moved(edge, chosen[source], chosen[target], market)
        cost += egress_usd
        start[target] = max(start[target], start[source] + chosen[source].busy_h + transfer_h)
    makespan = max(begin + way.busy_h for begin, way in zip(start, chosen, strict=True))
    steps = sum(way.requirement for way, task in zip(chosen, workload.tasks, strict=True) if task.ordered)
    surcharge = sum(way.surcharge_usd for way in chosen)
    return Figures(steps, cost, makespan, cost + surcharge + workload.value_of_time_usd_h * makespan), start


def moved(edge: Edge, source: Way, target: Way, market: Market) -> tuple[float, float]:
    """What an edge's data costs and takes: the nodes of the smaller end send or receive side by side."""
    streams = min(source.nodes, target.nodes)
    return (
        market.egress_usd(source.place, target.place, edge.data_gb),
        market.transfer_h(source.place, target.place, edge.data_gb, streams),
    )


def order_of(workload: Workload, plan: Figures) -> tuple[float, ...]:
    """The figures in the order in which plans are compared; charge and cost are the same where nothing is charged."""
    if workload.objective is Objective.COST:
        return plan.steps, plan.charge_usd, plan.cost_usd, plan.hours
    return plan.steps, plan.hours, plan.charge_usd, plan.cost_usd


def within_limits(
    workload: Workload, chosen: Sequence[Way], market: Market, antichains: Sequence[Sequence[int]] | None = None
) -> bool:
    """Whether a choice keeps all limits; what is taken at once is counted over `antichains` if they are given."""
    return next(exceeded(workload, chosen, market, antichains), None) is None


def exceeded(
    workload: Workload, chosen: Sequence[Way], market: Market, antichains: Sequence[Sequence[int]] | None = None
) -> Iterator[str]:
    """Which limits a choice does not keep, with what it comes to.

    What runs at one time is known from when tasks start and end. A plan promises more: whatever the hours, tasks none
    of which waits for another take no more (`antichains_of`).
    """
    plan, start = figures(workload, chosen, market)
    ends = [begin + way.busy_h for begin, way in zip(start, chosen, strict=True)]
    groups = list(_at_one_time(start, ends)) if antichains is None else antichains
    for name, taken, most in _in_all(workload, plan, chosen):
        if most is not None and not taken <= most + NEAR * max(1.0, abs(most)):
            yield f"{name}: {taken} of {most}"
    for name, loads, most in _at_once(workload, chosen, market):
        taken = max(sum(loads[task] for task in group) for group in groups)
        if taken > most + NEAR * max(1.0, most):
            yield f"{name}: {taken} of {most} at once"


def _at_one_time(start: Sequence[float], ends: Sequence[float]) -> Iterator[list[int]]:
    """For each task those that run when it starts, itself among them."""
    for begin in start:
        yield [
            task
            for task, (other, end) in enumerate(zip(start, ends, strict=True))
            # What ends as another starts has made room for it, but for rounding.
            if other <= begin + NEAR and (end > begin + NEAR or other == begin)
        ]


def _in_all(workload: Workload, plan: Figures, chosen: Sequence[Way]) -> Iterator[tuple[str, float, float | None]]:
    chances, carbon = workload.chances, workload.carbon
    yield "budget", plan.cost_usd, workload.budget_usd
    yield "deadline", plan.hours, workload.deadline_hours
    yield "carbon", sum(math.inf if way.carbon_kg is None else way.carbon_kg for way in chosen), carbon.limit_kg
    # That something happens is as likely as that it does not is not: turned, so that less is better.
    if chances.capacity is not None:
        yield "chance of capacity", -math.prod(way.chance for way in chosen), -chances.capacity
    if chances.uninterrupted is not None:
        stays = math.exp(-sum(way.hazard or 0.0 for way in chosen))
        yield "chance of no interruption", -stays, -chances.uninterrupted


def _at_once(workload: Workload, chosen: Sequence[Way], market: Market) -> Iterator[tuple[str, list[float], float]]:
    """Money an hour, quotas, and the machines that there are in the zones of a way: what each task takes, and the most.

    Of a single task every offer is held against the last two by itself (`tests.kits.ways.met`).
    """
    if workload.hourly_budget_usd is not None:
        yield "hourly budget", [way.nodes * way.rows[0]["price_usd_h"] for way in chosen], workload.hourly_budget_usd
    if len(chosen) == 1:
        return
    for quota in market.snapshot.quotas:
        yield quota.name, [taken_of(way.rows[0], way.nodes, quota) for way in chosen], quota.limit
    for pool in chosen:
        if pool.quantity is not None:
            drawn = [float(way.nodes * _draws_on(way, pool)) for way in chosen]
            yield f"{kind(pool)} in {sorted(map(str, pool.zones))}", drawn, pool.quantity


def kind(way: Way) -> tuple[object, ...]:
    """What there is a number of."""
    row = way.rows[0]
    return (*way.place, row["instance_type"], row["purchase"], row["price_usd_h"])


def _draws_on(way: Way, pool: Way) -> bool:
    """Whether a way has its machines from the zones of a pool alone."""
    return kind(way) == kind(pool) and way.quantity is not None and way.zones <= pool.zones


def antichains_of(workload: Workload) -> list[list[int]]:
    """All sets of tasks none of which waits for another, and to which no task could be added.

    They are the maximal cliques of the graph whose edges are the pairs that do not wait (Bron and Kerbosch 1973).
    """
    number = {task.name: index for index, task in enumerate(workload.tasks)}
    after: dict[int, set[int]] = {}
    for task in reversed(workload.tasks):
        later = {number[edge.target] for edge in workload.edges if edge.source == task.name}
        after[number[task.name]] = later.union(*(after[target] for target in later))
    beside = {a: {b for b in after if b != a and a not in after[b] and b not in after[a]} for a in after}

    def extended(chosen: list[int], left: set[int], seen: set[int]) -> Iterator[list[int]]:
        if not left and not seen:
            yield chosen
            return
        pivot = max(left | seen, key=lambda task: len(beside[task] & left))
        for task in sorted(left - beside[pivot]):
            yield from extended([*chosen, task], left & beside[task], seen & beside[task])
            left, seen = left - {task}, seen | {task}

    return list(extended([], set(after), set()))
