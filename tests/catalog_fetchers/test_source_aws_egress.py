"""AWS's price list of data transfer: what leaves a region, to where, for how much."""

from __future__ import annotations

import polars as pl
import pytest

from catalog_data.checks import check
from catalog_data.schema import EGRESS, REGIONS, Confidence
from catalog_fetchers.aws_egress import SOURCE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import rows_of
from tests.kits.provider import provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """One look of a catalog that knows a region each of Google and Azure."""
    places = [("aws", "us-east-1"), ("gcp", "us-central1"), ("azure", "eastus")]
    known = rows_of(
        REGIONS,
        [{"cloud": cloud, "region": region} for cloud, region in places],
        source="test",
        observed_at=LOOK,
        confidence=Confidence.HIGH,
    )
    folder = tmp_path_factory.mktemp("look")
    with (
        provider_of(recorded_routes("aws_egress")) as provider,
        access_to(provider.mirror, folder, {}, known={"regions": known}) as access,
    ):
        return fetched(SOURCE, access)


def tiers(rows: pl.DataFrame, src: str, dst: str) -> list[tuple[float, float]]:
    """Where each rate between two places starts, and the rate."""
    src_cloud, src_region = src.split(":")
    dst_cloud, dst_region = dst.split(":")
    pair = rows.filter(
        src_cloud=pl.lit(src_cloud),
        src_region=pl.lit(src_region),
        dst_cloud=pl.lit(dst_cloud),
        dst_region=pl.lit(dst_region),
    )
    return pair.sort("tier_from_gb").select("tier_from_gb", "egress_usd_gb").rows()


def test_it_conforms(pages: Pages) -> None:
    """Nothing is rejected, and the rows say which version of the list they are from."""
    rows = require_conforming(SOURCE, pages)["egress"]
    assert check(EGRESS, rows).rejected.is_empty()
    assert rows["source_version"].unique().to_list() == ["20261016132208"]


def test_each_pair_of_regions_has_one_rate(pages: Pages) -> None:
    """Tokyo asks 0.09 USD/GB to Virginia, which asks 0.02 the other way; inbound and replication rates are not that."""
    rows = SOURCE.parse(pages, LOOK)["egress"]
    assert tiers(rows, "aws:us-east-1", "aws:us-west-2") == [(0, 0.02)]
    assert tiers(rows, "aws:ap-northeast-1", "aws:us-east-1") == [(0, 0.09)]
    within = rows.filter(dst_cloud=pl.lit("aws"))
    assert within.height == 4


def test_the_ladder_begins_behind_the_free_volume(pages: Pages) -> None:
    """100 GB are free, then 10 TB of 1,024 GB cost 0.09 USD/GB, and so on; the same to every other cloud."""
    rows = SOURCE.parse(pages, LOOK)["egress"]
    expected = [(0, 0), (100, 0.09), (10_340, 0.085), (51_300, 0.07), (153_700, 0.05)]
    assert tiers(rows, "aws:us-east-1", "gcp:us-central1") == expected
    assert tiers(rows, "aws:us-east-1", "azure:eastus") == expected
    assert tiers(rows, "aws:ap-northeast-1", "azure:eastus")[1] == (100, 0.114)


def test_govcloud_has_no_free_volume(pages: Pages) -> None:
    """Its first GB costs what the list says."""
    rows = SOURCE.parse(pages, LOOK)["egress"]
    assert tiers(rows, "aws:us-gov-west-1", "gcp:us-central1")[0] == (0, 0.155)


def test_local_zones_are_no_regions(pages: Pages) -> None:
    """`us-west-2-lax-1` neither sends nor receives."""
    rows = SOURCE.parse(pages, LOOK)["egress"]
    places = {*rows["src_region"], *rows["dst_region"]}
    assert places == {"ap-northeast-1", "eastus", "us-central1", "us-east-1", "us-gov-west-1", "us-west-2"}


def test_without_known_regions_the_pairs_of_aws_remain(pages: Pages) -> None:
    """An empty catalog has nowhere else to send data to."""
    alone = [page if page.name == "price_list" else Page(page.name, b"[]") for page in pages]
    assert set(SOURCE.parse(alone, LOOK)["egress"]["dst_cloud"]) == {"aws"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"To Region Code"', b'"Destination"', "no column toregioncode"),
        (b'"PricePerUnit"', b'"Rate"', "no column priceperunit"),
        (b'"0.0200000000"', b'"a fortune"', "a price or a range is no number"),
        (b'"SKU"', b'"Article"', "no header that begins with SKU"),
    ],
)
def test_another_form_is_refused_with_one_line(pages: Pages, old: bytes, new: bytes, said: str) -> None:
    """A renamed column, a text for a price and another kind of file are each named."""
    changed = [Page(page.name, page.body.replace(old, new)) for page in pages]
    with pytest.raises(AnswerError, match=said):
        SOURCE.parse(changed, LOOK)


def test_the_header_may_be_written_otherwise(pages: Pages) -> None:
    """Columns are known regardless of blanks and capitals, in which AWS's lists differ."""
    changed = [Page(page.name, page.body.replace(b'"usageType"', b'"Usage Type"')) for page in pages]
    assert SOURCE.parse(changed, LOOK)["egress"].equals(SOURCE.parse(pages, LOOK)["egress"])
