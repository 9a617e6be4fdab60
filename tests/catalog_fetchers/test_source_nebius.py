"""Nebius: what its platforms, prices and advice become, read by the provider's own client from a gRPC server."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from catalog_data.checks import check
from catalog_data.schema import INSTANCE_TYPES
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError, UnreachableError
from catalog_fetchers.nebius import SOURCE
from tests.kits.nebius_api import nebius_api
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

H100 = "gpu-h100-sxm_1gpu-16vcpu-200gb"
EIGHT = "gpu-h100-sxm_8gpu-128vcpu-1600gb"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Nebius answers to one look."""
    with nebius_api() as api, access_to("", tmp_path, api.env) as access:
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_prices_by_region_and_purchase(pages: Pages) -> None:
    """The estimate with preemption is the spot price; where the calculator has none there is no such offer."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type=H100).sort("region", "purchase")
    assert offers.select("region", "purchase", "price_usd_h").rows() == [
        ("eu-north1", "on_demand", 4.5),
        ("eu-north1", "spot", 2.25),
        ("us-central1", "on_demand", 4.6),
    ]


def test_a_price_of_zero_is_none(pages: Pages) -> None:
    """The calculator says 0 for a platform that has no price yet: it is seen there, and its price is unknown."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="gpu-gb300_4gpu-128vcpu-800gb")
    assert offers.select("purchase", "price_usd_h", "available").rows() == [("on_demand", None, True)]


def test_the_machines(pages: Pages) -> None:
    """The model stands in the name of the platform, with a form or a letter of the processor behind it."""
    rows = SOURCE.parse(pages, LOOK)["instance_types"].sort("vcpus", "instance_type")
    columns = ("instance_type", "vcpus", "memory_gib", "accelerator", "accelerator_count")
    assert rows.select(columns).head(3).rows() == [
        ("cpu-d3_4vcpu-16gb", 4, 16, None, None),
        ("gpu-l40s-a_1gpu-8vcpu-32gb", 8, 32, "L40S", 1),
        (H100, 16, 200, "H100", 1),
    ]


def test_a_name_that_stands_for_another_card_is_found_out(pages: Pages) -> None:
    """`gpu-rtx6000` has 96 GB, which is no RTX 6000 of 24: the checks list the row."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    rejected = check(INSTANCE_TYPES, machines).rejected
    assert rejected.select("instance_type", "reason").rows() == [("gpu-rtx6000_1gpu-24vcpu-218gb", "device_memory")]


def test_advice_is_the_best_level_of_the_fabrics(pages: Pages) -> None:
    """Low and medium make two thirds; no machine at once is 0 whatever the level; stale advice says nothing."""
    seen = SOURCE.parse(pages, LOOK)["observations"].sort("instance_type", "purchase")
    assert seen.select("region", "instance_type", "purchase", "level").rows() == [
        ("eu-north1", H100, "spot", 1.0),
        ("eu-north1", EIGHT, "on_demand", pytest.approx(2 / 3)),
        ("eu-north1", EIGHT, "spot", 0.0),
    ]
    assert set((seen["expires_at"] - LOOK).dt.total_minutes()) == {30}


def test_all_pages_are_read_and_each_region_through_one_project(tmp_path: Path) -> None:
    """Three platforms come in two pages; of two projects in eu-north1 one is asked for what is sold there."""
    with nebius_api() as api, access_to("", tmp_path, api.env) as access:
        names = [page.name for page in fetched(SOURCE, access)]
        requests = access.client.traffic.requests
    assert names == ["advice/tenant-a", "advice/tenant-b", "platforms/eu-north1", "platforms/us-central1"]
    assert api.services.count("nebius.compute.v1.PlatformService") == 4
    assert requests == len(api.services)


def test_tokens_that_go_in_circles_are_said(tmp_path: Path) -> None:
    """A list without an end is no list."""
    with nebius_api() as api, access_to("", tmp_path, api.env) as access:
        api.repeats = True
        with pytest.raises(RepeatedPageError, match="round in circles"):
            fetched(SOURCE, access)


def test_a_wrong_token_is_said(tmp_path: Path) -> None:
    """It is no passing fault, and the message does not repeat it."""
    with (
        nebius_api() as api,
        access_to("", tmp_path, {**api.env, "NEBIUS_IAM_TOKEN": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted") as raised,
    ):
        fetched(SOURCE, access)
    assert "another" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "no JSON", "{}"])
def test_credentials_that_are_none_are_said(tmp_path: Path, text: str) -> None:
    """A file that holds no service account is refused before anything is sent."""
    with nebius_api() as api, access_to("", tmp_path, {"NEBIUS_ENDPOINT": api.env["NEBIUS_ENDPOINT"]}) as access:
        (access.home / ".nebius").mkdir(parents=True)
        (access.home / ".nebius" / "credentials.json").write_text(text)
        with pytest.raises(RefusedError, match="credentials"):
            fetched(SOURCE, access)
    assert api.services == []


def test_a_service_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """A fault of the calculator is no missing price: the look brings nothing."""
    with nebius_api() as api, access_to("", tmp_path, api.env) as access:
        api.fault = ("nebius.billing.v1.CalculatorService", grpc.StatusCode.INTERNAL)
        with pytest.raises(UnreachableError, match="Nebius answered INTERNAL"):
            fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """A page without prices is refused whole."""
    renamed = [Page(page.name, page.body.replace(b'on_demand": ', b'price": ')) for page in pages]
    with pytest.raises(AnswerError, match=r"platforms/eu-north1: 0\.presets\.0\.on_demand: field required"):
        SOURCE.parse(renamed, LOOK)


def test_what_it_needs_is_said(tmp_path: Path) -> None:
    """A token, or the file of a service account."""
    assert "set NEBIUS_IAM_TOKEN" in SOURCE.missing({}, tmp_path)
    assert SOURCE.missing({"NEBIUS_IAM_TOKEN": "a-token"}, tmp_path) == ""
