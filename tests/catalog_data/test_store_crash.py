"""Writers that die, writers that meet, and readers that look at any moment: a catalog is always whole."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog_data.errors import CatalogBusyError
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS
from catalog_data.store import Catalog, OfferFilter
from tests.kits.rows import NOON, offer, offers, published, written
from tests.kits.store_processes import (
    PROCESSES,
    hold_lock,
    number_of,
    numbered,
    publish_all,
    publish_forever,
    publish_with_room,
    read_until,
    reads_until,
    running,
)

KILLS = int(os.environ.get("SKYBROKER_TEST_KILLS", "25"))
"""How many writers are killed at random moments; set it higher for a longer hunt."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalog of a test stands."""
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The batches 0 to 6, each in a file that is named after its number."""
    folder = tmp_path / "numbered"
    folder.mkdir()
    for number in range(7):
        numbered(number).write_parquet(folder / f"{number}.parquet")
    return sorted(folder.iterdir())


def drafts(path: Path) -> set[str]:
    """The names of what writers that died left beside the catalog."""
    return {file.name for file in path.parent.glob(f"{path.name}.new-*")}


def newest(path: Path) -> int:
    """The number of the newest snapshot, 0 where there is no catalog; every snapshot in the file is whole."""
    if not path.exists():
        return 0
    with Catalog.open(path) as catalog:
        catalog.verify()
        infos = catalog.snapshots()
        assert [info.seq for info in infos] == list(range(1, len(infos) + 1))
        for info in infos:
            assert str(number_of(catalog.table(OFFERS, info))) == info.note
            assert [age.rows for age in catalog.sources(info)] == [40 + 10 * int(info.note)]
    return len(infos)


def test_a_writer_is_killed_at_random(path: Path, files: list[Path]) -> None:
    """Whenever kill -9 comes, the file holds what was acknowledged and at most one snapshot more, each one whole."""
    chance = random.Random(2026)
    last, left_something = 0, 0
    for _ in range(KILLS):
        receiver, sender = PROCESSES.Pipe(duplex=False)
        chance.shuffle(files)
        with running(publish_forever, path, files, sender) as writer:
            sender.close()
            time.sleep(chance.uniform(0.02, 0.25))
            writer.kill()
            writer.join()
            assert writer.exitcode == -signal.SIGKILL
        while receiver.poll():
            try:
                last, _note = receiver.recv()
            except EOFError:
                break
        receiver.close()
        current = newest(path)
        assert current in (last, last + 1)
        last = current
        assert len({name.removesuffix(".wal").removesuffix(".rows") for name in drafts(path)}) <= 1, (
            "the next writer removes what one left"
        )
        left_something += bool(drafts(path))
    assert last > 0
    assert left_something > 0
    publish(path, {"offers": files[0]}, published_at=NOON, note=files[0].stem)
    assert not drafts(path)


def test_a_writer_is_killed_at_every_size_of_its_files(path: Path, files: list[Path]) -> None:
    """A writer that dies in the middle of a write, early or late, leaves the catalog byte for byte as it was."""
    publish(path, {"offers": files[0]}, published_at=NOON, note=files[0].stem)
    before = path.read_bytes()
    died = 0
    for sixteenth in range(1, 40, 3):
        _, sender = PROCESSES.Pipe(duplex=False)
        room = len(before) * sixteenth // 16
        with running(publish_with_room, path, files[1], room, True, sender) as writer:
            writer.join()
            died += writer.exitcode == -signal.SIGXFSZ
        if writer.exitcode == 0:
            break
        assert path.read_bytes() == before
    assert died >= 5
    assert newest(path) == 2
    assert not drafts(path)


def test_leftovers_of_every_kind_are_removed(path: Path, files: list[Path]) -> None:
    """A draft, its log, and the folder into which the database spilled; files of others stay."""
    publish(path, {"offers": files[0]}, published_at=NOON, note=files[0].stem)
    draft = path.with_name(f"{path.name}.new-1")
    draft.write_bytes(b"half")
    draft.with_name(f"{draft.name}.wal").write_bytes(b"half")
    spilled = draft.with_name(f"{draft.name}.tmp")
    spilled.mkdir()
    (spilled / "block").write_bytes(b"half")
    other = path.with_name("other.duckdb.new-1")
    other.write_bytes(b"another catalog's")
    publish(path, {"offers": files[1]}, published_at=NOON, note=files[1].stem)
    assert not drafts(path)
    assert other.exists()
    assert newest(path) == 2


def test_readers_see_whole_snapshots(path: Path, files: list[Path]) -> None:
    """Two processes and a thread that open the catalog all the time while it changes never fail and never see half."""
    publish(path, {"offers": files[-1]}, published_at=NOON, note=files[-1].stem)
    enough = PROCESSES.Event()
    ends = [PROCESSES.Pipe(duplex=False) for _ in range(2)]
    with (
        ThreadPoolExecutor() as threads,
        running(read_until, path, enough, ends[0][1]) as first,
        running(read_until, path, enough, ends[1][1]) as second,
    ):
        here = threads.submit(reads_until, path, enough)
        try:
            with running(publish_all, path, files * 2, 0) as writer:
                writer.join()
                assert writer.exitcode == 0
        finally:
            enough.set()
        results = [here.result(), *(receiver.recv() for receiver, _ in ends)]
        first.join()
        second.join()
        assert (first.exitcode, second.exitcode) == (0, 0)
    assert newest(path) == 1 + 2 * len(files)
    for count, seen in results:
        assert count > 5
        assert len(seen) > 3


def test_readers_in_the_process_of_the_writer(path: Path, files: list[Path]) -> None:
    """Threads that read beside the publishing thread see each new snapshot too, whole."""
    publish(path, {"offers": files[-1]}, published_at=NOON, note=files[-1].stem)
    enough = threading.Event()
    with ThreadPoolExecutor() as threads:
        readers = [threads.submit(reads_until, path, enough) for _ in range(2)]
        try:
            publish_all(path, files * 2, 0)
        finally:
            enough.set()
        for reader in readers:
            count, seen = reader.result()
            assert count > 5
            assert len(seen) > 3
    assert newest(path) == 1 + 2 * len(files)


def test_two_processes_read_at_once(path: Path) -> None:
    """Reading locks nobody out, neither another reader nor a writer."""
    info = published(path, offers=numbered(3), note="3")
    enough = PROCESSES.Event()
    receiver, sender = PROCESSES.Pipe(duplex=False)
    with running(read_until, path, enough, sender) as reader, Catalog.open(path) as catalog:
        time.sleep(0.2)
        assert number_of(catalog.table(OFFERS, info)) == 3
        enough.set()
        reader.join()
        count, seen = receiver.recv()
    assert count > 1
    assert seen == {1}


def test_two_writers_lose_no_snapshot(path: Path, tmp_path: Path) -> None:
    """Each waits for the other: every batch of both is a snapshot, and the last of each source is what holds."""
    batches: list[list[Path]] = []
    for source in ("a", "b"):
        rows = [offers(offer(source=source, instance_type=source, price_usd_h=price)) for price in range(1, 9)]
        batches.append([written(tmp_path / source, offers=frame)["offers"] for frame in rows])
    with (
        running(publish_all, path, batches[0], 60) as first,
        running(publish_all, path, batches[1], 60) as second,
    ):
        first.join()
        second.join()
        assert (first.exitcode, second.exitcode) == (0, 0)
    with Catalog.open(path) as catalog:
        assert [info.seq for info in catalog.snapshots()] == list(range(1, 17))
        last = catalog.table(OFFERS, catalog.resolve())
        assert last.select("source", "price_usd_h").rows() == [("a", 8), ("b", 8)]
        kept = catalog.history(OfferFilter())
    assert kept.height == 16


def test_a_writer_who_takes_long(path: Path) -> None:
    """The next one says so at once, or when its patience ends, and publishes when the lock is free."""
    held, release = PROCESSES.Event(), PROCESSES.Event()
    with running(hold_lock, path, held, release) as holder:
        assert held.wait(30)
        with pytest.raises(CatalogBusyError, match=f"another process is publishing into {path}") as caught:
            published(path, offers=numbered(1))
        assert caught.value.hint
        started = time.monotonic()
        with pytest.raises(CatalogBusyError):
            published(path, offers=numbered(1), wait_s=0.2)
        assert time.monotonic() - started >= 0.2
        threading.Timer(0.2, release.set).start()
        assert published(path, offers=numbered(1), wait_s=30).seq == 1
        holder.join()
        assert holder.exitcode == 0


def test_a_writer_who_died_holds_no_lock(path: Path) -> None:
    """The lock goes with the process, whatever lies there."""
    held, release = PROCESSES.Event(), PROCESSES.Event()
    with running(hold_lock, path, held, release) as holder:
        assert held.wait(30)
        holder.kill()
        holder.join()
    assert published(path, offers=numbered(1)).seq == 1
