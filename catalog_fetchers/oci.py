"""Oracle Cloud: shapes and list prices as the public cost estimator reads them.

One price holds in all commercial regions, and no public page says which regions hold which shape: every shape is
offered in each region that the catalog knows, and whether it is there stays unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "oci"
NAME: Final = "oci"
URL: Final = "https://www.oracle.com/a/ocom/docs/cloudestimator2/data/{}.json"

PREEMPTIBLE: Final = 0.5
"""Preemptible capacity costs half (docs.oracle.com/en-us/iaas/Content/Compute/Concepts/preemptible.htm)."""

FLEX_VCPUS: Final = (2, 4, 6, 8, 12, 16, 20, 24, 32, 64, 96, 128)
FLEX_GIB_PER_VCPU: Final = (4, 8)
"""The sizes in which a flexible shape is offered: those of SkyPilot's catalog, under its names
(`VM.Standard.E4.Flex$_4_16`), as far as the shape's own limits allow them."""

SUB_TYPES: Final = frozenset({"standard", "optimized", "gpu"})
"""Shapes of fixed size. Those with local disks are billed by a further part, of which no unit is stated."""

_VCPUS_PER_OCPU: Final[Mapping[str, int]] = MappingProxyType({"A1": 1, "A2": 2, "GB200": 1, "GB300": 1})
"""Where the processor is Arm; an OCPU of x86 is two vCPUs (docs.oracle.com: computeshapes.htm)."""

_SAID_TO_BE_ARM: Final = re.compile(r"GPU4|GPU\.A10")
"""The estimator calls the hosts of Ampere GPUs Arm, which they are not."""

_SHEET: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "BM.GPU.B300.8": (128, 4096),
        "BM.GPU.GB200.4": (144, 960),
        "BM.GPU.GB300.4": (144, 960),
        "BM.GPU.RTXPRO.8": (144, 3072),
    }
)
"""OCPUs and memory of shapes for which the estimator has none, or 128 in place of 144 (computeshapes.htm)."""

_MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {"2": "P100", "3": "V100", "4": "A100", "A100-v2": "A100-80GB", "RTXPRO": "RTXPRO6000"}
)


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class _Word(BaseModel):
    value: str


class _Part(_Camel):
    part_number: str
    type: _Word
    qty: float | None = None
    min: float | None = None
    max: float | None = None


class _Shape(_Camel):
    name: str
    hidden: bool
    status: str
    allow_preemptible: bool
    bundle_memory_qty: float | None
    gpu_qty: float | None
    processor_type: _Word
    sub_type: _Word
    products: list[_Part]


class _Shapes(BaseModel):
    items: list[_Shape]


class _Price(BaseModel):
    model: str
    value: float


class _Localization(_Camel):
    currency_code: str
    prices: list[_Price]


class _Product(_Camel):
    part_number: str
    billing_model: str
    price_type: str = Field(alias="pricetype")
    currency_code_localizations: list[_Localization]


class _Products(BaseModel):
    items: list[_Product]


@dataclass(frozen=True)
class _Machine:
    """A shape in one size, with its price by the hour."""

    name: str
    vcpus: float
    memory_gib: float
    arch: str
    model: str | None
    count: float | None
    price_usd_h: float
    preemptible: bool


def fetch(access: Access) -> Iterator[Page]:
    """The shapes, the prices of their parts, and the regions that the catalog knows."""
    for resource in ("shapes", "products"):
        yield Page(resource, access.client.get(URL.format(resource)))
    known = sorted(set(access.regions.filter(cloud=CLOUD)["region"]) | set(access.offers["region"]))
    yield Page("known_regions", json.dumps(known).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and on-demand and spot OFFERS in each known region."""
    bodies = {page.name: page.body for page in pages}
    shapes = read_as(_Shapes, bodies["shapes"], "shapes").items
    prices = _prices(read_as(_Products, bodies["products"], "products").items)
    regions = read_as(list[str], bodies["known_regions"], "known regions")
    machines = [machine for shape in shapes for machine in _machines(shape, prices)]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, machines), **said),
        OFFERS.name: rows_of(OFFERS, _offers(machines, regions), **said),
    }


def _prices(products: Iterable[_Product]) -> dict[str, float]:
    """USD an hour for one unit of each part. A part that is cheaper, or free, up to some volume has no one price."""
    found = {}
    for product in products:
        if (product.billing_model, product.price_type) != ("UCM", "HOUR"):
            continue
        usd = [
            price
            for local in product.currency_code_localizations
            if local.currency_code == "USD"
            for price in local.prices
        ]
        if len(usd) == 1 and usd[0].model == "PAY_AS_YOU_GO" and usd[0].value > 0:
            found[product.part_number] = usd[0].value
    return found


def _machines(shape: _Shape, prices: Mapping[str, float]) -> Iterator[_Machine]:
    """The shape in each size in which it is sold by the hour; none where a part of it has no price."""
    # "BM.GPU.GB200.4 (NVL72)" is known to the API without the bracket.
    name = re.sub(r"\s*\([^)]*\)$", "", shape.name)
    parts = {part.type.value: part for part in shape.products}
    if shape.hidden or shape.status != "ACTIVE" or not name.startswith(("VM.", "BM.")):
        return
    if not parts.keys() <= {"ocpu", "memory"} or any(part.part_number not in prices for part in parts.values()):
        return
    threads = _threads(name, shape)
    if threads is None or "ocpu" not in parts:
        return
    if shape.sub_type.value == "flexible" and "memory" in parts:
        yield from _sizes(name, shape, parts, threads, prices)
    elif shape.sub_type.value in SUB_TYPES:
        yield from _fixed(name, shape, parts, threads, prices)


def _sizes(
    name: str, shape: _Shape, parts: Mapping[str, _Part], threads: int, prices: Mapping[str, float]
) -> Iterator[_Machine]:
    cores, memory = parts["ocpu"], parts["memory"]
    for vcpus in FLEX_VCPUS:
        for ratio in FLEX_GIB_PER_VCPU:
            ocpus, gib = vcpus / threads, vcpus * ratio
            if not (_allows(cores, ocpus) and _allows(memory, gib)):
                continue
            yield _Machine(
                name=f"{name}$_{vcpus}_{gib}",
                vcpus=vcpus,
                memory_gib=gib,
                arch=_arch(shape),
                model=None,
                count=None,
                # OCPU * $/(OCPU h) + GB * $/(GB h) = $/h
                price_usd_h=ocpus * prices[cores.part_number] + gib * prices[memory.part_number],
                preemptible=shape.allow_preemptible,
            )


def _fixed(
    name: str, shape: _Shape, parts: Mapping[str, _Part], threads: int, prices: Mapping[str, float]
) -> Iterator[_Machine]:
    cores, memory = parts["ocpu"], parts.get("memory")
    ocpus, gib = _SHEET.get(name, (cores.qty, (memory and memory.qty) or shape.bundle_memory_qty))
    if not ocpus or not gib or (shape.sub_type.value == "gpu" and not shape.gpu_qty):
        return
    # The part of a shape with GPUs is the GPU hour, CPUs and memory included, though it is filed under `ocpu`.
    price = prices[cores.part_number] * (shape.gpu_qty or ocpus)
    if memory:
        price += prices[memory.part_number] * gib
    yield _Machine(
        name=name,
        vcpus=ocpus * threads,
        memory_gib=gib,  # Oracle writes GB for powers of two
        arch=_arch(shape),
        model=_model(name) if shape.gpu_qty else None,
        count=shape.gpu_qty or None,
        price_usd_h=price,
        preemptible=shape.allow_preemptible,
    )


def _allows(part: _Part, quantity: float) -> bool:
    return (part.min or 0) <= quantity <= (part.max or float("inf"))


def _arch(shape: _Shape) -> str:
    grace = re.search(r"\bGB\d00\b", shape.name)
    arm = shape.processor_type.value == "arm" and not _SAID_TO_BE_ARM.search(shape.name)
    return "arm64" if grace or arm else "x86_64"


def _threads(name: str, shape: _Shape) -> int | None:
    """vCPUs of one OCPU; None where that is not known."""
    if _arch(shape) == "x86_64":
        return 2
    return next((count for word, count in _VCPUS_PER_OCPU.items() if f".{word}." in name), None)


def _model(name: str) -> str | None:
    """The accelerator in a name such as `BM.GPU.A100-v2.8` or `VM.GPU3.1`; an unknown one as it stands there."""
    found = re.search(r"\.GPU(\d*)(?:\.([\w-]+))?\.\d+$", name)
    word = (found[2] or found[1]) if found else None
    return accelerator(_MODELS.get(word, word)) if word else None


def _hardware(machine: _Machine) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": machine.name,
        "vcpus": machine.vcpus,
        "memory_gib": machine.memory_gib,
        "arch": machine.arch,
        "accelerator": machine.model,
        "accelerator_count": machine.count,
    }


def _offers(machines: Iterable[_Machine], regions: Iterable[str]) -> Iterator[dict[str, Any]]:
    for machine in machines:
        for region in regions:
            row = {"cloud": CLOUD, "region": region, "instance_type": machine.name}
            yield row | {"purchase": Purchase.ON_DEMAND, "price_usd_h": machine.price_usd_h}
            if machine.preemptible:
                yield row | {"purchase": Purchase.SPOT, "price_usd_h": machine.price_usd_h * PREEMPTIBLE}


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="shapes, on-demand and preemptible list prices",
    page="https://www.oracle.com/cloud/costestimator.html",
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=1,
)
