"""Crusoe: what its types and capacities become, and how its requests are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.crusoe import SOURCE, signed
from catalog_fetchers.errors import AnswerError, RefusedError
from tests.kits.provider import Fault, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Crusoe answers to one look."""
    with (
        provider_of(recorded_routes("crusoe")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("crusoe")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them, though they have no prices."""
    require_conforming(SOURCE, pages)


def test_an_offer_says_where_and_how_many_and_no_price(pages: Pages) -> None:
    """Of two entries for one place the larger counts; a type that is not listed, or not in stock, is no offer."""
    offers = SOURCE.parse(pages, LOOK)["offers"].sort("region")
    columns = ("region", "instance_type", "purchase", "price_usd_h", "available", "quantity")
    assert offers.select(columns).rows() == [
        ("us-east1-a", "h100-80gb-sxm-ib.8x", "on_demand", None, True, 3),
        ("us-northcentral1-a", "c1a.4x", "on_demand", None, True, 100),
    ]


def test_no_capacity_is_an_observation_of_none(pages: Pages) -> None:
    """Level 0 for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type="a100-80gb.1x")
    assert seen.select("region", "level").rows() == [("us-northcentral1-a", 0)]
    assert (seen["expires_at"] - LOOK).dt.total_minutes().to_list() == [30]


def test_models_are_read_from_the_gpu_type(pages: Pages) -> None:
    """Form and memory stand in the name: `A100-PCIe-80GB` is not `A100-PCIe-40GB`, and GB200 has an Arm processor."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.select("instance_type", "accelerator", "accelerator_count", "arch").rows() == [
        ("a100-80gb.1x", "A100-80GB", 1, "x86_64"),
        ("a100.2x", "A100", 2, "x86_64"),
        ("c1a.4x", None, None, "x86_64"),
        ("gb200-186gb-nvl-ib.4x", "GB200", 4, "arm64"),
        ("h100-80gb-sxm-ib.8x", "H100", 8, "x86_64"),
        ("mi355x-288gb-roce.8x", "MI355X", 8, "x86_64"),
    ]


def test_each_request_is_signed_over_its_path_and_time(tmp_path: Path) -> None:
    """The server can compute the signature from what it received and the secret key, which it did not receive."""
    env = recorded_env("crusoe")
    with provider_of(recorded_routes("crusoe")) as provider, access_to(provider.mirror, tmp_path, env) as access:
        fetched(SOURCE, access)
    assert len(provider.received) == 2
    for request in provider.received:
        path = request.url.removeprefix("https://api.cloud.crusoe.ai")
        message = f"{path}\n\nGET\n{request.headers['x-crusoe-timestamp']}\n"
        mac = hmac.new(b"secret-key", message.encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        assert request.headers["authorization"] == f"Bearer 1.0:an-id:{signature}"
        assert env["CRUSOE_SECRET_KEY"] not in str(request)


def test_the_time_is_utc_in_whole_seconds() -> None:
    """As RFC 3339 writes it."""
    headers = signed("https://host/v1/x", datetime(2026, 11, 1, 6, 0, 0, 999, tzinfo=UTC), recorded_env("crusoe"))
    assert headers["X-Crusoe-Timestamp"] == "2026-11-01T06:00:00Z"


def test_a_secret_key_that_is_none_is_said(tmp_path: Path) -> None:
    """It is never sent, and the message does not repeat it."""
    env = recorded_env("crusoe") | {"CRUSOE_SECRET_KEY": "no key!"}
    with (
        provider_of(recorded_routes("crusoe")) as provider,
        access_to(provider.mirror, tmp_path, env) as access,
        pytest.raises(RefusedError, match="CRUSOE_SECRET_KEY is no secret key") as raised,
    ):
        fetched(SOURCE, access)
    assert "no key!" not in str(raised.value)
    assert provider.received == []


def test_a_refused_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault: the key has to be renewed."""
    with (
        provider_of(recorded_routes("crusoe")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("crusoe")) as access,
    ):
        provider.fail(Fault(status=401))
        with pytest.raises(RefusedError, match="credentials are not accepted"):
            fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without the number of machines the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"quantity", b"count")) for page in pages]
    with pytest.raises(AnswerError, match=r"capacities: items\.0\.quantity: field required"):
        SOURCE.parse(renamed, LOOK)


def test_what_it_needs_is_said(tmp_path: Path) -> None:
    """All three, by name."""
    assert SOURCE.missing({}, tmp_path) == "set CRUSOE_ACCESS_KEY_ID and CRUSOE_SECRET_KEY and CRUSOE_PROJECT_ID"
