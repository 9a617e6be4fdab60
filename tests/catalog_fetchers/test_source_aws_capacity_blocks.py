"""Capacity blocks: a fee for days becomes a price for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.aws_capacity_blocks import SOURCE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from tests.kits.ec2_query import ec2_refusal
from tests.kits.provider import Fault, Provider, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


def look(folder: Path, *faults: Fault) -> tuple[Pages, Provider]:
    """One look, with faults in its way, and the server that it saw."""
    with (
        provider_of(recorded_routes("aws_capacity_blocks")) as provider,
        access_to(provider.mirror, folder, recorded_env("aws_capacity_blocks")) as access,
    ):
        provider.fail(*faults)
        return fetched(SOURCE, access), provider


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What EC2 answers to one look."""
    return look(tmp_path)[0]


def test_the_fee_over_its_hours_is_the_price_of_the_cheapest_block(pages: Pages) -> None:
    """755.136 $ / 24 h = 31.464 $/h, though a dearer block follows; 235.98 $ / 6.5 h; dedicated tenancy is left out."""
    offers = require_conforming(SOURCE, pages)["offers"].sort("zone")
    assert offers.select("region", "zone", "instance_type", "purchase", "available").rows() == [
        ("us-east-1", "us-east-1a", "p5.48xlarge", "capacity_block", True),
        ("us-east-1", "us-east-1b", "p5.48xlarge", "capacity_block", True),
    ]
    assert offers["price_usd_h"].to_list() == pytest.approx([31.464, 36.305], abs=0.001)


def test_a_block_of_several_machines_is_priced_by_machine(pages: Pages) -> None:
    """Twice the machines for the same fee is half the price."""
    double = [Page(page.name, page.body.replace(b'"InstanceCount": 1', b'"InstanceCount": 2')) for page in pages]
    assert min(SOURCE.parse(double, LOOK)["offers"]["price_usd_h"]) == pytest.approx(31.464 / 2)


def test_other_currencies_are_left_out(pages: Pages) -> None:
    """A fee in yuan is no price in dollars."""
    yuan = [Page(page.name, page.body.replace(b'"USD"', b'"CNY"')) for page in pages]
    assert SOURCE.parse(yuan, LOOK)["offers"].is_empty()


def test_each_type_that_is_sold_in_blocks_is_asked_for_once_a_region(tmp_path: Path) -> None:
    """Which types these are, EC2 says itself; Ireland sells none."""
    _, provider = look(tmp_path)
    asked = [each for each in provider.received if "CapacityBlockOfferings" in each.body]
    assert {each.url for each in asked} == {"https://ec2.us-east-1.amazonaws.com/"}
    assert [("trn1" in each.body, "NextToken" in each.body) for each in asked] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    filters = [each.body for each in provider.received if "Action=DescribeInstanceTypes" in each.body]
    assert all("Filter.1.Value.1=capacity-block" in body for body in filters)
    assert SOURCE.asked_for


def test_a_permission_that_is_missing_is_named(tmp_path: Path) -> None:
    """Blocks need a permission of their own."""
    with pytest.raises(RefusedError) as caught:
        look(tmp_path, Fault(), Fault(), Fault(), ec2_refusal("UnauthorizedOperation", 403))
    assert caught.value.hint == "allow ec2:DescribeCapacityBlockOfferings"


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its fee a block has no price."""
    renamed = [Page(page.name, page.body.replace(b'"UpfrontFee"', b'"Fee"')) for page in pages]
    with pytest.raises(AnswerError, match="UpfrontFee: field required"):
        SOURCE.parse(renamed, LOOK)
