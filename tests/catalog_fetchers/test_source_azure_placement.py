"""Azure's placement scores: what is asked, and what the scores become."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.azure_placement import SOURCE, questions
from catalog_fetchers.base import Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import rows_of
from tests.kits.provider import Provider, Route, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


def types(sizes: Iterable[str]) -> pl.DataFrame:
    """INSTANCE_TYPES of these sizes, each with a GPU, and one without."""
    rows = [{"cloud": "azure", "instance_type": size, "accelerator": "T4", "accelerator_count": 1} for size in sizes]
    plain = {"cloud": "azure", "instance_type": "Standard_D2s_v5", "accelerator": None, "accelerator_count": None}
    return rows_of(INSTANCE_TYPES, [*rows, plain], source="s", observed_at=LOOK, confidence=Confidence.HIGH)


def sold(places: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """OFFERS of these sizes and regions."""
    rows = [
        {"cloud": "azure", "region": region, "instance_type": size, "purchase": Purchase.ON_DEMAND, "price_usd_h": 1.0}
        for size, region in places
    ]
    return rows_of(OFFERS, rows, source="s", observed_at=LOOK, confidence=Confidence.HIGH)


SIZES = ("Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5")
KNOWN = {
    INSTANCE_TYPES.name: types(SIZES),
    OFFERS.name: sold((size, region) for size in (*SIZES, "Standard_D2s_v5") for region in ("eastus", "westeurope")),
}


def looked(folder: Path, routes: Iterable[Route]) -> tuple[Pages, Provider]:
    """The pages of one look, and the provider with what it was asked."""
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, folder, recorded_env("azure_placement"), known=KNOWN) as access,
    ):
        return fetched(SOURCE, access), provider


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Azure answers to one look."""
    return looked(tmp_path, recorded_routes("azure_placement"))[0]


def test_the_rows_conform(pages: Pages) -> None:
    """They are rows of OBSERVATIONS, the same each time, and pass the checks."""
    require_conforming(SOURCE, pages)


def test_scores_are_levels_for_half_an_hour(pages: Pages) -> None:
    """High, medium and low are 1, 2/3 and 1/3, what is closed to the subscription is 0, and stale data says nothing."""
    rows = SOURCE.parse(pages, LOOK)["observations"].sort("instance_type", "region")
    assert rows.select("instance_type", "region", "zone", "purchase", "level").rows() == [
        (SIZES[0], "eastus", None, "spot", 1),
        (SIZES[0], "westeurope", None, "spot", 2 / 3),
        (SIZES[1], "eastus", None, "spot", 1 / 3),
        (SIZES[1], "westeurope", None, "spot", 0),
    ]
    assert set((rows["expires_at"] - LOOK).dt.total_minutes()) == {30}


def test_types_with_accelerators_are_asked_for_where_they_are_sold(tmp_path: Path) -> None:
    """One machine, in a region as a whole."""
    request = looked(tmp_path, recorded_routes("azure_placement"))[1].received[-1]
    assert json.loads(request.body) == {
        "desiredLocations": ["eastus", "westeurope"],
        "desiredSizes": [{"sku": size} for size in SIZES],
        "desiredCount": 1,
        "availabilityZones": False,
    }


def test_a_question_names_five_sizes_and_eight_regions_at_most() -> None:
    """Seven sizes in nine regions are four questions, and each pair is asked for once."""
    sizes = [f"Standard_NC{number}s_v3" for number in range(7)]
    regions = [f"region{number}" for number in range(9)]
    asked = list(questions(types(sizes), sold((size, region) for size in sizes for region in regions)))
    assert [(len(some), len(where)) for some, where in asked] == [(5, 8), (5, 1), (2, 8), (2, 1)]
    pairs = [(size, region) for some, where in asked for size in some for region in where]
    assert sorted(pairs) == sorted((size, region) for size in sizes for region in regions)


def test_it_is_read_only_when_it_is_named() -> None:
    """Questions are limited by the hour."""
    assert SOURCE.asked_for


def test_a_renamed_field_is_said(tmp_path: Path) -> None:
    """The answer is refused whole; nothing is guessed."""
    routes = [replace(r, content=r.content.replace(b'"score"', b'"grade"')) for r in recorded_routes("azure_placement")]
    pages = looked(tmp_path, routes)[0]
    with pytest.raises(AnswerError, match="score: field required"):
        SOURCE.parse(pages, LOOK)
