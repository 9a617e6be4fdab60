"""The definition of the tables agrees with itself and with what is derived from it."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from catalog_data.schema import (
    DUCKDB_TYPES,
    OFFERS,
    POLARS_TYPES,
    PROVENANCE,
    TABLES,
    Column,
    Confidence,
    Kind,
    Purchase,
    Table,
    duckdb_columns,
)

COLUMNS = [(table, column) for table in TABLES.values() for column in table.columns]
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
each_column = pytest.mark.parametrize(
    ("table", "column"), COLUMNS, ids=[f"{table.name}.{column.name}" for table, column in COLUMNS]
)


def test_tables_go_by_their_names() -> None:
    """The key of each table in TABLES is its name."""
    assert all(table.name == name for name, table in TABLES.items())
    assert list(TABLES) == [
        "instance_types",
        "offers",
        "regions",
        "egress",
        "throughput",
        "spot_events",
        "spot_risk",
        "spot_models",
        "observations",
    ]


@each_table
def test_the_key_is_of_the_table(table: Table) -> None:
    """Its columns exist, stand first and in order, none is part of the provenance, and only a zone may be null."""
    assert table.key
    assert table.column_names[: len(table.key)] == table.key
    assert not {column.name for column in PROVENANCE} & set(table.key)
    nullable = {column.name for column in table.columns if column.nullable}
    assert nullable & set(table.key) <= {"zone"}


@each_table
def test_every_table_says_where_its_rows_come_from(table: Table) -> None:
    """The provenance stands last, the same everywhere."""
    assert table.columns[-len(PROVENANCE) :] == PROVENANCE


def test_provenance() -> None:
    """Only the version of a source may be unknown."""
    assert [(column.name, column.nullable) for column in PROVENANCE] == [
        ("source", False),
        ("source_version", True),
        ("observed_at", False),
        ("confidence", False),
    ]


@each_table
def test_column_names_are_unique(table: Table) -> None:
    """No column stands twice, and each name is a plain word for SQL and for polars."""
    assert len(set(table.column_names)) == len(table.columns)
    assert all(name.isidentifier() and name == name.lower() for name in table.column_names)


@each_column
def test_units_stand_in_the_names(table: Table, column: Column) -> None:
    """Money says `usd` and memory `gib`, and nothing else does."""
    assert ("USD" in column.unit) == ("usd" in column.name.split("_"))
    assert (column.unit == "GiB") == column.name.endswith("_gib")
    assert not column.unit or column.kind in (Kind.INTEGER, Kind.NUMBER)


@each_column
def test_columns_are_described(table: Table, column: Column) -> None:
    """Each has a sentence, and only numbers have bounds, only texts a list of values."""
    assert column.doc
    bounds = [bound for bound in (column.above, column.low, column.high) if bound is not None]
    assert not bounds or column.kind in (Kind.INTEGER, Kind.NUMBER)
    assert bounds == sorted(bounds)
    assert column.above is None or column.low is None
    assert not column.values or column.kind is Kind.TEXT
    assert len(set(column.values)) == len(column.values)


@each_column
def test_an_unknown_price_is_null(table: Table, column: Column) -> None:
    """A price of an offer may be unknown but never 0; moving data may cost nothing but is always known."""
    if "USD" in column.unit:
        assert column.nullable == (column.above == 0) == (table is OFFERS)


@each_table
def test_a_frame_of_a_table(table: Table) -> None:
    """It has the columns in order, in the types of their kinds, and no rows."""
    empty = table.empty()
    assert empty.is_empty()
    assert tuple(empty.columns) == table.column_names
    assert list(empty.schema.values()) == [POLARS_TYPES[column.kind] for column in table.columns]
    assert empty.schema == table.polars_schema()


@each_table
def test_the_database_has_the_same_columns(table: Table) -> None:
    """DuckDB makes the table from the DDL, with the names, types and NOT NULLs of the definition."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made ({duckdb_columns(table)})")
        made = connection.execute('SELECT column_name, column_type, "null" FROM (DESCRIBE made)').fetchall()
    assert made == [
        (column.name, DUCKDB_TYPES[column.kind], "YES" if column.nullable else "NO") for column in table.columns
    ]


@pytest.mark.parametrize("kind", Kind)
def test_both_types_of_a_kind_hold_the_same(kind: Kind) -> None:
    """A value of the DuckDB type is read as the polars type; instants are UTC and get their zone on reading."""
    with duckdb.connect() as connection:
        read = pl.DataFrame(connection.sql(f"SELECT NULL::{DUCKDB_TYPES[kind]} AS value")).schema["value"]
    assert read == (pl.Datetime("us") if kind is Kind.INSTANT else POLARS_TYPES[kind])
    assert POLARS_TYPES[Kind.INSTANT] == pl.Datetime("us", "UTC")


def test_values_of_enumerations() -> None:
    """The lists of allowed texts are those of the types."""
    columns = {(table.name, column.name): column for table, column in COLUMNS}
    assert columns["offers", "purchase"].values == tuple(Purchase)
    assert columns["offers", "confidence"].values == tuple(Confidence)
    assert [str(value) for value in Confidence] == ["high", "medium", "low"]


def test_a_frame_fits_its_table() -> None:
    """Whatever the order of its columns."""
    schema = OFFERS.polars_schema()
    assert OFFERS.misfits(schema) == []
    assert OFFERS.misfits(dict(reversed(schema.items()))) == []


def test_what_keeps_a_frame_from_a_table() -> None:
    """Each missing, foreign and mistyped column has its sentence."""
    schema = dict(OFFERS.polars_schema())
    del schema["zone"]
    schema |= {"colour": pl.String(), "price_usd_h": pl.String(), "observed_at": pl.Datetime("ms", "UTC")}
    assert OFFERS.misfits(schema) == [
        "zone is missing",
        "colour is no column of it",
        "price_usd_h is String, not Float64",
        "observed_at is Datetime(time_unit='ms', time_zone='UTC'), not Datetime(time_unit='us', time_zone='UTC')",
    ]
