"""RunPod: what its answers about prices and stock become."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.runpod import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.rows import frame, machine, offer, offers
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What RunPod answers to one look, while the catalog knows of two H100 over PCIe in Iceland."""
    pair = {"cloud": "runpod", "instance_type": "2x_H100_SECURE"}
    known = {
        OFFERS.name: offers(offer(region="IS", zone="EUR-IS-1", **pair), offer(region="US", zone=None, **pair)),
        INSTANCE_TYPES.name: frame(INSTANCE_TYPES, machine(vcpus=32, memory_gib=352, **pair)),
    }
    with (
        provider_of(recorded_routes("runpod")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("runpod"), known=known) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_each_listed_data_centre_is_asked_once_without_a_key(tmp_path: Path) -> None:
    """One question for what there is, one for each of the two data centres that are listed."""
    with provider_of(recorded_routes("runpod")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        names = [page.name for page in fetched(SOURCE, access)]
    assert names == ["fleet", "stock/US-KS-2", "stock/EUR-IS-1", "known_offers", "known_sizes"]
    question = json.loads(provider.received[1].body)["query"]
    assert 'n2: lowestPrice(input: {gpuCount: 2, secureCloud: true, dataCenterId: "US-KS-2"})' in question
    assert 'v8: specifics(input: {instanceId: "cpu3g-8-32", dataCenterId: "US-KS-2"})' in question


def test_a_machine_costs_as_much_as_its_gpus(pages: Pages) -> None:
    """Two H100 at 2.99 USD/h are 5.98, as spot two at 1.75; the region is the country and the zone the data centre."""
    two = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="2x_H100-SXM_SECURE")
    assert two.select("region", "zone", "purchase", "price_usd_h", "available").rows() == [
        ("US", "US-KS-2", "on_demand", 5.98, True),
        ("US", "US-KS-2", "spot", 3.5, True),
    ]


def test_stock_has_three_levels(pages: Pages) -> None:
    """High, medium and low stock, each for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(zone="US-KS-2", purchase="on_demand")
    levels = dict(seen.filter(pl.col("instance_type").str.contains("x_")).select("instance_type", "level").rows())
    assert levels == {
        "1x_H100-SXM_SECURE": 1,
        "2x_H100-SXM_SECURE": pytest.approx(1 / 3),
        "1x_RTX4090_SECURE": pytest.approx(2 / 3),
    }
    assert (seen["expires_at"] - LOOK).dt.total_minutes().unique().to_list() == [30]


def test_what_the_secure_cloud_does_not_sell_is_no_offer(pages: Pages) -> None:
    """A price of zero, or a GPU of the Community Cloud alone, is none, whatever the stock."""
    names = set(SOURCE.parse(pages, LOOK)["offers"]["instance_type"])
    assert not any("A100" in name or "3070" in name for name in names)


def test_what_was_sold_before_stays_an_offer_without_stock(pages: Pages) -> None:
    """Two H100 over PCIe are out of stock in Iceland: the offer stays, at level 0, with the size that was known."""
    tables = SOURCE.parse(pages, LOOK)
    pair = tables["offers"].filter(instance_type="2x_H100_SECURE")
    assert pair.select("zone", "price_usd_h", "available").rows() == [("EUR-IS-1", 4.78, None)]
    assert tables["observations"].filter(instance_type="2x_H100_SECURE")["level"].to_list() == [0]
    size = tables["instance_types"].filter(instance_type="2x_H100_SECURE")
    assert size.select("vcpus", "memory_gib", "accelerator").rows() == [(32, 352, "H100-PCIE")]


def test_a_type_has_the_least_of_any_data_centre(pages: Pages) -> None:
    """One H100 comes with 20 vCPUs and 125 GB in Kansas, with 16 and 188 in Iceland: 16 and 125 are sure."""
    one = SOURCE.parse(pages, LOOK)["instance_types"].filter(instance_type="1x_H100-SXM_SECURE")
    assert one.select("vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib").rows() == [
        (16, 125, "H100", 1, 80)
    ]


def test_machines_without_gpus_are_priced_by_size(pages: Pages) -> None:
    """Of three sizes of a flavour two are in stock in Kansas and none in Iceland; a flavour without sizes has none."""
    tables = SOURCE.parse(pages, LOOK)
    plain = tables["offers"].filter(pl.col("instance_type").str.starts_with("cpu"))
    assert plain.select("zone", "instance_type", "purchase", "price_usd_h").rows() == [
        ("US-KS-2", "cpu3g-2-8", "on_demand", 0.08),
        ("US-KS-2", "cpu3g-4-16", "on_demand", 0.16),
    ]
    four = tables["instance_types"].filter(instance_type="cpu3g-4-16")
    assert four.select("vcpus", "memory_gib", "accelerator").rows() == [(4, 16, None)]


@pytest.mark.parametrize(
    ("center", "region"),
    [("CA-MTL-1", "CA"), ("US-DE-1", "US"), ("SEA-SG-1", "SG"), ("OC-AU-1", "AU"), ("MOON", "MOON")],
)
def test_the_country_is_in_the_name_of_a_data_centre(pages: Pages, center: str, region: str) -> None:
    """Delaware is in the US; where the name tells no country the region bears the name."""
    renamed = [
        Page(page.name.replace("US-KS-2", center), page.body.replace(b"US-KS-2", center.encode())) for page in pages
    ]
    tables = SOURCE.parse(renamed, LOOK)
    assert set(tables["offers"].filter(zone=center)["region"]) == {region}
    assert region in tables["regions"]["region"]


def test_a_question_that_is_refused_is_said(pages: Pages) -> None:
    """GraphQL says so in an answer of status 200."""
    refused = Page("stock/US-KS-2", b'{"errors": [{"message": "Cannot query field stockStatus"}], "data": null}')
    changed = [refused if page.name == refused.name else page for page in pages]
    with pytest.raises(AnswerError, match="stock/US-KS-2: Cannot query field stockStatus"):
        SOURCE.parse(changed, LOOK)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"securePrice", r"fleet: data\.gpuTypes\.0\.securePrice: field required"),
        (b"stockStatus", r"stock/US-KS-2: data\.gpuTypes\.0\.n1\.stockStatus: field required"),
    ],
)
def test_a_renamed_field_is_said(pages: Pages, field: bytes, message: str) -> None:
    """Without its price or its stock an answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(field, b"another")) for page in pages]
    with pytest.raises(AnswerError, match=message):
        SOURCE.parse(renamed, LOOK)
