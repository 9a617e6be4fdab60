"""Grids of what moving data between regions costs and how fast it goes, as Skyplane measures and writes them.

A grid is a CSV file with one row for each pair of places `cloud:region` (or `gcp:zone`). Three layouts are read:

- iperf3 runs: `src_region`, `dst_region`, `throughput_recieved` (so spelt) and `throughput_sent` in bit/s, `success`,
  paths of logs;
- a planner's table: `src`, `dst`, `throughput_2p30bps` in 2^30 bit/s and `price_per_gb_exact` in USD/GB;
- prices alone: `src`, `dest` and `cost` in USD/GB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from catalog_data.normalise import UnknownNameError, cloud_name
from catalog_data.schema import EGRESS, THROUGHPUT, Confidence
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import stamped

NAME: Final = "skyplane_grid"
COMMIT: Final = "4f0938f365c8609b8c21da67effe1a14476154fb"
URL: Final = f"https://raw.githubusercontent.com/skyplane-project/skyplane/{COMMIT}/profiles/throughput.csv"

SRC: Final = ("src_region", "src")
DST: Final = ("dst_region", "dst", "dest")
PRICE: Final = ("price_per_gb_exact", "cost")
GBIT_S: Final[Mapping[str, float]] = {
    "throughput_recieved": 1e-9,
    "throughput_sent": 1e-9,
    "throughput_2p30bps": 2**30 * 1e-9,
}
"""The columns of a throughput and what turns them into Gbit/s, best first: what arrived, then what was sent."""
LOG: Final = "stdout_path"
LOG_DATE: Final = r"/(\d{4}\.\d{2}\.\d{2}_\d{2}\.\d{2})_"
"""Skyplane writes the logs of a run into a folder that is named after its start, such as `2022.01.24_21.42_...`."""


def imported(
    grid: bytes,
    observed_at: datetime,
    *,
    measured_at: datetime | None = None,
    source: str = NAME,
    source_version: str | None = None,
    confidence: Confidence = Confidence.LOW,
) -> Tables:
    """THROUGHPUT and EGRESS, whichever the grid has columns for.

    Runs that failed are left out. Of several runs between two regions the median counts, of several prices the highest,
    which is for any volume. `measured_at` is when the throughput was measured, where the grid does not say.

    Raises:
        AnswerError: it is no such CSV, a cell is no number, or a place is none that we know.
    """
    rows = _rows(grid)
    said: Mapping[str, Any] = {
        "source": source,
        "source_version": source_version,
        "observed_at": observed_at,
        "confidence": confidence,
    }
    tables = {}
    throughput = next((name for name in GBIT_S if name in rows.columns), None)
    if throughput is not None:
        tables[THROUGHPUT.name] = stamped(THROUGHPUT, _throughput(rows, throughput, measured_at), **said)
    price = next((name for name in PRICE if name in rows.columns), None)
    if price is not None:
        tables[EGRESS.name] = stamped(EGRESS, _egress(rows, price), **said)
    if not tables:
        raise AnswerError(f"grid: no column {', '.join((*GBIT_S, *PRICE))}")
    return tables


def fetch(access: Access) -> Iterator[Page]:
    """The grid of Skyplane's repository, as it was at one commit."""
    yield Page("throughput", access.client.get(URL))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """THROUGHPUT between the regions of three clouds."""
    return imported(pages[0].body, observed_at, source_version=COMMIT[:7])


def _rows(grid: bytes) -> pl.DataFrame:
    """The columns of the file as texts, with `src` and `dst` as places of the catalog."""
    try:
        found = pl.read_csv(grid, infer_schema=False)
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError) as error:
        raise AnswerError("grid: expected a CSV, got something else") from error
    ends = {}
    for end, names in (("src", SRC), ("dst", DST)):
        name = next((name for name in names if name in found.columns), None)
        if name is None:
            raise AnswerError(f"grid: no column {' or '.join(names)}")
        spelt = found[name].fill_null("")
        known = {spelling: _place(spelling) for spelling in spelt.unique()}
        ends[end] = spelt.replace_strict(known, return_dtype=pl.String)
    return found.with_columns(**ends)


def _place(spelling: str) -> str:
    """`gcp:us-east4-a` -> `gcp:us-east4`: Google's zones are taken together by region."""
    cloud, _, region = spelling.partition(":")
    try:
        name = cloud_name(cloud)
    except UnknownNameError as error:
        raise AnswerError(f"grid: {spelling!r}: {error}") from error
    if not region:
        raise AnswerError(f"grid: {spelling!r} is not a place cloud:region")
    return f"{name}:{re.sub(r'-[a-z]$', '', region) if name == 'gcp' else region}"


def _number(rows: pl.DataFrame, column: str) -> pl.Series:
    numbers = rows[column].cast(pl.Float64, strict=False)
    unread = rows.filter(rows[column].is_not_null() & numbers.is_null())[column]
    if unread.len():
        raise AnswerError(f"grid: {column}: {unread[0]!r} is no number")
    return numbers


def _throughput(rows: pl.DataFrame, column: str, measured_at: datetime | None) -> pl.DataFrame:
    if "success" in rows.columns:
        rows = rows.filter(pl.col("success") == "True")
    logged = (
        rows[LOG].str.extract(LOG_DATE).str.to_datetime("%Y.%m.%d_%H.%M", time_unit="us", time_zone="UTC", strict=False)
        if LOG in rows.columns
        else pl.Series(LOG, [None] * rows.height, pl.Datetime("us", "UTC"))
    )
    runs = rows.select("src", "dst", gbit_s=_number(rows, column) * GBIT_S[column], measured_at=logged)
    return (
        runs.drop_nulls("gbit_s")
        .group_by("src", "dst", maintain_order=True)
        .agg(pl.col("gbit_s").median(), pl.col("measured_at").max())
        .with_columns(pl.col("measured_at").fill_null(pl.lit(measured_at, pl.Datetime("us", "UTC"))))
    )


def _egress(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    prices = rows.select("src", "dst", egress_usd_gb=_number(rows, column)).drop_nulls("egress_usd_gb")
    dearest = prices.group_by("src", "dst", maintain_order=True).agg(pl.col("egress_usd_gb").max())
    ends = {
        f"{end}_{part}": pl.col(end).str.splitn(":", 2).struct.field(f"field_{index}")
        for end in ("src", "dst")
        for index, part in enumerate(("cloud", "region"))
    }
    return dearest.with_columns(**ends, tier_from_gb=pl.lit(0.0))


SOURCE: Final = Source(
    name=NAME,
    clouds=("aws", "azure", "gcp"),
    brings="throughput between the regions of AWS, Azure and Google, measured in January 2022",
    page="https://github.com/skyplane-project/skyplane",
    fetch=fetch,
    parse=parse,
)
