"""What Azure's names say."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from catalog_data.normalise import ACCELERATORS
from catalog_fetchers.azure_names import CLOSED, gpus, zone_name


@pytest.mark.parametrize(
    ("size", "counted", "expected"),
    [
        ("Standard_NV4as_v4", 1, ("MI25", 0.125)),
        ("Standard_NG16ads_V620_v1", 1, ("V620", 0.5)),
        ("Standard_ND96isr_H100_v5", 12, ("H100", 8)),
        ("Standard_ND128isr_NDR_GB200_v6", 0, ("GB200", 4)),
        ("Standard_ND96isr_H200_v5", 8, ("H200", 8)),
        ("Standard_NC80adis_H100_v5", 2, ("H100-NVL", 2)),
        ("Standard_NC256lds_xl_RTXPRO6000BSE_v6", 2, ("RTXPRO6000", 2)),
        ("Standard_NC8ads_A10_v4", 1, None),
        ("Standard_D2s_v5", 0, None),
    ],
)
def test_the_gpus_of_a_size(size: str, counted: float, expected: tuple[str, float] | None) -> None:
    """Parts of a GPU, miscounted and uncounted ones by size; whole ones by series; the rest is not known."""
    assert gpus(size, counted) == expected


def test_the_gpus_of_a_real_list(shared: Path) -> None:
    """A public list of May 2026 has the same models and counts, but for what it does not tell apart.

    It has no name for the H100 of 94 GB, counts MI25 by whole ones, and one size has two tellings.
    """
    real = (
        pl.read_csv(
            shared / "data/catalogs/skypilot-format/azure_vms.csv", infer_schema=False, truncate_ragged_lines=True
        )
        .filter(pl.col("AcceleratorName").is_not_null())
        .unique("InstanceType")
        .sort("InstanceType")
    )
    differ = []
    for size, model, count in real.select("InstanceType", "AcceleratorName", "AcceleratorCount").rows():
        found = gpus(size, round(float(count)))
        if found is None or found[0] != model or found[1] != pytest.approx(float(count), abs=0.001):
            differ.append(size)
    assert real.height == 36
    assert differ == [
        "Standard_NC40ads_H100_v5",
        "Standard_NC80adis_H100_v5",
        "Standard_NC8ads_A10_v4",
        "Standard_NCC40ads_H100_v5",
        "Standard_NV16as_v4",
        "Standard_NV4as_v4",
        "Standard_NV8as_v4",
    ]


def test_every_model_has_a_canonical_name() -> None:
    """A model that the checks do not know would cost all of its machines."""
    sizes = ["Standard_NV28adms_V710_v5", "Standard_ND128isr_GB300_v6", "Standard_ND40rs_v2", "Standard_NG8ads_V620_v1"]
    found = [gpus(size, 8) for size in sizes]
    assert {pair[0] for pair in found if pair} <= set(ACCELERATORS)
    assert None not in found


def test_zones_of_different_regions_have_different_names() -> None:
    """Azure numbers the zones of each region from 1."""
    assert zone_name("eastus", "1") != zone_name("eastus2", "1")


@pytest.mark.parametrize(
    ("region", "closed"),
    [
        ("eastus", False),
        ("germanywestcentral", False),
        ("chinaeast2", True),
        ("usgovvirginia", True),
        ("eastus2euap", True),
        ("attatlanta1", True),
    ],
)
def test_closed_regions(region: str, closed: bool) -> None:
    """Sovereign clouds, canaries and carriers' places are not open to an ordinary account."""
    assert bool(re.search(CLOSED, region)) is closed
