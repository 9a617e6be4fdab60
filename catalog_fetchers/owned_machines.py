"""Machines of a cluster of the user's own, as rows of the catalog: how many of each there are, and no price.

A cluster has no instance types, so machines are named by their size, in the form in which SkyPilot names what it asks a
cluster for: `64CPU--503.7GB--A100:4` (its GB are GiB). Pods and jobs take as many accelerators of a machine as they ask
for, so one that has several is offered in parts as well, CPUs and memory in proportion: eight are also two of four,
four of two and eight of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import floor
from typing import Any, Final

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.base import Tables
from catalog_fetchers.rows import rows_of

VCPU_STEP: Final = 100
"""Sizes are rounded down, to a hundredth of a CPU."""
GIB_STEP: Final = 10
"""And to a tenth of a GiB."""
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Machine:
    """What pods or jobs can have of a machine; memory in GiB, `arch` None where it is not known.

    divisible: its accelerators may be taken one by one.
    """

    vcpus: float
    memory_gib: float
    arch: str | None = None
    accelerator: str | None = None
    accelerator_count: float | None = None
    accelerator_memory_gib: float | None = None
    divisible: bool = True

    @property
    def name(self) -> str:
        """The name of the instance type."""
        gpus = f"--{self.accelerator}:{self.accelerator_count:g}" if self.accelerator else ""
        arch = f"--{self.arch}" if self.arch == "arm64" else ""
        return f"{self.vcpus:g}CPU--{self.memory_gib:g}GB{gpus}{arch}"

    def rounded(self) -> Machine:
        """The machine with its sizes rounded down."""
        return replace(
            self,
            vcpus=floor(self.vcpus * VCPU_STEP + ROUNDING) / VCPU_STEP,
            memory_gib=floor(self.memory_gib * GIB_STEP + ROUNDING) / GIB_STEP,
        )

    def parts(self) -> Iterator[tuple[Machine, int]]:
        """The machine itself, and its parts of 1, 2, 4, ... accelerators; beside each how many of them it makes."""
        yield self.rounded(), 1
        count = self.accelerator_count
        if count is None or not self.divisible:
            return
        part = 1
        while part < count:
            share = part / count
            smaller = replace(
                self, vcpus=self.vcpus * share, memory_gib=self.memory_gib * share, accelerator_count=part
            )
            yield smaller.rounded(), int(count // part)
            part *= 2


Place = tuple[str, str | None]
"""Region and zone."""


def owned_tables(
    cloud: str, numbers: Mapping[tuple[Place, Machine], int], *, source: str, observed_at: datetime
) -> Tables:
    """INSTANCE_TYPES, and `owned` OFFERS: in each place so many machines of each type."""
    types: dict[str, Machine] = {}
    quantities: Counter[tuple[Place, str]] = Counter()
    for (place, machine), number in numbers.items():
        for part, of_one in machine.parts():
            quantities[place, part.name] += number * of_one
            known = types.setdefault(part.name, part)
            if known.accelerator_memory_gib is None:  # it is not in the name, and not known of every machine
                types[part.name] = part
    said: Mapping[str, Any] = {"source": source, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, [_type(cloud, types[name]) for name in sorted(types)], **said),
        OFFERS.name: rows_of(OFFERS, _offers(cloud, quantities), **said),
    }


def _type(cloud: str, machine: Machine) -> dict[str, Any]:
    return {
        "cloud": cloud,
        "instance_type": machine.name,
        "vcpus": machine.vcpus,
        "memory_gib": machine.memory_gib,
        "arch": machine.arch,
        "accelerator": machine.accelerator,
        "accelerator_count": machine.accelerator_count,
        "accelerator_memory_gib": machine.accelerator_memory_gib,
    }


def _offers(cloud: str, quantities: Mapping[tuple[Place, str], int]) -> Iterator[dict[str, Any]]:
    for ((region, zone), name), number in sorted(quantities.items(), key=_by_name):
        yield {
            "cloud": cloud,
            "region": region,
            "zone": zone,
            "instance_type": name,
            "purchase": Purchase.OWNED,
            "available": True,
            "quantity": number,
        }


def _by_name(item: tuple[tuple[Place, str], int]) -> tuple[str, str, str]:
    ((region, zone), name), _ = item
    return region, zone or "", name
