"""AWS's price list: the few rows of many that are an hour of Linux on shared hardware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog_fetchers.aws_price_list import SOURCE, WHERE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from tests.kits.provider import Fault, Route, provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


def look(folder: Path, routes: list[Route], *faults: Fault) -> Pages:
    """One look, with faults in its way."""
    with provider_of(routes) as provider, access_to(provider.mirror, folder, {}) as access:
        provider.fail(*faults)
        return fetched(SOURCE, access)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What is left of the lists of two regions."""
    return look(tmp_path, recorded_routes("aws_price_list"))


def with_list(old: bytes, new: bytes) -> list[Route]:
    """The recorded routes, with another text in the lists."""
    return [
        replace(route, content=route.content.replace(old, new)) if route.url.endswith(".csv") else route
        for route in recorded_routes("aws_price_list")
    ]


def test_only_commercial_regions_are_read(pages: Pages) -> None:
    """GovCloud, the local zone in Los Angeles and the wavelength zone in Chicago are left out."""
    assert [page.name for page in pages] == ["eu-west-1", "us-east-1"]


def test_one_price_for_each_region_type_and_purchase(pages: Pages) -> None:
    """Of 21 rows of Virginia eight are left: m5.large also comes as Windows, dedicated, with SQL, paid in advance."""
    offers = require_conforming(SOURCE, pages)["offers"].sort("region", "instance_type", "purchase")
    assert offers.select("region", "instance_type", "purchase", "price_usd_h").rows() == [
        ("eu-west-1", "m5.large", "on_demand", 0.107),
        ("us-east-1", "c6g.medium", "on_demand", 0.034),
        ("us-east-1", "g5.xlarge", "on_demand", 1.006),
        ("us-east-1", "inf2.xlarge", "on_demand", 0.7582),
        ("us-east-1", "m5.large", "on_demand", 0.096),
        ("us-east-1", "m5.large", "reserved_1y", 0.06),
        ("us-east-1", "m5.large", "reserved_3y", 0.041),
        ("us-east-1", "m5d.large", "on_demand", 0.113),
        ("us-east-1", "u-12tb1.112xlarge", "on_demand", 109.2),
    ]
    assert offers["zone"].null_count() == offers.height


def test_hardware_only_of_families_without_accelerators(pages: Pages) -> None:
    """g5 has a GPU without a name and inf2 an accelerator that is not counted; `12,288 GiB` is a number."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    columns = ("instance_type", "vcpus", "memory_gib", "arch", "local_ssd_gib", "accelerator", "confidence")
    assert machines.select(columns).rows() == [
        ("c6g.medium", 1, 2, "arm64", 0.0, None, "medium"),
        ("m5.large", 2, 8, "x86_64", 0.0, None, "medium"),
        ("m5d.large", 2, 8, "x86_64", 69.8, None, "medium"),
        ("u-12tb1.112xlarge", 448, 12288, "x86_64", 0.0, None, "medium"),
    ]


@pytest.mark.parametrize(
    ("stated", "gib"),
    [
        ("EBS only", 0.0),
        ("2 x 900 GB NVMe SSD", 1676.4),
        ("8 x 7500 NVMe SSD", 55879.4),
        ("1 x 32 SSD", 29.8),
        ("24 x 2000 HDD", 0.0),
        ("some", None),
    ],
)
def test_local_ssd_in_every_spelling(pages: Pages, stated: str, gib: float | None) -> None:
    """GB are 10^9 bytes, hard disks count nothing, and what is not understood stays unknown."""
    renamed = [Page(page.name, page.body.replace(b"1 x 75 NVMe SSD", stated.encode())) for page in pages]
    machines = SOURCE.parse(renamed, LOOK)["instance_types"].filter(instance_type="m5d.large")
    assert machines["local_ssd_gib"].to_list() == [gib]


@pytest.mark.parametrize("column", [*WHERE, "PricePerUnit", "Instance Type", "Memory"])
def test_a_renamed_column_is_said(tmp_path: Path, column: str) -> None:
    """Without a column to filter by, prices of other things would pass; so none does."""
    renamed = with_list(f'"{column}"'.encode(), b'"Renamed"')
    with pytest.raises(AnswerError, match=f"price list of eu-west-1: there is no column {column}"):
        look(tmp_path, renamed)


def test_a_web_page_in_place_of_the_list_is_said(tmp_path: Path) -> None:
    """It has no columns at all."""
    with pytest.raises(AnswerError, match="price list of eu-west-1: there is no column TermType"):
        look(tmp_path, recorded_routes("aws_price_list"), Fault(), Fault(status=200, content=b"<html>Sign in</html>"))


def test_a_list_that_breaks_off_is_read_again(tmp_path: Path, pages: Pages) -> None:
    """Half a file would be a market with half its offers."""
    assert look(tmp_path / "cut", recorded_routes("aws_price_list"), Fault(), Fault(cut=True)) == pages
    assert look(tmp_path / "drop", recorded_routes("aws_price_list"), Fault(), Fault(drop=True)) == pages


def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    """A list is gone once it is reduced, also where it was none."""
    look(tmp_path / "good", recorded_routes("aws_price_list"))
    with pytest.raises(AnswerError):
        look(tmp_path / "bad", with_list(b'"Tenancy"', b'"Renamed"'))
    assert [list((tmp_path / name / "work").iterdir()) for name in ("good", "bad")] == [[], []]


def test_the_second_look_downloads_nothing(tmp_path: Path, pages: Pages) -> None:
    """What a list was reduced to is kept, and the server says that the list is unchanged."""
    with provider_of(recorded_routes("aws_price_list")) as provider:
        with access_to(provider.mirror, tmp_path, {}) as access:
            assert fetched(SOURCE, access) == pages
            access.client.commit()
        with access_to(provider.mirror, tmp_path, {}) as access:
            assert fetched(SOURCE, access) == pages
            assert (access.client.traffic.unchanged, access.client.traffic.received_bytes) == (3, 0)


def test_a_renamed_field_of_the_index_is_said(tmp_path: Path) -> None:
    """Without regions there is nothing to read."""
    routes = recorded_routes("aws_price_list")
    renamed = [replace(route, content=route.content.replace(b'"regionCode"', b'"code"')) for route in routes]
    with pytest.raises(AnswerError, match="regionCode: field required"):
        look(tmp_path, renamed)
