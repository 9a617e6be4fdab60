"""Lambda: types, prices and the regions that have capacity, in one answer.

A price holds in every region. The answer names only the regions that have a free machine now, so the others are those
that the catalog knows: there the type can be bought, and nothing was free when this was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.keys import ApiKey
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "lambda"
NAME: Final = "lambda"
URL: Final = "https://cloud.lambda.ai/api/v1/instance-types"
KEY: Final = ApiKey(("LAMBDA_API_KEY",), ".lambda_cloud/lambda_keys", "api_key =", "put `api_key = ...` into")
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about capacity says anything: machines are taken within minutes."""


class _Specs(BaseModel):
    vcpus: float
    memory_gib: float
    storage_gib: float | None = None
    gpus: int = 0


class _Type(BaseModel):
    name: str
    price_cents_per_hour: float
    specs: _Specs


class _Region(BaseModel):
    name: str


class _Entry(BaseModel):
    instance_type: _Type
    regions_with_capacity_available: list[_Region]


class _Answer(BaseModel):
    data: dict[str, _Entry]


def fetch(access: Access) -> Iterator[Page]:
    """The one answer, and the regions that the catalog knows."""
    key = KEY.found(access.env, access.home)
    yield Page("instance_types", access.client.get(URL, headers={"Authorization": f"Bearer {key}"}))
    known = sorted(set(access.regions.filter(cloud=CLOUD)["region"]) | set(access.offers["region"]))
    yield Page("known_regions", json.dumps(known).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, on-demand OFFERS in each region, and OBSERVATIONS of where a machine was free."""
    bodies = {page.name: page.body for page in pages}
    entries = list(read_as(_Answer, bodies["instance_types"], "instance types").data.values())
    known = read_as(list[str], bodies["known_regions"], "known regions")
    regions = sorted({*known, *(region.name for entry in entries for region in entry.regions_with_capacity_available)})
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, entries), **said),
        OFFERS.name: rows_of(OFFERS, _offers(entries, regions), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _capacity(entries, regions, observed_at + HOLDS), **said),
    }


def _machine(entry: _Entry) -> dict[str, Any]:
    kind = entry.instance_type
    return {
        "cloud": CLOUD,
        "instance_type": kind.name,
        "vcpus": kind.specs.vcpus,
        "memory_gib": kind.specs.memory_gib,
        "arch": "arm64" if "gh200" in kind.name else "x86_64",
        "accelerator": _model(kind.name) if kind.specs.gpus else None,
        "accelerator_count": kind.specs.gpus or None,
        "local_ssd_gib": kind.specs.storage_gib,
    }


def _model(name: str) -> str | None:
    """The accelerator in a name such as `gpu_8x_a100_80gb_sxm4`: the longest part that is a known model."""
    words = re.sub(r"^gpu_\d+x_", "", name).split("_")
    return accelerator(*(" ".join(words[:count]) for count in range(len(words), 0, -1)))


def _offers(entries: Iterable[_Entry], regions: Iterable[str]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        free = {region.name for region in entry.regions_with_capacity_available}
        for region in regions:
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": entry.instance_type.name,
                "purchase": Purchase.ON_DEMAND,
                "price_usd_h": entry.instance_type.price_cents_per_hour / 100,  # ct/h / (ct/$) = $/h
                "available": True if region in free else None,
            }


def _capacity(entries: Iterable[_Entry], regions: Iterable[str], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for entry in entries:
        free = {region.name for region in entry.regions_with_capacity_available}
        for region in regions:
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": entry.instance_type.name,
                "purchase": Purchase.ON_DEMAND,
                "signal": Signal.STOCK,
                "level": 1.0 if region in free else 0.0,
                "expires_at": expires_at,
            }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="types, on-demand prices, regions with capacity",
    page="https://docs.lambda.ai/public-cloud/cloud-api",
    needs=KEY.needs,
    missing=KEY.missing,
    fetch=fetch,
    parse=parse,
    turn=1,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=1,
)
