"""Power and carbon of machines."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from catalog_data.normalise import ACCELERATORS, CLOUDS
from engine.carbon import DATA_CENTRES, TDP_W, carbon_kg, power_kw

SCHEMA = {
    "cloud": pl.String,
    "vcpus": pl.Float64,
    "memory_gib": pl.Float64,
    "accelerator": pl.String,
    "accelerator_count": pl.Float64,
    "hours": pl.Float64,
    "carbon_g_kwh": pl.Float64,
}


def machine(**columns: Any) -> pl.DataFrame:
    """One machine of AWS with 8 vCPUs and 32 GiB that runs for an hour at 400 g/kWh, but for `columns`."""
    plain = {"cloud": "aws", "vcpus": 8.0, "memory_gib": 32.0, "accelerator": None, "accelerator_count": None}
    return pl.DataFrame([{**plain, "hours": 1.0, "carbon_g_kwh": 400.0, **columns}], SCHEMA)


def power(**columns: Any) -> float | None:
    """The power of that machine in kW."""
    kilowatts: float | None = machine(**columns).select(power_kw()).item()
    return kilowatts


def carbon(nodes: float = 1.0, **columns: Any) -> float | None:
    """The carbon of so many of them in kg."""
    hours, grid = pl.col("hours"), pl.col("carbon_g_kwh")
    kilograms: float | None = machine(**columns).select(carbon_kg(hours, nodes, grid)).item()
    return kilograms


def test_names_are_those_of_the_catalog() -> None:
    """A figure under another name would never be used."""
    assert set(TDP_W) <= set(ACCELERATORS)
    assert set(DATA_CENTRES) <= set(CLOUDS)


def test_machine_without_accelerators() -> None:
    """8 vCPUs at the middle of 0.74 and 3.5 W, 32 GiB at 0.392 W, times a PUE of 1.135."""
    assert power() == pytest.approx((8 * 2.12 + 32 * 0.392) * 1.135 / 1000)


def test_accelerators_add_their_design_power() -> None:
    """Eight H100 of 700 W beside 192 vCPUs and 2 TiB."""
    host = 192 * 2.12 + 2048 * 0.392
    with_eight = power(vcpus=192.0, memory_gib=2048.0, accelerator="H100", accelerator_count=8.0)
    assert with_eight == pytest.approx((host + 8 * 700) * 1.135 / 1000)


def test_share_of_an_accelerator_draws_its_share() -> None:
    """Fractions of a GPU are sold; no count means one."""
    none, half, one = power(), power(accelerator="T4", accelerator_count=0.5), power(accelerator="T4")
    assert none is not None
    assert half == pytest.approx(none + 35 * 1.135 / 1000)
    assert one == pytest.approx(none + 70 * 1.135 / 1000)


def test_other_clouds_have_the_mean_building() -> None:
    """A PUE of 1.54, and vCPUs as in the mean of the three that are known."""
    watts = [centre.vcpu_w for centre in DATA_CENTRES.values()]
    assert power(cloud="lambda", memory_gib=0.0) == pytest.approx(8 * sum(watts) / 3 * 1.54 / 1000, rel=1e-3)


@pytest.mark.parametrize("unknown", [{"accelerator": "Trainium2"}, {"vcpus": None}, {"memory_gib": None}])
def test_unknown_hardware_has_no_power(unknown: dict[str, Any]) -> None:
    """An unknown figure is not 0."""
    assert power(**unknown) is None
    assert carbon(**unknown) is None


def test_carbon_is_power_times_machines_times_hours_times_grid() -> None:
    """Four machines for five hours at 400 g/kWh."""
    kilowatts = power(accelerator="A100", accelerator_count=8.0)
    assert kilowatts is not None
    assert carbon(4.0, accelerator="A100", accelerator_count=8.0, hours=5.0) == pytest.approx(kilowatts * 4 * 5 * 0.4)


def test_unknown_grid_or_time_has_no_carbon() -> None:
    """A grid of 0 g/kWh is a figure, an unknown one is not."""
    assert carbon(carbon_g_kwh=0.0) == 0.0
    assert carbon(carbon_g_kwh=None) is None
    assert carbon(hours=None) is None
