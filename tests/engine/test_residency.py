"""Where a row lies: in a continent, a country, a group of countries, a cloud or a region of one."""

from __future__ import annotations

import polars as pl
import pytest

from engine.residency import GROUPS, lies_in, unknown_entries

PLACES = pl.DataFrame(
    [
        ("aws", "us-east-1", "north_america", "US"),
        ("aws", "eu-central-1", "europe", "DE"),
        ("gcp", "europe-north2", "europe", "NO"),
        ("vast", "EU-1", None, None),
        ("oci", "somewhere", "asia", None),
    ],
    schema=["cloud", "region", "continent", "country"],
    orient="row",
)


def answers(*entries: str) -> list[bool | None]:
    """For each place, whether it lies in one of the entries."""
    return PLACES.select(lies_in(entries).alias("lies"))["lies"].to_list()


@pytest.mark.parametrize(
    ("entry", "lies"),
    [
        ("europe", [False, True, True, None, False]),
        ("DE", [False, True, False, None, None]),
        ("EU", [False, True, False, None, None]),
        ("EEA", [False, True, True, None, None]),
        ("aws", [True, True, False, False, False]),
        ("aws/us-east-1", [True, False, False, False, False]),
        ("vast/eu-1", [False, False, False, True, False]),
    ],
)
def test_an_entry_of_each_kind(entry: str, lies: list[bool | None]) -> None:
    """A place that is not known is null only where the entry is about that."""
    assert answers(entry) == lies


def test_one_entry_that_matches_is_enough() -> None:
    """A cloud settles it even where the country is not known."""
    assert answers("DE", "vast") == [False, True, False, True, None]


def test_a_country_is_no_cloud() -> None:
    """`DO` is the Dominican Republic; the cloud of that spelling is written `digitalocean`."""
    frame = pl.DataFrame(
        {"cloud": ["digitalocean"], "region": ["nyc2"], "continent": ["north_america"], "country": ["US"]}
    )
    assert frame.select(lies_in(["DO"]))[0, 0] is False


def test_the_groups_are_of_27_and_30_states() -> None:
    """The EEA is the EU with Iceland, Liechtenstein and Norway."""
    assert len(set(GROUPS["eu"])) == 27
    assert set(GROUPS["eea"]) - set(GROUPS["eu"]) == {"IS", "LI", "NO"}


def test_regions_that_the_catalog_does_not_know() -> None:
    """A misspelt region would match nothing: it is named, with a near one of its cloud."""
    places = ("europe", "DE", "EU", "aws", "AWS/us-east-1", "vast/eu-1")
    regions = ("gcp/europe-nroth2", "aws/us-east-11", "aws/qqqq", "lambda/us-east-1")
    assert unknown_entries((*places, *regions), PLACES) == [
        "residency: the catalog knows no region gcp/europe-nroth2: did you mean gcp/europe-north2?",
        "residency: the catalog knows no region aws/us-east-11: did you mean aws/us-east-1?",
        "residency: the catalog knows no region aws/qqqq",
        "residency: the catalog knows no region lambda/us-east-1: it has no region of lambda at all",
    ]


def test_a_region_in_several_rows_is_known() -> None:
    """A catalog may tell of a region more than once."""
    assert unknown_entries(("aws/eu-central-1", "vast/eu-1"), pl.concat([PLACES, PLACES])) == []
