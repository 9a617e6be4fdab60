"""Snapshots on disk: the only file that knows DuckDB.

A catalog is one DuckDB file. Each table holds every version of every row with the snapshots between
which it was current (`since_seq` inclusive, `until_seq` exclusive, null while it is), so that any
earlier snapshot can be read back and unchanged rows cost nothing.

Publishing never writes the live file. It copies it, changes the copy in one transaction and renames the
copy into place under a writer's lock: a reader has the whole snapshot before or the whole one after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import polars as pl

from catalog_data.atomic import drafted, put_in_place, writing_alone
from catalog_data.errors import (
    BatchError,
    CatalogMissingError,
    CatalogTooNewError,
    CatalogUnwritableError,
    UnknownSnapshotError,
    unreadable,
)
from catalog_data.schema import (
    EGRESS,
    OFFERS,
    REGIONS,
    SPOT_RISK,
    TABLES,
    THROUGHPUT,
    Column,
    Kind,
    Table,
    duckdb_columns,
)
from catalog_data.snapshot import HARDWARE, Snapshot, SnapshotInfo, SourceAge

FORMAT: Final = 1
_META: Final = """
CREATE TABLE meta (format INTEGER NOT NULL);
CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY, id VARCHAR NOT NULL, published_at TIMESTAMP NOT NULL, note VARCHAR NOT NULL
);
CREATE TABLE sources (
    seq INTEGER NOT NULL, source VARCHAR NOT NULL, source_version VARCHAR,
    observed_at TIMESTAMP NOT NULL, rows BIGINT NOT NULL
);
"""
_LOOKS: Final = "CREATE TEMP TABLE looks (source VARCHAR, source_version VARCHAR, observed_at TIMESTAMP)"
# Extensions would be fetched from the network; everything that is needed is built in.
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# What says that a row is another one now. A second look at the same figure is not a change.
_RESEEN: Final = ("source_version", "observed_at")


@dataclass(frozen=True)
class OfferFilter:
    """Which offers to read; an empty tuple or None sets no limit. `accelerators` are canonical names."""

    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    max_price_usd_h: float | None = None


class Catalog:
    """A catalog file opened for reading. Use it as a context manager."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the catalog at `path` for reading.

        Raises:
            CatalogMissingError, CatalogDamagedError, CatalogTooNewError: see each.
        """
        with _reading(path), ExitStack() as stack:
            if not path.exists():
                raise CatalogMissingError(f"there is no catalog at {path}")
            # Attached, since DuckDB gives a process that connects to a path again the file that it opened before,
            # even where another one has taken its place.
            connection = stack.enter_context(duckdb.connect(config={**_SETTINGS, "temp_directory": f"{path}.tmp"}))
            connection.execute(f"ATTACH {_literal(str(path.absolute()))} AS live (TYPE duckdb, READ_ONLY); USE live")
            row = connection.execute("SELECT max(format::INTEGER) FROM meta").fetchone()
            if row is None or row[0] is None:
                raise unreadable(path, "it holds no format number")
            if row[0] > FORMAT:
                raise CatalogTooNewError(
                    f"the catalog {path} has format {row[0]}, this version reads up to {FORMAT}", "upgrade skybroker"
                )
            stack.pop_all()
        return cls(connection, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def snapshots(self) -> list[SnapshotInfo]:
        """All snapshots, oldest first; there is always one."""
        rows = self._rows("SELECT seq, id, published_at, note FROM snapshots ORDER BY seq")
        if not rows:
            raise unreadable(self.path, "it holds no snapshot")
        return [SnapshotInfo(seq, name, at.replace(tzinfo=UTC), note) for seq, name, at, note in rows]

    def resolve(self, at: datetime | str | None = None) -> SnapshotInfo:
        """The snapshot with an id (or the start of one), the one known at an instant, or the newest.

        Raises:
            UnknownSnapshotError: there is none, or several have ids that start so.
            ValueError: the instant has no time zone.
        """
        instant = _utc(at) if isinstance(at, datetime) else None
        known = self.snapshots()
        if isinstance(at, str):
            found = [info for info in known if info.id == at] or [info for info in known if info.id.startswith(at)]
            if len(found) != 1:
                what = "several snapshots start" if found else "no snapshot starts"
                raise UnknownSnapshotError(f"{what} with {at}", "list them with `skybroker catalog history`")
            return found[0]
        before = [info for info in known if instant is None or info.published_at <= instant]
        if not before:
            raise UnknownSnapshotError(
                f"nothing was known yet at {instant}",
                f"the oldest snapshot is {known[0].id} of {known[0].published_at.isoformat()}",
            )
        return before[-1]

    def sources(self, info: SnapshotInfo) -> tuple[SourceAge, ...]:
        """What each source had brought by then, by name."""
        rows = self._rows(
            "SELECT source, source_version, observed_at, rows FROM sources WHERE seq = ? ORDER BY source", [info.seq]
        )
        return tuple(SourceAge(name, version, at.replace(tzinfo=UTC), count) for name, version, at, count in rows)

    def offers(self, info: SnapshotInfo, where: OfferFilter = OfferFilter()) -> pl.DataFrame:
        """Offers with the hardware of their types (schema: snapshot.OFFER_ROWS), in no particular order.

        An offer whose instance type has no hardware row keeps nulls in its place. Sorting here would cost more
        than the query; whoever ranks sorts anyway.
        """
        columns = ", ".join([*(f"o.{name}" for name in OFFERS.column_names), *(f"t.{name}" for name in HARDWARE)])
        return self._frame(
            f"SELECT {columns} FROM offers o LEFT JOIN instance_types t"
            f" ON o.cloud = t.cloud AND o.instance_type = t.instance_type AND {_current('t', info)}"
            f" WHERE {_current('o', info)}{_offer_limits(where)}"
        )

    def table(self, table: Table, info: SnapshotInfo) -> pl.DataFrame:
        """One whole table (schema: its own), in the order of its keys."""
        return self._frame(
            f"SELECT {_names(table.column_names)} FROM {table.name} t"
            f" WHERE {_current('t', info)} ORDER BY {_names(table.key)}"
        )

    def accelerators(self, info: SnapshotInfo) -> list[str]:
        """The accelerators that some offer has, by name."""
        frame = self._frame(
            "SELECT DISTINCT t.accelerator FROM instance_types t JOIN offers o USING (cloud, instance_type)"
            f" WHERE t.accelerator IS NOT NULL AND {_current('t', info)} AND {_current('o', info)} ORDER BY 1"
        )
        return frame["accelerator"].to_list()

    def snapshot(
        self,
        at: datetime | str | None = None,
        where: OfferFilter = OfferFilter(),
        *,
        network: bool = True,
        spot_risk: bool = True,
    ) -> Snapshot:
        """The frames that one question needs; without `network` or `spot_risk` those stay empty."""
        info = self.resolve(at)
        return Snapshot.of(
            info,
            self.offers(info, where),
            sources=self.sources(info),
            regions=self.table(REGIONS, info),
            egress=self.table(EGRESS, info) if network else None,
            throughput=self.table(THROUGHPUT, info) if network else None,
            spot_risk=self.table(SPOT_RISK, info) if spot_risk else None,
        )

    def history(self, where: OfferFilter, zone: str | None = None) -> pl.DataFrame:
        """Every price that the offers have had: OFFERS' keys, price, availability, `known_from`, `known_until`.

        `known_until` is null for what is known now. A limit on accelerators goes by the newest hardware of the
        type, current or not.
        """
        in_zone = "" if zone is None else f" AND o.zone = {_literal(zone)}"
        keys = ", ".join(f"o.{name}" for name in OFFERS.key)
        return self._frame(
            f"SELECT {keys}, o.price_usd_h, o.available, o.source, o.observed_at,"
            " a.published_at AS known_from, b.published_at AS known_until"
            " FROM offers o JOIN snapshots a ON a.seq = o.since_seq LEFT JOIN snapshots b ON b.seq = o.until_seq"
            " LEFT JOIN (SELECT DISTINCT ON (cloud, instance_type) * FROM instance_types ORDER BY since_seq DESC) t"
            " ON o.cloud = t.cloud AND o.instance_type = t.instance_type"
            f" WHERE true{_offer_limits(where)}{in_zone} ORDER BY {keys}, o.since_seq"
        )

    def diff(self, old: SnapshotInfo, new: SnapshotInfo) -> pl.DataFrame:
        """Offers that came, went or changed: OFFERS' keys, `change`, `old_usd_h`, `new_usd_h`."""
        keys = ", ".join(f"coalesce(a.{name}, b.{name}) AS {name}" for name in OFFERS.key)
        return self._frame(
            f"WITH a AS (SELECT * FROM offers t WHERE {_current('t', old)}),"
            f" b AS (SELECT * FROM offers t WHERE {_current('t', new)})"
            f" SELECT {keys}, CASE WHEN a.cloud IS NULL THEN 'new' WHEN b.cloud IS NULL THEN 'gone' ELSE 'changed' END"
            " AS change, a.price_usd_h AS old_usd_h, b.price_usd_h AS new_usd_h"
            f" FROM a FULL JOIN b ON {_same(OFFERS.key, 'a', 'b')}"
            " WHERE a.cloud IS NULL OR b.cloud IS NULL OR a.price_usd_h IS DISTINCT FROM b.price_usd_h"
            f" OR a.available IS DISTINCT FROM b.available ORDER BY {_names(OFFERS.key)}"
        )

    def verify(self) -> None:
        """Read the whole file: other methods meet only the damage in what they read.

        Raises:
            CatalogDamagedError: some of it cannot be read.
        """
        for name in ("snapshots", "sources", *TABLES):
            self._rows(f"SELECT max(hash(t)) FROM {name} t")

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with _reading(self.path):
            return self._connection.execute(query, list(parameters)).fetchall()

    def _frame(self, query: str) -> pl.DataFrame:
        # Values stand in the text: DuckDB hands over the result of a query with parameters twenty times slower.
        with _reading(self.path):
            frame = pl.DataFrame(self._connection.sql(query))
        instants = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
        return frame.with_columns(pl.col(instants).dt.replace_time_zone("UTC"))


def publish(
    path: Path,
    batch: Mapping[str, Path],
    *,
    published_at: datetime,
    note: str,
    snapshot_id: str | None = None,
    wait_s: float = 0,
) -> SnapshotInfo:
    """Make a batch the newest snapshot, whole or not at all.

    `batch` maps names of tables to Parquet files in their schema, each key at most once. For each table it is the
    whole truth of the sources that occur in its rows: a row of such a source that is no longer there is gone. A
    source without a row in the file is one that nothing was heard of, and keeps its rows; so does every source
    where the file is empty. A row replaces the one with its key, whichever source that came from.

    A batch that changes no row publishes nothing and returns the newest snapshot as it is: a second look at the
    same figures is no change. A snapshot id that the catalog has already is not published again but returned.

    Args:
        path: the catalog file; it is created if it is not there. A link to one stays a link.
        batch: a Parquet file for each table that changes.
        published_at: the instant from which on this is what was known; never before the newest snapshot.
        note: what brought the batch, for `history`.
        snapshot_id: the id to give; by default it follows from the previous id and the batch's bytes.
        wait_s: how long to wait for another publisher.

    Raises:
        BatchError: a file is not in the schema of its table, or repeats a key.
        CatalogBusyError: another process is still publishing after `wait_s`.
        CatalogUnwritableError: the folder or the disk refuses; the live file is as it was.
        CatalogDamagedError, CatalogTooNewError: the live file cannot be extended.
        ValueError: `published_at` has no time zone.
    """
    path, published_at = path.resolve(), _utc(published_at)
    with _writing(path), writing_alone(path, wait_s):
        known = _known(path)
        for info in known:
            if info.id == snapshot_id:
                return info
        previous = known[-1] if known else None
        with drafted(path) as draft:
            info = _apply(draft, batch, previous, published_at, note, snapshot_id)
            if info != previous:
                put_in_place(draft, path)
        return info


def _apply(
    draft: Path,
    batch: Mapping[str, Path],
    previous: SnapshotInfo | None,
    published_at: datetime,
    note: str,
    snapshot_id: str | None,
) -> SnapshotInfo:
    """Write the batch into the draft as the next snapshot; the previous one where it changes nothing."""
    seq = 1 if previous is None else previous.seq + 1
    with duckdb.connect(str(draft), config=_SETTINGS) as connection:
        connection.execute("BEGIN")
        if previous is None:
            _create(connection)
        connection.execute(_LOOKS)
        changed = [_merge(connection, name, file, seq) for name, file in sorted(batch.items())]
        if previous is not None and not any(changed):
            return previous
        at = published_at if previous is None else max(published_at, previous.published_at)
        info = SnapshotInfo(seq, snapshot_id or _lineage_id(previous, batch), at, note)
        connection.execute("INSERT INTO snapshots VALUES (?, ?, ?, ?)", [seq, info.id, at.replace(tzinfo=None), note])
        _record_sources(connection, seq)
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")
    return info


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_META)
    connection.execute("INSERT INTO meta VALUES (?)", [FORMAT])
    for table in TABLES.values():
        connection.execute(
            f"CREATE TABLE {table.name} ({duckdb_columns(table)}, since_seq INTEGER NOT NULL, until_seq INTEGER)"
        )


def _merge(connection: duckdb.DuckDBPyConnection, name: str, file: Path, seq: int) -> bool:
    """Bring one table up to the batch; whether anything changed."""
    with _reading_batch(name, file):
        table = _stage(connection, name, file)
    values = [column for column in table.column_names if column not in table.key and column not in _RESEEN]
    same_row = f"{_same(table.key, 'staged', 'live')} AND {_same(values, 'staged', 'live')}"
    closed = connection.execute(
        f"UPDATE {table.name} live SET until_seq = ? WHERE until_seq IS NULL"
        f" AND (source IN (SELECT DISTINCT source FROM staged)"
        f" OR EXISTS (FROM staged WHERE {_same(table.key, 'staged', 'live')}))"
        f" AND NOT EXISTS (FROM staged WHERE {same_row})",
        [seq],
    ).fetchone()
    added = connection.execute(
        f"INSERT INTO {table.name} SELECT staged.*, ?, NULL FROM staged"
        f" WHERE NOT EXISTS (FROM {table.name} live WHERE live.until_seq IS NULL AND {same_row})",
        [seq],
    ).fetchone()
    connection.execute("INSERT INTO looks SELECT DISTINCT source, source_version, observed_at FROM staged")
    return any(row is not None and row[0] for row in (closed, added))


def _stage(connection: duckdb.DuckDBPyConnection, name: str, file: Path) -> Table:
    """Read the rows of a batch into the temporary table `staged`; refuse what is not of its table."""
    if name not in TABLES:
        raise ValueError(f"the catalog has no such table, only {', '.join(TABLES)}")
    table = TABLES[name]
    if faults := table.misfits(pl.read_parquet_schema(file)):
        raise ValueError("; ".join(faults))
    columns = ", ".join(_from_parquet(column) for column in table.columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged ({duckdb_columns(table)})")
    connection.execute(f"INSERT INTO staged SELECT {columns} FROM read_parquet(?)", [str(file)])
    key = _names(table.key)
    twice = connection.execute(f"SELECT {key} FROM staged GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice is not None:
        raise ValueError(f"it has more than one row for {', '.join(str(value) for value in twice)}")
    return table


def _from_parquet(column: Column) -> str:
    name = _names([column.name])
    return f"make_timestamp(epoch_us({name}))" if column.kind is Kind.INSTANT else name


def _record_sources(connection: duckdb.DuckDBPyConnection, seq: int) -> None:
    """Record what each source holds in the new snapshot and the newest look at it, even one that changed nothing."""
    rows = " UNION ALL ".join(f"SELECT source FROM {name} WHERE until_seq IS NULL" for name in TABLES)
    connection.execute(
        "INSERT INTO sources SELECT $seq, source, arg_max_null(source_version, (observed_at, source_version)),"
        " max(observed_at), any_value(held.rows)"
        " FROM (FROM looks UNION ALL SELECT source, source_version, observed_at FROM sources WHERE seq = $seq - 1)"
        f" JOIN (SELECT source, count(*) AS rows FROM ({rows}) GROUP BY source) held USING (source) GROUP BY source",
        {"seq": seq},
    )


def _known(path: Path) -> list[SnapshotInfo]:
    if not path.exists():
        return []
    with Catalog.open(path) as catalog:
        return catalog.snapshots()


def _lineage_id(previous: SnapshotInfo | None, batch: Mapping[str, Path]) -> str:
    digest = hashlib.sha256((previous.id if previous else "").encode())
    for name, file in sorted(batch.items()):
        digest.update(name.encode())
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()[:12]


def _offer_limits(where: OfferFilter) -> str:
    """The limits as SQL on `o` (offers) and `t` (instance types)."""
    lists = {
        "o.cloud": where.clouds,
        "o.region": where.regions,
        "t.accelerator": where.accelerators,
        "o.purchase": where.purchases,
        "o.instance_type": where.instance_types,
    }
    limits = [
        f"{column} IN ({', '.join(_literal(value) for value in wanted)})" for column, wanted in lists.items() if wanted
    ]
    if where.max_price_usd_h is not None:
        limits.append(f"o.price_usd_h <= '{float(where.max_price_usd_h)!r}'::DOUBLE")  # quoted: it may be infinite
    return "".join(f" AND {limit}" for limit in limits)


def _literal(text: str) -> str:
    """The text as SQL. A query cannot hold a NUL as it stands, nor what is no Unicode, which matches nothing."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone: {at.isoformat()}")
    return at.astimezone(UTC)


def _current(alias: str, info: SnapshotInfo) -> str:
    return f"{alias}.since_seq <= {info.seq} AND ({alias}.until_seq IS NULL OR {alias}.until_seq > {info.seq})"


def _same(names: Sequence[str], left: str, right: str) -> str:
    return " AND ".join(f'{left}."{name}" IS NOT DISTINCT FROM {right}."{name}"' for name in names)


def _names(columns: Sequence[str]) -> str:
    """The columns as SQL; quoted, since some are words of the language (`at`)."""
    return ", ".join(f'"{name}"' for name in columns)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors while reading, as ours: the file is unreadable, or not what we wrote."""
    try:
        yield
    except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
        raise unreadable(path, _reason(error)) from error
    except RuntimeError as error:
        raise _interrupted(error) from error


@contextmanager
def _reading_batch(name: str, file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, duckdb.Error, pl.exceptions.PolarsError) as error:
        raise BatchError(f"{file} is no batch of {name}: {_reason(error)}", "nothing was changed") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """The system's and DuckDB's refusals while writing, as ours."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if isinstance(error, duckdb.Error):
            _require_readable(path)
        raise CatalogUnwritableError(
            f"the catalog {path} could not be written: {_reason(error)}",
            "free some space or choose another place with SKYBROKER_CATALOG; what was there is untouched",
        ) from error
    except RuntimeError as error:
        raise _interrupted(error) from error


def _interrupted(error: RuntimeError) -> BaseException:
    """DuckDB answers Ctrl-C with a plain RuntimeError, and no other fault with one."""
    return KeyboardInterrupt() if type(error) is RuntimeError else error


def _require_readable(path: Path) -> None:
    """Tell a damaged live file from a disk that refuses: DuckDB's errors do not."""
    if path.exists():
        with Catalog.open(path) as catalog:
            catalog.verify()


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
