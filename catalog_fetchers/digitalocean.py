"""DigitalOcean: Droplet sizes with their price, their GPUs and the regions in which they can be created now.

A price holds in every region that a size names; a size that is sold out names none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.keys import ApiKey
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "digitalocean"
NAME: Final = "digitalocean"
HOST: Final = "https://api.digitalocean.com/"
FIRST: Final = f"{HOST}v2/sizes?per_page=200"
"""200 is the most that a page holds."""
KEY: Final = ApiKey(
    ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"),
    ".config/doctl/config.yaml",
    "access-token:",
    "sign in with doctl, which writes",
)


class _Amount(BaseModel):
    amount: float
    unit: str


class _Gpus(BaseModel):
    count: int
    vram: _Amount
    model: str


class _Disk(BaseModel):
    size: _Amount


class _Size(BaseModel):
    slug: str
    memory: float
    vcpus: float
    price_hourly: float
    regions: list[str]
    available: bool
    networking_throughput: float | None = None
    gpu_info: _Gpus | None = None
    disk_info: list[_Disk] = []


class _Links(BaseModel):
    next: str | None = None


class _Paging(BaseModel):
    pages: _Links = _Links()


class _Answer(BaseModel):
    sizes: list[_Size]
    links: _Paging = _Paging()


def fetch(access: Access) -> Iterator[Page]:
    """The pages of sizes."""
    headers = {"Authorization": f"Bearer {KEY.found(access.env, access.home)}"}
    pages: list[Page] = []

    def read(url: str) -> str | None:
        page = Page(f"sizes/{len(pages) + 1}", access.client.get(url, headers=headers))
        pages.append(page)
        following = _read(page).links.pages.next
        if following and not following.startswith(HOST):
            # The token goes to no other host.
            raise AnswerError(f"{page.name}: the next page is said to be elsewhere")
        return following

    access.client.follow(FIRST, read)
    yield from pages


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES of all sizes, and on-demand OFFERS where they can be created."""
    sizes = [size for page in pages for size in _read(page).sizes]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_machine, sizes), **said),
        OFFERS.name: rows_of(OFFERS, _offers(sizes), **said),
    }


def _read(page: Page) -> _Answer:
    return read_as(_Answer, page.body, page.name)


def _machine(size: _Size) -> dict[str, Any]:
    """Memory is in MiB though the documentation writes megabytes (1024 is the size that is called `1gb`)."""
    gpus = size.gpu_info
    throughput = size.networking_throughput
    return {
        "cloud": CLOUD,
        "instance_type": size.slug,
        "vcpus": size.vcpus,
        "memory_gib": size.memory / 1024,
        "arch": "x86_64",
        "accelerator": accelerator(gpus.model) if gpus else None,
        "accelerator_count": gpus.count if gpus else None,
        # The video memory is that of all GPUs together.
        "accelerator_memory_gib": gpus.vram.amount / gpus.count if gpus and gpus.vram.unit == "gib" else None,
        "network_gbit_s": throughput / 1000 if throughput else None,  # Mbit/s
        "local_ssd_gib": _disk_gib(size.disk_info),
    }


def _disk_gib(disks: Iterable[_Disk]) -> float | None:
    """All disks together; None where none is listed or one is in another unit."""
    sizes = [disk.size for disk in disks]
    if not sizes or any(size.unit != "gib" for size in sizes):
        return None
    return sum(size.amount for size in sizes)


def _offers(sizes: Iterable[_Size]) -> Iterator[dict[str, Any]]:
    for size in sizes:
        for region in size.regions if size.available else ():
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": size.slug,
                "purchase": Purchase.ON_DEMAND,
                "price_usd_h": size.price_hourly,
                "available": True,
            }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="Droplet sizes with GPUs, on-demand prices, regions in which they can be created",
    page="https://docs.digitalocean.com/reference/api/reference/sizes/",
    needs=KEY.needs,
    missing=KEY.missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=4,
)
