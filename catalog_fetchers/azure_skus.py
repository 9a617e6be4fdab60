"""Azure's machine sizes as a subscription sees them: hardware, and the zones in which each is offered to it.

The list is asked for region by region: for all of them at once it is more than a hundred megabytes. Memory is in GiB,
though its field is called `MemoryGB` (8 for the 8 GiB of Standard_D2s_v5). A size with fewer vCPUs than its parent
(Standard_E64-16s_v5) gives the parent's number beside its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Discriminator, Tag
from pydantic.alias_generators import to_camel

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers import azure_auth
from catalog_fetchers.answers import read_as
from catalog_fetchers.azure_links import link_within
from catalog_fetchers.azure_names import CLOUD, gpus, zone_name
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import rows_of

NAME: Final = "azure_skus"
LOCATIONS_VERSION: Final = "2022-12-01"
SKUS_VERSION: Final = "2021-07-01"
MACHINES: Final = "virtualMachines"
READ: Final = frozenset({"vCPUs", "vCPUsAvailable", "MemoryGB", "GPUs", "CpuArchitectureType"})
ARCHITECTURES: Final[Mapping[str | None, str]] = {"x64": "x86_64", "Arm64": "arm64"}


class _Azure(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _LocationMetadata(_Azure):
    region_type: str


class _Location(_Azure):
    name: str
    metadata: _LocationMetadata


class _Locations(_Azure):
    value: list[_Location]


class _Capability(_Azure):
    name: str
    value: str


class _Zones(_Azure):
    location: str
    zones: list[str] = []


class _RestrictionInfo(_Azure):
    zones: list[str] = []


class _Restriction(_Azure):
    type: str
    restriction_info: _RestrictionInfo = _RestrictionInfo()


class _Other(_Azure):
    resource_type: str


class _Machine(_Other):
    name: str
    family: str | None = None
    location_info: list[_Zones]
    capabilities: list[_Capability]
    restrictions: list[_Restriction]


def _kind(sku: object) -> str:
    """What is read of a row: disks, hosts and others are only known by their type."""
    kind = sku.get("resourceType") if isinstance(sku, Mapping) else getattr(sku, "resource_type", None)
    return "machine" if kind == MACHINES else "other"


_Sku = Annotated[Annotated[_Machine, Tag("machine")] | Annotated[_Other, Tag("other")], Discriminator(_kind)]


class _Skus(_Azure):
    value: list[_Sku]
    next_link: str | None = None

    def machines(self) -> list[_Machine]:
        return [sku for sku in self.value if isinstance(sku, _Machine)]


def fetch(access: Access) -> Iterator[Page]:
    """The sizes of each region that is open to the subscription, reduced to the fields that `parse` reads."""
    opened = azure_auth.session(access)
    url = f"{opened.url}/locations?api-version={LOCATIONS_VERSION}"
    locations = read_as(_Locations, access.client.get(url, headers=opened.headers), "locations")
    for region in sorted(place.name for place in locations.value if place.metadata.region_type == "Physical"):
        yield from _pages(access, opened, region)


def _pages(access: Access, opened: azure_auth.Session, region: str) -> list[Page]:
    pages: list[Page] = []

    def read(link: str) -> str | None:
        answer = read_as(_Skus, access.client.get(link, headers=opened.headers), f"sizes of {region}")
        pages.append(Page(f"{region}/{len(pages) + 1}", _reduced(answer)))
        return link_within(answer.next_link, link) if answer.next_link else None

    query = urlencode({"api-version": SKUS_VERSION, "$filter": f"location eq '{region}'"}, quote_via=quote)
    access.client.follow(f"{opened.url}/providers/Microsoft.Compute/skus?{query}", read)
    return pages


def _reduced(answer: _Skus) -> bytes:
    machines = [
        sku.model_copy(update={"capabilities": [item for item in sku.capabilities if item.name in READ]})
        for sku in answer.machines()
    ]
    return _Skus(value=[*machines]).model_dump_json(by_alias=True, exclude_defaults=True).encode()


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and on-demand OFFERS without prices in each zone, or region without zones."""
    skus = [sku for page in pages for sku in read_as(_Skus, page.body, page.name).machines()]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    types = rows_of(INSTANCE_TYPES, map(_hardware, skus), **said).unique(
        INSTANCE_TYPES.key, keep="first", maintain_order=True
    )
    offers = rows_of(OFFERS, _offers(skus), **said).unique(OFFERS.key, keep="first", maintain_order=True)
    return {INSTANCE_TYPES.name: types, OFFERS.name: offers}


def _hardware(sku: _Machine) -> dict[str, Any]:
    said = {item.name: item.value for item in sku.capabilities}
    counted = float(said.get("GPUs", 0))
    model, count = gpus(sku.name, counted) or _unknown(sku, counted)
    device = ACCELERATORS.get(model) if model else None
    return {
        "cloud": CLOUD,
        "instance_type": sku.name,
        "vcpus": _number(said.get("vCPUsAvailable") or said.get("vCPUs")),
        "memory_gib": _number(said.get("MemoryGB")),
        "arch": ARCHITECTURES.get(said.get("CpuArchitectureType")),
        "accelerator": model,
        "accelerator_count": count,
        "accelerator_memory_gib": device.memory_gib if device else None,
    }


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _unknown(sku: _Machine, counted: float) -> tuple[str | None, float | None]:
    """What is said of a machine whose GPU has no known model: its family in the model's place, for the checks to list.

    Every size of the N series has an accelerator, counted or not.
    """
    if not counted and not sku.name.startswith("Standard_N"):
        return None, None
    return sku.family or sku.name, counted or None


def _offers(skus: Iterable[_Machine]) -> Iterator[dict[str, Any]]:
    for sku in skus:
        nowhere = any(limit.type == "Location" for limit in sku.restrictions)
        closed = {zone for limit in sku.restrictions for zone in limit.restriction_info.zones}
        for place in sku.location_info:
            region = place.location.lower()  # some are written `WestUS3`
            for zone in sorted(place.zones) or [""]:
                yield {
                    "cloud": CLOUD,
                    "region": region,
                    "zone": zone_name(region, zone) if zone else None,
                    "instance_type": sku.name,
                    "purchase": Purchase.ON_DEMAND,
                    "available": not nowhere and zone not in closed,
                }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="types, and the zones in which each is offered to the subscription",
    page="https://learn.microsoft.com/rest/api/compute/resource-skus/list",
    needs=azure_auth.NEEDS,
    missing=azure_auth.missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    per_second=2,
)
