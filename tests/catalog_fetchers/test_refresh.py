"""Refreshes of a real catalog from a real server: what is published, what stays, what is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_data.errors import CatalogBusyError
from catalog_data.refresh_state import folder_of, read_state
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_data.store import Catalog
from catalog_fetchers.answers import parse_json
from catalog_fetchers.base import Access, Page, Pages, Source, Tables, needs_variables
from catalog_fetchers.refresh import Look, Outcome, Report, Settings, refresh
from catalog_fetchers.rows import rows_of
from tests.kits.provider import Fault, Provider, Route, provider_of
from tests.kits.rows import NOON, frame, machine, offer, offers, published
from tests.kits.source_conformance import QUICK

DAY = timedelta(days=1)


def shop(name: str, **options: Any) -> Source:
    """A source that reads `{type: price}` from `https://<name>.example/prices`."""

    def fetch(access: Access) -> Iterator[Page]:
        yield Page("prices", access.client.get(f"https://{name}.example/prices"))

    def parse(pages: Pages, observed_at: datetime) -> Tables:
        prices = parse_json(pages[0].body, "prices")
        rows = [
            {"cloud": "aws", "region": "r1", "instance_type": kind, "purchase": "on_demand", "price_usd_h": price}
            for kind, price in prices.items()
        ]
        said: Mapping[str, Any] = {"source": name, "observed_at": observed_at, "confidence": Confidence.HIGH}
        types = [{"cloud": "aws", "instance_type": kind, "vcpus": 2, "memory_gib": 8} for kind in prices]
        return {
            OFFERS.name: rows_of(OFFERS, rows, **said),
            INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, types, **said),
        }

    return Source(name, ("aws",), "prices", "https://shop.example", fetch, parse, per_second=1000, **options)


A, B = shop("a"), shop("b")
PRICES_A = {"a1": 1.0, "a2": 2.0, "a3": 3.0, "a4": 4.0}


def prices(name: str, listed: Mapping[str, float]) -> Route:
    """What a shop answers."""
    return Route(f"https://{name}.example/prices", json.dumps(listed).encode())


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog with one offer of an older source."""
    path = tmp_path / "catalog" / "catalog.duckdb"
    path.parent.mkdir()
    old = offer(source="seed", region="r1", instance_type="a1", price_usd_h=7, confidence="low")
    published(
        path, offers=offers(old), instance_types=frame(INSTANCE_TYPES, machine(instance_type="a1", source="seed"))
    )
    return path


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Both shops."""
    with provider_of([prices("a", PRICES_A), prices("b", {"b1": 5.0})]) as provider:
        yield provider


def run(catalog: Path, provider: Provider, *sources: Source, day: int = 1, **options: Any) -> Report:
    """One refresh, `day` days after noon."""
    settings = Settings(
        now=NOON + day * DAY,
        env={},
        home=catalog.parent,
        cache=catalog.parent / "cache",
        mirror=provider.mirror,
        patience=QUICK,
    )
    return refresh(catalog, sources or (A, B), replace(settings, **options))


def outcomes(report: Report) -> dict[str, Outcome | None]:
    """How each look ended."""
    return {look.source.name: look.outcome for look in report.looks}


def listed(catalog: Path) -> dict[str, float]:
    """The prices that hold, by type."""
    with Catalog.open(catalog) as opened:
        rows = opened.table(OFFERS, opened.resolve()).select("instance_type", "price_usd_h").rows()
    return dict(rows)


def snapshots(catalog: Path) -> int:
    """How many there are."""
    with Catalog.open(catalog) as opened:
        return len(opened.snapshots())


def test_all_sources_are_one_snapshot(catalog: Path, provider: Provider) -> None:
    """Both shops are published at once, and the better price of a1 takes the place of the old one."""
    report = run(catalog, provider)
    assert outcomes(report) == {"a": Outcome.PUBLISHED, "b": Outcome.PUBLISHED}
    assert listed(catalog) == {**PRICES_A, "b1": 5.0}
    assert snapshots(catalog) == 2
    assert report.published
    assert [look.counts.new for look in report.looks] == [8, 2]  # offers and types


def test_a_second_refresh_without_a_change(catalog: Path, provider: Provider) -> None:
    """Nothing is published and not one body is downloaded, and the prices are as fresh as the second look."""
    run(catalog, provider)
    before = catalog.read_bytes()
    report = run(catalog, provider, day=2)
    assert outcomes(report) == {"a": Outcome.UNCHANGED, "b": Outcome.UNCHANGED}
    assert not report.published
    assert catalog.read_bytes() == before
    assert [request.status for request in provider.received] == [200, 200, 304, 304]
    assert sum(look.traffic.received_bytes for look in report.looks) == 0
    with Catalog.open(catalog) as opened:
        seen = opened.offers(opened.resolve())
        assert set(seen["observed_at"]) == {NOON + 2 * DAY}
        assert {age.source: age.observed_at for age in opened.sources(opened.resolve())} == {
            "a": NOON + 2 * DAY,
            "b": NOON + 2 * DAY,
            "seed": NOON,
        }


def test_an_earlier_snapshot_is_as_old_as_it_was(catalog: Path, provider: Provider) -> None:
    """A later look confirms what holds now, not what held before."""
    first = run(catalog, provider).snapshot
    provider.routes[0] = prices("a", PRICES_A | {"a1": 1.5})
    run(catalog, provider, day=2)
    run(catalog, provider, day=3)
    with Catalog.open(catalog) as opened:
        assert set(opened.offers(first)["observed_at"]) == {NOON + DAY}
        assert set(opened.offers(opened.resolve())["observed_at"]) == {NOON + 3 * DAY}


def test_one_source_fails_and_the_other_is_published(catalog: Path, provider: Provider) -> None:
    """What a had brought stays, with its age; b's news are there."""
    run(catalog, provider)
    provider.routes[0] = replace(prices("a", {}), status=404)
    provider.routes[1] = prices("b", {"b1": 6.0})
    report = run(catalog, provider, day=2)
    assert outcomes(report) == {"a": Outcome.FAILED, "b": Outcome.PUBLISHED}
    [failed] = report.failed
    assert failed.detail == "a.example/prices: answered 404 Not Found" or "answered 404" in failed.detail
    assert listed(catalog) == {**PRICES_A, "b1": 6.0}
    with Catalog.open(catalog) as opened:
        ages = {age.source: age.observed_at for age in opened.sources(opened.resolve())}
    assert (ages["a"], ages["b"]) == (NOON + DAY, NOON + 2 * DAY)
    assert read_state(catalog).succeeded_at == NOON + DAY


def test_a_web_page_in_place_of_json(catalog: Path, provider: Provider) -> None:
    """It is a failure of that source, is not kept for the next look, and the next look finds the prices."""
    provider.fail(Fault(status=200, content=b"<html>Please log in</html>"))
    report = run(catalog, provider, A)
    assert report.looks[0].detail == "prices: expected JSON, got a web page"
    assert outcomes(run(catalog, provider, A, day=2)) == {"a": Outcome.PUBLISHED}
    assert [request.status for request in provider.received] == [200, 200]


def test_a_bug_in_a_fetcher_is_the_failure_of_one_source(catalog: Path, provider: Provider) -> None:
    """The others are published all the same."""

    def broken(_pages: Pages, _at: datetime) -> Tables:
        raise ZeroDivisionError("an average of nothing")

    report = run(catalog, provider, replace(A, parse=broken), B)
    assert outcomes(report) == {"a": Outcome.FAILED, "b": Outcome.PUBLISHED}
    assert report.looks[0].detail == "this is a bug of the fetcher: ZeroDivisionError: an average of nothing"


def test_missing_credentials_are_no_failure(catalog: Path, provider: Provider) -> None:
    """The source is skipped and says what to set; it is not asked."""
    report = run(catalog, provider, replace(A, missing=needs_variables("A_KEY")))
    assert outcomes(report) == {"a": Outcome.SKIPPED}
    assert report.looks[0].detail == "set A_KEY"
    assert report.failed == []
    assert provider.received == []


def test_a_source_that_lost_too_much_is_held_back(catalog: Path, provider: Provider) -> None:
    """Four types became two: all four stay, until the user says that it is so."""
    run(catalog, provider)
    provider.routes[0] = prices("a", {"a1": 1.0, "a2": 2.0})
    report = run(catalog, provider, day=2)
    assert outcomes(report)["a"] is Outcome.HELD_BACK
    assert "4 offers are now 2" in report.looks[0].detail
    assert listed(catalog) == {**PRICES_A, "b1": 5.0}
    again = run(catalog, provider, day=3, changes_accepted=True)
    assert outcomes(again)["a"] is Outcome.PUBLISHED
    assert listed(catalog) == {"a1": 1.0, "a2": 2.0, "b1": 5.0}


def test_a_jump_is_put_on_record(catalog: Path, provider: Provider) -> None:
    """The row can be listed, and is listed no more when the price is sound again."""
    run(catalog, provider, A)
    provider.routes[0] = prices("a", PRICES_A | {"a1": 10.0})
    report = run(catalog, provider, A, day=2)
    assert report.looks[0].rejected == {"tenfold_jump": 1}
    file = folder_of(catalog) / "rejected" / "a.parquet"
    assert pl.read_parquet(file)["previous_usd_h"].to_list() == [1.0]
    assert listed(catalog)["a1"] == 1.0
    provider.routes[0] = prices("a", PRICES_A)
    run(catalog, provider, A, day=3)
    assert not file.exists()


def test_a_dry_run_changes_nothing(catalog: Path, provider: Provider) -> None:
    """It says what it would publish; neither the catalog nor the cache nor the state is touched."""
    before = catalog.read_bytes()
    report = run(catalog, provider, dry_run=True)
    assert outcomes(report) == {"a": Outcome.PUBLISHED, "b": Outcome.PUBLISHED}
    assert not report.published
    assert catalog.read_bytes() == before
    assert read_state(catalog).sources == {}
    assert not (catalog.parent / "cache").exists()


def test_what_a_source_is_complete_for_is_news(catalog: Path, provider: Provider) -> None:
    """A later version of the program declares it: the same prices then close what others say."""
    run(catalog, provider, B)
    assert "a1" in listed(catalog)
    report = run(catalog, provider, replace(B, complete_for=(Purchase.ON_DEMAND,)), day=2)
    assert report.published
    assert listed(catalog) == {"b1": 5.0}


def test_two_refreshes_at_once(catalog: Path, provider: Provider) -> None:
    """The second says so and leaves; the first is not disturbed."""
    provider.fail(Fault(hang_s=1))
    reports: list[Report] = []
    first = threading.Thread(target=lambda: reports.append(run(catalog, provider, A)))
    first.start()
    while not provider.received:
        first.join(0.01)
    with pytest.raises(CatalogBusyError, match="another refresh of this catalog is running"):
        run(catalog, provider, B)
    first.join()
    assert outcomes(reports[0]) == {"a": Outcome.PUBLISHED}


def test_what_a_killed_refresh_left_is_cleared_away(catalog: Path, provider: Provider) -> None:
    """Its folder of work is gone after the next one."""
    left = folder_of(catalog) / "work-killed" / "a"
    left.mkdir(parents=True)
    run(catalog, provider, A)
    assert sorted(entry.name for entry in folder_of(catalog).iterdir()) == ["lock", "rejected", "state.json"]


def test_looks_are_watched(catalog: Path, provider: Provider) -> None:
    """Each is told of when it starts and when it ends, with what it cost."""
    told: list[tuple[str, Outcome | None]] = []

    def watch(look: Look) -> None:
        told.append((look.source.name, look.outcome))

    settings = Settings(NOON, {}, catalog.parent, catalog.parent / "cache", provider.mirror, QUICK)
    report = refresh(catalog, (A,), settings, watch)
    assert told == [("a", None), ("a", Outcome.PUBLISHED)]
    assert report.looks[0].traffic.requests == 1
    assert report.looks[0].traffic.received_bytes > 0
