"""Lium: what its feed of hosts becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.lium import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Lium answers to one look."""
    with (
        provider_of(recorded_routes("lium")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("lium")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_hosts_alike_are_one_offer_at_the_lowest_price(pages: Pages) -> None:
    """Of three hosts of eight RTX 5090 in Tokyo two ask 8 x 0.50 and one asks 8 x 0.65: two machines at 4 USD/h."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(region="jp-13")
    columns = ("instance_type", "purchase", "price_usd_h", "available", "quantity")
    assert offers.select(columns).rows() == [("8x-RTX5090-384-247", "on_demand", 4.0, True, 2)]


def test_a_host_that_can_be_split_is_offered_by_the_gpu(pages: Pages) -> None:
    """Five of eight H200 are free: one to five of them, with that share of the CPUs and of the memory for renters."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(region="us-ms").sort("price_usd_h")
    assert offers.select("instance_type", "price_usd_h", "quantity").rows() == [
        ("1x-H200-24-249", 3.99, 5),
        ("2x-H200-48-498", 7.98, 2),
        ("3x-H200-72-748", 11.97, 1),
        ("4x-H200-96-997", 15.96, 1),
        ("5x-H200-120-1246", 19.95, 1),
    ]


def test_the_tier_spot_is_bought_as_spot(pages: Pages) -> None:
    """Such a host can be taken back; its memory is 62 GiB less the 4 that the host keeps."""
    spot = SOURCE.parse(pages, LOOK)["offers"].filter(purchase="spot")
    assert spot.select("region", "instance_type", "price_usd_h").rows() == [("us-mn", "1x-RTX5090-24-58", 0.35)]


def test_names_of_cards_lose_what_no_data_sheet_needs(pages: Pages) -> None:
    """`RTX PRO 6000 Blackwell Server Edition` is an RTX PRO 6000, and `A100-SXM4-80GB` the 80 GB model."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    assert {"RTXPRO6000", "A100-80GB"} <= set(machines["accelerator"])


def test_a_host_is_rented_whole_where_its_smallest_order_is_not_said(pages: Pages) -> None:
    """Four RTX PRO 6000 in Germany, where no part of the country is named."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(region="de")
    assert offers["instance_type"].to_list() == ["4x-RTXPRO6000-128-497"]


def test_hosts_that_cannot_be_rented_or_placed_are_left_out(pages: Pages) -> None:
    """One has three GPUs free and takes orders of four, one has no price, one no country."""
    offers = SOURCE.parse(pages, LOOK)["offers"]
    assert offers.filter(region="fi").is_empty()
    assert offers.filter(region="us-ca").is_empty()
    assert not [name for name in offers["instance_type"] if "L40S" in name]


def test_what_is_in_the_feed_is_free_for_half_an_hour(pages: Pages) -> None:
    """Each offer is an observation of level 1."""
    tables = SOURCE.parse(pages, LOOK)
    assert tables["observations"].height == tables["offers"].height
    assert set(tables["observations"]["level"]) == {1.0}
    assert set((tables["observations"]["expires_at"] - LOOK).dt.total_minutes()) == {30}


def test_the_country_of_a_region_is_known(pages: Pages) -> None:
    """`us-ms` lies in the United States."""
    regions = SOURCE.parse(pages, LOOK)["regions"].filter(region="us-ms")
    assert regions["country"].to_list() == ["US"]


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """A price that may be null must still be named."""
    renamed = [Page(page.name, page.body.replace(b"price_per_gpu_hour", b"gpu_hour_price")) for page in pages]
    with pytest.raises(AnswerError, match="price_per_gpu_hour: field required"):
        SOURCE.parse(renamed, LOOK)
