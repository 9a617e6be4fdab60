"""Cudo Compute: machine types by data centre, each priced by its parts.

A machine is put together freely within what its type allows (vCPUs per GPU, vCPUs per GiB), so a type is offered in a
set of sizes. The price is that of vCPUs, memory and GPUs; disks and public addresses are chosen, and billed, apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables, needs_variables
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "cudo"
NAME: Final = "cudo"
URL: Final = "https://rest.compute.cudo.org/v1/vms/machine-types-2"
KEY: Final = "CUDO_API_KEY"
HOLDS: Final = timedelta(minutes=30)
"""How long an answer about free machines says anything: they are taken within minutes."""

GPUS: Final = (1, 2, 4, 8)
VCPUS_PER_GPU: Final = (2, 4, 8, 12, 16, 24)
VCPUS: Final = (2, 4, 8, 16, 32, 64)
GIB_PER_VCPU: Final = (2, 4)
"""The sizes: vCPUs for each GPU, or in all where the type has none. Those of SkyPilot's catalog are among them, and all
have the names that it would give them (`epyc-rome-rtx-a5000_2x8v16gb`)."""


class _Money(BaseModel):
    """USD an hour, a decimal number as text."""

    value: float


class _Type(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    data_center_id: str
    machine_type: str
    gpu_model: str
    min_vcpu_per_memory_gib: float
    max_vcpu_per_memory_gib: float
    min_vcpu_per_gpu: float
    max_vcpu_per_gpu: float
    vcpu_price_hr: _Money
    memory_gib_price_hr: _Money
    gpu_price_hr: _Money
    max_vcpu_free: int
    total_vcpu_free: int
    max_memory_gib_free: int
    total_memory_gib_free: int
    max_gpu_free: int
    total_gpu_free: int
    min_vcpu: float = 0
    min_memory_gib: float = 0


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    machine_types: list[_Type]


@dataclass(frozen=True)
class _Machine:
    """A type of one data centre in one size."""

    kind: _Type
    gpus: int
    vcpus: int
    memory_gib: int

    @property
    def name(self) -> str:
        return f"{self.kind.machine_type}_{self.gpus}x{self.vcpus}v{self.memory_gib}gb"

    @property
    def price_usd_h(self) -> float:
        """The sum of the parts."""
        kind = self.kind
        # vCPU * $/(vCPU h) + GiB * $/(GiB h) + GPU * $/(GPU h) = $/h
        return (
            self.vcpus * kind.vcpu_price_hr.value
            + self.memory_gib * kind.memory_gib_price_hr.value
            + self.gpus * kind.gpu_price_hr.value
        )

    @property
    def free(self) -> int:
        """At most how many there are: what all hosts together have room for, if one of them has room for one."""
        kind = self.kind
        needs = (self.vcpus, self.memory_gib, self.gpus)
        on_one_host = (kind.max_vcpu_free, kind.max_memory_gib_free, kind.max_gpu_free)
        on_all = (kind.total_vcpu_free, kind.total_memory_gib_free, kind.total_gpu_free)
        if any(need > room for need, room in zip(needs, on_one_host, strict=True)):
            return 0
        return min(room // need for need, room in zip(needs, on_all, strict=True) if need)


def fetch(access: Access) -> Iterator[Page]:
    """The one answer."""
    yield Page("machine_types", access.client.get(URL, headers={"Authorization": f"Bearer {access.env[KEY]}"}))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES and on-demand OFFERS in the sizes that the types allow, and OBSERVATIONS of which have room."""
    types = [kind for page in pages for kind in read_as(_Answer, page.body, "machine types").machine_types]
    machines = [machine for kind in types for machine in _machines(kind)]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, machines), **said),
        OFFERS.name: rows_of(OFFERS, map(_offer, machines), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _room(machines, observed_at + HOLDS), **said),
    }


def _machines(kind: _Type) -> Iterator[_Machine]:
    """The type in the sizes that it allows; none where its GPU, its vCPUs or its memory have no price."""
    prices = [kind.vcpu_price_hr.value, kind.memory_gib_price_hr.value]
    prices += [kind.gpu_price_hr.value] if kind.gpu_model else []
    if not all(prices):
        return
    shares = product(GPUS, VCPUS_PER_GPU) if kind.gpu_model else product((0,), VCPUS)
    sizes = dict.fromkeys(
        (gpus, share * (gpus or 1), share * (gpus or 1) * gib) for gpus, share in shares for gib in GIB_PER_VCPU
    )
    for gpus, vcpus, memory_gib in sizes:
        by_memory = kind.min_vcpu_per_memory_gib <= vcpus / memory_gib <= kind.max_vcpu_per_memory_gib
        by_gpu = not gpus or kind.min_vcpu_per_gpu <= vcpus / gpus <= kind.max_vcpu_per_gpu
        if by_memory and by_gpu and vcpus >= kind.min_vcpu and memory_gib >= kind.min_memory_gib:
            yield _Machine(kind, gpus, vcpus, memory_gib)


def _hardware(machine: _Machine) -> dict[str, Any]:
    # "A40 (compute mode)" is an A40.
    model = re.sub(r"\s*\(.*\)$", "", machine.kind.gpu_model)
    return {
        "cloud": CLOUD,
        "instance_type": machine.name,
        "vcpus": machine.vcpus,
        "memory_gib": machine.memory_gib,
        "accelerator": accelerator(model),
        "accelerator_count": machine.gpus or None,
    }


def _offer(machine: _Machine) -> dict[str, Any]:
    return _place(machine) | {
        "price_usd_h": round(machine.price_usd_h, 6),
        "available": True if machine.free else None,
        "quantity": machine.free or None,
    }


def _room(machines: Iterable[_Machine], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for machine in machines:
        level = 1.0 if machine.free else 0.0
        yield _place(machine) | {"signal": Signal.STOCK, "level": level, "expires_at": expires_at}


def _place(machine: _Machine) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": machine.kind.data_center_id,
        "instance_type": machine.name,
        "purchase": Purchase.ON_DEMAND,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="machine types in a set of sizes, on-demand prices, free machines",
    page="https://www.cudocompute.com/docs/api",
    needs=KEY,
    missing=needs_variables(KEY),
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    complete_everywhere=True,
    per_second=1,
)
