"""EC2's types and zones: what its answers become, and what goes wrong on the way."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from catalog_fetchers.aws_ec2 import SOURCE
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.client import Patience
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError, UnreachableError
from tests.kits.ec2_query import ec2_refusal
from tests.kits.provider import Fault, Provider, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, QUICK, access_to, fetched, require_conforming


def look(folder: Path, *faults: Fault, patience: Patience = QUICK) -> tuple[Pages, Provider]:
    """One look, with faults in its way, and the server that it saw."""
    with (
        provider_of(recorded_routes("aws_ec2")) as provider,
        access_to(provider.mirror, folder, recorded_env("aws_ec2"), patience=patience) as access,
    ):
        provider.fail(*faults)
        return fetched(SOURCE, access), provider


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What EC2 answers to one look."""
    return look(tmp_path)[0]


def test_the_rows_conform(pages: Pages) -> None:
    """They are rows that the catalog can take."""
    require_conforming(SOURCE, pages)


def test_a_type_is_offered_in_the_zones_of_both_pages_of_its_region(pages: Pages) -> None:
    """GovCloud, the local zone in Boston, the Mac, and the type that is sold in blocks alone are left out."""
    offers = SOURCE.parse(pages, LOOK)["offers"]
    assert offers.select("region", "zone", "instance_type", "purchase", "price_usd_h", "available").rows() == [
        ("eu-west-1", "eu-west-1a", "m5.large", "on_demand", None, True),
        ("eu-west-1", "eu-west-1a", "m7g.medium", "on_demand", None, True),
        ("us-east-1", "us-east-1a", "m5.large", "on_demand", None, True),
        ("us-east-1", "us-east-1b", "m5.large", "on_demand", None, True),
        ("us-east-1", "us-east-1a", "g5.xlarge", "on_demand", None, True),
    ]


def test_hardware_is_that_of_the_whole_machine(pages: Pages) -> None:
    """MiB are GiB, the memory of the A10G is its data sheet's, 250 GB of SSD are 232.8 GiB."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    columns = ("vcpus", "memory_gib", "arch", "accelerator", "accelerator_count", "accelerator_memory_gib")
    (row,) = machines.filter(instance_type="g5.xlarge").select(*columns, "network_gbit_s", "local_ssd_gib").rows()
    assert row == (4, 16, "x86_64", "A10G", 1, 24, 2.5, 232.8)
    assert sorted(machines["instance_type"]) == ["g5.xlarge", "m5.large", "m7g.medium", "p6-b300.48xlarge"]


def test_a_type_is_described_once(tmp_path: Path) -> None:
    """Ireland describes m5.large and m7g.medium; Virginia is asked for the others that it has."""
    _, provider = look(tmp_path)
    asked = [each.body for each in provider.received if "Action=DescribeInstanceTypes" in each.body]
    assert [sorted(re.findall(r"InstanceType\.\d+=([a-z0-9.-]+)", body)) for body in asked] == [
        ["m5.large", "m7g.medium"],
        ["g5.xlarge", "mac2.metal", "p6-b300.48xlarge"],
    ]


def test_an_accelerator_without_a_name_of_ours_stays_as_it_is_spelt(pages: Pages) -> None:
    """The row is there to be listed as rejected; nothing is guessed."""
    renamed = [Page(page.name, page.body.replace(b'"A10G"', b'"A999"')) for page in pages]
    machines = SOURCE.parse(renamed, LOOK)["instance_types"].filter(instance_type="g5.xlarge")
    assert machines["accelerator"].to_list() == ["A999"]


def test_throttling_is_waited_out(tmp_path: Path) -> None:
    """Two refusals for too many requests, then all answers; each repetition counts as a request."""
    calm, _ = look(tmp_path / "calm")
    pages, provider = look(tmp_path / "busy", ec2_refusal("RequestLimitExceeded", 503, times=2))
    assert pages == calm
    assert [each.status for each in provider.received].count(503) == 2


def test_throttling_without_end_is_said(tmp_path: Path) -> None:
    """After as many tries as the look's patience allows, the source is given up for this time."""
    with pytest.raises(UnreachableError, match="describe_regions in us-east-1: RequestLimitExceeded"):
        look(tmp_path, ec2_refusal("RequestLimitExceeded", 503, times=4))


def test_a_permission_that_is_missing_is_named(tmp_path: Path) -> None:
    """No retry; the hint is the action to allow, and who asked stays out of the text."""
    with pytest.raises(RefusedError, match="describe_regions in us-east-1: not permitted") as caught:
        look(tmp_path, ec2_refusal("UnauthorizedOperation", 403, message="arn:aws:iam::123456789012:user/someone"))
    assert caught.value.hint == "allow ec2:DescribeRegions"
    assert "123456789012" not in str(caught.value)


@pytest.mark.parametrize("code", ["AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "OptInRequired"])
def test_refused_credentials_are_said(tmp_path: Path, code: str) -> None:
    """Whatever the code, they have to be renewed."""
    with pytest.raises(RefusedError, match=f"credentials are not accepted \\({code}\\)"):
        look(tmp_path, ec2_refusal(code, 401))


def test_another_error_is_said_with_its_text(tmp_path: Path) -> None:
    """What the documentation does not promise means that this source has to be mended."""
    with pytest.raises(AnswerError, match="InvalidParameterValue: MaxResults is too large"):
        look(tmp_path, ec2_refusal("InvalidParameterValue", 400, message="MaxResults is too large"))


def test_a_web_page_in_place_of_xml_is_said(tmp_path: Path) -> None:
    """A proxy's page is no answer."""
    with pytest.raises(AnswerError, match="describe_regions in us-east-1: expected XML"):
        look(tmp_path, Fault(status=200, content=b"<html><body>Sign in<br></html>", times=4))


def test_a_broken_connection_is_tried_again(tmp_path: Path) -> None:
    """The answer breaks off in the middle, then comes whole."""
    pages, _ = look(tmp_path / "broken", Fault(drop=True))
    assert pages == look(tmp_path / "calm")[0]


def test_a_server_that_says_nothing_is_left(tmp_path: Path) -> None:
    """It is asked as often as the look's patience allows, each time for as long."""
    patience = replace(QUICK, read_s=0.2, attempts=2)
    with pytest.raises(UnreachableError, match="describe_regions in us-east-1: ReadTimeoutError"):
        look(tmp_path, Fault(hang_s=5, times=2), patience=patience)


def test_the_time_of_the_look_holds_for_amazons_client_too(tmp_path: Path) -> None:
    """Nothing is sent when it is over."""
    with pytest.raises(UnreachableError, match="not done after 0 s"):
        look(tmp_path, patience=replace(QUICK, total_s=0))


def test_a_token_that_comes_back_ends_the_look(tmp_path: Path) -> None:
    """Pages that go round in circles would never end."""
    routes = recorded_routes("aws_ec2")
    first = next(route for route in routes if "us-east-1" in route.url and "TypeOfferings" in route.body)
    circle = [replace(route, content=first.content) if "NextToken" in route.body else route for route in routes]
    with (
        provider_of(circle) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("aws_ec2")) as access,
        pytest.raises(RepeatedPageError),
    ):
        fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without the memory of a type nothing is guessed."""
    renamed = [Page(page.name, page.body.replace(b"SizeInMiB", b"SizeInKiB")) for page in pages]
    with pytest.raises(AnswerError, match=r"InstanceTypes\.0\.MemoryInfo\.SizeInMiB: field required"):
        SOURCE.parse(renamed, LOOK)


def test_where_credentials_may_stand(tmp_path: Path) -> None:
    """In the environment, in a profile, or in the file of AWS's own tools."""
    assert "aws configure" in SOURCE.missing({}, tmp_path)
    assert "aws configure" in SOURCE.missing({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, tmp_path)
    assert SOURCE.missing({"AWS_PROFILE": "work"}, tmp_path) == ""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIAEXAMPLE\n")
    assert SOURCE.missing({}, tmp_path) == ""


def test_the_file_of_awss_tools_is_used(tmp_path: Path) -> None:
    """The keys of a profile in the home folder sign the requests."""
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    keys = "aws_access_key_id = AKIAOFWORK\naws_secret_access_key = a-secret\n"
    (tmp_path / "home" / ".aws" / "credentials").write_text(f"[work]\n{keys}")
    with (
        provider_of(recorded_routes("aws_ec2")) as provider,
        access_to(provider.mirror, tmp_path, {"AWS_PROFILE": "work"}) as access,
    ):
        fetched(SOURCE, access)
    assert all("Credential=AKIAOFWORK/" in each.headers["authorization"] for each in provider.received)


def test_a_profile_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Nothing is sent without credentials."""
    with (
        provider_of(recorded_routes("aws_ec2")) as provider,
        access_to(provider.mirror, tmp_path, {"AWS_PROFILE": "nobody"}) as access,
        pytest.raises(RefusedError, match="no usable credentials"),
    ):
        fetched(SOURCE, access)
    assert not provider.received
