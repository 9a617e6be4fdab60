"""How much the embedded catalog covers, as a table: one line for each cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase

PURCHASES: Final = (Purchase.ON_DEMAND, Purchase.SPOT, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y)
ALL: Final = "all"


def coverage(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row for each cloud with offers, most offers first, and one for all.

    Columns: cloud; regions, zones, types and accelerators (models) on offer; offers of each purchase that have a price;
    unpriced offers; oldest and newest observation; share of the priced offers of each confidence, in per cent.
    """
    offers, machines = tables[OFFERS.name], tables[INSTANCE_TYPES.name]
    rows = offers.join(
        machines.select("cloud", "instance_type", "accelerator"), on=("cloud", "instance_type"), how="left"
    )
    everything = rows.with_columns(
        # Names are a cloud's own: two clouds may each have a `us-east1`.
        pl.concat_str("cloud", pl.lit(":"), name).alias(name)
        for name in ("region", "zone", "instance_type")
    ).with_columns(cloud=pl.lit(ALL))
    priced = pl.col("price_usd_h").is_not_null()
    columns = [
        pl.col("region").n_unique().alias("regions"),
        pl.col("zone").drop_nulls().n_unique().alias("zones"),
        pl.col("instance_type").n_unique().alias("types"),
        pl.col("accelerator").drop_nulls().n_unique().alias("accelerators"),
        *(((pl.col("purchase") == purchase) & priced).sum().alias(purchase.value) for purchase in PURCHASES),
        (~priced).sum().alias("unpriced"),
        pl.col("observed_at").min().dt.strftime("%Y-%m-%d").alias("oldest"),
        pl.col("observed_at").max().dt.strftime("%Y-%m-%d").alias("newest"),
        *(
            ((pl.col("confidence") == trust).filter(priced).mean() * 100)
            .round(0)
            .cast(pl.Int64)
            .alias(f"{trust.value}_%")
            for trust in Confidence
        ),
    ]
    clouds = (
        rows.group_by("cloud").agg(pl.len().alias("offers"), *columns).sort("offers", "cloud", descending=[True, False])
    )
    total = everything.group_by("cloud").agg(pl.len().alias("offers"), *columns)
    return pl.concat([clouds, total])


def as_text(table: pl.DataFrame) -> str:
    """The rows as aligned plain text: names to the left, figures to the right."""
    cells = [table.columns, *([_cell(value) for value in row] for row in table.iter_rows())]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
