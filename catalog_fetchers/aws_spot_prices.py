"""EC2's spot prices now, by zone: Linux, of every type that is sold on spot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_api import NEEDS, Answer, Ec2, missing
from catalog_fetchers.ec2_hardware import CLOUD
from catalog_fetchers.ec2_places import in_region
from catalog_fetchers.rows import rows_of

NAME: Final = "aws_spot_prices"
LINUX: Final = "Linux/UNIX"


class _Price(Answer):
    availability_zone: str
    instance_type: str
    product_description: str
    spot_price: float
    timestamp: datetime


class _History(Answer):
    spot_price_history: list[_Price]


def fetch(access: Access) -> Iterator[Page]:
    """In each region the prices that hold now: a history that starts now holds the last change before it."""
    ec2 = Ec2(access)
    for region in ec2.regions():
        bodies = ec2.ask(
            region,
            "describe_spot_price_history",
            ProductDescriptions=[LINUX],
            StartTime=datetime.now(UTC),
            MaxResults=1000,
        )
        yield from (Page(f"{region}/{count}", body) for count, body in enumerate(bodies))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """Spot OFFERS by zone: the latest price of each type there."""
    latest: dict[tuple[str, str, str], _Price] = {}
    for page in pages:
        region = page.name.split("/")[0]
        for price in read_as(_History, page.body, f"spot prices of {region}").spot_price_history:
            key = (region, price.availability_zone, price.instance_type)
            newer = key not in latest or price.timestamp > latest[key].timestamp
            if newer and price.product_description.startswith(LINUX) and in_region(price.availability_zone, region):
                latest[key] = price
    return {
        OFFERS.name: rows_of(
            OFFERS,
            (_offer(region, price) for (region, _, _), price in latest.items()),
            source=NAME,
            observed_at=observed_at,
            confidence=Confidence.HIGH,
        )
    }


def _offer(region: str, price: _Price) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": region,
        "zone": price.availability_zone,
        "instance_type": price.instance_type,
        "purchase": Purchase.SPOT,
        "price_usd_h": price.spot_price,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="spot prices by zone",
    page="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html",
    needs=NEEDS,
    missing=missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.SPOT,),
)
