"""What can be wrong with a written workload, as values.

    ValueError
    ├── InvalidValueError   one value cannot be read: raised by the parsers, which know no file
    └── WorkloadError       a file cannot be read: all its problems, each with its line

A parser knows what is wrong and where inside the value that it was handed; the reader adds the place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
V = TypeVar("V")

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value, outermost first."""


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
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def shown(value: object) -> str:
    """A value as a message may show it: on one line, short, and without the type names of a language."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = " ".join(str(value).split())
    if not text:
        return "an empty text"
    return text if len(text) <= 60 else f"{text[:57]}..."
