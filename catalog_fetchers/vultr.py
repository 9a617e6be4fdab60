"""Vultr: plans of virtual machines and of bare metal, their prices by region, and with a key what is in stock.

Plans and regions need no key. A plan names the regions in which it can be deployed; some are sold on demand only, some
as preemptible only. A price by the hour is given beside one by the month: the hour is billed until the month is reached
(after 672 hours for most bare metal, 730 for the rest), so the hourly price is what counts, and is never derived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, REGIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.client import Client
from catalog_fetchers.countries import CONTINENTS, COUNTRY_ALONE
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "vultr"
NAME: Final = "vultr"
URL: Final = "https://api.vultr.com/v2"
KEY: Final = "VULTR_API_KEY"
PAGE_SIZE: Final = 500
STOCK_KINDS: Final = ("", "vbm", "vdm")
"""The kinds of plans whose stock is asked for: all instances, bare metal, and dedicated machines with GPUs."""
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about stock says anything."""

_MODELS: Final = {"A100": "A100-80GB"}
"""What Vultr calls by a shorter name: its A100 are the 80 GB model (8 of them in `vcg-a100-96c-960g-640vram`)."""
_DEVICE_GIB: Final = {"B200": 192.0}
"""Memory of one device where Vultr counts another than the data sheet (8 of them in `vcg-b200-248c-2826g-1536vram`)."""
_COUNTS: Final = frozenset({1, 2, 4, 8, 16})
"""How many whole devices a machine may have."""
_LOCAL_DISKS: Final = frozenset({"local_storage", "local_and_block_storage", "SSD", "NVMe"})
_VIRTUAL_ID: Final = re.compile(r"vcg-(?P<model>[a-z0-9]+)-.*-(?P<vram>\d+)vram")
_METAL_ID: Final = re.compile(r"vbm-.*?gb-(?:(?P<count>\d+)-)?(?P<model>[a-z0-9]+)-gpu")


class _Cost(BaseModel):
    hourly_cost: float
    hourly_cost_preemptible: float | None = None


class _Plan(_Cost):
    """A plan of either kind.

    `vcpu_count` and `storage_type` are those of a virtual machine, `cpu_threads` is that of bare metal, whose `type` is
    the type of its disks. `gpu_count` is a number or a share (`1/8`).
    """

    id: str
    ram: float
    disk: float | None = None
    disk_count: int = 1
    type: str | None = None
    storage_type: str | None = None
    vcpu_count: float | None = None
    cpu_threads: float | None = None
    locations: list[str]
    location_cost: dict[str, _Cost] = {}
    deploy_ondemand: bool = True
    deploy_preemptible: bool = False
    gpu_type: str | None = None
    gpu_vram_gb: float | None = None
    gpu_count: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+(/[1-9]\d*)?$")] | None = None


class _Region(BaseModel):
    id: str
    country: str


class _Links(BaseModel):
    next: str = ""


class _Meta(BaseModel):
    links: _Links = _Links()


class _Paged(BaseModel):
    meta: _Meta = _Meta()


class _Plans(_Paged):
    plans: list[_Plan]


class _Metal(_Paged):
    plans_metal: list[_Plan]


class _Regions(_Paged):
    regions: list[_Region]


class _Stock(BaseModel):
    available_plans: list[str]


def fetch(access: Access) -> Iterator[Page]:
    """All pages of plans, bare-metal plans and regions; with a key, what is in stock in each region."""
    for name in ("plans", "plans-metal"):
        yield from _pages(access.client, name)
    regions = list(_pages(access.client, "regions"))
    yield from regions
    if key := access.env.get(KEY):
        headers = {"Authorization": f"Bearer {key}"}
        for region in _read_regions(regions):
            for kind in STOCK_KINDS:
                query = {"type": kind} if kind else {}
                answer = access.client.get(f"{URL}/regions/{region.id}/availability", params=query, headers=headers)
                yield Page(f"stock/{region.id}/{kind}", answer)


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """REGIONS, INSTANCE_TYPES, on-demand and spot OFFERS, and OBSERVATIONS where stock was asked for."""
    plans = [plan for plan in _read_plans(pages) if _is_clear(plan)]
    stock = _read_stock(pages)
    offers = list(_offers(plans, stock))
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        REGIONS.name: rows_of(REGIONS, map(_place, _read_regions(pages)), **{**said, **COUNTRY_ALONE}),
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, plans), **said),
        OFFERS.name: rows_of(OFFERS, offers, **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _capacity(offers, stock, observed_at + HOLDS), **said),
    }


def _pages(client: Client, name: str) -> Iterator[Page]:
    """The pages of a list; each names the cursor of the next."""
    pages: list[Page] = []

    def read(cursor: str) -> str | None:
        query: dict[str, str | int] = {"per_page": PAGE_SIZE} | ({"cursor": cursor} if cursor else {})
        page = Page(f"{name}/{len(pages) + 1}", client.get(f"{URL}/{name}", params=query))
        pages.append(page)
        return read_as(_Paged, page.body, page.name).meta.links.next or None

    client.follow("", read)
    yield from pages


def _read_plans(pages: Pages) -> Iterator[_Plan]:
    for page in pages:
        kind, _, _ = page.name.partition("/")
        if kind == "plans":
            yield from read_as(_Plans, page.body, page.name).plans
        elif kind == "plans-metal":
            yield from read_as(_Metal, page.body, page.name).plans_metal


def _read_regions(pages: Pages) -> Iterator[_Region]:
    for page in pages:
        if page.name.startswith("regions/"):
            yield from read_as(_Regions, page.body, page.name).regions


def _place(region: _Region) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": region.id,
        "continent": CONTINENTS.get(region.country),
        "country": region.country,
    }


def _read_stock(pages: Pages) -> dict[str, set[str]]:
    """The plans in stock by region; empty where it was not asked for."""
    stock: dict[str, set[str]] = {}
    for page in pages:
        if page.name.startswith("stock/"):
            _, region, _ = page.name.split("/")
            stock.setdefault(region, set()).update(read_as(_Stock, page.body, page.name).available_plans)
    return stock


def _machine(plan: _Plan) -> dict[str, Any]:
    """Memory is in MiB. The disks of a plan are alike, and their size, read as GiB, is that of one."""
    model, count = _accelerators(plan)
    local = plan.storage_type in _LOCAL_DISKS or plan.type in _LOCAL_DISKS
    return {
        "cloud": CLOUD,
        "instance_type": plan.id,
        "vcpus": plan.vcpu_count or plan.cpu_threads,
        "memory_gib": plan.ram / 1024,
        "arch": "arm64" if model == "GH200" else "x86_64",
        "accelerator": model,
        "accelerator_count": count,
        "accelerator_memory_gib": _device_gib(model) if model else None,
        "local_ssd_gib": plan.disk * plan.disk_count if local and plan.disk else None,
    }


def _is_clear(plan: _Plan) -> bool:
    """Whether it can be said which accelerators the machine has; those of some plans contradict each other."""
    accelerated = plan.gpu_type or plan.id.startswith("vcg-") or plan.id.endswith("-gpu")
    return not accelerated or _accelerators(plan)[1] is not None


def _accelerators(plan: _Plan) -> tuple[str | None, float | None]:
    """The model and how many; newer plans name both only in their id."""
    metal, virtual = _METAL_ID.fullmatch(plan.id), _VIRTUAL_ID.fullmatch(plan.id)
    named = metal or virtual
    if plan.gpu_type:  # NVIDIA_A100, NVIDIA_A100_SXM, NVIDIA_HGX_H100
        word = next(part for part in [*plan.gpu_type.split("_")[1:], plan.gpu_type] if part != "HGX")
    elif named:
        word = named["model"].upper()
    else:
        return None, None
    model = accelerator(_MODELS.get(word, word))
    if plan.gpu_count:
        return model, float(Fraction(plan.gpu_count))
    if metal:
        return model, float(metal["count"] or 1)
    return model, _share(plan.gpu_vram_gb or (float(virtual["vram"]) if virtual else 0.0), _device_gib(model))


def _share(vram_gib: float, device_gib: float | None) -> float | None:
    """How many devices have so much memory together: a share of one, or a number that there are machines with."""
    if not vram_gib or device_gib is None:
        return None
    share = vram_gib / device_gib
    return share if share < 1 or share in _COUNTS else None


def _device_gib(model: str | None) -> float | None:
    known = ACCELERATORS.get(model or "")
    return _DEVICE_GIB.get(known.name, known.memory_gib) if known else None


def _offers(plans: Iterable[_Plan], stock: Mapping[str, set[str]]) -> Iterator[dict[str, Any]]:
    """The offers of each plan in the regions that it names or in which it is in stock.

    Where stock was not asked for, a plan is taken to be available in the regions that it names.
    """
    for plan in plans:
        in_stock = {region for region, names in stock.items() if plan.id in names}
        for region in sorted({*plan.locations, *in_stock} - {""}):  # an empty region does occur
            cost = plan.location_cost.get(region, plan)
            prices = {
                Purchase.ON_DEMAND: cost.hourly_cost if plan.deploy_ondemand else None,
                Purchase.SPOT: cost.hourly_cost_preemptible if plan.deploy_preemptible else None,
            }
            for purchase, price in prices.items():
                if price:  # the free tier costs nothing, and is for one small machine of an account
                    yield {
                        "cloud": CLOUD,
                        "region": region,
                        "instance_type": plan.id,
                        "purchase": purchase,
                        "price_usd_h": price,
                        "available": True if region not in stock or region in in_stock else None,
                    }


def _capacity(
    offers: Iterable[Mapping[str, Any]], stock: Mapping[str, set[str]], expires_at: datetime
) -> Iterator[dict[str, Any]]:
    for offer in offers:
        region, name = offer["region"], offer["instance_type"]
        if region in stock:
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": name,
                "purchase": offer["purchase"],
                "signal": Signal.STOCK,
                "level": 1.0 if name in stock[region] else 0.0,
                "expires_at": expires_at,
            }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="plans of virtual machines and bare metal, on-demand and preemptible prices, regions, what is in stock",
    page="https://www.vultr.com/api/",
    needs=f"nothing; with {KEY} it also says what is in stock",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT),
    complete_everywhere=True,
    per_second=10,
)
