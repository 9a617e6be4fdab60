"""Verda (DataCrunch): types and prices, and where each can be had now, on demand and as spot.

A price holds in every location. The answers name only what is free at this moment, so the other offers are those that
the catalog knows: the type is sold there, and none was free when this was asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables, needs_variables
from catalog_fetchers.countries import CONTINENTS, COUNTRY_ALONE
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "verda"
NAME: Final = "verda"
URL: Final = "https://api.verda.com/v1"
KEYS: Final = ("VERDA_CLIENT_ID", "VERDA_CLIENT_SECRET")
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about capacity says anything: machines are taken within minutes."""
IS_SPOT: Final = {Purchase.ON_DEMAND: "false", Purchase.SPOT: "true"}


class _Token(BaseModel):
    access_token: str


class _Cpu(BaseModel):
    number_of_cores: float


class _Gpu(BaseModel):
    description: str
    number_of_gpus: int


class _Memory(BaseModel):
    size_in_gigabytes: float


class _Type(BaseModel):
    instance_type: str
    cpu: _Cpu
    gpu: _Gpu
    memory: _Memory
    gpu_memory: _Memory
    price_per_hour: float
    spot_price: float
    currency: str


class _Location(BaseModel):
    code: str
    country_code: str


class _Free(BaseModel):
    location_code: str
    availabilities: list[str]


@dataclass(frozen=True)
class _Sale:
    """A type that is sold at a location, and whether one is free."""

    region: str
    purchase: Purchase
    kind: _Type
    free: bool

    @property
    def price_usd_h(self) -> float:
        return self.kind.spot_price if self.purchase == Purchase.SPOT else self.kind.price_per_hour


def fetch(access: Access) -> Iterator[Page]:
    """Types, locations, what is free in each way to buy, and the offers that the catalog knows."""
    headers = {"Authorization": f"Bearer {_token(access)}"}
    for name in ("instance-types", "locations"):
        yield Page(name, access.client.get(f"{URL}/{name}", headers=headers))
    for purchase, is_spot in IS_SPOT.items():
        answer = access.client.get(f"{URL}/instance-availability", params={"is_spot": is_spot}, headers=headers)
        yield Page(f"free/{purchase}", answer)
    known = access.offers.select("region", "instance_type", "purchase").unique()
    yield Page("known_offers", json.dumps(sorted(known.rows())).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """REGIONS, INSTANCE_TYPES, on-demand and spot OFFERS, and OBSERVATIONS of what is free."""
    bodies = {page.name: page.body for page in pages}
    kinds = read_as(list[_Type], bodies["instance-types"], "instance types")
    _require_usd(kinds)
    locations = read_as(list[_Location], bodies["locations"], "locations")
    sales = list(_sales(kinds, bodies))
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        REGIONS.name: rows_of(REGIONS, map(_region, locations), **{**said, **COUNTRY_ALONE}),
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, kinds), **said),
        OFFERS.name: rows_of(OFFERS, map(_offer, sales), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, (_stock(sale, observed_at + HOLDS) for sale in sales), **said),
    }


def _token(access: Access) -> str:
    """A token of the project (OAuth 2.0, client credentials)."""
    client_id, secret = (access.env[name] for name in KEYS)
    question = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    # With a header of its own the request follows no redirect: the secret goes nowhere else.
    answer = access.client.post(f"{URL}/oauth2/token", json=question, headers={"Accept": "application/json"})
    return read_as(_Token, answer, "token").access_token


def _require_usd(kinds: Iterable[_Type]) -> None:
    other = sorted({kind.currency for kind in kinds if kind.currency.lower() != "usd"})
    if other:
        raise AnswerError(f"instance types: prices in {', '.join(other)}, not usd")


def _sales(kinds: Iterable[_Type], bodies: Mapping[str, bytes]) -> Iterator[_Sale]:
    """What is free now, and what the catalog knows to be sold of the types that there still are."""
    by_name = {kind.instance_type: kind for kind in kinds}
    known = read_as(list[tuple[str, str, str]], bodies["known_offers"], "known offers")
    for purchase in IS_SPOT:
        answer = read_as(list[_Free], bodies[f"free/{purchase}"], f"availability ({purchase})")
        free = {(place.location_code, name) for place in answer for name in place.availabilities}
        sold = free | {(region, name) for region, name, how in known if how == purchase}
        for region, name in sorted(sold):
            if name not in by_name:
                continue
            sale = _Sale(region, purchase, by_name[name], free=(region, name) in free)
            if sale.price_usd_h > 0:  # a type that is no spot machine has a spot price of zero
                yield sale


def _region(location: _Location) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": location.code,
        "continent": CONTINENTS.get(location.country_code),
        "country": location.country_code,
    }


def _machine(kind: _Type) -> dict[str, Any]:
    """Gigabytes are read as GiB: `CPU.4V.16G` and its like have powers of two."""
    count = kind.gpu.number_of_gpus
    return {
        "cloud": CLOUD,
        "instance_type": kind.instance_type,
        "vcpus": kind.cpu.number_of_cores,
        "memory_gib": kind.memory.size_in_gigabytes,
        "arch": "x86_64",
        "accelerator": _model(kind.gpu.description) if count else None,
        "accelerator_count": count or None,
        # The answer gives the memory of all GPUs together.
        "accelerator_memory_gib": kind.gpu_memory.size_in_gigabytes / count if count else None,
    }


def _model(description: str) -> str | None:
    """The accelerator in a text such as `8x H100 SXM5 80GB`: the longest beginning that is a known model."""
    _, _, name = description.partition("x ")
    words = (name or description).split()
    return accelerator(*(" ".join(words[:count]) for count in range(len(words), 0, -1)))


def _offer(sale: _Sale) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": sale.region,
        "instance_type": sale.kind.instance_type,
        "purchase": sale.purchase,
        "price_usd_h": sale.price_usd_h,
        "available": True if sale.free else None,
    }


def _stock(sale: _Sale, expires_at: datetime) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": sale.region,
        "instance_type": sale.kind.instance_type,
        "purchase": sale.purchase,
        "signal": Signal.STOCK,
        "level": 1.0 if sale.free else 0.0,
        "expires_at": expires_at,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="types, on-demand and spot prices, locations, what is free",
    page="https://api.verda.com/v1/docs",
    needs=" and ".join(KEYS),
    missing=needs_variables(*KEYS),
    fetch=fetch,
    parse=parse,
    turn=1,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT),
    complete_everywhere=True,
    per_second=2,
)
