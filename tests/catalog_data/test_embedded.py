"""The catalog that comes with the program becomes the first snapshot, once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from catalog_data.embedded import embedded, embedded_id, publish_embedded
from catalog_data.errors import CatalogUnwritableError
from catalog_data.publishing import prune
from catalog_data.schema import OFFERS, TABLES
from catalog_data.store import Catalog
from tests.kits.rows import offer, offers, published
from tests.kits.store_processes import running


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of nothing but the embedded one."""
    path = tmp_path_factory.mktemp("fresh") / "catalog.duckdb"
    publish_embedded(path)
    return path


def test_what_is_embedded() -> None:
    """An id, the day it was built, which is not to come, and a file in the schema of each table that it has."""
    with embedded() as seed:
        assert seed.id
        assert seed.built.utcoffset() is not None
        assert {"offers", "instance_types", "regions", "egress", "throughput"} <= set(seed.files) <= set(TABLES)
        for name, file in seed.files.items():
            assert TABLES[name].misfits(pl.read_parquet_schema(file)) == []


def test_it_is_the_first_snapshot(fresh: Path) -> None:
    """With its own id and the day it was built, so that as-of answers from then on."""
    with embedded() as seed, Catalog.open(fresh) as catalog:
        [info] = catalog.snapshots()
        assert (info.id, info.published_at, info.note) == (seed.id, seed.built, "embedded catalog")
        assert catalog.resolve(datetime(9999, 1, 1, tzinfo=UTC)) == info


def test_every_row_of_it_is_published(fresh: Path) -> None:
    """Each table comes back whole from the database."""
    with embedded() as seed, Catalog.open(fresh) as catalog:
        info = catalog.resolve()
        for name, file in seed.files.items():
            assert_frame_equal(catalog.table(TABLES[name], info), pl.read_parquet(file), check_row_order=False)
        assert sum(age.rows for age in catalog.sources(info)) == sum(
            pl.scan_parquet(file).select(pl.len()).collect().item() for file in seed.files.values()
        )


def test_a_second_time_changes_nothing(fresh: Path) -> None:
    """The file is not even replaced."""
    before = fresh.stat().st_ino
    with Catalog.open(fresh) as catalog:
        assert publish_embedded(fresh) == catalog.resolve()
    assert fresh.stat().st_ino == before


def test_it_never_undoes_what_came_after(tmp_path: Path, fresh: Path) -> None:
    """A process that saw no catalog and comes late finds newer prices, and leaves them."""
    path = tmp_path / "catalog.duckdb"
    path.write_bytes(fresh.read_bytes())
    with Catalog.open(path) as catalog:
        first = catalog.table(OFFERS, catalog.resolve()).row(0, named=True)
    newer = published(
        path,
        offers=offers(
            offer(
                **first
                | {
                    "source": "newer",
                    "price_usd_h": 4321,
                    "confidence": "high",
                    "observed_at": datetime(2030, 1, 1, tzinfo=UTC),
                }
            )
        ),
    )
    assert publish_embedded(path).seq == 1
    with Catalog.open(path) as catalog:
        assert catalog.resolve() == newer
        assert catalog.table(OFFERS, newer)["price_usd_h"].max() == 4321


def test_a_pruned_catalog_knows_that_it_had_it(tmp_path: Path, fresh: Path) -> None:
    """Its snapshot is forgotten, and what came after is not undone by it."""
    path = tmp_path / "catalog.duckdb"
    path.write_bytes(fresh.read_bytes())
    published(path, offers=offers(offer(source="newer", cloud="lambda")))
    prune(path, datetime(9999, 1, 1, tzinfo=UTC))
    with Catalog.open(path) as catalog:
        newest = catalog.resolve()
        assert catalog.given_ids() == {embedded_id()}
    assert publish_embedded(path) == newest


def test_two_processes_at_first_use(tmp_path: Path) -> None:
    """Both find no catalog; one writes it, the other waits, and both go on."""
    path = tmp_path / "catalog.duckdb"
    with running(publish_embedded, path) as first, running(publish_embedded, path) as second:
        first.join()
        second.join()
        assert (first.exitcode, second.exitcode) == (0, 0)
    with Catalog.open(path) as catalog:
        assert len(catalog.snapshots()) == 1


def test_it_cannot_be_written(tmp_path: Path) -> None:
    """The error is that of publishing."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CatalogUnwritableError):
        publish_embedded(tmp_path / "file" / "catalog.duckdb")
