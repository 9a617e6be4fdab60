"""Azure's eviction rates: bands by the hour."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_fetchers.azure_eviction import SOURCE, band_of
from catalog_fetchers.base import Pages
from catalog_fetchers.errors import AnswerError, RepeatedPageError
from catalog_fetchers.rows import rows_of
from tests.kits.provider import Provider, Route, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

ENV = recorded_env("azure_eviction")
KNOWN = rows_of(
    OFFERS,
    [
        {"cloud": "azure", "region": "eastus", "instance_type": size, "purchase": Purchase.SPOT, "price_usd_h": 1.0}
        for size in ("Standard_D2s_v5", "Standard_ND96isr_H100_v5")
    ],
    source="a-list",
    observed_at=LOOK,
    confidence=Confidence.HIGH,
)


def looked(folder: Path, routes: Iterable[Route]) -> tuple[Pages, Provider]:
    """The pages of one look, and the provider with what it was asked."""
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, folder, ENV, known={OFFERS.name: KNOWN}) as access,
    ):
        return fetched(SOURCE, access), provider


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Azure answers to one look."""
    return looked(tmp_path, recorded_routes("azure_eviction"))[0]


def test_the_rows_conform(pages: Pages) -> None:
    """They are rows of SPOT_RISK, the same each time, and pass the checks."""
    require_conforming(SOURCE, pages)


def test_types_get_their_names_back(pages: Pages) -> None:
    """Azure writes them in lower case here; one that the catalog does not know is left out."""
    rows = SOURCE.parse(pages, LOOK)["spot_risk"]
    assert sorted(rows.select("region", "instance_type").rows()) == [
        ("eastus", "Standard_D2s_v5"),
        ("eastus", "Standard_ND96isr_H100_v5"),
        ("westeurope", "Standard_D2s_v5"),
    ]


@pytest.mark.parametrize(
    ("quoted", "low", "high"),
    [("0-5", 0, 0.05), ("5-10", 0.05, 0.1), ("20+", 0.2, 1), ("0-0", 0, 0), ("0-5%", 0, 0.05)],
)
def test_a_band_of_percents(quoted: str, low: float, high: float) -> None:
    """It is one of shares; the open one ends with all."""
    assert band_of(quoted) == (low, high)


def test_bands_are_of_an_hour(pages: Pages) -> None:
    """Azure says it of an hour, and so does the catalog."""
    rows = SOURCE.parse(pages, LOOK)["spot_risk"]
    assert set(rows["period_h"]) == {1.0}
    assert (rows["interruption_low"] < rows["interruption_high"]).all()


@pytest.mark.parametrize("quoted", ["low", "", "5 to 10", "-5"])
def test_another_form_of_band_is_said(quoted: str) -> None:
    """Nothing is guessed from it."""
    with pytest.raises(AnswerError, match="is no band"):
        band_of(quoted)


def test_the_second_page_is_asked_for_by_its_token(tmp_path: Path) -> None:
    """And the query has what paging needs: the column `id`, and an order."""
    asked = looked(tmp_path, recorded_routes("azure_eviction"))[1].received[1:]
    questions = [json.loads(request.body) for request in asked]
    assert [question["options"].get("$skipToken") for question in questions] == [None, "a-place"]
    assert all("project id," in question["query"] and "order by id" in question["query"] for question in questions)


def test_a_token_that_repeats_itself_is_said(tmp_path: Path) -> None:
    """The first page is given to its own token."""
    routes = [r for r in recorded_routes("azure_eviction") if r.body != "a-place"]
    with pytest.raises(RepeatedPageError, match="in circles after 2"):
        looked(tmp_path, routes)


@pytest.mark.parametrize("name", ["evictionRate", "skuName", "location"])
def test_a_renamed_field_is_said(tmp_path: Path, name: str) -> None:
    """The answer is refused whole; nothing is guessed."""
    routes = [
        replace(r, content=r.content.replace(f'"{name}"'.encode(), b'"renamed"'))
        for r in recorded_routes("azure_eviction")
    ]
    with pytest.raises(AnswerError, match=f"{name}: field required"):
        looked(tmp_path, routes)
