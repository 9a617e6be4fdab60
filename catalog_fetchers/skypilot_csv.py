"""SkyPilot's catalog: one CSV file for each cloud, from a folder or from the repository that carries them.

A row is a machine in a zone (or in a region, where the cloud sells by region) with its on-demand and its spot price;
an empty price says that it is not sold so. The layout has three peculiarities, all resolved here:

- Google's accelerators have rows of their own, without a machine; `gcp_machines` joins them to machines.
- `GpuInfo` is the text of a Python or JSON value. Only the memory of a device is read from it: of one in most files,
  of all of them together in some (`MEMORY_OF_ALL`), and in GiB under the name of MiB in others.
- EC2's zones are ids (`use1-az1`), which only an account can translate into names. Its rows are taken together by
  region, with the median of the spot prices.

What cannot be made sense of is left out and counted, and what is wrong is left to the checks of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.normalise import UnknownNameError, cloud_name
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.azure_names import GPUS
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError, MissingPageError
from catalog_fetchers.rows import accelerator, stamped
from catalog_fetchers.skypilot_gcp import gcp_machines

NAME: Final = "skypilot_catalog"
URL: Final = "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs/v8"
CLOUDS: Final = (
    "aws",
    "azure",
    "cudo",
    "gcp",
    "hyperbolic",
    "lambda",
    "lium",
    "mithril",
    "nebius",
    "oci",
    "primeintellect",
    "runpod",
    "seeweb",
    "shadeform",
    "vast",
    "verda",
    "yotta",
)
"""The clouds that the repository has a file of and that we know."""

FILE: Final = "vms.csv"
TEXTS: Final = ("InstanceType", "AcceleratorName", "Region")
NUMBERS: Final = ("AcceleratorCount", "vCPUs", "MemoryGiB", "Price")
OPTIONAL_TEXTS: Final = ("AvailabilityZone", "GpuInfo", "Arch")
OPTIONAL_NUMBERS: Final = ("SpotPrice",)

MEMORY_OF_ALL: Final = frozenset({"primeintellect", "vast"})
"""Files that give the memory of all devices of a machine (sky/catalog/data_fetchers/fetch_vast.py: `gpu_total_ram`)."""
ZONE_IDS: Final = frozenset({"aws"})
LEAST_MIB: Final = 1024
"""No accelerator on sale has less memory: a smaller figure is in GiB."""

HARDWARE: Final = ("vcpus", "memory_gib", "arch", "accelerator", "accelerator_count", "accelerator_memory_gib")


@dataclass(frozen=True)
class Imported:
    """What the files gave.

    tables: INSTANCE_TYPES and OFFERS, not yet checked.
    read: how many rows each cloud's file has.
    left_out: (cloud, reason, rows): rows of the files that no row of the tables stands for.
    """

    tables: Tables
    read: Mapping[str, int]
    left_out: pl.DataFrame


def files_in(folder: Path) -> dict[str, bytes]:
    """The catalog files of a folder by the name of their cloud: `<cloud>_vms.csv` and `<cloud>/vms.csv`.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    named = {path.name.removesuffix(f"_{FILE}"): path for path in sorted(folder.glob(f"*_{FILE}"))}
    nested = {path.parent.name: path for path in sorted(folder.glob(f"*/{FILE}"))}
    return {cloud: path.read_bytes() for cloud, path in {**named, **nested}.items()}


def imported(
    files: Mapping[str, bytes],
    observed_at: datetime,
    *,
    source: str = NAME,
    source_version: str | None = None,
    confidence: Confidence = Confidence.MEDIUM,
) -> Imported:
    """The rows of the files, by the name of their cloud as SkyPilot or the catalog spells it.

    Raises:
        AnswerError: a file is no such CSV, a cell is no number, or a cloud is unknown; it names the file.
    """
    machines: list[pl.DataFrame] = []
    left_out: list[tuple[str, str, int]] = []
    read: dict[str, int] = {}
    for spelling, body in files.items():
        cloud = _cloud(spelling)
        rows = _rows(cloud, body)
        read[cloud] = rows.height
        whole, unused = gcp_machines(rows) if cloud == "gcp" else (rows, {})
        kept, conflicting = _one_meaning_each(_in_our_words(cloud, whole))
        machines.append(kept)
        left_out += [(cloud, reason, count) for reason, count in {**unused, **conflicting}.items() if count]
    rows = pl.concat([_in_our_words("", _rows("", _HEADER)), *machines])
    said: Mapping[str, Any] = {
        "source": source,
        "source_version": source_version,
        "observed_at": observed_at,
        "confidence": confidence,
    }
    tables = {
        INSTANCE_TYPES.name: stamped(INSTANCE_TYPES, _types(rows), **said),
        OFFERS.name: stamped(OFFERS, _offers(rows), **said),
    }
    schema = {"cloud": pl.String, "reason": pl.String, "rows": pl.Int64}
    return Imported(tables, read, pl.DataFrame(left_out, schema=schema, orient="row"))


def fetch(access: Access) -> Iterator[Page]:
    """One page for each cloud, under its name."""
    for cloud in CLOUDS:
        yield _page(URL, cloud, access)


def pages_at(address: str, access: Access) -> Iterator[Page]:
    """One page for each cloud that has its file below an address, `<address>/<cloud>/vms.csv`.

    Raises:
        MissingPageError: no cloud has one.
    """
    missing: MissingPageError | None = None
    found = 0
    for cloud in CLOUDS:
        try:
            yield _page(address, cloud, access)
            found += 1
        except MissingPageError as error:
            missing = error
    if missing and not found:
        raise missing


def _page(address: str, cloud: str, access: Access) -> Page:
    return Page(cloud, access.client.get(f"{address.rstrip('/')}/{cloud}/{FILE}"))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and OFFERS on demand and as spot."""
    return imported({page.name: page.body for page in pages}, observed_at).tables


def _cloud(spelling: str) -> str:
    try:
        return cloud_name(spelling)
    except UnknownNameError as error:
        raise AnswerError(f"{spelling}: {error}") from error


_HEADER: Final = ",".join((*TEXTS, *NUMBERS)).encode()


def _rows(cloud: str, body: bytes) -> pl.DataFrame:
    """The columns of the layout as texts and numbers, null where a cell is empty."""
    try:
        found = pl.read_csv(body, infer_schema=False, truncate_ragged_lines=True)
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError) as error:
        raise AnswerError(f"{cloud}: expected a CSV, got something else") from error
    missing = [name for name in (*TEXTS, *NUMBERS) if name not in found.columns]
    if missing:
        raise AnswerError(f"{cloud}: no column {', '.join(missing)}")
    texts, numbers = (*TEXTS, *OPTIONAL_TEXTS), (*NUMBERS, *OPTIONAL_NUMBERS)
    found = found.with_columns(pl.lit(None, pl.String).alias(name) for name in {*texts, *numbers} - {*found.columns})
    found = found.select(pl.col(*texts, *numbers).str.strip_chars().replace("", None))
    rows = found.with_columns(pl.col(numbers).cast(pl.Float64, strict=False))
    for name in numbers:
        unread = found.filter(found[name].is_not_null() & rows[name].is_null())[name]
        if unread.len():
            raise AnswerError(f"{cloud}: {name}: {unread[0]!r} is no number")
    return rows


def _in_our_words(cloud: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of the catalog: `HARDWARE`, place and the two prices (USD/h of the whole machine)."""
    size = pl.col("GpuInfo").str.extract(r"""['"]SizeInMiB['"]\s*:\s*([0-9.]+)""").cast(pl.Float64)
    gib = pl.when(size < LEAST_MIB).then(size).otherwise(size / 1024)
    devices = pl.col("AcceleratorCount") if cloud in MEMORY_OF_ALL else 1
    rows = rows.with_columns(gib=gib / devices)
    spelt = ["AcceleratorName", "InstanceType", "gib"]
    named = rows.select(spelt).drop_nulls("AcceleratorName").unique(maintain_order=True)
    named = named.with_columns(
        accelerator=pl.Series([_accelerator(*row) for row in named.iter_rows()], dtype=pl.String)
    )
    rows = rows.join(named, on=spelt, how="left", nulls_equal=True, maintain_order="left")
    arch = pl.when(pl.col("Arch").is_in(["x86_64", "arm64"])).then("Arch")
    words = rows.select(
        cloud=pl.lit(cloud),
        instance_type=pl.col("InstanceType").fill_null(""),
        region=pl.col("Region").fill_null(""),
        zone="AvailabilityZone",
        vcpus="vCPUs",
        memory_gib="MemoryGiB",
        arch=arch,
        accelerator="accelerator",
        accelerator_count=pl.when(pl.col("accelerator").is_not_null()).then("AcceleratorCount"),
        accelerator_memory_gib=pl.when(pl.col("accelerator").is_not_null()).then("gib"),
        on_demand="Price",
        spot="SpotPrice",
    ).unique(maintain_order=True)
    if cloud == "azure":
        words = words.with_columns(accelerator_count=_parts_of_gpus())
    return _by_region(words) if cloud in ZONE_IDS else words


def _parts_of_gpus() -> pl.Expr:
    """The number of accelerators, which the layout rounds up to whole ones where Azure sells a part of one."""
    known = {size: float(count) for size, (_, count) in GPUS.items()}
    count = pl.col("accelerator_count")
    part = pl.col("instance_type").replace_strict(known, default=None, return_dtype=pl.Float64)
    return pl.when(count.is_not_null()).then(pl.coalesce(part, count))


def _accelerator(name: str, instance_type: str | None, gib: float | None) -> str | None:
    """The model: by its name with its memory (`A100` of 80 GiB), by Vast's name, which says more, or by its name.

    Vast's instance types are `<count>x-<model>-<cores>-<memory>`.
    """
    with_memory = f"{name}-{gib:.0f}GB" if gib else None
    in_type = re.fullmatch(r"\d+x-(.+?)-\d+-\d+", instance_type or "")
    without_memory = re.sub(r"[ -]\d+ ?GB$", "", name)
    return accelerator(with_memory, in_type[1] if in_type else None, name, without_memory) or name


def _by_region(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each type and region, without a zone; prices are the medians of the zones'."""
    place = [name for name in rows.columns if name not in ("zone", "on_demand", "spot")]
    merged = rows.group_by(place, maintain_order=True).agg(pl.col("on_demand", "spot").median())
    return merged.with_columns(zone=pl.lit(None, pl.String)).select(rows.columns)


def _one_meaning_each(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that agree with the first of their type on its hardware, and with the first of their place on prices."""
    hardware = rows.select("instance_type", *HARDWARE).unique("instance_type", keep="first", maintain_order=True)
    agreeing = rows.join(hardware, on=["instance_type", *HARDWARE], how="semi", nulls_equal=True, maintain_order="left")
    first = agreeing.unique(("instance_type", "region", "zone"), keep="first", maintain_order=True)
    counts = {
        "other_hardware_of_the_same_name": rows.height - agreeing.height,
        "other_price_in_the_same_place": agreeing.height - first.height,
    }
    return first, counts


def _types(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("cloud", "instance_type", *HARDWARE).unique(
        ("cloud", "instance_type"), keep="first", maintain_order=True
    )


def _offers(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each price. A machine without any has one on demand without a price, for the checks to reject."""
    on_demand = rows.filter(pl.col("on_demand").is_not_null() | pl.col("spot").is_null())
    spot = rows.filter(pl.col("spot").is_not_null())
    place = ("cloud", "region", "zone", "instance_type")
    return pl.concat(
        [
            on_demand.select(*place, purchase=pl.lit(Purchase.ON_DEMAND.value), price_usd_h="on_demand"),
            spot.select(*place, purchase=pl.lit(Purchase.SPOT.value), price_usd_h="spot"),
        ]
    )


SOURCE: Final = Source(
    name=NAME,
    clouds=CLOUDS,
    brings="types, on-demand and spot prices of seventeen clouds, as SkyPilot gathered them",
    page="https://github.com/skypilot-org/skypilot-catalog",
    fetch=fetch,
    parse=parse,
)
