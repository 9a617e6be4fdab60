"""The processes of a node that has no process namespace of its own: those whose HOME is the node's.

Only Linux tells the environments of processes. Elsewhere a node ends the process groups of the commands that it ran,
and what has left them lives on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

PROC: Final = "/proc"
PATIENCE_S: Final = 5.0


def can_be_found() -> bool:
    """Whether this system tells who lives where."""
    return os.path.isdir(f"{PROC}/self")  # noqa: PTH112 - pathlib is a third of a node's start


def at_home(home: str) -> tuple[int, ...]:
    """The processes that live in a node's home; none where that is not told."""
    return tuple(pid for pid in _all() if f"HOME={home}" in _words(pid, "environ"))


def with_words(*words: str) -> tuple[int, ...]:
    """The processes that were started with all of these words; none where that is not told."""
    return tuple(pid for pid in _all() if _words(pid, "cmdline").issuperset(words))


def _all() -> Sequence[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdecimal()] if can_be_found() else []  # noqa: PTH208


def _words(pid: int, file: str) -> frozenset[str]:
    try:
        with open(f"{PROC}/{pid}/{file}", "rb") as opened:  # noqa: PTH123
            return frozenset(os.fsdecode(opened.read()).split("\0"))
    except OSError:  # it has ended, or is somebody else's
        return frozenset()


def send(pids: tuple[int, ...], number: signal.Signals) -> None:
    """Signals each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_at_home(home: str) -> bool:
    """Kills until nobody lives there any more: a process may fork while it is looked for. False if some will not."""
    end = time.monotonic() + PATIENCE_S
    while pids := at_home(home):
        if time.monotonic() > end:
            return False
        send(pids, signal.SIGKILL)
        time.sleep(0.002)
    return True
