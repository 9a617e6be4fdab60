"""The Spot Instance Advisor: how often EC2's spot machines were taken back in the last month, as bands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from catalog_data.schema import MONTH_H, SPOT_RISK, Confidence
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_hardware import CLOUD
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import rows_of

NAME: Final = "aws_spot_advisor"
URL: Final = "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json"


class _Range(BaseModel):
    index: int
    label: str


class _Entry(BaseModel):
    range_index: int = Field(alias="r")


class _Region(BaseModel):
    linux: dict[str, _Entry] = Field(alias="Linux")


class _Advice(BaseModel):
    ranges: list[_Range]
    spot_advisor: dict[str, _Region]


def fetch(access: Access) -> Iterator[Page]:
    """The one file."""
    yield Page("advice", access.client.get(URL))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """SPOT_RISK by region and type, for Linux."""
    (page,) = pages
    advice = read_as(_Advice, page.body, "spot advice")
    bands = {each.index: _band(each.label) for each in advice.ranges}
    return {
        SPOT_RISK.name: rows_of(
            SPOT_RISK, _risks(advice, bands), source=NAME, observed_at=observed_at, confidence=Confidence.HIGH
        )
    }


def _risks(advice: _Advice, bands: dict[int, tuple[float, float]]) -> Iterator[dict[str, Any]]:
    for region, listed in advice.spot_advisor.items():
        for name, entry in listed.linux.items():
            if entry.range_index not in bands:
                raise AnswerError(
                    f"spot advice: {name} in {region} is in band {entry.range_index}, which is not listed"
                )
            low, high = bands[entry.range_index]
            yield {
                "cloud": CLOUD,
                "region": region,
                "instance_type": name,
                "interruption_low": low,
                "interruption_high": high,
                "period_h": MONTH_H,
            }


def _band(label: str) -> tuple[float, float]:
    """The shares that `<5%`, `5-10%` or `>20%` stands for. The file's own upper ends (`max`: 11, 16, 22) overlap."""
    found = re.fullmatch(r"(?:<(?P<below>\d+)|(?P<low>\d+)-(?P<high>\d+)|>(?P<above>\d+))%", label)
    if found is None:
        raise AnswerError(f"spot advice: no band is called {label!r}")
    low, high = found["low"] or found["above"] or 0, found["high"] or found["below"] or 100
    return int(low) / 100, int(high) / 100


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="bands of spot interruptions",
    page="https://aws.amazon.com/ec2/spot/instance-advisor/",
    fetch=fetch,
    parse=parse,
)
