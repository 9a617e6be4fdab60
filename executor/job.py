"""A task on one node: started once, watched from afar, ended.

    start -> status, follow, tail, ... -> stop          watch: the node ends by itself when it has been idle

Whatever happens to the connection, or to us, the job goes on; every call may be sent again. What is sent goes over
standard input: neither here nor there is anything of it on a command line, and variables are in no file. What a node
has to have is Linux, sh, tar, coreutils and setsid (util-linux); `bash` runs the user's commands where it is there.

How it is done is in `node_scripts/`; what a job leaves on a node is drawn in `node_scripts/node.sh`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from executor.errors import CommandFailedError, ExecutorError
from executor.shell import ANSWER_S, Shell, output, stream

LIMIT_BYTES: Final = 1 << 20
"""As much of a log comes in one answer at most."""
PAUSE_S: Final = 0.2
"""Between two looks at a log that is streamed, on the node."""
WATCH_S: Final = 10.0
"""Between two looks for activity, at most."""

_HOME: Final = "~/.skybroker"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Log(StrEnum):
    """What of a job is read."""

    SETUP = "setup"
    RUN = "run"


class JobState(StrEnum):
    """What has become of a job."""

    NOT_STARTED = "not started"
    SETTING_UP = "setting up"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"
    """It ended without leaving an exit code: the node was started anew, or ran out of memory."""


@dataclass(frozen=True)
class JobStatus:
    """What has become of a job: with its exit code if it EXITED (128 + n after signal n), and of which of its parts."""

    state: JobState
    code: int | None = None
    part: Log | None = None


@dataclass(frozen=True)
class Followed:
    """A piece of a log, and the offset that the next one starts at; there may be more even if the job has ended."""

    status: JobStatus
    data: bytes
    offset: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task on the node of one rank.

    Attributes:
        deployment: its id.
        task: its name.
        attempt: how many gangs of machines the task has had, this one included.
        restart: how often it was started again on these.
        rank: of the node, from 0 on.
        addresses: of all nodes of the gang, by rank, as they reach each other.
        accelerators: on each node.
        setup: commands that prepare the node; not run again where they have succeeded.
        run: commands that do the work.
        envs: variables for both.
        secrets: more of them, that nobody else is to know.
    """

    deployment: str
    task: str
    attempt: int
    rank: int
    addresses: tuple[str, ...]
    run: str
    restart: int = 0
    accelerators: float = 0
    setup: str | None = None
    envs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> str:
        """Of the task on its nodes, below `~/.skybroker`; any name makes one that is safe."""
        return f"{file_name(self.deployment)}/{file_name(self.task)}"

    @property
    def workdir(self) -> str:
        """Where its commands start."""
        return f"{_HOME}/{self.folder}/workdir"

    @property
    def task_id(self) -> str:
        """The same over all attempts, and on all nodes."""
        return self.folder.replace("/", "_")


def variables(job: Job) -> dict[str, str]:
    """What a job finds in its environment beside what the node has there.

    Names that start with SKYPILOT_ are those of SkyPilot, with the same meaning (docs.skypilot.co, "Environment
    Variables and Secrets", read on 2026-11-24): addresses are one a line, by rank, and a part of an accelerator counts
    as one. Like there, Python does not hold back what it prints.

    Raises:
        ExecutorError: a name or a value that no environment can hold.
    """
    addresses = "\n".join(job.addresses)
    accelerators = str(-int(-job.accelerators // 1))
    common = {"NODE_RANK": str(job.rank), "NODE_IPS": addresses, "NUM_NODES": str(len(job.addresses))}
    skypilot = {
        **common,
        "SETUP_NODE_RANK": str(job.rank),
        "SETUP_NODE_IPS": addresses,
        "NUM_GPUS_PER_NODE": accelerators,
        "TASK_ID": job.task_id,
    }
    ours = {
        **common,
        "ACCELERATORS_PER_NODE": accelerators,
        "DEPLOYMENT": job.deployment,
        "TASK": job.task,
        "TASK_ID": job.task_id,
        "ATTEMPT": str(job.attempt),
        "RESTART": str(job.restart),
    }
    found = {
        "PYTHONUNBUFFERED": "1",
        **job.envs,
        **job.secrets,
        **{f"SKYPILOT_{name}": value for name, value in skypilot.items()},
        **{f"SKYBROKER_{name}": value for name, value in ours.items()},
    }
    for name, value in found.items():
        if not _VARIABLE.fullmatch(name):
            raise ExecutorError(f"{name!r} is no name of an environment variable", hint="letters, digits and _")
        if "\0" in value:
            raise ExecutorError(f"the value of {name} holds a NUL character, which no environment can")
    return found


def start(shell: Shell, job: Job) -> bool:
    """Start a job on a node, or find that it was: whether this call did.

    Raises:
        CommandFailedError: the node cannot run it.
        UnreachableError: it may have been started; the same call finds out.
        ExecutorError: as for `variables`.
    """
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables(job).items())
    said = _asked(
        shell,
        "start",
        "start",
        job.folder,
        _attempt(job),
        sha256(job.setup.encode()).hexdigest()[:16] if job.setup else "",
        _script("node") + _script("runner"),
        job.setup or "",
        job.run,
        f"{exports}#end",
    )
    answer = said.decode(errors="replace").strip()
    if answer not in {"started", "before"}:
        raise CommandFailedError(f"the node does not start the job: {answer[-200:]}", hint="it has to have setsid")
    return answer == "started"


def status(shell: Shell, job: Job) -> JobStatus:
    """What has become of a job.

    Raises:
        CommandFailedError: the node cannot say.
        UnreachableError: nor does it answer.
    """
    return _status_of(_asked(shell, "look", "status", job.folder, _attempt(job)))


def follow(shell: Shell, job: Job, offset: int = 0, log: Log = Log.RUN) -> Followed:
    """What is in a log from an offset on, and what had become of the job before that was read.

    Raises:
        CommandFailedError: the log cannot be read.
        UnreachableError: the node does not answer.
    """
    answer = _asked(shell, "look", "follow", job.folder, _attempt(job), log.value, str(offset), str(LIMIT_BYTES))
    line, _, data = answer.partition(b"\n")
    return Followed(_status_of(line), data, offset + len(data))


def tail(shell: Shell, job: Job, offset: int = 0, log: Log = Log.RUN) -> Generator[bytes, None, None]:
    """What is in a log from an offset on, and what comes, until no more will come: the job has ended, or is not there.

    In silence b"" comes now and then, as from `executor.shell.stream`.

    Raises:
        CommandFailedError: the log cannot be read.
        UnreachableError: the connection is lost; the next one goes on at the offset plus all that has come.
    """
    arguments = (job.folder, _attempt(job), log.value, str(offset), f"{PAUSE_S:g}")
    return stream(shell, "sh -s", stdin=_program("look", "tail_log", *arguments))


def stop(shell: Shell, job: Job, grace_s: float) -> None:
    """End a job with all of its processes: by SIGTERM, and after the grace by SIGKILL. It returns when they are gone.

    Raises:
        CommandFailedError: the node cannot do it.
        UnreachableError: nor does it answer.
    """
    grace_cs = str(round(grace_s * 100))
    _asked(shell, "look", "stop", job.folder, _attempt(job), grace_cs, timeout_s=ANSWER_S + grace_s)


def watch(shell: Shell, idle_s: float, end: str, *, sessions: bool) -> None:
    """Have a node end by itself when it has been idle. The next call replaces what an earlier one has said.

    Args:
        shell: of the node.
        idle_s: without a job so long.
        end: a command line for its `sh` that ends it; tried again if it fails.
        sessions: whether an open SSH session counts as activity, too.

    Raises:
        CommandFailedError: the node cannot do it.
        UnreachableError: nor does it answer.
    """
    pause_s = min(WATCH_S, idle_s / 4)
    arguments = (str(round(idle_s * 100)), f"{pause_s:g}", "yes" if sessions else "no", end)
    said = _asked(shell, "start", "watch", _script("node") + _script("watch"), *arguments)
    if said.strip() != b"started":
        raise CommandFailedError("the node does not watch over its idleness", hint="it has to have setsid")


def _asked(shell: Shell, script: str, function: str, *arguments: str, timeout_s: float = ANSWER_S) -> bytes:
    return output(shell, "sh -s", stdin=_program(script, function, *arguments), timeout_s=timeout_s)


def _program(script: str, function: str, *arguments: str) -> bytes:
    """A script for a node's `sh` that does nothing before it is there as a whole; it reads no more than itself."""
    call = f"{shlex.join([function, *arguments])} </dev/null"
    return f"{_script('node')}{_script(script)}{call}\n".encode(errors="surrogateescape")


@cache
def _script(name: str) -> str:
    return files("executor").joinpath("node_scripts", f"{name}.sh").read_text(encoding="utf-8")


def _attempt(job: Job) -> str:
    return f"{job.attempt}-{job.restart}"


def _status_of(line: bytes) -> JobStatus:
    match line.decode(errors="replace").split():
        case ["absent"]:
            return JobStatus(JobState.NOT_STARTED)
        case ["running", "setup"]:
            return JobStatus(JobState.SETTING_UP)
        case ["running", "run"]:
            return JobStatus(JobState.RUNNING)
        case ["exited", part, code]:
            return JobStatus(JobState.EXITED, int(code), Log(part))
        case ["lost"]:
            return JobStatus(JobState.LOST)
    raise CommandFailedError("a node says of a job what it never should")


def file_name(name: str) -> str:
    """A file's name for any name: itself where it is plain, else what is plain of it and a digest."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    return f"{plain or 'task'}-{sha256(name.encode(errors='surrogateescape')).hexdigest()[:12]}"
