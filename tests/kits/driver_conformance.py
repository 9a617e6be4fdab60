"""What every driver must do, whatever cloud is behind it. Each check of the kit is run on each driver's testbed.

    @pytest.mark.parametrize("check", (*CHECKS, *COMMAND_CHECKS))      the latter where nodes can really run something
    def test_keeps_to_what_every_driver_does(check: Check, bed: Testbed) -> None:
        check(bed)

A testbed is a real server or real processes; what it can be made to do is in its hooks. A driver's own tests say what
its cloud's errors mean; these say what the executor relies on.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest

from executor.drivers.base import Driver
from executor.errors import NoCapacityError, UnknownOutcomeError, UnsupportedError
from executor.machines import Node, NodesRequest, NodeState, Place

PUBLIC_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f skybroker"
OWNER: Final = "conformance"
UP: Final = frozenset({NodeState.PENDING, NodeState.RUNNING})
DOWN: Final = frozenset({NodeState.GONE})


@dataclass(frozen=True, kw_only=True)
class Testbed:
    """A driver and what its backend can be made to do.

    Attributes:
        place: where nodes are to be had.
        no_capacity: from now on there is none of what the request asks for.
        lose_answer: the next `create` makes its nodes, and the answer to it is lost.
        patience_s: after so long a state that has not come will not.
    """

    __test__ = False

    driver: Driver
    place: Place
    no_capacity: Callable[[NodesRequest], None] | None = None
    lose_answer: Callable[[], None] | None = None
    patience_s: float = 20.0

    def request(self, count: int = 1, owner: str = OWNER) -> NodesRequest:
        """A request that was never sent."""
        return NodesRequest(
            token=f"t-{uuid4().hex[:20]}",
            owner=owner,
            deployment="d-conformance",
            task="train",
            count=count,
            place=self.place,
            public_key=PUBLIC_KEY,
            max_hours=1.0,
        )

    def listed(self, owner: str = OWNER) -> tuple[Node, ...]:
        """What the cloud lists of an owner in the testbed's region."""
        return self.driver.nodes(owner, [self.place.region])

    def of(self, request: NodesRequest) -> tuple[Node, ...]:
        """What the cloud lists of a request, by rank."""
        return tuple(
            sorted((node for node in self.listed(request.owner) if node.token == request.token), key=lambda n: n.rank)
        )

    def left(self, request: NodesRequest) -> tuple[Node, ...]:
        """What is listed of a request and not gone: what would be billed."""
        return tuple(node for node in self.of(request) if node.state is not NodeState.GONE)

    def wait(self, nodes: Collection[Node], states: Collection[NodeState]) -> tuple[Node, ...]:
        """The nodes once all are in one of the states; those that the cloud has forgotten count as gone."""
        ids = [node.id for node in nodes]
        owner = next(iter(nodes)).owner
        end = time.monotonic() + self.patience_s
        while True:
            known = {node.id: node for node in self.listed(owner) if node.id in ids}
            if all((known[i].state if i in known else NodeState.GONE) in states for i in ids):
                return tuple(known[i] for i in ids if i in known)
            if time.monotonic() > end:
                pytest.fail(f"not in {sorted(states)} after {self.patience_s} s: {sorted(known.values(), key=str)}")
            time.sleep(0.02)

    def running(self, request: NodesRequest) -> tuple[Node, ...]:
        """The nodes of a new request, once they run."""
        return self.wait(self.driver.create(request), {NodeState.RUNNING})

    def run(self, node: Node, command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A command on a node, with `data` as its input."""
        argv = self.driver.shell(node).argv(command)
        return subprocess.run(argv, input=data, capture_output=True, timeout=self.patience_s, check=False)


Check = Callable[[Testbed], None]


def check_nodes_come_up(bed: Testbed) -> None:
    """All nodes of a request are answered by rank, and run after a while with an address and the request's tags."""
    before = datetime.now(UTC) - timedelta(minutes=1)
    request = bed.request(count=3)
    made = bed.driver.create(request)
    assert [node.rank for node in made] == [0, 1, 2]
    assert len({node.id for node in made}) == 3
    up = bed.wait(made, {NodeState.RUNNING})
    assert [node.id for node in up] == [node.id for node in made]
    for rank, node in enumerate(up):
        tags = (node.token, node.owner, node.deployment, node.task, node.rank, node.place)
        assert tags == (request.token, request.owner, request.deployment, request.task, rank, request.place)
        assert node.address is not None
        assert node.inner_address is not None
        assert not node.taken_back
        assert node.created_at is not None
        assert before <= node.created_at <= datetime.now(UTC) + timedelta(minutes=1)


def check_a_token_makes_nodes_once(bed: Testbed) -> None:
    """The same request again answers with the same nodes; another token makes others."""
    request = bed.request(count=2)
    made = [node.id for node in bed.driver.create(request)]
    assert [node.id for node in bed.driver.create(request)] == made
    assert [node.id for node in bed.of(request)] == made
    other = bed.driver.create(replace(request, token=bed.request().token))
    assert not {node.id for node in other} & set(made)


def check_a_token_of_destroyed_nodes_makes_none(bed: Testbed) -> None:
    """A request that is sent once more after its nodes were destroyed brings nothing to life."""
    request = bed.request(count=2)
    bed.driver.destroy(bed.running(request))
    bed.wait(bed.of(request) or bed.driver.create(request), DOWN)
    again = bed.driver.create(request)
    assert not [node for node in again if node.state in UP]
    assert not bed.left(request)


def check_owners_do_not_see_each_other(bed: Testbed) -> None:
    """A list holds the nodes of its owner, and of no other; regions that were not asked for are left out."""
    mine, theirs = bed.request(), bed.request(owner="somebody-else")
    bed.driver.create(mine)
    bed.driver.create(theirs)
    assert bed.left(mine)
    assert bed.left(theirs)
    assert {node.owner for node in bed.listed()} == {OWNER}
    assert {node.owner for node in bed.listed("somebody-else")} == {"somebody-else"}
    assert bed.driver.nodes(OWNER, []) == ()
    assert bed.listed("nobody") == ()


def check_destroying_is_idempotent(bed: Testbed) -> None:
    """Nodes that are destroyed are gone; once more, and nodes that nobody knows, are no error."""
    request, kept = bed.request(count=2), bed.request()
    nodes, others = bed.running(request), bed.running(kept)
    assert len(bed.left(request)) == 2
    unknown = replace(nodes[0], id=nodes[0].id[:-4] + ("0000" if nodes[0].id[-4:] != "0000" else "1111"))
    bed.driver.destroy([nodes[0], unknown])
    bed.wait(nodes[:1], DOWN)
    assert [node.id for node in bed.left(request)] == [nodes[1].id]
    bed.driver.destroy([*nodes, unknown])
    bed.driver.destroy(nodes)
    bed.wait(nodes, DOWN)
    assert [node.id for node in bed.left(kept)] == [others[0].id]
    bed.driver.destroy([])


def check_pending_nodes_can_be_destroyed(bed: Testbed) -> None:
    """Nodes are destroyed as well before they run."""
    request = bed.request(count=2)
    made = bed.driver.create(request)
    assert len(bed.left(request)) == 2
    bed.driver.destroy(made)
    bed.wait(made, DOWN)


def check_no_capacity_leaves_nothing(bed: Testbed) -> None:
    """Where there are no machines, the error's scope covers the place, and no node of the request is left."""
    if bed.no_capacity is None:
        pytest.skip("this backend cannot be made to run out of machines")
    there = bed.request()
    bed.driver.create(there)
    request = bed.request(count=2)
    bed.no_capacity(request)
    with pytest.raises(NoCapacityError) as caught:
        bed.driver.create(request)
    assert caught.value.excludes.covers(request.place)
    assert "\n" not in str(caught.value)
    assert bed.left(there), "lists work"
    assert not bed.left(request)


def check_a_lost_answer_is_found_again(bed: Testbed) -> None:
    """An answer that is lost is said to be of unknown outcome; the same token then gives the nodes, exactly once."""
    if bed.lose_answer is None:
        pytest.skip("this backend cannot be made to lose an answer")
    request = bed.request(count=2)
    bed.lose_answer()
    with pytest.raises(UnknownOutcomeError):
        bed.driver.create(request)
    made = [node.id for node in bed.left(request)]
    assert len(made) == 2
    assert [node.id for node in bed.driver.create(request)] == made
    assert [node.id for node in bed.left(request)] == made


def check_stopped_nodes_start_again(bed: Testbed) -> None:
    """A stopped node keeps its identity and runs again; stopping or starting twice is no error."""
    request = bed.request()
    nodes = bed.running(request)
    if not bed.driver.traits.stop:
        with pytest.raises(UnsupportedError):
            bed.driver.stop(nodes)
        return
    bed.driver.stop(nodes)
    stopped = bed.wait(nodes, {NodeState.STOPPED})
    bed.driver.stop(stopped)
    bed.driver.start(stopped)
    up = bed.wait(stopped, {NodeState.RUNNING})
    bed.driver.start(up)
    assert [(node.id, node.state) for node in bed.of(request)] == [(nodes[0].id, NodeState.RUNNING)]
    bed.driver.stop(up)
    bed.wait(up, {NodeState.STOPPED})
    bed.driver.destroy(up)
    bed.wait(up, DOWN)


def check_commands_run(bed: Testbed) -> None:
    """Input, output, errors and the exit code of a command go through unchanged, with `sh` as the reader."""
    node = bed.running(bed.request())[0]
    data = bytes(range(256)) * 1024
    echo = bed.run(node, "cat; echo 'to stderr' >&2; exit 7", data)
    assert (echo.stdout, echo.stderr, echo.returncode) == (data, b"to stderr\n", 7)
    told = bed.run(node, """printf '%s|' "$HOME" 'a b' "it's" '$HOME;'; cd && pwd""")
    home = told.stdout.decode().splitlines()[0].split("|")
    assert home[1:4] == ["a b", "it's", "$HOME;"]
    assert home[0] == home[4]
    assert bed.run(node, "true").returncode == 0


def check_background_jobs_outlive_the_connection(bed: Testbed) -> None:
    """A job in a session of its own goes on when the command that started it is over, and ends with its node."""
    node = bed.running(bed.request())[0]
    job = "until test -e go; do sleep 0.02; done; echo done > late; sleep 60"
    assert bed.run(node, f"setsid nohup sh -c '{job}' </dev/null >/dev/null 2>&1 &").returncode == 0
    assert bed.run(node, "test -e late").returncode == 1
    assert bed.run(node, "touch go").returncode == 0
    wait = "for i in $(seq 100); do test -s late && exec cat late; sleep 0.05; done; exit 1"
    assert bed.run(node, wait).stdout == b"done\n"


def check_a_node_that_is_gone_is_unreachable(bed: Testbed) -> None:
    """The shell of a node that was destroyed says by its exit code that it did not get there."""
    node = bed.running(bed.request())[0]
    shell = bed.driver.shell(node)
    bed.driver.destroy([node])
    bed.wait([node], DOWN)
    ended = subprocess.run(shell.argv("true"), capture_output=True, timeout=bed.patience_s, check=False)
    assert ended.returncode in shell.unreachable
    assert ended.stderr.strip()


CHECKS: Final[tuple[Check, ...]] = (
    check_nodes_come_up,
    check_a_token_makes_nodes_once,
    check_a_token_of_destroyed_nodes_makes_none,
    check_owners_do_not_see_each_other,
    check_destroying_is_idempotent,
    check_pending_nodes_can_be_destroyed,
    check_no_capacity_leaves_nothing,
    check_a_lost_answer_is_found_again,
    check_stopped_nodes_start_again,
)

COMMAND_CHECKS: Final[tuple[Check, ...]] = (
    check_commands_run,
    check_background_jobs_outlive_the_connection,
    check_a_node_that_is_gone_is_unreachable,
)
