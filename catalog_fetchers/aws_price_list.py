"""AWS's price list of EC2: on-demand prices and reservations of each region, without an account.

A region is one CSV file of hundreds of megabytes to gigabytes, of which a thousandth is needed: Linux on shared
hardware, nothing pre-installed, paid by the hour. It is reduced on disk, and only what is left of it is kept.

Of hardware the list says little. It counts GPUs without naming them and says nothing of other accelerators, so only
the families that have none are taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, Field

from catalog_data.big_csv import BigCsvError, reduced_csv
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_hardware import CLOUD
from catalog_fetchers.ec2_places import is_region
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import rows_of, stamped

NAME: Final = "aws_price_list"
FOLDER: Final = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current"
LINES_ABOVE_HEADER: Final = 5
PURCHASES: Final[Mapping[tuple[str, str], Purchase]] = {
    ("OnDemand", ""): Purchase.ON_DEMAND,
    ("Reserved", "1yr"): Purchase.RESERVED_1Y,
    ("Reserved", "3yr"): Purchase.RESERVED_3Y,
}
"""By TermType and LeaseContractLength."""
COLUMNS: Final = (
    "TermType",
    "LeaseContractLength",
    "Instance Type",
    "PricePerUnit",
    "Instance Family",
    "vCPU",
    "Memory",
    "GPU",
    "Physical Processor",
    "Storage",
)
WHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "TermType": ("OnDemand", "Reserved"),
    "LeaseContractLength": ("", "1yr", "3yr"),
    "PurchaseOption": ("", "No Upfront"),
    "OfferingClass": ("", "standard"),
    "Unit": ("Hrs",),
    "Currency": ("USD",),
    "Location Type": ("AWS Region",),
    "Operating System": ("Linux",),
    "Pre Installed S/W": ("", "NA"),
    "Tenancy": ("Shared",),
    "CapacityStatus": ("Used",),
    "MarketOption": ("", "OnDemand"),
}
WITHOUT_ACCELERATORS: Final = (
    "General purpose",
    "Compute optimized",
    "Memory optimized",
    "Storage optimized",
    "Micro instances",
)


class _Place(BaseModel):
    code: str = Field(alias="regionCode")


class _Index(BaseModel):
    regions: dict[str, _Place]


def fetch(access: Access) -> Iterator[Page]:
    """The list of regions, and of each region's price list the rows and columns that matter."""
    body = access.client.get(f"{FOLDER}/region_index.json")
    index = read_as(_Index, body, "region index")
    for region in sorted(place.code for place in index.regions.values()):
        if is_region(region):
            url = f"{FOLDER}/{region}/index.csv"
            yield Page(region, access.client.reduced(url, access.folder, partial(reduced, region)))


def reduced(region: str, path: Path) -> bytes:
    """What matters of a region's price list, as CSV.

    Raises:
        AnswerError: a column is missing, or it is no CSV.
    """
    try:
        return reduced_csv(path, skip_lines=LINES_ABOVE_HEADER, columns=COLUMNS, where=WHERE)
    except BigCsvError as error:
        raise AnswerError(f"price list of {region}: {error}") from error


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OFFERS by region, and INSTANCE_TYPES of the families without accelerators."""
    frames = [_frame(page) for page in pages]
    lists = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys((*COLUMNS, "region"), pl.String()))
    hardware = (
        lists.filter(pl.col("Instance Family").is_in(WITHOUT_ACCELERATORS), pl.col("GPU").is_in(["", "0"]))
        .select("Instance Type", "vCPU", "Memory", "Physical Processor", "Storage")
        .unique("Instance Type", keep="first", maintain_order=True)
    )
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at}
    return {
        INSTANCE_TYPES.name: rows_of(
            INSTANCE_TYPES, map(_machine, hardware.rows(named=True)), confidence=Confidence.MEDIUM, **said
        ),
        OFFERS.name: stamped(OFFERS, _offers(lists), confidence=Confidence.HIGH, **said),
    }


def _frame(page: Page) -> pl.DataFrame:
    rows = pl.read_csv(page.body, infer_schema=False)
    return rows.select(pl.col(COLUMNS).fill_null("")).with_columns(region=pl.lit(page.name))


def _offers(lists: pl.DataFrame) -> pl.DataFrame:
    """Prices; those of zero are of reservations that are paid in advance, or of capacity paid elsewhere."""
    names = {f"{term} {lease}": purchase.value for (term, lease), purchase in PURCHASES.items()}
    bought = pl.concat_str("TermType", "LeaseContractLength", separator=" ")
    return (
        lists.with_columns(
            cloud=pl.lit(CLOUD),
            instance_type="Instance Type",
            purchase=bought.replace_strict(names, default=None),
            price_usd_h=pl.col("PricePerUnit").cast(pl.Float64, strict=False),
        )
        .filter(pl.col("purchase").is_not_null(), pl.col("price_usd_h") > 0)
        .select("cloud", "region", "instance_type", "purchase", "price_usd_h")
        .unique(maintain_order=True)
    )


def _machine(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": row["Instance Type"],
        "vcpus": _number(r"([\d.]+)", row["vCPU"]),
        "memory_gib": _number(r"([\d.,]+) GiB", row["Memory"]),
        "arch": _arch(row["Physical Processor"]),
        "local_ssd_gib": _local_ssd(row["Storage"]),
    }


def _number(pattern: str, text: str) -> float | None:
    found = re.fullmatch(pattern, text.strip())
    return float(found[1].replace(",", "")) if found else None


def _arch(processor: str) -> str | None:
    """The architecture by the maker of the processor; the list's own column says `64-bit` of all."""
    if "Graviton" in processor:
        return "arm64"
    return "x86_64" if re.search(r"Intel|AMD", processor) else None


def _local_ssd(storage: str) -> float | None:
    """GiB of local SSD from `EBS only` or `2 x 900 GB NVMe SSD` (of 10^9 bytes); hard disks are none."""
    if storage == "EBS only" or storage.endswith("HDD"):
        return 0.0
    found = re.fullmatch(r"(?:(\d+) x )?([\d,]+)(?: ?GB)?(?: NVMe)? SSD", storage)
    if found is None:
        return None
    gigabytes = int(found[1] or 1) * int(found[2].replace(",", ""))
    return round(gigabytes * 10**9 / 2**30, 1)


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="on-demand and reserved prices by region",
    page="https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y),
)
