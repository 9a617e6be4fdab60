"""Grids of throughput and of egress prices: what their rows become, small ones and the real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from catalog_data.checks import check
from catalog_data.schema import TABLES
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.network_grids import SOURCE, imported
from tests.kits.provider import provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

NOVEMBER_2022 = datetime(2022, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """What the repository answers to one look."""
    folder = tmp_path_factory.mktemp("look")
    with provider_of(recorded_routes("skyplane_grid")) as provider, access_to(provider.mirror, folder, {}) as access:
        return fetched(SOURCE, access)


def test_it_conforms(pages: Pages) -> None:
    """The rows are those of the catalog and pass its checks."""
    rows = require_conforming(SOURCE, pages)["throughput"]
    assert check(TABLES["throughput"], rows).rejected.is_empty()


def test_what_arrived_counts_and_zones_are_regions(pages: Pages) -> None:
    """Three runs to zones of us-west1 have the median of what arrived in Gbit/s; a failed run is none."""
    rows = SOURCE.parse(pages, LOOK)["throughput"].sort("src")
    assert rows.select("src", "dst", "gbit_s").rows() == [
        ("aws:us-east-1", "gcp:us-west1", pytest.approx(4.45)),
        ("azure:westus3", "aws:eu-south-1", pytest.approx(3.1)),
    ]


def test_the_logs_say_when_it_was_measured(pages: Pages) -> None:
    """They lie in a folder that is named after the start of the run."""
    rows = SOURCE.parse(pages, LOOK)["throughput"]
    assert rows["measured_at"].unique().to_list() == [datetime(2022, 1, 24, 21, 42, tzinfo=UTC)]
    assert rows["observed_at"].unique().to_list() == [LOOK]


def test_a_planners_table_gives_both() -> None:
    """4 x 2^30 bit/s are 4.295 Gbit/s, and the exact price is taken, not the rounded one."""
    grid = (
        b"src,dst,throughput_2p30bps,price_per_gb_exact,price_per_gb_rounded2\n"
        b"aws:af-south-1,gcp:asia-east1-a,4,0.1473,0.15\n"
    )
    tables = imported(grid, LOOK, measured_at=NOVEMBER_2022, source="mine")
    throughput, egress = (tables[name].row(0, named=True) for name in ("throughput", "egress"))
    assert throughput["gbit_s"] == pytest.approx(4.294967296)
    assert (throughput["measured_at"], throughput["source"]) == (NOVEMBER_2022, "mine")
    assert (egress["src_cloud"], egress["src_region"]) == ("aws", "af-south-1")
    assert (egress["dst_cloud"], egress["dst_region"]) == ("gcp", "asia-east1")
    assert (egress["tier_from_gb"], egress["egress_usd_gb"]) == (0, 0.1473)


def test_prices_alone() -> None:
    """The dearest of several between two regions holds; without a throughput there is no such table."""
    grid = b"src,dest,cost\ngcp:us-east4-a,aws:us-east-1,0.12\ngcp:us-east4-b,aws:us-east-1,0.11\n"
    tables = imported(grid, LOOK)
    assert set(tables) == {"egress"}
    assert tables["egress"].select("src_region", "egress_usd_gb").rows() == [("us-east4", 0.12)]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (b"", "expected a CSV"),
        (b"src,dst,latency_ms\naws:a,aws:b,7\n", "no column throughput_recieved"),
        (b"from,dst,cost\naws:a,aws:b,7\n", "no column src_region or src"),
        (b"src,dst,cost\naws:a,aws:b,dear\n", "cost: 'dear' is no number"),
        (b"src,dst,cost\nus-east-1,aws:b,0.1\n", "unknown cloud us-east-1"),
        (b"src,dst,cost\naws,aws:b,0.1\n", "'aws' is not a place cloud:region"),
        (b"src,dst,cost\n,aws:b,0.1\n", "'': unknown cloud"),
    ],
)
def test_another_form_is_refused_with_one_line(grid: bytes, said: str) -> None:
    """What is wrong is named, and nothing is guessed."""
    with pytest.raises(AnswerError, match=said):
        imported(grid, LOOK)


def test_a_page_in_place_of_the_grid_is_refused(pages: Pages) -> None:
    """A web page has no columns."""
    with pytest.raises(AnswerError, match="no column src_region"):
        SOURCE.parse([Page(page.name, b"<html></html>") for page in pages], LOOK)


@pytest.mark.parametrize(
    ("file", "tables", "pairs"),
    [
        ("throughput_71_regions_2022-11.csv", {"throughput"}, 71 * 70),
        ("egress_price_71_regions_2022-11.csv", {"egress"}, 71 * 70),
        ("throughput_and_price_63_regions_2022.csv", {"egress", "throughput"}, 63 * 62),
    ],
)
def test_real_grids_pass_the_checks(shared: Path, file: str, tables: set[str], pairs: int) -> None:
    """Every pair of 71 or 63 regions is there once, and none is rejected."""
    found = imported((shared / "data" / "network" / file).read_bytes(), LOOK, measured_at=NOVEMBER_2022)
    assert set(found) == tables
    for name, rows in found.items():
        assert rows.height == pairs
        assert check(TABLES[name], rows).rejected.is_empty()


def test_two_real_grids_have_one_unit(shared: Path) -> None:
    """Two measurements of one year differ, between Google's regions by three; a unit would by eight or a thousand."""
    folder = shared / "data" / "network"
    one, other = (
        imported((folder / name).read_bytes(), LOOK)["throughput"]
        for name in ("throughput_71_regions_2022-11.csv", "throughput_and_price_63_regions_2022.csv")
    )
    both = one.join(other, on=["src", "dst"], suffix="_other")
    ratio = both.select(both["gbit_s"] / both["gbit_s_other"]).to_series()
    assert both.height > 3_000
    assert ratio.median() == pytest.approx(0.8, abs=0.1)
    assert ratio.is_between(1 / 5, 5).mean() == pytest.approx(1, abs=0.03)


def test_prices_of_a_real_grid_are_those_of_the_clouds(shared: Path) -> None:
    """Virginia asks 0.02 USD/GB to Oregon and 0.09 to the internet; Ohio and Virginia 0.01 between them."""
    grid = (shared / "data" / "network" / "egress_price_71_regions_2022-11.csv").read_bytes()
    rows = imported(grid, LOOK)["egress"].filter(src_region=pl.lit("us-east-1"))
    rates = dict(rows.select("dst_region", "egress_usd_gb").iter_rows())
    assert (rates["us-west-2"], rates["us-east-2"], rates["eastus"]) == (0.02, 0.01, 0.09)
