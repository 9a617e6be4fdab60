"""Spot placement scores: what is asked, and whom a score is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence
from catalog_fetchers.aws_placement_scores import SOURCE, groups_of
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, UnreachableError
from catalog_fetchers.rows import rows_of
from tests.kits.ec2_query import ec2_refusal
from tests.kits.provider import Fault, Provider, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

G5 = ("g5.xlarge", "g5.2xlarge", "g5.4xlarge")


def known(**sold_in: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    """A catalog of three sizes with one A10G and one type with eight H100, on spot in the regions `g5` and `p5`."""
    regions = {"g5": ("us-east-1", "eu-west-1"), "p5": ("us-east-1",)} | sold_in
    types = [(name, "A10G", 1, regions["g5"]) for name in G5] + [("p5.48xlarge", "H100", 8, regions["p5"])]
    said: dict[str, Any] = {"source": "known", "observed_at": LOOK, "confidence": Confidence.HIGH}
    machines = [
        {"cloud": "aws", "instance_type": name, "accelerator": model, "accelerator_count": count}
        for name, model, count, _ in types
    ]
    offers = [
        {"cloud": "aws", "region": region, "instance_type": name, "purchase": "spot", "price_usd_h": 1}
        for name, _, _, places in types
        for region in places
    ]
    return {"instance_types": rows_of(INSTANCE_TYPES, machines, **said), "offers": rows_of(OFFERS, offers, **said)}


def look(folder: Path, catalog: dict[str, pl.DataFrame], *faults: Fault) -> tuple[Pages, Provider]:
    """One look, with faults in its way, and the server that it saw."""
    with (
        provider_of(recorded_routes("aws_placement_scores")) as provider,
        access_to(provider.mirror, folder, recorded_env("aws_placement_scores"), known=catalog) as access,
    ):
        provider.fail(*faults)
        return fetched(SOURCE, access), provider


def test_a_score_is_a_tenth_of_its_level_for_each_type_of_the_group(tmp_path: Path) -> None:
    """9 in Virginia and, on the second page, 3 in Ireland; both hold for an hour."""
    pages, _ = look(tmp_path, known())
    seen = require_conforming(SOURCE, pages)["observations"].sort("region", "instance_type")
    expected = [(region, name, level) for region, level in (("eu-west-1", 0.3), ("us-east-1", 0.9)) for name in G5]
    assert seen.select("region", "instance_type", "level").rows() == sorted(expected)
    assert set(seen.select("zone", "purchase", "signal").rows()) == {(None, "spot", "placement_score")}
    assert (seen["expires_at"] - LOOK).dt.total_minutes().unique().to_list() == [60]


def test_one_question_for_a_group_and_none_for_fewer_than_three_types(tmp_path: Path) -> None:
    """H100 comes in one size, for which AWS's score would be low whatever the capacity."""
    _, provider = look(tmp_path, known())
    asked = [parse_qs(each.body) for each in provider.received if "GetSpotPlacementScores" in each.body]
    assert [each.get("NextToken") for each in asked] == [None, ["scores-2"]]
    assert sorted(asked[0][f"InstanceType.{number}"][0] for number in (1, 2, 3)) == sorted(G5)
    assert (asked[0]["RegionName.1"], asked[0]["RegionName.2"]) == (["eu-west-1"], ["us-east-1"])
    assert asked[0]["TargetCapacity"] == ["1"]
    assert not any("p5.48xlarge" in each.body for each in provider.received)


def test_regions_that_the_account_may_not_use_are_not_asked_for(tmp_path: Path) -> None:
    """The catalog knows Cape Town, which this account has not enabled."""
    _, provider = look(tmp_path, known(g5=("us-east-1", "af-south-1")))
    (first, *_) = [parse_qs(each.body) for each in provider.received if "GetSpotPlacementScores" in each.body]
    assert first["RegionName.1"] == ["us-east-1"]
    assert "RegionName.2" not in first


def test_a_type_has_a_score_only_where_it_is_sold(tmp_path: Path) -> None:
    """A region scored for the group says nothing of a type that is not on spot there."""
    catalog = known()
    offers = catalog["offers"].filter(~((pl.col("region") == "eu-west-1") & (pl.col("instance_type") == G5[0])))
    pages, _ = look(tmp_path, catalog | {"offers": offers})
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(region="eu-west-1")
    assert sorted(seen["instance_type"]) == sorted(G5[1:])


def test_an_empty_catalog_asks_nothing(tmp_path: Path) -> None:
    """Questions are counted, so none is asked without need."""
    pages, provider = look(tmp_path, {})
    assert SOURCE.parse(pages, LOOK)["observations"].is_empty()
    assert not provider.received


def test_groups_are_the_same_whatever_the_order_of_rows() -> None:
    """The same questions may be repeated, others are counted anew."""
    catalog = known()
    turned = groups_of(catalog["offers"].reverse(), catalog["instance_types"].reverse())
    assert turned == groups_of(catalog["offers"], catalog["instance_types"])


def test_the_days_limit_is_said(tmp_path: Path) -> None:
    """Nothing is wrong with the credentials or this source: it has to wait."""
    limit = ec2_refusal("MaxConfigLimitExceeded", 400)
    with pytest.raises(UnreachableError, match="get_spot_placement_scores in us-east-1: MaxConfigLimitExceeded"):
        look(tmp_path, known(), Fault(), limit)
    assert SOURCE.asked_for


def test_a_renamed_field_is_said(tmp_path: Path) -> None:
    """A score of another name is no score of zero."""
    pages, _ = look(tmp_path, known())
    renamed = [Page(page.name, page.body.replace(b'"Score"', b'"Rank"')) for page in pages]
    with pytest.raises(AnswerError, match="Score: field required"):
        SOURCE.parse(renamed, LOOK)
