"""By how much the time that a machine is occupied is rounded up on the bill.

A cloud bills whole units of time, and often a minimum for each start; no page makes a difference between the ways to
buy. What is paid whether machines run or not (a reservation, a capacity block) is no matter of metering, and not
decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import polars as pl

from engine.status import ROUNDING

HOURS_A_MONTH: Final = 730.0
"""The hours that a monthly rate stands for."""
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Billing:
    """How a cloud meters a machine: in units of `granularity_s` seconds, and `minimum_s` seconds at least.

    `page` states it; `as_of` is the date of the page, or the day on which its stored copy was read.
    """

    granularity_s: float
    minimum_s: float
    page: str
    as_of: date


_READ: Final = date(2026, 11, 24)

BILLING: Final[Mapping[str, Billing]] = MappingProxyType(
    {
        # Linux; on demand, reserved and spot alike.
        "aws": Billing(
            1.0,
            _MINUTE_S,
            "aws.amazon.com/about-aws/whats-new/2017/10/announcing-amazon-ec2-per-second-billing",
            date(2017, 10, 2),
        ),
        # The minimum, for all sizes and purchases, came on 1 June 2025.
        "azure": Billing(1.0, 5 * _MINUTE_S, "learn.microsoft.com/answers/questions/2259765", date(2025, 4, 21)),
        "coreweave": Billing(_MINUTE_S, 0.0, "docs.coreweave.com/resources/billing-and-charges", _READ),
        # Or 0.01 USD if that is more, which matters below 0.60 USD/h and is not counted.
        "digitalocean": Billing(
            1.0,
            _MINUTE_S,
            "www.digitalocean.com/community/questions/how-billing-works-for-1-hour",
            date(2026, 1, 1),
        ),
        "gcp": Billing(1.0, _MINUTE_S, "cloud.google.com/compute/vm-instance-pricing", _READ),
        "ibm": Billing(1.0, 0.0, "cloud.ibm.com/docs/vpc?topic=vpc-suspend-billing", _READ),
        "lambda": Billing(_MINUTE_S, 0.0, "docs.lambda.ai/public-cloud/billing", _READ),
        "nebius": Billing(1.0, 0.0, "docs.nebius.com/object-storage/resources/pricing", _READ),
        # Virtual machines; bare metal has a minimum of its own. The page repeats Oracle's announcement.
        "oci": Billing(
            1.0,
            _MINUTE_S,
            "the-report.cloud/oracle-announcing-per-second-billing-for-compute-and-autonomous-database",
            _READ,
        ),
        "runpod": Billing(1.0, 0.0, "docs.runpod.io/pods/pricing", _READ),
        "vast": Billing(1.0, 0.0, "vast.ai/docs/billing/billing", _READ),
        "vultr": Billing(
            _HOUR_S,
            _HOUR_S,
            "docs.vultr.com/support/platform/billing/how-am-i-billed-for-my-servers",
            date(2025, 9, 15),
        ),
    }
)
"""The clouds of which a page states it; all others bill what is occupied, as far as is known."""

BARE_METAL_MINIMUM_S: Final = _HOUR_S
"""The minimum of OCI's bare metal, whose shapes are called `BM.*` (the page of `oci`)."""


def billed_h(occupied_h: pl.Expr) -> pl.Expr:
    """The hours on the bill of one machine that is occupied without a break for `occupied_h` hours.

    max(minimum, ceil(occupied / granularity) * granularity) by the columns `cloud` and `instance_type`. An excess over
    whole units that rounding alone explains starts no further unit. A cloud without a known rule bills what is
    occupied; null stays null.
    """
    granularity_s = _of_cloud({cloud: rule.granularity_s for cloud, rule in BILLING.items()})
    # h * s/h / s = units
    units = (occupied_h * _HOUR_S / granularity_s * (1 - ROUNDING)).ceil()
    metered_h = (
        pl.when(occupied_h.is_not_null()).then(pl.max_horizontal(units * granularity_s, _minimum_s())).truediv(_HOUR_S)
    )
    return pl.when(granularity_s.is_null()).then(occupied_h).otherwise(metered_h)


def _minimum_s() -> pl.Expr:
    bare_metal = (pl.col("cloud") == "oci") & pl.col("instance_type").str.starts_with("BM.")
    minimum_s = _of_cloud({cloud: rule.minimum_s for cloud, rule in BILLING.items()})
    return pl.when(bare_metal).then(BARE_METAL_MINIMUM_S).otherwise(minimum_s)


def _of_cloud(figures: Mapping[str, float]) -> pl.Expr:
    return pl.col("cloud").replace_strict(figures, default=None, return_dtype=pl.Float64)
