"""Hyperbolic: what its list of machines becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.hyperbolic import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Hyperbolic answers to one look."""
    with (
        provider_of(recorded_routes("hyperbolic")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("hyperbolic")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_prices_by_region_and_purchase(pages: Pages) -> None:
    """Figures that come as text are figures, and an empty spot price is none."""
    offers = SOURCE.parse(pages, LOOK)["offers"].sort("instance_type", "region", "purchase")
    assert offers.select("instance_type", "region", "purchase", "price_usd_h").rows() == [
        ("1x-H100-75-722", "default", "on_demand", 1.29),
        ("1x-H100-75-722", "us-east", "on_demand", 1.49),
        ("2x-H100-149-1443", "default", "on_demand", 2.58),
        ("2x-H100-149-1443", "default", "spot", 1.9),
    ]


def test_one_machine_in_two_regions_is_one_row_of_hardware(pages: Pages) -> None:
    """Three types; that of eight H200 has no price and is therefore no offer."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.select("instance_type", "vcpus", "memory_gib", "accelerator", "accelerator_count").rows() == [
        ("1x-H100-75-722", 75, 722, "H100", 1),
        ("2x-H100-149-1443", 149, 1443, "H100", 2),
        ("8x-H200-208-1800", 208, 1800, "H200", 8),
    ]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault: the key has to be renewed."""
    with (
        provider_of(recorded_routes("hyperbolic")) as provider,
        access_to(provider.mirror, tmp_path, {"HYPERBOLIC_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """A price that may be empty must still be named."""
    renamed = [Page(page.name, page.body.replace(b'"Price"', b'"PriceUSD"')) for page in pages]
    with pytest.raises(AnswerError, match=r"vms\.0\.Price: field required"):
        SOURCE.parse(renamed, LOOK)


def test_the_key_may_stand_in_the_file_of_the_clouds_own_tools(tmp_path: Path) -> None:
    """`~/.hyperbolic/api_key` is where users of other tools have it."""
    assert "set HYPERBOLIC_API_KEY" in SOURCE.missing({}, tmp_path)
    (tmp_path / ".hyperbolic").mkdir()
    (tmp_path / ".hyperbolic" / "api_key").write_text("a-key\n")
    assert SOURCE.missing({}, tmp_path) == ""
