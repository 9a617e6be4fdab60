"""Whether prices have moved since a plan was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from engine.plan import Placement, Plan


@dataclass(frozen=True)
class Drift:
    """The price of a placement's machines, when it was planned and now; None where nobody offers them any more."""

    placement: Placement
    now_usd_h: float | None

    @property
    def share(self) -> float:
        """By how much of the planned price it is higher (lower, below 0) now; infinite where it is offered no more."""
        planned_usd_h = self.placement.price_usd_h
        if self.now_usd_h is None:
            return float("inf")
        if planned_usd_h == 0:
            return 0.0 if self.now_usd_h == 0 else float("inf")
        return self.now_usd_h / planned_usd_h - 1


def drifts(plan: Plan, offers: pl.DataFrame) -> Iterator[Drift]:
    """Each placement of the best option whose price is another by these offers (rows of the newest snapshot)."""
    for placement in plan.best.placements:
        found = offers.filter(
            pl.col("cloud") == placement.cloud,
            pl.col("region") == placement.region,
            pl.col("instance_type") == placement.instance_type,
            pl.col("purchase") == placement.purchase.value,
            pl.col("price_usd_h").is_not_null(),
        )
        if placement.zones:
            found = found.filter(pl.col("zone").is_null() | pl.col("zone").is_in(placement.zones))
        lowest = found["price_usd_h"].min()
        now_usd_h = float(lowest) if isinstance(lowest, int | float) else None
        if now_usd_h != placement.price_usd_h:
            yield Drift(placement, now_usd_h)
