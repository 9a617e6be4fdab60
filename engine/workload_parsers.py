"""How each field of the written form is read: one plain function a field, from the value of a YAML node.

All of them raise InvalidValueError, so that what a user gets to see is a sentence about the value, and not a
validator's account of every alternative that it tried. A sentence shows the value only where it is of a narrow kind, a
word or a quantity; commands, variables, mounts, services and the like may hold secrets, and are told by their kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from catalog_data.normalise import nearest_name
from catalog_data.schema import Purchase
from engine.quantities import parse_data_gb, parse_hours, parse_number, parse_whole_number
from engine.workload_accelerators import parse_hardware
from engine.workload_errors import InvalidValueError, kind, read_all, shown, without_credentials
from engine.workload_places import parse_residency_list

T = TypeVar("T")

_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_SECRET_PREFIX: Final = "secrets:"  # noqa: S105 - the prefix of a reference, no secret
_PORTS: Final = r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?"
_LOCAL_DISK: Final = r"(?i:(?:(?:nvme|ssd):)?[0-9]+\+?|nvme|ssd)"
MAX_NAME: Final = 200
"""How many characters a name may have."""
ANY_PURCHASE: Final = (Purchase.ON_DEMAND, Purchase.SPOT, Purchase.OWNED)
"""What `purchase: any` stands for: every way to buy that needs no commitment."""


def parse_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise InvalidValueError(f"must be a text, not {kind(value)}")
    return value


def parse_name(value: object) -> str:
    """A text, or a number taken as one; on one line, not empty and at most MAX_NAME long."""
    name = _text_or_number(value, "a name")
    if not name.isprintable():  # it would forge lines of what is printed
        raise InvalidValueError("holds a line break or another character that cannot be printed", "leave it out")
    if len(name) > MAX_NAME:
        raise InvalidValueError(f"has more than {MAX_NAME} characters")
    return name


def _text_or_number(value: object, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise InvalidValueError(f"must be {what}, not {kind(value)}")
    return str(value).strip()


def parse_boolean(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError(f"must be true or false, not {kind(value)}")
    return value


def parse_mapping(value: object) -> Mapping[str, Any]:
    """A mapping, carried as it is."""
    if not isinstance(value, dict):
        raise InvalidValueError(f"must be a mapping, not {kind(value)}")
    return value


def parse_list(value: object) -> list[Any]:
    """A list, carried as it is."""
    if not isinstance(value, list):
        raise InvalidValueError(f"must be a list, not {kind(value)}")
    return value


def parse_names(value: object) -> list[str]:
    """A list of names."""
    return one_or_more(parse_list(value), parse_name)


def parse_any(value: object) -> object:
    """Anything, carried as it is."""
    return value


def choice(*known: str) -> Callable[[object], str]:
    """A reader of one word out of several, in any case; hyphens and underscores are the same."""

    def parse(value: object) -> str:
        folded = value.strip().lower().replace("-", "_") if isinstance(value, str) else None
        if folded in known:
            return folded
        nearest = nearest_name(folded, known) if folded else None
        hint = f"did you mean {nearest}?" if nearest else None
        raise InvalidValueError(f"must be one of {', '.join(known)}, not {shown(value)}", hint)

    return parse


def each(value: object, what: str, read: Callable[[str, Any], T]) -> dict[str, T]:
    """A mapping whose every entry is read by `read(key, value)`.

    Raises:
        InvalidValueError: it is no mapping, or some entries cannot be read.
    """
    if not isinstance(value, dict):
        raise InvalidValueError(f"must be a mapping from {what}, not {kind(value)}")
    entries = read_all((((key,), (key, item)) for key, item in value.items()), lambda entry: read(*entry))
    return dict(zip(value, entries, strict=True))


def one_or_more(value: object, read: Callable[[Any], T]) -> list[T]:
    """One value or a list of them, each read by itself."""
    if not isinstance(value, list):
        return [read(value)]
    return read_all((((index,), item) for index, item in enumerate(value)), read)


def parse_envs(value: object) -> dict[str, str | None]:
    """Variables and their values as text; null has to be given later."""
    return each(value, "variables to values", _variable)


def _variable(name: str, value: object) -> str | None:
    if not re.fullmatch(_VARIABLE, name):
        raise InvalidValueError("is not a name for a variable", "use letters, digits and underscores, no digit first")
    if isinstance(value, dict | list):
        raise InvalidValueError(f"must be a text or a number, not {kind(value)}")
    return None if value is None else str(value)


def parse_secrets(value: object) -> dict[str, SecretStr | None]:
    """Names and values of secrets, or a list `[secrets:NAME]` of managed ones. No message shows a value."""
    if isinstance(value, list):
        value = dict.fromkeys(item if isinstance(item, str) else "" for item in value)
        if not all(name.startswith(_SECRET_PREFIX) for name in value):
            raise InvalidValueError("every item of a list of secrets must be a reference", "such as secrets:HF_TOKEN")
    if not isinstance(value, dict):
        raise InvalidValueError("must be a mapping from secrets to values, or a list of references")
    secrets = each(value, "secrets to values", _secret)
    return {name.removeprefix(_SECRET_PREFIX): secret for name, secret in secrets.items()}


def _secret(name: str, value: object) -> SecretStr | None:
    if isinstance(value, dict | list):
        raise InvalidValueError("must be a text")
    if value is not None and name.startswith(_SECRET_PREFIX):
        raise InvalidValueError("is a reference to a managed secret, which has no value here")
    return None if value is None else SecretStr(str(value))


def parse_file_mounts(value: object) -> dict[str, str | Mapping[str, Any]]:
    """Path on the node -> local path, URL or description of a bucket."""
    return each(value, "paths on the node to sources", _mount)


def _mount(_path: str, value: object) -> str | Mapping[str, Any]:
    if not isinstance(value, str | dict):
        raise InvalidValueError(f"must be a path, a URL or a mapping, not {kind(value)}")
    return value


def parse_labels(value: object) -> dict[str, str]:
    """Labels and their values as text."""
    return each(value, "labels to texts", lambda _, text: _text_or_number(text, "a text"))


def parse_data_sizes(value: object) -> dict[str, float]:
    """URL -> GB. URLs lose what may be secret in them, for plans show them; those that are equal then are added up."""
    sizes: dict[str, float] = {}
    for url, size_gb in each(value, "URLs to amounts of data", lambda _, size: parse_data_gb(size)).items():
        public = without_credentials(url)
        sizes[public] = sizes.get(public, 0.0) + size_gb
    return sizes


def parse_image(value: object) -> str | dict[str, str]:
    """An image, or one for each region."""
    if isinstance(value, dict) and value:
        return each(value, "regions to images", lambda _, image: parse_text(image))
    return parse_text(value)


def parse_ports(value: object) -> tuple[str, ...]:
    """`8080`, `8000-8010`, or a list of such."""
    return tuple(one_or_more(value, _port))


def _port(value: object) -> str:
    match = None if isinstance(value, bool | float) else re.fullmatch(_PORTS, str(value))
    if match is None or not 1 <= int(match["first"]) <= int(match["last"] or match["first"]) <= 65535:
        raise InvalidValueError("must be a port or a range of ports", "write 8080 or 8000-8010")
    return str(value)


def parse_arch(value: object) -> str:
    """`x86_64` or `arm64`, or their other names."""
    word = choice("x86_64", "arm64", "amd64", "aarch64")(value)
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(word, word)


def parse_local_disk(value: object) -> str:
    """`nvme`, `ssd`, `nvme:1000+` or `1000+` (GB)."""
    if isinstance(value, bool) or not re.fullmatch(_LOCAL_DISK, str(value)):
        raise InvalidValueError(f"{shown(value)} is not a local disk", "write nvme, nvme:1000+ or 1000+ (GB)")
    return str(value)


def parse_autostop(value: object) -> bool | int | str | Mapping[str, Any]:
    """true, false, minutes, a time such as `10h`, or a mapping."""
    if isinstance(value, bool | dict):
        return value
    if isinstance(value, int):
        return parse_whole_number(value, "idle minutes", low=0)
    if isinstance(value, str) and re.fullmatch(r"\d+[mhdwMHDW]?", value):
        return value
    raise InvalidValueError(f"must be true, false, a time or a mapping, not {shown(value)}", "such as 10m or 2h")


def parse_text_or_mapping(value: object) -> str | Mapping[str, Any]:
    """A text, or a mapping that is carried as it is."""
    return value if isinstance(value, str) else parse_mapping(value)


def parse_count(value: object) -> int:
    """How many of a part of a service or pool."""
    try:
        return parse_whole_number(value, "it", low=0)
    except InvalidValueError:
        raise InvalidValueError("must be a whole number, at least 0") from None


def parse_seconds(value: object) -> float:
    """A time in seconds."""
    try:
        return parse_number(value, "it", low=0)
    except InvalidValueError:
        raise InvalidValueError("must be a number of seconds, at least 0") from None


def parse_purchase(value: object) -> tuple[Purchase, ...]:
    """One way to buy, a list of ways, or `any`."""
    purchases = [purchase for ways in one_or_more(value, _ways_to_buy) for purchase in ways]
    if not purchases:
        raise InvalidValueError("lists no way to buy", f"such as {Purchase.SPOT}")
    return tuple(dict.fromkeys(purchases))


def _ways_to_buy(value: object) -> tuple[Purchase, ...]:
    word = choice(*Purchase, "any")(value)
    return ANY_PURCHASE if word == "any" else (Purchase(word),)


def parse_estimate_hours(value: object) -> float | dict[str, float]:
    """Hours, or hours by hardware."""
    if isinstance(value, dict):
        return _by_hardware(value, parse_hours)
    return parse_hours(value)


def parse_work(value: object) -> float:
    """Units of work, of any unit and so of any size."""
    return parse_number(value, "work", above=0, high=math.inf)


def parse_throughput(value: object) -> dict[str, float]:
    """Units of work per second by hardware."""
    return _by_hardware(value, lambda rate: parse_number(rate, "throughput", above=0, high=math.inf))


def _by_hardware(value: object, read: Callable[[Any], float]) -> dict[str, float]:
    """Figures by canonical hardware keys; two spellings of one key are a fault."""
    figures: dict[str, float] = {}

    def add(key: str, figure: object) -> None:
        hardware = parse_hardware(key)
        if hardware in figures:
            raise InvalidValueError(f"{hardware} is given twice")
        figures[hardware] = read(figure)

    each(value, "hardware (H100:8, H100 or cpu) to figures", add)
    if not figures:
        raise InvalidValueError("names no hardware", "such as H100:8")
    return figures


def parse_allow(value: object) -> tuple[str, ...]:
    """The places that are allowed, at least one."""
    places = parse_residency_list(value)
    if not places:
        raise InvalidValueError("allows no place at all", "leave the field out to allow every place")
    return places
