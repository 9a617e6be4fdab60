"""Google Cloud TPU: the slices that each zone sells, without prices.

The API hides some slices of some zones from projects that have no quota for them, so nothing is said about what is not
listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, Field

from catalog_data.normalise import tpu_slice
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.gcp_access import NEEDS, PROJECT_VARIABLE, granted, listed, missing
from catalog_fetchers.gcp_machines import CLOUD, Machine
from catalog_fetchers.rows import rows_of

NAME: Final = "gcp_tpu"
URL: Final = "https://tpu.googleapis.com/v2/projects"
PAGE_SIZE: Final[Mapping[str, int]] = MappingProxyType({"pageSize": 500})
LOCATIONS: Final = "locations"
UNANSWERED: Final = frozenset({"us-east1-b"})
"""Zones that are listed and of which every question is answered 503, as other readers of the API found."""
HOSTS: Final[Mapping[tuple[str, int], tuple[float, float]]] = MappingProxyType(
    {
        ("TPU-v3", 4): (96, 340),
        ("TPU-v5e", 1): (24, 48),
        ("TPU-v5e", 8): (224, 384),
        ("TPU-v6e", 1): (44, 176),
        ("TPU-v6e", 8): (180, 1440),
    }
)
"""vCPUs and GiB of slices that do not consist of hosts with four chips (cloud.google.com/tpu/docs)."""
HOSTS_OF_FOUR: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {"TPU-v3": (48, 340), "TPU-v4": (240, 407), "TPU-v5e": (112, 192), "TPU-v5p": (208, 448), "TPU-v6e": (180, 720)}
)
"""vCPUs and GiB of a host with four chips; larger slices consist of these."""


class _Location(BaseModel):
    name: str = Field(alias="locationId")


class _Locations(BaseModel):
    locations: list[_Location]


class _Config(BaseModel):
    topology: str


class _Slice(BaseModel):
    name: str = Field(alias="type")
    configs: list[_Config] = Field(default_factory=list, alias="acceleratorConfigs")


class _Slices(BaseModel):
    slices: list[_Slice] = Field(default_factory=list, alias="acceleratorTypes")


def fetch(access: Access) -> Iterator[Page]:
    """The zones that have TPUs, and the slices of each. A zone that is closed to the project is passed over.

    Raises:
        RefusedError: all zones are closed to it, or the credentials are not accepted.
    """
    headers = granted(access).headers
    url = f"{URL}/{access.env[PROJECT_VARIABLE]}/locations"
    refused: RefusedError | None = None
    answered = False
    for zone in _zones(listed(access, url, LOCATIONS, headers, PAGE_SIZE)):
        try:
            yield from listed(access, f"{url}/{zone}/acceleratorTypes", zone, headers, PAGE_SIZE)
        except RefusedError as error:
            refused = error
        else:
            answered = True
    if refused and not answered:
        raise refused


def _zones(pages: Iterable[Page]) -> Iterator[str]:
    for page in pages:
        for location in read_as(_Locations, page.body, "TPU API, locations").locations:
            if location.name not in UNANSWERED:
                yield location.name


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and OFFERS without a price: each slice in each zone that sells it."""
    machines: dict[str, Machine] = {}
    offers = []
    for page in pages:
        zone = page.name.partition("/")[0]
        for found in read_as(_Slices, page.body, f"TPU API, accelerator types of {zone}").slices:
            machines.setdefault(found.name, _machine(found))
            offers.append(_offer(zone, found.name))
    if not machines:
        raise AnswerError("TPU API: no accelerator types in any zone")
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, (machine.row() for machine in machines.values()), **said),
        OFFERS.name: rows_of(OFFERS, offers, **said),
    }


def _machine(found: _Slice) -> Machine:
    """A slice with its hosts. Where its name is not understood, it stands as it is and the checks list it."""
    named = tpu_slice(found.name)
    if named is None:
        topology = found.configs[0].topology if found.configs else "0"
        return Machine(found.name, accelerator=found.name, accelerator_count=_product(topology) or None)
    model, chips = named
    vcpus, memory_gib = _hosts(model, chips)
    return Machine(found.name, vcpus, memory_gib, "x86_64", model, float(chips))


def _hosts(model: str, chips: int) -> tuple[float | None, float | None]:
    """vCPUs and GiB of all hosts of a slice, None where they are not known."""
    if (model, chips) in HOSTS:
        return HOSTS[model, chips]
    if model not in HOSTS_OF_FOUR or chips % 4:
        return None, None
    vcpus, memory_gib = HOSTS_OF_FOUR[model]
    return vcpus * chips / 4, memory_gib * chips / 4


def _product(topology: str) -> int:
    """Chips in a topology such as `2x2x4`."""
    return math.prod(int(side) for side in topology.split("x") if side.isdigit())


def _offer(zone: str, name: str) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": zone.rpartition("-")[0],
        "zone": zone,
        "instance_type": name,
        "purchase": Purchase.ON_DEMAND,
        "available": True,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="TPU slices and the zones that sell them",
    page="https://cloud.google.com/tpu/docs/reference/rest/v2/projects.locations.acceleratorTypes",
    needs=NEEDS,
    missing=missing,
    fetch=fetch,
    parse=parse,
    per_second=5,
)
