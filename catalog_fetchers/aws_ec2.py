"""EC2's instance types and the zones that offer them, as the user's account sees them.

A type is described once, in the first region that offers it, since it is the same everywhere. Apple's machines are
left out: they are sold by the day on dedicated hosts, without Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_api import NEEDS, Answer, Ec2, missing
from catalog_fetchers.ec2_hardware import CLOUD, Machine, instance_types
from catalog_fetchers.ec2_places import in_region
from catalog_fetchers.rows import rows_of, stamped

NAME: Final = "aws_ec2"
AT_ONCE: Final = 100
"""The most types that DescribeInstanceTypes describes by name in one request."""


class _Described(Machine):
    instance_type: str


class _Types(Answer):
    instance_types: list[_Described]


class _Offering(Answer):
    instance_type: str
    location: str


class _Offerings(Answer):
    instance_type_offerings: list[_Offering]


def fetch(access: Access) -> Iterator[Page]:
    """In each region the types that its zones offer, and a description of those not met before."""
    ec2 = Ec2(access)
    described: set[str] = set()
    for region in ec2.regions():
        bodies = ec2.ask(region, "describe_instance_type_offerings", LocationType="availability-zone", MaxResults=1000)
        yield from (Page(f"offerings/{region}/{count}", body) for count, body in enumerate(bodies))
        offered = {offering.instance_type for body in bodies for offering in _offerings(body, region)}
        new = sorted(offered - described)
        for first in range(0, len(new), AT_ONCE):
            (body,) = ec2.ask(region, "describe_instance_types", InstanceTypes=new[first : first + AT_ONCE])
            yield Page(f"types/{region}/{first}", body)
        described |= offered


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and on-demand OFFERS by zone, without a price."""
    machines: dict[str, Machine] = {}
    for page in pages:
        if page.name.startswith("types/"):
            answer = read_as(_Types, page.body, "instance types")
            machines |= {each.instance_type: each for each in answer.instance_types if not each.is_mac}
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: stamped(INSTANCE_TYPES, instance_types(machines), **said),
        OFFERS.name: rows_of(OFFERS, _offered(pages, machines), **said),
    }


def _offered(pages: Pages, machines: Mapping[str, Machine]) -> Iterator[dict[str, Any]]:
    for page in pages:
        kind, region, *_ = page.name.split("/")
        if kind != "offerings":
            continue
        for offering in _offerings(page.body, region):
            machine = machines.get(offering.instance_type)
            if machine and machine.has_on_demand and in_region(offering.location, region):
                yield {
                    "cloud": CLOUD,
                    "region": region,
                    "zone": offering.location,
                    "instance_type": offering.instance_type,
                    "purchase": Purchase.ON_DEMAND,
                    "available": True,
                }


def _offerings(body: bytes, region: str) -> list[_Offering]:
    return read_as(_Offerings, body, f"offerings of {region}").instance_type_offerings


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="types and the zones that offer them",
    page="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html",
    needs=NEEDS,
    missing=missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
)
