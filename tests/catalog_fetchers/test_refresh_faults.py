"""Refreshes that are killed, interrupted, doubled or out of room, as real processes: the catalog is always whole."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from catalog_data.atomic import alone, writing_alone
from catalog_data.errors import CatalogBusyError, CatalogUnwritableError
from catalog_data.refresh_state import folder_of
from catalog_data.schema import REGIONS
from catalog_data.store import Catalog
from tests.kits.program import CHECKOUT, PROGRAM
from tests.kits.provider import Fault, Provider, provider_of, recorded_routes
from tests.kits.refresh_processes import (
    NUMBERS,
    number_of,
    plan_until,
    read,
    refresh_forever,
    refresh_often,
    refreshed,
    routes,
)
from tests.kits.rows import frame, published, row
from tests.kits.store_processes import PROCESSES, running

KILLS: Final = int(os.environ.get("SKYBROKER_TEST_KILLS", "15"))
"""How many refreshes are killed at random moments; set it higher for a longer hunt."""
READING_PROCESSES: Final = 5
THREADS_EACH: Final = 10
REFRESHES: Final = 3
SOON_S: Final = 10
"""Seconds within which a program ends whose server would keep it for a minute."""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog that knows a region and no offer."""
    path = tmp_path / "catalog" / "catalog.duckdb"
    published(path, regions=frame(REGIONS, row(REGIONS)))
    return path


@pytest.fixture
def shops() -> Iterator[Provider]:
    """The shops that the refreshes read."""
    with provider_of(routes()) as provider:
        yield provider


def newest(catalog: Path, known: int) -> int:
    """The number of snapshots; each one after `known` is that of one whole refresh, and so is what sources said."""
    with Catalog.open(catalog) as opened:
        opened.verify()
        infos = opened.snapshots()
        for info in infos[max(known - 1, 1) :]:
            assert number_of(opened.offers(info)) == (info.seq - 1) % NUMBERS
    return infos[-1].seq


def left_behind(catalog: Path) -> set[str]:
    """Drafts of the catalog and of the state, and folders of work."""
    drafts = {file.name.partition(".new-")[0] for file in catalog.parent.glob("*.new-*")}
    return drafts | {file.name.partition("-")[0] for file in folder_of(catalog).glob("*-*")}


def test_a_refresh_is_killed_at_random(catalog: Path, shops: Provider) -> None:
    """Whenever kill -9 comes, the catalog is as before or has the next snapshot whole; the next refresh tidies up."""
    chance = random.Random(2026)
    last = refreshed(catalog, shops.mirror, 1).snapshot.seq
    left: set[str] = set()
    for _ in range(KILLS):
        receiver, sender = PROCESSES.Pipe(duplex=False)
        with running(refresh_forever, catalog, shops.mirror, last, sender) as refresher:
            sender.close()
            time.sleep(chance.uniform(0.05, 0.5))
            refresher.kill()
            refresher.join()
            assert refresher.exitcode == -signal.SIGKILL
        acknowledged = last
        while receiver.poll():
            try:
                acknowledged = receiver.recv()
            except EOFError:
                break
        receiver.close()
        current = newest(catalog, last)
        assert current in (acknowledged, acknowledged + 1)
        left |= left_behind(catalog)
        report = refreshed(catalog, shops.mirror, current)
        assert not report.failed
        last = newest(catalog, current)
        assert last == current + 1
        assert left_behind(catalog) == set()
    assert "work" in left


def test_what_a_killed_refresh_left_is_cleared_away(catalog: Path, shops: Provider) -> None:
    """Wherever it was killed: while it looked, published or noted what it saw."""
    refreshed(catalog, shops.mirror, 1)
    (folder_of(catalog) / "work-1" / "north").mkdir(parents=True)
    for draft in (folder_of(catalog) / "state.json.new-1", catalog.with_name(f"{catalog.name}.new-1")):
        draft.write_bytes(b"half")
    assert left_behind(catalog) == {"work", "state.json.new", catalog.name}
    refreshed(catalog, shops.mirror, 2)
    assert left_behind(catalog) == set()


def test_what_was_seen_cannot_be_noted(catalog: Path, shops: Provider) -> None:
    """The prices are published all the same, and one line says what is not there."""
    refreshed(catalog, shops.mirror, 1)
    rejected = folder_of(catalog) / "rejected"
    shutil.rmtree(rejected)
    rejected.write_bytes(b"")
    with pytest.raises(CatalogUnwritableError, match=f"what was seen could not be noted in {folder_of(catalog)}: "):
        refreshed(catalog, shops.mirror, 2)
    assert newest(catalog, 2) == 3


def test_readers_plan_while_it_is_refreshed(catalog: Path, shops: Provider) -> None:
    """Fifty in five processes: none fails, and each plan is from one whole refresh."""
    last = refreshed(catalog, shops.mirror, 1).snapshot.seq
    enough = PROCESSES.Event()
    ends = [PROCESSES.Pipe(duplex=False) for _ in range(READING_PROCESSES)]
    with ExitStack() as readers:
        for _, sender in ends:
            readers.enter_context(running(plan_until, catalog, THREADS_EACH, enough, sender))
        with running(refresh_often, catalog, shops.mirror, range(last, last + REFRESHES)) as writer:
            writer.join()
            assert writer.exitcode == 0
        enough.set()
        seen = [found for receiver, _ in ends for found in receiver.recv()]
    assert newest(catalog, last) == last + REFRESHES
    assert len(seen) == READING_PROCESSES * THREADS_EACH
    assert all(seen)
    assert set().union(*seen) >= set(range(last + 1, last + REFRESHES))


def test_readers_wait_for_nobody(catalog: Path, shops: Provider) -> None:
    """Whoever refreshes or publishes, and for however long, keeps no reader away."""
    refreshed(catalog, shops.mirror, 1)
    busy = CatalogBusyError("")
    with alone(folder_of(catalog) / "lock", busy), writing_alone(catalog, 0):
        assert number_of(read(catalog).offers) == 1


def program(home: Path, mirror: str) -> subprocess.Popen[str]:
    """A refresh of one source, as a command that has begun."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SKYBROKER_", "XDG_"))}
    return subprocess.Popen(
        [*PROGRAM, "catalog", "refresh", "--only", "lium"],
        env={**clean, "HOME": str(home), "SKYBROKER_MIRROR": mirror, "SKYBROKER_CATALOG": str(home / "catalog.duckdb")},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_refreshes_at_once_and_ctrl_c(tmp_path: Path) -> None:
    """The second says so and ends with 1; Ctrl-C ends the first within seconds, though its server hangs."""
    path = tmp_path / "catalog.duckdb"
    published(path, regions=frame(REGIONS, row(REGIONS)))
    before = path.read_bytes()
    with provider_of(recorded_routes("lium")) as provider:
        provider.fail(Fault(hang_s=60))
        with program(tmp_path, provider.mirror) as first:
            while not provider.received:
                assert first.poll() is None
                time.sleep(0.01)
            with program(tmp_path, provider.mirror) as second:
                out, err = second.communicate(timeout=60)
            assert second.returncode == 1
            assert out == ""
            assert err.splitlines()[-2:] == [
                "error: another refresh of this catalog is running",
                "hint: let it end, or stop it",
            ]
            first.send_signal(signal.SIGINT)
            start = time.monotonic()
            out, err = first.communicate(timeout=60)
            assert time.monotonic() - start < SOON_S
        assert first.returncode == 130
        assert out == ""
        assert "Traceback" not in err
        assert path.read_bytes() == before
        with program(tmp_path, provider.mirror) as third:
            third.communicate(timeout=60)
        assert third.returncode == 0
    assert left_behind(path) == set()


def test_a_full_disk(tmp_path: Path) -> None:
    """At whatever point there is no room, one clear line says so, the catalog is as it was, and it works with room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size=12m tmpfs {shlex.quote(str(folder))}"
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    command = shlex.join([sys.executable, "-m", "tests.kits.small_disk_refresh", str(folder)])
    names = ("cloudrift", "lium", "vast")
    with provider_of(route for name in names for route in recorded_routes(name)) as provider:
        done = subprocess.run(
            [*alone, f"{mount} && exec {command}"],
            env={**os.environ, "SKYBROKER_MIRROR": provider.mirror},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    *failures, (code, out, _) = json.loads(done.stdout)
    assert code == 0
    assert "is published" in out
    assert len(failures) >= 5
    for code, out, err in failures:
        assert (code, out) == (1, "")
        head, error, hint = err.splitlines()
        assert head.endswith("looking at 3 sources")
        assert error.startswith(f"error: the catalog {folder}/catalog.duckdb could not be written: ")
        assert "No space left on device" in error
        assert hint.startswith("hint: free some space")
