"""What other processes do with a catalog in the tests; each function is the whole life of one."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import polars as pl

from catalog_data.atomic import writing_alone
from catalog_data.errors import CatalogError
from catalog_data.publishing import publish
from catalog_data.schema import OFFERS
from catalog_data.store import Catalog
from tests.kits.rows import NOON, offer, offers

# Children are forked from a server that has loaded this module but started no thread: starting one takes 20 ms.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@contextmanager
def running(life: Any, *arguments: object) -> Iterator[ForkServerProcess]:
    """A process that lives the function with the arguments; it is killed where it outlives the block."""
    process = PROCESSES.Process(target=life, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def numbered(number: int, source: str = "price_page") -> pl.DataFrame:
    """The batch of a number: 40 + 10 * number offers, each of which costs that number (+ 1) of USD/h."""
    count, price = 40 + 10 * number, number + 1
    return offers(*(offer(instance_type=f"m{n}", source=source, price_usd_h=price) for n in range(count)))


def number_of(rows: pl.DataFrame) -> int:
    """The number whose batch these offers are.

    Raises:
        AssertionError: they are not one whole batch.
    """
    prices = rows["price_usd_h"].unique().to_list()
    assert len(prices) == 1, f"rows of several batches: {prices}"
    number = int(prices[0]) - 1
    assert rows.height == 40 + 10 * number, f"{rows.height} rows of batch {number}"
    return number


def publish_forever(path: Path, files: Sequence[Path], acknowledged: Connection) -> None:
    """Publish numbered batches in turn, and say after each which snapshot it has become."""
    while True:
        for file in files:
            info = publish(path, {"offers": file}, published_at=NOON, note=file.stem)
            acknowledged.send((info.seq, file.stem))


def publish_all(path: Path, files: Sequence[Path], wait_s: float) -> None:
    """Publish batches one after the other."""
    for file in files:
        publish(path, {"offers": file}, published_at=NOON, note=file.stem, wait_s=wait_s)


def read_until(path: Path, enough: Event, result: Connection) -> None:
    """Open the catalog again and again, and send how often it was whole and which snapshots were seen."""
    result.send(reads_until(path, enough))


def reads_until(path: Path, enough: Any) -> tuple[int, set[int]]:
    """How often the catalog was opened and whole until `enough` is set, and the numbers of the snapshots seen."""
    count, seen = 0, set()
    while not enough.is_set():
        with Catalog.open(path) as catalog:
            info = catalog.resolve()
            assert number_of(catalog.table(OFFERS, info)) == int(info.note)
        count += 1
        seen.add(info.seq)
    return count, seen


def hold_lock(path: Path, held: Event, release: Event) -> None:
    """Be a writer who takes long."""
    with writing_alone(path, 0):
        held.set()
        release.wait()


def publish_with_room(path: Path, file: Path, largest_file: int, deadly: bool, outcome: Connection) -> None:
    """Publish where no file may grow beyond a size in bytes, and send the error's type, message and hint.

    A write beyond it fails as on a full disk or, where that is `deadly`, the system kills the process.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        publish(path, {"offers": file}, published_at=NOON, note=file.stem)
    except CatalogError as error:
        outcome.send((type(error), str(error), error.hint))
    else:
        outcome.send(None)
