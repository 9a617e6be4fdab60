"""What users write for a quantity -> a number in the engine's unit: "4+", "16GB+", "90m", "50 GB", "$250".

Every parser takes the plain value of a YAML node and raises InvalidValueError, with a hint, for what it cannot read.
Memory and disks are in GiB and their GB, TB, ... are powers of 1024, as in SkyPilot; data that moves is in GB, and its
GB, TB, ... are powers of 1000, as in the price lists for traffic.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Final, NamedTuple

from engine.workload_errors import InvalidValueError, figure, shown

# Patterns stay text: `re` compiles one when it is first used and keeps it, and most texts use few of them.
_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
_WITH_UNIT: Final = rf"(?P<number>{_NUMBER})\s*(?P<unit>[A-Za-z]*)"
_DURATION_PART: Final = r"(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+))\s*(?P<unit>[A-Za-z]+)\s*"
_DURATION: Final = r"(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)\s*[A-Za-z]+\s*)+"
_MONEY: Final = rf"(?i:(?:\$|USD\s*)?(?P<number>{_NUMBER})(?:\s*(?:\$|USD))?)"
_DAY: Final = r"\d{4}-\d\d-\d\d"
_INSTANT: Final = rf"{_DAY}(?:[T ]\d\d|$)"
_SIZE_LETTERS: Final = "KMGTP"
_KILOGRAMS: Final[Mapping[str, float]] = {"": 1.0, "g": 1e-3, "kg": 1.0, "t": 1e3}
LARGEST: Final = 1e12
"""Sizes, times and sums of money beyond this are taken for mistakes, in whichever unit."""
_HOURS: Final[Mapping[str, float]] = {
    name: hours
    for names, hours in (
        ("s sec secs second seconds", 1 / 3600),
        ("m min mins minute minutes", 1 / 60),
        ("h hr hrs hour hours", 1.0),
        ("d day days", 24.0),
        ("w week weeks", 168.0),
    )
    for name in names.split()
}


@dataclass(frozen=True)
class Range:
    """What is asked of a figure: exactly `low`, at least `low`, or nothing where `low` is None."""

    low: float | None = None
    exact: bool = False

    def __str__(self) -> str:
        if self.low is None:
            return "any"
        return figure(self.low) if self.exact else f"{figure(self.low)}+"


class GibPerVcpu(NamedTuple):
    """Memory asked for as GiB for each vCPU of the machine, at least."""

    ratio: float


def parse_number(
    value: object, what: str, *, above: float | None = None, low: float | None = None, high: float = LARGEST
) -> float:
    """A finite number, above `above`, at least `low` and at most `high`; a text that is one counts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidValueError(f"{what} must be a number, not {shown(value)}")
    if isinstance(value, str) and not re.fullmatch(_NUMBER, value.strip()):
        raise InvalidValueError(f"{what} must be a number, not {shown(value)}")
    return _bounded(float(value), what, above=above, low=low, high=high)


def parse_whole_number(value: object, what: str, *, low: int, high: int | None = None) -> int:
    """A whole number from `low` to `high`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError(f"{what} must be a whole number, not {shown(value)}")
    if value < low:
        raise InvalidValueError(f"{what} must be at least {figure(low)}, not {figure(value)}")
    most = LARGEST if high is None else high
    if value > most:
        raise InvalidValueError(f"{what} must be at most {figure(most)}, not {figure(value)}")
    return value


def parse_vcpus(value: object) -> Range:
    """`4` (exactly four vCPUs) or `4+` (at least four)."""
    number, at_least = _without_plus(value)
    with _hint("write 4 for exactly four, 4+ for at least four"):
        return Range(parse_number(number, "the number of vCPUs", above=0), exact=not at_least)


def parse_memory(value: object) -> Range | GibPerVcpu:
    """`16` (exactly 16 GiB), `16+` (at least), `1024MB`, `0.5TB+`, or `4x` (at least 4 GiB for each vCPU)."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.endswith("x"):
        return GibPerVcpu(parse_number(text[:-1], "memory for each vCPU", above=0))
    size, at_least = _without_plus(text)
    with _hint("write 16 for exactly 16 GiB, 16+ for at least 16 GiB, or with a unit: 512MB, 1TB+"):
        return Range(_binary_size(size, "memory"), exact=not at_least)


def parse_disk_gib(value: object) -> float:
    """`256` or `256GB`, `1TB`: the size of a disk in GiB."""
    with _hint("write a number of GiB, or one with a unit: 256, 512GB, 1TB"):
        return _binary_size(value, "the size of the disk")


def parse_data_gb(value: object) -> float:
    """`50`, `50 GB`, `1.5TB`: an amount of data in GB (10^9 bytes), not negative."""
    with _hint("write a number of GB, or one with a unit: 50, 500MB, 1.5TB"):
        number, unit = _with_unit(value, "an amount of data")
        exponent = _SIZE_LETTERS.find(unit[:1].upper()) if unit else 2
        base = {"": 1000, "B": 1000, "IB": 1024}.get(unit[1:].upper())
        if exponent < 0 or base is None:
            raise InvalidValueError(f"{shown(value)} is not an amount of data: {unit} is not a unit of it")
        return _bounded(number * base ** (exponent + 1) / 1e9, "an amount of data", low=0)


def parse_hours(value: object) -> float:
    """`3` (hours), `3h`, `90m`, `1h30m`, `2d`, `1w`: a time above zero, in hours."""
    with _hint("write a number of hours, or one with a unit: 12, 90m, 3h, 2d"):
        return _hours(value)


def parse_hours_or_0(value: object) -> float:
    """A time as of `parse_hours`, or 0."""
    with _hint("write a number of hours, or one with a unit: 0, 10m, 1h"):
        return _hours(value, may_be_0=True)


def parse_deadline(value: object) -> float | datetime:
    """Hours from the start (see `parse_hours`), or an instant `2026-12-01T18:00Z`, naive where it names no zone.

    A day `2026-12-01` is its last instant, and names no zone.
    """
    with _hint("write a time from the start (12h, 2d), an instant (2026-12-01T18:00Z) or a day (2026-12-01)"):
        if not isinstance(value, str) or not re.match(_INSTANT, value.strip()):
            return _hours(value)
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            raise InvalidValueError(f"{shown(value)} is not an instant or a day") from None
        return datetime.combine(instant, time.max) if re.fullmatch(_DAY, value.strip()) else instant


def parse_usd(value: object, what: str, *, above: float | None = None) -> float:
    """`250`, `$250` or `250 USD`: an amount of money in USD, not negative."""
    with _hint("write a number of US dollars: 250, $250 or 250 USD"):
        if isinstance(value, str):
            match = re.fullmatch(_MONEY, value.strip().replace(",", ""))
            if match is None:
                raise InvalidValueError(f"{what} must be an amount in USD, not {shown(value)}")
            value = match["number"]
        return parse_number(value, what, above=above, low=0)


def parse_co2e_kg(value: object) -> float:
    """`50`, `50 kg`, `800 g`, `1.5t`: an amount of CO2e in kg, not negative."""
    with _hint("write a number of kg, or one with a unit: 50, 800 g, 1.5 t"):
        number, unit = _with_unit(value, "an amount of CO2e")
        if unit.lower() not in _KILOGRAMS:
            raise InvalidValueError(f"{shown(value)} is not an amount of CO2e: {unit} is not a unit of it")
        return _bounded(number * _KILOGRAMS[unit.lower()], "an amount of CO2e", low=0)


def parse_chance(value: object) -> float:
    """`90%` or `0.9`: a chance above 0 and below 1."""
    with _hint("write 90% or 0.9"):
        text = value.strip() if isinstance(value, str) else value
        is_percentage = isinstance(text, str) and text.endswith("%")
        number = parse_number(text[:-1] if isinstance(text, str) and is_percentage else text, "a chance")
        chance = float(Decimal(repr(number)) / 100) if is_percentage else number  # 99.9% is 0.999, not a hair above
        if chance == 1:
            raise InvalidValueError("100% cannot be promised", "write what is enough, such as 99%")
        if not 0 < chance < 1:
            raise InvalidValueError(f"a chance must be above 0% and below 100%, not {shown(value)}")
        return chance


def _hours(value: object, *, may_be_0: bool = False) -> float:
    above, low = (None, 0) if may_be_0 else (0, None)
    if not isinstance(value, str) or re.fullmatch(_NUMBER, value.strip()):
        return parse_number(value, "a time", above=above, low=low)
    if not re.fullmatch(_DURATION, value.strip()):
        raise InvalidValueError(f"{shown(value)} is not a time")
    parts = [(float(part["number"]), part["unit"]) for part in re.finditer(_DURATION_PART, value)]
    for _, unit in parts:
        if unit.lower() not in _HOURS:
            raise InvalidValueError(f"{shown(value)} is not a time: {unit} is not a unit of it")
    return _bounded(sum(number * _HOURS[unit.lower()] for number, unit in parts), "a time", above=above, low=low)


def _without_plus(value: object) -> tuple[object, bool]:
    """What stands before a trailing `+`, and whether there is one."""
    if isinstance(value, str) and value.strip().endswith("+"):
        return value.strip()[:-1], True
    return value, False


def _with_unit(value: object, what: str) -> tuple[float, str]:
    """The number and the unit (may be empty) of `64GB` or `64`."""
    if isinstance(value, str):
        match = re.fullmatch(_WITH_UNIT, value.strip())
        if match is None:
            raise InvalidValueError(f"{what} must be a number or a number with a unit, not {shown(value)}")
        return float(match["number"]), match["unit"]
    return parse_number(value, what), ""


def _binary_size(value: object, what: str) -> float:
    """A size above zero in GiB; KB, KiB and K are all 1024 bytes, and so on (SkyPilot: MEMORY_SIZE_UNITS)."""
    number, unit = _with_unit(value, what)
    exponent = _SIZE_LETTERS.find(unit[:1].upper()) if unit else 2
    if exponent < 0 or unit[1:].upper() not in {"", "B", "I", "IB"}:
        raise InvalidValueError(f"{shown(value)} is not a size: {unit} is not a unit of it")
    return _bounded(number * 1024.0 ** (exponent - 2), what, above=0)


def _bounded(
    number: float, what: str, *, above: float | None = None, low: float | None = None, high: float = LARGEST
) -> float:
    """The number itself, if it is finite and within its bounds."""
    if not math.isfinite(number):
        raise InvalidValueError(f"{what} must be a finite number")
    if above is not None and number <= above:
        raise InvalidValueError(f"{what} must be above {figure(above)}, not {figure(number)}")
    if low is not None and number < low:
        raise InvalidValueError(f"{what} must be at least {figure(low)}, not {figure(number)}")
    if number > high:
        raise InvalidValueError(f"{what} is too large")
    return number


@contextmanager
def _hint(hint: str) -> Iterator[None]:
    """What goes wrong inside says what can be written instead, unless it does so already."""
    try:
        yield
    except InvalidValueError as error:
        raise InvalidValueError(str(error), error.faults[0].hint or hint) from None
