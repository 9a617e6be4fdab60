"""Local clouds for tests: in a folder, with whatever market, and nothing of them left afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from catalog_data.schema import Purchase
from executor.drivers.local import MEMORY, LocalDriver
from executor.drivers.local_cloud import opened
from executor.drivers.local_market import Fault, Market, Rule
from executor.drivers.local_sandbox import bubblewrap
from executor.machines import Node, NodesRequest, Place
from tests.kits.driver_conformance import Testbed

ZONE: Final = Place("aws", "us-east-1", "us-east-1a", "p4d.24xlarge", Purchase.SPOT)
PATIENCE_S: Final = 10.0


def eventually(happens: Callable[[], bool], what: str) -> None:
    """Waits for something that takes a moment."""
    end = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


def first_process(folder: Path, node: Node) -> int:
    """The process of a node whose death is the node's."""
    return int(json.loads((folder / "nodes" / node.id / "alive").read_text().splitlines()[0])["child-pid"])


def processes_of(folder: Path) -> list[str]:
    """The command lines of this machine's processes that have to do with a folder.

    Be it by their arguments, their environment, or the folder that they are in.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            place = str((process / "cwd").readlink())
        except OSError:  # it has ended
            continue
        if int(process.name) != os.getpid() and (os.fsencode(folder) in b"".join(words) or str(folder) in place):
            found.append(f"{process.name} {words[0].replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def left(folder: Path) -> set[str]:
    """What there is in a cloud's folder beside what it remembers of nodes that are gone."""
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {path for path in paths if not path.startswith("gone/")} - {"lock", "said.json", "nodes", "gone"}


@contextmanager
def local_cloud(folder: Path, market: Market | None = None, *, walls: bool = True) -> Iterator[LocalDriver]:
    """A driver of AWS with a folder of its own; all of its nodes are ended afterwards, and proven to have."""
    if walls and bubblewrap() is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have bubblewrap (apt-get install bubblewrap)")
        pytest.skip("bubblewrap is not here, or may not do what it needs")
    driver = LocalDriver("aws", folder, market, walls=walls)
    try:
        yield driver
    finally:
        end_all(folder)
    assert not processes_of(folder)
    assert not left(folder)


def end_all(folder: Path) -> None:
    """Ends all nodes of a folder, whoever's they are."""
    with opened(folder, MEMORY) as cloud:
        cloud.end(cloud.there(), datetime.now(UTC))


@contextmanager
def local_bed(folder: Path, *, walls: bool) -> Iterator[Testbed]:
    """The testbed of the conformance kit."""
    with local_cloud(folder, walls=walls) as driver:

        def no_capacity(request: NodesRequest) -> None:
            driver.market = Market((Rule(instance_type=request.place.instance_type, capacity=0),))

        def lose_answer() -> None:
            driver.market = Market((Rule(error=Fault.UNKNOWN_OUTCOME_AFTER, times=1),))

        yield Testbed(
            driver=driver,
            place=ZONE,
            no_capacity=no_capacity,
            lose_answer=lose_answer,
            patience_s=PATIENCE_S,
        )
