"""Where a row lies: in a continent, a country, a group of countries, a cloud or a region of one."""

from __future__ import annotations

import polars as pl
import pytest

from engine.residency import GROUPS, lies_in

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
