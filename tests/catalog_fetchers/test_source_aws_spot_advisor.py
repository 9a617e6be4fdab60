"""The Spot Advisor: bands of interruptions."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from catalog_fetchers.aws_spot_advisor import SOURCE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from tests.kits.provider import provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What the advisor's file says."""
    with (
        provider_of(recorded_routes("aws_spot_advisor")) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
    ):
        return fetched(SOURCE, access)


def test_bands_are_those_of_the_labels(pages: Pages) -> None:
    """`10-15%` is a share of 0.10 to 0.15 and `>20%` has no upper end but one; Windows is left out."""
    risk = require_conforming(SOURCE, pages)["spot_risk"]
    assert risk.select("region", "instance_type", "interruption_low", "interruption_high", "period_h").rows() == [
        ("us-east-1", "m5.large", 0.10, 0.15, 730.0),
        ("us-east-1", "g5.xlarge", 0.20, 1.0, 730.0),
        ("eu-west-1", "m5.large", 0.0, 0.05, 730.0),
    ]


def test_a_real_file_is_read_whole(shared: Path) -> None:
    """The file of February 2024: 29 regions, and each band is there."""
    body = (shared / "data/aws/spot-advisor-2024/spot-advisor-data-2024-02-28.json").read_bytes()
    risk = require_conforming(SOURCE, [Page("advice", body)])["spot_risk"]
    assert risk["region"].n_unique() == 29
    assert risk.height > 10_000
    assert sorted(risk["interruption_low"].unique()) == [0.0, 0.05, 0.10, 0.15, 0.20]
    assert risk.filter(pl.col("interruption_low") >= pl.col("interruption_high")).is_empty()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"10-15%"', b'"often"', "no band is called 'often'"),
        (b'"r": 4', b'"r": 7', "g5.xlarge in us-east-1 is in band 7"),
        (b'"r": 4', b'"rate": 4', r"spot_advisor\.us-east-1\.Linux\.g5\.xlarge\.r: field required"),
        (b"{", b"<html>{", "expected JSON, got a web page"),
    ],
)
def test_another_form_is_said(pages: Pages, old: bytes, new: bytes, said: str) -> None:
    """A band or field of another name is no guess."""
    with pytest.raises(AnswerError, match=said):
        SOURCE.parse([Page("advice", pages[0].body.replace(old, new, 1))], LOOK)
