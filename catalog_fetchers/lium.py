"""Lium: a marketplace of GPU hosts, its whole inventory in one public feed.

A host is rented whole or by the GPU, from the smallest order that it takes up to the GPUs that are free; with its share
of the GPUs comes the same share of its CPUs and memory. Hosts that are alike, in one place, are one offer at the
lowest of their prices, and `quantity` counts the machines that are to be had at that price.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "lium"
NAME: Final = "lium"
URL: Final = "https://lium.io/api/public/v1/nodes"
HOLDS: Final = timedelta(minutes=30)
"""How long the feed says anything of what is free: hosts come and go by the minute."""

PURCHASES: Final[Mapping[str, Purchase]] = MappingProxyType({"secure": Purchase.ON_DEMAND, "spot": Purchase.SPOT})
"""A host of the tier `spot` can be taken back at any time."""

RESERVE_GIB: Final = 4
RESERVE_SHARE: Final = 0.01
"""Memory that the host keeps for itself: 4 GiB, or 1 % where that is more (docs.lium.io/pod-users/create-pod)."""

_NOISE: Final = re.compile(
    r"\b(?:blackwell|generation|tensor core gpu|(?:server|workstation) edition|(?<=sxm6 )ac)\b", re.IGNORECASE
)
"""What the feed adds to the name of a card and no data sheet needs."""


class _Node(BaseModel):
    """Only the id is promised to be there; `ram_gb` is what the host's Linux shows, in GiB (251 of 256)."""

    gpu_model: str | None
    gpu_count: int | None
    available_gpu_count: int | None
    min_rentable_gpu_count: int | None
    price_per_gpu_hour: float | None
    cpu_count: int | None
    ram_gb: float | None
    tier: str | None
    country_code: str | None
    region: str | None


class _Feed(BaseModel):
    nodes: list[_Node]


@dataclass(frozen=True)
class _Kind:
    """What hosts have in common that are one offer."""

    region: str
    purchase: Purchase
    model: str
    count: int
    vcpus: int
    memory_gib: int

    @property
    def instance_type(self) -> str:
        """`8x-H200-192-1994`: GPUs, vCPUs, GiB."""
        return f"{self.count}x-{self.model}-{self.vcpus}-{self.memory_gib}"


def fetch(access: Access) -> Iterator[Page]:
    """The feed."""
    yield Page("nodes", access.client.get(URL))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, OFFERS of what is free now, OBSERVATIONS that it is, and the countries of the REGIONS."""
    nodes = [node for page in pages for node in read_as(_Feed, page.body, "nodes").nodes]
    machines: dict[_Kind, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    for node in nodes:
        for kind, price, number in _machines(node):
            machines[kind][price] += number
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, machines), **said),
        OFFERS.name: rows_of(OFFERS, _offers(machines), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _free(machines, observed_at + HOLDS), **said),
        REGIONS.name: rows_of(REGIONS, _places(machines), **said),
    }


def _machines(node: _Node) -> Iterator[tuple[_Kind, float, int]]:
    """Each size in which the host can be rented now, its USD an hour, and how many of it fit."""
    model = _model(node.gpu_model)
    purchase = PURCHASES.get(node.tier or "")
    price, total, free = node.price_per_gpu_hour, node.gpu_count, node.available_gpu_count
    if not (model and purchase and price and total and free and node.country_code and node.cpu_count and node.ram_gb):
        return
    left_gib = node.ram_gb - max(RESERVE_GIB, RESERVE_SHARE * node.ram_gb)
    # Where the smallest order is not said, only the whole host is a safe one.
    for count in range(max(1, node.min_rentable_gpu_count or total), min(free, total) + 1):
        vcpus, memory_gib = node.cpu_count * count // total, int(left_gib * count / total)
        if vcpus >= 1 and memory_gib >= 1:
            kind = _Kind(_region(node.country_code, node.region), purchase, model, count, vcpus, memory_gib)
            yield kind, round(price * count, 6), free // count  # $/(GPU h) * GPUs = $/h


def _model(name: str | None) -> str | None:
    return accelerator(" ".join(_NOISE.sub(" ", name).split()), name) if name else None


def _region(country: str, subdivision: str | None) -> str:
    """`us-ms`, or `de` where no part of the country is said."""
    return "-".join(part.strip().lower() for part in (country, subdivision) if part and part.strip())


def _hardware(kind: _Kind) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": kind.instance_type,
        "vcpus": kind.vcpus,
        "memory_gib": kind.memory_gib,
        "accelerator": kind.model,
        "accelerator_count": kind.count,
    }


def _offers(machines: Mapping[_Kind, Mapping[float, int]]) -> Iterator[dict[str, Any]]:
    for kind, prices in machines.items():
        lowest = min(prices)
        yield _place(kind) | {"price_usd_h": lowest, "available": True, "quantity": prices[lowest]}


def _free(machines: Iterable[_Kind], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for kind in machines:
        yield _place(kind) | {"signal": Signal.STOCK, "level": 1.0, "expires_at": expires_at}


def _places(machines: Iterable[_Kind]) -> Iterator[dict[str, Any]]:
    for kind in machines:
        yield {"cloud": CLOUD, "region": kind.region, "country": kind.region.partition("-")[0].upper()}


def _place(kind: _Kind) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": kind.region,
        "instance_type": kind.instance_type,
        "purchase": kind.purchase,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="the hosts that are free now, their prices, how many there are",
    page="https://docs.lium.io/developers/public-nodes-feed",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT),
    complete_everywhere=True,
    per_second=1,
)
