"""Past prices: what every offer of Google's cost in past months, against bare SQL on a table of changes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from benchmarks.market import write_rows
from benchmarks.measure import contest, function
from benchmarks.result import Result, SkippedError
from catalog_data.database import frame_of, instant, names
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS, Confidence, Purchase, duckdb_columns
from catalog_data.store import Catalog

RUNS: Final = 11
LIMIT: Final = 3.0
MONTHS_ASKED: Final = 12
HOURS_A_MONTH: Final = 730
HISTORY: Final = Path(__file__).parents[3] / "shared/data/gcp/gcp_price_history_monthly.csv.gz"
"""Changes of prices of Compute Engine, 2022-02 to 2026-07; its PROVENANCE.txt says whence."""
SAID: Final = ("region", "instance_type", "purchase", "price_usd_h")


def measure() -> Result:
    """Whole snapshots of months from first to last, from an open catalog to frames.

    The peer answers the same rows with the same columns of OFFERS; where it does not, there is no measure.
    """
    if not HISTORY.exists():
        raise SkippedError("the folder of real data (../shared) is not beside this checkout")
    changes = pl.read_csv(HISTORY, try_parse_dates=True, infer_schema_length=None)
    months = [datetime.combine(day, datetime.min.time(), UTC) for day in changes["date"].unique().sort()]
    asked = months[:: len(months) // MONTHS_ASKED]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/bare.duckdb") as bare:
        path = Path(folder) / "catalog.duckdb"
        _load(path, bare, changes, months)
        with Catalog.open(path) as catalog:
            for at in asked:
                _require_equal(catalog.snapshot(at).offers, _bare(bare, at))
            runs = contest(
                lambda: function(lambda: [catalog.snapshot(at) for at in asked]),
                lambda: function(lambda: [_bare(bare, at) for at in asked]),
                RUNS,
            )
    what = f"{MONTHS_ASKED} of {len(months)} past snapshots, {changes.height:,} changes of prices"
    return Result(what, "bare SQL on `valid_from`, `valid_to`", runs, LIMIT)


def _load(path: Path, bare: duckdb.DuckDBPyConnection, changes: pl.DataFrame, months: Sequence[datetime]) -> None:
    """Publish the offers of each month, and write the same as a plain table of changes."""
    file = path.with_name("month.parquet")
    said, columns = f"({', '.join(SAID)})", names(OFFERS.column_names)
    bare.execute(f"CREATE TABLE changes ({duckdb_columns(OFFERS)}, valid_from TIMESTAMP, valid_to TIMESTAMP)")
    for at, offers in zip(months, _months(changes), strict=True):
        publish(path, {OFFERS.name: write_rows(file, OFFERS, offers)}, published_at=at, note="generated")
        gone = f"valid_to IS NULL AND {said} NOT IN (SELECT {said} FROM '{file}')"  # noqa: S608 (our own names)
        new = f"{said} NOT IN (SELECT {said} FROM changes WHERE valid_to IS NULL)"  # noqa: S608
        bare.execute(f"UPDATE changes SET valid_to = {instant(at)} WHERE {gone}")  # noqa: S608
        bare.execute(f"INSERT INTO changes SELECT {columns}, {instant(at)}, NULL FROM '{file}' WHERE {new}")  # noqa: S608
    bare.execute("CHECKPOINT")


def _months(changes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """All offers of each month (columns of OFFERS), from the rows that changed in it."""
    state = changes.clear()
    for _, change in changes.sort("date").group_by("date", maintain_order=True):
        state = pl.concat([state, change]).unique(("region", "instance_type"), keep="last")
        prices = {
            Purchase.ON_DEMAND: pl.col("hour"),
            Purchase.SPOT: pl.col("hour_spot"),
            Purchase.RESERVED_1Y: pl.col("month_1y") / HOURS_A_MONTH,
            Purchase.RESERVED_3Y: pl.col("month_3y") / HOURS_A_MONTH,
        }
        yield pl.concat(
            state.select(
                "region",
                "instance_type",
                cloud=pl.lit("gcp"),
                purchase=pl.lit(str(purchase)),
                price_usd_h=price,
                source=pl.lit("history"),
                observed_at=pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                confidence=pl.lit(str(Confidence.MEDIUM)),
            )
            for purchase, price in prices.items()
        ).drop_nulls("price_usd_h")


def _bare(connection: duckdb.DuckDBPyConnection, at: datetime) -> pl.DataFrame:
    then = instant(at)
    here = f"valid_from <= {then} AND (valid_to IS NULL OR valid_to > {then})"
    return frame_of(connection, f"SELECT {names(OFFERS.column_names)} FROM changes WHERE {here}")  # noqa: S608 (our own names)


def _require_equal(ours: pl.DataFrame, bare: pl.DataFrame) -> None:
    if not ours.select(SAID).sort(SAID).equals(bare.select(SAID).sort(SAID)):
        raise RuntimeError("the catalog and the bare table disagree on what a month cost")
