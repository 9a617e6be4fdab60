"""Crusoe: VM types and where how many of them can be had now. Its API states no prices.

So its offers have none: they say where a type is, and a source that knows the price (a price file of the user's own, a
list of prices) fills it in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables, needs_variables
from catalog_fetchers.errors import RefusedError
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "crusoe"
NAME: Final = "crusoe"
API: Final = "https://api.cloud.crusoe.ai/v1"
ACCESS_KEY: Final = "CRUSOE_ACCESS_KEY_ID"
SECRET_KEY: Final = "CRUSOE_SECRET_KEY"  # noqa: S105 (the name of a variable)
PROJECT: Final = "CRUSOE_PROJECT_ID"
SIGNATURE_VERSION: Final = "1.0"
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about capacity says anything: machines are taken within minutes."""


class _Type(BaseModel):
    """A VM type; `gpu_type` is such as `H100-SXM-80GB`, and memory comes in powers of two, which are GiB."""

    product_name: str
    cpu_cores: float
    memory_gb: float
    cpu_type: str = ""
    gpu_type: str = ""
    num_gpu: int = 0
    disk_gb: float | None = None


class _Types(BaseModel):
    items: list[_Type]


class _Capacity(BaseModel):
    type: str
    location: str
    quantity: int


class _Capacities(BaseModel):
    items: list[_Capacity]


def fetch(access: Access) -> Iterator[Page]:
    """The types and the capacities."""
    project = quote(access.env[PROJECT], safe="")
    for name, url in (("types", f"{API}/projects/{project}/compute/vms/types"), ("capacities", f"{API}/capacities")):
        yield Page(name, access.client.get(url, headers=signed(url, datetime.now(UTC), access.env)))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, on-demand OFFERS without a price where there is capacity, and OBSERVATIONS of it."""
    bodies = {page.name: page.body for page in pages}
    types = read_as(_Types, bodies["types"], "VM types").items
    known = {kind.product_name for kind in types}
    quantities: dict[tuple[str, str], int] = {}
    for row in read_as(_Capacities, bodies["capacities"], "capacities").items:
        if row.type in known:
            key = (row.location, row.type)
            quantities[key] = max(row.quantity, quantities.get(key, 0))
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, types), **said),
        OFFERS.name: rows_of(OFFERS, _offers(quantities), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _capacity(quantities, observed_at + HOLDS), **said),
    }


def signed(url: str, now: datetime, env: Mapping[str, str]) -> dict[str, str]:
    """The headers of a GET request: an HMAC of path, query, verb and time under the secret key.

    Raises:
        RefusedError: the secret key is no key of Crusoe's (base64 for URLs).
    """
    secret = env[SECRET_KEY]
    time = now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    parts = urlsplit(url)
    try:
        key = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(f"{SECRET_KEY} is no secret key of Crusoe's", "renew it") from None
    message = f"{parts.path}\n{parts.query}\nGET\n{time}\n".encode()
    signature = base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode().rstrip("=")
    return {
        "X-Crusoe-Timestamp": time,
        "Authorization": f"Bearer {SIGNATURE_VERSION}:{env[ACCESS_KEY]}:{signature}",
    }


def _hardware(kind: _Type) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": kind.product_name,
        "vcpus": kind.cpu_cores,
        "memory_gib": kind.memory_gb,
        "arch": "arm64" if kind.cpu_type == "arm64" else "x86_64",
        "accelerator": _model(kind.gpu_type) if kind.num_gpu else None,
        "accelerator_count": kind.num_gpu or None,
        "local_ssd_gib": kind.disk_gb,
    }


def _model(gpu_type: str) -> str | None:
    """The accelerator in `A100-SXM-80GB`: as written, else without its form, else its model alone."""
    words = gpu_type.replace("_", "-").split("-")
    return accelerator(gpu_type, f"{words[0]}-{words[-1]}", words[0])


def _offers(quantities: Mapping[tuple[str, str], int]) -> Iterator[dict[str, Any]]:
    for (location, kind), quantity in quantities.items():
        if quantity > 0:
            yield _place(location, kind) | {"available": True, "quantity": quantity}


def _capacity(quantities: Mapping[tuple[str, str], int], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for (location, kind), quantity in quantities.items():
        level = 1.0 if quantity > 0 else 0.0
        yield _place(location, kind) | {"signal": Signal.STOCK, "level": level, "expires_at": expires_at}


def _place(location: str, kind: str) -> dict[str, Any]:
    return {"cloud": CLOUD, "region": location, "instance_type": kind, "purchase": Purchase.ON_DEMAND}


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="VM types and where they can be had; no prices",
    page="https://docs.crusoecloud.com/reference/api/",
    needs=f"{ACCESS_KEY}, {SECRET_KEY} and {PROJECT}",
    missing=needs_variables(ACCESS_KEY, SECRET_KEY, PROJECT),
    fetch=fetch,
    parse=parse,
    per_second=1,
)
