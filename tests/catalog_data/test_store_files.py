"""Files and disks that are not as they should be: the right error, with the path and what to do, and nothing lost."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from polars.testing import assert_frame_equal

from catalog_data.errors import (
    CatalogDamagedError,
    CatalogError,
    CatalogMissingError,
    CatalogTooNewError,
    CatalogUnwritableError,
)
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS
from catalog_data.store import FORMAT, Catalog, OfferFilter
from tests.kits.rows import NOON, published, written
from tests.kits.store_processes import PROCESSES, numbered, publish_with_room, running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog with one snapshot that fills several blocks of the file."""
    path = tmp_path / "catalog" / "catalog.duckdb"
    published(path, offers=numbered(1), note="1")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of such a catalog."""
    path = tmp_path_factory.mktemp("whole") / "catalog.duckdb"
    published(path, offers=numbered(1), note="1")
    return path.read_bytes()


def read_all(path: Path) -> None:
    """What a command reads, and the rest."""
    with Catalog.open(path) as catalog:
        catalog.snapshot()
        catalog.history(OfferFilter())
        catalog.verify()


def assert_refused(path: Path, kind: type[CatalogError]) -> None:
    """Reading and publishing both end with an error of this kind that names the path and what to do about it."""
    beside = {file.name for file in path.parent.iterdir()} | {f"{path.name}.lock", "batches"}
    before = path.read_bytes() if path.is_file() else None
    for action in (read_all, lambda there: published(there, offers=numbered(2))):
        with pytest.raises(kind) as caught:
            action(path)
        assert type(caught.value) is kind
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.hint
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {file.name for file in path.parent.iterdir()} <= beside


@pytest.mark.parametrize("size", [0, 1, 100, 5_000, 300_000])
def test_bytes_of_something_else(path: Path, size: int) -> None:
    """A file that never was a catalog: empty, or random bytes."""
    path.write_bytes(random.Random(size).randbytes(size))
    assert_refused(path, CatalogDamagedError)


@pytest.mark.parametrize("thousandths", [0.1, 1, 3, 10, 100, 300, 500, 800, 990, 999.9])
def test_a_file_that_was_cut(path: Path, whole: bytes, thousandths: float) -> None:
    """Wherever a copy of the catalog ended."""
    path.write_bytes(whole[: int(len(whole) * thousandths / 1000)])
    assert_refused(path, CatalogDamagedError)


def test_a_block_of_rows_that_was_overwritten(path: Path, whole: bytes) -> None:
    """The file opens, and what is wrong shows only where the rows are read: by every method, as our error."""
    path.write_bytes(whole.replace(b"us-east-1", b"XX-east-1"))
    with Catalog.open(path) as catalog:
        info = catalog.resolve()
        for read in (lambda: catalog.offers(info), lambda: catalog.table(OFFERS, info), catalog.verify):
            with pytest.raises(CatalogDamagedError, match=f"the catalog {path} cannot be read: "):
                read()
    assert_refused(path, CatalogDamagedError)


def test_bits_that_flipped(path: Path, whole: bytes) -> None:
    """One byte anywhere: the catalog is refused, or it is read as it was because the byte says nothing."""
    chance = random.Random(7)
    refused = 0
    for _ in range(40):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read_all(path)
        except CatalogDamagedError:
            refused += 1
        else:
            with Catalog.open(path) as catalog:
                assert_frame_equal(catalog.table(OFFERS, catalog.resolve()), numbered(1), check_row_order=False)
    assert refused > 0


FOREIGN: dict[str, str] = {
    "no tables": "SELECT 1",
    "other tables": "CREATE TABLE meta (name VARCHAR); CREATE TABLE offers (x INTEGER)",
    "no format": "CREATE TABLE meta (format INTEGER)",
    "a format that is no number": "CREATE TABLE meta AS SELECT 'new' AS format",
    "no snapshots": f"CREATE TABLE meta AS SELECT {FORMAT} AS format",
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN)
def test_a_database_that_is_not_ours(path: Path, statement: str) -> None:
    """A DuckDB file of another program, or of ours with a part missing."""
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    assert_refused(path, CatalogDamagedError)


@pytest.mark.parametrize("table", ["offers", "held_throughput", "sources", "snapshots"])
def test_a_table_that_is_gone(path: Path, table: str) -> None:
    """Someone was at it with another tool."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"DROP TABLE {table}")
    assert_refused(path, CatalogDamagedError)


def test_no_snapshot_at_all(path: Path) -> None:
    """A catalog is born with its first snapshot, so this is none of ours."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM snapshots")
    assert_refused(path, CatalogDamagedError)


def test_a_sqlite_file(path: Path) -> None:
    """A file of another database, which must not be opened by way of an extension."""
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE meta (format INTEGER)")
    connection.close()
    assert_refused(path, CatalogDamagedError)


def test_a_later_format(path: Path) -> None:
    """It is not damaged: the hint is to upgrade, and the file stays."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE meta SET format = ?", [FORMAT + 1])
    assert_refused(path, CatalogTooNewError)
    with pytest.raises(CatalogTooNewError, match=f"has format {FORMAT + 1}, this version reads up to {FORMAT}"):
        Catalog.open(path)


def test_a_folder_in_its_place(path: Path) -> None:
    """It stays, and nothing is written into it."""
    path.unlink()
    path.mkdir()
    assert_refused(path, CatalogDamagedError)
    assert not list(path.iterdir())


def test_a_folder_in_the_place_of_its_lock(path: Path) -> None:
    """Without the lock nothing is written."""
    lock = path.with_name(f"{path.name}.lock")
    lock.unlink()
    lock.mkdir()
    before = path.read_bytes()
    with pytest.raises(CatalogUnwritableError, match="could not be written"):
        published(path, offers=numbered(2))
    assert path.read_bytes() == before


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """Nobody, not even root, can write below a file; and there is no catalog to read there."""
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "sub" / "catalog.duckdb"
    batch = written(tmp_path / "batches", offers=numbered(1))
    with pytest.raises(CatalogUnwritableError, match=f"the catalog {path} could not be written: ") as caught:
        publish(path, batch, published_at=NOON, note="")
    assert "SKYBROKER_CATALOG" in caught.value.hint
    with pytest.raises(CatalogMissingError):
        Catalog.open(path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """No file can have it."""
    with pytest.raises(CatalogUnwritableError, match="File name too long"):
        publish(tmp_path / ("x" * 300), {}, published_at=NOON, note="")
    with pytest.raises(CatalogDamagedError, match="File name too long"):
        Catalog.open(tmp_path / ("x" * 300))


def test_a_folder_that_cannot_be_written() -> None:
    """The system's own refusal, on a file system where even root meets it."""
    with pytest.raises(CatalogUnwritableError):
        publish(Path("/proc/skybroker/catalog.duckdb"), {}, published_at=NOON, note="")


def test_a_disk_that_fills_up(path: Path, tmp_path: Path) -> None:
    """At whatever point of publishing the disk is full, the error says so and the catalog is as it was."""
    before, beside = path.read_bytes(), {file.name for file in path.parent.iterdir()}
    file = written(tmp_path / "next", offers=numbered(6))["offers"]
    failed = 0
    for sixteenth in (0, 1, 6, 12, 15, 16, 17, 18, 20, 24, 28, 32, 64):
        receiver, sender = PROCESSES.Pipe(duplex=False)
        room = len(before) * sixteenth // 16
        with running(publish_with_room, path, file, room, False, sender) as writer:
            outcome = receiver.recv()
            writer.join()
            assert writer.exitcode == 0
        if outcome is None:
            break
        kind, message, hint = outcome
        assert kind is CatalogUnwritableError, message
        assert message.startswith(f"the catalog {path} could not be written: ")
        assert "free some space" in hint
        assert path.read_bytes() == before
        assert {file.name for file in path.parent.iterdir()} == beside
        failed += 1
    assert failed >= 6
    with Catalog.open(path) as catalog:
        assert [info.note for info in catalog.snapshots()] == ["1", file.stem]


def test_a_disk_that_is_too_small_for_the_first(tmp_path: Path) -> None:
    """Nothing is left that the next command would take for a catalog."""
    path = tmp_path / "catalog" / "catalog.duckdb"
    file = written(tmp_path / "next", offers=numbered(6))["offers"]
    for room in (0, 1, 10_000, 300_000, 600_000):
        receiver, sender = PROCESSES.Pipe(duplex=False)
        with running(publish_with_room, path, file, room, False, sender):
            kind, message, _hint = receiver.recv()
        assert kind is CatalogUnwritableError, message
        assert {file.name for file in path.parent.iterdir()} == {f"{path.name}.lock"}


def test_a_small_disk(tmp_path: Path) -> None:
    """The same on a file system of 7 MB that is really full, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size=7m tmpfs {shlex.quote(str(folder))}"
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    files = [written(tmp_path / "batches", offers=numbered(number))["offers"] for number in (0, 6)]
    program = shlex.join([sys.executable, "-m", "tests.kits.small_disk", *map(str, (folder, *files))])
    done = subprocess.run([*alone, f"{mount} && exec {program}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *failures, last = json.loads(done.stdout)
    assert last is None
    assert len(failures) >= 3
    for kind, message in failures:
        assert kind == "CatalogUnwritableError", message
        assert message.startswith(f"the catalog {folder}/catalog.duckdb could not be written: ")
        assert "No space left on device" in message


def test_a_catalog_that_another_program_has_open(path: Path) -> None:
    """Somebody looks into it with DuckDB's own program: it is not damaged, and must not be moved away."""
    held = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert held.stdout is not None
    held.stdout.readline()
    with pytest.raises(CatalogDamagedError) as caught:
        read_all(path)
    held.communicate(b"\n")
    assert caught.value.hint == "another program has it open for writing: close it there"
    read_all(path)


@pytest.mark.parametrize("name", ["a [b] c", "a * c", "it's 100% of it;"])
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    """What is a pattern elsewhere is a name here."""
    folder = tmp_path / name
    folder.mkdir()
    info = published(folder / "catalog.duckdb", offers=numbered(1))
    with Catalog.open(folder / "catalog.duckdb") as catalog:
        assert catalog.table(OFFERS, info).height == numbered(1).height
