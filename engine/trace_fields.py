"""What readers of recorded availability share: their error, checked fields of a JSON object, and names of places."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeGuard

import numpy as np

from engine.spot_market import Figures, Flags

MOST_GAPS: Final = 10_000_000
"""A trace of more gaps is taken for a mistake: 190 years at ten minutes each."""

_LARGEST: Final = 1e15
_ZONE: Final = re.compile(r"(?=[a-z-]*\d)(?=[a-z0-9]*-)[a-z0-9-]+", re.IGNORECASE)
_FORMS: Final = {
    # us-west-2a, us-gov-west-1b, and local zones such as us-west-2-lax-1a.
    "aws": re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)(?:-[a-z]+-\d+)?[a-z]"),
    # us-central1-a, and AI zones such as us-central1-ai1a.
    "gcp": re.compile(r"([a-z]+-[a-z]+\d+)-(?:ai\d+)?[a-z]"),
    # eastus-1, northcentralus2-3.
    "azure": re.compile(r"([a-z]+\d*)-\d"),
}
"""How clouds write their zones, with the region in them."""


class TraceError(ValueError):
    """A file of recorded availability cannot be used: what is wrong with it, in one sentence, and what to do.

    TraceError
        +-- NotATraceError    the file is of another kind altogether; in a folder it may be passed over
    """

    def __init__(self, file: str, message: str, hint: str) -> None:
        super().__init__(f"{file}: {message}; {hint}")
        self.file = file
        self.message = message
        self.hint = hint


class NotATraceError(TraceError):
    """The file holds something else than a trace."""


class Series(NamedTuple):
    """The name of a recorded series: where, and of which machine ("" where it is not known)."""

    zone: str
    instance_type: str


def series_of(name: str) -> Series:
    """Zone and instance type from a file's name, `<zone>_<instance>.json`, or from the folder it lies in.

    The innermost part of the path that begins with a zone counts (`us-east-1f_v100_1/full.json` is of us-east-1f);
    where there is none, the file's own stem is taken for the zone.
    """
    stem, *folders = reversed(name.replace("\\", "/").split("/"))
    stem = stem.rsplit(".", 1)[0]
    for part in (stem, *folders):
        zone, underscore, instance_type = part.partition("_")
        if underscore and instance_type and _ZONE.fullmatch(zone):
            return Series(zone, instance_type)
    return Series(stem, "")


def region_of(zone: str) -> str:
    """The region that a zone lies in: us-west-2a -> us-west-2, us-central1-a -> us-central1, eastus-1 -> eastus.

    A name of no known form is returned as it stands: some providers sell by region.
    """
    for form in _FORMS.values():
        if match := form.fullmatch(zone):
            return match[1]
    return zone


def cloud_of(zone: str) -> str | None:
    """The cloud that writes its zones so; None for a name of no known form."""
    return next((cloud for cloud, form in _FORMS.items() if form.fullmatch(zone)), None)


def json_object(text: str, file: str) -> Mapping[str, Any]:
    """The object that a JSON text holds.

    Raises:
        TraceError: the text is not JSON, or holds something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise TraceError(
            file, f"it is not valid JSON{where}", "write it anew; a download that broke off ends in the middle"
        ) from None
    if not isinstance(found, dict):
        raise TraceError(file, f"it holds {kind(found)}, not an object", "a JSON trace starts with {")
    return found


class Fields:
    """The fields of one JSON object, read with their types checked; `path` leads to the object inside the file."""

    def __init__(self, found: Mapping[str, Any], file: str, path: str = "") -> None:
        self._found = found
        self._path = path
        self.file = file

    def __contains__(self, key: str) -> bool:
        return self._found.get(key) is not None

    def error(self, key: str, message: str, hint: str) -> TraceError:
        """The error that says `message` of a field."""
        return TraceError(self.file, f"{self._path}{key} {message}", hint)

    def keys(self) -> Sequence[str]:
        """The names of the fields, in the order of the file."""
        return tuple(self._found)

    def value(self, key: str) -> Any:  # noqa: ANN401 - what a JSON text holds
        """The value of a field that has to be there."""
        if key not in self:
            raise self.error(key, "is missing", "every file of this kind has it")
        return self._found[key]

    def part(self, key: str) -> Fields:
        """The object in a field."""
        found = self.value(key)
        if not isinstance(found, dict):
            raise self.error(key, f"is {kind(found)}, not an object", "write {...}")
        return Fields(found, self.file, f"{self._path}{key}.")

    def parts(self, key: str) -> tuple[Fields, ...]:
        """The objects in a list of at least one."""
        found = self.values(key)
        for index, one in enumerate(found):
            if not isinstance(one, dict):
                raise self.error(f"{key}[{index}]", f"is {kind(one)}, not an object", "write {...}")
        return tuple(Fields(one, self.file, f"{self._path}{key}[{index}].") for index, one in enumerate(found))

    def values(self, key: str) -> Sequence[Any]:
        """The elements of a list, of at least one."""
        found = self.value(key)
        if not isinstance(found, list) or not found:
            raise self.error(key, f"is {kind(found)}, not a list of at least one element", "write [...]")
        return found

    def text(self, key: str) -> str:
        """A text that is not empty."""
        found = self.value(key)
        if not isinstance(found, str) or not found:
            raise self.error(key, f"is {kind(found)}, not a text", 'write it in quotes: "..."')
        return found

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number of `least` or more."""
        found = self.value(key)
        if not is_whole(found) or found < least:
            raise self.error(key, f"is {shown(found)}, not a whole number of {least} or more", "correct it")
        return int(found)

    def gap_s(self, key: str) -> float:
        """The length of a gap in seconds, above 0."""
        found = self.value(key)
        if not is_number(found) or found <= 0:
            raise self.error(key, f"is {shown(found)}, not a number of seconds above 0", "it says how long a gap is")
        return float(found)

    def price_usd_h(self, key: str) -> float | None:
        """A price, 0 included; None where the file gives none."""
        if key not in self:
            return None
        return checked_price(self.value(key), self.file, f"{self._path}{key}")

    def instant(self, key: str) -> datetime | None:
        """An instant; one without a zone is UTC, as the public files have it. None where the file gives none."""
        if key not in self:
            return None
        found = self.value(key)
        try:
            moment = datetime.fromisoformat(found)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise self.error(key, f"is {shown(found)}, not an instant", "write 2026-01-31T08:00:00Z") from None

    def runs(self, key: str) -> Flags:
        """Run-length pairs [available (1 or 0), gaps] as one flag a gap, of shape (gaps,)."""
        pairs = self.values(key)
        for index, pair in enumerate(pairs):
            if not (isinstance(pair, list) and len(pair) == 2 and is_flag(pair[0]) and is_whole(pair[1], 1)):
                raise self.error(
                    f"{key}[{index}]", f"is {shown(pair)}", "each run is [available (1 or 0), gaps (1 or more)]"
                )
        total = sum(gaps for _, gaps in pairs)
        if total > MOST_GAPS:
            raise self.error(key, f"holds {total:,} gaps", f"a trace has at most {MOST_GAPS:,} gaps")
        return np.repeat([bool(available) for available, _ in pairs], [gaps for _, gaps in pairs])

    def stepwise_usd_h(self, key: str, gaps: int) -> Figures | None:
        """Price changes [gap, $/h] as one price a gap, of shape (gaps,); None where the file gives none.

        Raises:
            TraceError: a change is malformed, out of order or outside the trace, or the first is not at gap 0 (prices
                from before a change are not known, and none are invented).
        """
        if key not in self:
            return None
        prices = np.empty(gaps)
        before = -1
        for index, change in enumerate(self.values(key)):
            place = f"{key}[{index}]"
            if not (isinstance(change, list) and len(change) == 2 and is_whole(change[0])):
                raise self.error(place, f"is {shown(change)}", "each change is [gap, $/h]")
            gap, price = change
            if not before < gap < gaps:
                raise self.error(place, f"is at gap {gap}", f"changes are in order, at gaps from 0 to {gaps - 1}")
            if before < 0 < gap:
                raise self.error(place, f"is at gap {gap}, the first one", "give the price at gap 0 too")
            prices[gap:] = checked_price(price, self.file, f"{self._path}{place}")
            before = gap
        return prices


def checked_price(found: object, file: str, place: str) -> float:
    """A price in USD per hour: a finite number of 0 or more."""
    if not is_number(found) or found < 0:
        raise TraceError(
            file, f"{place} is {shown(found)}, not a price", "a price is a number of USD per hour, 0 or more"
        )
    return float(found)


def is_number(found: object) -> TypeGuard[int | float]:
    """Whether a JSON value is a number that a float can hold; neither NaN nor an infinity is."""
    return isinstance(found, int | float) and not isinstance(found, bool) and -_LARGEST < found < _LARGEST


def is_whole(found: object, least: int = 0) -> TypeGuard[int]:
    """Whether a JSON value is a whole number of `least` or more."""
    return isinstance(found, int) and is_number(found) and found >= least


def is_flag(found: object) -> bool:
    """Whether a JSON value is 0, 1, false or true."""
    return isinstance(found, int) and found in {0, 1}


def kind(found: object) -> str:
    """What a JSON value is, in words."""
    if isinstance(found, list):
        return "a list" if found else "an empty list"
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, str):
        return "a text" if found else "an empty text"
    return shown(found)


def shown(found: object) -> str:
    """A value as a message quotes it: short, and on one line."""
    text = json.dumps(found)
    return text if len(text) <= 40 else f"{text[:37]}..."
