"""All offers with one accelerator among 1,000,000, against the bare SQL."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from benchmarks.measure import contest, function
from benchmarks.result import Result
from catalog_data.publishing import publish
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_data.store import Catalog, OfferFilter

RUNS: Final = 21
LIMIT: Final = 3.0
OFFER_ROWS: Final = 1_000_000
TYPES: Final = 5_000
PLACES: Final = OFFER_ROWS // TYPES
BARE: Final = (
    "SELECT o.*, t.* FROM offers o JOIN instance_types t USING (cloud, instance_type)"
    " WHERE t.accelerator = 'H100' AND o.until_seq IS NULL AND t.until_seq IS NULL"
)


def measure() -> Result:
    """From the open catalog to a polars frame, against DuckDB's own fetch of the same join."""
    with tempfile.TemporaryDirectory() as folder:
        path = _catalog(Path(folder))
        twin = Path(shutil.copyfile(path, path.with_name("twin.duckdb")))
        with Catalog.open(path) as catalog, duckdb.connect(str(twin), read_only=True) as bare:
            where = OfferFilter(accelerators=("H100",))
            runs = contest(
                lambda: function(lambda: catalog.offers(catalog.resolve(), where)),
                lambda: function(lambda: bare.execute(BARE).fetchall()),
                RUNS,
            )
    return Result(f"offers with one accelerator among {OFFER_ROWS:,}", "bare DuckDB SQL", runs, LIMIT)


def _catalog(folder: Path) -> Path:
    """A catalog of TYPES types in PLACES zones; one type in 50 has an H100."""
    provenance = {
        "source": pl.lit("generated"),
        "source_version": pl.lit("1"),
        "observed_at": pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")),
        "confidence": pl.lit(str(Confidence.HIGH)),
    }
    types = pl.DataFrame({"number": range(TYPES)}).select(
        cloud=pl.format("cloud{}", pl.col("number") % 4),
        instance_type=pl.format("type-{}", "number"),
        vcpus=(pl.col("number") % 96 + 1).cast(pl.Float64),
        memory_gib=(pl.col("number") % 96 + 1) * 4.0,
        accelerator=pl.when(pl.col("number") % 50 == 0).then(pl.lit("H100")),
        accelerator_count=pl.when(pl.col("number") % 50 == 0).then(8.0),
        **provenance,
    )
    offers = (
        types.select("cloud", "instance_type")
        .join(pl.DataFrame({"place": range(PLACES)}), how="cross")
        .select(
            "cloud",
            "instance_type",
            region=pl.format("region-{}", pl.col("place") // 3),
            zone=pl.format("zone-{}", "place"),
            purchase=pl.lit(str(Purchase.ON_DEMAND)),
            price_usd_h=pl.int_range(pl.len()) % 977 / 100 + 0.01,
            available=pl.lit(value=True),
            **provenance,
        )
    )
    files = {}
    for table, frame in ((INSTANCE_TYPES, types), (OFFERS, offers)):
        files[table.name] = folder / f"{table.name}.parquet"
        pl.concat([table.empty(), frame], how="diagonal").write_parquet(files[table.name])
    path = folder / "catalog.duckdb"
    publish(path, files, published_at=datetime(2026, 1, 1, tzinfo=UTC), note="generated")
    return path
