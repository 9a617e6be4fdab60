"""Starts and ends the processes of local nodes, and tells whether they live.

    nodes/ID/   node.json   what the cloud knows of it (local_cloud)
                alive       locked for as long as its processes live; says which process to kill
                events      what the node says has happened
                socket      where it takes commands
                agent.log   what went wrong with it
                home        its disk

A node is a process of its own, in a session of its own, that outlives whoever started it. With bubblewrap it has its
own process and host names, /tmp, /run and home, and sees the rest of this machine read-only; killing its first process
kills all that it ran. Without, its processes are found by their home.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from executor.drivers.local_market import Conditions
from executor.drivers.local_node import PATH, Settings, process_namespace
from executor.drivers.local_processes import PATIENCE_S, kill_at_home, send, with_words
from executor.drivers.local_wire import SOCKET, socket_address

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PYTHON: Final = str(Path(sys.executable).resolve())
"""The interpreter itself, not a virtual environment's: a node's and a client's process need nothing but Python."""
START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from executor.drivers.{} import main; main()"
STATUS: Final = "--json-status-fd"
ROOM: Final = 1024
"""Bytes; bubblewrap's status has less than 300, and the events of a node have less than 40."""
CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE")
"""What root may do on a node: what it takes to unpack and install, and nothing that reaches out of it."""


class StuckError(Exception):
    """The processes of a node will not end."""


@dataclass(frozen=True)
class Life:
    """What is to be seen of a node's processes: whether they were begun, whether they live, what they told."""

    begun: bool
    alive: bool
    events: frozenset[str]


def program(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of our programs that start quickly: no environment, no site-packages."""
    return (PYTHON, "-I", "-S", "-c", START.format(module), str(ROOT), *arguments)


@functools.cache
def bubblewrap() -> str | None:
    """Where bubblewrap is, if it works for this user: some systems forbid what it needs."""
    found = shutil.which("bwrap", path=f"{PATH}:{os.environ.get('PATH', '')}")
    if found is None:
        return None
    try_it = (found, *_walls("try"), "/bin/sh", "-c", ":")
    try:
        subprocess.run(try_it, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return found


def _walls(name: str) -> Sequence[str]:
    own = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    apart = ["--unshare-pid", "--unshare-uts", "--unshare-ipc", "--hostname", name, "--new-session"]
    may = ["--cap-drop", "ALL", *(word for name in CAPABILITIES for word in ("--cap-add", f"CAP_{name}"))]
    return [*own, *apart, *(may if os.geteuid() == 0 else [])]


def _in_sandbox(folder: Path, status: int) -> Sequence[str]:
    """The beginning of the command line of a node in its sandbox; other nodes' folders are hidden from it."""
    home, cloud = str(folder / "home"), str(folder.parent.parent)
    seen = [word for path in (sys.base_prefix, str(ROOT / "executor")) for word in ("--ro-bind", path, path)]
    own = ["--tmpfs", cloud, "--bind", home, home, "--chdir", home, "--as-pid-1"]
    return [str(bubblewrap()), *_walls(folder.name), *seen, *own, STATUS, str(status)]


def begin(folder: Path, conditions: Conditions, *, sandboxed: bool) -> None:
    """Starts the node of a folder, unless it lives. It listens a little later.

    The lock is taken here and handed on, so that there is no moment in which the node might yet come to life unseen:
    bubblewrap holds it until all inside have ended, and a node without a sandbox until it ends.
    """
    (folder / "home").mkdir(exist_ok=True)
    with ExitStack() as stack:
        alive = _open(stack, folder / "alive", os.O_RDWR)
        if not _lock(alive):
            return
        _clear(alive)
        status = os.dup(alive)
        stack.callback(os.close, status)
        events = _open(stack, folder / "events", os.O_WRONLY)
        _clear(events)
        log = _open(stack, folder / "agent.log", os.O_WRONLY | os.O_APPEND)
        listener = stack.enter_context(_bound(folder))
        settings = Settings(
            home=str(folder / "home"),
            user=_user(),
            outside=process_namespace(),
            listener=listener.fileno(),
            events=events,
            alive=alive,
            start_s=conditions.start_s,
            ends_after_s=conditions.ends_after_s,
            take_back_after_s=conditions.take_back_after_s,
            grace_s=conditions.grace_s,
        )
        walls = _in_sandbox(folder, status) if sandboxed else ()
        # The shell ends at once, so that the node is a child of nobody here.
        subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", '"$@" &', "sh", *walls, *program("local_node", json.dumps(settings))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
            pass_fds=(alive, status, events, listener.fileno()),
            start_new_session=True,
            check=True,
        )


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as somebody whom it does not know
        return str(os.getuid())


def _open(stack: ExitStack, path: Path, flags: int) -> int:
    opened = os.open(path, flags | os.O_CREAT, 0o600)
    stack.callback(os.close, opened)
    return opened


def _clear(opened: int) -> None:
    """Empties a file but for room, so that what is to be said can be said when the disk is full."""
    os.ftruncate(opened, 0)
    os.pwrite(opened, b"\n" * ROOM, 0)


def _lock(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _bound(folder: Path) -> Iterator[socket.socket]:
    (folder / SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, socket_address(str(folder)) as address:
        listener.bind(address)
        yield listener


def look(folder: Path) -> Life:
    """What is to be seen of a node."""
    try:
        opened = os.open(folder / "alive", os.O_RDWR)
    except FileNotFoundError:
        return Life(begun=False, alive=False, events=frozenset())
    try:
        alive, has_said = not _lock(opened), bool(os.pread(opened, ROOM, 0).strip())
    finally:
        os.close(opened)
    log, events = folder / "agent.log", folder / "events"
    # A sandbox that could not be built says so in the log, and nothing else.
    begun = alive or has_said or (log.exists() and log.stat().st_size > 0)
    told = events.read_text() if events.exists() else ""
    return Life(begun=begun, alive=alive, events=frozenset(filter(None, told.splitlines())))


def end(folders: Iterable[Path], *, sandboxed: bool) -> None:
    """Kills all processes of the nodes; returns when they have ended.

    Raises:
        StuckError: some will not.
    """
    killed = {folder: _kill(folder) for folder in folders}
    for folder, pid in killed.items():
        _wait(folder, pid, time.monotonic() + PATIENCE_S)
        if not sandboxed and not kill_at_home(str(folder / "home")):
            raise StuckError(folder.name)


def _kill(folder: Path) -> int | None:
    """Kills the first process of a node, and says which one that is; None if it does not live, or has not said."""
    if not look(folder).alive:
        return None
    first = (folder / "alive").read_text().partition("\n")[0]
    if not first.endswith("}"):
        # It is about to start, or bubblewrap was cut off before it could say: then it waits for ever.
        send(with_words(str(folder / "home"), STATUS), signal.SIGKILL)
        return None
    pid = int(json.loads(first)["child-pid"])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def _wait(folder: Path, killed: int | None, until: float) -> None:
    while look(folder).alive or (killed is not None and _is_process(killed)):
        if time.monotonic() > until:
            raise StuckError(folder.name)
        killed = _kill(folder) or killed
        time.sleep(0.001)


def _is_process(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it has ended since, or this system does not tell
        return False
