"""RunPod: machines with GPUs and without in the data centres of its Secure Cloud.

A region is a country, as SkyPilot has it, and a zone is a data centre (`US-GA-1` is in US, `EUR-IS-2` in IS). A GPU has
one price in all of them, and a machine costs as much as its GPUs. The Community Cloud (single hosts by country, without
data centres) is not read.

The answer tells the stock of each data centre. A machine that has none there now may be sold there or not: it stays an
offer where the catalog knows it as one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.countries import CONTINENTS, COUNTRY_ALONE
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "runpod"
NAME: Final = "runpod"
URL: Final = "https://api.runpod.io/graphql"
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about stock says anything: SkyPilot sees the machines change within that time."""
LEVELS: Final = {"High": 1.0, "Medium": 2 / 3, "Low": 1 / 3}

FLEET: Final = """query Fleet {
  dataCenters { id listed }
  gpuTypes { id displayName memoryInGb maxGpuCount secureCloud securePrice secureSpotPrice }
  cpuFlavors { id minVcpu maxVcpu ramMultiplier }
}"""

_SHORTER: Final = {"A100-PCIe": "A100-80GB", "A100-SXM": "A100-80GB-SXM", "H100-PCIe": "H100"}
"""Names of GPUs in SkyPilot's types that are not what the display name gives."""


class _DataCenter(BaseModel):
    id: str
    listed: bool


class _Gpu(BaseModel):
    id: str
    display_name: str = Field(alias="displayName")
    memory_gib: float = Field(alias="memoryInGb")
    most: int | None = Field(alias="maxGpuCount")
    is_secure: bool = Field(alias="secureCloud")
    price_usd_h: float | None = Field(alias="securePrice")
    spot_price_usd_h: float | None = Field(alias="secureSpotPrice")

    @property
    def is_sold(self) -> bool:
        """A price of zero is that of a GPU which the Secure Cloud does not have."""
        return self.is_secure and bool(self.price_usd_h)

    def instance_type(self, count: int) -> str:
        """The name that SkyPilot gives to a machine (`8x_H100-SXM_SECURE`)."""
        name = self.display_name.replace("RTX PRO ", "RTXPRO").replace("RTX ", "RTX").replace(" ", "-")
        return f"{count}x_{_SHORTER.get(name, name)}_SECURE"


class _Flavor(BaseModel):
    id: str
    least: int | None = Field(alias="minVcpu")
    most: int | None = Field(alias="maxVcpu")
    gib_per_vcpu: float | None = Field(alias="ramMultiplier")

    @property
    def sizes(self) -> list[int]:
        """The numbers of vCPUs that machines come with: powers of two."""
        if not (self.least and self.most and self.gib_per_vcpu):
            return []
        return [1 << power for power in range(1, 10) if self.least <= 1 << power <= self.most]

    def instance_type(self, vcpus: int) -> str:
        """RunPod's own name of a machine: flavour, vCPUs, GB of memory."""
        return f"{self.id}-{vcpus}-{int(vcpus * (self.gib_per_vcpu or 0))}"


class _Fleet(BaseModel):
    data_centers: list[_DataCenter] = Field(alias="dataCenters")
    gpus: list[_Gpu] = Field(alias="gpuTypes")
    flavors: list[_Flavor] = Field(alias="cpuFlavors")


class _GpuStock(BaseModel):
    stock: str | None = Field(alias="stockStatus")
    vcpus: float | None = Field(alias="minVcpu")
    memory_gib: float | None = Field(alias="minMemory")


class _CpuStock(BaseModel):
    stock: str | None = Field(alias="stockStatus")
    price_usd_h: float | None = Field(alias="securePrice")


class _GpuStocks(BaseModel):
    """The stock of one GPU in a data centre: `n8` is that of machines with eight."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _GpuStock | None] = Field(init=False)

    id: str

    def of(self, count: int) -> _GpuStock | None:
        return self.__pydantic_extra__.get(f"n{count}")


class _CpuStocks(BaseModel):
    """The stock of one CPU flavour in a data centre: `v8` is that of machines with eight vCPUs."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _CpuStock | None] = Field(init=False)

    id: str

    def of(self, vcpus: int) -> _CpuStock | None:
        return self.__pydantic_extra__.get(f"v{vcpus}")


class _DataCenterStock(BaseModel):
    """The stock of a data centre: one list of GPUs, and one list for each CPU flavour."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[_CpuStocks]] = Field(init=False)

    gpus: list[_GpuStocks] = Field(alias="gpuTypes")

    @property
    def cpus(self) -> list[_CpuStocks]:
        return [stocks for flavor in self.__pydantic_extra__.values() for stocks in flavor]


class _Error(BaseModel):
    message: str


class _Errors(BaseModel):
    errors: list[_Error] = []


class _FleetAnswer(BaseModel):
    data: _Fleet


class _StockAnswer(BaseModel):
    data: _DataCenterStock


@dataclass(frozen=True)
class _Machine:
    """A machine as a data centre has it: `stock` is None where there is none now."""

    instance_type: str
    stock: str | None
    prices_usd_h: Mapping[Purchase, float | None]
    vcpus: float | None
    memory_gib: float | None
    gpu: _Gpu | None = None
    count: int | None = None


def fetch(access: Access) -> Iterator[Page]:
    """What RunPod has, the stock of each data centre, and what the catalog knows of both."""
    fleet = Page("fleet", access.client.post(URL, json={"query": FLEET}))
    yield fleet
    known = _read_fleet(fleet)
    for center in known.data_centers:
        if center.listed:
            yield Page(f"stock/{center.id}", access.client.post(URL, json={"query": _stock_query(center.id, known)}))
    sold = access.offers.drop_nulls("zone").select("zone", "instance_type").unique()
    yield Page("known_offers", json.dumps(sorted(sold.rows())).encode())
    sizes = access.instance_types.drop_nulls(["vcpus", "memory_gib"]).select("instance_type", "vcpus", "memory_gib")
    yield Page("known_sizes", json.dumps(sorted(sizes.unique().rows())).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """REGIONS, INSTANCE_TYPES, on-demand and spot OFFERS by data centre, and OBSERVATIONS of their stock."""
    by_name = {page.name: page for page in pages}
    fleet = _read_fleet(by_name["fleet"])
    known = set(read_as(list[tuple[str, str]], by_name["known_offers"].body, "known offers"))
    sizes = read_as(list[tuple[str, float, float]], by_name["known_sizes"].body, "known sizes")
    machines = {
        center.id: [
            machine
            for machine in _machines(fleet, _read_stock(by_name[f"stock/{center.id}"]))
            if machine.stock or (center.id, machine.instance_type) in known
        ]
        for center in fleet.data_centers
        if center.listed
    }
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        REGIONS.name: rows_of(REGIONS, map(_region, machines), **{**said, **COUNTRY_ALONE}),
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, _types(machines, sizes), **said),
        OFFERS.name: rows_of(OFFERS, _offers(machines), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _stock(machines, observed_at + HOLDS), **said),
    }


def _stock_query(center: str, fleet: _Fleet) -> str:
    """One question for the whole stock of a data centre: GPU machines of each size, then CPU machines of each size."""
    zone = json.dumps(center)
    most = max((gpu.most or 0 for gpu in fleet.gpus), default=0)
    gpus = [
        f"n{count}: lowestPrice(input: {{gpuCount: {count}, secureCloud: true, dataCenterId: {zone}}})"
        " { stockStatus minVcpu minMemory }"
        for count in range(1, most + 1)
    ]
    lines = [f"gpuTypes {{ id {' '.join(gpus)} }}"]
    for number, flavor in enumerate(fleet.flavors):
        names = {vcpus: json.dumps(flavor.instance_type(vcpus)) for vcpus in flavor.sizes}
        cpus = [
            f"v{vcpus}: specifics(input: {{instanceId: {name}, dataCenterId: {zone}}}) {{ stockStatus securePrice }}"
            for vcpus, name in names.items()
        ]
        if cpus:
            lines.append(f"f{number}: cpuFlavors(input: {{id: {json.dumps(flavor.id)}}}) {{ id {' '.join(cpus)} }}")
    return f"query Stock {{ {' '.join(lines)} }}"


def _read_fleet(page: Page) -> _Fleet:
    _require_no_errors(page)
    return read_as(_FleetAnswer, page.body, page.name).data


def _read_stock(page: Page) -> _DataCenterStock:
    _require_no_errors(page)
    return read_as(_StockAnswer, page.body, page.name).data


def _require_no_errors(page: Page) -> None:
    """GraphQL answers 200 to a question that it refuses, and says why."""
    errors = read_as(_Errors, page.body, page.name).errors
    if errors:
        raise AnswerError(f"{page.name}: {errors[0].message}")


def _machines(fleet: _Fleet, stock: _DataCenterStock) -> Iterator[_Machine]:
    """Every machine that a data centre was asked for, in stock or not."""
    gpus = {stocks.id: stocks for stocks in stock.gpus}
    for gpu in fleet.gpus:
        if gpu.is_sold and gpu.id in gpus:
            for count in range(1, (gpu.most or 0) + 1):
                yield _gpu_machine(gpu, count, gpus[gpu.id].of(count))
    cpus = {stocks.id: stocks for stocks in stock.cpus}
    for flavor in fleet.flavors:
        for vcpus in flavor.sizes if flavor.id in cpus else ():
            found = cpus[flavor.id].of(vcpus)
            yield _Machine(
                instance_type=flavor.instance_type(vcpus),
                stock=found.stock if found else None,
                prices_usd_h={Purchase.ON_DEMAND: found.price_usd_h if found else None},
                vcpus=vcpus,
                memory_gib=vcpus * (flavor.gib_per_vcpu or 0),
            )


def _gpu_machine(gpu: _Gpu, count: int, found: _GpuStock | None) -> _Machine:
    """A machine costs as much as its GPUs; vCPUs and memory are the least that it may come with."""
    return _Machine(
        instance_type=gpu.instance_type(count),
        stock=found.stock if found else None,
        prices_usd_h={
            Purchase.ON_DEMAND: count * gpu.price_usd_h if gpu.price_usd_h else None,
            Purchase.SPOT: count * gpu.spot_price_usd_h if gpu.spot_price_usd_h else None,
        },
        vcpus=found.vcpus if found else None,
        memory_gib=found.memory_gib if found else None,
        gpu=gpu,
        count=count,
    )


def _country(center: str) -> str | None:
    """The country in the name of a data centre: the first part in North America, the second elsewhere."""
    first, second, *_ = [*center.split("-"), ""]
    country = first if first in {"CA", "US"} else second
    return country if country in CONTINENTS else None


def _region_name(center: str) -> str:
    return _country(center) or center


def _region(center: str) -> dict[str, Any]:
    country = _country(center)
    return {
        "cloud": CLOUD,
        "region": _region_name(center),
        "continent": CONTINENTS[country] if country else None,
        "country": country,
    }


def _types(
    machines: Mapping[str, Iterable[_Machine]], sizes: Iterable[tuple[str, float, float]]
) -> Iterator[dict[str, Any]]:
    """Each type once, with the least vCPUs and memory of any data centre, or what was known where none has it now."""
    known = {name: (vcpus, memory_gib) for name, vcpus, memory_gib in sizes}
    alike: dict[str, list[_Machine]] = {}
    for held in machines.values():
        for machine in held:
            alike.setdefault(machine.instance_type, []).append(machine)
    for name, group in alike.items():
        vcpus, memory_gib = known.get(name, (None, None))
        gpu, count = group[0].gpu, group[0].count
        yield {
            "cloud": CLOUD,
            "instance_type": name,
            "vcpus": min((machine.vcpus for machine in group if machine.vcpus), default=vcpus),
            "memory_gib": min((machine.memory_gib for machine in group if machine.memory_gib), default=memory_gib),
            "arch": "x86_64",
            "accelerator": accelerator(gpu.id, gpu.display_name) if gpu else None,
            "accelerator_count": count,
            "accelerator_memory_gib": gpu.memory_gib if gpu else None,
        }


def _offers(machines: Mapping[str, Iterable[_Machine]]) -> Iterator[dict[str, Any]]:
    for center, machine, purchase, price in _priced(machines):
        yield {
            "cloud": CLOUD,
            "region": _region_name(center),
            "zone": center,
            "instance_type": machine.instance_type,
            "purchase": purchase,
            "price_usd_h": price,
            "available": True if machine.stock else None,
        }


def _stock(machines: Mapping[str, Iterable[_Machine]], expires_at: datetime) -> Iterator[dict[str, Any]]:
    """The level of what is in stock; a word that is not documented says nothing."""
    for center, machine, purchase, _ in _priced(machines):
        level = LEVELS.get(machine.stock) if machine.stock else 0.0
        if level is not None:
            yield {
                "cloud": CLOUD,
                "region": _region_name(center),
                "zone": center,
                "instance_type": machine.instance_type,
                "purchase": purchase,
                "signal": Signal.STOCK,
                "level": level,
                "expires_at": expires_at,
            }


def _priced(machines: Mapping[str, Iterable[_Machine]]) -> Iterator[tuple[str, _Machine, Purchase, float]]:
    for center, held in machines.items():
        for machine in held:
            for purchase, price in machine.prices_usd_h.items():
                if price:
                    yield center, machine, purchase, price


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="machines with GPUs and without, on-demand and spot prices, stock of each data centre (Secure Cloud)",
    page="https://graphql-spec.runpod.io/",
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=2,
)
