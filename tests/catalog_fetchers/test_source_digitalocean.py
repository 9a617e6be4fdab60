"""DigitalOcean: what its pages of sizes become."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.digitalocean import SOURCE
from catalog_fetchers.errors import AnswerError, RefusedError
from tests.kits.provider import Route, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What DigitalOcean answers to one look."""
    with (
        provider_of(recorded_routes("digitalocean")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("digitalocean")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_the_link_to_the_next_page_is_followed(pages: Pages) -> None:
    """The first page names a second, which names none."""
    assert [page.name for page in pages] == ["sizes/1", "sizes/2"]


def test_video_memory_and_disks_are_given_for_all_together(pages: Pages) -> None:
    """Eight H100 with 640 GiB have 80 each, and the disks are one sum; 10,000 Mbit/s are 10 Gbit/s."""
    eight = SOURCE.parse(pages, LOOK)["instance_types"].filter(instance_type="gpu-h100x8-640gb")
    assert eight.select(
        "vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib", "local_ssd_gib"
    ).rows() == [(160, 1920, "H100", 8, 80, 43006)]
    assert eight["network_gbit_s"].to_list() == [10]


def test_the_makers_name_is_no_part_of_the_model(pages: Pages) -> None:
    """`nvidia_rtx6000_ada` and `amd_mi300x` are known models."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].drop_nulls("accelerator")
    assert machines["accelerator"].to_list() == ["H100", "RTX6000-Ada", "MI300X"]


def test_only_sizes_that_can_be_created_are_offers(pages: Pages) -> None:
    """The MI300X names no region, and the legacy size is not available in the one that it names."""
    offers = SOURCE.parse(pages, LOOK)["offers"]
    assert offers.select("instance_type", "region", "price_usd_h").rows() == [
        ("s-1vcpu-1gb", "ams3", 0.00893),
        ("s-1vcpu-1gb", "nyc1", 0.00893),
        ("gpu-h100x8-640gb", "nyc2", 23.92),
        ("gpu-h100x8-640gb", "tor1", 23.92),
        ("gpu-6000adax1-48gb", "tor1", 1.57),
    ]


def test_the_token_goes_to_no_other_host(tmp_path: Path) -> None:
    """A next page elsewhere is an error, and nothing is asked there."""
    first = Route(
        url="https://api.digitalocean.com/v2/sizes",
        content=b'{"sizes": [], "links": {"pages": {"next": "https://elsewhere.example/v2/sizes?page=2"}}}',
    )
    with (
        provider_of([first]) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("digitalocean")) as access,
        pytest.raises(AnswerError, match="the next page is said to be elsewhere"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 1


def test_a_page_that_names_itself_as_the_next_ends_the_look(tmp_path: Path) -> None:
    """Otherwise the look would go on for ever."""
    circle = Route(
        url="https://api.digitalocean.com/v2/sizes",
        content=b'{"sizes": [], "links": {"pages": {"next": "https://api.digitalocean.com/v2/sizes?page=2"}}}',
    )
    with (
        provider_of([circle]) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("digitalocean")) as access,
        pytest.raises(AnswerError, match="round in circles"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 2


def test_a_wrong_token_is_said(tmp_path: Path) -> None:
    """401 is no passing fault."""
    with (
        provider_of(recorded_routes("digitalocean")) as provider,
        access_to(provider.mirror, tmp_path, {"DIGITALOCEAN_TOKEN": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


def test_the_token_may_be_the_one_that_doctl_keeps(tmp_path: Path) -> None:
    """Users who signed in with doctl need no variable; its own variable counts too."""
    assert "set DIGITALOCEAN_TOKEN" in SOURCE.missing({}, tmp_path)
    assert SOURCE.missing({"DIGITALOCEAN_ACCESS_TOKEN": "a-token"}, tmp_path) == ""
    file = tmp_path / "home" / ".config" / "doctl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text('context: default\naccess-token: "a-token"\n')
    with (
        provider_of(recorded_routes("digitalocean")) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
    ):
        assert len(fetched(SOURCE, access)) == 2


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price field a page is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"price_hourly", b"hourly_price")) for page in pages]
    with pytest.raises(AnswerError, match=r"sizes/1: sizes\.0\.price_hourly: field required"):
        SOURCE.parse(renamed, LOOK)
