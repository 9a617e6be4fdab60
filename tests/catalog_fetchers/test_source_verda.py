"""Verda: what its types and its answers about capacity become."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from catalog_data.schema import OFFERS
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.verda import SOURCE
from tests.kits.provider import Fault, provider_of, recorded_env, recorded_routes
from tests.kits.rows import offer, offers
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Verda answers to one look, while the catalog knows of A100 and of a type that is no more in Iceland."""
    known = offers(
        offer(cloud="verda", region="ICE-01", instance_type="8A100.176V"),
        offer(cloud="verda", region="ICE-01", instance_type="1K80.6V"),
    )
    with (
        provider_of(recorded_routes("verda")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("verda"), known={OFFERS.name: known}) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_prices_are_texts_and_hold_in_each_location(pages: Pages) -> None:
    """What is free at a location is offered there, on demand and as spot, each at its price."""
    free = SOURCE.parse(pages, LOOK)["offers"].filter(available=True).sort("purchase", "region", "instance_type")
    assert free.select("purchase", "region", "instance_type", "price_usd_h").rows() == [
        ("on_demand", "FIN-01", "1H100.80S.30V", 2.29),
        ("on_demand", "FIN-01", "2RTX6000ADA.20V", 1.65),
        ("on_demand", "FIN-01", "CPU.4V.16G", 0.0279),
        ("on_demand", "ICE-01", "CPU.4V.16G", 0.0279),
        ("spot", "FIN-01", "8A100.176V", 3.61),
    ]


def test_a_spot_price_of_zero_is_none(pages: Pages) -> None:
    """Two RTX 6000 Ada are said to be free as spot, for nothing."""
    pair = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type="2RTX6000ADA.20V")
    assert pair["purchase"].to_list() == ["on_demand"]


def test_what_was_sold_before_stays_an_offer_without_capacity(pages: Pages) -> None:
    """The A100 that the catalog knows in Iceland is not free now; the type that is no longer listed is gone."""
    tables = SOURCE.parse(pages, LOOK)
    iceland = tables["offers"].filter(pl.col("available").is_null())
    assert iceland.select("region", "instance_type", "purchase", "price_usd_h").rows() == [
        ("ICE-01", "8A100.176V", "on_demand", 10.32)
    ]
    levels = tables["observations"].filter(region="ICE-01").sort("instance_type")
    assert levels.select("instance_type", "level").rows() == [("8A100.176V", 0), ("CPU.4V.16G", 1)]
    assert (levels["expires_at"] - LOOK).dt.total_minutes().to_list() == [30, 30]


def test_models_are_read_from_descriptions(pages: Pages) -> None:
    """`8x A100 SXM4 80GB` is the 80 GB model; the memory of all GPUs is shared out among them."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.select("instance_type", "accelerator", "accelerator_count", "accelerator_memory_gib").rows() == [
        ("1H100.80S.30V", "H100", 1, 80),
        ("1RTXPRO6000.30V", "RTXPRO6000", 1, 96),
        ("2RTX6000ADA.20V", "RTX6000-Ada", 2, 48),
        ("8A100.176V", "A100-80GB", 8, 80),
        ("CPU.4V.16G", None, None, None),
    ]


def test_locations_have_their_country(pages: Pages) -> None:
    """Workloads that must stay in a country or a continent need to know."""
    regions = SOURCE.parse(pages, LOOK)["regions"]
    assert regions.select("region", "country", "continent").rows() == [
        ("FIN-01", "FI", "europe"),
        ("ICE-01", "IS", "europe"),
    ]


def test_the_secret_stays_in_the_question_for_the_token(tmp_path: Path, pages: Pages) -> None:
    """Neither the secret nor the token is in a page or an address."""
    with (
        provider_of(recorded_routes("verda")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("verda")) as access,
    ):
        fetched(SOURCE, access)
    said = [*(page.body for page in pages), *(str(request.query).encode() for request in provider.received)]
    assert not any(secret in text for text in said for secret in (b"a-secret", b"a-token"))


def test_refused_credentials_are_said(tmp_path: Path) -> None:
    """Without a token nothing else is asked; without credentials nothing is asked at all."""
    with (
        provider_of(recorded_routes("verda")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("verda")) as access,
    ):
        provider.fail(Fault(status=401))
        with pytest.raises(RefusedError, match="credentials are not accepted"):
            fetched(SOURCE, access)
    assert len(provider.received) == 1
    assert SOURCE.missing({}, tmp_path) == "set VERDA_CLIENT_ID and VERDA_CLIENT_SECRET"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"price_per_hour", b"hourly_price", "price_per_hour: field required"),
        (b'"usd"', b'"eur"', "prices in eur, not usd"),
    ],
)
def test_an_answer_of_another_form_is_said(pages: Pages, before: bytes, after: bytes, message: str) -> None:
    """A renamed field or prices in euros: nothing is guessed."""
    changed = [Page(page.name, page.body.replace(before, after)) for page in pages]
    with pytest.raises(AnswerError, match=message):
        SOURCE.parse(changed, LOOK)
