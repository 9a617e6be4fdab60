"""An axis of a sweep, read from text: `deadline=6h..48h:2h`, `price.spot=*0.5..*2`, `objective=cost,time`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.quantities import parse_whole_number
from engine.status import ROUNDING
from engine.whatif import Change, parse_target, read_value
from engine.whatif_scenario import Operator, Target
from engine.workload_errors import InvalidValueError, shown

POINTS: Final = 11
"""Of a range that does not say."""
MOST_POINTS: Final = 10_000
"""Of one axis."""
_AXIS: Final = r"(?P<path>.+?)\s*(?P<operator>\*=|=)\s*(?P<values>.+)"
_RANGE: Final = r"(?P<low>.+?)\s*\.\.\s*(?P<high>[^:#]+?)\s*(?:(?P<by>[:#])\s*(?P<amount>.+))?"
_FORMS: Final = "write PATH=LOW..HIGH, with :STEP or #POINTS, or PATH=VALUE,VALUE: deadline=6h..48h:2h"


@dataclass(frozen=True)
class Axis:
    """Changes of one path, ascending where their values are numbers."""

    path: str
    changes: tuple[Change, ...]


def parse_axis(text: str) -> Axis:
    """An axis: from LOW to HIGH in steps or in so many points, or a list of values; `*` before a value is a factor.

    Raises:
        InvalidValueError: there is no such path, or the values cannot be read.
    """
    match = re.fullmatch(_AXIS, text.strip())
    if match is None:
        raise InvalidValueError(f"{shown(text)} is not an axis", _FORMS)
    path, operator, values = match["path"], Operator(match["operator"]), match["values"]
    if values.startswith("*"):
        operator, values = Operator.SCALE, re.sub(r"(^|,\s*|\.\.\s*)\*", r"\1", values)
    target = parse_target(path)
    span = re.fullmatch(_RANGE, values)
    if span is not None:
        numbers = _spaced(path, target, operator, span)
        return Axis(path, tuple(Change(path, target, operator, number) for number in numbers))
    found = dict.fromkeys(read_value(path, target, operator, part.strip()) for part in values.split(","))
    if all(isinstance(value, int | float) for value in found):
        found = dict.fromkeys(sorted(value for value in found if isinstance(value, int | float)))
    return Axis(path, tuple(Change(path, target, operator, value) for value in found))


def _spaced(path: str, target: Target, operator: Operator, span: re.Match[str]) -> list[float]:
    low, high = (_number(path, target, operator, span[name]) for name in ("low", "high"))
    if low >= high:
        raise InvalidValueError(f"{path}: {span['low']} is not below {span['high']}", _FORMS)
    if span["by"] == "#":
        points = _points(path, span["amount"])
    elif span["by"] is None:
        points = POINTS
    else:
        step = _number(path, target, operator, span["amount"])
        # The last value is the last full step; what rounding leaves of a step is none.
        points = int((high - low) / step * (1 + ROUNDING)) + 1 if step > 0 else MOST_POINTS + 1
        high = low + step * (points - 1)
    if points > MOST_POINTS:
        raise InvalidValueError(f"{path}: more than {MOST_POINTS:,} points", "take larger steps")
    return [float(f"{value:.12g}") for value in np.linspace(low, high, points)]


def _points(path: str, text: str) -> int:
    try:
        return parse_whole_number(int(text), "the number of points", low=2)
    except ValueError as error:
        what = error if isinstance(error, InvalidValueError) else f"{shown(text)} is not a number of points"
        raise InvalidValueError(f"{path}: {what}", _FORMS) from None


def _number(path: str, target: Target, operator: Operator, text: str) -> float:
    value = read_value(path, target, operator, text)
    if not isinstance(value, int | float):
        raise InvalidValueError(f"{path}: {shown(text)} is no figure that could grow", _FORMS)
    return float(value)
