"""Azure's spot placement scores: how likely one spot machine is to start now, for types with accelerators.

A question names up to five sizes and eight regions, and questions are limited by the hour, so only types with
accelerators are asked for, in the regions where the catalog knows them. The score holds for a region as a whole.
Asking needs the role Compute Recommendations Role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from pydantic import BaseModel

from catalog_data.schema import OBSERVATIONS, Confidence, Purchase, Signal
from catalog_fetchers import azure_auth
from catalog_fetchers.answers import read_as
from catalog_fetchers.azure_names import CLOUD
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import rows_of

NAME: Final = "azure_placement"
VERSION: Final = "2025-06-05"
SIZES_A_QUESTION: Final = 5
REGIONS_A_QUESTION: Final = 8
HOLDS: Final = timedelta(minutes=30)
"""Azure advises to ask again after 15 to 30 minutes."""

LEVELS: Final[Mapping[str, float]] = {
    "High": 1,
    "Medium": 2 / 3,
    "Low": 1 / 3,
    "RestrictedSkuNotAvailable": 0,
}
"""The level of each score. Others, such as `DataNotFoundOrStale`, say nothing of capacity."""


class _Score(BaseModel):
    sku: str
    region: str
    score: str


class _Answer(BaseModel):
    placementScores: list[_Score]  # noqa: N815 (Azure's name)


def fetch(access: Access) -> Iterator[Page]:
    """An answer for each question."""
    opened = azure_auth.session(access)
    for number, (sizes, regions) in enumerate(questions(access.instance_types, access.offers), start=1):
        place = f"{opened.url}/providers/Microsoft.Compute/locations/{regions[0]}"
        question = {
            "desiredLocations": regions,
            "desiredSizes": [{"sku": size} for size in sizes],
            "desiredCount": 1,
            "availabilityZones": False,
        }
        url = f"{place}/placementScores/spot/generate?api-version={VERSION}"
        yield Page(f"scores/{number}", access.client.post(url, json=question, headers=opened.headers))


def questions(instance_types: pl.DataFrame, offers: pl.DataFrame) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Sizes and regions of each question: types with accelerators (of INSTANCE_TYPES) where OFFERS has them."""
    accelerated = instance_types.filter(pl.col("cloud") == CLOUD, pl.col("accelerator").is_not_null())
    sold = offers.filter(pl.col("cloud") == CLOUD).join(accelerated, on="instance_type", how="semi")
    for sizes in _parts(sold["instance_type"], SIZES_A_QUESTION):
        regions = sold.filter(pl.col("instance_type").is_in(sizes))["region"]
        for some in _parts(regions, REGIONS_A_QUESTION):
            yield sizes, some


def _parts(values: pl.Series, size: int) -> Iterator[list[str]]:
    listed = values.unique().sort().to_list()
    return (listed[start : start + size] for start in range(0, len(listed), size))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OBSERVATIONS of spot capacity by region."""
    scores = [score for page in pages for score in read_as(_Answer, page.body, page.name).placementScores]
    rows = rows_of(
        OBSERVATIONS,
        (_row(score, observed_at + HOLDS) for score in scores if score.score in LEVELS),
        source=NAME,
        observed_at=observed_at,
        confidence=Confidence.HIGH,
    )
    return {OBSERVATIONS.name: rows}


def _row(score: _Score, expires_at: datetime) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "region": score.region.lower(),
        "instance_type": score.sku,
        "purchase": Purchase.SPOT,
        "signal": Signal.PLACEMENT_SCORE,
        "level": LEVELS[score.score],
        "expires_at": expires_at,
    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="how likely a spot machine with accelerators is to start now",
    page="https://learn.microsoft.com/azure/virtual-machine-scale-sets/spot-placement-score",
    needs=f"{azure_auth.NEEDS}; with the Compute Recommendations Role",
    missing=azure_auth.missing,
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=0.5,
    asked_for=True,
)
