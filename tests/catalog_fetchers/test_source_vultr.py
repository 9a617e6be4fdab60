"""Vultr: what its plans, regions and stock become."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.vultr import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Vultr answers to one look with a key."""
    with (
        provider_of(recorded_routes("vultr")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("vultr")) as access,
    ):
        return fetched(SOURCE, access)


@pytest.fixture
def open_pages(tmp_path: Path) -> Pages:
    """What it answers without one."""
    with provider_of(recorded_routes("vultr")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages, open_pages: Pages) -> None:
    """The catalog can take them, with a key and without."""
    require_conforming(SOURCE, pages)
    require_conforming(SOURCE, open_pages)


def test_cursors_lead_to_the_next_page(open_pages: Pages) -> None:
    """The first page of plans names a cursor, the second names none; the other lists have one page."""
    assert [page.name for page in open_pages] == ["plans/1", "plans/2", "plans-metal/1", "regions/1"]


def test_the_price_by_the_hour_counts_and_some_regions_have_their_own(open_pages: Pages) -> None:
    """20 USD a month are 0.027 USD/h, in São Paulo 0.041; an empty region and a free plan are no offers."""
    offers = SOURCE.parse(open_pages, LOOK)["offers"]
    plan = offers.filter(instance_type="vc2-2c-4gb")
    assert plan.select("region", "price_usd_h", "available").rows() == [("ewr", 0.027, True), ("sao", 0.041, True)]
    assert offers.filter(instance_type="vc2-1c-0.5gb-free").is_empty()


def test_accelerators_are_read_from_what_a_plan_says_of_them(open_pages: Pages) -> None:
    """4 of 80 GB are a twentieth of an A100, `1/8` is an eighth, 640 GB are eight; some plans tell only by their id."""
    machines = SOURCE.parse(open_pages, LOOK)["instance_types"].drop_nulls("accelerator")
    assert machines.select("instance_type", "accelerator", "accelerator_count", "accelerator_memory_gib").rows() == [
        ("vcg-a100-1c-6g-4vram", "A100-80GB", 0.05, 80),
        ("vcg-a16-2c-8g-2vram", "A16", 0.125, 16),
        ("vcg-a100-96c-960g-640vram", "A100-80GB", 8, 80),
        ("vcg-a40-24c-120g-48vram", "A40", 1, 48),
        ("vbm-256c-3072gb-8-b200-gpu", "B200", 8, 192),
        ("vbm-72c-480gb-gh200-gpu", "GH200", 1, 96),
    ]


def test_a_plan_that_contradicts_itself_is_left_out(open_pages: Pages) -> None:
    """1,536 GB would be six MI325X, and no machine has six."""
    tables = SOURCE.parse(open_pages, LOOK)
    assert not any("mi325x" in name for name in tables["instance_types"]["instance_type"])
    assert not any("mi325x" in name for name in tables["offers"]["instance_type"])


def test_bare_metal_has_threads_and_several_disks(open_pages: Pages) -> None:
    """Eight disks of 3,576 are one sum; a Grace machine is ARM; a plan on block storage has no local disk."""
    machines = SOURCE.parse(open_pages, LOOK)["instance_types"]
    rows = {row["instance_type"]: row for row in machines.iter_rows(named=True)}
    metal = rows["vbm-256c-3072gb-8-b200-gpu"]
    assert (metal["vcpus"], metal["memory_gib"], metal["local_ssd_gib"]) == (256, 3072, 28608)
    assert rows["vbm-72c-480gb-gh200-gpu"]["arch"] == "arm64"
    assert rows["vcg-a16-2c-8g-2vram"]["local_ssd_gib"] is None


def test_preemptible_is_bought_as_spot(open_pages: Pages) -> None:
    """One plan is sold both ways; another as preemptible only, and its price on demand is no offer."""
    offers = SOURCE.parse(open_pages, LOOK)["offers"].sort("instance_type", "purchase")
    both = offers.filter(instance_type="vcg-a100-96c-960g-640vram")
    assert both.select("purchase", "price_usd_h").rows() == [("on_demand", 19.178), ("spot", 14.5)]
    spot_alone = offers.filter(instance_type="vbm-256c-3072gb-8-b200-gpu")
    assert spot_alone.select("purchase", "price_usd_h").rows() == [("spot", 18.4)]


def test_stock_is_asked_for_with_a_key(pages: Pages) -> None:
    """In New Jersey one of two small plans is in stock; the A40 is, though its plan names no region."""
    tables = SOURCE.parse(pages, LOOK)
    seen = tables["observations"].filter(region="ewr").sort("instance_type")
    assert seen.select("instance_type", "level").rows() == [
        ("vbm-256c-3072gb-8-b200-gpu", 0),
        ("vbm-72c-480gb-gh200-gpu", 1),
        ("vc2-2c-4gb", 1),
        ("vcg-a100-1c-6g-4vram", 1),
        ("vcg-a16-2c-8g-2vram", 0),
        ("vcg-a40-24c-120g-48vram", 1),
    ]
    assert (seen["expires_at"] - LOOK).dt.total_minutes().unique().to_list() == [30]
    a16 = tables["offers"].filter(instance_type="vcg-a16-2c-8g-2vram")
    assert a16["available"].to_list() == [None]


def test_without_a_key_nothing_is_said_of_stock(open_pages: Pages) -> None:
    """Plans and regions are open to all."""
    tables = SOURCE.parse(open_pages, LOOK)
    assert tables["observations"].is_empty()
    assert tables["offers"].filter(instance_type="vcg-a40-24c-120g-48vram").is_empty()
    assert tables["regions"].select("region", "country", "continent").rows() == [
        ("ewr", "US", "north_america"),
        ("sao", "BR", "south_america"),
    ]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """A key that is not accepted is not passed over in silence."""
    with (
        provider_of(recorded_routes("vultr")) as provider,
        access_to(provider.mirror, tmp_path, {"VULTR_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


def test_a_renamed_field_is_said(open_pages: Pages) -> None:
    """Without the price by the hour nothing is worked out from the one by the month."""
    renamed = [Page(page.name, page.body.replace(b'"hourly_cost"', b'"cost_hourly"')) for page in open_pages]
    with pytest.raises(AnswerError, match=r"plans/1: plans\.0\.hourly_cost: field required"):
        SOURCE.parse(renamed, LOOK)
