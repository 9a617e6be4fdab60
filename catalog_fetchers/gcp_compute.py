"""Google Compute Engine: the hardware of all machine types and the zones that sell them, without prices.

TPU slices and prices are sources of their own. The lists hold what a project may use: a zone or type that is not open
to it is not in them, so nothing is said about what is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.gcp_access import NEEDS, missing
from catalog_fetchers.gcp_inventory import Inventory, inventory_pages, read_inventory
from catalog_fetchers.gcp_machines import CLOUD
from catalog_fetchers.rows import rows_of

NAME: Final = "gcp_compute"


def fetch(access: Access) -> Iterator[Page]:
    """Zones, machine types and accelerator types of the user's project."""
    yield from inventory_pages(access)


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and OFFERS without a price: each type in each zone that sells it."""
    inventory = read_inventory(pages)
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    machines = [inventory.machines[name].row() for name in sorted(inventory.machines)]
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, machines, **said),
        OFFERS.name: rows_of(OFFERS, _offers(inventory), **said),
    }


def _offers(inventory: Inventory) -> Iterator[dict[str, Any]]:
    for place in sorted(inventory.places, key=lambda place: (place.region, place.zone or "", place.machine)):
        yield {
            "cloud": CLOUD,
            "region": place.region,
            "zone": place.zone,
            "instance_type": place.machine,
            "purchase": Purchase.ON_DEMAND,
            "available": True,
        }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="machine types and the zones that sell them",
    page="https://cloud.google.com/compute/docs/reference/rest/v1/machineTypes",
    needs=NEEDS,
    missing=missing,
    fetch=fetch,
    parse=parse,
    per_second=10,
)
