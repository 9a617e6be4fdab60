"""A few rows and columns out of a CSV file that is larger than memory."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from catalog_data.database import literal

MEMORY: Final = "300MB"
"""What DuckDB may use; with what the process needs anyway, a reduction stays below 600 MB."""
THREADS: Final = 4
"""Each reads through a buffer of 32 MB."""
LONGEST_HEADER: Final = 1 << 20
# Extensions would be fetched from the network; everything that is needed is built in.
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": MEMORY,
    "threads": THREADS,
    "preserve_insertion_order": False,
}


class BigCsvError(ValueError):
    """The file is not the CSV that it was taken for: a column is missing, or a row is broken."""


def reduced_csv(path: Path, *, skip_lines: int, columns: Sequence[str], where: Mapping[str, Collection[str]]) -> bytes:
    """The `columns` of the rows whose values are among those of `where`, as CSV with a header, sorted.

    The file is in UTF-8, with commas, and with its header after `skip_lines` lines. An empty field is the empty text.
    Equal rows appear once. `path` with `.reduced` after its name is written and removed.

    Raises:
        BigCsvError: the file lacks a column, or a row does not fit the header.
    """
    header = _header(path, skip_lines)
    absent = [name for name in (*columns, *where) if name not in header]
    if absent:
        raise BigCsvError(f"there is no column {', '.join(absent)}")
    target = path.with_name(f"{path.name}.reduced")
    # Columns go by their place: a header may hold a name twice.
    place = {name: f"c{header.index(name)}" for name in (*columns, *where)}
    wanted = " AND ".join(
        f"coalesce({place[name]}, '') IN ({', '.join(map(literal, sorted(values)))})" for name, values in where.items()
    )
    kept = ", ".join(f"coalesce({place[name]}, '') AS \"{name}\"" for name in columns)
    types = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(header)))
    layout = f"skip = {skip_lines}, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
    rows = f"read_csv({literal(str(path))}, {layout}, columns = {{{types}}})"
    query = f"SELECT DISTINCT {kept} FROM {rows} WHERE {wanted} ORDER BY ALL"
    try:
        with duckdb.connect(config={**_SETTINGS, "temp_directory": f"{path}.tmp"}) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would be drawn on stdout
            connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT csv, HEADER)")
        return target.read_bytes()
    except duckdb.InvalidInputException as error:
        raise BigCsvError(str(error).splitlines()[0]) from error
    finally:
        target.unlink(missing_ok=True)


def _header(path: Path, skip_lines: int) -> list[str]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for _ in range(skip_lines):
            file.readline(LONGEST_HEADER)
        return next(csv.reader([file.readline(LONGEST_HEADER)]), [])
