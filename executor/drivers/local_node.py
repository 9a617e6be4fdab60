"""The process that is a local node: it runs commands, and ends the node when its time is over or it is taken back.

    asked for -> (start_s) -> RUNNING -> taken back: SIGTERM to all, (grace_s), SIGKILL to all
                                      -> its hours are over: SIGKILL to all

What happens is written to the node's events, which outlive it. Times are counted by a clock that nobody sets.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Final, TypedDict

from executor.drivers.local_processes import at_home, can_be_found, kill_at_home, send
from executor.drivers.local_wire import DONE, RUN, TAKE_BACK, received

RUNNING: Final = "running"
TAKEN_BACK: Final = "taken back"
OUT_OF_HOURS: Final = "out of hours"
BACKLOG: Final = 128
CANNOT_RUN: Final = 126
"""The exit code of a command that was found and could not be run (POSIX, Shell Command Language, 2.8.2)."""
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Settings(TypedDict):
    """What a node is started with.

    Attributes:
        home: the folder that its commands start in.
        user: whom they are told that they run as.
        outside: the process namespace of whoever started it ("" where there are none).
        listener: the descriptor of its socket, which has a name and does not listen yet.
        events: the descriptor of the file that it appends to, a line for each thing that happened.
        alive: the descriptor of the file that is locked for as long as it lives.
        ends_after_s: it ends so long after its start; None for never.
        take_back_after_s: it is taken back so long after it runs; None for never.
        grace_s: from notice to end.
    """

    home: str
    user: str
    outside: str
    listener: int
    events: int
    alive: int
    start_s: float
    ends_after_s: float | None
    take_back_after_s: float | None
    grace_s: float


def process_namespace() -> str:
    """The name of the namespace that this process lives in; "" where there are none."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - pathlib is not worth its start here
    except OSError:
        return ""


def stand_guard() -> None:
    """Returns in a child of the first process of a namespace; that one goes on until the child has ended.

    It asks for all whose parents have ended, which else would look as if they ran; and when it ends itself, the system
    kills what is left in the namespace.
    """
    child = os.fork()
    if child:
        while os.wait()[0] != child:
            pass
        os._exit(0)


def later(after_s: float | None, action: Callable[[], None]) -> None:
    """Does something after a while, unless that is None.

    Sleeping goes by the monotonic clock, so that setting the time ends no node (CPython 3.11, bpo-21302).
    """
    if after_s is None:
        return

    def wait_and_act(seconds: float = after_s) -> None:
        time.sleep(seconds)
        action()

    Thread(target=wait_and_act, daemon=True).start()


class LocalNode:
    """A node with its settings."""

    def __init__(self, settings: Settings, *, alone: bool) -> None:
        self._settings = settings
        self._environment = {"PATH": PATH, "HOME": settings["home"], "USER": settings["user"], "LANG": "C.UTF-8"}
        self._alone = alone
        """Whether all processes that it can see are its own: only then may it signal them all."""
        self._groups: set[int] = set()
        self._notice = Lock()
        self._has_ended = False

    def serve(self) -> None:
        """Runs until the node ends."""
        if not self._alone:
            os.write(self._settings["alive"], json.dumps({"child-pid": os.getpid()}).encode() + b"\n")
        later(self._settings["ends_after_s"], self._run_out)
        time.sleep(self._settings["start_s"])
        listener = socket.socket(fileno=self._settings["listener"])
        listener.listen(BACKLOG)
        self._tell(RUNNING)
        later(self._settings["take_back_after_s"], self.take_back)
        while True:
            connection, _ = listener.accept()
            Thread(target=self._answer, args=(connection,), daemon=True).start()

    def take_back(self) -> None:
        """Gives notice: what runs may end by itself, until the grace is over. A second notice changes nothing."""
        if not self._notice.acquire(blocking=False):
            return
        self._tell(TAKEN_BACK)
        self._signal(signal.SIGTERM)
        later(self._settings["grace_s"], self._end)

    def _run_out(self) -> None:
        self._tell(OUT_OF_HOURS)
        self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._signal(signal.SIGKILL)
        if not self._alone:
            kill_at_home(self._settings["home"])
        os._exit(0)

    def _tell(self, event: str) -> None:
        os.write(self._settings["events"], f"{event}\n".encode())

    def _signal(self, number: signal.Signals) -> None:
        """Signals all processes of the node but this one."""
        if self._alone:
            send((-1,), number)
        elif can_be_found():
            send(at_home(self._settings["home"]), number)
        else:
            send(tuple(-group for group in self._groups), number)

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):  # whoever asked may not wait for the answer
            message, files, _, _ = socket.recv_fds(connection, 65536, 3)
            message += received(connection)
            if message == TAKE_BACK:
                self.take_back()
                connection.sendall(DONE)
            elif message.startswith(RUN) and len(files) == 3:
                code = self._run(message.removeprefix(RUN), files)
                if not self._has_ended:  # a machine that is switched off tells nobody what became of its processes
                    connection.sendall(str(code).encode())

    def _run(self, command: bytes, files: list[int]) -> int:
        """The exit code of a command; 128 and its number if a signal ended it, as `sh` has it."""
        try:
            process = subprocess.Popen(  # noqa: S603 - a node does what it is told
                ["/bin/sh", "-c", command],
                stdin=files[0],
                stdout=files[1],
                stderr=files[2],
                cwd=self._settings["home"],
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            os.write(files[2], f"sh: {error}\n".encode())
            return CANNOT_RUN
        finally:
            for file in files:
                os.close(file)
        self._groups.add(process.pid)
        code = process.wait()
        try:
            os.killpg(process.pid, 0)
        except OSError:  # nobody is left in it, and another process may be given its number
            self._groups.discard(process.pid)
        return code if code >= 0 else 128 - code


def main() -> None:
    """The node that the first argument describes."""
    # Whoever started us in the background had these ignored, and a command would inherit it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    settings: Settings = json.loads(sys.argv[1])
    alone = process_namespace() != settings["outside"]
    if alone:
        stand_guard()
    LocalNode(settings, alone=alone).serve()
