"""Batches that are not of their table are refused with the reason, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from catalog_data.errors import BatchError
from catalog_data.publishing import publish
from catalog_data.schema import DUCKDB_TYPES, OFFERS, SPOT_EVENTS, Kind
from catalog_data.store import Catalog
from tests.kits.rows import NOON, frame, offer, offers, published, row, written

ONE = offers(offer())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog with one snapshot."""
    path = tmp_path / "catalog.duckdb"
    published(path, offers=ONE)
    return path


def refusal(path: Path, **tables: pl.DataFrame | bytes) -> BatchError:
    """The error that a batch of frames, or of files with these bytes, is refused with; the catalog is as it was."""
    before, names = path.read_bytes(), {file.name for file in path.parent.iterdir()}
    folder = path.parent / "batches"
    files = written(folder, **{name: table for name, table in tables.items() if isinstance(table, pl.DataFrame)})
    for name, table in tables.items():
        if isinstance(table, bytes):
            files[name] = folder / f"{name}.parquet"
            files[name].write_bytes(table)
    with pytest.raises(BatchError) as caught:
        publish(path, files, published_at=NOON, note="")
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == names
    assert caught.value.hint == "nothing was changed"
    return caught.value


WRONG_SHAPES: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame], str]] = [
    ("a missing column", lambda rows: rows.drop("zone"), "zone is missing"),
    ("an unknown column", lambda rows: rows.with_columns(colour=pl.lit("red")), "colour is no column of it"),
    ("a text for a number", lambda rows: rows.cast({"price_usd_h": pl.String}), "price_usd_h is String, not Float64"),
    ("a smaller number", lambda rows: rows.cast({"price_usd_h": pl.Float32}), "price_usd_h is Float32, not Float64"),
    ("no type", lambda rows: rows.with_columns(zone=pl.lit(None)), "zone is Null, not String"),
    (
        "an instant without a zone",
        lambda rows: rows.with_columns(pl.col("observed_at").dt.replace_time_zone(None)),
        "observed_at is Datetime",
    ),
    (
        "an instant of another zone",
        lambda rows: rows.with_columns(pl.col("observed_at").dt.convert_time_zone("Europe/Berlin")),
        "Europe/Berlin",
    ),
    ("no columns", lambda _: pl.DataFrame(), "cloud is missing; region is missing"),
]


@pytest.mark.parametrize(
    ("shape", "message"), [case[1:] for case in WRONG_SHAPES], ids=[case[0] for case in WRONG_SHAPES]
)
def test_another_shape(path: Path, shape: Callable[[pl.DataFrame], pl.DataFrame], message: str) -> None:
    """The message names the table, the file, the column and what is wrong with it."""
    error = refusal(path, offers=shape(ONE))
    assert message in str(error)
    assert "1-offers.parquet is no batch of offers" in str(error)


def test_the_order_of_columns_does_not_matter(path: Path) -> None:
    """Columns go by name."""
    assert published(path, offers=ONE.select(reversed(ONE.columns))).seq == 1


@pytest.mark.parametrize("column", [column.name for column in OFFERS.columns if not column.nullable])
def test_a_missing_value(path: Path, column: str) -> None:
    """A row without what every row must have."""
    assert column in str(refusal(path, offers=offers(offer(**{column: None}))))


def test_a_key_twice(path: Path) -> None:
    """One of two prices of the same thing is wrong; the message names the thing."""
    error = refusal(path, offers=offers(offer(), offer(price_usd_h=2)))
    assert "more than one row for aws, us-east-1, None, m5.large, on_demand" in str(error)


def test_a_row_twice(path: Path) -> None:
    """Two rows that agree are refused too: the source is read twice."""
    assert "more than one row" in str(refusal(path, offers=offers(offer(zone="a"), offer(zone="a"))))


def test_a_key_from_two_sources(path: Path) -> None:
    """Both are on record, and one of them holds: catalog_data/precedence.py says which."""
    info = published(path, offers=offers(offer(source="b"), offer(source="a", price_usd_h=2)))
    with Catalog.open(path) as catalog:
        assert catalog.table(OFFERS, info)["source"].to_list() == ["a"]
        assert catalog.held(OFFERS, ["a", "b"])["price_usd_h"].to_list() == [2, 1]


def test_a_key_of_instants_twice(path: Path) -> None:
    """The same instant in two rows is the same key."""
    event = row(SPOT_EVENTS)
    assert "more than one row" in str(refusal(path, spot_events=frame(SPOT_EVENTS, event, event | {"available": True})))


def test_no_such_table(path: Path) -> None:
    """The message names those that there are."""
    assert "no such table, only instance_types, offers" in str(refusal(path, offrs=ONE))


def test_one_bad_table_stops_the_others(path: Path) -> None:
    """Tables are published together or not at all, whichever of them is bad."""
    refusal(path, offers=offers(offer(price_usd_h=2)), spot_risk=ONE)
    refusal(path, egress=ONE, offers=offers(offer(price_usd_h=2)))


def test_no_parquet_file(path: Path) -> None:
    """A file of another format."""
    assert "is no batch of offers" in str(refusal(path, offers=b"cloud,region\naws,us-east-1\n"))
    assert "is no batch of offers" in str(refusal(path, offers=b""))


def test_a_damaged_parquet_file(path: Path, tmp_path: Path) -> None:
    """Wherever it is cut or overwritten: its end, which says what is in it, or the rows."""
    file = written(tmp_path / "batches", offers=offers(*(offer(instance_type=f"m{n}") for n in range(200))))["offers"]
    whole = file.read_bytes()
    for kept in (8, len(whole) // 2, len(whole) - 1):
        refusal(path, offers=whole[:kept])
    refusal(path, offers=whole[:4] + b"\xff" * 200 + whole[204:])


def test_a_missing_file(path: Path) -> None:
    """The batch is at fault, not the catalog."""
    missing = path.with_name("missing.parquet")
    with pytest.raises(BatchError, match=r"missing\.parquet is no batch of offers"):
        publish(path, {"offers": missing}, published_at=NOON, note="")


def test_a_bad_first_batch_makes_no_catalog(tmp_path: Path) -> None:
    """There is no empty file that the next command would take for a catalog."""
    with pytest.raises(BatchError):
        published(tmp_path / "new.duckdb", offers=ONE.drop("zone"))
    assert not (tmp_path / "new.duckdb").exists()


def test_every_kind_has_a_type_of_the_database() -> None:
    """What a batch may hold the database can store."""
    assert set(DUCKDB_TYPES) == set(Kind)
