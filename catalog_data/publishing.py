"""How a catalog changes: publishing, pruning, and bringing an earlier layout up to date.

None of these writes the live file. Each copies it, changes the copy in one transaction and renames the copy into place
under a writer's lock: a reader has the whole snapshot before or the whole one after.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from catalog_data import database
from catalog_data.atomic import drafted, put_in_place, writing_alone
from catalog_data.database import Connection, instant, literal, names, opened, reason, same, texts, utc
from catalog_data.errors import BatchError, CatalogMissingError, CatalogTooOldError, CatalogUnwritableError
from catalog_data.layout import create, rewrite
from catalog_data.precedence import effective
from catalog_data.schema import TABLES, Column, Kind, Purchase, Table, duckdb_columns
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import Catalog

# What says that a row is another one now. A second look at the same figure is not a change.
_RESEEN: Final = ("source_version", "observed_at", "expires_at")


@dataclass(frozen=True)
class Claims:
    """What a source claims that was looked at.

    complete_for, everywhere: see catalog_data/precedence.py. confirmed_at: when all that it says was seen to hold,
    which renews the age of every row of the batch but those that it leaves unconfirmed; None where rows have dates of
    their own alone. partial: the batch is not all that it says; what it said of other keys is what it says still.
    """

    complete_for: tuple[Purchase, ...] = ()
    everywhere: bool = False
    confirmed_at: datetime | None = None
    partial: bool = False


def publish(
    path: Path,
    batch: Mapping[str, Path],
    *,
    published_at: datetime,
    note: str,
    looks: Mapping[str, Claims] | None = None,
    snapshot_id: str | None = None,
    wait_s: float = 0,
) -> SnapshotInfo:
    """Make a batch the newest snapshot, whole or not at all.

    `batch` maps names of tables to Parquet files in their schema, each key at most once for each source. It is the
    whole truth of some sources: a row of such a source that is no longer there is gone. With `looks` these are the
    sources that it names, in every table, with what they claim; rows of those that are partial stay where the batch has
    no row of their key. Without, they are, for each table, the sources that occur in its rows.

    A batch that changes nothing that holds is no snapshot, and the newest one is returned: a second look at the same
    figures is no change. What was published under a given snapshot id is not published again.

    Args:
        path: the catalog file; it is created if it is not there. A link to one stays a link.
        batch: a Parquet file for each table that changes.
        published_at: the instant from which on this is what was known; never before the newest snapshot.
        note: what brought the batch, for `history`.
        looks: the sources that were looked at.
        snapshot_id: the id to give; by default it follows from the previous id and the batch's bytes.
        wait_s: how long to wait for another publisher.

    Raises:
        BatchError: a file is not in the schema of its table, or repeats a key.
        CatalogBusyError: another process is still publishing after `wait_s`.
        CatalogUnwritableError: the folder or the disk refuses; the live file is as it was.
        CatalogDamagedError, CatalogTooNewError, CatalogTooOldError: the live file cannot be extended.
        ValueError: `published_at` has no time zone.
    """
    path, published_at = path.resolve(), utc(published_at)
    with _writing(path), writing_alone(path, wait_s):
        known = _known(path)
        if snapshot_id is not None and known and _was_given(path, snapshot_id):
            return next((info for info in known if info.id == snapshot_id), known[-1])
        previous = known[-1] if known else None
        at = published_at if previous is None else max(published_at, previous.published_at)
        info = SnapshotInfo(
            1 if previous is None else previous.seq + 1, snapshot_id or _lineage_id(previous, batch), at, note
        )
        with drafted(path) as draft:
            brought, held = _apply(draft, batch, previous, info, looks, given=snapshot_id is not None)
            if brought or held:
                put_in_place(draft, path)
        return info if held or previous is None else previous


def prune(path: Path, before: datetime, *, wait_s: float = 0) -> int:
    """Forget what held only before an instant, and give its space back; how many snapshots are gone.

    The snapshot that was current at that instant is the oldest one afterwards.

    Raises:
        CatalogMissingError, CatalogBusyError, CatalogUnwritableError, CatalogDamagedError, CatalogTooOldError: see
            each; the live file is as it was.
    """
    path, before = path.resolve(), utc(before)
    with _writing(path), writing_alone(path, wait_s):
        known = _known(path)
        if not known:
            raise CatalogMissingError(f"there is no catalog at {path}")
        base = max((info for info in known if info.published_at <= before), key=lambda info: info.seq, default=known[0])
        with drafted(path) as draft:
            draft.unlink()
            with opened(draft) as connection:
                connection.execute(f"ATTACH {literal(str(path))} AS live (TYPE duckdb, READ_ONLY)")
                _copy_since(connection, base.seq)
            put_in_place(draft, path)
    return sum(info.seq < base.seq for info in known)


def upgrade(path: Path, *, wait_s: float = 0) -> None:
    """Rewrite a catalog of an earlier layout in the present one; nothing of it is lost.

    Raises:
        CatalogBusyError, CatalogUnwritableError, CatalogDamagedError: see each; the live file is as it was.
    """
    path = path.resolve()
    with _writing(path), writing_alone(path, wait_s):
        try:
            _known(path)
        except CatalogTooOldError:
            with drafted(path) as draft:
                with opened(draft) as connection:
                    connection.execute("BEGIN")
                    rewrite(connection)
                    connection.execute("COMMIT")
                    connection.execute("CHECKPOINT")
                put_in_place(draft, path)


def _apply(
    draft: Path,
    batch: Mapping[str, Path],
    previous: SnapshotInfo | None,
    info: SnapshotInfo,
    looks: Mapping[str, Claims] | None,
    *,
    given: bool,
) -> tuple[bool, bool]:
    """Write the batch into the draft; whether it changes the catalog, and whether it changes what holds."""
    with opened(draft) as connection:
        # Before the transaction: DuckDB reads what the same transaction wrote with one thread.
        staged = sorted({*batch, *(TABLES if looks is not None else ())})
        for name in staged:
            with _reading_batch(name, batch.get(name)):
                _stage(connection, name, batch.get(name))
        connection.execute("BEGIN")
        if previous is None:
            create(connection)
        said = _declare(connection, looks) if looks is not None else False
        clouds: dict[str, list[str]] = {}
        for name in staged:
            said |= _hold(connection, TABLES[name], looks, clouds)
        if given:
            connection.execute(f"INSERT INTO given VALUES ({literal(info.id)})")
        elif not said and previous is not None:
            return False, False
        changed = [_bring_up_to(connection, TABLES[name], clouds[name], info.seq, draft) for name in clouds]
        held = any(changed) or previous is None
        if held:
            at = instant(info.published_at)
            connection.execute(
                f"INSERT INTO snapshots VALUES ({info.seq}, {literal(info.id)}, {at}, {literal(info.note)})"
            )
            _record_sources(connection, info, looks or {})
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")
    return True, held


def _declare(connection: Connection, looks: Mapping[str, Claims]) -> bool:
    """Record what the sources are complete for; whether that is another thing than before.

    Such a source is in the batch, so that all clouds of which it speaks are ranked anew.
    """
    which = f"source IN {texts(tuple(looks))}"
    before = set(connection.execute(f"FROM complete WHERE {which}").fetchall())
    now = {
        (source, str(purchase), claims.everywhere)
        for source, claims in looks.items()
        for purchase in claims.complete_for
    }
    if now != before:
        connection.execute(f"DELETE FROM complete WHERE {which}")
        for source, purchase, everywhere in sorted(now):
            connection.execute(f"INSERT INTO complete VALUES ({literal(source)}, {literal(purchase)}, {everywhere})")
    return now != before


# What sources say.


def _stage(connection: Connection, name: str, file: Path | None) -> None:
    """Read the rows of a batch, if there are any, into a temporary table; refuse what is not of it."""
    if name not in TABLES:
        raise ValueError(f"the catalog has no such table, only {', '.join(TABLES)}")
    table = TABLES[name]
    connection.execute(f"CREATE TEMP TABLE staged_{name} ({duckdb_columns(table)})")
    if file is None:
        return
    with file.open("rb") as data:
        faults = table.misfits(pl.read_parquet_schema(data))
    if faults:
        raise ValueError("; ".join(faults))
    connection.execute(f"INSERT INTO staged_{name} {_from_parquet(table, file)}")
    key = names([*table.key, "source"])
    twice = connection.execute(f"SELECT {key} FROM staged_{name} GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice is not None:
        raise ValueError(f"it has more than one row for {', '.join(str(value) for value in twice)}")


def _stage_what_stays(connection: Connection, table: Table, sources: Sequence[str]) -> None:
    """Add to the staged rows what the sources said of other keys: read here, where no other writer comes between."""
    held, staged = f"held_{table.name}", f"staged_{table.name}"
    connection.execute(
        f"INSERT INTO {staged} SELECT held.* FROM (SELECT {names(table.column_names)} FROM {held}"
        f" WHERE source IN {texts(sources)}) held"
        f" ANTI JOIN {staged} staged ON {same([*table.key, 'source'], 'held', 'staged')}"
    )


def _hold(
    connection: Connection,
    table: Table,
    looks: Mapping[str, Claims] | None,
    clouds: dict[str, list[str]],
) -> bool:
    """Replace what the sources said by the staged rows; whether they say other things now.

    `clouds` is told of which clouds (`*` for tables without) they speak or spoke.
    """
    staged = f"staged_{table.name}"
    partial = [source for source, claims in (looks or {}).items() if claims.partial]
    if partial:
        _stage_what_stays(connection, table, partial)
    sources = texts(tuple(looks)) if looks is not None else f"(SELECT DISTINCT source FROM {staged})"
    said = names([name for name in table.column_names if name not in _RESEEN])
    # By counts and sums of hashes: keys are unique, so that equal sums of other rows are as likely as one in 2**64.
    sums = f"SELECT {_cloud_of(table)} AS cloud, count(*) AS n, sum(hash({said})) AS total"
    compared = connection.execute(
        "SELECT cloud, before.n IS DISTINCT FROM after.n OR before.total IS DISTINCT FROM after.total"
        f" FROM ({sums} FROM held_{table.name} WHERE source IN {sources} GROUP BY 1) before"
        f" FULL JOIN ({sums} FROM {staged} GROUP BY 1) after USING (cloud)"
    ).fetchall()
    if compared:
        clouds[table.name] = sorted(cloud for cloud, _ in compared)
        connection.execute(
            f"DELETE FROM held_{table.name} WHERE source IN {sources}; INSERT INTO held_{table.name} FROM {staged}"
        )
    return any(other for _, other in compared)


def _cloud_of(table: Table) -> str:
    return "cloud" if "cloud" in table.key else "'*'"


def _from_parquet(table: Table, file: Path) -> str:
    """The query for the rows in a Parquet file of polars, as the table has them."""
    columns = ", ".join(_as_stored(column) for column in table.columns)
    return f"SELECT {columns} FROM read_parquet({literal(glob.escape(str(file)))})"


def _as_stored(column: Column) -> str:
    name = names([column.name])
    return f"make_timestamp(epoch_us({name})) AS {name}" if column.kind is Kind.INSTANT else name


# What holds.


def _bring_up_to(connection: Connection, table: Table, clouds: Sequence[str], seq: int, draft: Path) -> bool:
    """Bring the rows that hold, of these clouds, up to what sources say; whether any is another one."""
    here = f"cloud IN {texts(clouds)}" if "cloud" in table.key else "true"
    values = [name for name in table.column_names if name not in table.key and name not in _RESEEN]
    live = f"SELECT rowid, * FROM {table.name} WHERE until_seq IS NULL AND {here}"
    same_row = f"{same(table.key, 'ranked', 'live')} AND {same(values, 'ranked', 'live')}"
    # Anti-joins by name: DuckDB runs NOT EXISTS on several columns at four times the cost.
    with _ranked(connection, table, here, draft) as ranked:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW ranked AS {ranked}")
        closed = connection.execute(
            f"UPDATE {table.name} SET until_seq = {seq} WHERE rowid IN"
            f" (SELECT live.rowid FROM ({live}) live ANTI JOIN ranked ON {same_row})"
        ).fetchone()
        added = connection.execute(
            f"INSERT INTO {table.name} SELECT ranked.*, {seq}, NULL FROM ranked ANTI JOIN ({live}) live ON {same_row}"
        ).fetchone()
    return any(row is not None and row[0] for row in (closed, added))


@contextmanager
def _ranked(connection: Connection, table: Table, here: str, draft: Path) -> Iterator[str]:
    """The query for the rows that hold, of those `here`, from what all sources say; it can be asked meanwhile."""
    held = database.frame_of(connection, f"SELECT {names(table.column_names)} FROM held_{table.name} WHERE {here}")
    holding = effective(table, held, database.frame_of(connection, "FROM complete"))
    file = draft.with_name(f"{draft.name}.rows")
    holding.write_parquet(file, compression="uncompressed", statistics=False)
    yield _from_parquet(table, file)
    file.unlink()


def _record_sources(connection: Connection, info: SnapshotInfo, looks: Mapping[str, Claims]) -> None:
    """Record what each source says in the new snapshot and when it was last seen to hold."""
    said = " UNION ALL ".join(f"SELECT source, source_version, observed_at FROM held_{name}" for name in TABLES)
    cases = " ".join(
        f"WHEN {literal(name)} THEN {instant(claims.confirmed_at) if claims.confirmed_at else 'NULL'}"
        for name, claims in looks.items()
    )
    before = "any_value(before.confirmed_at)"
    confirmed = f"CASE said.source {cases} ELSE {before} END" if cases else before
    connection.execute(
        f"INSERT INTO sources SELECT {info.seq}, said.source,"
        " arg_max_null(said.source_version, (said.observed_at, said.source_version)), max(said.observed_at), count(*),"
        f" {confirmed}"
        f" FROM ({said}) said LEFT JOIN sources before ON before.source = said.source AND before.seq = {info.seq - 1}"
        " GROUP BY said.source"
    )


# The past.


def _copy_since(connection: Connection, base: int) -> None:
    """Copy the catalog `live` without what only held before the snapshot `base`: deleting would leave holes."""
    [[copy]] = connection.execute("SELECT current_database()").fetchall()
    connection.execute(f"COPY FROM DATABASE live TO {names([copy])} (SCHEMA)")
    for name, table in TABLES.items():
        connection.execute(
            f"INSERT INTO {name} SELECT {names(table.column_names)}, greatest(since_seq, {base}), until_seq"
            f" FROM live.{name} WHERE until_seq IS NULL OR until_seq > {base}"
        )
    for name in ("snapshots", "sources"):
        connection.execute(f"INSERT INTO {name} FROM live.{name} WHERE seq >= {base}")
    for name in ("meta", "complete", "given", *(f"held_{name}" for name in TABLES)):
        connection.execute(f"INSERT INTO {name} FROM live.{name}")
    connection.execute("DETACH live; CHECKPOINT")


# Files.


def _known(path: Path) -> list[SnapshotInfo]:
    if not path.exists():
        return []
    with Catalog.open(path) as catalog:
        return catalog.snapshots()


def _was_given(path: Path, snapshot_id: str) -> bool:
    with Catalog.open(path) as catalog:
        return snapshot_id in catalog.given_ids()


def _lineage_id(previous: SnapshotInfo | None, batch: Mapping[str, Path]) -> str:
    digest = hashlib.sha256((previous.id if previous else "").encode())
    for name, file in sorted(batch.items()):
        digest.update(name.encode())
        with _reading_batch(name, file), file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()[:12]


@contextmanager
def _reading_batch(name: str, file: Path | None) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, database.Error, pl.exceptions.PolarsError) as error:
        raise BatchError(f"{file} is no batch of {name}: {reason(error)}", "nothing was changed") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """The system's and DuckDB's refusals while writing, as ours."""
    try:
        yield
    except (OSError, database.Error, pl.exceptions.ComputeError) as error:
        if isinstance(error, database.Error):
            _require_readable(path)
        raise CatalogUnwritableError(
            f"the catalog {path} could not be written: {reason(error)}",
            "free some space or choose another place with SKYBROKER_CATALOG; what was there is untouched",
        ) from error
    except RuntimeError as error:
        raise database.interrupted(error) from error


def _require_readable(path: Path) -> None:
    """Tell a damaged live file from a disk that refuses: DuckDB's errors do not."""
    if path.exists():
        with Catalog.open(path) as catalog:
            catalog.verify()
