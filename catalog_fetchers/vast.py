"""Vast.ai: a marketplace of single hosts, gathered into offers as a cloud has them.

Each host sets its own price and comes and goes within minutes, so single hosts are no offers. Hosts that are alike
become one offer per (region, type):

- Only hosts that Vast.ai has verified and whose reliability is at least `LEAST_RELIABILITY` count.
- The region is the place that the host states, followed by the part of the world, as SkyPilot's catalog writes it
  (`Japan, JP, AS`; the state is missing in `, US, NA`).
- The type is `<GPUs>x-<GPU>-<vCPUs>-<memory in MiB>`, SkyPilot's form too, with vCPUs and memory rounded down to a
  power of two: each host of a type has at least what the name says.
- The price is the lower median over the machines of a type, and `quantity` counts those that cost no more: so many can
  be had for at most that price. On demand it is the price with the least disk, as spot the floor of the bids, of which
  those above the price on demand do not count.

A host may be rented in parts, and each part is listed; a machine counts once for each type. `cpu_cores` and `cpu_ram`
are not alike in this: the cores are those of the whole host (`cpu_cores_effective` are those of the part), the memory
is that of the part. Both memories are in MiB though the documentation writes MB (an H100 has 81,559 of them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OFFERS, REGIONS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.countries import CONTINENTS, COUNTRY_ALONE
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "vast"
NAME: Final = "vast"
URL: Final = "https://console.vast.ai/api/v0/bundles/"
LIMIT: Final = 10_000
LEAST_RELIABILITY: Final = 0.95
QUERY: Final[Mapping[str, Any]] = {
    "type": "on-demand",
    "verified": {"eq": True},
    "external": {"eq": False},
    "rentable": {"eq": True},
    "rented": {"eq": False},
    "reliability": {"gte": LEAST_RELIABILITY},
    "order": [["dph_total", "asc"]],
    "disable_bundling": True,
    "limit": LIMIT,
}

_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "arm64"}
_PARTS_OF_THE_WORLD: Final = {
    "africa": "AF",
    "asia": "AS",
    "europe": "EU",
    "north_america": "LC",  # Latin America and the Caribbean, but for the two below
    "oceania": "OC",
    "south_america": "LC",
}
_ELSEWHERE: Final = {"CA": "NA", "US": "NA", "GE": "EU", "KZ": "EU"}
"""Countries that Vast.ai's own library puts into another part of the world than their continent's."""

_USUAL_GB: Final = {
    "A100 SXM4": 80,
    "A100 PCIE": 80,
    "RTX 3060": 12,
    "RTX 3080": 10,
    "RTX 4060 Ti": 16,
    "RTX 5060 Ti": 16,
    "Tesla V100": 16,
}
"""GPUs that are sold with different memories under one name, and which of them a name without a size means."""


class _Host(BaseModel):
    machine_id: int
    gpu_name: str
    num_gpus: int
    gpu_ram: float
    cpu_arch: str | None = None
    cpu_cores_effective: float | None
    cpu_ram: float
    dph_total: float
    min_bid: float | None
    reliability: float | None
    verification: str | None
    geolocation: str | None

    @property
    def vcpus(self) -> int:
        return _power_of_two(self.cpu_cores_effective or 0)

    @property
    def memory_mib(self) -> int:
        return _power_of_two(self.cpu_ram)

    @property
    def country(self) -> str:
        return (self.geolocation or "")[-2:]

    @property
    def region(self) -> str:
        continent = CONTINENTS.get(self.country, "")
        part = _ELSEWHERE.get(self.country) or _PARTS_OF_THE_WORLD.get(continent)
        return f"{self.geolocation}, {part}" if part else f"{self.geolocation}"

    @property
    def instance_type(self) -> str:
        size = round(self.gpu_ram / 1024)
        usual = _USUAL_GB.get(self.gpu_name, size)
        gpu = self.gpu_name if abs(size - usual) < usual / 8 else f"{self.gpu_name} {size}GB"
        return f"{self.num_gpus}x-{gpu.replace(' ', '_')}-{self.vcpus}-{self.memory_mib}"


class _Answer(BaseModel):
    offers: list[_Host]


def fetch(access: Access) -> Iterator[Page]:
    """The one answer: every part of every host that can be rented now."""
    yield Page("offers", access.client.post(URL, json=QUERY))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """REGIONS, INSTANCE_TYPES, and on-demand and spot OFFERS of hosts that are alike.

    Raises:
        AnswerError: an answer has not the documented form, or was cut off at the limit.
    """
    listed = [host for page in pages for host in read_as(_Answer, page.body, page.name).offers]
    if len(listed) >= LIMIT:
        raise AnswerError(f"the answer was cut off at {LIMIT:,} offers")
    hosts = [host for host in listed if _counts(host)]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        REGIONS.name: rows_of(REGIONS, map(_region, hosts), **{**said, **COUNTRY_ALONE}),
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, _grouped(hosts, _type_of).values()), **said),
        OFFERS.name: rows_of(OFFERS, _offers(hosts), **said),
    }


def _counts(host: _Host) -> bool:
    """Whether the host is good enough and says what it is; a few state no cores, no memory or no place."""
    good = host.verification == "verified" and (host.reliability or 0) >= LEAST_RELIABILITY
    return good and bool(host.geolocation and host.num_gpus and host.vcpus and host.memory_mib and host.dph_total > 0)


def _power_of_two(amount: float) -> int:
    """The largest power of two that is no more than the amount; 0 below 1."""
    return 1 << (int(amount).bit_length() - 1) if amount >= 1 else 0


def _type_of(host: _Host) -> tuple[str, ...]:
    return (host.instance_type,)


def _place_and_type_of(host: _Host) -> tuple[str, ...]:
    return host.region, host.instance_type


def _grouped(hosts: Iterable[_Host], key: Callable[[_Host], tuple[str, ...]]) -> dict[tuple[str, ...], list[_Host]]:
    groups: defaultdict[tuple[str, ...], list[_Host]] = defaultdict(list)
    for host in hosts:
        groups[key(host)].append(host)
    return dict(sorted(groups.items()))


def _region(host: _Host) -> dict[str, Any]:
    known = host.country in CONTINENTS
    return {
        "cloud": CLOUD,
        "region": host.region,
        "continent": CONTINENTS.get(host.country),
        "country": host.country if known else None,
    }


def _machine(alike: Sequence[_Host]) -> dict[str, Any]:
    """What each of the hosts has at least."""
    host = alike[0]
    device_gib = min(other.gpu_ram for other in alike) / 1024
    architectures = {_ARCHITECTURES.get(other.cpu_arch or "") for other in alike}
    return {
        "cloud": CLOUD,
        "instance_type": host.instance_type,
        "vcpus": host.vcpus,
        "memory_gib": host.memory_mib / 1024,
        "arch": architectures.pop() if len(architectures) == 1 else None,
        # The size tells models apart that share a name (`A100 SXM4`).
        "accelerator": accelerator(f"{host.gpu_name} {device_gib:.0f}GB", host.gpu_name),
        "accelerator_count": host.num_gpus,
        "accelerator_memory_gib": device_gib,
    }


def _offers(hosts: Iterable[_Host]) -> Iterator[dict[str, Any]]:
    for (region, name), alike in _grouped(hosts, _place_and_type_of).items():
        price, quantity = _typical((host.machine_id, host.dph_total) for host in alike)
        bids = [(host.machine_id, host.min_bid) for host in alike if host.min_bid and host.min_bid <= price]
        sales = {Purchase.ON_DEMAND: (price, quantity)} | ({Purchase.SPOT: _typical(bids)} if bids else {})
        for purchase, (price_usd_h, count) in sales.items():
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": name,
                "purchase": purchase,
                "price_usd_h": price_usd_h,
                "available": True,
                "quantity": count,
            }


def _typical(asked: Iterable[tuple[int, float]]) -> tuple[float, int]:
    """The lower median of the prices (USD/h), each machine at its cheapest part, and how many ask no more."""
    cheapest: dict[int, float] = {}
    for machine, price in asked:
        cheapest[machine] = min(price, cheapest.get(machine, price))
    prices = sorted(cheapest.values())
    price = prices[(len(prices) - 1) // 2]
    return price, sum(other <= price for other in prices)


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="verified hosts gathered by place and type, on-demand prices, floors of spot bids, how many there are",
    page="https://docs.vast.ai/api-reference/search/search-offers",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT),
    complete_everywhere=True,
    per_second=1,
)
