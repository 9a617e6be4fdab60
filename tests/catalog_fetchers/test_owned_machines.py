"""Machines of one's own as rows: names, parts and numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from catalog_fetchers.owned_machines import Machine, Place, owned_tables
from tests.kits.source_conformance import LOOK

LAB: Place = ("lab", None)


def offered(numbers: Mapping[tuple[Place, Machine], int]) -> dict[str, int]:
    """Instance type -> how many, of a cluster with these machines."""
    offers = owned_tables("slurm", numbers, source="slurm", observed_at=LOOK)["offers"]
    return dict(offers.select("instance_type", "quantity").rows())


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine(64, 503.71), "64CPU--503.7GB"),
        (Machine(191.456, 2000.0, "x86_64"), "191.45CPU--2000GB"),
        (Machine(0.29, 0.5), "0.29CPU--0.5GB"),
        (Machine(8, 30, "arm64"), "8CPU--30GB--arm64"),
        (Machine(8, 30, "arm64", "GH200", 1.0), "8CPU--30GB--GH200:1--arm64"),
        (Machine(8, 30, None, "T4", 0.25), "8CPU--30GB--T4:0.25"),
    ],
)
def test_a_name_tells_the_size(machine: Machine, name: str) -> None:
    """Rounded down, so that what the name promises can be had; the row has the figures of the name."""
    assert offered({(LAB, machine): 3}) == {name: 3}
    (row,) = owned_tables("slurm", {(LAB, machine): 3}, source="slurm", observed_at=LOOK)["instance_types"].to_dicts()
    assert name.startswith(f"{row['vcpus']:g}CPU--{row['memory_gib']:g}GB")


def test_accelerators_may_be_taken_one_by_one() -> None:
    """Two machines of eight are four of four, eight of two and sixteen of one, CPUs and memory in proportion."""
    assert offered({(LAB, Machine(96, 1000, "x86_64", "H100", 8.0)): 2}) == {
        "96CPU--1000GB--H100:8": 2,
        "48CPU--500GB--H100:4": 4,
        "24CPU--250GB--H100:2": 8,
        "12CPU--125GB--H100:1": 16,
    }


@pytest.mark.parametrize(
    ("count", "parts"),
    [(1.0, {1: 1}), (2.0, {2: 1, 1: 2}), (3.0, {3: 1, 2: 1, 1: 3}), (1.5, {1.5: 1, 1: 1}), (0.5, {0.5: 1})],
)
def test_a_remainder_makes_no_part(count: float, parts: dict[float, int]) -> None:
    """Three are one of two, and one that is left over."""
    machine = Machine(12, 120, None, "T4", count)
    assert {part.accelerator_count: number for part, number in machine.parts()} == parts


def test_what_is_taken_whole_has_no_parts() -> None:
    """Neither a machine that is not divisible, nor one without accelerators."""
    assert offered({(LAB, Machine(96, 1000, None, "TPU-v5e", 4.0, divisible=False)): 2}) == {
        "96CPU--1000GB--TPU-v5e:4": 2
    }
    assert offered({(LAB, Machine(96, 1000)): 2}) == {"96CPU--1000GB": 2}


def test_the_same_size_is_the_same_type() -> None:
    """A machine of four counts beside the halves of one of eight; what is known of the memory of devices is kept."""
    eight = Machine(96, 1000, None, "H100", 8.0)
    four = Machine(48, 500, None, "H100", 4.0, 80.0)
    tables = owned_tables("slurm", {(LAB, eight): 1, (LAB, four): 1}, source="slurm", observed_at=LOOK)
    assert offered({(LAB, eight): 1, (LAB, four): 1})["48CPU--500GB--H100:4"] == 3
    memory = dict(tables["instance_types"].select("accelerator_count", "accelerator_memory_gib").rows())
    assert memory == {8.0: None, 4.0: 80.0, 2.0: 80.0, 1.0: 80.0}


def test_places_are_counted_by_themselves() -> None:
    """A region without a zone, and two zones of another one."""
    machine = Machine(8, 32)
    numbers = {(LAB, machine): 1, (("east", "b"), machine): 2, (("east", "a"), machine): 3}
    offers = owned_tables("slurm", numbers, source="slurm", observed_at=LOOK)["offers"]
    assert offers.select("region", "zone", "quantity").rows() == [("east", "a", 3), ("east", "b", 2), ("lab", None, 1)]
    assert offers.select("purchase", "price_usd_h", "available").unique().rows() == [("owned", None, True)]
