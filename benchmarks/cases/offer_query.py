"""All offers with one accelerator among 1,000,000, against the bare SQL."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.market import OFFER_ROWS, SEEN_AT, write_market
from benchmarks.measure import contest, function
from benchmarks.result import Result
from catalog_data.publishing import publish
from catalog_data.store import Catalog, OfferFilter

RUNS: Final = 21
LIMIT: Final = 3.0
BARE: Final = (
    "SELECT o.*, t.* FROM offers o JOIN instance_types t USING (cloud, instance_type)"
    " WHERE t.accelerator = 'H100' AND o.until_seq IS NULL AND t.until_seq IS NULL"
)


def measure() -> Result:
    """From the open catalog to a polars frame, against DuckDB's own fetch of the same join."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.duckdb"
        publish(path, write_market(Path(folder)), published_at=SEEN_AT, note="generated")
        twin = Path(shutil.copyfile(path, path.with_name("twin.duckdb")))
        with Catalog.open(path) as catalog, duckdb.connect(str(twin), read_only=True) as bare:
            where = OfferFilter(accelerators=("H100",))
            runs = contest(
                lambda: function(lambda: catalog.offers(catalog.resolve(), where)),
                lambda: function(lambda: bare.execute(BARE).fetchall()),
                RUNS,
            )
    return Result(f"offers with one accelerator among {OFFER_ROWS:,}", "bare DuckDB SQL", runs, LIMIT)
