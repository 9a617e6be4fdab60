"""The chance that a machine is got when it is asked for, and that one of a chain of fallbacks is.

The figures here are priors, to be replaced by models that are fitted to what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from catalog_data.schema import Purchase

HELD: Final = (Purchase.OWNED, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y, Purchase.CAPACITY_BLOCK)
"""Machines that are there, or promised."""

LEAST: Final = 0.05
MOST: Final = 0.98
"""An observed level is a signal, no share of requests that succeed: it neither rules a launch out nor promises it."""

SPOT_ACCELERATOR: Final = 0.5
"""Prior: the mean over 17 series of AWS (9 zones, K80 and V100, one and eight GPUs, 2022 and 2023) of the share of time
in which a spot machine could be had is 0.54, from 0.11 to 0.89 (traces of Wu et al., "Can't Be Late", NSDI 2024)."""
SPOT_OTHER: Final = 0.9
"""Prior that no measurement backs."""
ON_DEMAND_ACCELERATOR: Final = 0.8
"""Prior that no measurement backs: launches on demand are known to fail for want of accelerators, not how often."""
ON_DEMAND_OTHER: Final = 0.98
"""Prior that no measurement backs."""


def chance_to_get() -> pl.Expr:
    """The chance to get one machine, by `purchase`, `accelerator` and the observed `capacity` (0 to 1); never null.

    1 for what is held. Else the observed level as if it were the chance, from `LEAST` to `MOST`; where nobody has
    looked, the prior of the purchase.
    """
    accelerated = pl.col("accelerator").is_not_null()
    spot = pl.when(accelerated).then(SPOT_ACCELERATOR).otherwise(SPOT_OTHER)
    on_demand = pl.when(accelerated).then(ON_DEMAND_ACCELERATOR).otherwise(ON_DEMAND_OTHER)
    prior = pl.when(pl.col("purchase") == Purchase.SPOT).then(spot).otherwise(on_demand)
    observed = pl.col("capacity").clip(LEAST, MOST)
    return pl.when(pl.col("purchase").is_in(HELD)).then(1.0).otherwise(pl.coalesce(observed, prior))


@dataclass(frozen=True)
class Option:
    """One of a chain of fallbacks, with the `chance` to get it by itself.

    `zone` is None where any zone of the region will do, `accelerator` where there is none.
    """

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    accelerator: str | None
    purchase: Purchase
    chance: float


SAME_TYPE_IN_REGION: Final = 0.45
SAME_ACCELERATOR_IN_REGION: Final = 0.3
SAME_IN_CLOUD: Final = 0.2
"""By how much of itself the chance of one spot machine falls when another is known to be missing, for the same type in
another zone, for another type with the same accelerator, and for either in another region. Measured on the traces of
`SPOT_ACCELERATOR`: 0.50 (2022) and 0.43 (2023); 0.29; 0.23. For another accelerator in the same zone it was 0.0."""
SAME_CLOUD: Final = 0.05
"""Anything else of the same cloud: what a quota or an outage takes away at once; not measured."""
OTHER_PURCHASE: Final = 0.5
"""How much of that is left where the two are bought in different ways; not measured."""


def overlap(failed: Option, option: Option) -> float:
    """By how much of itself (0 to 1) the chance to get `option` falls when `failed` could not be had.

    What is held is there whatever else is missing.
    """
    if failed.cloud != option.cloud or option.purchase in HELD:
        return 0.0
    shared = _shared_within_cloud(failed, option)
    return shared if failed.purchase == option.purchase else OTHER_PURCHASE * shared


def _shared_within_cloud(failed: Option, option: Option) -> float:
    same_type = failed.instance_type == option.instance_type
    alike = same_type or (failed.accelerator is not None and failed.accelerator == option.accelerator)
    if failed.region != option.region:
        return SAME_IN_CLOUD if alike else SAME_CLOUD
    if same_type:
        # Any zone of the region has failed where no zone was named.
        return 1.0 if failed.zone in {None, option.zone} else SAME_TYPE_IN_REGION
    return SAME_ACCELERATOR_IN_REGION if alike else SAME_CLOUD


def chain_chance(options: Sequence[Option]) -> float:
    """The chance that at least one of the options can be had when they are tried in turn; 0 for none.

    After others have failed, an option of chance p succeeds with p' = p (1 - rho), rho being its largest overlap with
    one of them, and the chain with 1 - prod(1 - p').
    """
    fails = (
        1 - option.chance * (1 - max((overlap(failed, option) for failed in options[:number]), default=0.0))
        for number, option in enumerate(options)
    )
    return 1 - math.prod(fails)
