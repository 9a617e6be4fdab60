"""What can be wrong with a written workload, as values.

    ValueError
    ├── InvalidValueError   one value cannot be read: raised by the parsers, which know no file
    └── WorkloadError       a file cannot be read: all its problems, each with its line

A parser knows what is wrong and where inside the value that it was handed; the reader adds the place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
V = TypeVar("V")

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value, outermost first."""

_ALMOST_0: Final = 1e-4
_TOO_LARGE: Final = 1e14
"""Numbers from here on, and those below the former, are not written out in messages."""
_USER_INFO: Final = r"[^/?#@]*:(?![0-9]*(?:[/?#]|$))"
"""The start of `user:password@host`, as opposed to `host:port/path`; the password may hold any character."""


class Fault(NamedTuple):
    """One thing that is wrong, and the path to it from the value that was examined."""

    message: str
    hint: str | None = None
    path: Path = ()

    def under(self, path: Path) -> Fault:
        """The same fault, seen from the value that `path` leads down from."""
        return Fault(self.message, self.hint, (*path, *self.path))


class InvalidValueError(ValueError):
    """A value cannot be read; `faults` says why, one by one."""

    def __init__(self, message: str, hint: str | None = None, *, path: Path = ()) -> None:
        super().__init__(message)
        self.faults: tuple[Fault, ...] = (Fault(message, hint, path),)

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> InvalidValueError:
        """One error for several faults of the same value (at least one)."""
        several = tuple(faults)
        error = cls("; ".join(fault.message for fault in several))
        error.faults = several
        return error


def read_all(values: Iterable[tuple[Path, V]], read: Callable[[V], T]) -> list[T]:
    """Every value, read by itself.

    Raises:
        InvalidValueError: with the faults of all that cannot be read, each under the path that came with its value.
    """
    done: list[T] = []
    faults: list[Fault] = []
    for path, value in values:
        try:
            done.append(read(value))
        except InvalidValueError as error:
            faults += (fault.under(path) for fault in error.faults)
    if faults:
        raise InvalidValueError.of(faults)
    return done


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file; `line` and `column` count from 1, `field` is empty for the whole file."""

    file: str
    line: int
    column: int
    field: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        parts = (f"{self.file}:{self.line}", self.field, self.message, self.hint)
        return ": ".join(part for part in parts if part)


class WorkloadError(ValueError):
    """A workload cannot be read; `problems` are in the order of the file, and `str` gives each on its own line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def field_name(path: Path) -> str:
    """A path as a reader writes it: `resources.any_of[1].cpus`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_shown_key(step)}" if text else _shown_key(step)
    return text


def _shown_key(key: str) -> str:
    """A key without what may be a secret in it: `NAME=value` that was meant as an entry, or what opens a URL."""
    public = without_credentials(key)
    return "(hidden)" if "=" in public else shown(public) if public else ""


def without_credentials(url: str) -> str:
    """A URL or path without user, password, query (where signatures stand) and fragment."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        scheme, rest = "", scheme
    if re.match(_USER_INFO, rest):
        rest = rest.rpartition("@")[2]
    rest = re.split("[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def kind(value: object) -> str:
    """What a value is, for messages that must not show it: in most fields a text may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a number"


def shown(value: object) -> str:
    """A value as a message may show it: on one line, short, and without the type names of a language."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return figure(value)
    if not isinstance(value, str):
        return kind(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(value.split()))
    if not text:
        return "an empty text"
    return text if len(text) <= 60 else f"{text[:57]}..."


def figure(number: float) -> str:
    """A number in plain digits, at most six of them significant: `1,048,580`, `0.5`; huge ones in words."""
    if not abs(number) < _TOO_LARGE:  # what is no number at all included
        return "a number that is too large"
    rounded = float(f"{number:.6g}")
    return "almost 0" if 0 < abs(rounded) < _ALMOST_0 else f"{rounded:,.15g}"
