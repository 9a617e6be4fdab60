"""Hyperbolic: machines as its answer for SkyPilot lists them, a row of that catalog each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.keys import ApiKey
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "hyperbolic"
NAME: Final = "hyperbolic"
URL: Final = "https://api.hyperbolic.xyz/v2/skypilot/catalog"
KEY: Final = ApiKey(("HYPERBOLIC_API_KEY",), ".hyperbolic/api_key")


def _figure(said: object) -> object:
    """An empty cell, or a price of 0, is no figure."""
    return None if said in ("", 0, "0") else said


_Figure = Annotated[float | None, BeforeValidator(_figure)]


class _Machine(BaseModel):
    """A row; figures come as numbers or as text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    instance_type: str = Field(alias="InstanceType")
    accelerator_name: str | None = Field(alias="AcceleratorName")
    accelerator_count: _Figure = Field(alias="AcceleratorCount")
    vcpus: _Figure = Field(alias="vCPUs")
    memory_gib: _Figure = Field(alias="MemoryGiB")
    storage_gib: _Figure = Field(alias="StorageGiB")
    price: _Figure = Field(alias="Price")
    spot_price: _Figure = Field(alias="SpotPrice")
    region: str = Field(alias="Region")


class _Answer(BaseModel):
    vms: list[_Machine]


def fetch(access: Access) -> Iterator[Page]:
    """The one answer."""
    key = KEY.found(access.env, access.home)
    yield Page("catalog", access.client.get(URL, headers={"Authorization": f"Bearer {key}"}))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES and OFFERS; one machine in several regions is one row of hardware."""
    machines = [machine for page in pages for machine in read_as(_Answer, page.body, "catalog").vms]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, machines), **said),
        OFFERS.name: rows_of(OFFERS, _offers(machines), **said),
    }


def _hardware(machine: _Machine) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": machine.instance_type,
        "vcpus": machine.vcpus,
        "memory_gib": machine.memory_gib,
        "accelerator": accelerator(machine.accelerator_name),
        "accelerator_count": machine.accelerator_count,
        "local_ssd_gib": machine.storage_gib,
    }


def _offers(machines: Iterable[_Machine]) -> Iterator[dict[str, Any]]:
    for machine in machines:
        for purchase, price in ((Purchase.ON_DEMAND, machine.price), (Purchase.SPOT, machine.spot_price)):
            if price is not None:
                yield {
                    "cloud": CLOUD,
                    "region": machine.region,
                    "instance_type": machine.instance_type,
                    "purchase": purchase,
                    "price_usd_h": price,
                    "available": True,
                }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="machines, on-demand prices",
    page="https://docs.hyperbolic.xyz",
    needs=KEY.needs,
    missing=KEY.missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT),
    complete_everywhere=True,
    per_second=1,
)
