"""DuckDB, spoken in one dialect: how catalog files are opened, how values become SQL, and whose fault an error is.

Values stand in the text of a query, never beside it: DuckDB hands over the result of a query with parameters twenty
times slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from catalog_data.errors import unreadable

Connection = duckdb.DuckDBPyConnection
Error = duckdb.Error
# Extensions would be fetched from the network; everything that is needed is built in.
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def attached(path: Path) -> Connection:
    """A connection that reads the catalog file at `path` and cannot write it.

    Attached, since DuckDB gives a process that connects to a path again the file that it opened before, even where
    another one has taken its place.
    """
    connection = duckdb.connect(config={**_SETTINGS, "temp_directory": f"{path}.tmp"})
    try:
        connection.execute(f"ATTACH {literal(str(path.absolute()))} AS live (TYPE duckdb, READ_ONLY); USE live")
    except BaseException:
        connection.close()
        raise
    return connection


def opened(draft: Path) -> Connection:
    """A connection that writes a draft of a catalog file.

    Rows have no order of their own: where DuckDB need not keep one, it compresses what is inserted once and not again
    at the checkpoint.
    """
    return duckdb.connect(str(draft), config={**_SETTINGS, "preserve_insertion_order": False})


def frame_of(connection: Connection, query: str) -> pl.DataFrame:
    """The result of a query; instants are in UTC."""
    frame = pl.DataFrame(connection.sql(query))
    instants = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(instants).dt.replace_time_zone("UTC"))


def literal(text: str) -> str:
    """The text as SQL. A query cannot hold a NUL as it stands, nor what is no Unicode, which matches nothing."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"


def instant(at: datetime) -> str:
    """The instant as SQL, in UTC without a zone as tables hold it."""
    return f"TIMESTAMP '{utc(at).replace(tzinfo=None).isoformat(sep=' ')}'"


def texts(values: Sequence[str]) -> str:
    """The texts as a list in SQL, `('a', 'b')`; an empty one matches nothing."""
    return f"({', '.join(literal(value) for value in values) or 'NULL'})"


def names(columns: Sequence[str], alias: str = "") -> str:
    """The columns as SQL; quoted, since some are words of the language (`at`)."""
    of = f"{alias}." if alias else ""
    return ", ".join(f'{of}"{name}"' for name in columns)


def same(columns: Sequence[str], left: str, right: str) -> str:
    """The condition that two rows agree in the columns; null equals null."""
    return " AND ".join(f'{left}."{name}" IS NOT DISTINCT FROM {right}."{name}"' for name in columns)


def utc(at: datetime) -> datetime:
    """The instant in UTC.

    Raises:
        ValueError: it has no time zone.
    """
    if at.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone: {at.isoformat()}")
    return at.astimezone(UTC)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors while reading a catalog, as ours: the file is unreadable, or not what we wrote."""
    try:
        yield
    except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
        raise unreadable(path, reason(error)) from error
    except RuntimeError as error:
        raise interrupted(error) from error


def interrupted(error: RuntimeError) -> BaseException:
    """DuckDB answers Ctrl-C with a plain RuntimeError, and no other fault with one."""
    return KeyboardInterrupt() if type(error) is RuntimeError else error


def reason(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).partition("\n")[0]
