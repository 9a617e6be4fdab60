"""Local nodes are like machines: apart from this one, taken back with notice, and gone with all that they ran."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from catalog_data.schema import Purchase
from executor.drivers.local import LocalDriver
from executor.drivers.local_market import Fault, Market, Rule
from executor.drivers.local_sandbox import bubblewrap
from executor.errors import BadRequestError, NoCapacityError, TransientError, UnknownOutcomeError, UnreachableError
from executor.machines import Node, NodeState
from tests.kits.driver_conformance import DOWN, OWNER, Testbed
from tests.kits.local_nodes import ZONE, eventually, first_process, left, local_bed, processes_of

BEDS = pytest.mark.parametrize("bed", [True, False], ids=["sandboxes", "processes"], indirect=True)
SLEEP = "setsid nohup sh -c 'sleep 600; true' </dev/null >/dev/null 2>&1 &"
TRAP = """setsid nohup sh -c 'trap "echo saved > checkpoint; exit 0" TERM; echo up > up; while :; do sleep 0.02; done' \
</dev/null >/dev/null 2>&1 & while ! test -e up; do sleep 0.01; done"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cloud's."""
    return tmp_path / "cloud"


@pytest.fixture
def bed(request: pytest.FixtureRequest, folder: Path) -> Iterator[Testbed]:
    """A local cloud whose nodes have sandboxes, or none."""
    with local_bed(folder, walls=getattr(request, "param", True)) as bed:
        yield bed


def node_of(bed: Testbed) -> Node:
    """A running node of its own."""
    return bed.running(bed.request())[0]


def output(bed: Testbed, node: Node, command: str) -> str:
    """What a command that succeeds says."""
    ended = bed.run(node, command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode()


def driver_of(bed: Testbed) -> LocalDriver:
    """The driver with what only local ones can do."""
    assert isinstance(bed.driver, LocalDriver)
    return bed.driver


def refetched(bed: Testbed, node: Node) -> Node:
    """The node as the cloud has it now."""
    return next(known for known in bed.listed() if known.id == node.id)


def test_a_sandbox_is_a_machine_of_its_own(bed: Testbed, folder: Path, tmp_path: Path) -> None:
    """Its processes, /tmp, host name and home are its own, and the rest of this machine is to be read only."""
    one, two = bed.running(bed.request(count=2))
    (tmp_path / "seen").write_text("no")
    assert int(output(bed, one, "ps -e | wc -l")) < 8
    assert output(bed, one, "hostname").strip() == one.id
    assert output(bed, one, "echo mine > /tmp/note; cat /tmp/note") == "mine\n"
    assert bed.run(two, "cat /tmp/note").returncode != 0
    assert bed.run(one, f"ls {folder}/nodes/{two.id}").returncode != 0
    assert bed.run(one, "echo x > /usr/bin/x || echo x > /x").returncode != 0
    assert bed.run(one, "mount -o remount,rw / || umount /tmp").returncode != 0
    assert one.inner_address != two.inner_address


@BEDS
def test_the_environment_is_clean(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment here, secrets least of all, is found on a node."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-tell")
    names = {line.partition("=")[0] for line in output(bed, node_of(bed), "env").splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "USER", "LANG"}


def test_a_sandbox_may_be_anywhere() -> None:
    """A folder outside of /tmp, with spaces, and too long for the path of a socket, does as well."""
    with (
        TemporaryDirectory(prefix="it's $HOME " + "x" * 120, dir="/var/tmp") as outside,
        local_bed(Path(outside), walls=True) as bed,
    ):
        node = node_of(bed)
        assert output(bed, node, 'cd; echo x > y; echo "$HOME"').startswith(outside)
        driver_of(bed).take_back(node)


@BEDS
def test_output_streams_while_a_command_runs(bed: Testbed) -> None:
    """A line is here as soon as it was written there, and input goes there as soon as it is given."""
    argv = bed.driver.shell(node_of(bed)).argv("echo ready; read line; echo got $line; exit 3")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.stdin.write(b"word\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"got word\n"
        assert client.wait(10) == 3


@BEDS
def test_a_command_without_its_client_loses_its_output(bed: Testbed) -> None:
    """Who kills the client closes the streams, as with ssh: a command that goes on writing ends by SIGPIPE."""
    node = node_of(bed)
    argv = bed.driver.shell(node).argv("echo $$ > pid; while :; do echo again; sleep 0.01; done")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        client.stdout.readline()
        client.kill()
    eventually(lambda: bed.run(node, "kill -0 $(cat pid)").returncode != 0, "the command ends")


def test_a_command_that_a_signal_ends_says_which(bed: Testbed) -> None:
    """The exit code is that of `sh`: 128 and the signal's number."""
    assert bed.run(node_of(bed), "kill -9 $$").returncode == 128 + signal.SIGKILL


@BEDS
def test_notice_is_given_before_a_node_is_taken_back(bed: Testbed, folder: Path) -> None:
    """All that runs gets SIGTERM and its grace; the node runs meanwhile, and is gone with its disk afterwards."""
    driver = driver_of(bed)
    driver.market = Market((Rule(grace_s=0.8),))
    node = node_of(bed)
    output(bed, node, TRAP)
    driver.take_back(node)
    driver.take_back(node)
    told = refetched(bed, node)
    assert (told.state, told.taken_back) == (NodeState.RUNNING, True)
    eventually(lambda: bed.run(node, "cat checkpoint").stdout == b"saved\n", "the job saves what it has")
    gone = bed.wait([node], DOWN)[0]
    assert (gone.taken_back, gone.fault) == (True, "taken back by the market")
    assert not left(folder)
    with pytest.raises(UnreachableError):
        driver.take_back(node)


@BEDS
def test_the_end_comes_though_a_job_ignores_the_notice(bed: Testbed, folder: Path) -> None:
    """After the grace nothing is asked any more, and a client that waits there is told."""
    driver_of(bed).market = Market((Rule(take_back_after_s=0.3, grace_s=0.2),))
    node = node_of(bed)
    output(bed, node, "setsid nohup sh -c 'trap : TERM; while :; do sleep 600; done' </dev/null >/dev/null 2>&1 &")
    assert processes_of(folder / "nodes" / node.id)
    ended = bed.run(node, "trap : TERM; echo here; while :; do sleep 600; done")
    assert (ended.stdout, ended.returncode) == (b"here\n", 255)
    bed.wait([node], DOWN)
    assert not processes_of(folder / "nodes" / node.id)


def test_the_market_takes_back_so_many_requests(bed: Testbed) -> None:
    """With `times: 1` the nodes of the first request are taken back, and those of the next are not."""
    driver_of(bed).market = Market((Rule(take_back_after_s=0.0, grace_s=0.0, times=1),))
    first, second = bed.driver.create(bed.request(count=2)), bed.driver.create(bed.request(count=2))
    assert all(node.taken_back for node in bed.wait(first, DOWN))
    assert not any(node.taken_back for node in bed.wait(second, {NodeState.RUNNING}))


@BEDS
def test_a_node_ends_by_itself_after_its_hours(bed: Testbed) -> None:
    """Nobody has to ask: its hours are counted on the node."""
    nodes = bed.driver.create(replace(bed.request(), max_hours=0.3 / 3600))
    gone = bed.wait(nodes, DOWN)[0]
    assert (gone.taken_back, gone.fault) == (False, "its hours were over")


@BEDS
def test_a_node_whose_process_is_killed_is_gone(bed: Testbed, folder: Path) -> None:
    """An unexpected end is told with a reason; what it ran and its disk are gone as well."""
    node, other = bed.running(bed.request(count=2))
    output(bed, node, SLEEP)
    os.kill(first_process(folder, node), signal.SIGKILL)
    gone = bed.wait([node], DOWN)[0]
    assert (gone.taken_back, gone.fault) == (False, "its process ended: it was killed")
    assert not processes_of(folder / "nodes" / node.id)
    assert refetched(bed, other).state is NodeState.RUNNING


def test_a_job_that_ends_its_machine_ends_its_own(bed: Testbed) -> None:
    """A job may kill all that it sees: that is its node, and nothing else."""
    node, other = bed.running(bed.request(count=2))
    assert bed.run(node, "kill -9 -1; sleep 600").returncode == 255
    bed.wait([node], DOWN)
    assert bed.run(other, "true").returncode == 0


@BEDS
def test_a_disk_outlives_a_stop(bed: Testbed, folder: Path) -> None:
    """What was written is there after the next start; what ran is not, and while stopped nobody answers."""
    node = node_of(bed)
    output(bed, node, f"echo kept > file; {SLEEP}")
    bed.driver.stop([node])
    assert not processes_of(folder / "nodes" / node.id)
    assert bed.run(node, "true").returncode == 255
    bed.driver.start([node])
    bed.wait([node], {NodeState.RUNNING})
    assert output(bed, node, "cat file") == "kept\n"


def test_nodes_are_pending_for_a_while(bed: Testbed) -> None:
    """With a start time nodes are pending and refuse commands; some then turn out to have failed."""
    driver_of(bed).market = Market((Rule(start_s=0.5, fail_async=True, times=1), Rule(start_s=0.5)))
    failing, coming = bed.driver.create(bed.request()), bed.driver.create(bed.request())
    assert {node.state for node in (*failing, *coming)} == {NodeState.PENDING}
    assert bed.run(coming[0], "true").returncode == 255
    assert bed.wait(failing, {NodeState.FAILED})[0].fault
    bed.wait(coming, {NodeState.RUNNING})
    bed.driver.destroy(failing)
    bed.wait(failing, DOWN)


def test_capacity_is_shared_by_all_drivers_of_a_folder(bed: Testbed, folder: Path) -> None:
    """What one made another cannot have, until it is destroyed; rules are counted together."""
    market = Market((Rule(error=Fault.UNKNOWN_OUTCOME_BEFORE, times=1), Rule(capacity=2)))
    driver_of(bed).market = market
    other = LocalDriver("aws", folder, market)
    with pytest.raises(UnknownOutcomeError):
        other.create(bed.request(count=2))
    assert not bed.listed()
    nodes = bed.driver.create(bed.request(count=2))
    with pytest.raises(NoCapacityError):
        other.create(bed.request())
    other.destroy(nodes[:1])
    assert len(other.create(bed.request())) == 1


def test_a_folder_holds_several_clouds(bed: Testbed, folder: Path) -> None:
    """A driver takes and lists the places of its own cloud alone."""
    gcp = LocalDriver("gcp", folder)
    with pytest.raises(BadRequestError):
        gcp.create(bed.request())
    bed.driver.create(bed.request())
    elsewhere = replace(bed.request(), place=replace(ZONE, cloud="gcp", purchase=Purchase.ON_DEMAND))
    gcp.create(elsewhere)
    assert [node.place.cloud for node in gcp.nodes(OWNER, [ZONE.region])] == ["gcp"]
    assert [node.place.cloud for node in bed.listed()] == ["aws"]


@pytest.mark.parametrize(
    "change", [{"count": 3}, {"count": 1}, {"task": "other"}, {"place": replace(ZONE, zone=None)}], ids=str
)
def test_a_token_is_for_one_request(change: dict[str, object], bed: Testbed) -> None:
    """Another request with a token that was used is refused, and changes nothing."""
    request = bed.request(count=2)
    bed.driver.create(request)
    with pytest.raises(BadRequestError):
        bed.driver.create(replace(request, **change))  # type: ignore[arg-type]
    assert len(bed.left(request)) == 2


def test_no_nodes_are_no_request(bed: Testbed) -> None:
    """A request is for one node or more."""
    with pytest.raises(BadRequestError):
        bed.driver.create(bed.request(count=0))


def test_nodes_that_are_gone_are_forgotten(folder: Path) -> None:
    """After the cloud's memory nothing is left of a node."""
    with local_bed(folder, walls=True) as bed:
        node = node_of(bed)
        bed.driver.destroy([node])
        assert refetched(bed, node).state is NodeState.GONE
        LocalDriver("aws", folder, memory=timedelta(0)).nodes(OWNER, [])
        assert bed.listed() == ()
        assert not list((folder / "gone").iterdir())


def test_what_was_forgotten_is_not_made_again(bed: Testbed, folder: Path) -> None:
    """A request of whose nodes one is forgotten and one is remembered as gone brings neither to life."""
    request = bed.request(count=2)
    first, second = bed.driver.create(request)
    bed.driver.destroy([first, second])
    (folder / "gone" / f"{second.id}.json").unlink()
    assert [(node.id, node.state) for node in bed.driver.create(request)] == [(first.id, NodeState.GONE)]
    assert not bed.left(request)


def test_a_disk_that_is_locked_up_is_removed(bed: Testbed, folder: Path) -> None:
    """Folders without any rights, as caches have them, do not keep a node's disk from being removed."""
    node = node_of(bed)
    output(bed, node, "mkdir -p a/b; echo x > a/b/c; ln -s /etc link; chmod 0 a/b a")
    bed.driver.destroy([node])
    assert not left(folder)
    assert Path("/etc/passwd").exists()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """Faults of the file system are errors of the driver, in one line."""
    (tmp_path / "file").touch()
    driver = LocalDriver("aws", tmp_path / "file" / "cloud")
    with pytest.raises(TransientError, match="Not a directory"):
        driver.nodes(OWNER, [])


def test_it_says_whether_nodes_have_sandboxes(tmp_path: Path) -> None:
    """With bubblewrap they do, unless they are not to."""
    assert LocalDriver("aws", tmp_path).sandboxed is (bubblewrap() is not None)
    assert not LocalDriver("aws", tmp_path, walls=False).sandboxed


def test_commands_start_quickly(bed: Testbed) -> None:
    """A command costs little more than starting Python does: the best of several is below 60 ms."""
    node = node_of(bed)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        bed.run(node, "true")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.06
