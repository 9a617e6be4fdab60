"""The record of what was asked of clouds and what came of it: one SQLite file, written before and after each call.

Whatever is killed at whatever point, the record says at least what was asked for; `executor.reconcile` compares that
with what there is. All writes are transactions of their own that are on the disk when they return.

    deployment (a plan being carried out) -> requests (a token each) -> nodes;   events: what happened, in order
    exclusions: which places are not to be asked for a while, whoever found out

Instants are UTC. Nothing secret is ever written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import uuid4

from catalog_data.schema import Purchase
from executor.errors import Scope, StateError
from executor.machines import Node, NodesRequest, NodeState, Place

VERSION: Final = 1
BUSY_S: Final = 30.0
"""So long one writer waits for another."""

_DDL: Final = """
CREATE TABLE IF NOT EXISTS owner (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deployments (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL, workload TEXT NOT NULL, clouds TEXT NOT NULL,
    state TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, why TEXT);
CREATE TABLE IF NOT EXISTS tasks (
    deployment TEXT NOT NULL REFERENCES deployments, task TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, restarts INTEGER NOT NULL, exit_code INTEGER, at TEXT NOT NULL,
    PRIMARY KEY (deployment, task));
CREATE TABLE IF NOT EXISTS requests (
    token TEXT PRIMARY KEY, deployment TEXT NOT NULL REFERENCES deployments, task TEXT NOT NULL,
    cloud TEXT NOT NULL, region TEXT NOT NULL, zone TEXT, instance_type TEXT NOT NULL, purchase TEXT NOT NULL,
    count INTEGER NOT NULL, price_usd_h REAL NOT NULL, state TEXT NOT NULL, asked_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nodes (
    cloud TEXT NOT NULL, id TEXT NOT NULL, token TEXT NOT NULL REFERENCES requests, rank INTEGER NOT NULL,
    state TEXT NOT NULL, taken_back INTEGER NOT NULL, began_at TEXT NOT NULL, ended_at TEXT,
    PRIMARY KEY (cloud, id));
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, deployment TEXT NOT NULL REFERENCES deployments, task TEXT, at TEXT NOT NULL,
    kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS exclusions (scope TEXT PRIMARY KEY, kind TEXT NOT NULL, until TEXT NOT NULL);
"""


class DeploymentState(StrEnum):
    """What has become of a plan."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """`down` ended it, or whoever applied it."""


class TaskState(StrEnum):
    """What has become of a task."""

    WAITING = "waiting"
    """For tasks before it, or for machines."""
    STARTING = "starting"
    """Machines were asked for, and are made ready."""
    RUNNING = "running"
    RECOVERING = "recovering"
    """Its machines were lost; others are looked for."""
    DONE = "done"
    FAILED = "failed"


class RequestState(StrEnum):
    """What has become of a request for nodes."""

    ASKED = "asked"
    """The answer is not written: it was asked for, or is about to be."""
    MADE = "made"
    REFUSED = "refused"
    """Nothing came of it."""
    ENDED = "ended"
    """Its nodes are gone."""


@dataclass(frozen=True)
class Deployment:
    """A plan being carried out.

    Attributes:
        plan: the text of its file.
        workload: the path of the workload's file.
        clouds: on what it is carried out: the real ones (`clouds`), or `local`.
    """

    id: str
    name: str
    plan: str
    workload: str
    clouds: str
    state: DeploymentState
    started_at: datetime
    ended_at: datetime | None
    why: str | None


@dataclass(frozen=True)
class TaskRecord:
    """A task of a deployment.

    Attributes:
        attempt: how many gangs of machines it has had.
        restarts: how often it was started again after a failure of its own.
        at: of the last change.
    """

    deployment: str
    task: str
    state: TaskState
    attempt: int
    restarts: int
    exit_code: int | None
    at: datetime


@dataclass(frozen=True)
class RequestRecord:
    """A request for nodes; `price_usd_h` is of one node, when it was asked for."""

    token: str
    deployment: str
    task: str
    place: Place
    count: int
    price_usd_h: float
    state: RequestState
    asked_at: datetime


@dataclass(frozen=True)
class NodeRecord:
    """A node, billed from `began_at` to `ended_at`."""

    cloud: str
    id: str
    token: str
    rank: int
    state: NodeState
    taken_back: bool
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Event:
    """Something that happened, in words for the user."""

    number: int
    deployment: str
    task: str | None
    at: datetime
    kind: str
    text: str


class State:
    """The open record. It may be used by one thread at a time; open it once for each."""

    def __init__(self, path: Path) -> None:
        """Opens the record, and makes it if there is none.

        Raises:
            StateError: it cannot be opened, or is of a later version.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._begin()
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{path}: {error}", "free the disk, or move the file away to begin a new one") from error

    def _begin(self) -> None:
        with self._writing():
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version > VERSION:
                raise StateError(
                    f"{self.path}: of version {version}, this version reads {VERSION}", "upgrade skybroker"
                )
            for statement in _DDL.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            if self._db.execute("SELECT count(*) FROM owner").fetchone()[0] == 0:
                self._db.execute("INSERT INTO owner VALUES (?)", (uuid4().hex[:12],))
        self.path.chmod(0o600)
        self.owner: str = self._db.execute("SELECT id FROM owner").fetchone()[0]
        """Nodes carry it, so that nobody mends what is in another record."""

    def close(self) -> None:
        """Nothing is lost if nobody does."""
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it, or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StateError(f"{self.path}: {error}", "free the disk or try again") from error

    # Deployments and their tasks

    def new_deployment(self, name: str, plan: str, workload: str, clouds: str, tasks: Sequence[str]) -> Deployment:
        """A deployment of its own number."""
        now = datetime.now(UTC)
        with self._writing():
            taken = self._db.execute("SELECT count(*) FROM deployments WHERE name = ?", (name,)).fetchone()[0]
            made = Deployment(
                f"{name}-{taken + 1}", name, plan, workload, clouds, DeploymentState.RUNNING, now, None, None
            )
            self._db.execute(
                "INSERT INTO deployments VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (made.id, name, plan, workload, clouds, made.state, _text(now)),
            )
            self._db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, 0, 0, NULL, ?)",
                [(made.id, task, TaskState.WAITING, _text(now)) for task in tasks],
            )
        return made

    def deployments(self) -> list[Deployment]:
        """All of them, the latest last."""
        rows = self._db.execute("SELECT * FROM deployments ORDER BY started_at, id").fetchall()
        return [
            Deployment(one, name, plan, workload, clouds, DeploymentState(state), _instant(began), _ended(ended), why)
            for one, name, plan, workload, clouds, state, began, ended, why in rows
        ]

    def deployment(self, name: str) -> Deployment | None:
        """The one of this id, or the last of this name."""
        found = [one for one in self.deployments() if name in {one.id, one.name}]
        return found[-1] if found else None

    def end_deployment(self, deployment: str, state: DeploymentState, why: str | None = None) -> None:
        """It is over."""
        with self._writing():
            self._db.execute(
                "UPDATE deployments SET state = ?, ended_at = ?, why = ? WHERE id = ?",
                (state, _text(datetime.now(UTC)), why, deployment),
            )

    def tasks(self, deployment: str) -> list[TaskRecord]:
        """In the order in which they were given."""
        rows = self._db.execute("SELECT * FROM tasks WHERE deployment = ? ORDER BY rowid", (deployment,)).fetchall()
        return [
            TaskRecord(of, task, TaskState(state), attempt, restarts, exit_code, _instant(at))
            for of, task, state, attempt, restarts, exit_code, at in rows
        ]

    def task(self, deployment: str, task: str) -> TaskRecord:
        """One of them."""
        return next(one for one in self.tasks(deployment) if one.task == task)

    def set_task(
        self,
        deployment: str,
        task: str,
        state: TaskState,
        *,
        attempt: int | None = None,
        restarts: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        """What is None stays as it is."""
        with self._writing():
            self._db.execute(
                "UPDATE tasks SET state = ?, attempt = coalesce(?, attempt), restarts = coalesce(?, restarts),"
                " exit_code = coalesce(?, exit_code), at = ? WHERE deployment = ? AND task = ?",
                (state, attempt, restarts, exit_code, _text(datetime.now(UTC)), deployment, task),
            )

    # Requests and nodes

    def ask(self, request: NodesRequest, price_usd_h: float) -> RequestRecord:
        """To be written before a cloud is asked; asking again with the same token changes nothing."""
        place = request.place
        with self._writing():
            self._db.execute(
                "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    request.token,
                    request.deployment,
                    request.task,
                    *(place.cloud, place.region, place.zone, place.instance_type, place.purchase),
                    request.count,
                    price_usd_h,
                    RequestState.ASKED,
                    _text(datetime.now(UTC)),
                ),
            )
        return self.request(request.token)

    def request(self, token: str) -> RequestRecord:
        """The one of a token."""
        return next(one for one in self.requests() if one.token == token)

    def made(self, token: str, nodes: Sequence[Node]) -> None:
        """What the cloud made of a request, or says of its nodes now."""
        now = datetime.now(UTC)
        with self._writing():
            self._db.execute("UPDATE requests SET state = ? WHERE token = ?", (RequestState.MADE, token))
            for node in nodes:
                began_at = _text(node.created_at or now)
                row = (node.place.cloud, node.id, token, node.rank, node.state, node.taken_back, began_at)
                self._db.execute(
                    "INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE"
                    " SET state = excluded.state, taken_back = taken_back OR excluded.taken_back"
                    " WHERE ended_at IS NULL",
                    row,
                )
                if node.state is NodeState.GONE:
                    self._db.execute(
                        "UPDATE nodes SET ended_at = coalesce(ended_at, ?) WHERE cloud = ? AND id = ?",
                        (_text(now), node.place.cloud, node.id),
                    )
            self._close_request(token)

    def refused(self, token: str) -> None:
        """Nothing came of a request."""
        with self._writing():
            self._db.execute("UPDATE requests SET state = ? WHERE token = ?", (RequestState.REFUSED, token))

    def gone(self, cloud: str, node_ids: Sequence[str]) -> None:
        """Nodes of which the cloud knows nothing any more, or that were destroyed."""
        with self._writing():
            for one in node_ids:
                self._db.execute(
                    "UPDATE nodes SET state = ?, ended_at = coalesce(ended_at, ?) WHERE cloud = ? AND id = ?",
                    (NodeState.GONE, _text(datetime.now(UTC)), cloud, one),
                )
                [token] = self._db.execute(
                    "SELECT token FROM nodes WHERE cloud = ? AND id = ?", (cloud, one)
                ).fetchone()
                self._close_request(token)

    def _close_request(self, token: str) -> None:
        self._db.execute(
            "UPDATE requests SET state = ? WHERE token = ? AND state = ? AND NOT EXISTS"
            " (SELECT 1 FROM nodes WHERE nodes.token = requests.token AND ended_at IS NULL)",
            (RequestState.ENDED, token, RequestState.MADE),
        )

    def open_requests(self, deployment: str, task: str | None = None) -> list[RequestRecord]:
        """Those of a deployment, or of one of its tasks, of which nodes may be left."""
        open_states = {RequestState.ASKED, RequestState.MADE}
        found = [one for one in self.requests(deployment) if one.state in open_states]
        return [one for one in found if task in {None, one.task}]

    def requests(self, deployment: str | None = None) -> list[RequestRecord]:
        """Of one deployment, or all; in order."""
        rows = self._db.execute(
            "SELECT * FROM requests WHERE deployment = coalesce(?, deployment) ORDER BY asked_at, rowid", (deployment,)
        ).fetchall()
        return [
            RequestRecord(
                token,
                of,
                task,
                Place(cloud, region, zone, kind, Purchase(purchase)),
                count,
                price_usd_h,
                RequestState(state),
                _instant(asked_at),
            )
            for token, of, task, cloud, region, zone, kind, purchase, count, price_usd_h, state, asked_at in rows
        ]

    def nodes(self, deployment: str | None = None) -> list[NodeRecord]:
        """Of one deployment, or all, those that are gone too."""
        rows = self._db.execute(
            "SELECT n.* FROM nodes n JOIN requests r ON r.token = n.token"
            " WHERE r.deployment = coalesce(?, r.deployment) ORDER BY n.began_at, n.token, n.rank",
            (deployment,),
        ).fetchall()
        return [
            NodeRecord(cloud, one, token, rank, NodeState(state), bool(taken), _instant(began_at), _ended(ended_at))
            for cloud, one, token, rank, state, taken, began_at, ended_at in rows
        ]

    # Events and exclusions

    def note(self, deployment: str, kind: str, text: str, task: str | None = None) -> Event:
        """Something happened."""
        now = datetime.now(UTC)
        with self._writing():
            row = (deployment, task, _text(now), kind, text)
            number = self._db.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid
        return Event(number or 0, deployment, task, now, kind, text)

    def events(self, deployment: str, after: int = 0) -> list[Event]:
        """Those after a number, in order."""
        rows = self._db.execute(
            "SELECT * FROM events WHERE deployment = ? AND number > ? ORDER BY number", (deployment, after)
        ).fetchall()
        return [Event(row[0], row[1], row[2], _instant(row[3]), row[4], row[5]) for row in rows]

    def exclude(self, scope: Scope, kind: str, until: datetime) -> None:
        """Places are not to be asked until then; the later of two ends counts."""
        with self._writing():
            self._db.execute(
                "INSERT INTO exclusions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET kind = excluded.kind,"
                " until = max(until, excluded.until)",
                (_scope_text(scope), kind, _text(until)),
            )

    def forget_exclusions(self) -> None:
        """Every place may be asked again."""
        with self._writing():
            self._db.execute("DELETE FROM exclusions")

    def excluded(self, now: datetime) -> list[Scope]:
        """What is excluded at an instant."""
        with self._writing():
            self._db.execute("DELETE FROM exclusions WHERE until <= ?", (_text(now),))
        return [_scope(row[0]) for row in self._db.execute("SELECT scope FROM exclusions").fetchall()]


def _text(at: datetime) -> str:
    # Of one length, so that texts compare as instants do.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ended(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _scope_text(scope: Scope) -> str:
    return json.dumps([scope.cloud, scope.region, scope.zone, sorted(scope.instance_types), scope.purchase])


def _scope(text: str) -> Scope:
    cloud, region, zone, instance_types, purchase = json.loads(text)
    return Scope(cloud, region, zone, frozenset(instance_types), None if purchase is None else Purchase(purchase))
