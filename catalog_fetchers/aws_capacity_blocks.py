"""EC2's capacity blocks: machines with accelerators for a fixed time, paid in advance.

What is offered depends on what is asked for. Here it is one machine for a day, the shortest block: its price per hour
is the fee over its hours. A look is a request for each type in each region, and the offers are gone within minutes, so
it is taken only when it is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_api import NEEDS, Answer, Ec2, missing
from catalog_fetchers.ec2_hardware import CLOUD
from catalog_fetchers.ec2_places import in_region
from catalog_fetchers.rows import rows_of

NAME: Final = "aws_capacity_blocks"
DAY_H: Final = 24


class _Type(Answer):
    instance_type: str


class _Types(Answer):
    instance_types: list[_Type]


class _Block(Answer):
    instance_type: str
    availability_zone: str
    instance_count: int
    capacity_block_duration_hours: float
    capacity_block_duration_minutes: float = 0
    upfront_fee: float
    currency_code: str
    tenancy: str = "default"

    @property
    def machine_hours(self) -> float:
        """A block that starts at once ends at the usual time of day, so it has odd minutes beside its hours."""
        return (self.capacity_block_duration_hours + self.capacity_block_duration_minutes / 60) * self.instance_count


class _Blocks(Answer):
    capacity_block_offerings: list[_Block]


def fetch(access: Access) -> Iterator[Page]:
    """In each region the blocks on offer, of each type that is sold in blocks there."""
    ec2 = Ec2(access)
    in_blocks = [{"Name": "supported-usage-class", "Values": ["capacity-block"]}]
    for region in ec2.regions():
        bodies = ec2.ask(region, "describe_instance_types", Filters=in_blocks)
        names = {each.instance_type for body in bodies for each in read_as(_Types, body, "types").instance_types}
        for name in sorted(names):
            offered = ec2.ask(
                region,
                "describe_capacity_block_offerings",
                InstanceType=name,
                InstanceCount=1,
                CapacityDurationHours=DAY_H,
            )
            yield from (Page(f"{region}/{name}/{count}", body) for count, body in enumerate(offered))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OFFERS by zone: the cheapest block of each type there, per machine and hour."""
    cheapest: dict[tuple[str, str, str], float] = {}
    for page in pages:
        region = page.name.split("/")[0]
        for block in read_as(_Blocks, page.body, f"capacity blocks of {region}").capacity_block_offerings:
            if _is_plain(block) and in_region(block.availability_zone, region):
                key = (region, block.availability_zone, block.instance_type)
                price = block.upfront_fee / block.machine_hours  # $ / h
                cheapest[key] = min(price, cheapest.get(key, price))
    return {
        OFFERS.name: rows_of(
            OFFERS,
            (_offer(*key, price) for key, price in cheapest.items()),
            source=NAME,
            observed_at=observed_at,
            confidence=Confidence.HIGH,
        )
    }


def _is_plain(block: _Block) -> bool:
    return block.currency_code == "USD" and block.tenancy == "default" and block.machine_hours > 0


def _offer(region: str, zone: str, name: str, price_usd_h: float) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": region,
        "zone": zone,
        "instance_type": name,
        "purchase": Purchase.CAPACITY_BLOCK,
        "price_usd_h": price_usd_h,
        "available": True,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="prices of capacity blocks",
    page="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeCapacityBlockOfferings.html",
    needs=NEEDS,
    missing=missing,
    fetch=fetch,
    parse=parse,
    asked_for=True,
)
