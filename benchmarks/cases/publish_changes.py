"""Publishing 1,000,000 offers onto as many of which 1 % changed, against DuckDB alone writing the same rows."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.cases.publish import LIMIT, PEER, RUNS, bare, emptied
from benchmarks.market import OFFER_ROWS, SEEN_AT, write_market, write_rows
from benchmarks.measure import Sample, contest, function
from benchmarks.result import Result
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS

NEXT: Final = timedelta(days=1)


def measure() -> Result:
    """All offers were seen anew, and one in a hundred has another price."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batch = write_market(folder)
        before = folder / "before.duckdb"
        publish(before, batch, published_at=SEEN_AT, note="generated")
        offers = pl.read_parquet(batch[OFFERS.name]).with_columns(
            price_usd_h=pl.col("price_usd_h") + (pl.int_range(pl.len()) % 100 == 0).cast(pl.Float64),
            observed_at=pl.col("observed_at") + NEXT,
        )
        changed = write_rows(folder / "changed.parquet", OFFERS, offers)

        def ours() -> Sample:
            path = emptied(folder / "ours") / "catalog.duckdb"
            shutil.copyfile(before, path)
            return function(
                lambda: publish(path, {OFFERS.name: changed}, published_at=SEEN_AT + NEXT, note="generated")
            )

        runs = contest(ours, lambda: bare(folder / "bare", changed), RUNS)
    return Result(f"{OFFER_ROWS:,} offers published, 1 % of them changed", PEER, runs, LIMIT)
