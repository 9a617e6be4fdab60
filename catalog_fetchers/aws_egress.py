"""What AWS asks for data that leaves a region: its price list of data transfer, without a key.

To another region of AWS each pair has one rate. To the internet, and so to any other cloud, each region has a ladder of
monthly volumes, which begins behind the volume that is free for an account. The ladder is repeated for each region of
another cloud that the catalog knows, so a plan that spreads its transfers is shown the free volume more than once.

Volumes are GB of 2^30 bytes (AWS Billing counts 1 TB as 1,024 GB).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from catalog_data.schema import EGRESS, Confidence
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import stamped

NAME: Final = "aws_egress"
CLOUD: Final = "aws"
URL: Final = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSDataTransfer/current/index.csv"

COLUMNS: Final = (
    "termtype",
    "startingrange",
    "endingrange",
    "unit",
    "priceperunit",
    "currency",
    "transfertype",
    "fromregioncode",
    "tolocation",
    "toregioncode",
    "usagetype",
)
"""Columns of the price list, without blanks and capitals, in which its files differ."""

REGION: Final = r"^[a-z]{2}(-[a-z]+)+-\d+$"
"""A region, and no local zone (`us-west-2-lax-1`)."""
BETWEEN: Final = r"^[A-Z0-9]+-[A-Z0-9]+-AWS-Out-Bytes$"
OUTWARD: Final = r"^([A-Z0-9]+-)?DataTransfer-Out-Bytes$"
FREE: Final = "Global-DataTransfer-Out-Bytes"
NOT_FREE: Final = "us-gov-"
"""GovCloud has no free volume (aws.amazon.com/s3/pricing, Data transfer)."""


def fetch(access: Access) -> Iterator[Page]:
    """The price list, and the regions of other clouds that the catalog knows."""
    yield Page("price_list", access.client.get(URL))
    known = access.regions.filter(pl.col("cloud") != CLOUD).select("cloud", "region").unique().sort("cloud", "region")
    yield Page("known_regions", json.dumps(known.rows()).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """EGRESS from each region of AWS to each other one, and to each known region of other clouds."""
    bodies = {page.name: page.body for page in pages}
    known = read_as(list[tuple[str, str]], bodies["known_regions"], "known regions")
    version, rates = _price_list(bodies["price_list"])
    said: Mapping[str, Any] = {
        "source": NAME,
        "source_version": version,
        "observed_at": observed_at,
        "confidence": Confidence.HIGH,
    }
    rows = pl.concat([_between(rates), _outward(rates, known)]).with_columns(src_cloud=pl.lit(CLOUD))
    return {EGRESS.name: stamped(EGRESS, rows, **said)}


def _price_list(body: bytes) -> tuple[str | None, pl.DataFrame]:
    """The version of the list, and its on-demand rates in USD per GB: `COLUMNS`, `tier_from_gb`, `egress_usd_gb`.

    Above the header the file has lines of two cells each, such as `"Version","20260916132208"`.
    """
    head = re.search(rb'^"?SKU"?,', body, re.MULTILINE)
    if head is None:
        raise AnswerError("data transfer price list: no header that begins with SKU")
    version = re.search(rb'^"?Version"?,"?(\w+)"?', body[: head.start()], re.MULTILINE)
    try:
        found = pl.read_csv(body[head.start() :], infer_schema=False)
    except pl.exceptions.ComputeError as error:
        raise AnswerError(f"data transfer price list: {error}") from error
    found = found.rename(lambda name: name.replace(" ", "").lower())
    missing = [name for name in COLUMNS if name not in found.columns]
    if missing:
        raise AnswerError(f"data transfer price list: no column {', '.join(missing)}")
    rates = found.select(COLUMNS).filter(
        (pl.col("termtype") == "OnDemand") & (pl.col("currency") == "USD") & (pl.col("unit") == "GB")
    )
    figures = rates.with_columns(
        tier_from_gb=pl.col("startingrange").cast(pl.Float64, strict=False),
        egress_usd_gb=pl.col("priceperunit").cast(pl.Float64, strict=False),
    )
    if figures.select("tier_from_gb", "egress_usd_gb").null_count().sum_horizontal().item():
        raise AnswerError("data transfer price list: a price or a range is no number")
    return version[1].decode() if version else None, figures


def _between(rates: pl.DataFrame) -> pl.DataFrame:
    """The rate between two regions of AWS; of several the highest."""
    pairs = rates.filter(
        (pl.col("transfertype") == "InterRegion Outbound")
        & pl.col("usagetype").str.contains(BETWEEN)
        & pl.col("fromregioncode").str.contains(REGION)
        & pl.col("toregioncode").str.contains(REGION)
    )
    return pairs.group_by(
        pl.col("fromregioncode").alias("src_region"),
        pl.lit(CLOUD).alias("dst_cloud"),
        pl.col("toregioncode").alias("dst_region"),
        "tier_from_gb",
        maintain_order=True,
    ).agg(pl.col("egress_usd_gb").max())


def _outward(rates: pl.DataFrame, known: list[tuple[str, str]]) -> pl.DataFrame:
    """The ladder of each region, for each known region of other clouds.

    The list's ranges count what goes beyond the free volume, so with it every tier begins that much later.
    """
    internet = rates.filter((pl.col("transfertype") == "AWS Outbound") & (pl.col("tolocation") == "External"))
    free_gb = internet.filter(pl.col("usagetype") == FREE)["endingrange"].cast(pl.Float64, strict=False).max() or 0.0
    ladder = (
        internet.filter(
            (pl.col("usagetype") != FREE)
            & pl.col("usagetype").str.contains(OUTWARD)
            & pl.col("fromregioncode").str.contains(REGION)
        )
        .group_by(pl.col("fromregioncode").alias("src_region"), "tier_from_gb", maintain_order=True)
        .agg(pl.col("egress_usd_gb").max())
    )
    has_free = ~pl.col("src_region").str.starts_with(NOT_FREE) & (pl.lit(free_gb) > 0)
    paid = ladder.with_columns(tier_from_gb=pl.col("tier_from_gb") + pl.when(has_free).then(free_gb).otherwise(0.0))
    free = ladder.filter(has_free).select("src_region", tier_from_gb=pl.lit(0.0), egress_usd_gb=pl.lit(0.0)).unique()
    places = pl.DataFrame(known, schema={"dst_cloud": pl.String, "dst_region": pl.String}, orient="row")
    tiers = pl.concat([free, paid]).sort("src_region", "tier_from_gb").join(places, how="cross")
    return tiers.select("src_region", "dst_cloud", "dst_region", "tier_from_gb", "egress_usd_gb")


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="prices of data that leaves a region of AWS, by tiers",
    page="https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html",
    fetch=fetch,
    parse=parse,
    turn=2,
)
