"""CloudRift: instance types, prices and free nodes by data centre, in one public answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "cloudrift"
NAME: Final = "cloudrift"
URL: Final = "https://api.cloudrift.ai/api/v1/instance-types/list"
QUESTION: Final = {"version": "2025-06-10", "data": {"selector": {"ByServiceAndLocation": {"services": ["vm"]}}}}
"""Virtual machines in all data centres; `version` is that of the API."""

HOLDS: Final = timedelta(minutes=30)
"""How long an answer about free nodes says anything: they are taken within minutes."""

GIB: Final = 1 << 30


class _Variant(BaseModel):
    """A type in one size. Memory and disk are in bytes, `vram` that of one card."""

    name: str
    cpu_count: float
    gpu_count: int
    dram: int
    disk: int
    vram: int
    cost_per_hour: float
    nodes_per_dc: dict[str, int]
    available_nodes_per_dc: dict[str, int]


class _Type(BaseModel):
    brand_short: str
    variants: list[_Variant]


class _Data(BaseModel):
    instance_types: list[_Type]


class _Answer(BaseModel):
    data: _Data


def fetch(access: Access) -> Iterator[Page]:
    """The one answer."""
    yield Page("instance_types", access.client.post(URL, json=QUESTION))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, on-demand OFFERS in each data centre that has such nodes, and OBSERVATIONS of which are free."""
    types = [kind for page in pages for kind in read_as(_Answer, page.body, "instance types").data.instance_types]
    variants = [variant for kind in types for variant in kind.variants]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    hardware = (_hardware(variant, kind.brand_short) for kind in types for variant in kind.variants)
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, hardware, **said),
        OFFERS.name: rows_of(OFFERS, _offers(variants), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _stock(variants, observed_at + HOLDS), **said),
    }


def _hardware(variant: _Variant, brand: str) -> dict[str, Any]:
    has_gpus = variant.gpu_count > 0
    return {
        "cloud": CLOUD,
        "instance_type": variant.name,
        "vcpus": variant.cpu_count,
        "memory_gib": variant.dram / GIB,
        "arch": "x86_64",
        "accelerator": accelerator(brand) if has_gpus else None,
        "accelerator_count": variant.gpu_count if has_gpus else None,
        "accelerator_memory_gib": variant.vram / GIB if has_gpus and variant.vram else None,
        "local_ssd_gib": variant.disk / GIB,
    }


def _offers(variants: Iterable[_Variant]) -> Iterator[dict[str, Any]]:
    for variant in variants:
        for centre in _centres(variant):
            free = variant.available_nodes_per_dc.get(centre, 0)
            yield _place(variant, centre) | {
                "price_usd_h": variant.cost_per_hour / 100,  # ct/h / (ct/$) = $/h, of the whole machine
                "available": True if free else None,
                "quantity": free or None,
            }


def _stock(variants: Iterable[_Variant], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for variant in variants:
        for centre in _centres(variant):
            level = 1.0 if variant.available_nodes_per_dc.get(centre, 0) else 0.0
            yield _place(variant, centre) | {"signal": Signal.STOCK, "level": level, "expires_at": expires_at}


def _centres(variant: _Variant) -> list[str]:
    return sorted({*variant.nodes_per_dc, *variant.available_nodes_per_dc})


def _place(variant: _Variant, centre: str) -> dict[str, Any]:
    return {"cloud": CLOUD, "region": centre, "instance_type": variant.name, "purchase": Purchase.ON_DEMAND}


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="instance types, on-demand prices, free nodes by data centre",
    page="https://docs.cloudrift.ai",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=1,
)
