"""The layout of a catalog file: its tables, and how a file of an earlier layout gets the present one."""

from __future__ import annotations

from typing import Final

from catalog_data.database import Connection, names
from catalog_data.schema import SPOT_MODELS, SPOT_RISK, TABLES, Table, duckdb_columns
from catalog_data.store import FORMAT

_COMPLETE: Final = (
    "CREATE TABLE complete (source VARCHAR NOT NULL, purchase VARCHAR NOT NULL, everywhere BOOLEAN NOT NULL)"
)
_META: Final = """
CREATE TABLE meta (format INTEGER NOT NULL);
CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY, id VARCHAR NOT NULL, published_at TIMESTAMP NOT NULL, note VARCHAR NOT NULL
);
CREATE TABLE sources (
    seq INTEGER NOT NULL, source VARCHAR NOT NULL, source_version VARCHAR,
    observed_at TIMESTAMP NOT NULL, rows BIGINT NOT NULL, confirmed_at TIMESTAMP
);
"""
_GIVEN: Final = "CREATE TABLE IF NOT EXISTS given (id VARCHAR NOT NULL)"
"""The ids that callers gave: what has such an id is published once, though its snapshot may be pruned."""


def create(connection: Connection) -> None:
    """Make all tables of an empty file."""
    connection.execute(_META)
    connection.execute(_COMPLETE)
    connection.execute(_GIVEN)
    connection.execute(f"INSERT INTO meta VALUES ({FORMAT})")
    for table in TABLES.values():
        _create_table(connection, table)


def _create_table(connection: Connection, table: Table) -> None:
    connection.execute(
        f"CREATE TABLE {table.name} ({_versions_ddl(table)}); CREATE TABLE held_{table.name} ({duckdb_columns(table)})"
    )


def _versions_ddl(table: Table) -> str:
    """The columns of a table that holds every version of its rows."""
    return f"{duckdb_columns(table)}, since_seq INTEGER NOT NULL, until_seq INTEGER"


def rewrite(connection: Connection) -> None:
    """Bring the tables of an earlier layout up to date, whatever they hold."""
    [[found]] = connection.execute("SELECT format FROM meta").fetchall()
    if found == 1:
        _from_format_1(connection)
    else:
        _from_format_2_or_3(connection)
    _keep_given_ids(connection)
    connection.execute(f"UPDATE meta SET format = {FORMAT}")


def _from_format_1(connection: Connection) -> None:
    """Format 1 had no `quantity`, no observations, and only the rows that hold."""
    connection.execute("ALTER TABLE sources ADD COLUMN confirmed_at TIMESTAMP")
    connection.execute(_COMPLETE)
    _say_period(connection, SPOT_RISK.name)
    existing = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for name, table in TABLES.items():
        if name in existing:
            _lay_anew(connection, name, _versions_ddl(table))
        else:
            connection.execute(f"CREATE TABLE {name} ({_versions_ddl(table)})")
        connection.execute(
            f"CREATE TABLE held_{name} ({duckdb_columns(table)});"
            f"INSERT INTO held_{name} SELECT {names(table.column_names)} FROM {name} WHERE until_seq IS NULL"
        )


def _keep_given_ids(connection: Connection) -> None:
    """Format 2 did not keep, at first, which snapshots were given their id: the first is the embedded catalog's."""
    connection.execute(_GIVEN)
    connection.execute("INSERT INTO given SELECT id FROM snapshots WHERE seq = 1 AND NOT EXISTS (SELECT 1 FROM given)")


def _from_format_2_or_3(connection: Connection) -> None:
    """Formats 2 and 3 had no models, and no `period_h`."""
    _create_table(connection, SPOT_MODELS)
    for name, columns in (
        (SPOT_RISK.name, _versions_ddl(SPOT_RISK)),
        (f"held_{SPOT_RISK.name}", duckdb_columns(SPOT_RISK)),
    ):
        _say_period(connection, name)
        _lay_anew(connection, name, columns)


def _say_period(connection: Connection, name: str) -> None:
    """Add `period_h` to bands, which were all of a month of 730 hours.

    Azure's, of an hour, had been converted: 0-5 % had become 0 to 1, and every other one 1 to 1. The former gets its
    own bounds back. The others cannot be told apart any more, and the mildest, 5-10 %, stands for all as it did.
    """
    connection.execute(f"ALTER TABLE {name} ADD COLUMN period_h DOUBLE DEFAULT 730")
    connection.execute(
        f"UPDATE {name} SET period_h = 1, interruption_low = CASE WHEN interruption_low < 0.5 THEN 0 ELSE 0.05 END,"
        f" interruption_high = CASE WHEN interruption_low < 0.5 THEN 0.05 ELSE 0.1 END"
        " WHERE cloud = 'azure' AND interruption_high > 0.5"
    )


def _lay_anew(connection: Connection, name: str, columns: str) -> None:
    """Give a table its present columns, in their order; those that it lacks are null."""
    connection.execute(
        f"ALTER TABLE {name} RENAME TO earlier; CREATE TABLE {name} ({columns});"
        f"INSERT INTO {name} BY NAME FROM earlier; DROP TABLE earlier"
    )
