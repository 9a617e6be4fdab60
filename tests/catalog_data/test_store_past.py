"""What becomes of the past: an earlier layout is brought up to date, and what is too old is forgotten on request."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from polars.testing import assert_frame_equal

from catalog_data.errors import CatalogMissingError, CatalogTooOldError
from catalog_data.publishing import prune, upgrade
from catalog_data.schema import OBSERVATIONS, OFFERS, TABLES
from catalog_data.store import FORMAT, Catalog, OfferFilter
from tests.kits.rows import NOON, offer, offers, published

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog of five days: each day another price, and each day another type that is gone the day after."""
    path = tmp_path / "catalog.duckdb"
    for day in range(5):
        rows = [offer(price_usd_h=1 + day), offer(instance_type=f"m{day}.large"), offer(instance_type="c5.large")]
        published(path, offers=offers(*rows), at=NOON + day * DAY)
    return path


def as_format_1(path: Path) -> None:
    """Rewrite a catalog as format 1 had it."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE offers DROP COLUMN quantity; ALTER TABLE offers DROP COLUMN unconfirmed")
        connection.execute("ALTER TABLE sources DROP COLUMN confirmed_at; DROP TABLE given")
        connection.execute("DROP TABLE observations; DROP TABLE complete; UPDATE meta SET format = 1")
        for name in TABLES:
            connection.execute(f"DROP TABLE held_{name}")


def all_snapshots(path: Path) -> list[list[tuple[object, ...]]]:
    """The offers of every snapshot."""
    with Catalog.open(path) as catalog:
        return [catalog.table(OFFERS, info).rows() for info in catalog.snapshots()]


def test_an_earlier_layout_is_rewritten(path: Path) -> None:
    """It is refused by name, and after the upgrade every snapshot is as it was and the next one builds on it."""
    before = all_snapshots(path)
    as_format_1(path)
    with pytest.raises(CatalogTooOldError, match=f"has format 1, this version reads {FORMAT}"):
        Catalog.open(path)
    upgrade(path)
    assert all_snapshots(path) == before
    info = published(path, offers=offers(offer(price_usd_h=9)), at=NOON + 9 * DAY)
    with Catalog.open(path) as catalog:
        assert catalog.table(OFFERS, info)["price_usd_h"].to_list() == [9]
        assert catalog.table(OBSERVATIONS, info).is_empty()


def test_a_layout_without_the_ids_that_were_given_gets_them(path: Path) -> None:
    """Format 2 lacked that table at first; its first snapshot is the embedded catalog's. Those that have it keep it."""
    before = all_snapshots(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE given; UPDATE meta SET format = 2")
    upgrade(path)
    with Catalog.open(path) as catalog:
        assert catalog.given_ids() == {catalog.snapshots()[0].id}
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE given SET id = 'theirs'; UPDATE meta SET format = 2")
    upgrade(path)
    with Catalog.open(path) as catalog:
        assert catalog.given_ids() == {"theirs"}
    assert all_snapshots(path) == before


def test_a_catalog_of_today_is_left_as_it_is(path: Path) -> None:
    """Two processes may both have seen the earlier layout: the second has nothing to do."""
    before = path.read_bytes()
    upgrade(path)
    assert path.read_bytes() == before


def test_what_held_only_before_is_forgotten(path: Path) -> None:
    """Of five days the last two stay; those snapshots are as they were, and others cannot be asked for."""
    before = all_snapshots(path)
    assert prune(path, NOON + 3 * DAY) == 3
    assert all_snapshots(path) == before[3:]
    with Catalog.open(path) as catalog:
        assert catalog.history(OfferFilter(instance_types=("m1.large",))).is_empty()
        [price, _] = catalog.history(OfferFilter(instance_types=("m5.large",)))["known_from"]
        assert price == NOON + 3 * DAY
        assert catalog.sizes()["offers"] == (3, 5)


def test_the_snapshot_that_was_current_then_stays(path: Path) -> None:
    """An instant between two snapshots falls into the earlier one, which still answers for it."""
    prune(path, NOON + 3 * DAY - timedelta(seconds=1))
    with Catalog.open(path) as catalog:
        assert [info.seq for info in catalog.snapshots()] == [3, 4, 5]


@pytest.mark.parametrize("days", [-1, 0], ids=["before the first", "at the first"])
def test_nothing_to_forget(path: Path, days: int) -> None:
    """All snapshots stay."""
    known = all_snapshots(path)
    assert prune(path, NOON + days * DAY) == 0
    assert all_snapshots(path) == known


def test_publishing_goes_on_after_pruning(path: Path) -> None:
    """The next snapshot follows the newest, and a row that is the same is no new version."""
    prune(path, NOON + 9 * DAY)
    info = published(path, offers=offers(offer(price_usd_h=5), offer(instance_type="c5.large")), at=NOON + 9 * DAY)
    assert info.seq == 6
    with Catalog.open(path) as catalog:
        assert catalog.history(OfferFilter(instance_types=("c5.large",))).height == 1


def test_pruning_gives_space_back(tmp_path: Path) -> None:
    """Twelve snapshots of 4,000 prices, all of them other ones, are a multiple of the last one."""
    path = tmp_path / "catalog.duckdb"
    for day in range(12):
        rows = [offer(instance_type=f"m{n}", price_usd_h=1 + (day * 7919 + n * 104729) % 997 / 7) for n in range(4000)]
        published(path, offers=offers(*rows), at=NOON + day * DAY)
    size = path.stat().st_size
    with Catalog.open(path) as catalog:
        newest = catalog.table(OFFERS, catalog.resolve())
    prune(path, NOON + 99 * DAY)
    assert path.stat().st_size < size / 2
    with Catalog.open(path) as catalog:
        assert_frame_equal(catalog.table(OFFERS, catalog.resolve()), newest)


def test_no_catalog(tmp_path: Path) -> None:
    """There is nothing to prune."""
    with pytest.raises(CatalogMissingError):
        prune(tmp_path / "none.duckdb", NOON)
