"""The fallback chain of a plan: whole ways to run the workload that differ in what fails together.

The first step asks for the same machines in other zones, where every task has some. Then comes the best plan in which
no task is in a region that an option before it uses for the task, then in no such cloud, then the best one that is not
bought as the best plan is. Machines that the user owns do not fail: their tasks need not differ. Every option keeps the
user's limits, which leaves out the steps that would break one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

from catalog_data.schema import Purchase
from engine import chances
from engine.plan import Fallback, Option, Placement, Scope, asks

Find = Callable[[Sequence[pl.Series]], Option | None]
"""The best option among these candidates (rows, by task) that keeps the limits, None where there is none."""

COLUMNS: Final[dict[Literal["region", "cloud", "purchase"], tuple[str, ...]]] = {
    "region": ("cloud", "region"),
    "cloud": ("cloud",),
    "purchase": ("purchase",),
}


@dataclass(frozen=True)
class _Step:
    differs_in: Scope
    option: Option


def fallbacks_of(best: Option, frames: Sequence[pl.DataFrame], find: Find) -> tuple[Fallback, ...]:
    """The chain after the best option; `frames` are the tasks' candidates."""
    steps = list(_steps(best, frames, find))
    options = [best, *(step.option for step in steps)]
    return tuple(
        Fallback(
            differs_in=step.differs_in, option=step.option, chance=chance_after(step.option, options[: number + 1])
        )
        for number, step in enumerate(steps)
    )


def chance_of_chain(best: Option, fallbacks: Sequence[Fallback]) -> float:
    """The chance that one of the options is got when they are tried in turn."""
    return 1 - (1 - best.chance) * math.prod(1 - fallback.chance for fallback in fallbacks)


def chance_after(option: Option, failed: Sequence[Option]) -> float:
    """The chance that all machines of an option are got, given that those tried before it failed.

    An option fails by one of its asks, and it is ask a with the weight w_a = (1 - p_a) / sum (1 - p): to first order in
    1 - p. Then each ask b of the option here succeeds with p_b (1 - rho_ab), rho being what the two share
    (`chances.overlap`): sum_a w_a prod_b p_b (1 - rho_ab). Of several that failed the one counts that leaves the least,
    as in `chances.chain_chance`, of which this is the same for options of one ask.
    """
    wanted = _as_chances(option)
    least = option.chance
    for other in failed:
        missed = _as_chances(other)
        short = math.fsum(1 - ask.chance for ask in missed)
        if short > 0:
            got = (math.prod(ask.chance * (1 - chances.overlap(miss, ask)) for ask in wanted) for miss in missed)
            least = min(least, math.fsum((1 - m.chance) / short * g for m, g in zip(missed, got, strict=True)))
    return least


def _as_chances(option: Option) -> list[chances.Option]:
    return [
        chances.Option(
            ask.cloud,
            ask.region,
            ask.zones[0] if ask.zones else None,
            ask.instance_type,
            ask.accelerator,
            ask.purchase,
            ask.chance,
        )
        for ask in asks(option)
    ]


def _steps(best: Option, frames: Sequence[pl.DataFrame], find: Find) -> Iterator[_Step]:
    """Each option that there is, with what it differs in from those before it."""
    options = [best]
    if all(placement.purchase is Purchase.OWNED for placement in best.placements):
        return
    elsewhere = _in_other_zones(best)
    if elsewhere is not None:
        yield _Step("zone", elsewhere)
    for scope in COLUMNS:
        before = [best] if scope == "purchase" else options
        rows = [_rest(frame, COLUMNS[scope], _used(before, task)) for task, frame in enumerate(frames)]
        if scope == "purchase" and any(some.len() for some in rows):
            # A task that can be bought in one way only is bought in that way again.
            every = [pl.arange(frame.height, eager=True) for frame in frames]
            rows = [some if some.len() else all_of_task for some, all_of_task in zip(rows, every, strict=True)]
        option = find(rows) if all(some.len() for some in rows) else None
        if option is not None and _machines(option) not in map(_machines, options):
            options.append(option)
            yield _Step(scope, option)


def _in_other_zones(best: Option) -> Option | None:
    """The best option without the first zone of each task, where each has others with the same at the same price."""
    may_fail = [placement for placement in best.placements if placement.purchase is not Purchase.OWNED]
    if any(len(placement.zones) < 2 for placement in may_fail):
        return None
    return replace(
        best,
        placements=tuple(
            replace(placement, zones=placement.zones[1:], also_in=()) if placement in may_fail else placement
            for placement in best.placements
        ),
    )


def _used(options: Sequence[Option], task: int) -> list[Placement]:
    """Where a task stands in the options, unless it is on machines that the user owns."""
    placements = [option.placements[task] for option in options]
    return [placement for placement in placements if placement.purchase is not Purchase.OWNED]


def _rest(frame: pl.DataFrame, columns: Sequence[str], used: Sequence[Placement]) -> pl.Series:
    """The rows that have in the columns what no placement has."""
    avoids = pl.repeat(value=True, n=pl.len())
    for placement in used:
        avoids &= ~pl.all_horizontal(pl.col(column) == str(getattr(placement, column)) for column in columns)
    return frame.select(avoids.arg_true().cast(pl.Int64).alias("row"))["row"]


def _machines(option: Option) -> list[tuple[str, ...]]:
    """What an option asks for, by task."""
    return [(ask.cloud, ask.region, ask.instance_type, str(ask.purchase)) for ask in option.placements]
