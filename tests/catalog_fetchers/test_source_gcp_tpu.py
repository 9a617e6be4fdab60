"""Google Cloud TPU: the slices of each zone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from catalog_fetchers.base import Access, Pages
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError
from catalog_fetchers.gcp_tpu import SOURCE
from tests.kits.provider import RECORDED, Fault, Provider, provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

ENV: Final = {
    "GOOGLE_CLOUD_PROJECT": "a-project",
    "GOOGLE_APPLICATION_CREDENTIALS": str(RECORDED / "gcp_compute" / "credentials.json"),
}


@contextmanager
def tpu_api(folder: Path) -> Iterator[tuple[Provider, Access]]:
    """The API, and a user's access to it."""
    with provider_of(recorded_routes("gcp_tpu")) as provider, access_to(provider.mirror, folder, ENV) as access:
        yield provider, access


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What the API answers to one look."""
    with tpu_api(tmp_path) as (_, access):
        return fetched(SOURCE, access)


def test_slices_are_listed_by_zone(pages: Pages) -> None:
    """Each with its region; none of the zone that is closed to the project."""
    offers = require_conforming(SOURCE, pages)["offers"]
    assert offers.filter(instance_type="v5litepod-4").select("region", "zone", "price_usd_h", "available").rows() == [
        ("us-central1", "us-central1-a", None, True),
        ("us-west4", "us-west4-a", None, True),
    ]
    assert set(offers["zone"]) == {"us-central1-a", "us-west4-a"}


def test_a_slice_holds_chips_and_hosts(pages: Pages) -> None:
    """Names count cores up to v5p and chips from v5e on; a slice of four hosts has four times their vCPUs."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    columns = ("instance_type", "accelerator", "accelerator_count", "accelerator_memory_gib", "vcpus", "memory_gib")
    assert machines.select(*columns).rows() == [
        ("v2-8", "TPU-v2", 4, 16, None, None),
        ("v5litepod-16", "TPU-v5e", 16, 16, 448, 768),
        ("v5litepod-4", "TPU-v5e", 4, 16, 112, 192),
        ("v5p-8", "TPU-v5p", 4, 95, 208, 448),
        ("v6e-8", "TPU-v6e", 8, 32, 180, 1440),
    ]


def test_the_zone_that_never_answers_is_not_asked(tmp_path: Path) -> None:
    """us-east1-b is listed, and answers 503 to every question."""
    with tpu_api(tmp_path) as (provider, access):
        fetched(SOURCE, access)
    assert [seen.url.rpartition("/locations")[2] for seen in provider.received[1:]] == [
        "",
        "/us-central1-a/acceleratorTypes",
        "/us-west4-a/acceleratorTypes",
        "/us-central2-b/acceleratorTypes",
    ]


def test_all_zones_closed_is_a_refusal(tmp_path: Path) -> None:
    """The API is not enabled in the project: that is no list without slices."""
    with tpu_api(tmp_path) as (provider, access):
        provider.fail(Fault(), Fault(), Fault(status=403, times=3))
        with pytest.raises(RefusedError, match="not accepted"):
            fetched(SOURCE, access)


def test_a_zone_without_an_answer_is_not_left_out(tmp_path: Path) -> None:
    """What is not known of one zone must not look like a zone that sells nothing."""
    with tpu_api(tmp_path) as (provider, access):
        provider.fail(Fault(), Fault(), Fault(status=500, times=4))
        with pytest.raises(UnreachableError, match="us-central1-a/acceleratorTypes: answered 500"):
            fetched(SOURCE, access)


def test_a_slice_that_is_not_understood_stands_as_it_is(pages: Pages) -> None:
    """The checks list it; its chips are those of its topology."""
    strange = [
        replace(page, body=page.body.replace(b"v5litepod-16", b"v9x-20").replace(b"4x4", b"2x5")) for page in pages
    ]
    machines = SOURCE.parse(strange, LOOK)["instance_types"]
    assert machines.filter(instance_type="v9x-20").select("accelerator", "accelerator_count").rows() == [("v9x-20", 10)]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b'"type": "v', b'"kind": "v', "type: field required"),
        (b"acceleratorTypes", b"types", "no accelerator types in any zone"),
    ],
)
def test_a_renamed_field_is_said(pages: Pages, old: bytes, new: bytes, match: str) -> None:
    """A zone may have no slices, but not all zones."""
    with pytest.raises(AnswerError, match=match):
        SOURCE.parse([replace(page, body=page.body.replace(old, new)) for page in pages], LOOK)
