"""The hand-kept list prices against real data.

Catalogs of other projects serve as a second witness: a price that was mistyped disagrees with them. None of them is the
document that a price was read from, but for Google's price history, which has the same authors. What disagrees for a
known reason is listed here with that reason, and printed with the share that agrees (`pytest -rP`).
"""

from __future__ import annotations

import csv
import gzip
import importlib.resources
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from catalog_fetchers.list_prices import PRICES_FILE, TYPES_FILE, load

CATALOGS: Final = Path("data", "catalogs", "skypilot-format")
# The project and the price page from which the catalogs of the folder were made.
CHECK_SOURCES: Final = ("anycloud", "skypilot-catalog catalogs/v8/nebius", "skypilot-catalog catalogs/v6/do")

# The catalog counts a machine without its local SSD (at most 1 % of an A100, H100 or H200 machine) and is three months
# younger or older than the page: the H200 machine cost 2.3 % more in May 2026 than in August.
GCP_TOLERANCE: Final = 0.03

# Prices that are not those of the other list, with the reason; (cloud, start of the type).
KNOWN_DEVIATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("nebius", "gpu-h"): "Nebius raised its prices on 2026-10-01, the list is older",
    ("nebius", "gpu-b"): "Nebius raised its prices on 2026-10-01, the list is older",
    ("nebius", "cpu-"): "Nebius raised its prices on 2026-10-01 and states them to the cent",
    ("digitalocean", "gpu-h100"): "DigitalOcean changed this price twice since, the list is older",
}
# Rows priced by the GPU differ by rounding.
ROUNDING: Final = 0.0015
# Azure sets its spot prices by region and month: half a year moves them between these shares of what they were.
SPOT_MOVES: Final = (0.3, 1.3)


@pytest.fixture(scope="module")
def offers() -> pl.DataFrame:
    """The packaged offers with the accelerators that each of them buys."""
    frames = load()
    hardware = frames["instance_types"].select("cloud", "instance_type", "accelerator", "accelerator_count")
    return frames["offers"].join(hardware, on=["cloud", "instance_type"], how="left")


def packaged_rows(file: str) -> list[dict[str, str]]:
    """The rows of a packaged file as they were typed."""
    text = importlib.resources.files("catalog_fetchers").joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def catalog(shared: Path, file: str) -> list[dict[str, str]]:
    """The rows of one catalog."""
    with (shared / CATALOGS / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def number(cell: str) -> float | None:
    """The figure in the cell; an empty one and 0 stand for an unknown price."""
    return float(cell) if cell and float(cell) > 0 else None


def copied_prices(shared: Path, cloud: str, file: str) -> dict[tuple[str, str, str, str], float | None]:
    """(cloud, type, region, purchase) -> price, from a catalog that prices whole machines by region."""
    columns = (("on_demand", "Price"), ("spot", "SpotPrice"))
    return {
        (cloud, row["InstanceType"], row["Region"], purchase): number(row[column])
        for row in catalog(shared, file)
        for purchase, column in columns
    }


def compared_prices(
    shared: Path, offers: pl.DataFrame, cloud: str, file: str, purchase: str
) -> list[tuple[str, float, float]]:
    """(type and region, our price, theirs) of each offer that both know."""
    copied = copied_prices(shared, cloud, file)
    ours = offers.filter(cloud=pl.lit(cloud), purchase=pl.lit(purchase))
    found = []
    for row in ours.iter_rows(named=True):
        theirs = copied.get((cloud, row["instance_type"], row["region"], purchase))
        if theirs is not None:
            found.append((f"{row['instance_type']} {row['region']}", row["price_usd_h"], theirs))
    return found


def test_no_price_was_read_from_the_lists_it_is_checked_against() -> None:
    """A copy agrees with its original: it would be no check."""
    for file in (PRICES_FILE, TYPES_FILE):
        for row in packaged_rows(file):
            assert not any(source in row["found_in"] for source in CHECK_SOURCES), row


def test_azure_prices_agree_with_another_list(shared: Path, offers: pl.DataFrame) -> None:
    """On demand, all agree: ours were read in October 2026, theirs in May."""
    compared = compared_prices(shared, offers, "azure", "azure_vms.csv", "on_demand")
    apart = [entry for entry in compared if entry[1] != pytest.approx(entry[2], rel=ROUNDING)]
    print(f"{len(compared) - len(apart)} of {len(compared)} on-demand prices agree")
    assert apart == []
    assert len(compared) > 200


def test_azure_spot_prices_moved_as_spot_prices_do(shared: Path, offers: pl.DataFrame) -> None:
    """Of the spot prices at least a third is unchanged, and none left the range that half a year explains."""
    compared = compared_prices(shared, offers, "azure", "azure_vms.csv", "spot")
    moved = [entry for entry in compared if entry[1] != pytest.approx(entry[2], rel=ROUNDING)]
    print(f"{len(compared) - len(moved)} of {len(compared)} spot prices agree; Azure moved since:")
    print(*(f"{name} {ours} not {theirs}" for name, ours, theirs in moved), sep="\n")
    assert all(SPOT_MOVES[0] < ours / theirs < SPOT_MOVES[1] for _, ours, theirs in moved)
    assert len(compared) > 150
    assert len(moved) < 2 / 3 * len(compared)


@pytest.mark.parametrize(
    ("cloud", "file", "at_least"),
    [("lambda", "lambda_vms.csv", 150), ("nebius", "nebius_vms.csv", 10), ("digitalocean", "do_vms.csv", 2)],
    ids=["lambda", "nebius", "digitalocean"],
)
def test_prices_agree_with_another_list(
    shared: Path, offers: pl.DataFrame, cloud: str, file: str, at_least: int
) -> None:
    """What both know costs the same, but for the changes listed above, each of which must still be one."""
    compared = compared_prices(shared, offers, cloud, file, "on_demand")
    accepted = []
    for name, ours, theirs in compared:
        if ours == pytest.approx(theirs, rel=ROUNDING):
            continue
        known = KNOWN_DEVIATIONS.items()
        reasons = [reason for (where, start), reason in known if where == cloud and name.startswith(start)]
        assert reasons, f"{name}: {ours}, the list says {theirs}"
        accepted.append(f"{name} {ours} not {theirs}: {reasons[0]}")
    print(f"{len(compared) - len(accepted)} of {len(compared)} agree", *accepted, sep="\n")
    assert len(compared) >= at_least


def test_google_prices_agree_with_the_price_history(shared: Path, offers: pl.DataFrame) -> None:
    """On demand and committed prices are those of July 2026 to the last digit; spot was read up to three months later.

    The history is of the project that most of these prices were read from: what disagrees was mistyped.
    """
    columns = {"on_demand": "hour", "spot": "hour_spot", "reserved_1y": "month_1y", "reserved_3y": "month_3y"}
    newest: dict[tuple[str, str], dict[str, str]] = {}
    with gzip.open(shared / "data/gcp/gcp_price_history_monthly.csv.gz", "rt", encoding="utf-8") as lines:
        newest = {(row["instance_type"], row["region"]): row for row in csv.DictReader(lines)}
    compared = 0
    for row in offers.filter(cloud=pl.lit("gcp")).iter_rows(named=True):
        known = newest.get((row["instance_type"], row["region"]), {})
        theirs = number(known.get(columns[row["purchase"]], ""))
        if theirs is None:
            continue
        compared += 1
        hourly = theirs / 730 if row["purchase"].startswith("reserved") else theirs
        tolerance = 0.3 if row["purchase"] == "spot" else 1e-5
        assert row["price_usd_h"] == pytest.approx(hourly, rel=tolerance), row
    assert compared > 200


def google_parts(rows: list[dict[str, str]]) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """(machine, region) -> price of the machine alone, (accelerator, region) -> price of one; TPU slices by name."""
    machines: dict[tuple[str, str], float] = {}
    accelerators: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["InstanceType"]:
            machines[row["InstanceType"], row["Region"]] = float(row["Price"] or 0)
        elif price := number(row["Price"]):
            accelerators[row["AcceleratorName"], row["Region"]] = price / float(row["AcceleratorCount"])
    return machines, accelerators


def google_total(
    row: Mapping[str, Any], machines: Mapping[tuple[str, str], float], parts: Mapping[tuple[str, str], float]
) -> float:
    """What the parts of a machine or slice cost together. KeyError: the catalog does not offer it there."""
    if row["accelerator"].startswith("TPU"):
        return parts[f"tpu-{row['instance_type']}", row["region"]]
    host = row["instance_type"].partition("+")[0]
    count = float(row["accelerator_count"])
    return machines[host, row["region"]] + count * parts[google_model(row), row["region"]]


def google_model(row: Mapping[str, Any]) -> str:
    """The catalog's name of the accelerator: it tells the H100 of A3 Mega machines from the others."""
    return "H100-MEGA" if row["instance_type"].startswith("a3-mega") else str(row["accelerator"])


def test_google_prices_agree_with_the_sum_of_their_parts(shared: Path, offers: pl.DataFrame) -> None:
    """Host plus accelerators, read from Google by another project, in a region that it offers, within 3 %.

    The GPUs of N1 machines and the v6e slices were read from a catalog that the same code wrote: of those, what
    disagrees was mistyped.
    In some regions that catalog holds the price of a GPU under another, discounted way to buy (Dynamic Workload
    Scheduler) in place of the on-demand one: at most 60 % of its dearest region. Ours agree with the price history.
    """
    machines, parts = google_parts(catalog(shared, "gcp_vms.csv"))
    dearest: defaultdict[str, float] = defaultdict(float)
    for (model, _), price in parts.items():
        dearest[model] = max(dearest[model], price)
    compared, accepted = 0, []
    for row in offers.filter(cloud=pl.lit("gcp"), purchase=pl.lit("on_demand")).iter_rows(named=True):
        theirs = google_total(row, machines, parts)
        compared += 1
        if row["price_usd_h"] == pytest.approx(theirs, rel=GCP_TOLERANCE):
            continue
        model = google_model(row)
        discounted = parts.get((model, row["region"]), 0.0)
        assert 0 < discounted <= 0.6 * dearest[model], f"{row['instance_type']} in {row['region']}: {theirs}"
        accepted.append(
            f"{row['instance_type']} {row['region']} {row['price_usd_h']} not {theirs:.4f}: its {model} at {discounted}"
            " is a discounted price, not the on-demand one"
        )
    print(f"{compared - len(accepted)} of {compared} agree", *accepted, sep="\n")
    assert compared > 300
    assert len(accepted) < 0.15 * compared


def test_vast_medians_are_of_the_order_of_real_offers(shared: Path, offers: pl.DataFrame) -> None:
    """A market price moves: within a factor of three of the cheapest offers half a year before."""
    cheapest = {row["InstanceType"]: float(row["Price"]) for row in catalog(shared, "vast_vms.csv")}
    for row in offers.filter(cloud=pl.lit("vast")).iter_rows(named=True):
        assert 1 <= row["price_usd_h"] / cheapest[row["instance_type"]] < 3


def hardware_of(shared: Path) -> Iterator[tuple[str, str, float, float]]:
    """(cloud, type, vCPUs, memory in GiB) from the catalogs."""
    files = ("azure", "azure_vms.csv"), ("gcp", "gcp_vms.csv"), ("lambda", "lambda_vms.csv"), ("vast", "vast_vms.csv")
    others = ("nebius", "nebius_vms.csv"), ("digitalocean", "do_vms.csv")
    for cloud, file in (*files, *others):
        for row in catalog(shared, file):
            if row["InstanceType"]:
                yield cloud, row["InstanceType"], float(row["vCPUs"]), float(row["MemoryGiB"])


def test_hardware_agrees_with_the_catalogs(shared: Path) -> None:
    """The same vCPUs, and the same memory within 15 %: Lambda's page rounds up what its interface answers."""
    real = {(cloud, name): (vcpus, memory) for cloud, name, vcpus, memory in hardware_of(shared)}
    compared = 0
    for row in load()["instance_types"].iter_rows(named=True):
        known = real.get((row["cloud"], row["instance_type"].partition("+")[0]))
        if known is None:
            continue
        compared += 1
        assert row["vcpus"] in (None, known[0]), row
        assert row["memory_gib"] is None or row["memory_gib"] == pytest.approx(known[1], rel=0.15), row
    assert compared > 70
