"""Nodes as the executor sees them, whatever cloud they are of: what is asked for, and what there is.

NodesRequest -> Driver.create -> Node, Node, ...        Driver.nodes -> Node, Node, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from catalog_data.schema import Purchase


class NodeState(StrEnum):
    """What a cloud says of a node."""

    PENDING = "pending"
    """It was asked for, and is being prepared."""
    RUNNING = "running"
    STOPPED = "stopped"
    """It keeps its disk, and only that is billed."""
    FAILED = "failed"
    """The cloud said yes and could not make it; it has to be destroyed like any other."""
    GONE = "gone"
    """It was destroyed, or taken back; nothing is billed any more."""


@dataclass(frozen=True)
class Place:
    """Where and how machines are bought; `zone` is None where the cloud is to choose one of the region."""

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    purchase: Purchase

    def __str__(self) -> str:
        return f"{self.cloud}/{self.zone or self.region} {self.instance_type} {self.purchase.value.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class NodesRequest:
    """`count` equal nodes in one place for one task: all of them or none.

    Attributes:
        token: the same token never makes nodes twice, however often it is sent; at most 50 of [a-z0-9-].
        owner: of the state that the nodes are written in; nodes of other owners are nobody's business here.
        deployment: its id; nodes carry it, as they carry `task`, `token` and their rank, as tags.
        max_price_usd_h: of one node on spot; None where the cloud's own limit, the on-demand price, will do.
        disk_gib: of the boot disk; None for the cloud's default.
        image_id: the cloud's own name of the image; None for the driver's default.
        public_key: of OpenSSH, one line; who holds its other half may log in.
        max_hours: after so long the node ends by itself, whatever became of us; None for never.
    """

    token: str
    owner: str
    deployment: str
    task: str
    count: int
    place: Place
    public_key: str
    max_price_usd_h: float | None = None
    disk_gib: float | None = None
    image_id: str | None = None
    max_hours: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that a cloud knows of.

    Attributes:
        id: the cloud's own.
        rank: from 0 on, within its request.
        address: that it is reached at from here; None while it has none.
        inner_address: that the other nodes of the task reach it at.
        host_key: the public key of its SSH server (`ssh-ed25519 AAAA...`), known since it was asked for; None where a
            node is not reached by SSH.
        taken_back: the cloud took it (it is GONE), or has said that it will.
        fault: what the cloud says of a node that FAILED or is GONE.
    """

    id: str
    token: str
    owner: str
    deployment: str
    task: str
    rank: int
    place: Place
    state: NodeState
    address: str | None = None
    inner_address: str | None = None
    host_key: str | None = None
    taken_back: bool = False
    fault: str | None = None
    created_at: datetime | None = None
