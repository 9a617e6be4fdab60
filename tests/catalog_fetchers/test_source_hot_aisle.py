"""Hot Aisle: what its list of available machines becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.hot_aisle import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Hot Aisle answers to one look."""
    with (
        provider_of(recorded_routes("hotaisle")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("hotaisle")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_cents_of_the_whole_machine_and_how_many_there_are(pages: Pages) -> None:
    """199 ct/h are 1.99 USD/h; of the machine with eight MI300X none is left, and it keeps its price."""
    offers = SOURCE.parse(pages, LOOK)["offers"].sort("price_usd_h")
    assert offers.select("instance_type", "price_usd_h", "available", "quantity").rows() == [
        ("1x MI300X 8x Xeon Platinum 8462Y+", 1.99, True, 2),
        ("2x MI300X 26x Xeon Platinum 8470", 3.98, True, 1),
        ("8x MI300X 104x Xeon Platinum 8470", 15.92, None, None),
    ]
    assert set(offers["region"]) == {"us-michigan-1"}


def test_bytes_are_gib(pages: Pages) -> None:
    """240,518,168,576 bytes are 224 GiB, and the disk is 12 TiB."""
    machine = SOURCE.parse(pages, LOOK)["instance_types"].filter(vcpus=8)
    assert machine.select("memory_gib", "local_ssd_gib", "accelerator", "accelerator_count").rows() == [
        (224, pytest.approx(12288, rel=1e-3), "MI300X", 1)
    ]


def test_no_machine_left_is_an_observation_of_none(pages: Pages) -> None:
    """Level 0 for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type="8x MI300X 104x Xeon Platinum 8470")
    assert seen["level"].to_list() == [0]
    assert (seen["expires_at"] - LOOK).dt.total_minutes().to_list() == [30]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault: the key has to be renewed."""
    with (
        provider_of(recorded_routes("hotaisle")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("hotaisle") | {"HOTAISLE_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"OnDemandPrice", b"HourlyPrice")) for page in pages]
    with pytest.raises(AnswerError, match=r"available machines: 0\.OnDemandPrice: field required"):
        SOURCE.parse(renamed, LOOK)


def test_what_it_needs_is_said(tmp_path: Path) -> None:
    """The team is part of the address, so its handle is needed beside the key."""
    assert SOURCE.missing({"HOTAISLE_API_KEY": "a-key"}, tmp_path) == "set HOTAISLE_TEAM_HANDLE"
