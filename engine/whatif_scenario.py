"""A scenario and what may be changed of it: the words that all kinds of changes share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, Protocol, TypeAlias

from catalog_data.normalise import nearest_name
from catalog_data.snapshot import Snapshot
from engine.workload import Workload
from engine.workload_errors import InvalidValueError, figure, shown

Value: TypeAlias = float | str | datetime | None

MOST_NAMES: Final = 8
"""Names that a hint lists at most."""
NO_LIMIT: Final = "none"


class Operator(StrEnum):
    """Put in place of the figure, or multiply it."""

    SET = "="
    SCALE = "*="


@dataclass(frozen=True)
class Scenario:
    """What a plan is made for, and from what."""

    workload: Workload
    snapshot: Snapshot


class Target(Protocol):
    """What a change is of."""

    def read(self, text: str) -> Value:
        """The value that a text puts in its place.

        Raises:
            InvalidValueError: it is none.
        """

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario with it so changed.

        Raises:
            InvalidValueError: nothing is changed by it, or it cannot be.
        """


def value_text(value: Value) -> str:
    """A value for people."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    return NO_LIMIT if value is None else value if isinstance(value, str) else figure(value)


def number_of(value: Value) -> float:
    """A value that is a number.

    Raises:
        InvalidValueError: it is none.
    """
    if not isinstance(value, int | float):
        raise InvalidValueError(f"{value_text(value)} is not a number")
    return float(value)


def fitting(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that fit a pattern of a shell, in any case."""
    return [name for name in names if fnmatchcase(name.casefold(), pattern.casefold())]


def require_name(pattern: str, names: list[str], what: str) -> None:
    """Some name fits the pattern."""
    if not fitting(pattern, names):
        near = nearest_name(pattern, names)
        several = names if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], "..."]
        hint = f"did you mean {near}?" if near else f"there are {', '.join(several) or 'none'}"
        raise InvalidValueError(f"no {what} of this workload is called {shown(pattern)}", hint)
