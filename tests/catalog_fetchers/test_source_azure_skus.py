"""Azure's sizes: hardware, and where a subscription may have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog_data.checks import check
from catalog_data.schema import INSTANCE_TYPES
from catalog_fetchers.azure_skus import SOURCE
from catalog_fetchers.base import Pages
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

ENV = recorded_env("azure_skus")


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Azure answers to one look."""
    with provider_of(recorded_routes("azure_skus")) as provider, access_to(provider.mirror, tmp_path, ENV) as access:
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """They are rows of their tables, the same each time, and pass the checks."""
    require_conforming(SOURCE, pages)


def test_each_physical_region_is_read_page_by_page(pages: Pages) -> None:
    """The logical location `global` has no machines."""
    assert [page.name for page in pages] == ["eastus/1", "eastus/2", "westus3/1"]


def test_hardware(pages: Pages) -> None:
    """Memory in GiB; a constrained size has its own vCPUs; an eighth of a GPU is one; GB200 is counted by its size."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.select(
        "instance_type", "vcpus", "memory_gib", "arch", "accelerator", "accelerator_count", "accelerator_memory_gib"
    ).rows() == [
        ("Standard_D2s_v5", 2, 8, "x86_64", None, None, None),
        ("Standard_D4ps_v5", 4, 16, "arm64", None, None, None),
        ("Standard_E64-16s_v5", 16, 512, "x86_64", None, None, None),
        ("Standard_ND128isr_NDR_GB200_v6", 128, 900, "arm64", "GB200", 4, 186),
        ("Standard_ND96isr_H100_v5", 96, 1900, "x86_64", "H100", 8, 80),
        ("Standard_NP10s", 10, 168, "x86_64", "standardNPSFamily", None, None),
        ("Standard_NV4as_v4", 4, 14, "x86_64", "MI25", 0.125, 16),
        ("Standard_NX8s_v9", 8, 64, "x86_64", "standardNXSv9Family", 1, None),
    ]


def test_unknown_accelerators_are_listed_by_the_checks(pages: Pages) -> None:
    """A machine of an unknown family is no machine without accelerators."""
    rejected = check(INSTANCE_TYPES, SOURCE.parse(pages, LOOK)["instance_types"]).rejected
    assert sorted(rejected.select("instance_type", "reason").rows()) == [
        ("Standard_NP10s", "unknown_accelerator"),
        ("Standard_NX8s_v9", "unknown_accelerator"),
    ]


def test_zones_and_restrictions(pages: Pages) -> None:
    """One zone is closed to the subscription, a whole region for H100, and regions without zones have one row."""
    offers = SOURCE.parse(pages, LOOK)["offers"].sort("instance_type", "region", "zone")
    wanted = ["Standard_D2s_v5", "Standard_ND96isr_H100_v5", "Standard_NV4as_v4"]
    assert offers.filter(instance_type=wanted[0]).select("region", "zone", "available").rows() == [
        ("eastus", "eastus-1", True),
        ("eastus", "eastus-2", False),
        ("eastus", "eastus-3", True),
        ("westus3", None, True),
    ]
    assert offers.filter(instance_type=wanted[1]).select("zone", "available").rows() == [("eastus-1", False)]
    assert offers.filter(instance_type=wanted[2]).select("zone", "available").rows() == [(None, True)]
    assert offers["price_usd_h"].null_count() == offers.height


def test_neither_secret_nor_token_is_in_a_page(pages: Pages) -> None:
    """Both go into the body and the headers of requests only."""
    assert not any(secret in page.body for page in pages for secret in (b"a-secret", b"a-token"))


def test_a_wrong_secret_is_said_and_not_shown(tmp_path: Path) -> None:
    """No token is given for it, and nothing else is asked."""
    with (
        provider_of(recorded_routes("azure_skus")) as provider,
        access_to(provider.mirror, tmp_path, ENV | {"AZURE_CLIENT_SECRET": "hunter2"}) as access,
        pytest.raises(RefusedError, match="no token for the service principal") as refusal,
    ):
        fetched(SOURCE, access)
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint}"
    assert len(provider.received) == 1


def test_a_token_that_opens_nothing_is_said(tmp_path: Path) -> None:
    """401 of the management API is no passing fault."""
    routes = [replace(r, content=r.content.replace(b"a-token", b"another")) for r in recorded_routes("azure_skus")]
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, ENV) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


@pytest.mark.parametrize("name", ["capabilities", "locationInfo", "resourceType", "regionType"])
def test_a_renamed_field_is_said(tmp_path: Path, name: str) -> None:
    """The answer is refused whole; nothing is guessed."""
    routes = [replace(r, content=r.content.replace(name.encode(), b"renamed")) for r in recorded_routes("azure_skus")]
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, ENV) as access,
        pytest.raises(AnswerError, match=f"{name}: field required"),
    ):
        fetched(SOURCE, access)


def test_the_token_does_not_follow_a_link_to_another_host(tmp_path: Path) -> None:
    """A link to the next page is followed on the management API alone."""
    routes = [
        replace(r, content=r.content.replace(b'"nextLink": "https://management.azure.com', b'"nextLink": "https://a.b'))
        for r in recorded_routes("azure_skus")
    ]
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, ENV) as access,
        pytest.raises(AnswerError, match="leads to another host"),
    ):
        fetched(SOURCE, access)
    assert not any("a.b" in request.url for request in provider.received)


def test_a_page_that_links_to_itself_is_said(tmp_path: Path) -> None:
    """The second page names itself as the next."""
    routes = recorded_routes("azure_skus")
    first = next(r for r in routes if b"nextLink" in r.content)
    routes = [replace(r, content=first.content) if r.query.get("$skiptoken") else r for r in routes]
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, ENV) as access,
        pytest.raises(RepeatedPageError, match="in circles after 2"),
    ):
        fetched(SOURCE, access)
