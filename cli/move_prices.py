"""What moving a job's checkpoint between zones costs: by the catalog's rates of egress, else by the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeAlias

import numpy as np

from cli.errors import CommandError
from cli.wiring import snapshot_for
from engine.spot_market import Figures, Trace
from engine.trace_fields import cloud_of, region_of
from engine.trace_windows import ScenarioRun
from engine.transfers import place, transfers

Ends: TypeAlias = tuple[str, str]
"""From which place to which; a zone of unknown form is a place of its own."""


@dataclass(frozen=True)
class MovePrices:
    """What a move costs in USD between each two places of a market, and of which of them the user named the rate."""

    usd: Mapping[Ends, float]
    assumed: frozenset[Ends] = frozenset()

    def move_usd(self, market: Sequence[Trace]) -> Figures:
        """Between the zones of a market, (Z, Z) in USD as `SpotMarket` has it; within one region nothing."""
        places = [_place_of(trace) for trace in market]
        return np.array([[self.usd.get((source, target), 0.0) for target in places] for source in places])


def move_prices(stretches: Sequence[ScenarioRun], checkpoint_gb: float, egress_usd_gb: float | None) -> MovePrices:
    """The prices of all moves between the regions of the markets.

    Args:
        stretches: of the markets.
        checkpoint_gb: what a move carries.
        egress_usd_gb: the rate between places of which the catalog knows none; None refuses them.
    """
    ends = ends_of(stretches)
    if not ends or checkpoint_gb == 0:
        return MovePrices(dict.fromkeys(ends, 0.0))
    places = list(dict.fromkeys(source for source, _ in ends))
    rows = transfers(snapshot_for([], None, whole=True), checkpoint_gb, places, places)
    found = {(src, dst): usd for src, dst, usd in rows.select("src", "dst", "egress_usd").iter_rows()}
    unknown = [pair for pair in ends if found[pair] is None]
    if unknown and egress_usd_gb is None:
        source, target = unknown[0]
        more = f", nor of {len(unknown) - 1} more such moves" if len(unknown) > 1 else ""
        raise CommandError(
            f"the catalog knows no rate of egress from {source} to {target}{more}",
            hint="say with --egress what a GB costs where it knows none",
        )
    assumed_usd = checkpoint_gb * (egress_usd_gb or 0.0)
    return MovePrices({pair: assumed_usd if found[pair] is None else found[pair] for pair in ends}, frozenset(unknown))


def ends_of(stretches: Sequence[ScenarioRun]) -> list[Ends]:
    """All moves between two regions of one market, in the order in which they occur."""
    found: dict[Ends, None] = {}
    for stretch in stretches:
        places = dict.fromkeys(map(_place_of, stretch.traces))
        found |= dict.fromkeys(permutations(places, 2))
    return list(found)


def _place_of(trace: Trace) -> str:
    cloud = cloud_of(trace.zone)
    return trace.zone if cloud is None else place(cloud, region_of(trace.zone))
