"""GCP in the seed: machines priced from their vCPUs and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_fetchers.seed import gcp


def rates(**by_region: float) -> dict[str, Any]:
    """Rates by region, as libcloud has them."""
    return {"on_demand": {region.replace("_", "-"): {"price": price} for region, price in by_region.items()}}


SHAPES: dict[str, Any] = {
    "e2-standard-4": {"VCpuCount": 4, "MemoryInMB": 16384},
    "e2-micro": {"VCpuCount": 2, "MemoryInMB": 1024},
    "e2-medium": {"VCpuCount": 2, "MemoryInMB": 4096},
    "f1-micro": {"VCpuCount": 1, "MemoryInMB": 614},
    "n1-standard-4": {"VCpuCount": 4, "MemoryInMB": 15360, "GpuInfo": [{"Name": "T4", "Count": [1, 2, 4]}]},
    "n1-megamem-96": {"VCpuCount": 96, "MemoryInMB": 1468006},
    "a2-highgpu-1g": {"VCpuCount": 12, "MemoryInMB": 87040, "GpuInfo": [{"Name": "A100", "Count": [1]}]},
    "ct5lp-hightpu-4t": {"VCpuCount": 112, "MemoryInMB": 196608},
    "t2a-standard-1": {"VCpuCount": 1, "MemoryInMB": 4096},
    "c3-standard-4-lssd": {"VCpuCount": 4, "MemoryInMB": 16384},
}
RATES: dict[str, Any] = {
    "e2": {"cpu": rates(us_central1=0.02181159), "ram": rates(us_central1=0.00292353)},
    "f1": {"cpu": rates(us_central1=0.0076)},
    "n1": {"cpu": rates(us_central1=0.031611, us_east9=0.0), "ram": rates(us_central1=0.004237, us_east9=0.0)},
}


def price(name: str) -> float:
    """The price of a machine in us-central1."""
    built, _ = gcp.libcloud_prices(RATES, gcp.cpu_machines(SHAPES))
    return float(built.filter(instance_type=name, region="us-central1")["price_usd_h"].item())


def test_machines_with_accelerators_are_not_among_the_cpu_machines() -> None:
    """GPU machines, TPU hosts and the N1 machines renamed M1 are left out; N1 stays, without the GPUs it may carry."""
    machines = gcp.cpu_machines(SHAPES)
    assert set(machines["instance_type"]) == set(SHAPES) - {"a2-highgpu-1g", "ct5lp-hightpu-4t", "n1-megamem-96"}


def test_hardware_of_a_machine() -> None:
    """Arm and x86 are told apart; whether an `lssd` machine's SSD is known or not shows in a null."""
    rows = {row["instance_type"]: row for row in gcp.cpu_machines(SHAPES).iter_rows(named=True)}
    assert (rows["e2-standard-4"]["vcpus"], rows["e2-standard-4"]["memory_gib"]) == (4.0, 16.0)
    assert (rows["t2a-standard-1"]["arch"], rows["e2-standard-4"]["arch"]) == ("arm64", "x86_64")
    assert (rows["e2-standard-4"]["local_ssd_gib"], rows["c3-standard-4-lssd"]["local_ssd_gib"]) == (0.0, None)


@pytest.mark.parametrize(
    ("name", "usd_h"),
    [
        ("e2-standard-4", 0.134023),
        ("n1-standard-4", 0.189999),
        ("e2-micro", 0.008376),
        ("e2-medium", 0.033506),
        ("f1-micro", 0.0076),
    ],
)
def test_list_prices_in_us_central1(name: str, usd_h: float) -> None:
    """Shared-core machines are billed for a quarter and for one of their two vCPUs, f1-micro as one thing."""
    assert price(name) == pytest.approx(usd_h, abs=2e-6)


def test_a_region_whose_rate_is_zero_has_no_price() -> None:
    """The rates of us-east9 are zero: unknown, not free."""
    built, dropped = gcp.libcloud_prices(RATES, gcp.cpu_machines(SHAPES))
    assert set(built["region"]) == {"us-central1"}
    assert dropped["zero_price"] == 1


def test_a_price_known_to_be_wrong_is_left_out() -> None:
    """N2D in asia-south1 was found 82 % too high."""
    machines = gcp.cpu_machines({"n2d-standard-2": {"VCpuCount": 2, "MemoryInMB": 8192}})
    n2d = {"n2d": {"cpu": rates(asia_south1=0.05, us_east4=0.03), "ram": rates(asia_south1=0.006, us_east4=0.004)}}
    built, dropped = gcp.libcloud_prices(n2d, machines)
    assert (built["region"].to_list(), dropped["stale_price"]) == (["us-east4"], 1)


@pytest.mark.parametrize(
    ("region", "name", "expected"),
    [
        ("us-central1", "e2-standard-4", "medium"),
        ("europe-west6", "e2-standard-4", "low"),
        ("us-west4", "n2-standard-4", "low"),
        ("us-west4", "n2d-standard-4", "medium"),
        ("us-east4", "c2-standard-4", "low"),
    ],
)
def test_where_a_later_list_differs_confidence_is_low(region: str, name: str, expected: str) -> None:
    """The regions and series that were found off are marked."""
    row = pl.DataFrame({"region": [region], "instance_type": [name]})
    assert row.select(gcp.libcloud_confidence()).item() == expected


def beside_real(shared: Path, seed: pl.DataFrame) -> pl.DataFrame:
    """The seed's prices built from rates beside real ones of 2026; shared-core machines, priced double there, aside."""
    real = pl.read_csv(shared / "data/catalogs/skypilot-format/gcp_vms.csv", infer_schema=False)
    real = real.select(
        instance_type="InstanceType", region="Region", real=pl.col("Price").cast(pl.Float64, strict=False)
    ).unique()
    ours = seed.filter(cloud="gcp", source="apache-libcloud", purchase="on_demand")
    ours = ours.filter(~pl.col("instance_type").is_in(list(gcp.SHARED_CORE_VCPUS)))
    return ours.join(real, on=["instance_type", "region"], how="left")


def test_prices_of_the_embedded_catalog_are_those_of_a_real_list(shared: Path) -> None:
    """All of medium confidence are within 1 % and sold there; those of low confidence are within 15 %."""
    seed = pl.read_parquet(Path(gcp.__file__).parents[2] / "catalog_data/seed/offers.parquet")
    beside = beside_real(shared, seed).with_columns(off=(pl.col("price_usd_h") / pl.col("real") - 1).abs())
    assert beside["region"].n_unique() >= 20
    assert beside["real"].null_count() == 0
    assert beside.filter(pl.col("confidence") == "medium")["off"].max() < 0.01  # type: ignore[operator]
    assert beside["off"].max() < 0.15  # type: ignore[operator]
