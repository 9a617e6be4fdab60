"""Azure's price list: what Linux machines cost in each region, on demand, as spot and reserved.

The list has a row for each meter, and meters of Windows, of Cloud Services, of dedicated hosts, of low-priority
machines (the forerunner of spot) and of Dev/Test subscriptions stand beside those wanted here. A reservation's price is
that of its whole term. A meter that bills a region may be there twice, once as the primary one. Prices to come have a
start in the future, and those they follow stay in the list.

It names no hardware, and no zones. Pages hold a thousand rows each and come by the hundred: only the fields that are
read here are kept of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.azure_links import link_within
from catalog_fetchers.azure_names import CLOSED, CLOUD
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.rows import stamped

NAME: Final = "azure_retail"
URL: Final = "https://prices.azure.com/api/retail/prices"
VERSION: Final = "2023-01-01-preview"

# The filter knows `eq`, `and` and `contains`; values count with their case.
OF_MACHINES: Final = "serviceName eq 'Virtual Machines'"
LISTS: Final = {
    "consumption": f"{OF_MACHINES} and priceType eq 'Consumption' and contains(productName, 'Windows') eq false"
    " and contains(meterName, 'Low Priority') eq false",
    "reservation": f"{OF_MACHINES} and priceType eq 'Reservation'",
}

HOURS_A_YEAR: Final = 8760
TERM_HOURS: Final = {"1 Year": HOURS_A_YEAR, "3 Years": 3 * HOURS_A_YEAR}
PURCHASES: Final = {"1 Year": Purchase.RESERVED_1Y.value, "3 Years": Purchase.RESERVED_3Y.value}

OTHER_PRODUCTS: Final = r" Win(dows)?\b|Cloud ?Services|Dedicated"
"""Products of the service that are no Linux machines (some of Windows end in ` Win` only)."""


SIZE: Final = r"^(Standard|Basic)_"
HOURLY: Final = "1 Hour"


class _Meter(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    currency_code: str
    retail_price: float | None
    arm_region_name: str
    arm_sku_name: str
    meter_name: str
    sku_name: str
    product_name: str
    unit_of_measure: str
    type: str
    is_primary_meter_region: bool
    effective_start_date: AwareDatetime
    effective_end_date: AwareDatetime | None = None
    reservation_term: str | None = None


class _Answer(BaseModel):
    items: list[_Meter] = Field(alias="Items")
    next_page: str | None = Field(alias="NextPageLink")


class _Link(BaseModel):
    next_page: str | None = Field(alias="NextPageLink")


_SCHEMA: Final = pl.Schema(
    dict.fromkeys(_Meter.model_fields, pl.String())
    | {"retail_price": pl.Float64(), "is_primary_meter_region": pl.Boolean()}
    | dict.fromkeys(("effective_start_date", "effective_end_date"), pl.Datetime("us", "UTC"))
)


def fetch(access: Access) -> Iterator[Page]:
    """The pages of both lists, reduced to the fields that `parse` reads."""
    for name, wanted in LISTS.items():
        yield from _pages(access, name, wanted)


def _pages(access: Access, name: str, wanted: str) -> list[Page]:
    pages: list[Page] = []

    def read(link: str) -> str | None:
        body = access.client.reduced(link, access.folder, _reduced)
        pages.append(Page(f"{name}/{len(pages) + 1}", body))
        following = read_as(_Link, body, "prices").next_page
        return link_within(following, URL) if following else None

    query = urlencode({"api-version": VERSION, "currencyCode": "USD", "$filter": wanted}, quote_via=quote)
    access.client.follow(f"{URL}?{query}", read)
    return pages


def _reduced(file: Path) -> bytes:
    answer = read_as(_Answer, file.read_bytes(), "prices")
    return answer.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OFFERS by region: on demand, spot, and reserved for one and three years."""
    meters = pl.concat([pl.DataFrame(schema=_SCHEMA), *map(_meters, pages)])
    offers = _unambiguous(_priced(meters.filter(_is_of_linux_machine(), _holds_at(observed_at))))
    return {OFFERS.name: stamped(OFFERS, offers, source=NAME, observed_at=observed_at, confidence=Confidence.HIGH)}


def _meters(page: Page) -> pl.DataFrame:
    items = read_as(_Answer, page.body, page.name).items
    return pl.DataFrame([item.model_dump() for item in items], schema=_SCHEMA)


def _is_of_linux_machine() -> pl.Expr:
    low_priority = pl.any_horizontal(pl.col("meter_name", "sku_name").str.contains("Low Priority", literal=True))
    region = pl.col("arm_region_name")
    return (
        (pl.col("currency_code") == "USD")
        & pl.col("arm_sku_name").str.contains(SIZE)
        & ~pl.col("product_name").str.contains(OTHER_PRODUCTS)
        & ~low_priority
        & (region != "")
        & ~region.str.contains(CLOSED)
    )


def _holds_at(instant: datetime) -> pl.Expr:
    over = (pl.col("effective_end_date") <= instant).fill_null(value=False)
    return (pl.col("effective_start_date") <= instant) & ~over


def _priced(meters: pl.DataFrame) -> pl.DataFrame:
    """The meters with their `purchase` and `price_usd_h`, without those of other purchases, units and terms."""
    spot = pl.any_horizontal(pl.col("meter_name", "sku_name").str.ends_with(" Spot"))
    hourly = pl.when(spot).then(pl.lit(Purchase.SPOT.value)).otherwise(pl.lit(Purchase.ON_DEMAND.value))
    term = pl.col("reservation_term")
    purchase = (
        pl.when(pl.col("type") == "Reservation")
        .then(term.replace_strict(PURCHASES, default=None, return_dtype=pl.String))
        .when((pl.col("type") == "Consumption") & (pl.col("unit_of_measure") == HOURLY))
        .then(hourly)
    )
    # $/term / (h/term) = $/h
    hours = term.replace_strict(TERM_HOURS, default=1, return_dtype=pl.Int64)
    priced = meters.with_columns(purchase=purchase, price_usd_h=pl.col("retail_price") / hours)
    return priced.filter(pl.col("purchase").is_not_null(), pl.col("price_usd_h") > 0)


def _unambiguous(priced: pl.DataFrame) -> pl.DataFrame:
    """One row for each offer: of its primary meter, the price that came into force last."""
    offers = priced.select(
        cloud=pl.lit(CLOUD),
        region="arm_region_name",
        instance_type="arm_sku_name",
        purchase="purchase",
        price_usd_h="price_usd_h",
        primary="is_primary_meter_region",
        since="effective_start_date",
    )
    offers = offers.sort("primary", "since", "price_usd_h", descending=[True, True, False])
    return offers.unique(("region", "instance_type", "purchase"), keep="first", maintain_order=True)


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="on-demand, spot and reserved prices of Linux machines in every region",
    page="https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices",
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND, Purchase.SPOT, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y),
    per_second=3,
)
