"""Shadeform: one account for the GPU machines of many small clouds.

What a Shadeform key can buy is sold by Shadeform, so rows bear this cloud and the type is named after both:
`<cloud>_<shade instance type>`, which together denote one machine (docs.shadeform.ai, Core Concepts). They are a third
party's word on the machines of others and have a lower confidence. The price is that of the machine: it leaves out a
fee that Shadeform may ask for its platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.countries import CONTINENTS, COUNTRY_ALONE
from catalog_fetchers.keys import ApiKey
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "shadeform"
NAME: Final = "shadeform"
URL: Final = "https://api.shadeform.ai/v1/instances/types"
KEY: Final = ApiKey(("SHADEFORM_API_KEY",), ".shadeform/api_key")
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about capacity says anything: machines are taken within minutes."""


class _Configuration(BaseModel):
    memory_in_gb: float
    vcpus: float
    num_gpus: int
    gpu_type: str
    interconnect: str | None = None
    vram_per_gpu_in_gb: float | None = None


class _Availability(BaseModel):
    region: str
    available: bool
    display_name: str | None = None


class _Type(BaseModel):
    cloud: str
    shade_instance_type: str
    configuration: _Configuration
    hourly_price: float
    availability: list[_Availability]

    @property
    def name(self) -> str:
        return f"{self.cloud}_{self.shade_instance_type}"


class _Answer(BaseModel):
    instance_types: list[_Type]


def fetch(access: Access) -> Iterator[Page]:
    """The one answer: all types, the sold-out ones too."""
    key = KEY.found(access.env, access.home)
    yield Page("instance_types", access.client.get(URL, headers={"X-API-KEY": key}))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """REGIONS, INSTANCE_TYPES, on-demand OFFERS, and OBSERVATIONS of where a machine can be had."""
    kinds = _cheapest(kind for page in pages for kind in read_as(_Answer, page.body, page.name).instance_types)
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.MEDIUM}
    return {
        REGIONS.name: rows_of(REGIONS, _regions(kinds), **{**said, **COUNTRY_ALONE}),
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, kinds), **said),
        OFFERS.name: rows_of(OFFERS, _offers(kinds), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _stock(kinds, observed_at + HOLDS), **said),
    }


def _cheapest(kinds: Iterable[_Type]) -> list[_Type]:
    """One entry for each name, the cheapest: a request for the name does not choose between several."""
    best: dict[str, _Type] = {}
    for kind in kinds:
        if kind.name not in best or kind.hourly_price < best[kind.name].hourly_price:
            best[kind.name] = kind
    return list(best.values())


def _places(kind: _Type) -> list[_Availability]:
    """The regions, each once; one that is named twice is available if either is."""
    places: dict[str, _Availability] = {}
    for place in kind.availability:
        if place.region not in places or place.available:
            places[place.region] = place
    return list(places.values())


def _regions(kinds: Iterable[_Type]) -> Iterator[dict[str, Any]]:
    """Regions whose display name opens with the code of a country (`US, Wichita, KS`)."""
    countries: dict[str, str] = {}
    for kind in kinds:
        for place in kind.availability:
            country = (place.display_name or "").partition(",")[0].strip()
            if country in CONTINENTS:
                countries.setdefault(place.region, country)
    for region, country in countries.items():
        yield {"cloud": CLOUD, "region": region, "continent": CONTINENTS[country], "country": country}


def _machine(kind: _Type) -> dict[str, Any]:
    """Gigabytes are read as GiB: the figures are those of clouds that mean GiB (Lambda's 8x A100 has 1800)."""
    configuration = kind.configuration
    gpus = configuration.num_gpus
    return {
        "cloud": CLOUD,
        "instance_type": kind.name,
        "vcpus": configuration.vcpus or None,
        "memory_gib": configuration.memory_in_gb or None,
        "accelerator": _model(configuration) if gpus else None,
        "accelerator_count": gpus or None,
        "accelerator_memory_gib": (configuration.vram_per_gpu_in_gb or None) if gpus else None,
    }


def _model(configuration: _Configuration) -> str | None:
    """The model with its interconnect where that makes another model of it: `H100` is SXM or PCIe."""
    return accelerator(f"{configuration.gpu_type} {configuration.interconnect or ''}", configuration.gpu_type)


def _offers(kinds: Iterable[_Type]) -> Iterator[dict[str, Any]]:
    for kind in kinds:
        for place in _places(kind):
            yield {
                "cloud": CLOUD,
                "region": place.region,
                "instance_type": kind.name,
                "purchase": Purchase.ON_DEMAND,
                "price_usd_h": kind.hourly_price / 100,  # ct/h / (ct/$) = $/h
                "available": True if place.available else None,
            }


def _stock(kinds: Iterable[_Type], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for kind in kinds:
        for place in _places(kind):
            yield {
                "cloud": CLOUD,
                "region": place.region,
                "instance_type": kind.name,
                "purchase": Purchase.ON_DEMAND,
                "signal": Signal.STOCK,
                "level": 1.0 if place.available else 0.0,
                "expires_at": expires_at,
            }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="GPU machines of many small clouds, on-demand prices, where they can be had",
    page="https://docs.shadeform.ai/api-reference/instances/instances-types",
    needs=KEY.needs,
    missing=KEY.missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=1,
)
