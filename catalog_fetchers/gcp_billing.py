"""Google's price list: on-demand, spot and committed prices of whole machines, composed from its SKUs.

The list (cloud.google.com/billing/v1/how-tos/catalog-api) is read with Google's own client; gcp_skus reads its SKUs and
gcp_machines composes them. It states rates for regions that do not sell the machines they are for, so a machine is
priced only where it is known to be sold: where the compute API lists it, if the user has credentials for that, else
where the catalog has it. TPU slices are priced where the catalog has them. Committed prices are per hour of a
commitment of one or three years to the same machine; discounts for use over a whole month are not in the list. What has
no price here may be sold all the same: its SKUs may not have been understood.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import polars as pl
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud import billing_v1
from google.oauth2.credentials import Credentials
from google.protobuf import json_format
from pydantic import BaseModel

from catalog_data.normalise import tpu_slice
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.client import Client
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError
from catalog_fetchers.gcp_access import FILE_VARIABLE, WELL_KNOWN_FILE, credentials_file, granted, has_project
from catalog_fetchers.gcp_inventory import Inventory, Place, inventory_pages, read_inventory
from catalog_fetchers.gcp_machines import CLOUD, Machine, price_usd_h
from catalog_fetchers.gcp_skus import Rates, Sku, SkuPage, read_rates, require_said
from catalog_fetchers.rows import rows_of

NAME: Final = "gcp_billing"
URL: Final = "https://cloudbilling.googleapis.com"
KEY: Final = "GOOGLE_API_KEY"
SERVICES: Final = ("6F81-5844-456A", "E000-3F24-B8AA")
"""Compute Engine, and Cloud TPU up to v4; later TPUs are in Compute Engine's list."""
PAGE_SIZE: Final = 5000  # the most that the API gives
PURCHASES: Final = (Purchase.ON_DEMAND, Purchase.SPOT, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y)
SKUS: Final = "skus"
KNOWN: Final = "known"
PASSING: Final = (exceptions.ServerError, exceptions.TooManyRequests, OSError, json_format.ParseError)
"""What may pass. What the requests library raises is an OSError."""
REFUSED: Final = (exceptions.Unauthorized, exceptions.Forbidden, GoogleAuthError)
INVALID_KEY: Final = "API_KEY_INVALID"  # the reason in an answer 400


class _Known(BaseModel):
    """What the catalog knows: machines, and in which region each is sold."""

    machines: list[Machine]
    sold: list[tuple[str, str]]


def fetch(access: Access) -> Iterator[Page]:
    """All SKUs of both services, what the catalog knows of machines, and the compute API's lists where allowed."""
    with _catalog(access) as catalog:
        for service in SERVICES:
            yield from _sku_pages(access.client, catalog, service)
    yield Page(KNOWN, _known(access).model_dump_json().encode())
    if has_project(access.env, access.home):
        yield from inventory_pages(access)


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OFFERS of whole machines by region, and INSTANCE_TYPES of machines that the compute API listed."""
    skus = [sku for page in pages if page.name.startswith(SKUS) for sku in _read_skus(page)]
    require_said(skus)
    known = next(read_as(_Known, page.body, page.name) for page in pages if page.name == KNOWN)
    listed = read_inventory(pages) if any(page.name.startswith("machine_types/") for page in pages) else None
    inventory = _sold(known, listed)
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    tables = {OFFERS.name: rows_of(OFFERS, _offers(inventory, read_rates(skus)), **said)}
    if listed is not None:
        machines = [listed.machines[name].row() for name in sorted(listed.machines)]
        tables[INSTANCE_TYPES.name] = rows_of(INSTANCE_TYPES, machines, **said)
    return tables


def _catalog(access: Access) -> billing_v1.CloudCatalogClient:
    """Google's client of the list, with the user's API key or else with a token for the user's credentials."""
    options: dict[str, str] = {"api_endpoint": access.client.address(URL)}
    if access.env.get(KEY):
        options["api_key"] = access.env[KEY]
        return billing_v1.CloudCatalogClient(transport="rest", client_options=options)
    grant = granted(access)
    credentials = Credentials(token=grant.token, quota_project_id=grant.quota_project or None)  # type: ignore[no-untyped-call]
    return billing_v1.CloudCatalogClient(credentials=credentials, transport="rest", client_options=options)


def _sku_pages(client: Client, catalog: billing_v1.CloudCatalogClient, service: str) -> list[Page]:
    """The SKUs of a service, page by page. The library's own paging has no guard against pages that repeat."""
    pages: list[Page] = []

    def step(token: str) -> str | None:
        request = billing_v1.ListSkusRequest(parent=f"services/{service}", page_size=PAGE_SIZE, page_token=token)

        def ask() -> billing_v1.ListSkusResponse:
            answers = catalog.list_skus(request, retry=None, timeout=client.patience.read_s).pages
            return next(iter(answers))

        answer = _patiently(client, ask)
        body = billing_v1.ListSkusResponse.to_json(
            answer, indent=None, always_print_fields_with_no_presence=False, use_integers_for_enums=False
        )
        pages.append(Page(f"{SKUS}/{service}/{len(pages) + 1}", body.encode()))
        return answer.next_page_token or None

    client.follow("", step)
    return pages


T = TypeVar("T")


def _patiently(client: Client, ask: Callable[[], T]) -> T:
    """The answer to a question put through Google's client, repeated as the source's own client repeats."""
    patience = client.patience
    wait_s = patience.first_wait_s
    attempt = 1
    while True:
        client.wait()
        try:
            return ask()
        except (exceptions.GoogleAPICallError, GoogleAuthError, OSError, json_format.ParseError) as error:
            asked_s = _retry_after_s(error)
            last = attempt >= patience.attempts or asked_s > patience.longest_wait_s
            if last or not isinstance(error, PASSING):
                _give_up(error, attempt)
        time.sleep(max(wait_s, asked_s))
        wait_s = min(2 * wait_s, patience.longest_wait_s)
        attempt += 1


def _give_up(error: Exception, attempts: int) -> NoReturn:
    """Raise what an error of Google's client stands for. Its own text is left out: it may hold what was sent."""
    where = URL.partition("://")[2]
    tries = f" ({attempts} tries)" if attempts > 1 else ""
    if isinstance(error, REFUSED) or getattr(error, "reason", None) == INVALID_KEY:
        raise RefusedError(f"{where}: the credentials are not accepted", "renew them") from error
    if isinstance(error, json_format.ParseError):
        raise AnswerError(f"{where}: expected JSON, got something else{tries}") from error
    if isinstance(error, exceptions.GoogleAPICallError):
        problem = f"{where}: answered {error.code}{tries}"
        if not isinstance(error, PASSING):
            raise AnswerError(problem) from error
        raise UnreachableError(problem, "try again later") from error
    raise UnreachableError(f"{where}: {type(error).__name__}{tries}", "try again later") from error


def _retry_after_s(error: Exception) -> float:
    """Seconds that the server asks for, 0 where it asks for none."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    said = headers.get("retry-after", "").strip()
    return float(said) if said.isdigit() else 0.0


def _known(access: Access) -> _Known:
    machines = access.instance_types.filter(cloud=CLOUD)
    sold = access.offers.filter((pl.col("cloud") == CLOUD) & pl.col("available").fill_null(value=True))
    fields = ("vcpus", "memory_gib", "arch", "accelerator", "accelerator_count", "local_ssd_gib")
    named = (
        machines.select(pl.col("instance_type").alias("name"), *fields)
        .sort("name")
        .unique("name", keep="first", maintain_order=True)
    )
    return _Known(
        machines=[Machine(**row) for row in named.iter_rows(named=True)],
        sold=sold.select("region", "instance_type").unique().sort("region", "instance_type").rows(),
    )


def _read_skus(page: Page) -> list[Sku]:
    return read_as(SkuPage, page.body, f"price list, {page.name}").skus


def _sold(known: _Known, listed: Inventory | None) -> Inventory:
    """What to price: what the compute API lists and the TPU slices that the catalog knows, or all that it knows."""
    machines = {machine.name: machine for machine in known.machines if listed is None or tpu_slice(machine.name)}
    places = frozenset(Place(region, None, name) for region, name in known.sold if name in machines)
    if listed is None:
        return Inventory(machines, places)
    by_region = frozenset(Place(place.region, None, place.machine) for place in listed.places)
    return Inventory({**machines, **listed.machines}, places | by_region)


def _offers(inventory: Inventory, rates: Rates) -> Iterator[dict[str, Any]]:
    for place in sorted(inventory.places, key=lambda place: (place.region, place.machine)):
        for purchase in PURCHASES:
            price = price_usd_h(inventory.machines[place.machine], rates, place.region, purchase)
            if price:
                yield {
                    "cloud": CLOUD,
                    "region": place.region,
                    "instance_type": place.machine,
                    "purchase": purchase,
                    "price_usd_h": price,
                }


def _missing(env: Mapping[str, str], home: Path) -> str:
    if env.get(KEY) or credentials_file(env, home):
        return ""
    return f"set {KEY}, or run `gcloud auth application-default login`"


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="on-demand, spot and committed prices of whole machines and TPU slices",
    page="https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list",
    needs=f"{KEY}, or {FILE_VARIABLE} or ~/{WELL_KNOWN_FILE}",
    missing=_missing,
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=4,
)
