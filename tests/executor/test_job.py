"""Jobs on a node whose shell is a plain `sh` on this machine: how they start, end, and are watched."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from executor.errors import CommandFailedError, ExecutorError, UnreachableError
from executor.job import LIMIT_BYTES, Job, JobState, JobStatus, Log, follow, start, status, stop, tail, variables, watch
from executor.shell import Shell, output, stream
from tests.kits.sshd import ssh_node

PATIENCE_S = 10.0
SECRET = "hush-8c1f0b7e"
JOB = Job(deployment="d1", task="train", attempt=1, rank=0, addresses=("10.0.0.1",), run="exit 0")


@dataclass(frozen=True)
class Node:
    """A node with a home folder of its own."""

    home: Path

    @property
    def shell(self) -> Shell:
        """Its shell."""
        return Shell(("env", "-i", f"HOME={self.home}", f"PATH={os.environ['PATH']}", "sh", "-c"), frozenset({255}))

    def has_run(self, job: Job) -> JobStatus:
        """How a job ends that is started now."""
        start(self.shell, job)
        return ended(self.shell, job)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without anything; nothing goes on there afterwards."""
    home = tmp_path / "home"
    home.mkdir()
    yield Node(home)
    for process in of_node(home):
        os.kill(process, signal.SIGKILL)


def eventually(happens: Callable[[], bool], what: str) -> None:
    """Wait for something that takes a moment."""
    end = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def ended(shell: Shell, job: Job) -> JobStatus:
    """What has become of a job when it does not go on."""
    eventually(lambda: status(shell, job).state not in {JobState.SETTING_UP, JobState.RUNNING}, "it ends")
    return status(shell, job)


def files_of_processes(name: str) -> dict[int, bytes]:
    """A file of each process of this machine that may be read."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found[int(entry.name)] = (entry / name).read_bytes()
        except OSError:
            continue
    return found


def of_node(home: Path) -> list[int]:
    """The processes whose home folder this is."""
    return [pid for pid, env in files_of_processes("environ").items() if f"HOME={home}\0".encode() in env]


def log_of(shell: Shell, job: Job, log: Log = Log.RUN) -> bytes:
    """What is in a log."""
    return follow(shell, job, log=log).data


@pytest.mark.parametrize(
    ("run", "code"), [("exit 0", 0), ("false", 1), ("exit 137", 137), ("kill -9 $$", 137), ("no-such-command", 127)]
)
def test_exit_codes_are_kept(node: Node, run: str, code: int) -> None:
    """Codes of signals are 128 and their number, as in every shell."""
    assert node.has_run(replace(JOB, run=run)) == JobStatus(JobState.EXITED, code, Log.RUN)


def test_states_in_their_order(node: Node) -> None:
    """Before, during setup, during the run, after; the call that starts it does not wait for any of it."""
    job = replace(
        JOB, setup="until [ -e go ]; do sleep 0.02; done", run="until [ -e end ]; do sleep 0.02; done; exit 5"
    )
    work = node.home / ".skybroker/d1/train/workdir"
    assert status(node.shell, job) == JobStatus(JobState.NOT_STARTED)
    start(node.shell, job)
    assert status(node.shell, job).state is JobState.SETTING_UP
    (work / "go").touch()
    eventually(lambda: status(node.shell, job).state is JobState.RUNNING, "it runs")
    (work / "end").touch()
    assert ended(node.shell, job) == JobStatus(JobState.EXITED, 5, Log.RUN)


def test_started_twice_runs_once(node: Node) -> None:
    """Who crashed before writing down that it was started may start it again; so may two at the same moment."""
    job = replace(JOB, run="echo once; sleep 0.2")
    with ThreadPoolExecutor(4) as pool:
        began = list(pool.map(lambda _: start(node.shell, job), range(4)))
    assert sorted(began) == [False, False, False, True]
    ended(node.shell, job)
    assert start(node.shell, job) is False
    assert log_of(node.shell, job) == b"once\n"


def test_setup_runs_once_a_node(node: Node) -> None:
    """Its success holds for later attempts, another setup is another; its output is apart."""
    job = replace(JOB, setup="echo setting up", run="echo running")
    node.has_run(job)
    assert (log_of(node.shell, job, Log.SETUP), log_of(node.shell, job)) == (b"setting up\n", b"running\n")
    again = replace(job, restart=1)
    node.has_run(again)
    assert (log_of(node.shell, again, Log.SETUP), log_of(node.shell, again)) == (b"", b"running\n")
    other = replace(job, attempt=2, setup="echo other")
    node.has_run(other)
    assert log_of(node.shell, other, Log.SETUP) == b"other\n"


def test_a_failing_setup_ends_the_job(node: Node) -> None:
    """The run does not begin, and the setup is tried again next time."""
    job = replace(JOB, setup="echo no; exit 3", run="echo running")
    assert node.has_run(job) == JobStatus(JobState.EXITED, 3, Log.SETUP)
    again = replace(job, restart=1)
    node.has_run(again)
    assert (log_of(node.shell, again, Log.SETUP), log_of(node.shell, again)) == (b"no\n", b"")


def test_output_is_in_order_and_binary(node: Node) -> None:
    """Both outputs are one log, byte for byte; input is empty."""
    job = replace(JOB, run=r"cat; echo 1; echo 2 >&2; printf '\000\377\r'; echo 3")
    node.has_run(job)
    assert log_of(node.shell, job) == b"1\n2\n\0\xff\r3\n"


def test_a_big_log_comes_in_pieces(node: Node) -> None:
    """Five megabytes by offsets: nothing lost, nothing doubled."""
    job = replace(JOB, run="seq 800000 | head -c 5000000")
    node.has_run(job)
    whole, offset = b"", 0
    while (piece := follow(node.shell, job, offset)).data:
        assert len(piece.data) <= LIMIT_BYTES
        whole, offset = whole + piece.data, piece.offset
    assert offset == len(whole) == 5_000_000
    assert whole == b"".join(b"%d\n" % number for number in range(1, 800001))[:5_000_000]
    assert piece.status.state is JobState.EXITED
    assert b"".join(tail(node.shell, job)) == whole
    assert b"".join(tail(node.shell, job, 4_999_990)) == whole[-10:]


def test_a_log_is_streamed_while_it_grows(node: Node) -> None:
    """The first line is there before the job ends; the stream ends with the job."""
    job = replace(JOB, run="echo first; until [ -e go ]; do sleep 0.02; done; echo last")
    start(node.shell, job)
    pieces = tail(node.shell, job)
    assert next(pieces) == b"first\n"
    (node.home / ".skybroker/d1/train/workdir/go").touch()
    assert b"".join(pieces) == b"last\n"


def test_the_log_of_the_setup_ends_with_the_setup(node: Node) -> None:
    """Who streams it can go on with the run while that runs."""
    job = replace(JOB, setup="echo setting up", run="sleep 30")
    start(node.shell, job)
    assert b"".join(tail(node.shell, job, log=Log.SETUP)) == b"setting up\n"
    stop(node.shell, job, 5)


def test_nothing_to_read_of_what_was_not_started(node: Node) -> None:
    """No log, no state, nothing to stop, and no error."""
    assert follow(node.shell, JOB, 7).data == b""
    assert list(tail(node.shell, JOB)) == []
    stop(node.shell, JOB, 1)
    assert status(node.shell, JOB) == JobStatus(JobState.NOT_STARTED)


def test_stop_is_gentle_first(node: Node) -> None:
    """The job may write its checkpoint, and its code is what it says."""
    job = replace(JOB, run="trap 'echo saved; exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    start(node.shell, job)
    eventually(lambda: log_of(node.shell, job) == b"ready\n", "it is ready")
    stop(node.shell, job, 5)
    assert status(node.shell, job) == JobStatus(JobState.EXITED, 9, Log.RUN)
    assert log_of(node.shell, job).count(b"saved\n") == 1  # bash may add what has become of its `sleep`


def test_stop_kills_what_does_not_end(node: Node) -> None:
    """After the grace everything goes, be it in a process group of its own, as timeout(1) makes one."""
    job = replace(JOB, run="trap '' TERM; echo ready; timeout --signal=INT 60 sh -c 'trap \"\" TERM; sleep 60; :'; :")
    start(node.shell, job)
    eventually(lambda: log_of(node.shell, job) == b"ready\n", "it is ready")
    began = time.monotonic()
    stop(node.shell, job, 0.3)
    assert time.monotonic() - began < 3
    assert status(node.shell, job) == JobStatus(JobState.EXITED, 137, Log.RUN)
    assert of_node(node.home) == []
    stop(node.shell, job, 0.3)


def test_stop_during_setup(node: Node) -> None:
    """The run never begins."""
    job = replace(JOB, setup="sleep 30", run="echo running")
    start(node.shell, job)
    stop(node.shell, job, 5)
    done = status(node.shell, job)
    assert (done.state, done.code, done.part) == (JobState.EXITED, 143, Log.SETUP)
    assert log_of(node.shell, job) == b""


def test_a_job_that_was_killed_from_outside_is_lost(node: Node) -> None:
    """No exit code is made up; what was left behind can be stopped."""
    job = replace(JOB, run="echo ready; sleep 30")
    start(node.shell, job)
    eventually(lambda: log_of(node.shell, job) == b"ready\n", "it is ready")
    runner = int(str((node.home / ".skybroker/d1/train/attempt-1-0/runner").readlink()).split()[0])
    os.kill(runner, signal.SIGKILL)
    assert status(node.shell, job) == JobStatus(JobState.LOST)
    assert list(tail(node.shell, job, 6)) == []
    stop(node.shell, job, 5)
    assert of_node(node.home) == []


def test_a_number_that_went_to_another_process_is_not_the_job(node: Node) -> None:
    """After the node was started anew its processes have the same numbers; they are not ours to stop."""
    job = replace(JOB, run="sleep 30")
    start(node.shell, job)
    stop(node.shell, job, 5)
    folder = node.home / ".skybroker/d1/train/attempt-1-0"
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for link, text in {"runner": f"{stranger.pid} 1 {boot}", "phase": f"run {stranger.pid} 1 {boot}"}.items():
        (folder / link).unlink()
        (folder / link).symlink_to(text)
    (folder / "exit").unlink()
    assert status(node.shell, job) == JobStatus(JobState.LOST)
    stop(node.shell, job, 0)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


ODD = {
    "A": 'it\'s "x" $(id) `id` \\',
    "B": "a\nb\n",
    "C": "-n",
    "D": "",
    "code": "1",
    "phase": "x",
    "leader": "é",
    "PATH": "/bin:/usr/bin",
}


def environment(log: bytes) -> dict[str, str]:
    """What `env -0` has printed."""
    return dict(entry.decode().split("=", 1) for entry in log.split(b"\0") if entry)


def test_variables_arrive_verbatim(node: Node) -> None:
    """No value means anything on its way, and no name is one of our scripts' own."""
    job = replace(JOB, run="env -0", envs=ODD, secrets={"TOKEN": SECRET, "exports": "mine"})
    node.has_run(job)
    found = environment(log_of(node.shell, job))
    assert {name: found[name] for name in ODD} == ODD
    assert (found["TOKEN"], found["exports"], found["PYTHONUNBUFFERED"]) == (SECRET, "mine", "1")


def test_home_of_the_job_is_the_users_choice(node: Node) -> None:
    """A variable that would lead our own scripts astray is set for the job alone."""
    job = replace(JOB, run="echo $HOME; exit 4", envs={"HOME": "/nowhere", "PATH": "/nowhere"})
    assert node.has_run(job) == JobStatus(JobState.EXITED, 4, Log.RUN)
    assert log_of(node.shell, job) == b"/nowhere\n"


NAMES = ("../../etc", "-rf", "a b", "new\nline", "$(id)'\"", ".", "ünï", "x" * 300)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_task(node: Node, name: str) -> None:
    """It arrives verbatim, and its folder is below ours."""
    job = replace(JOB, task=name, run='printf "%s\\0%s" "$SKYBROKER_TASK" "$PWD"')
    node.has_run(job)
    task, folder = log_of(node.shell, job).decode().split("\0")
    assert task == name
    assert Path(folder).parent.parent == node.home / ".skybroker/d1"
    assert "/" not in job.task_id


def test_names_that_look_alike_have_folders_apart() -> None:
    """What is cut from a name is in its digest."""
    assert len({replace(JOB, task=name).folder for name in (*NAMES, "a-b", "a/b", "a.b")}) == len(NAMES) + 3


@pytest.mark.parametrize("envs", [{"A B": "x"}, {"A=B": "x"}, {"": "x"}, {"A\n": "x"}, {"A": "x\0y"}])
def test_variables_that_cannot_be(envs: Mapping[str, str]) -> None:
    """A name that a shell would read as something else is refused here."""
    with pytest.raises(ExecutorError):
        variables(replace(JOB, envs=envs))


def test_a_gang_of_three(node: Node) -> None:
    """Each node knows its rank, and all of them by theirs; names of SkyPilot beside ours."""
    addresses = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    job = replace(JOB, run="env -0", addresses=addresses, accelerators=0.5, attempt=3, restart=1)
    found = []
    for rank in range(3):
        at = Node(node.home / str(rank))
        at.home.mkdir()
        at.has_run(replace(job, rank=rank))
        found.append(environment(log_of(at.shell, job)))
    assert [env["SKYPILOT_NODE_RANK"] for env in found] == ["0", "1", "2"]
    for env in found:
        for ours in ("SKYPILOT", "SKYBROKER"):
            assert env[f"{ours}_NODE_IPS"].splitlines() == list(addresses)
            assert (env[f"{ours}_NUM_NODES"], env[f"{ours}_TASK_ID"]) == ("3", "d1_train")
        assert (env["SKYPILOT_NUM_GPUS_PER_NODE"], env["SKYBROKER_ACCELERATORS_PER_NODE"]) == ("1", "1")
        assert (env["SKYBROKER_ATTEMPT"], env["SKYBROKER_RESTART"]) == ("3", "1")


def test_secrets_are_in_no_argument_and_no_file(node: Node, tmp_path: Path) -> None:
    """They are in the environment of the job's own processes alone, and in what the job prints."""
    job = replace(JOB, setup="sleep 0.1", run="sleep 30; : $TOKEN", secrets={"TOKEN": SECRET, "LONG": SECRET * 10_000})
    start(node.shell, job)
    eventually(lambda: status(node.shell, job).state is JobState.RUNNING, "it runs")
    eventually(lambda: any(SECRET.encode() in env for env in files_of_processes("environ").values()), "the job has it")
    holders = {pid for pid, env in files_of_processes("environ").items() if SECRET.encode() in env}
    arguments = files_of_processes("cmdline")
    assert {arguments[pid].partition(b"\0")[0].rpartition(b"/")[2] for pid in holders} <= {b"bash", b"sh", b"sleep"}
    assert not [line for line in arguments.values() if SECRET.encode() in line]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert SECRET not in repr(job)
    stop(node.shell, job, 5)


def test_files_of_a_job_are_its_owners(node: Node) -> None:
    """Commands and output may hold what others must not see; what the job makes is as open as it wants."""
    job = replace(JOB, setup=":", run="touch made")
    node.has_run(job)
    task = node.home / ".skybroker/d1/train"
    attempt = task / "attempt-1-0"
    modes = [path.stat().st_mode & 0o077 for path in (attempt, *attempt.iterdir()) if not path.is_symlink()]
    assert set(modes) == {0}
    assert (task / "workdir/made").stat().st_mode & 0o777 == 0o644


def test_half_of_what_was_sent_starts_nothing(node: Node) -> None:
    """A connection that breaks while a job is sent leaves nothing that runs."""
    cut = Shell((*node.shell.prefix[:-2], "sh", "-c", 'head -c 9000 | sh -c "$0"'), frozenset())
    with pytest.raises((CommandFailedError, UnreachableError)):
        start(cut, replace(JOB, run=f"touch {node.home}/ran; : {'x' * 9000}"))
    assert status(node.shell, JOB) == JobStatus(JobState.NOT_STARTED)
    assert not (node.home / "ran").exists()


def test_half_of_the_variables_start_nothing(node: Node) -> None:
    """Nor does a node that dies while it hands them on."""
    node.has_run(JOB)
    other = "cd ~/.skybroker/d1/train && cp -R attempt-1-0 attempt-1-1 && cd attempt-1-1 && rm -f runner exit phase"
    assert output(node.shell, f"{other} && sh ./runner.sh '' 022", stdin=b"export A=1\nexport B=") == b""
    assert status(node.shell, replace(JOB, restart=1)) == JobStatus(JobState.NOT_STARTED)


def test_a_node_without_setsid(node: Node, tmp_path: Path) -> None:
    """What is missing on a node is said, and not taken for a job that runs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "mkdir", "mv", "readlink", "ln", "cat"):
        (tools / name).symlink_to(Path("/bin") / name)
    bare = Shell(("env", "-i", f"HOME={node.home}", f"PATH={tools}", "/bin/sh", "-c"), frozenset())
    with pytest.raises(CommandFailedError, match="setsid"):
        start(bare, JOB)
    assert status(node.shell, JOB) == JobStatus(JobState.NOT_STARTED)


def test_an_idle_node_ends_itself(node: Node) -> None:
    """Not while a job runs, but then; and if it fails, again."""
    job = replace(JOB, run="until [ -e end ]; do sleep 0.02; done")
    start(node.shell, job)
    watch(node.shell, 0.4, f"echo x >>{node.home}/ends; exit 1", sessions=False)
    time.sleep(0.8)
    assert not (node.home / "ends").exists()
    (node.home / ".skybroker/d1/train/workdir/end").touch()
    eventually(lambda: (node.home / "ends").exists() and (node.home / "ends").read_text() == "x\n" * 2, "it ends twice")


def test_the_last_word_on_idleness_counts(node: Node) -> None:
    """The watch that was there before ends."""
    watch(node.shell, 0.2, f"touch {node.home}/first", sessions=False)
    watch(node.shell, 60, f"touch {node.home}/second", sessions=False)
    time.sleep(0.5)
    assert not (node.home / "first").exists()


def test_by_ssh(tmp_path: Path) -> None:
    """A job outlives the connection that started it, and its log goes on at the byte where that broke."""
    job = replace(
        JOB, run="echo first; until [ -e go ]; do sleep 0.02; done; echo last; exit 6", secrets={"TOKEN": SECRET}
    )
    with ssh_node(tmp_path) as machine:
        shell = machine.shell()
        assert start(shell, job)
        watch(shell, 0.4, f"touch {machine.home}/idle", sessions=True)
        pieces = tail(shell, job)
        read = next(pieces)
        machine.cut()
        with pytest.raises(UnreachableError):
            read += b"".join(pieces)
        assert status(shell, job).state is JobState.RUNNING
        assert not [line for line in files_of_processes("cmdline").values() if SECRET.encode() in line]
        session = stream(shell, "echo open; sleep 30")
        next(session)
        (machine.home / ".skybroker/d1/train/workdir/go").touch()
        read += b"".join(tail(shell, job, len(read)))
        assert (read, ended(shell, job)) == (b"first\nlast\n", JobStatus(JobState.EXITED, 6, Log.RUN))
        time.sleep(0.8)
        assert not (machine.home / "idle").exists()  # while somebody is there
        session.close()
        (machine.home / ".skybroker/watch").unlink()
