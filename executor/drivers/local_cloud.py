"""What the local cloud knows of its nodes: a folder that outlives every crash of ours.

    lock            held by whoever reads or changes what follows
    said.json       how often each rule of the market has had its say
    nodes/ID/       a node that there is: node.json, and what local_sandbox keeps there
    gone/ID.json    a node that was ended, and why; forgotten after a while

A node that is in both is gone, and what is left of it is being removed. Files are replaced as a whole.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from typing import Any, Final

from catalog_data.schema import Purchase
from executor.drivers.local_market import Conditions
from executor.drivers.local_node import OUT_OF_HOURS, TAKEN_BACK
from executor.drivers.local_sandbox import Life, begin, end, look
from executor.machines import Place

FIRST_ADDRESS: Final = IPv4Address("127.77.0.1")
"""All of 127/8 is this machine on Linux, so that each node can have an address of its own."""
NO_LIFE: Final = Life(begun=True, alive=False, events=frozenset())


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the cloud knows of a node for as long as it remembers it."""

    id: str
    token: str
    owner: str
    deployment: str
    task: str
    rank: int
    count: int
    place: Place
    address: str
    created_at: datetime
    sandboxed: bool
    conditions: Conditions
    stopped: bool = False
    ended_at: datetime | None = None
    taken_back: bool = False
    fault: str | None = None

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), default=datetime.isoformat, indent=1)

    @classmethod
    def parsed(cls, text: str) -> Record:
        """The record that `text()` wrote."""
        data: dict[str, Any] = json.loads(text)
        place, conditions = data.pop("place"), data.pop("conditions")
        place["purchase"] = Purchase(place["purchase"])
        times = {name: datetime.fromisoformat(data.pop(name)) for name in ("created_at", "ended_at") if data[name]}
        return cls(**{**data, **times}, place=Place(**place), conditions=Conditions(**conditions))


def write(path: Path, text: str) -> None:
    """Replaces a file as a whole."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def remove(folder: Path) -> None:
    """Removes a folder, also if its owner locked himself out of parts of it (as Go's module cache is)."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        for parent, names, _ in os.walk(folder):
            for path in (Path(parent) / name for name in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)


class LocalCloud:
    """The folder, for as long as its lock is held: `with opened(folder, memory) as cloud`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes, self._gone, self._said = folder / "nodes", folder / "gone", folder / "said.json"

    def there(self) -> tuple[Record, ...]:
        """The nodes that were not ended."""
        return tuple(Record.parsed((path / "node.json").read_text()) for path in sorted(self._nodes.iterdir()))

    def gone(self) -> tuple[Record, ...]:
        """The nodes that were, as long as they are remembered."""
        with os.scandir(self._gone) as entries:
            return tuple(_remembered(entry.path, entry.stat().st_mtime_ns) for entry in entries)

    def find(self, node_id: str) -> Record | None:
        """The node of an id, if one is known."""
        for path in (self._gone / f"{node_id}.json", self._nodes / node_id / "node.json"):
            if path.exists():
                return Record.parsed(path.read_text())
        return None

    def life(self, record: Record) -> Life:
        """What is to be seen of a node."""
        return look(self.folder(record)) if record.ended_at is None else NO_LIFE

    def folder(self, record: Record) -> Path:
        """Of a node that there is."""
        return self._nodes / record.id

    def addresses(self) -> Iterator[str]:
        """Addresses that no node has. Where not all of 127/8 is this machine, there is but one."""
        if sys.platform != "linux":
            yield from ("127.0.0.1" for _ in count())
        taken = {record.address for record in self.there()}
        yield from (address for n in count() if (address := str(FIRST_ADDRESS + n)) not in taken)

    def said(self) -> Mapping[str, int]:
        """How often each rule of the market has had its say."""
        return dict(json.loads(self._said.read_text())) if self._said.exists() else {}

    def count(self, said: Mapping[str, int]) -> None:
        """Remembers how often each rule has had its say."""
        write(self._said, json.dumps(said))

    def add(self, record: Record) -> None:
        """Knows of a node from now on; nothing of it runs yet."""
        new = self._nodes / f".{record.id}"
        new.mkdir(mode=0o700)
        (new / "node.json").write_text(record.text())
        new.replace(self.folder(record))

    def begin(self, record: Record) -> None:
        """Starts what runs on a node, unless it does, or is never to."""
        if not record.conditions.fails and not record.stopped:
            begin(self.folder(record), record.conditions, sandboxed=record.sandboxed)

    def stop(self, records: Collection[Record]) -> None:
        """Ends what runs on the nodes; their disks stay."""
        for record in records:
            write(self.folder(record) / "node.json", replace(record, stopped=True).text())
        self._kill(records)

    def start(self, record: Record) -> None:
        """Starts a node that was stopped, which begins to count its hours anew."""
        started = replace(record, stopped=False)
        write(self.folder(record) / "node.json", started.text())
        self.begin(started)

    def end(self, records: Collection[Record], now: datetime) -> None:
        """Ends what runs on nodes, removes their disks, and remembers that.

        In this order, because the disk that has to be removed may be what leaves no room to remember anything: what is
        cut off in between has died, which the next sweep finds.
        """
        self._kill(records)
        for record in records:
            if (home := self.folder(record) / "home").exists():
                remove(home)
            self._remember(replace(record, ended_at=now, stopped=False))
            self._remove(record)

    def discard(self, records: Collection[Record]) -> None:
        """Ends what runs on nodes, and knows nothing of them any more."""
        self._kill(records)
        for record in records:
            self._remove(record)

    def _remember(self, record: Record) -> None:
        path = self._gone / f"{record.id}.json"
        try:
            write(path, record.text())
        except OSError:
            # The disk is full, and not by the node alone: what it has no more use for makes room.
            for name in ("alive", "events"):
                (self.folder(record) / name).unlink(missing_ok=True)
            write(path, record.text())

    def _remove(self, record: Record) -> None:
        # Under another name first: a folder that is there is whole.
        folder = self.folder(record)
        if folder.exists():
            remove(folder.replace(self._nodes / f".{record.id}"))

    def _kill(self, records: Collection[Record]) -> None:
        for sandboxed in (True, False):
            end((self.folder(record) for record in records if record.sandboxed is sandboxed), sandboxed=sandboxed)

    def sweep(self, now: datetime, memory: timedelta) -> None:
        """Ends what has died or was half removed, and forgets what was ended long ago."""
        for path in (*self._folder.glob("*.new"), *self._gone.glob("*.new")):
            path.unlink()
        there, oldest = set(os.listdir(self._nodes)), (now - memory).timestamp()  # noqa: PTH208 - names are enough
        with os.scandir(self._gone) as entries:
            for entry in tuple(entries):
                if entry.name.removesuffix(".json") in there:
                    self.discard([Record.parsed(Path(entry.path).read_text())])
                elif entry.stat().st_mtime < oldest:
                    Path(entry.path).unlink()
        for path in self._nodes.glob(".*"):
            remove(path)
        dead = [(record, life) for record in self.there() if _has_died(record, life := self.life(record))]
        self.end([_ended(record, life, self.folder(record)) for record, life in dead], now)


@functools.lru_cache(maxsize=10_000)
def _remembered(path: str, changed_ns: int) -> Record:  # noqa: ARG001 - a file that was changed is another one
    """A node that is gone, of which no more will be known; there may be thousands."""
    return Record.parsed(Path(path).read_text())


def _has_died(record: Record, life: Life) -> bool:
    return life.begun and not life.alive and not record.stopped


def _ended(record: Record, life: Life, folder: Path) -> Record:
    """A node that ended by itself, with the reason."""
    if TAKEN_BACK in life.events:
        return replace(record, taken_back=True, fault="taken back by the market")
    if OUT_OF_HOURS in life.events:
        return replace(record, fault="its hours were over")
    words = (folder / "agent.log").read_text(errors="replace").split("\n")
    last = next((line for line in reversed(words) if line.strip()), "it was killed")
    return replace(record, fault=f"its process ended: {last[:200]}")


@contextmanager
def opened(folder: Path, memory: timedelta) -> Iterator[LocalCloud]:
    """The cloud of a folder, swept, and nobody else's meanwhile."""
    for part in (folder, folder / "nodes", folder / "gone"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cloud = LocalCloud(folder)
        cloud.sweep(datetime.now(UTC), memory)
        yield cloud
    finally:
        os.close(lock)
