"""How users write where something may run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.residency import GROUPS
from engine.workload_errors import InvalidValueError
from engine.workload_places import COUNTRIES, Infra, parse_cloud, parse_infra, parse_residency_list


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("aws", Infra("aws")),
        ("AWS/us-east-1", Infra("aws", "us-east-1")),
        ("aws/us-east-1/us-east-1a", Infra("aws", "us-east-1", "us-east-1a")),
        ("aws/*/us-east-1a", Infra("aws", None, "us-east-1a")),
        ("*/us-east-1", Infra(None, "us-east-1")),
        ("*", Infra()),
        ("lambda/", Infra("lambda")),
        ("k8s", Infra("kubernetes")),
        ("k8s/arn:aws:eks:us-east-1:1:cluster/mine", Infra("kubernetes", "arn:aws:eks:us-east-1:1:cluster/mine")),
        ("ssh/my-pool", Infra("ssh", "my-pool")),
        ("AWS/US-EAST-1", Infra("aws", "us-east-1")),
        ("coreweave/US-EAST-04A", Infra("coreweave", "US-EAST-04A")),
        ("aws/us-east-1a", Infra("aws", "us-east-1", "us-east-1a")),
        ("aws/US-GOV-WEST-1B", Infra("aws", "us-gov-west-1", "us-gov-west-1b")),
        ("aws/us-east-1a/us-east-1a", Infra("aws", "us-east-1", "us-east-1a")),
        ("aws/us-east-1a/us-east-1b", Infra("aws", "us-east-1a", "us-east-1b")),
        ("aws/us-east-1-bos-1a", Infra("aws", "us-east-1-bos-1a")),
        ("gcp/us-central1-a", Infra("gcp", "us-central1", "us-central1-a")),
        ("gcp/us-central1", Infra("gcp", "us-central1")),
        ("azure/eastus-a", Infra("azure", "eastus-a")),
    ],
)
def test_infra(written: str, place: Infra) -> None:
    """`infra` is a cloud, a region and a zone; a context of Kubernetes may hold slashes."""
    assert parse_infra(written) == place


@pytest.mark.parametrize(
    ("read", "written", "message", "hint"),
    [
        (parse_infra, "asw/us-east-1", "unknown cloud asw", "did you mean aws?"),
        (
            parse_infra,
            "aws//us-east-1a",
            "infra aws//us-east-1a has an empty part",
            "write cloud/region/zone, with * for any",
        ),
        (parse_infra, "aws/a/b/c", "infra aws/a/b/c has more than three parts", "write cloud/region/zone"),
        (parse_infra, "", "infra an empty text has an empty part", "write cloud/region/zone, with * for any"),
        (parse_infra, ["aws"], "infra must be a cloud, not a list", "such as aws or aws/us-east-1"),
        (parse_cloud, 3, "a cloud must be named, not 3", "such as aws, gcp or azure"),
        (parse_residency_list, ["euorpe"], "unknown place euorpe", "did you mean europe?"),
        (
            parse_residency_list,
            ["antarctica"],
            "unknown place antarctica",
            "write a continent, a country code, a cloud or cloud/region",
        ),
        (parse_residency_list, ["UK"], "unknown country UK", "did you mean GB?"),
        (parse_residency_list, ["XX"], "unknown country XX", "write the code of ISO 3166-1, such as DE or US"),
        (parse_residency_list, [False], "a place must be named, not false", 'quote NO for Norway: "NO"'),
        (parse_residency_list, [3], "a place must be named, not 3", None),
        (parse_residency_list, ["*/x"], "*/x is not a region of a cloud", "write cloud/region, such as aws/eu-west-1"),
        (parse_residency_list, ["asw/x"], "unknown cloud asw", "did you mean aws?"),
        (parse_residency_list, 3, "must be a list of places, not 3", "such as [europe, DE, aws/eu-west-1]"),
        (
            parse_residency_list,
            ["qqqqqqqqqq"],
            "unknown place qqqqqqqqqq",
            "write a continent, a country code, a cloud or cloud/region",
        ),
    ],
    ids=str,
)
def test_bad_place(read: Callable[[object], object], written: object, message: str, hint: str | None) -> None:
    """What is no place is refused, with the nearest one that is."""
    with pytest.raises(InvalidValueError) as caught:
        read(written)
    (fault,) = caught.value.faults
    assert (fault.message, fault.hint) == (message, hint)


def test_unknown_cloud_without_a_near_one() -> None:
    """A name that is near to none gets the list of those that are known."""
    with pytest.raises(InvalidValueError) as caught:
        parse_cloud("qqqqqqqqqq")
    assert (caught.value.faults[0].hint or "").startswith("known are aws, azure, ")


def test_residency_entries() -> None:
    """Continents, countries, clouds and regions get one spelling each, and come once."""
    written = ["Europe", "north america", "de", "AWS", "google/EUROPE-WEST1", "europe"]
    assert parse_residency_list(written) == ("europe", "north_america", "DE", "aws", "gcp/europe-west1")
    assert parse_residency_list("DE") == ("DE",)


def test_two_letters_are_a_country() -> None:
    """`DO` is the Dominican Republic here, though it is DigitalOcean where a cloud is asked for."""
    assert parse_residency_list(["DO"]) == ("DO",)
    assert parse_cloud("DO") == "digitalocean"


def test_groups_of_countries() -> None:
    """The EU and the EEA are entries of their own, though two letters are a country otherwise."""
    assert parse_residency_list(["eu", "Eea"]) == ("EU", "EEA")
    assert {code for group in GROUPS.values() for code in group} <= COUNTRIES


def test_number_of_countries() -> None:
    """ISO 3166-1 assigns 249 codes."""
    assert len(COUNTRIES) == 249
