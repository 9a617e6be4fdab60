"""The record of deployments: what is written is there, whatever becomes of the writer."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog_data.schema import Purchase
from executor.bill import spent_usd
from executor.errors import Scope, StateError
from executor.machines import Node, NodesRequest, NodeState, Place
from executor.state import DeploymentState, RequestState, State, TaskState

PLACE = Place("aws", "us-east-1", "us-east-1a", "p3.2xlarge", Purchase.SPOT)


def asked(state: State, token: str = "t-1", count: int = 2) -> NodesRequest:
    """A request of the first deployment, written down."""
    found = state.deployment("train") or state.new_deployment("train", "{}", "train.yaml", "local", ["train"])
    request = NodesRequest(
        token=token, owner=state.owner, deployment=found.id, task="train", count=count, place=PLACE, public_key="k"
    )
    state.ask(request, 0.9)
    return request


def node(request: NodesRequest, rank: int, state: NodeState = NodeState.RUNNING, *, taken_back: bool = False) -> Node:
    """A node of the request, an hour old."""
    return Node(
        id=f"i-{request.token}-{rank}",
        token=request.token,
        owner=request.owner,
        deployment=request.deployment,
        task=request.task,
        rank=rank,
        place=request.place,
        state=state,
        taken_back=taken_back,
        created_at=datetime.now(UTC) - timedelta(hours=1),
    )


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty record."""
    return State(tmp_path / "deep" / "state.db")


def test_what_was_asked_for_outlives_its_writer(state: State) -> None:
    """Another process reads what was asked for before any answer, and the same owner."""
    asked(state)
    program = (
        "import sys; from pathlib import Path; from executor.state import State; s = State(Path(sys.argv[1]));"
        "print(s.owner, [(r.token, r.state.value, r.place.zone) for r in s.requests()])"
    )
    told = subprocess.run([sys.executable, "-c", program, str(state.path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == f"{state.owner} [('t-1', 'asked', 'us-east-1a')]"
    assert state.path.stat().st_mode & 0o077 == 0


def test_a_request_ends_with_its_last_node(state: State) -> None:
    """Made, then one node gone, then the other; a node that is gone does not come back."""
    request = asked(state)
    state.made("t-1", [node(request, 0), node(request, 1)])
    assert state.requests()[0].state is RequestState.MADE
    state.made("t-1", [node(request, 0, NodeState.GONE, taken_back=True), node(request, 1)])
    first, second = state.nodes()
    assert (first.state, first.taken_back, first.ended_at is None) == (NodeState.GONE, True, False)
    assert second.ended_at is None
    state.made("t-1", [node(request, 0)])
    assert state.nodes()[0].state is NodeState.GONE
    state.gone("aws", [second.id])
    assert state.requests()[0].state is RequestState.ENDED
    ended_at = state.nodes()[1].ended_at
    state.gone("aws", [second.id])
    assert state.nodes()[1].ended_at == ended_at


def test_asking_twice_is_asking_once(state: State) -> None:
    """The answer that is written stays."""
    request = asked(state)
    state.refused("t-1")
    state.ask(request, 5.0)
    [found] = state.requests()
    assert (found.state, found.price_usd_h) == (RequestState.REFUSED, 0.9)


def test_deployments_are_numbered_by_name(state: State) -> None:
    """The last of a name is found by it, each by its id."""
    one = state.new_deployment("train", "{}", "a.yaml", "local", ["a", "b"])
    state.end_deployment(one.id, DeploymentState.FAILED, "no machines")
    two = state.new_deployment("train", "{}", "a.yaml", "local", ["a"])
    assert (one.id, two.id) == ("train-1", "train-2")
    assert state.deployment("train") == two
    found = state.deployment("train-1")
    assert found is not None
    assert (found.state, found.why, found.ended_at is None) == (DeploymentState.FAILED, "no machines", False)
    assert state.deployment("other") is None
    state.set_task("train-1", "a", TaskState.RUNNING, attempt=2)
    state.set_task("train-1", "a", TaskState.DONE, exit_code=0)
    assert [(one.task, one.state, one.attempt, one.exit_code) for one in state.tasks("train-1")] == [
        ("a", TaskState.DONE, 2, 0),
        ("b", TaskState.WAITING, 0, None),
    ]


def test_exclusions_end(state: State) -> None:
    """The later of two ends counts; when it has passed, nothing is left."""
    now = datetime.now(UTC)
    scope = Scope("aws", "us-east-1", None, frozenset({"p3.2xlarge", "p3.8xlarge"}), Purchase.SPOT)
    state.exclude(scope, "QuotaExceededError", now + timedelta(hours=2))
    state.exclude(scope, "QuotaExceededError", now + timedelta(hours=1))
    assert state.excluded(now + timedelta(minutes=90)) == [scope]
    assert scope.covers(PLACE)
    assert state.excluded(now + timedelta(hours=2)) == []


def test_events_are_in_order(state: State) -> None:
    """Whoever has read some reads on after them."""
    found = state.new_deployment("train", "{}", "a.yaml", "local", ["a"])
    first = state.note(found.id, "asked", "asking")
    second = state.note(found.id, "refused", "no\nroom", "a")
    assert state.events(found.id) == [first, second]
    assert state.events(found.id, after=first.number) == [second]


def test_writers_wait_for_each_other(state: State) -> None:
    """Four processes write fifty notes each, and none is lost."""
    found = state.new_deployment("train", "{}", "a.yaml", "local", ["a"])
    program = (
        "import sys; from pathlib import Path; from executor.state import State; s = State(Path(sys.argv[1]))\n"
        f"for i in range(50): s.note({found.id!r}, 'asked', str(i))"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(state.path)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert len(state.events(found.id)) == 200


@pytest.mark.parametrize("spoil", ["later", "garbage", "folder"])
def test_what_is_no_record_is_refused(tmp_path: Path, spoil: str) -> None:
    """One clear error, and the file stays as it is."""
    path = tmp_path / "state.db"
    if spoil == "later":
        State(path).close()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
    elif spoil == "garbage":
        path.write_bytes(b"not a database" * 100)
    else:
        path.mkdir()
    with pytest.raises(StateError) as caught:
        State(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_a_bill_is_what_the_cloud_meters(state: State) -> None:
    """By the second, a minute at least; to the end, or to now; a clock set back costs nothing less than the minimum."""
    request = asked(state, count=1)
    state.made("t-1", [node(request, 0)])
    now = state.nodes()[0].began_at + timedelta(minutes=90)
    assert spent_usd(state.requests(), state.nodes(), now) == pytest.approx(1.5 * 0.9)
    assert spent_usd(state.requests(), state.nodes(), now - timedelta(hours=5)) == pytest.approx(0.9 / 60)
    state.gone("aws", ["i-t-1-0"])
    assert spent_usd(state.requests(), state.nodes(), now + timedelta(days=3)) == pytest.approx(0.9, rel=1e-2)
