"""The embedded default: nodes are processes of this machine, and places are whatever the plan says.

A driver pretends to be one cloud, and carries out the plan's own placements, fallbacks included: what is to be had
there, and when nodes are taken back, is a scripted market's (local_market). The cloud's memory is a folder
(local_cloud), which several drivers and processes may share.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from socket import SHUT_WR
from typing import Final

from executor.drivers.base import Traits
from executor.drivers.local_client import UNREACHABLE
from executor.drivers.local_cloud import LocalCloud, Record, opened
from executor.drivers.local_market import Conditions, Market, counted, judged
from executor.drivers.local_node import RUNNING, TAKEN_BACK
from executor.drivers.local_sandbox import Life, StuckError, bubblewrap, program
from executor.drivers.local_wire import DONE, TAKE_BACK, connect, received
from executor.errors import BadRequestError, TransientError, UnknownOutcomeError, UnreachableError
from executor.machines import Node, NodesRequest, NodeState
from executor.shell import Shell

MEMORY: Final = timedelta(hours=1)
"""So long EC2 lists instances that were terminated, about (EC2 API reference, TerminateInstances)."""


class LocalDriver:
    """One cloud of this machine's.

    Args:
        cloud: whose places it takes.
        folder: of the cloud's memory; it is made where it is not.
        market: what is to be had; it may be replaced at any time.
        memory: how long nodes that are gone are listed.
        walls: whether nodes are put in sandboxes where bubblewrap works.
    """

    traits: Final = Traits(max_price=True, stop=True, has_zones=True)

    def __init__(
        self,
        cloud: str,
        folder: Path,
        market: Market | None = None,
        *,
        memory: timedelta = MEMORY,
        walls: bool = True,
    ) -> None:
        self._name = cloud
        self._folder = folder.resolve()
        self.market = market or Market()
        self._memory = memory
        self._walls = walls

    @property
    def cloud(self) -> str:
        """As the catalog calls it."""
        return self._name

    @property
    def sandboxed(self) -> bool:
        """Whether new nodes get sandboxes; else they are mere processes, which see all of this machine."""
        return self._walls and bubblewrap() is not None

    def create(self, request: NodesRequest) -> tuple[Node, ...]:
        """Makes the nodes, if the market has them. They run a little later."""
        if request.place.cloud != self.cloud:
            raise BadRequestError(f"{request.place} is not a place of {self.cloud}")
        if request.count < 1:
            raise BadRequestError(f"{request.count} nodes were asked for")
        with self._opened() as cloud:
            known = _known(cloud, request)
            if any(record.ended_at is not None for record in known):
                return _nodes(cloud, known)
            if known:
                # Sent before: what a crash left undone is done, on the conditions of then.
                return _nodes(cloud, self._made(cloud, request, known, known[0].conditions))
            verdict = judged(self.market, request, [record.place for record in cloud.there()], cloud.said())
            if verdict.said:
                cloud.count(counted(cloud.said(), verdict))
            records = self._made(cloud, request, (), verdict.conditions) if verdict.made else ()
            made = _nodes(cloud, records)
        # After what was done, and without the lock: others are not kept waiting, as they are not by a cloud.
        time.sleep(verdict.delay_s)
        if verdict.error is not None:
            raise verdict.error
        return made

    def nodes(self, owner: str, regions: Iterable[str]) -> tuple[Node, ...]:
        """All nodes of an owner in these regions."""
        wanted = frozenset(regions)
        with self._opened() as cloud:
            return _nodes(
                cloud,
                (
                    record
                    for record in (*cloud.there(), *cloud.gone())
                    if (record.owner, record.place.cloud) == (owner, self.cloud) and record.place.region in wanted
                ),
            )

    def destroy(self, nodes: Collection[Node]) -> None:
        """Ends the nodes and removes their homes."""
        with self._opened() as cloud:
            cloud.end(_of(cloud, nodes), datetime.now(UTC))

    def stop(self, nodes: Collection[Node]) -> None:
        """Ends what runs on the nodes, and keeps their homes."""
        with self._opened() as cloud:
            cloud.stop(_of(cloud, nodes))

    def start(self, nodes: Collection[Node]) -> None:
        """Starts stopped nodes."""
        with self._opened() as cloud:
            for record in _of(cloud, nodes):
                if record.stopped:
                    cloud.start(record)

    def shell(self, node: Node) -> Shell:
        """How commands are run on a node."""
        if node.address is None:
            raise UnreachableError(f"{node.id} has no address")
        folder = str(self._folder / "nodes" / node.id)
        return Shell(program("local_client", folder), frozenset({UNREACHABLE}))

    def take_back(self, node: Node) -> None:
        """Gives a running node notice, as its cloud would: SIGTERM to what runs there, its grace, and the end.

        Raises:
            UnreachableError: the node does not run.
        """
        try:
            with connect(str(self._folder / "nodes" / node.id)) as connection:
                connection.sendall(TAKE_BACK)
                connection.shutdown(SHUT_WR)
                answer = received(connection)
        except OSError as error:
            raise UnreachableError(f"{node.id} does not run: {error.strerror}") from None
        if answer != DONE:
            raise UnreachableError(f"{node.id} ended before it could be given notice")

    def _made(
        self, cloud: LocalCloud, request: NodesRequest, known: Sequence[Record], conditions: Conditions
    ) -> Sequence[Record]:
        """The request's nodes, all of which are known before the first one starts.

        Raises:
            OSError: they could not be made, and none is left.
            UnknownOutcomeError: they could not be removed either.
        """
        there = {record.rank: record for record in known}
        addresses = cloud.addresses()
        records = [
            there.get(rank) or _record(request, rank, next(addresses), conditions, sandboxed=self.sandboxed)
            for rank in range(request.count)
        ]
        try:
            for record in records:
                if record.rank not in there:
                    cloud.add(record)
            for record in records:
                cloud.begin(record)
        except OSError as error:
            try:
                cloud.discard(records)
            except (OSError, StuckError):
                raise UnknownOutcomeError(f"{self._folder}: {error.strerror}; some of the nodes are left") from error
            raise
        return records

    @contextmanager
    def _opened(self) -> Iterator[LocalCloud]:
        try:
            with opened(self._folder, self._memory) as cloud:
                yield cloud
        except OSError as error:
            raise TransientError(f"{self._folder}: {error.strerror or error}") from error
        except StuckError as error:
            raise TransientError(f"{error}: its processes do not end") from None


def _node_id(request: NodesRequest, rank: int) -> str:
    """It follows from the request, so that a request that was cut off can be taken up again."""
    number = sha256(f"{request.owner} {request.token} {rank}".encode()).hexdigest()
    return f"local-{number[:16]}"


def _record(request: NodesRequest, rank: int, address: str, conditions: Conditions, *, sandboxed: bool) -> Record:
    return Record(
        id=_node_id(request, rank),
        token=request.token,
        owner=request.owner,
        deployment=request.deployment,
        task=request.task,
        rank=rank,
        count=request.count,
        place=request.place,
        address=address,
        created_at=datetime.now(UTC),
        sandboxed=sandboxed,
        conditions=conditions,
    )


def _known(cloud: LocalCloud, request: NodesRequest) -> Sequence[Record]:
    """The nodes that came of the request's token before, by rank.

    Raises:
        BadRequestError: the token was another request's.
    """
    found = [cloud.find(_node_id(request, rank)) for rank in range(request.count)]
    records = [record for record in found if record is not None]
    asked = (request.deployment, request.task, request.count, request.place)
    if any((record.deployment, record.task, record.count, record.place) != asked for record in records):
        raise BadRequestError(f"the token {request.token} was another request's")
    return records


def _of(cloud: LocalCloud, nodes: Collection[Node]) -> Sequence[Record]:
    """The nodes that there are; of others nothing is known, or to be done."""
    ids = {node.id for node in nodes}
    return [record for record in cloud.there() if record.id in ids]


def _nodes(cloud: LocalCloud, records: Iterable[Record]) -> tuple[Node, ...]:
    return tuple(_node(cloud, record) for record in records)


def _node(cloud: LocalCloud, record: Record) -> Node:
    is_gone = record.ended_at is not None
    life = cloud.life(record)
    state = _state(record, life)
    return Node(
        id=record.id,
        token=record.token,
        owner=record.owner,
        deployment=record.deployment,
        task=record.task,
        rank=record.rank,
        place=record.place,
        state=state,
        address=None if is_gone else record.address,
        inner_address=None if is_gone else record.address,
        taken_back=record.taken_back or TAKEN_BACK in life.events,
        fault="no host was found for it" if state is NodeState.FAILED else record.fault,
        created_at=record.created_at,
    )


def _state(record: Record, life: Life) -> NodeState:
    if record.ended_at is not None:
        return NodeState.GONE
    if record.stopped:
        return NodeState.STOPPED
    if record.conditions.fails:
        age_s = (datetime.now(UTC) - record.created_at).total_seconds()
        return NodeState.PENDING if 0 <= age_s < record.conditions.start_s else NodeState.FAILED
    return NodeState.RUNNING if RUNNING in life.events else NodeState.PENDING
