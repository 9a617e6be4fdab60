"""Google's machines as things that are priced: what they consist of, and what they cost at given rates.

A machine costs its vCPUs and memory, its GPUs, and the local SSD that its type includes
(cloud.google.com/compute/all-pricing). A machine of the A4 series costs so many slices as it has GPUs, and a TPU slice
so many chips as it has, their hosts included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from catalog_data.normalise import ACCELERATORS, tpu_slice
from catalog_data.schema import Purchase
from catalog_fetchers.gcp_skus import DEVICES, MEGA, Key, Part, Rates

CLOUD: Final = "gcp"
SHARED_CORE_VCPUS: Final[Mapping[str, float]] = MappingProxyType({"e2-micro": 0.25, "e2-small": 0.5, "e2-medium": 1.0})
"""What a shared-core machine is billed for, of the two vCPUs that it shows
(cloud.google.com/compute/docs/general-purpose-machines)."""
WHOLE: Final = frozenset({"f1-micro", "g1-small"})
BILLED_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "a3-megagpu-": "a3plus",
        "a3-ultragpu-": "a3ultra",
        "m4-ultramem-224": "m4ultramem224",
        "m4n-ultramem-224": "m4nultramem224",
        "n1-megamem-": "m1",
        "n1-ultramem-": "m1",
    }
)
"""Machines that the price list counts to another series than their names say, by how the names begin."""
SLICED: Final = frozenset({"a4", "a4x"})
INCLUDED_SSD_GIB: Final[Mapping[str, float]] = MappingProxyType(
    {"a2-ultragpu-": 375, "a3-highgpu-": 750, "a3-megagpu-": 750, "a3-ultragpu-": 1500}
)
"""GiB of local SSD for each GPU of a machine, by how its name begins
(cloud.google.com/compute/docs/disks/local-ssd)."""
ALWAYS_WITH_SSD: Final = ("a3-", "a4", "a5", "z")
"""How machines begin that never come without local SSD; of those not named above the size is not known."""


@dataclass(frozen=True)
class Machine:
    """A machine type or TPU slice. `local_ssd_gib` is what the type includes; None stands for what is not known."""

    name: str
    vcpus: float | None = None
    memory_gib: float | None = None
    arch: str | None = None
    accelerator: str | None = None
    accelerator_count: float | None = None
    local_ssd_gib: float | None = None

    def row(self) -> dict[str, Any]:
        """The row of INSTANCE_TYPES."""
        model = ACCELERATORS.get(self.accelerator or "")
        return {
            "cloud": CLOUD,
            "instance_type": self.name,
            "vcpus": self.vcpus,
            "memory_gib": self.memory_gib,
            "arch": self.arch,
            "accelerator": self.accelerator,
            "accelerator_count": self.accelerator_count,
            "accelerator_memory_gib": model.memory_gib if model else None,
            "local_ssd_gib": self.local_ssd_gib,
        }


Parts: TypeAlias = list[tuple[Key, float]]
"""Parts and how many units of each."""


def price_usd_h(machine: Machine, rates: Rates, region: str, purchase: Purchase) -> float | None:
    """USD per hour of the whole machine; None where a part or its rate is not known."""
    total = 0.0
    parts = _parts(machine, rates)
    for key, quantity in parts:
        rate = rates.rate(region, purchase, key)
        if rate is None:
            return None
        total += quantity * rate  # units * USD/unit/h = USD/h
    return round(total, 6) if parts else None


def included_ssd_gib(name: str, accelerators: float | None, said_gib: float | None) -> float | None:
    """Local SSD that a type includes: what is said of it, else what its name tells."""
    if said_gib is not None:
        return said_gib
    for start, gib in INCLUDED_SSD_GIB.items():
        if name.startswith(start):
            return gib * accelerators if accelerators else None
    return None if "lssd" in name or name.startswith(ALWAYS_WITH_SSD) else 0.0


def series_of(name: str) -> str:
    """The series under which the price list has a machine."""
    for start, series in BILLED_AS.items():
        if name.startswith(start):
            return series
    return name.split("-", maxsplit=1)[0]


def _parts(machine: Machine, rates: Rates) -> Parts:
    """What a machine consists of; empty where that is not known."""
    if machine.name in WHOLE:
        return [((Part.MACHINE, machine.name), 1.0)]
    tpu = tpu_slice(machine.name)
    if tpu is not None:
        return [_tpu_part(*tpu)]
    series = series_of(machine.name)
    if series in SLICED:
        return [((Part.SLICE, series), machine.accelerator_count)] if machine.accelerator_count else []
    return _composed(machine, series, rates)


def _tpu_part(model: str, chips: int) -> tuple[Key, float]:
    if model not in DEVICES:
        return (Part.CHIP, model), float(chips)
    alone = chips <= 4 and model != "TPU-v4"  # of v4 there are only pods
    return (Part.DEVICE if alone else Part.POD, model), chips / 4


def _composed(machine: Machine, series: str, rates: Rates) -> Parts:
    ssd_gib = included_ssd_gib(machine.name, machine.accelerator_count, machine.local_ssd_gib)
    gpus = machine.accelerator_count or 0.0
    # A share of a GPU is not priced by its share: it has SKUs of its own.
    if machine.vcpus is None or machine.memory_gib is None or ssd_gib is None or 0 < gpus < 1:
        return []
    parts: Parts = [
        ((Part.CORE, series), SHARED_CORE_VCPUS.get(machine.name, machine.vcpus)),
        ((Part.RAM, series), machine.memory_gib),
    ]
    if machine.accelerator:
        parts.append(((Part.GPU, MEGA if series == "a3plus" else machine.accelerator), gpus))
    if ssd_gib:
        own = (Part.SSD, series)
        parts.append((own if own in rates.keys else (Part.SSD, ""), ssd_gib))
    return parts
