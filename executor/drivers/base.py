"""What a backend has to do. Every driver keeps to it; the conformance kit of the tests holds each to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from executor.machines import Node, NodesRequest
from executor.shell import Shell


@dataclass(frozen=True)
class Traits:
    """What a cloud can do."""

    max_price: bool
    """Spot takes the highest price that is to be paid."""
    stop: bool
    """Nodes can be stopped, and started again."""
    has_zones: bool
    """A request may name a zone."""


class Driver(Protocol):
    """One cloud. No call waits for machines to be ready: `create` answers as soon as the cloud has.

    Every call may raise any `executor.errors.DriverError`, and nothing else.
    """

    @property
    def cloud(self) -> str:
        """As the catalog calls it."""
        ...

    @property
    def traits(self) -> Traits:
        """What it can do."""
        ...

    def create(self, request: NodesRequest) -> tuple[Node, ...]:
        """Asks for all nodes of the request, and answers with them by rank.

        With a token that was sent before it answers with the nodes that came of it then (also if they are gone since).
        If it raises anything but `UnknownOutcomeError`, then no node of the request is left.
        """
        ...

    def nodes(self, owner: str, regions: Iterable[str]) -> tuple[Node, ...]:
        """All nodes of an owner in these regions; those that are GONE for as long as the cloud remembers them."""
        ...

    def destroy(self, nodes: Collection[Node]) -> None:
        """Ends the nodes, with their disks; those that are gone, or that nobody knows, are no error."""
        ...

    def stop(self, nodes: Collection[Node]) -> None:
        """Stops the nodes; those that are stopped are no error.

        Raises:
            UnsupportedError: the cloud, or this way to buy, knows no stopping.
        """
        ...

    def start(self, nodes: Collection[Node]) -> None:
        """Starts stopped nodes; those that run are no error."""
        ...

    def shell(self, node: Node) -> Shell:
        """How commands are run on a node that is RUNNING; connecting is the shell's business.

        Raises:
            UnreachableError: the node has no address, or no host key.
        """
        ...
