"""A generated market of the size that matters: a million offers of one source."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase, Table

OFFER_ROWS: Final = 1_000_000
SEEN_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TYPES: Final = 5_000
_PLACES: Final = OFFER_ROWS // _TYPES
_PROVENANCE: Final = {
    "source": pl.lit("generated"),
    "source_version": pl.lit("1"),
    "observed_at": pl.lit(SEEN_AT).cast(pl.Datetime("us", "UTC")),
    "confidence": pl.lit(str(Confidence.HIGH)),
}


def write_market(folder: Path) -> dict[str, Path]:
    """A batch of 5,000 instance types of four clouds, each sold in 200 zones; one type in 50 has H100s."""
    types = pl.DataFrame({"number": range(_TYPES)}).select(
        cloud=pl.format("cloud{}", pl.col("number") % 4),
        instance_type=pl.format("type-{}", "number"),
        vcpus=(pl.col("number") % 96 + 1).cast(pl.Float64),
        memory_gib=(pl.col("number") % 96 + 1) * 4.0,
        accelerator=pl.when(pl.col("number") % 50 == 0).then(pl.lit("H100")),
        accelerator_count=pl.when(pl.col("number") % 50 == 0).then(8.0),
        **_PROVENANCE,
    )
    offers = (
        types.select("cloud", "instance_type")
        .join(pl.DataFrame({"place": range(_PLACES)}), how="cross")
        .select(
            "cloud",
            "instance_type",
            region=pl.format("region-{}", pl.col("place") // 3),
            zone=pl.format("zone-{}", "place"),
            purchase=pl.lit(str(Purchase.ON_DEMAND)),
            price_usd_h=pl.int_range(pl.len()) % 977 / 100 + 0.01,
            available=pl.lit(value=True),
            **_PROVENANCE,
        )
    )
    return {
        table.name: write_rows(folder / f"{table.name}.parquet", table, frame)
        for table, frame in ((INSTANCE_TYPES, types), (OFFERS, offers))
    }


def write_rows(file: Path, table: Table, frame: pl.DataFrame) -> Path:
    """Write a batch of the table; columns that the frame does not have are null."""
    pl.concat([table.empty(), frame], how="diagonal").write_parquet(file)
    return file
