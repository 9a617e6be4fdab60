"""The hand-kept list prices: rows are read as written, bad ones are refused, and they agree with each other."""

from __future__ import annotations

import csv
import importlib.resources
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import polars as pl
import pytest

from catalog_data.normalise import ACCELERATORS, tpu_slice
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.list_prices import (
    PRICE_COLUMNS,
    PRICES_FILE,
    TYPE_COLUMNS,
    TYPES_FILE,
    ListPriceError,
    load,
    read_list_prices,
)

PRICE: Final = {
    "cloud": "gcp",
    "instance_type": "a2-highgpu-{}g",
    "sizes": "1;2",
    "regions": "us-central1;us-east1",
    "purchase": "on_demand",
    "price_usd_h": "3.5",
    "unit": "gpu",
    "basis": "GPU with its share of the machine",
    "page_url": "https://cloud.google.com/compute/gpus-pricing",
    "found_in": "the page itself",
    "as_of": "2026-07-30",
    "confidence": "high",
}
ONE_GPU: Final = {
    "cloud": "gcp",
    "instance_type": "a2-highgpu-1g",
    "vcpus": "12",
    "memory_gib": "85",
    "arch": "x86_64",
    "accelerator": "A100",
    "accelerator_count": "1",
    "network_gbit_s": "24",
    "local_ssd_gib": "",
    "page_url": "https://cloud.google.com/compute/docs/accelerator-optimized-machines",
    "found_in": "the page itself",
}
TWO_GPUS: Final = {**ONE_GPU, "instance_type": "a2-highgpu-2g", "vcpus": "24", "accelerator_count": "2"}

TYPE_ROWS: Final = (ONE_GPU, TWO_GPUS)

# USD per accelerator and hour, on demand: from the cheapest market price to the dearest region of the dearest cloud.
BANDS: Final[Mapping[str, tuple[float, float]]] = {
    "A10": (1.2, 3),
    "A100": (1.9, 4.6),
    "A100-80GB": (1, 8.3),
    "A6000": (0.5, 1.5),
    "B200": (5.5, 21),
    "B300": (9, 25),
    "GB200": (8, 16),
    "GH200": (2, 7),
    "H100": (2.5, 24),
    "H100-NVL": (2.5, 10.5),
    "H100-PCIE": (1.9, 3.5),
    "H200": (3.5, 22),
    "L4": (0.7, 1.9),
    "L40": (1, 1.5),
    "L40S": (0.6, 8),
    "MI300X": (2.3, 12.5),
    "P100": (1.2, 2),
    "RTX4000-Ada": (0.6, 0.9),
    "RTX4090": (0.3, 0.9),
    "RTX6000": (0.5, 0.9),
    "RTX6000-Ada": (1.2, 1.9),
    "RTXPRO6000": (2, 3),
    "T4": (0.5, 1.5),
    "TPU-v3": (1.9, 2.3),
    "TPU-v4": (3, 3.5),
    "TPU-v5e": (1.1, 1.6),
    "TPU-v5p": (4, 4.5),
    "TPU-v6e": (2.6, 3.3),
    "V100": (0.7, 3.5),
}

PAGES: Final[Mapping[str, str]] = {
    "aws": "amazon.com",
    "azure": "microsoft.com",
    "coreweave": "coreweave.com",
    "digitalocean": "digitalocean.com",
    "gcp": "google.com",
    "lambda": "lambda.ai",
    "nebius": "nebius.com",
    "oci": "oracle.com",
    "runpod": "runpod.io",
    "vast": "vast.ai",
}


DOCUMENT: Final = re.compile(
    r"github\.com/[\w.-]+/[\w.-]+ (\S+@[0-9a-f]{7}\b|pull request \d+)|package [\w-]+ [\d.]+, \S+|https://\S+"
)


def prices_csv(*rows: Mapping[str, str]) -> str:
    """The text of a price file with these rows."""
    return "\n".join([",".join(PRICE_COLUMNS), *(",".join(row[name] for name in PRICE_COLUMNS) for row in rows)])


def types_csv(*rows: Mapping[str, str]) -> str:
    """The text of a type file with these rows."""
    return "\n".join([",".join(TYPE_COLUMNS), *(",".join(row[name] for name in TYPE_COLUMNS) for row in rows)])


def packaged_rows(file: str) -> list[dict[str, str]]:
    """The rows of a packaged file as they were typed."""
    text = importlib.resources.files("catalog_fetchers").joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def offers() -> pl.DataFrame:
    """The packaged offers with the hardware that each of them buys."""
    frames = load()
    hardware = frames["instance_types"].select("cloud", "instance_type", "vcpus", "accelerator", "accelerator_count")
    return frames["offers"].join(hardware, on=["cloud", "instance_type"], how="left")


def price_of(offers: pl.DataFrame, cloud: str, region: str, instance_type: str, purchase: str = "on_demand") -> float:
    """The price of the one offer of this name."""
    (price,) = offers.filter(
        cloud=pl.lit(cloud), region=pl.lit(region), instance_type=pl.lit(instance_type), purchase=pl.lit(purchase)
    )["price_usd_h"]
    return float(price)


# How a row is read


def test_a_row_stands_for_each_size_in_each_region() -> None:
    """Two sizes in two regions are four offers; the machine with two GPUs costs twice the price of one."""
    offers = read_list_prices(prices_csv(PRICE), types_csv(*TYPE_ROWS))["offers"]
    found = offers.select("region", "instance_type", "price_usd_h").sort("region", "instance_type").rows()
    assert found == [
        ("us-central1", "a2-highgpu-1g", 3.5),
        ("us-central1", "a2-highgpu-2g", 7.0),
        ("us-east1", "a2-highgpu-1g", 3.5),
        ("us-east1", "a2-highgpu-2g", 7.0),
    ]


def test_frames_follow_the_schema_and_say_where_they_come_from() -> None:
    """A type is dated by its newest price and trusted as its best one; the version is the newest date of all."""
    spot = {**PRICE, "purchase": "spot", "as_of": "2026-08-02", "confidence": "medium"}
    frames = read_list_prices(prices_csv(PRICE, spot), types_csv(*TYPE_ROWS))
    assert frames["offers"].schema == OFFERS.polars_schema()
    assert frames["instance_types"].schema == INSTANCE_TYPES.polars_schema()
    assert set(frames["offers"]["observed_at"]) == {
        datetime(2026, 7, 30, tzinfo=UTC),
        datetime(2026, 8, 2, tzinfo=UTC),
    }
    seen = frames["instance_types"].row(0, named=True)
    assert seen["source"] == "list_prices"
    assert seen["source_version"] == "2026-08-02"
    assert seen["observed_at"] == datetime(2026, 8, 2, tzinfo=UTC)
    assert seen["confidence"] == "high"
    assert seen["accelerator_memory_gib"] == 40


def test_a_vcpu_price_counts_the_vcpus() -> None:
    """A flexible machine is priced by its vCPUs: 12 at 0.02 are 0.24."""
    row = {**PRICE, "instance_type": "a2-highgpu-1g", "sizes": "", "unit": "vcpu", "price_usd_h": "0.02"}
    offers = read_list_prices(prices_csv(row), types_csv(ONE_GPU))["offers"]
    assert set(offers["price_usd_h"]) == {0.24}


BAD_PRICES: Final = [
    ("cloud", {"cloud": "gpc"}),
    ("sizes", {"sizes": ""}),
    ("sizes", {"sizes": "1;;2"}),
    ("sizes", {"instance_type": "a2-highgpu-1g"}),
    ("instance_type", {"sizes": "1;4"}),
    ("regions", {"regions": ""}),
    ("regions", {"regions": "us-central1;us-central1"}),
    ("purchase", {"purchase": "ondemand"}),
    ("price_usd_h", {"price_usd_h": "$3.50"}),
    ("price_usd_h", {"price_usd_h": "0"}),
    ("price_usd_h", {"price_usd_h": ""}),
    ("price_usd_h", {"price_usd_h": "nan"}),
    ("price_usd_h", {"price_usd_h": "700000"}),
    ("unit", {"unit": "hour"}),
    ("unit", {"unit": "chip"}),
    ("basis", {"basis": ""}),
    ("page_url", {"page_url": "cloud.google.com"}),
    ("found_in", {"found_in": ""}),
    ("as_of", {"as_of": "30.7.2026"}),
    ("confidence", {"confidence": "sure"}),
]


@pytest.mark.parametrize(("column", "change"), BAD_PRICES, ids=[str(change) for _, change in BAD_PRICES])
def test_a_bad_price_row_is_refused_with_its_line_and_column(column: str, change: dict[str, str]) -> None:
    """The second row below the header is line 3, and the error names the cell that is wrong."""
    good = {**PRICE, "purchase": "spot"}
    with pytest.raises(ListPriceError) as refused:
        read_list_prices(prices_csv(good, {**PRICE, **change}), types_csv(*TYPE_ROWS))
    assert (refused.value.file, refused.value.line, refused.value.column) == (PRICES_FILE, 3, column)
    assert str(refused.value).startswith(f"{PRICES_FILE} line 3, {column}: ")


BAD_TYPES: Final = [
    ("vcpus", {"vcpus": "", "accelerator": "", "accelerator_count": ""}),
    ("memory_gib", {"memory_gib": "", "accelerator": "", "accelerator_count": ""}),
    ("vcpus", {"vcpus": "-1"}),
    ("memory_gib", {"memory_gib": "85 GiB"}),
    ("arch", {"arch": "amd64"}),
    ("accelerator", {"accelerator": "nvidia-a100"}),
    ("accelerator_count", {"accelerator_count": ""}),
    ("accelerator_count", {"accelerator": ""}),
    ("page_url", {"page_url": ""}),
    ("found_in", {"found_in": ""}),
    ("instance_type", {"instance_type": "a2-highgpu-1g"}),
    ("instance_type", {"instance_type": "a2-highgpu-9g"}),
]


@pytest.mark.parametrize(("column", "change"), BAD_TYPES, ids=[str(change) for _, change in BAD_TYPES])
def test_a_bad_type_row_is_refused_with_its_line_and_column(column: str, change: dict[str, str]) -> None:
    """Among them a type that stands twice and one that no price names."""
    price = {**PRICE, "sizes": "1"}
    with pytest.raises(ListPriceError) as refused:
        read_list_prices(prices_csv(price), types_csv(ONE_GPU, {**TWO_GPUS, **change}))
    assert (refused.value.file, refused.value.line, refused.value.column) == (TYPES_FILE, 3, column)


def test_an_offer_that_stands_twice_is_refused() -> None:
    """Two prices for one offer contradict each other: the second line is named, and the first in the message."""
    twice = {**PRICE, "sizes": "2", "regions": "us-east1"}
    with pytest.raises(ListPriceError, match=r"line 2 states a2-highgpu-2g in us-east1 already") as refused:
        read_list_prices(prices_csv(PRICE, twice), types_csv(*TYPE_ROWS))
    assert refused.value.line == 3


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, "header"),
        ("cloud,price\n", 1, "header"),
        (",".join(PRICE_COLUMNS) + "\ngcp,a2-highgpu-1g\n", 2, "row"),
        (",".join(PRICE_COLUMNS) + "\n", 1, "cloud"),
    ],
    ids=["nothing", "other columns", "a short row", "no row"],
)
def test_a_file_of_another_shape_is_refused(text: str, line: int, column: str) -> None:
    """A file that lost its header, a column or all of its rows is not read as an empty one."""
    with pytest.raises(ListPriceError) as refused:
        read_list_prices(text, types_csv(*TYPE_ROWS))
    assert (refused.value.line, refused.value.column) == (line, column)


# What the packaged files hold


def test_the_packaged_files_hold_what_they_should() -> None:
    """Every cloud is there, each key once, and the files are still small enough to be kept by hand."""
    frames = load()
    for table in (INSTANCE_TYPES, OFFERS):
        assert not frames[table.name].select(table.key).is_duplicated().any()
    assert set(frames["offers"]["cloud"]) == set(PAGES)
    assert 300 <= len(packaged_rows(PRICES_FILE)) <= 500


def test_every_row_names_its_witnesses() -> None:
    """The page is the provider's own, not that of the document in which the figure was read."""
    for row in (*packaged_rows(PRICES_FILE), *packaged_rows(TYPES_FILE)):
        host = urlsplit(row["page_url"]).hostname or ""
        assert host.endswith(PAGES[row["cloud"]]), row


def test_every_row_names_a_document_that_can_be_opened() -> None:
    """A file of a repository at a commit, a pull request, a file of a released package, or an address."""
    for row in (*packaged_rows(PRICES_FILE), *packaged_rows(TYPES_FILE)):
        assert DOCUMENT.search(row["found_in"]), row


def test_confidence_follows_its_rule() -> None:
    """No price older than a year is `high`, none older than two above `low`, and no moving price is `high`."""
    rows = packaged_rows(PRICES_FILE)
    newest = max(datetime.fromisoformat(row["as_of"]) for row in rows)
    for row in rows:
        age = (newest - datetime.fromisoformat(row["as_of"])).days
        assert row["confidence"] != "high" or age <= 366, row
        assert row["confidence"] == "low" or age <= 731, row
        # OCI sells preemptible capacity at a fixed half of the list price: that one does not move.
        assert row["confidence"] != "high" or row["purchase"] != "spot" or row["cloud"] == "oci", row


def test_prices_per_accelerator_are_plausible(offers: pl.DataFrame) -> None:
    """A price of the whole machine typed as that of one GPU, or the other way round, leaves its band."""
    priced = offers.filter(pl.col("accelerator").is_not_null() & (pl.col("purchase") == "on_demand"))
    assert set(priced["accelerator"]) == set(BANDS)
    for row in priced.iter_rows(named=True):
        low, high = BANDS[row["accelerator"]]
        assert low <= row["price_usd_h"] / row["accelerator_count"] <= high, row


def test_a_cloud_sells_an_accelerator_at_prices_of_one_order(offers: pl.DataFrame) -> None:
    """At most five times as dear in its dearest region and size: an L40S with 64 vCPUs costs four times one with 4."""
    priced = offers.filter(pl.col("accelerator").is_not_null())
    each = pl.col("price_usd_h") / pl.col("accelerator_count")
    spread = priced.group_by("cloud", "accelerator", "purchase").agg((each.max() / each.min()).alias("ratio"))
    assert spread.filter(pl.col("ratio") > 5).is_empty()


def test_spot_and_commitments_are_cheaper(offers: pl.DataFrame) -> None:
    """Where both are known: spot below on demand, three years below one year below on demand."""
    prices = offers.pivot("purchase", index=["cloud", "region", "instance_type"], values="price_usd_h")
    both = prices.filter(pl.col("spot").is_not_null() & pl.col("on_demand").is_not_null())
    assert len(both) > 150
    assert both.filter(pl.col("spot") >= pl.col("on_demand")).is_empty()
    committed = prices.filter(pl.col("reserved_1y").is_not_null())
    assert len(committed) > 20
    assert (committed["reserved_1y"] < committed["on_demand"]).all()
    assert (committed["reserved_3y"] < committed["reserved_1y"]).all()


def test_gpu_machines_are_priced_with_their_gpus(offers: pl.DataFrame) -> None:
    """Eight GPUs cost eight times one, also where the two prices were typed apart."""
    pairs = [
        ("gcp", "us-central1", "a2-highgpu-8g", "a2-highgpu-1g"),
        ("gcp", "europe-west4", "a2-ultragpu-8g", "a2-ultragpu-1g"),
        ("gcp", "us-central1", "g2-standard-96", "g2-standard-12"),
        ("aws", "us-east-1", "p5.48xlarge", "p5.4xlarge"),
        ("digitalocean", "tor1", "gpu-h100x8-640gb", "gpu-h100x1-80gb"),
        ("nebius", "eu-north1", "gpu-h100-sxm_8gpu-128vcpu-1600gb", "gpu-h100-sxm_1gpu-16vcpu-200gb"),
    ]
    for cloud, region, eight, one in pairs:
        assert price_of(offers, cloud, region, eight) == pytest.approx(8 * price_of(offers, cloud, region, one))
    assert price_of(offers, "gcp", "us-central1", "a2-highgpu-8g") == pytest.approx(29.38708)
    small, large = (price_of(offers, "gcp", "us-central1", f"g2-standard-{size}") for size in (4, 32))
    assert small < large < 3 * small


def test_a_tpu_slice_costs_its_chips(offers: pl.DataFrame) -> None:
    """The number of chips in `list_types.csv` is the one that the name of the slice stands for."""
    slices = offers.filter(pl.col("accelerator").str.starts_with("TPU"))
    assert len(slices) > 100
    for row in slices.iter_rows(named=True):
        assert tpu_slice(row["instance_type"]) == (row["accelerator"], row["accelerator_count"])
    assert price_of(offers, "gcp", "us-central2", "v4-8") == pytest.approx(4 * 3.22)
    assert price_of(offers, "gcp", "europe-west4", "v6e-8") == pytest.approx(8 * 2.97)


def test_a_composed_price_is_the_sum_in_its_basis() -> None:
    """An N1 machine costs its host plus its GPU, both stated in the row."""
    composed = [row for row in packaged_rows(PRICES_FILE) if "+" in row["instance_type"] + row["sizes"]]
    assert len(composed) > 10
    for row in composed:
        host, gpu = re.fullmatch(r"([\d.]+) n1-standard-\d host \+ ([\d.]+) GPU", row["basis"]).groups()  # type: ignore[union-attr]
        assert float(row["price_usd_h"]) == pytest.approx(float(host) + float(gpu)), row


def test_a_reserved_price_is_the_month_in_its_basis() -> None:
    """Google bills a commitment by the month of 730 hours."""
    monthly = [row for row in packaged_rows(PRICES_FILE) if row["basis"].endswith("a month / 730 h")]
    assert len(monthly) > 4
    for row in monthly:
        month = float(row["basis"].split(" ")[0].replace(",", ""))
        assert float(row["price_usd_h"]) == pytest.approx(month / 730, abs=1e-6), row


def test_hardware_names_known_accelerators() -> None:
    """A model that `normalise` lacks would never match a request."""
    types = load()["instance_types"].filter(pl.col("accelerator").is_not_null())
    assert set(types["accelerator"]) <= set(ACCELERATORS)
    assert types["accelerator_memory_gib"].null_count() == 0
