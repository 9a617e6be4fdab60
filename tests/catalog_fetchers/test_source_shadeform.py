"""Shadeform: what its list of other clouds' machines becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.shadeform import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Shadeform answers to one look."""
    with (
        provider_of(recorded_routes("shadeform")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("shadeform")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_cents_are_dollars_and_shadeform_is_the_seller(pages: Pages) -> None:
    """2,392 ct/h are 23.92 USD/h; the cloud behind is part of the type's name, and a third party's word is medium."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="lambdalabs_H100_sxm5x8")
    assert offers.select("cloud", "region", "price_usd_h", "available", "confidence").rows() == [
        ("shadeform", "us-west-3", 23.92, True, "medium"),
        ("shadeform", "us-south-1", 23.92, None, "medium"),
    ]


def test_a_sold_out_region_is_an_observation_of_none(pages: Pages) -> None:
    """The A100 are available nowhere: level 0 for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type="hyperstack_A100_80Gx8")
    assert seen.select("region", "level").rows() == [("canada-1", 0), ("norway-1", 0)]
    assert (seen["expires_at"] - LOOK).dt.total_minutes().to_list() == [30, 30]


def test_the_interconnect_tells_models_apart(pages: Pages) -> None:
    """`H100` over `sxm5` and over `pcie` are two models; `A100_80G` is one that the interconnect does not change."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    assert machines.select("instance_type", "accelerator", "accelerator_count").rows() == [
        ("lambdalabs_H100_sxm5x8", "H100", 8),
        ("hyperstack_H100", "H100-PCIE", 1),
        ("hyperstack_A100_80Gx8", "A100-80GB", 8),
        ("massedcompute_A6000", "A6000", 1),
        ("massedcompute_CPU_8", None, None),
    ]


def test_of_two_entries_under_one_name_the_cheaper_counts(pages: Pages) -> None:
    """Cloud and type together denote a machine, yet one is listed at 0.57 and at 0.61 USD/h."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="massedcompute_A6000")
    assert offers["price_usd_h"].to_list() == [0.57]


def test_a_country_is_taken_from_a_display_name_that_opens_with_its_code(pages: Pages) -> None:
    """`US, Utah` tells the country; `Norway` is no code, and nothing is guessed from it."""
    regions = SOURCE.parse(pages, LOOK)["regions"].sort("region")
    assert regions.select("region", "country").rows() == [
        ("canada-1", "CA"),
        ("us-central-2", "US"),
        ("us-south-1", "US"),
        ("us-west-3", "US"),
    ]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault."""
    with (
        provider_of(recorded_routes("shadeform")) as provider,
        access_to(provider.mirror, tmp_path, {"SHADEFORM_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 1


def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    """`~/.shadeform/api_key` is where users of `sky` have it."""
    assert "set SHADEFORM_API_KEY" in SOURCE.missing({}, tmp_path)
    (tmp_path / "home" / ".shadeform").mkdir(parents=True)
    (tmp_path / "home" / ".shadeform" / "api_key").write_text("a-key\n")
    assert SOURCE.missing({}, tmp_path / "home") == ""
    with provider_of(recorded_routes("shadeform")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        assert len(fetched(SOURCE, access)) == 1


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price field the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"hourly_price", b"price_hourly")) for page in pages]
    with pytest.raises(AnswerError, match=r"instance_types\.0\.hourly_price: field required"):
        SOURCE.parse(renamed, LOOK)
