"""Publishing 1,000,000 offers into a new catalog, against DuckDB alone writing the same rows from the same file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.market import OFFER_ROWS, SEEN_AT, write_market
from benchmarks.measure import Sample, contest, function
from benchmarks.result import Result
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS

RUNS: Final = 5
LIMIT: Final = 3.0
PEER: Final = "DuckDB: `CREATE TABLE AS`, `CHECKPOINT`"


def measure() -> Result:
    """Ours checks and ranks the rows and writes them twice: as what the source says, and as what holds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batch = write_market(folder)

        def ours() -> Sample:
            path = emptied(folder / "ours") / "catalog.duckdb"
            return function(lambda: publish(path, batch, published_at=SEEN_AT, note="generated"))

        runs = contest(ours, lambda: bare(folder / "bare", batch[OFFERS.name]), RUNS)
    return Result(f"{OFFER_ROWS:,} offers published, a new catalog", PEER, runs, LIMIT)


def bare(folder: Path, rows: Path) -> Sample:
    """DuckDB's own time for the rows of a Parquet file into the table of a new database."""
    database = emptied(folder) / "bare.duckdb"

    def write() -> None:
        with duckdb.connect(str(database)) as connection:
            connection.execute(f"CREATE TABLE offers AS FROM '{rows}'")
            connection.execute("CHECKPOINT")

    return function(write)


def emptied(folder: Path) -> Path:
    """The folder, which is there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
