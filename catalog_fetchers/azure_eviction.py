"""How often Azure takes spot machines back: the eviction rate of each size in each region over the last 28 days.

Azure quotes the rate per hour: at 10 % a machine has a chance of 10 % of being evicted within the next hour
(learn.microsoft.com/azure/virtual-machines/spot-vms). It gives bands: 0-5, 5-10, 10-15, 15-20 and 20+ percent.
They are kept as bands of an hour: hardly a machine lasts a month at 5 %.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from catalog_data.schema import SPOT_RISK, Confidence
from catalog_fetchers import azure_auth
from catalog_fetchers.answers import read_as
from catalog_fetchers.azure_names import CLOUD
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.rows import rows_of

NAME: Final = "azure_eviction"
URL: Final = f"{azure_auth.MANAGEMENT}/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
# Without `id` among the columns the answer names no next page; without an order pages overlap.
QUERY: Final = """
SpotResources
| where type =~ 'microsoft.compute/skuspotevictionrate/location'
| project id, skuName = tostring(sku.name), location, evictionRate = tostring(properties.evictionRate)
| where isnotempty(skuName) and isnotempty(location) and isnotempty(evictionRate)
| order by id asc
""".strip()
ROWS_A_PAGE: Final = 1000
KNOWN_TYPES: Final = "known_types"
PERIOD_H: Final = 1.0
BAND: Final = re.compile(r"(?P<low>\d+)(?:-(?P<high>\d+)|\+)")


class _Rate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    sku_name: str
    location: str
    eviction_rate: str


class _Answer(BaseModel):
    data: list[_Rate]
    skip_token: str | None = Field(None, alias="$skipToken")


def fetch(access: Access) -> Iterator[Page]:
    """The pages of the answer, and the names of the types that the catalog knows."""
    opened = azure_auth.session(access)
    pages: list[Page] = []

    def read(token: str) -> str | None:
        options = {"resultFormat": "objectArray", "$top": ROWS_A_PAGE} | ({"$skipToken": token} if token else {})
        question = {"subscriptions": [opened.subscription], "query": QUERY, "options": options}
        body = access.client.post(URL, json=question, headers=opened.headers)
        pages.append(Page(f"rates/{len(pages) + 1}", body))
        return read_as(_Answer, body, "eviction rates").skip_token or None

    access.client.follow("", read)
    yield from pages
    known = sorted({*access.instance_types["instance_type"], *access.offers["instance_type"]})
    yield Page(KNOWN_TYPES, json.dumps(known).encode())


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """SPOT_RISK by region, of the types that the catalog knows: the answer writes their names in lower case."""
    known = next(read_as(list[str], page.body, page.name) for page in pages if page.name == KNOWN_TYPES)
    names = {name.lower(): name for name in known}
    rates = [rate for page in pages if page.name != KNOWN_TYPES for rate in read_as(_Answer, page.body, page.name).data]
    rows = rows_of(
        SPOT_RISK, _rows(rates, names), source=NAME, observed_at=observed_at, confidence=Confidence.HIGH
    ).unique(SPOT_RISK.key, keep="first", maintain_order=True)
    return {SPOT_RISK.name: rows}


def _rows(rates: Iterable[_Rate], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for rate in rates:
        name = names.get(rate.sku_name.lower())
        low, high = band_of(rate.eviction_rate)
        if name:
            yield {
                "cloud": CLOUD,
                "region": rate.location.lower(),
                "instance_type": name,
                "interruption_low": low,
                "interruption_high": high,
                "period_h": PERIOD_H,
            }


def band_of(quoted: str) -> tuple[float, float]:
    """The shares (0 to 1) between which a rate in percent lies, such as `5-10` or `20+`.

    Raises:
        AnswerError: it is no such band.
    """
    band = BAND.fullmatch(quoted.strip().removesuffix("%"))
    if band is None:
        raise AnswerError(f"eviction rates: {quoted!r} is no band of percents")
    low, high = (min(int(percent) / 100, 1.0) for percent in (band["low"], band["high"] or "100"))
    return low, high


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="how often spot machines are taken back, by type and region",
    page="https://learn.microsoft.com/azure/virtual-machines/spot-vms",
    needs=azure_auth.NEEDS,
    missing=azure_auth.missing,
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=2,
)
