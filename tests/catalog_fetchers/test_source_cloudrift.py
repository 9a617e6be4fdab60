"""CloudRift: what its one answer becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.cloudrift import SOURCE
from catalog_fetchers.errors import AnswerError
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What CloudRift answers to one look."""
    with (
        provider_of(recorded_routes("cloudrift")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("cloudrift")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_it_asks_for_virtual_machines_without_a_key(tmp_path: Path) -> None:
    """The question has a version and names the service; nobody is asked who they are."""
    with (
        provider_of(recorded_routes("cloudrift")) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
    ):
        fetched(SOURCE, access)
    question = json.loads(provider.received[0].body)
    assert set(question) == {"version", "data"}
    assert question["data"] == {"selector": {"ByServiceAndLocation": {"services": ["vm"]}}}
    assert not {"x-api-key", "authorization"} & set(provider.received[0].headers)


def test_cents_of_the_whole_machine_in_each_data_centre(pages: Pages) -> None:
    """139.36 ct/h are 1.3936 USD/h; the node in eu-y-1 is let, and the type is still sold there."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="rtxpro6000-11-50-500-1l.1").sort("region")
    assert offers.select("region", "price_usd_h", "available", "quantity").rows() == [
        ("eu-y-1", pytest.approx(1.3936), None, None),
        ("us-x-1", pytest.approx(1.3936), True, 1),
    ]


def test_bytes_are_gib_and_memory_of_a_card_is_that_of_one(pages: Pages) -> None:
    """Two RTX PRO 6000 have 96 GiB each."""
    machine = SOURCE.parse(pages, LOOK)["instance_types"].filter(instance_type="rtxpro6000-11-50-500-1l.2")
    columns = ("vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib", "local_ssd_gib")
    assert machine.select(columns).rows() == [(22, 100, "RTXPRO6000", 2, 96, 1000)]


def test_a_machine_without_gpus(pages: Pages) -> None:
    """Its brand is no accelerator."""
    machine = SOURCE.parse(pages, LOOK)["instance_types"].filter(instance_type="cpu-8-32-100")
    assert machine.select("accelerator", "accelerator_count").rows() == [(None, None)]


def test_no_free_node_is_an_observation_of_none(pages: Pages) -> None:
    """Level 0 in eu-y-1 and 1 in us-x-1, for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type="rtxpro6000-11-50-500-1l.1").sort("region")
    assert seen.select("region", "level").rows() == [("eu-y-1", 0), ("us-x-1", 1)]
    assert set((seen["expires_at"] - LOOK).dt.total_minutes()) == {30}


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"cost_per_hour", b"hourly_cost")) for page in pages]
    with pytest.raises(AnswerError, match=r"variants\.0\.cost_per_hour: field required"):
        SOURCE.parse(renamed, LOOK)
