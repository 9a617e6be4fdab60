"""Azure's price list: which of its meters become offers, and at what price."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from catalog_fetchers.azure_retail import LISTS, SOURCE, URL
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError, RepeatedPageError
from tests.kits.provider import Route, provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What the list answers to one look."""
    with provider_of(recorded_routes("azure_retail")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        return fetched(SOURCE, access)


@pytest.fixture
def offers(pages: Pages) -> pl.DataFrame:
    """The offers of that look."""
    return SOURCE.parse(pages, LOOK)["offers"]


def price(offers: pl.DataFrame, region: str, instance_type: str, purchase: str) -> float:
    """The one price of an offer, USD/h."""
    found: float = offers.filter(region=region, instance_type=instance_type, purchase=purchase)["price_usd_h"].item()
    return found


def test_the_rows_conform(pages: Pages) -> None:
    """They are rows of OFFERS, the same each time, and pass the checks."""
    require_conforming(SOURCE, pages)


def test_all_pages_are_read_by_their_links(pages: Pages) -> None:
    """The link to the second page bears a port, which no address of a mirror has."""
    assert [page.name for page in pages] == ["consumption/1", "consumption/2", "reservation/1"]


def test_only_linux_machines_of_open_regions_are_offers(offers: pl.DataFrame) -> None:
    """No Windows, Cloud Services, hosts, low priority, Dev/Test, euros, blank names, zero prices or closed regions."""
    assert sorted(offers.select("region", "instance_type", "purchase", "price_usd_h").rows()) == [
        ("eastus", "Standard_D2s_v5", "on_demand", 0.096),
        ("eastus", "Standard_D2s_v5", "spot", 0.020362),
        ("eastus", "Standard_D4ds_v5", "reserved_1y", 1168 / 8760),
        ("eastus", "Standard_D4ds_v5", "reserved_3y", 2257 / 26280),
        ("eastus", "Standard_D4ps_v5", "on_demand", 0.154),
        ("eastus", "Standard_D4ps_v5", "spot", 0.032556),
        ("eastus", "Standard_ND96isr_H100_v5", "on_demand", 98.32),
        ("eastus", "Standard_ND96isr_H100_v5", "spot", 18.169536),
        ("eastus", "Standard_NV4as_v4", "on_demand", 0.233),
        ("eastus2", "Standard_NCC40ads_H100_v5", "on_demand", 6.98),
        ("southcentralus", "Standard_E64_v4", "reserved_1y", 25007 / 8760),
        ("westeurope", "Standard_D2s_v5", "on_demand", 0.115),
    ]


def test_a_reservation_costs_its_whole_term(offers: pl.DataFrame) -> None:
    """1168 USD for a year and 2257 for three are 0.133 and 0.086 USD/h: 41 and 62 % below the 0.226 on demand."""
    year, three = (price(offers, "eastus", "Standard_D4ds_v5", term) for term in ("reserved_1y", "reserved_3y"))
    assert (1 - year / 0.226, 1 - three / 0.226) == pytest.approx((0.41, 0.62), abs=0.005)


def test_the_price_that_holds_is_taken(pages: Pages, offers: pl.DataFrame) -> None:
    """A price to come is none yet, and then replaces the one before it."""
    assert price(offers, "eastus", "Standard_D2s_v5", "on_demand") == 0.096
    later = SOURCE.parse(pages, LOOK.replace(year=2027))["offers"]
    assert price(later, "eastus", "Standard_D2s_v5", "on_demand") == 0.105


def test_a_price_that_has_ended_is_gone(pages: Pages) -> None:
    """With the end of its last price an offer ends too."""
    ended = [
        replace(
            page,
            body=page.body.replace(
                b'"armSkuName":"Standard_NV4as_v4"',
                b'"armSkuName":"Standard_NV4as_v4","effectiveEndDate":"2026-10-31T00:00:00Z"',
            ),
        )
        for page in pages
    ]
    assert SOURCE.parse(ended, LOOK)["offers"].filter(instance_type="Standard_NV4as_v4").is_empty()


def test_the_primary_meter_counts(offers: pl.DataFrame) -> None:
    """Though the other meter of westeurope is the newer one."""
    assert price(offers, "westeurope", "Standard_D2s_v5", "on_demand") == 0.115


def test_the_order_of_pages_and_rows_does_not_matter(pages: Pages, offers: pl.DataFrame) -> None:
    """Which of two meters counts does not depend on which comes first."""
    columns = ["region", "instance_type", "purchase"]
    turned = SOURCE.parse(pages[::-1], LOOK)["offers"]
    assert turned.sort(columns).equals(offers.sort(columns))


def meter(region: str, size: str, price: float, suffix: str = "", product: str = "Some Series") -> dict[str, object]:
    """A meter of a Linux machine by the hour."""
    return {
        "currencyCode": "USD",
        "retailPrice": price,
        "armRegionName": region,
        "armSkuName": size,
        "meterName": size + suffix,
        "skuName": size + suffix,
        "productName": f"Virtual Machines {product}",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "effectiveStartDate": "2026-05-01T00:00:00Z",
    }


def test_the_prices_of_a_real_list_come_through(shared: Path) -> None:
    """56,671 sizes and regions of May 2026, written as meters in pages of a thousand, each with one of Windows."""
    columns = ("Region", "InstanceType", "Price", "SpotPrice")
    path = shared / "data/catalogs/skypilot-format/azure_vms.csv"
    real = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True).select(columns).drop_nulls().unique()
    meters = []
    expected = []
    for region, size, listed, spot in real.rows():
        meters += [
            meter(region, size, float(listed)),
            meter(region, size, float(spot), " Spot"),
            meter(region, size, float(listed) / 2, product="Some Series Windows"),
        ]
        expected += [(region, size, "on_demand", float(listed)), (region, size, "spot", float(spot))]
    pages = [
        Page(f"consumption/{start}", json.dumps({"Items": meters[start : start + 1000], "NextPageLink": None}).encode())
        for start in range(0, len(meters), 1000)
    ]
    offers = SOURCE.parse(pages, LOOK)["offers"]
    found = offers.select("region", "instance_type", "purchase", "price_usd_h").rows()
    assert sorted(found) == sorted(row for row in expected if row[3] > 0)
    assert len(found) > 100_000


def test_the_kept_page_is_small_and_says_the_same(pages: Pages) -> None:
    """Pages come by the hundred: less than two thirds of a row are kept of it."""
    folder = Path(__file__).resolve().parents[1] / "recorded" / "azure_retail"
    whole = Page("consumption/1", (folder / "consumption_1.json").read_bytes())
    assert SOURCE.parse([whole], LOOK)["offers"].equals(SOURCE.parse(pages[:1], LOOK)["offers"])
    assert len(pages[0].body) < 0.67 * len(whole.body)


def test_a_list_without_rows_has_no_offers() -> None:
    """An empty answer is no fault of this source; what was known before is weighed elsewhere."""
    empty = Page("consumption/1", b'{"Items": [], "NextPageLink": null}')
    assert SOURCE.parse([empty], LOOK)["offers"].is_empty()


def first_page(body: bytes) -> list[Route]:
    """A list whose first page is this."""
    return [Route(URL, body, query={"$filter": LISTS["consumption"]})]


def test_a_page_that_links_to_itself_is_said(tmp_path: Path) -> None:
    """The address of the second page must not come again in it."""
    link = f"{URL}?$filter={LISTS['consumption']}&$skip=1000".replace(" ", "%20")
    routes = first_page(f'{{"Items": [], "NextPageLink": "{link}"}}'.encode())
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
        pytest.raises(RepeatedPageError, match="in circles after 2"),
    ):
        fetched(SOURCE, access)


@pytest.mark.parametrize("link", ["https://example.com/api/retail/prices?$skip=1000", "http://prices.azure.com/api"])
def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path, link: str) -> None:
    """Neither to another host nor to the same one without encryption."""
    with (
        provider_of(first_page(f'{{"Items": [], "NextPageLink": "{link}"}}'.encode())) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
        pytest.raises(AnswerError, match="leads to another host"),
    ):
        fetched(SOURCE, access)
    assert len(provider.received) == 1


@pytest.mark.parametrize("name", ["retailPrice", "armSkuName", "isPrimaryMeterRegion", "NextPageLink"])
def test_a_renamed_field_is_said(tmp_path: Path, name: str) -> None:
    """The answer is refused whole; nothing is guessed."""
    routes = [replace(r, content=r.content.replace(name.encode(), b"renamed")) for r in recorded_routes("azure_retail")]
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, tmp_path, {}) as access,
        pytest.raises(AnswerError, match=f"{name}: field required"),
    ):
        fetched(SOURCE, access)


def test_an_unchanged_list_is_not_downloaded_again(tmp_path: Path) -> None:
    """The second look asks with the tags of the first, and reads the same pages from what it kept of them."""
    with provider_of(recorded_routes("azure_retail")) as provider:
        with access_to(provider.mirror, tmp_path, {}) as access:
            before = fetched(SOURCE, access)
            access.client.commit()
        with access_to(provider.mirror, tmp_path, {}) as access:
            assert fetched(SOURCE, access) == before
            assert (access.client.traffic.unchanged, access.client.traffic.received_bytes) == (3, 0)
