"""EC2's spot prices: which of a history holds now."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from catalog_fetchers.aws_spot_prices import SOURCE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from tests.kits.ec2_query import ec2_refusal
from tests.kits.provider import Fault, Provider, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


def look(folder: Path, *faults: Fault) -> tuple[Pages, Provider]:
    """One look, with faults in its way, and the server that it saw."""
    with (
        provider_of(recorded_routes("aws_spot_prices")) as provider,
        access_to(provider.mirror, folder, recorded_env("aws_spot_prices")) as access,
    ):
        provider.fail(*faults)
        return fetched(SOURCE, access), provider


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What EC2 answers to one look."""
    return look(tmp_path)[0]


def test_the_latest_linux_price_of_each_zone_holds(pages: Pages) -> None:
    """The second page repeats an older price, one row is of Windows, and one of a local zone."""
    offers = require_conforming(SOURCE, pages)["offers"].sort("zone", "instance_type")
    assert offers.select("region", "zone", "instance_type", "purchase", "price_usd_h").rows() == [
        ("eu-west-1", "eu-west-1a", "m5.large", "spot", 0.0441),
        ("us-east-1", "us-east-1a", "g5.xlarge", "spot", 0.4512),
        ("us-east-1", "us-east-1a", "m5.large", "spot", 0.0413),
        ("us-east-1", "us-east-1b", "m5.large", "spot", 0.0399),
    ]


def test_the_order_of_pages_does_not_matter(pages: Pages) -> None:
    """The latest price is the latest by its time, not by its place."""
    forth, back = (SOURCE.parse(order, LOOK)["offers"].sort("zone", "instance_type") for order in (pages, pages[::-1]))
    assert forth.equals(back)


def test_the_history_starts_now(tmp_path: Path) -> None:
    """Linux alone is asked for, from one instant on, and the second page by its token."""
    _, provider = look(tmp_path)
    asked = [parse_qs(each.body) for each in provider.received if "SpotPriceHistory" in each.body]
    assert [each.get("NextToken") for each in asked] == [None, None, ["prices-2"]]
    assert all(each["ProductDescription.1"] == ["Linux/UNIX"] and len(each["StartTime"]) == 1 for each in asked)


def test_a_permission_that_is_missing_is_named(tmp_path: Path) -> None:
    """An account may list regions and not see prices."""
    with pytest.raises(RefusedError, match="not permitted") as caught:
        look(tmp_path, Fault(), ec2_refusal("UnauthorizedOperation", 403))
    assert caught.value.hint == "allow ec2:DescribeSpotPriceHistory"


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without a price the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b'"SpotPrice"', b'"Price"')) for page in pages]
    with pytest.raises(AnswerError, match=r"spot prices of .*SpotPrice: field required"):
        SOURCE.parse(renamed, LOOK)
