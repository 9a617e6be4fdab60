"""The local cloud keeps its word whatever is killed: nothing is made twice, and nothing that was destroyed lives."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.drivers.local import MEMORY, LocalDriver
from executor.drivers.local_cloud import opened
from executor.drivers.local_market import Market, Rule
from executor.errors import UnreachableError
from executor.machines import Node, NodesRequest, NodeState
from tests.kits.driver_conformance import DOWN, Testbed
from tests.kits.local_crasher import REQUEST
from tests.kits.local_nodes import end_all, first_process, left, local_bed, processes_of

ROOT = Path(__file__).resolve().parent.parent.parent
LAST_STEP = 60
"""More than there are; that the loops end before it is asserted."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cloud's."""
    return tmp_path / "cloud"


@pytest.fixture
def bed(folder: Path) -> Iterator[Testbed]:
    """A local cloud whose nodes have sandboxes."""
    with local_bed(folder, walls=True) as bed:
        yield bed


@contextmanager
def crasher(folder: Path) -> Iterator[Callable[[str, str, int], str]]:
    """Makes a call in another process, which is killed before a step of it; says whether it was."""
    argv = [sys.executable, "-m", "tests.kits.local_crasher", str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        stdin, stdout = program.stdin, program.stdout

        def call(action: str, token: str, step: int) -> str:
            stdin.write(f"{action} {token} {step}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield call
        stdin.close()


def test_creating_survives_a_kill_at_each_step(bed: Testbed, folder: Path) -> None:
    """What it leaves is seen and can be destroyed; the same request completes it, and makes nothing twice."""
    with crasher(folder) as call:
        for step in range(1, LAST_STEP):
            how = call("create", f"dropped-{step}", step)
            seen = bed.of(replace(REQUEST, token=f"dropped-{step}"))
            assert [node.rank for node in seen] == list(range(len(seen)))
            bed.driver.destroy(seen)
            assert not left(folder), f"step {step}"
            assert not processes_of(folder / "nodes"), f"step {step}"

            request = replace(REQUEST, token=f"completed-{step}")
            assert call("create", request.token, step) == how
            before = {node.id for node in bed.of(request)}
            nodes = bed.running(request)
            assert [node.rank for node in nodes] == [0, 1]
            assert before <= {node.id for node in nodes} == {node.id for node in bed.left(request)}
            end_all(folder)
            if how == "done":
                break
    assert 10 < step < LAST_STEP - 1


def test_destroying_survives_a_kill_at_each_step(bed: Testbed, folder: Path) -> None:
    """What is still seen can be destroyed again; what is gone runs nothing and leaves nothing."""
    with crasher(folder) as call:
        for step in range(1, LAST_STEP):
            request = replace(REQUEST, token=f"t-{step}")
            nodes = bed.driver.create(request)
            how = call("destroy", request.token, step)
            known = bed.of(request)
            assert {node.id for node in known} == {node.id for node in nodes}
            for node in known:
                if node.state is NodeState.GONE:
                    assert not processes_of(folder / "nodes" / node.id), f"step {step}"
            bed.driver.destroy(known)
            assert not bed.left(request)
            assert not left(folder), f"step {step}"
            assert not processes_of(folder / "nodes"), f"step {step}"
            if how == "done":
                break
    assert 10 < step < LAST_STEP - 1


def test_nodes_outlive_who_made_them(bed: Testbed, folder: Path) -> None:
    """The program that made them has long ended, and they take commands."""
    with crasher(folder) as call:
        assert call("create", "t1", LAST_STEP) == "done"
    nodes = bed.wait(bed.driver.create(replace(REQUEST, token="t1")), {NodeState.RUNNING})
    assert [bed.run(node, "echo here").stdout for node in nodes] == [b"here\n"] * 2


def test_the_same_request_at_once_makes_nodes_once(bed: Testbed, folder: Path) -> None:
    """Several drivers that send one request at the same time all answer with the same nodes."""
    request = bed.request(count=2)
    drivers = [LocalDriver("aws", folder) for _ in range(4)]
    with ThreadPoolExecutor(len(drivers)) as pool:
        answers = list(pool.map(lambda driver: driver.create(request), drivers))
    assert len({tuple(node.id for node in answer) for answer in answers}) == 1
    assert len(bed.left(request)) == 2


def test_a_sandbox_that_cannot_be_built_is_told(bed: Testbed, folder: Path) -> None:
    """A node that never came up, of which there is a complaint in its log, is gone, with the complaint as its fault."""
    node = bed.driver.create(bed.request())[0]
    with opened(folder, MEMORY) as cloud:
        record = cloud.find(node.id)
        assert record is not None
        cloud.discard([record])
        cloud.add(record)
        (cloud.folder(record) / "alive").touch()
        (cloud.folder(record) / "agent.log").write_text("bwrap: No permissions to create new namespace\n")
    gone = bed.wait([node], DOWN)[0]
    assert gone.fault == "its process ended: bwrap: No permissions to create new namespace"


def test_a_full_disk(tmp_path: Path) -> None:
    """Nodes for which there is no room leave nothing; one that takes all the room can be destroyed."""
    mount = f"mount -t tmpfs -o size=512k tmpfs {shlex.quote(str(tmp_path))}"
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    program = shlex.join([sys.executable, "-m", "tests.kits.local_small_disk", str(tmp_path)])
    done = subprocess.run([*alone, f"{mount} && exec {program}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *failures, last = done.stdout.splitlines()
    assert last == "made"
    assert len(failures) >= 3
    assert {line.rpartition(": ")[2] for line in failures} == {"No space left on device"}


ACTION = st.tuples(st.sampled_from(["create", "destroy", "take back", "kill", "stop", "start"]), st.integers(0, 5))


def act(bed: Testbed, folder: Path, action: str, node: Node) -> None:
    """One of the things that befall a node, unless it is past that."""
    assert isinstance(bed.driver, LocalDriver)
    if action == "destroy":
        bed.driver.destroy([node])
    elif action == "stop":
        bed.driver.stop([node])
    elif action == "start":
        bed.driver.start([node])
    elif node.state is NodeState.RUNNING and action == "take back":
        try:
            bed.driver.take_back(node)
        except UnreachableError:
            assert next(known for known in bed.listed() if known.id == node.id).state in DOWN
    elif node.state is NodeState.RUNNING and action == "kill":
        os.kill(first_process(folder, node), signal.SIGKILL)
        bed.wait([node], DOWN)


@settings(max_examples=5, deadline=None)
@given(actions=st.lists(ACTION, min_size=3, max_size=8), walls=st.booleans())
def test_nothing_that_is_gone_lives(actions: list[tuple[str, int]], walls: bool) -> None:
    """After any mixture of what can befall nodes, only those run that are said to, and nothing else is left."""
    with TemporaryDirectory() as name, local_bed(Path(name), walls=walls) as bed:
        assert isinstance(bed.driver, LocalDriver)
        bed.driver.market = Market((Rule(grace_s=0.05),))
        folder, requests = Path(name), list[NodesRequest]()
        for action, which in [("create", 0), ("create", 0), *actions]:
            if action == "create":
                requests.append(bed.request())
                for node in bed.running(requests[-1]):
                    bed.run(node, "setsid nohup sh -c 'trap : TERM; sleep 600; :' </dev/null >/dev/null 2>&1 &")
            else:
                known = [node for request in requests for node in bed.of(request)]
                act(bed, folder, action, known[which % len(known)])
            for node in bed.listed():
                runs = bool(processes_of(folder / "nodes" / node.id))
                assert runs or node.taken_back or node.state is not NodeState.RUNNING
                assert not (runs and node.state in {NodeState.GONE, NodeState.STOPPED})
        assert len(bed.listed()) == len(requests)
