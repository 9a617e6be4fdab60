"""What a command ends with when it cannot do what it was asked: one message, one hint, one exit code."""

from __future__ import annotations

from cli.exit_codes import ExitCode


class CommandError(Exception):
    """`lines` say what is wrong, one a line; `hint` what to do about it."""

    def __init__(self, *lines: str, hint: str = "", code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.hint = hint
        self.code = code


class ReaderGoneError(Exception):
    """Whoever reads stdout (`| head`) has seen enough."""
