"""Deployments as tables and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from threading import Lock
from typing import IO, Any

from cli.plan_view import money
from cli.printer import Column, print_lines, print_table
from executor.bill import spent_usd
from executor.machines import Node
from executor.state import Deployment, DeploymentState, Event, NodeRecord, RequestRecord, State, TaskRecord


class Output:
    """What tasks print, as it comes; of several nodes whole lines, with the task and the rank before each."""

    def __init__(self, stream: IO[bytes], lock: Lock, *, marked: bool) -> None:
        self._stream, self._lock, self._marked = stream, lock, marked
        self._begun: dict[tuple[str, int], bytes] = {}

    def show(self, task: str, rank: int, piece: bytes) -> None:
        """The next piece of the output of a node."""
        with self._lock:
            if self._marked:
                *lines, self._begun[task, rank] = (self._begun.get((task, rank), b"") + piece).split(b"\n")
                mark = f"({task}, node {rank}) ".encode()
                piece = b"".join(mark + line + b"\n" for line in lines)
            self._stream.write(piece)
            self._stream.flush()


def event_line(event: Event) -> str:
    """An event as a line of talk."""
    task = f" {event.task}:" if event.task else ""
    return f"{event.at.astimezone():%H:%M:%S}{task} {event.text}"


def status_data(state: State, deployments: Sequence[Deployment], now: datetime) -> list[dict[str, Any]]:
    """Each deployment with its tasks and machines, as plain data; instants as ISO 8601."""
    return [_data(state, one, now) for one in deployments]


def _data(state: State, deployment: Deployment, now: datetime) -> dict[str, Any]:
    requests, nodes = state.requests(deployment.id), state.nodes(deployment.id)
    return {
        "id": deployment.id,
        "state": deployment.state.value,
        "on": deployment.clouds,
        "started_at": deployment.started_at.isoformat(),
        "ended_at": None if deployment.ended_at is None else deployment.ended_at.isoformat(),
        "why": deployment.why,
        "spent_usd": spent_usd(requests, nodes, now),
        "usd_h": _usd_h(requests, nodes),
        "tasks": [_task_data(task, requests, nodes) for task in state.tasks(deployment.id)],
    }


def _task_data(task: TaskRecord, requests: Sequence[RequestRecord], nodes: Sequence[NodeRecord]) -> dict[str, Any]:
    live = [node for node in nodes if node.ended_at is None]
    places = {request.token: request.place for request in requests if request.task == task.task}
    return {
        "task": task.task,
        "state": task.state.value,
        "attempts": task.attempt,
        "restarts": task.restarts,
        "exit_code": task.exit_code,
        "since": task.at.isoformat(),
        "nodes": [
            {"id": node.id, "rank": node.rank, "state": node.state.value, "place": str(places[node.token])}
            for node in live
            if node.token in places
        ],
    }


def _usd_h(requests: Sequence[RequestRecord], nodes: Sequence[NodeRecord]) -> float:
    price_usd_h = {request.token: request.price_usd_h for request in requests}
    return sum(price_usd_h[node.token] for node in nodes if node.ended_at is None)


def print_status(state: State, deployments: Sequence[Deployment], now: datetime) -> None:
    """A line for each task: its state, where it is, since when, and what its deployment has cost."""
    rows = [row for one in deployments for row in _rows(_data(state, one, now), now)]
    print_table(
        (
            Column("DEPLOYMENT"),
            Column("TASK"),
            Column("STATE"),
            Column("WHERE", rank=1),
            Column("NODES", right=True),
            Column("TRIES", right=True, rank=2),
            Column("SINCE", right=True),
            Column("$/h", right=True),
            Column("SPENT $", right=True),
        ),
        rows,
    )


def _rows(data: dict[str, Any], now: datetime) -> Iterator[list[str]]:
    for number, task in enumerate(data["tasks"]):
        nodes = task["nodes"]
        yield [
            data["id"] if number == 0 else "",
            task["task"],
            task["state"] if data["state"] == DeploymentState.RUNNING else _ended(data, task),
            nodes[0]["place"] if nodes else "-",
            str(len(nodes)),
            str(task["attempts"]),
            span_text((now - datetime.fromisoformat(task["since"])).total_seconds()),
            money(data["usd_h"]) if number == 0 else "",
            f"{data['spent_usd']:.4f}" if number == 0 else "",
        ]


def _ended(data: dict[str, Any], task: dict[str, Any]) -> str:
    """How a task of a deployment that is over stands."""
    return str(task["state"]) if task["state"] in {"done", "failed"} else str(data["state"])


def print_orphans(orphans: Sequence[Node]) -> None:
    """Machines that carry our mark and stand in no record."""
    if orphans:
        print_lines("", f"{len(orphans)} machines of ours are in no record; `skybroker down --orphans` ends them:")
        print_lines(*(f"  {node.id}  {node.place}  of {node.deployment}" for node in orphans))


def span_text(seconds: float) -> str:
    """A span of time, short."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
