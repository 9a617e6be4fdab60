"""Hot Aisle: virtual machines with AMD accelerators, their prices and how many there are.

It has one place, which its answer does not name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, Field

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables, needs_variables
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "hotaisle"
NAME: Final = "hotaisle"
URL: Final = "https://admin.hotaisle.app/api/teams/{}/virtual_machines/available/"
KEY: Final = "HOTAISLE_API_KEY"
TEAM: Final = "HOTAISLE_TEAM_HANDLE"
REGION: Final = "us-michigan-1"
"""The name under which dstack knows the one place."""

HOLDS: Final = timedelta(minutes=30)
"""How long an answer about stock says anything: machines are taken within minutes."""

GIB: Final = 1 << 30


class _Cpus(BaseModel):
    model: str


class _Gpus(BaseModel):
    count: int
    model: str


class _Specs(BaseModel):
    """Memory and disk are in bytes."""

    cpu_cores: int
    ram_capacity: int
    disk_capacity: int
    cpus: _Cpus
    gpus: list[_Gpus]


class _Kind(BaseModel):
    quantity: int = Field(alias="Quantity")
    price_cents: float = Field(alias="OnDemandPrice")
    specs: _Specs = Field(alias="Specs")

    @property
    def name(self) -> str:
        """`1x MI300X 13x Xeon Platinum 8470`: there are no names of the provider's own, and dstack's are these."""
        gpus = "".join(f"{gpus.count}x {gpus.model} " for gpus in self.specs.gpus)
        return f"{gpus}{self.specs.cpu_cores}x {self.specs.cpus.model}"


def fetch(access: Access) -> Iterator[Page]:
    """The one answer."""
    url = URL.format(quote(access.env[TEAM], safe=""))
    yield Page("available", access.client.get(url, headers={"Authorization": f"Token {access.env[KEY]}"}))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, on-demand OFFERS, OBSERVATIONS of stock, and the one of REGIONS."""
    kinds = [kind for page in pages for kind in read_as(list[_Kind], page.body, "available machines")]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    place = {"cloud": CLOUD, "region": REGION, "country": "US", "continent": "north_america"}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, kinds), **said),
        OFFERS.name: rows_of(OFFERS, map(_offer, kinds), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _stock(kinds, observed_at + HOLDS), **said),
        REGIONS.name: rows_of(REGIONS, [place], **said),
    }


def _hardware(kind: _Kind) -> dict[str, Any]:
    gpus = kind.specs.gpus[0] if kind.specs.gpus else None
    return {
        "cloud": CLOUD,
        "instance_type": kind.name,
        "vcpus": kind.specs.cpu_cores,
        "memory_gib": kind.specs.ram_capacity / GIB,
        "arch": "x86_64",
        "accelerator": accelerator(gpus.model) if gpus else None,
        "accelerator_count": gpus.count if gpus else None,
        "local_ssd_gib": kind.specs.disk_capacity / GIB,
    }


def _offer(kind: _Kind) -> dict[str, Any]:
    return _place(kind) | {
        "price_usd_h": kind.price_cents / 100,  # ct/h / (ct/$) = $/h, of the whole machine
        "available": True if kind.quantity > 0 else None,
        "quantity": kind.quantity if kind.quantity > 0 else None,
    }


def _stock(kinds: Iterable[_Kind], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for kind in kinds:
        level = 1.0 if kind.quantity > 0 else 0.0
        yield _place(kind) | {"signal": Signal.STOCK, "level": level, "expires_at": expires_at}


def _place(kind: _Kind) -> dict[str, Any]:
    return {"cloud": CLOUD, "region": REGION, "instance_type": kind.name, "purchase": Purchase.ON_DEMAND}


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="virtual machines, on-demand prices, how many there are",
    page="https://admin.hotaisle.app/api/docs/",
    needs=f"{KEY} and {TEAM}",
    missing=needs_variables(KEY, TEAM),
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=1,
)
