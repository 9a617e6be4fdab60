"""What Compute Engine sells in which zone: its machine types, and N1 machines with GPUs attached.

Read from three lists of the compute API (cloud.google.com/compute/docs/reference/rest/v1): zones, machine types and
accelerator types, the last two of all zones at once.

Left out: custom shapes, hosts of TPUs (`ct5lp-hightpu-4t`, sold as slices), types that Google has withdrawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic import BaseModel, Field

from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.gcp_access import PROJECT_VARIABLE, granted, listed
from catalog_fetchers.gcp_machines import Machine, included_ssd_gib
from catalog_fetchers.rows import accelerator

URL: Final = "https://compute.googleapis.com/compute/v1/projects"
PAGE_SIZE: Final[Mapping[str, int]] = MappingProxyType({"maxResults": 500})  # the most that the API gives
ZONES: Final = "zones"
MACHINE_TYPES: Final = "machine_types"
ACCELERATOR_TYPES: Final = "accelerator_types"
LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ZONES: "zones",
        MACHINE_TYPES: "aggregated/machineTypes",
        ACCELERATOR_TYPES: "aggregated/acceleratorTypes",
    }
)
TPU_HOSTS: Final = re.compile(r"^(ct\d|tpu)|-tpu$")
ARM: Final = ("c4a-", "n4a-", "t2a-", "a4x-")
"""Series of ARM machines: older types do not state their architecture."""
SSD_GIB: Final[Mapping[str, float]] = MappingProxyType({"a4x-": 3000, "z3-": 3000})
"""Size of a bundled local SSD where it is not the usual 375 GiB, by how the type's name begins."""
METAL_SSD_GIB: Final[Mapping[str, float]] = MappingProxyType(
    {
        "c4-standard-288-lssd-metal": 18_000,
        "c4-highmem-288-lssd-metal": 18_000,
        "z3-highmem-192-highlssd-metal": 72_000,
    }
)
"""Local SSD of bare metal, whose disks are larger (cloud.google.com/compute/docs/disks/local-ssd)."""


@dataclass(frozen=True)
class Attachable:
    """So many GPUs may be attached to an N1 machine of at most so many vCPUs and GiB."""

    count: int
    most_vcpus: float
    most_memory_gib: float


N1_GPUS: Final[Mapping[str, tuple[Attachable, ...]]] = MappingProxyType(
    {
        "nvidia-tesla-t4": (Attachable(1, 48, 312), Attachable(2, 48, 312), Attachable(4, 96, 624)),
        "nvidia-tesla-p4": (Attachable(1, 24, 156), Attachable(2, 48, 312), Attachable(4, 96, 624)),
        "nvidia-tesla-p100": (Attachable(1, 16, 104), Attachable(2, 32, 208), Attachable(4, 96, 624)),
        "nvidia-tesla-v100": (
            Attachable(1, 12, 78),
            Attachable(2, 24, 156),
            Attachable(4, 48, 312),
            Attachable(8, 96, 624),
        ),
    }
)
"""GPUs for N1 machines and their limits (cloud.google.com/compute/docs/gpus#n1-gpus)."""


@dataclass(frozen=True)
class Place:
    """A type is sold in a zone of a region; None where only the region is known."""

    region: str
    zone: str | None
    machine: str


@dataclass(frozen=True)
class Inventory:
    """Machines by name, and where each is sold."""

    machines: Mapping[str, Machine]
    places: frozenset[Place]


class _Zone(BaseModel):
    name: str
    region: str
    status: str


class _Zones(BaseModel):
    items: list[_Zone]


class _Deprecation(BaseModel):
    state: str = ""


class _Accelerators(BaseModel):
    kind: str = Field(alias="guestAcceleratorType")
    count: int = Field(alias="guestAcceleratorCount")


class _Ssds(BaseModel):
    partitions: int = Field(0, alias="partitionCount")


class _MachineType(BaseModel):
    name: str
    description: str = ""
    vcpus: int = Field(alias="guestCpus")
    memory_mib: int = Field(alias="memoryMb")
    architecture: str = ""
    accelerators: list[_Accelerators] = Field(default_factory=list)
    ssds: _Ssds = Field(default_factory=_Ssds, alias="bundledLocalSsds")
    deprecated: _Deprecation = Field(default_factory=_Deprecation)


class _MachineTypes(BaseModel):
    kinds: list[_MachineType] = Field(default_factory=list, alias="machineTypes")


class _AllMachineTypes(BaseModel):
    items: dict[str, _MachineTypes]


class _AcceleratorType(BaseModel):
    name: str
    deprecated: _Deprecation = Field(default_factory=_Deprecation)


class _AcceleratorTypes(BaseModel):
    kinds: list[_AcceleratorType] = Field(default_factory=list, alias="acceleratorTypes")


class _AllAcceleratorTypes(BaseModel):
    items: dict[str, _AcceleratorTypes]


def inventory_pages(access: Access) -> Iterator[Page]:
    """All pages of the three lists.

    Raises:
        UnreachableError, RefusedError, AnswerError: see each.
    """
    headers = granted(access).headers
    project = access.env[PROJECT_VARIABLE]
    for name, path in LISTS.items():
        yield from listed(access, f"{URL}/{project}/{path}", name, headers, PAGE_SIZE)


def read_inventory(pages: Pages) -> Inventory:
    """The inventory in the pages of the three lists; pages of other names are passed over.

    Raises:
        AnswerError: an answer is not as documented.
    """
    regions = {
        zone.name: zone.region.rpartition("/")[2]
        for answer in _read(_Zones, pages, ZONES)
        for zone in answer.items
        if zone.status == "UP"
    }
    machines: dict[str, Machine] = {}
    places: set[Place] = set()
    gpus = _gpus_by_zone(pages)
    for zone, kind in _sold(pages):
        if zone not in regions:
            continue
        machine = machines.setdefault(kind.name, _machine(kind))
        for variant in (machine, *_with_gpus(machine, gpus.get(zone, ()))):
            machines.setdefault(variant.name, variant)
            places.add(Place(regions[zone], zone, variant.name))
    if not machines or not any(gpus.values()):
        raise AnswerError(f"compute API: no {'GPUs' if machines else 'machine types'} in any zone")
    return Inventory(machines, frozenset(places))


T = TypeVar("T", bound=BaseModel)


def _read(model: type[T], pages: Pages, name: str) -> Iterator[T]:
    for page in pages:
        if page.name.startswith(f"{name}/"):
            yield read_as(model, page.body, f"compute API, {LISTS[name]}")


def _sold(pages: Pages) -> Iterator[tuple[str, _MachineType]]:
    """Each machine type that is for sale, with its zone."""
    for answer in _read(_AllMachineTypes, pages, MACHINE_TYPES):
        for scope, listing in answer.items.items():
            for kind in listing.kinds:
                if not kind.deprecated.state and not TPU_HOSTS.search(kind.name):
                    yield scope.rpartition("/")[2], kind


def _gpus_by_zone(pages: Pages) -> dict[str, list[str]]:
    """GPUs that can be attached to N1 machines, by zone."""
    found: dict[str, list[str]] = {}
    for answer in _read(_AllAcceleratorTypes, pages, ACCELERATOR_TYPES):
        for scope, listing in answer.items.items():
            names = [kind.name for kind in listing.kinds if kind.name in N1_GPUS and not kind.deprecated.state]
            found.setdefault(scope.rpartition("/")[2], []).extend(names)
    return found


def _machine(kind: _MachineType) -> Machine:
    held = kind.accelerators[0] if kind.accelerators else None
    count = held.count * _share(kind.description) if held else None
    return Machine(
        name=kind.name,
        vcpus=kind.vcpus,
        memory_gib=kind.memory_mib / 1024,  # the API says MB and means MiB
        arch="arm64" if kind.architecture == "ARM64" or kind.name.startswith(ARM) else "x86_64",
        accelerator=accelerator(held.kind) if held else None,
        accelerator_count=count,
        local_ssd_gib=included_ssd_gib(kind.name, count, _bundled_gib(kind)),
    )


def _share(description: str) -> float:
    """The share of a GPU in a description such as `1/8 NVIDIA RTX PRO 6000 GPU, 6 vCPUs`: the count says 1 for it."""
    share = re.search(r"\b1/(\d) NVIDIA\b", description)
    return 1 / int(share[1]) if share else 1.0


def _bundled_gib(kind: _MachineType) -> float | None:
    """GiB of the local SSDs that the API says are bundled; None where it says nothing of any."""
    if kind.name in METAL_SSD_GIB:
        return METAL_SSD_GIB[kind.name]
    size = next((gib for start, gib in SSD_GIB.items() if kind.name.startswith(start)), 375.0)
    return kind.ssds.partitions * size or None


def _with_gpus(host: Machine, gpus: Iterable[str]) -> Iterator[Machine]:
    """The machine with each number of each GPU that may be attached to it, if it is an N1."""
    if not re.match(r"n1-(standard|highmem|highcpu)-", host.name):
        return
    for gpu in gpus:
        model = accelerator(gpu) or gpu
        for limit in N1_GPUS[gpu]:
            if (host.vcpus or 0) <= limit.most_vcpus and (host.memory_gib or 0) <= limit.most_memory_gib:
                name = f"{host.name}+{model.lower()}x{limit.count}"
                yield replace(host, name=name, accelerator=model, accelerator_count=float(limit.count))
