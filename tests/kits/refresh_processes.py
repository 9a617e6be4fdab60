"""What other processes do with a catalog that is refreshed in the tests; each function is the whole life of one.

Three shops sell the same machines, each in a region of its own. All of them are looked at by each refresh, and their
prices say which refresh it was: a snapshot is whole where the three agree.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence
from catalog_data.snapshot import Snapshot
from catalog_data.store import Catalog
from catalog_fetchers.answers import parse_json
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.client import Patience
from catalog_fetchers.refresh import Report, Settings, refresh
from catalog_fetchers.rows import rows_of
from engine.solve import PlanRequest, make_plan
from engine.workload_reader import read_workload
from tests.kits.provider import Route
from tests.kits.rows import NOON

SHOPS: Final = ("north", "south", "west")
NUMBERS: Final = 8
"""Prices are those of refresh 0 to 7, and then again."""
TYPES: Final = 40
PATIENCE: Final = Patience(connect_s=5, read_s=20, total_s=60, attempts=2, first_wait_s=0.01, longest_wait_s=1)
THINKING_S: Final = 0.5
"""What a reader does between two plans, so that fifty of them leave the refresh some of the processor."""
WORKLOAD: Final = "name: one\nresources:\n  cpus: 2\nestimate: 1h\n"


def shop(name: str, number: int) -> Source:
    """A source that reads the page of a number, and brings a row too that is rejected."""

    def fetch(access: Access) -> Iterator[Page]:
        yield Page("prices", access.client.get(f"https://{name}.example/{number}"))

    def parse(pages: Pages, observed_at: datetime) -> Tables:
        said: Any = {"source": name, "observed_at": observed_at, "confidence": Confidence.HIGH}
        prices = parse_json(pages[0].body, "prices")
        sold = {"cloud": "aws", "region": name, "purchase": "on_demand", "available": True}
        offers = [{**sold, "instance_type": kind, "price_usd_h": price} for kind, price in prices.items()]
        types = [{"cloud": "aws", "instance_type": kind, "vcpus": 2, "memory_gib": 8} for kind in prices]
        return {
            INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, types, **said),
            OFFERS.name: rows_of(OFFERS, offers, **said),
        }

    return Source(name, ("aws",), "prices", "https://shop.example", fetch, parse, per_second=1000)


def routes() -> list[Route]:
    """What the shops answer."""
    return [
        Route(
            f"https://{name}.example/{number}",
            json.dumps({**{f"m{n}": number + 1 for n in range(TYPES)}, "free": 0}).encode(),
        )
        for name in SHOPS
        for number in range(NUMBERS)
    ]


def refreshed(catalog: Path, mirror: str, number: int) -> Report:
    """One refresh, to the prices of a number."""
    settings = Settings(
        now=NOON + timedelta(days=number + 1),
        env={},
        home=catalog.parent,
        cache=catalog.parent / "cache",
        mirror=mirror,
        patience=PATIENCE,
    )
    return refresh(catalog, [shop(name, number % NUMBERS) for name in SHOPS], settings)


def refresh_forever(catalog: Path, mirror: str, first: int, done: Connection) -> None:
    """Refresh again and again, and say after each how many snapshots there are."""
    for number in itertools.count(first):
        done.send(refreshed(catalog, mirror, number).snapshot.seq)


def refresh_often(catalog: Path, mirror: str, numbers: range) -> None:
    """Refresh to each of the numbers."""
    for number in numbers:
        assert not refreshed(catalog, mirror, number).failed


def number_of(offers: pl.DataFrame) -> int:
    """The number of the refresh whose prices these are.

    Raises:
        AssertionError: they are not the prices of one refresh.
    """
    prices = offers["price_usd_h"].unique().to_list()
    assert len(prices) == 1, f"prices of several refreshes: {prices}"
    assert offers.group_by("region").len().sort("region").rows() == [(name, TYPES) for name in SHOPS]
    return int(prices[0]) - 1


def plan_until(catalog: Path, threads: int, enough: Event, result: Connection) -> None:
    """Plan in so many threads until `enough` is set, and send which snapshots each of them saw."""
    with ThreadPoolExecutor(threads) as pool:
        result.send(list(pool.map(lambda _: plans_until(catalog, enough), range(threads))))


def plans_until(catalog: Path, enough: Event) -> set[int]:
    """The snapshots that plans were made from until `enough` is set, each of which was whole."""
    workload = read_workload(WORKLOAD, file="workload.yaml")
    seen: set[int] = set()
    while not enough.is_set():
        snapshot = read(catalog)
        plan = make_plan(workload, snapshot, PlanRequest(created_at=NOON, file="workload.yaml"))
        assert plan.best.placements[0].price_usd_h == number_of(snapshot.offers) + 1
        seen.add(snapshot.info.seq)
        enough.wait(THINKING_S)
    return seen


def read(catalog: Path) -> Snapshot:
    """The newest snapshot, as a plan reads it."""
    with Catalog.open(catalog) as opened:
        return opened.snapshot()
