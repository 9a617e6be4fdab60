"""What the disk that a task asks for costs beside its machine.

A cloud's rate is that of the network disk that its machines get unless another is asked for, in the region whose price
its page shows; regions differ by up to half, and disks that are sold in steps of size (Azure's) cost a little more than
their GiB. A cloud whose machines come with their disk bills nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import polars as pl

from catalog_data.schema import Purchase
from engine.billing import HOURS_A_MONTH


@dataclass(frozen=True)
class DiskRate:
    """The rate of a cloud's usual disk, of the `kind` and in the region named, in USD per GiB and month of 730 hours.

    `page` states it; `as_of` is the date of the page, or the day on which its stored copy was read.
    """

    usd_gib_month: float
    kind: str
    page: str
    as_of: date


_READ: Final = date(2026, 11, 24)
_INCLUDED: Final = 0.0

DISK_RATES: Final[Mapping[str, DiskRate]] = MappingProxyType(
    {
        "aws": DiskRate(0.08, "EBS gp3, us-east-1", "aws.amazon.com/ebs/pricing", date(2026, 9, 29)),
        # 9.60 USD a month for 128 GiB (meter `E10 LRS Disk`).
        "azure": DiskRate(9.60 / 128, "Standard SSD E10, eastus", "prices.azure.com/api/retail/prices", _READ),
        "coreweave": DiskRate(
            _INCLUDED, "ephemeral, in the GPU's price", "docs.coreweave.com/resources/billing-and-charges", _READ
        ),
        # 3.00 USD a month for 30 GiB.
        "gcp": DiskRate(0.10, "pd-balanced, us-central1", "cloud.google.com/products/calculator", date(2023, 5, 18)),
        # What is billed is listed, and only file systems are among it.
        "lambda": DiskRate(_INCLUDED, "local", "docs.lambda.ai/public-cloud/billing", _READ),
        "nebius": DiskRate(0.071, "Network SSD", "docs.nebius.com/compute/resources/pricing", _READ),
        # 0.017 for the 10 performance units of the `balanced` volumes that are the default; the 0.0255 for the space
        # are quoted by others from the same page.
        "oci": DiskRate(
            0.0255 + 0.017, "block volume, balanced", "www.oracle.com/cloud/storage/block-volumes/pricing", _READ
        ),
        "runpod": DiskRate(0.10, "disk of a running pod", "docs.runpod.io/get-started/billing-information", _READ),
    }
)
"""The clouds of which a page states it; of all others the rate is not known."""


def disk_usd(disk_gib: pl.Expr | float, hours: pl.Expr) -> pl.Expr:
    """What `disk_gib` GiB of the usual disk of one machine cost in `hours` hours, by `cloud` and `purchase`.

    An owned machine's disk costs nothing more. Null where the cloud's rate, the size or the time is not known.
    """
    usd_gib_month = pl.col("cloud").replace_strict(
        {cloud: rate.usd_gib_month for cloud, rate in DISK_RATES.items()}, default=None, return_dtype=pl.Float64
    )
    rate = pl.when(pl.col("purchase") == Purchase.OWNED).then(_INCLUDED).otherwise(usd_gib_month)
    # GiB * $/(GiB month) * h / (h/month) = $
    return rate * disk_gib * hours / HOURS_A_MONTH
