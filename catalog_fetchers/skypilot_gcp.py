"""Google's machines in SkyPilot's catalog, put together from their parts.

Rows with an accelerator and no machine price the accelerators of one machine, `AcceleratorCount` of them, in a zone;
rows of machines price the machine without accelerators. TPU slices are whole, and priced as one.

- Machines with built-in accelerators (A2, A3, A4, G2) are joined to theirs by zone; without them the row is left out.
- P100, P4, T4 and V100 are joined to each N1 standard machine of their zone that Google lets have so many; the name of
  the pair is `n1-standard-8+t4x1`.
- A TPU slice bears Google's name: `tpu-v6e-8` is `v6e-8`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from catalog_data.normalise import tpu_slice

BUILT_IN: Final[Mapping[str, tuple[str, int]]] = {
    **{f"a2-highgpu-{count}g": ("A100", count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": ("A100", 16),
    **{f"a2-ultragpu-{count}g": ("A100-80GB", count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": ("H100", count) for count in (1, 2, 4, 8)},
    "a3-edgegpu-8g": ("H100", 8),
    "a3-edgegpu-8g-nolssd": ("H100", 8),
    "a3-megagpu-8g": ("H100-MEGA", 8),
    "a3-ultragpu-8g": ("H200", 8),
    "a3-ultragpu-8g-nolssd": ("H200", 8),
    "a4-highgpu-8g": ("B200", 8),
    **{f"g2-standard-{vcpus}": ("L4", 1) for vcpus in (4, 8, 12, 16, 32)},
    "g2-standard-24": ("L4", 2),
    "g2-standard-48": ("L4", 4),
    "g2-standard-96": ("L4", 8),
}
"""The accelerators of a machine, by the catalog's name (cloud.google.com/compute/docs/gpus)."""

WHOLE: Final = ("B200",)
"""Accelerators whose price is that of the whole machine."""

MOST_VCPUS: Final[Mapping[tuple[str, int], int]] = {
    ("P100", 1): 16,
    ("P100", 2): 32,
    ("P100", 4): 64,
    ("P4", 1): 24,
    ("P4", 2): 48,
    ("P4", 4): 96,
    ("T4", 1): 48,
    ("T4", 2): 48,
    ("T4", 4): 96,
    ("V100", 1): 12,
    ("V100", 2): 24,
    ("V100", 4): 48,
    ("V100", 8): 96,
}
"""How large an N1 machine may be to which so many are attached, in every zone (cloud.google.com/compute/docs/gpus)."""

ZONE: Final = ("Region", "AvailabilityZone")
PART: Final = ("AcceleratorName", "AcceleratorCount")


def gcp_machines(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of whole machines and slices in the same columns, and how many rows were left out for which reason.

    `accelerator_price_missing`: a machine whose accelerators have no price in its zone.
    `accelerator_without_machine`: accelerators that no machine of their zone takes.
    """
    is_slice = pl.col("AcceleratorName").str.starts_with("tpu-").fill_null(value=False)
    is_part = pl.col("InstanceType").is_null() & ~is_slice
    slices, parts = rows.filter(is_slice), rows.filter(is_part)
    machines = rows.filter(~is_slice & ~is_part)
    accelerated = machines.join(_built_in(), on="InstanceType", how="semi", maintain_order="left")
    whole = pl.concat([_with_built_in(accelerated, parts), _with_attached(machines, parts)])
    used = parts.join(whole, on=[*ZONE, *PART], how="semi", nulls_equal=True)
    joined = whole.join(accelerated, on=["InstanceType", *ZONE], how="semi", nulls_equal=True)
    left_out = {
        "accelerator_price_missing": accelerated.height - joined.height,
        "accelerator_without_machine": parts.height - used.height,
    }
    plain = machines.join(_built_in(), on="InstanceType", how="anti", maintain_order="left")
    return pl.concat([frame.select(rows.columns) for frame in (plain, whole, _named(slices))]), left_out


def _built_in() -> pl.DataFrame:
    rows = [(machine, name, float(count)) for machine, (name, count) in BUILT_IN.items()]
    return pl.DataFrame(rows, schema=["InstanceType", *PART], orient="row")


def _with_built_in(machines: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Machines with the accelerators that belong to them, at the price of both."""
    hosts = machines.drop(*PART, "GpuInfo").join(_built_in(), on="InstanceType", maintain_order="left")
    return _priced_together(hosts, parts, machines.columns)


def _with_attached(machines: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Each N1 standard machine with each number of each accelerator that may be attached to it."""
    rows = [(name, float(count), float(most)) for (name, count), most in MOST_VCPUS.items()]
    limits = pl.DataFrame(rows, schema=[*PART, "most"], orient="row")
    hosts = machines.filter(pl.col("InstanceType").str.starts_with("n1-standard-")).drop(*PART, "GpuInfo")
    pairs = hosts.join(limits, how="cross", maintain_order="left").filter(pl.col("vCPUs") <= pl.col("most"))
    count = pl.col("AcceleratorCount").cast(pl.Int64).cast(pl.String)
    name = pl.concat_str("InstanceType", pl.lit("+"), pl.col("AcceleratorName").str.to_lowercase(), pl.lit("x"), count)
    return _priced_together(pairs, parts, machines.columns).with_columns(InstanceType=name)


def _priced_together(hosts: pl.DataFrame, parts: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Hosts with the accelerators of their zone; a price is null where that of one of the two is not known."""
    prices = parts.select(*ZONE, *PART, "GpuInfo", part="Price", part_spot="SpotPrice").unique(maintain_order=True)
    both = hosts.join(prices, on=[*ZONE, *PART], nulls_equal=True, maintain_order="left")

    def total(host: str, part: str) -> pl.Expr:
        # USD/h of the machine + USD/h of all its accelerators = USD/h
        complete = (pl.col(part) > 0) & ((pl.col(host) > 0) | pl.col("AcceleratorName").is_in(WHOLE))
        return pl.when(complete).then(pl.col(host) + pl.col(part))

    return both.with_columns(Price=total("Price", "part"), SpotPrice=total("SpotPrice", "part_spot")).select(columns)


def _named(slices: pl.DataFrame) -> pl.DataFrame:
    """Slices under Google's name, with their model and chips; `GpuInfo` repeats the name."""
    chips = {name: tpu_slice(name) for name in slices["AcceleratorName"].unique()}
    models = {name: found[0] for name, found in chips.items() if found}
    counts = {name: float(found[1]) for name, found in chips.items() if found}
    name = pl.col("AcceleratorName")
    return slices.with_columns(
        InstanceType=name.str.strip_prefix("tpu-"),
        AcceleratorName=name.replace(models),
        AcceleratorCount=name.replace_strict(counts, default=None, return_dtype=pl.Float64),
        GpuInfo=pl.lit(None, pl.String),
    )
