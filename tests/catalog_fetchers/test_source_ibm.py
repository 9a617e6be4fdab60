"""IBM Cloud: what the profiles of its regions and the prices of its catalog become."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.ibm import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

H100 = "gx3d-160x1792x8h100"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What IBM answers to one look."""
    with (
        provider_of(recorded_routes("ibm")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("ibm")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_prices_are_those_of_the_region_for_accounts_in_the_usa(pages: Pages) -> None:
    """Not the amount in EUR, not the 0 of dedicated hosts, not a licence, and no region without the profile."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type=H100).sort("region", "purchase")
    assert offers.select("region", "purchase", "price_usd_h").rows() == [
        ("eu-de", "on_demand", 99.6),
        ("eu-de", "spot", 24.8965),
        ("us-south", "on_demand", 85.0),
        ("us-south", "spot", 21.25),
    ]


def test_what_a_region_lists_without_a_price_is_offered_without_one(pages: Pages) -> None:
    """bx2 shares its plan, and bx3d has no price in eu-de: they are seen there, and their price is unknown."""
    offers = SOURCE.parse(pages, LOOK)["offers"]
    unpriced = offers.filter(offers["price_usd_h"].is_null()).sort("region", "instance_type")
    assert unpriced.select("region", "instance_type", "purchase", "available").rows() == [
        ("eu-de", "bx3d-2x10", "on_demand", True),
        ("us-south", "bx2-4x16", "on_demand", True),
        ("us-south", "bx2-8x32", "on_demand", True),
        ("us-south", "bz2-1x4", "on_demand", True),
        ("us-south", "gx2-16x128x2v100", "on_demand", True),
    ]


def test_spot_is_offered_where_the_profile_allows_it(pages: Pages) -> None:
    """bx3d has a spot price in the catalog, and its profile can only be had as standard."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="bx3d-2x10", region="us-south")
    assert offers.select("purchase", "price_usd_h").rows() == [("on_demand", 0.1133)]


def test_models_are_told_apart_by_the_memory_of_one(pages: Pages) -> None:
    """80 GiB of an A100 make it the 80 GB model; memory is stated for all GPUs: 32 GiB of two V100 are 16 each."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].drop_nulls("accelerator").sort("instance_type")
    assert machines.select("instance_type", "accelerator", "accelerator_count").rows() == [
        ("gx2-16x128x2v100", "V100", 2),
        (H100, "H100", 8),
        ("gx3d-24x120x1a100p", "A100-80GB", 1),
    ]


def test_the_machine(pages: Pages) -> None:
    """200,000 Mbit/s are 200 Gbit/s, and eight disks of 7,680 GB are 57,220 GiB; z has an architecture of its own."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    h100, z = machines.filter(instance_type=H100), machines.filter(instance_type="bz2-1x4")
    assert h100.select("vcpus", "memory_gib", "arch", "network_gbit_s", "local_ssd_gib").rows() == [
        (160, 1792, "x86_64", 200, pytest.approx(57220.46, abs=0.01))
    ]
    assert z.select("arch", "local_ssd_gib").rows() == [(None, 0)]


def test_all_pages_of_the_catalog_are_read_and_only_regions_that_are_open(tmp_path: Path) -> None:
    """The plan of the A100 stands on the second page; xx-new is not yet available."""
    with (
        provider_of(recorded_routes("ibm")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("ibm")) as access,
    ):
        names = [page.name for page in fetched(SOURCE, access)]
    assert names == [
        "profiles/us-south",
        "profiles/eu-de",
        "plans/0",
        "plans/5",
        "prices/bx3d-2x10",
        f"prices/{H100}",
        "prices/gx3d-24x120x1a100p",
    ]
    unpublished = [request.url for request in provider.received if request.status == 404]
    assert unpublished == ["https://globalcatalog.cloud.ibm.com/api/v1/plan-z/pricing/deployment"]


def test_the_key_goes_to_iam_alone_and_the_token_to_the_regions(tmp_path: Path) -> None:
    """The catalog is public, and no secret stands in a page."""
    with (
        provider_of(recorded_routes("ibm")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("ibm")) as access,
    ):
        pages = fetched(SOURCE, access)
    for request in provider.received:
        assert ("a-key" in request.body) == (request.url == "https://iam.cloud.ibm.com/identity/token")
        assert ("authorization" in request.headers) == ("iaas.cloud.ibm.com" in request.url)
    assert not [page.name for page in pages if b"a-token" in page.body or b"a-key" in page.body]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """IAM answers 400 to a key that it does not know."""
    with (
        provider_of(recorded_routes("ibm")) as provider,
        access_to(provider.mirror, tmp_path, {"IBMCLOUD_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="the API key is not accepted"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 1


def test_a_web_page_in_place_of_prices_is_said(pages: Pages) -> None:
    """Only a plan that is not published is passed over; an answer that is no JSON is a fault."""
    broken = [Page(page.name, b"<html>" if page.name == f"prices/{H100}" else page.body) for page in pages]
    with pytest.raises(AnswerError, match=f"prices/{H100}: expected JSON, got a web page"):
        SOURCE.parse(broken, LOOK)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its vCPUs a profile is refused."""
    renamed = [Page(page.name, page.body.replace(b"vcpu_count", b"vcpus")) for page in pages]
    with pytest.raises(AnswerError, match=r"profiles/us-south: profiles\.0\.vcpu_count: field required"):
        SOURCE.parse(renamed, LOOK)


def test_the_key_may_stand_in_the_file_of_other_tools(tmp_path: Path) -> None:
    """`~/.ibm/credentials.yaml` is where users of SkyPilot have it."""
    assert "set IBMCLOUD_API_KEY" in SOURCE.missing({}, tmp_path)
    (tmp_path / ".ibm").mkdir()
    (tmp_path / ".ibm" / "credentials.yaml").write_text("iam_api_key: a-key\nresource_group_id: r\n")
    assert SOURCE.missing({}, tmp_path) == ""
