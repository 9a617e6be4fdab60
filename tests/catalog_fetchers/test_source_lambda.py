"""Lambda: what its one answer becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.lambda_cloud import SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Lambda answers to one look."""
    with (
        provider_of(recorded_routes("lambda")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("lambda")) as access,
    ):
        return fetched(SOURCE, access)


def test_cents_are_dollars_and_the_price_holds_in_each_known_region(pages: Pages) -> None:
    """1432 ct/h are 14.32 USD/h, in the region that has capacity and in those that have none."""
    offers = SOURCE.parse(pages, LOOK)["offers"]
    eight = offers.filter(instance_type="gpu_8x_a100_80gb_sxm4").sort("region")
    assert eight.select("region", "price_usd_h", "available").rows() == [
        ("us-east-1", 14.32, True),
        ("us-east-3", 14.32, None),
    ]


def test_the_model_is_read_from_the_name(pages: Pages) -> None:
    """`a100_80gb_sxm4` is the 80 GB model, `cpu_4x_general` has no accelerator, and GH200 is an ARM machine."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.select("instance_type", "accelerator", "accelerator_count", "arch").rows() == [
        ("cpu_4x_general", None, None, "x86_64"),
        ("gpu_1x_gh200", "GH200", 1, "arm64"),
        ("gpu_1x_h100_sxm5", "H100", 1, "x86_64"),
        ("gpu_8x_a100_80gb_sxm4", "A100-80GB", 8, "x86_64"),
    ]


def test_no_region_with_capacity_is_an_observation_of_none(pages: Pages) -> None:
    """H100 is free nowhere: level 0 in both known regions, for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type="gpu_1x_h100_sxm5")
    assert seen["level"].to_list() == [0, 0]
    assert (seen["expires_at"] - LOOK).dt.total_minutes().to_list() == [30, 30]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault: the key has to be renewed."""
    with (
        provider_of(recorded_routes("lambda")) as provider,
        access_to(provider.mirror, tmp_path, {"LAMBDA_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 1


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price field the answer is refused whole; nothing is guessed."""
    renamed = [
        type(page)(page.name, page.body.replace(b"price_cents_per_hour", b"price_cents_hourly")) for page in pages
    ]
    with pytest.raises(AnswerError, match="price_cents_per_hour: field required"):
        SOURCE.parse(renamed, LOOK)


def test_the_key_may_stand_in_the_file_of_the_clouds_own_tools(tmp_path: Path) -> None:
    """`~/.lambda_cloud/lambda_keys` is where users of other tools have it."""
    assert "set LAMBDA_API_KEY" in SOURCE.missing({}, tmp_path)
    (tmp_path / ".lambda_cloud").mkdir()
    (tmp_path / ".lambda_cloud" / "lambda_keys").write_text("api_key = a-key\n")
    assert SOURCE.missing({}, tmp_path) == ""
