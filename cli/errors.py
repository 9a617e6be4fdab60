"""What a command ends with when it cannot do what it was asked: one message, one hint, one exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.infeasible import Conflict


class CommandError(Exception):
    """`lines` say what is wrong, one a line; `hint` what to do about it."""

    def __init__(self, *lines: str, hint: str = "", code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.hint = hint
        self.code = code


class NoPlanError(CommandError):
    """No plan satisfies the workload; `conflicts` says why as data (engine.conflicts.Conflict), for programs."""

    def __init__(self, *lines: str, hint: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(*lines, hint=hint, code=ExitCode.INFEASIBLE)
        self.conflicts = tuple(conflicts)


class ReaderGoneError(Exception):
    """Whoever reads stdout (`| head`) has seen enough."""
