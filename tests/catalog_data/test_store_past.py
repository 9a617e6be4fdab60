"""What becomes of the past: an earlier layout is brought up to date, and what is too old is forgotten on request."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import duckdb
import pytest
from polars.testing import assert_frame_equal

from catalog_data.errors import CatalogMissingError, CatalogTooOldError
from catalog_data.publishing import prune, upgrade
from catalog_data.schema import OBSERVATIONS, OFFERS, SPOT_MODELS, SPOT_RISK, TABLES
from catalog_data.store import FORMAT, Catalog, OfferFilter
from tests.kits.rows import NOON, frame, offer, offers, published, row

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog of five days: each day another price, and each day another type that is gone the day after."""
    path = tmp_path / "catalog.duckdb"
    for day in range(5):
        rows = [offer(price_usd_h=1 + day), offer(instance_type=f"m{day}.large"), offer(instance_type="c5.large")]
        published(path, offers=offers(*rows), at=NOON + day * DAY)
    return path


def as_format(path: Path, number: int) -> None:
    """Rewrite a catalog as format 2 or 3 had it."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"UPDATE meta SET format = {number}; DROP TABLE spot_models; DROP TABLE held_spot_models")
        for name in ("spot_risk", "held_spot_risk"):
            connection.execute(f"ALTER TABLE {name} DROP COLUMN period_h")


def as_format_1(path: Path) -> None:
    """Rewrite a catalog as format 1 had it."""
    as_format(path, 3)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE offers DROP COLUMN quantity; ALTER TABLE offers DROP COLUMN unconfirmed")
        connection.execute("ALTER TABLE sources DROP COLUMN confirmed_at; DROP TABLE given")
        connection.execute("DROP TABLE observations; DROP TABLE complete; UPDATE meta SET format = 1")
        for name in TABLES.keys() - {"spot_models"}:
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
    as_format(path, 2)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE given")
    upgrade(path)
    with Catalog.open(path) as catalog:
        assert catalog.given_ids() == {catalog.snapshots()[0].id}
    as_format(path, 2)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE given SET id = 'theirs'")
    upgrade(path)
    with Catalog.open(path) as catalog:
        assert catalog.given_ids() == {"theirs"}
    assert all_snapshots(path) == before


AWS_BAND: Final = row(SPOT_RISK, interruption_low=0.05, interruption_high=0.1)
MILD: Final = row(SPOT_RISK, cloud="azure", interruption_low=0.0, interruption_high=1 - 0.95**730)
WORSE: Final = row(SPOT_RISK, cloud="azure", instance_type="nc", interruption_low=1 - 0.9**730, interruption_high=1.0)


@pytest.mark.parametrize("earlier", [1, 3])
def test_bands_get_their_period(tmp_path: Path, earlier: int) -> None:
    """Bands were of a month; those that Azure says of an hour get back what can be told of them."""
    path = tmp_path / "catalog.duckdb"
    info = published(path, spot_risk=frame(SPOT_RISK, AWS_BAND, MILD, WORSE))
    as_format_1(path) if earlier == 1 else as_format(path, earlier)
    upgrade(path)
    with Catalog.open(path) as catalog:
        columns = ("cloud", "instance_type", "interruption_low", "interruption_high", "period_h")
        for rows in (catalog.table(SPOT_RISK, info), catalog.held(SPOT_RISK, ["price_page"])):
            assert rows.select(columns).rows() == [
                ("aws", "m5.large", 0.05, 0.1, 730),
                ("azure", "m5.large", 0, 0.05, 1),
                ("azure", "nc", 0.05, 0.1, 1),
            ]
        assert catalog.table(SPOT_MODELS, info).is_empty()
    published(path, spot_models=frame(SPOT_MODELS, row(SPOT_MODELS)), at=NOON + DAY)


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
