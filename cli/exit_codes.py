"""What the process ends with (documented in README.md)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """2 stands only for "there is a difference", with `--detailed-exitcode`."""

    DONE = 0
    ERROR = 1
    DIFFERENCE = 2
    INFEASIBLE = 3
    STALE = 4
    PARTLY_APPLIED = 5
    USAGE = 64
    INTERRUPTED = 130
