"""Azure in the seed: sizes matched to shapes, and old prices with what is known to be wrong left out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from catalog_fetchers.seed import azure

SHAPES = azure.machines(
    azure.spark_shapes(
        {
            "Standard_D2s_v3": {"VCpuCount": 2, "MemoryInMB": 8192},
            "Standard_D2ps_v5": {"VCpuCount": 2, "MemoryInMB": 8192},
            "Standard_A2m_v2": {"VCpuCount": 2, "MemoryInMB": 16384},
            "Standard_D2as_v4": {"VCpuCount": 2, "MemoryInMB": 8192},
            "Standard_E64is_v3": {"VCpuCount": 64, "MemoryInMB": 442368},
            "Standard_ND96isr_H100_v5": {"VCpuCount": 96, "MemoryInMB": 1945600, "GpuInfo": [{"Count": [12]}]},
            "Standard_NV4as_v4": {"VCpuCount": 4, "MemoryInMB": 14336, "GpuInfo": [{"Count": [1]}]},
            "Standard_NP10s": {"VCpuCount": 10, "MemoryInMB": 172032},
            "DSv3-Type3": {"VCpuCount": 80},
        }
    )
)


def test_hosts_and_machines_with_unknown_accelerators_are_left_out() -> None:
    """A dedicated host has no memory; NP machines carry FPGAs."""
    assert {"DSv3-Type3", "Standard_NP10s"}.isdisjoint(SHAPES["instance_type"])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("Standard_D2s_v3", (None, None, None, "x86_64")),
        ("Standard_D2ps_v5", (None, None, None, "arm64")),
        ("Standard_ND96isr_H100_v5", ("H100", 8.0, 80.0, "x86_64")),
        ("Standard_NV4as_v4", ("MI25", 0.125, 16.0, "x86_64")),
    ],
)
def test_accelerators_and_architecture(size: str, expected: tuple[object, ...]) -> None:
    """GPUs come by size, as a part of one where the machine has a part; a `p` among the features is Arm."""
    row = SHAPES.filter(instance_type=size).row(0, named=True)
    assert (row["accelerator"], row["accelerator_count"], row["accelerator_memory_gib"], row["arch"]) == expected


def test_names_are_matched_to_sizes_and_the_rest_is_counted() -> None:
    """Every reason to leave a price out is counted, and only the right rows remain."""
    prices = {
        "standardd2sv3": {"eastus": 0.096, "usgovvirginia": 0.12, "germanycentral": 0.13, "germanywestcentral": 0.115},
        "lowpriorityd2sv3": {"eastus": 0.02},
        "standarda2mv2": {"eastus": 0.1},
        "standardd2asv4": {"centralindia": 0.17, "eastus": 0.096},
        "standarde64isv3": {"eastus": 4.0},
        "standardnv4asv4": {"eastus": 0.0},
    }
    kept, dropped = azure.libcloud_prices(prices, SHAPES)
    assert sorted(kept.select("region", "instance_type", "price_usd_h").rows()) == [
        ("eastus", "Standard_D2as_v4", 0.096),
        ("eastus", "Standard_D2s_v3", 0.096),
        ("germanywestcentral", "Standard_D2s_v3", 0.115),
    ]
    assert dropped == {
        "no_shape": 1,
        "retired_size": 1,
        "sovereign_cloud": 2,
        "stale_price": 2,
        "zero_price": 1,
    }


def test_prices_of_one_region_come_with_spot() -> None:
    """The size gets its full name, and the spot price is an offer of its own."""
    row = {"sku": "D2s_v5", "vcpus": 2, "memory_gb": 8, "hourly_usd": 0.096, "spot_hourly_usd": 0.0203}
    listed = {"region": "eastus", "instances": [row]}
    assert azure.cloudprice_prices(listed).rows() == [
        ("azure", "eastus", "Standard_D2s_v5", "on_demand", 0.096),
        ("azure", "eastus", "Standard_D2s_v5", "spot", 0.0203),
    ]
    assert azure.cloudprice_shapes(listed) == [("Standard_D2s_v5", 2.0, 8.0)]


def test_most_old_prices_of_the_embedded_catalog_still_hold(shared: Path) -> None:
    """Against a real list of 2026, 92 % are within 1 % all within 30 %, and all are still sold."""
    path = shared / "data/catalogs/skypilot-format/azure_vms.csv"
    real = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True).select(
        instance_type="InstanceType", region="Region", real=pl.col("Price").cast(pl.Float64)
    )
    seed = pl.read_parquet(Path(azure.__file__).parents[2] / "catalog_data/seed/offers.parquet")
    ours = seed.filter(cloud="azure", source="apache-libcloud")
    off = ours.join(real.unique(("instance_type", "region")), on=["instance_type", "region"], how="left").select(
        off=(pl.col("price_usd_h") / pl.col("real") - 1).abs()
    )["off"]
    assert ours.height > 6_000
    assert off.null_count() == 0
    assert (off < 0.01).mean() > 0.92  # type: ignore[operator]
    assert (off > 0.3).sum() == 0
