"""How users write accelerators -> the requests that they mean.

H100        H100:8        T4:0.5                one model; a count in each node, 1 where there is none
tpu-v6e-8   tpu-v6e:8                           a TPU slice by its name, or chips
[H100:8, A100-80GB:8]                           alternatives, the first one preferred
{H100:8, A100-80GB:8}   {H100: 8, A100: 16}     alternatives, none preferred
80GB+   80GB   80GB+:4   amd:80GB+              any GPU with (at least) so much memory
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from catalog_data.normalise import ACCELERATORS, UnknownNameError, accelerator_name, tpu_slice
from engine.quantities import parse_number
from engine.workload import CPU, AcceleratorRequest
from engine.workload_errors import InvalidValueError, Path, figure, read_all, shown

_BY_MEMORY: Final = re.compile(
    r"(?:(?P<vendor>[a-z]+):)?(?P<size>\d+)\s*(?P<unit>[MGT])i?B(?P<plus>\+?)(?::(?P<count>[^:]+))?", re.IGNORECASE
)
_GIB: Final = {"M": 1 / 1024, "G": 1.0, "T": 1024.0}
_GPU_VENDORS: Final = frozenset(("amd", "nvidia"))
"""Whose accelerators a memory size without a vendor stands for."""
MAX_COUNT: Final = 999_999
"""How many accelerators a node may be asked to have; all such counts are written out in full."""
_HINT: Final = "write a model and a count, such as H100:8"


class AcceleratorChoice(NamedTuple):
    """Alternatives (at least one); `ordered` says that the first is preferred."""

    requests: tuple[AcceleratorRequest, ...]
    ordered: bool = False


def parse_accelerators(value: object) -> AcceleratorChoice:
    """The alternatives that a text, a list or a mapping of accelerators stands for.

    Raises:
        InvalidValueError: with one fault for each entry that cannot be read.
    """
    requests = [request for several in read_all(_entries(value), _parse_entry) for request in several]
    if not requests:
        raise InvalidValueError("names no accelerator", _HINT)
    return AcceleratorChoice(tuple(dict.fromkeys(requests)), ordered=isinstance(value, list) and len(requests) > 1)


def parse_hardware(text: str) -> str:
    """The canonical key of an estimate: `h100:8` -> `H100:8`, `tpu-v6e-8` -> `TPU-v6e:8`, `A100` -> `A100`, `cpu`."""
    if text.strip().lower() == CPU:
        return CPU
    if ":" in text or tpu_slice(text):
        (request,) = _parse_named(text, None)
        return str(request)
    return _known(text)


def _entries(value: object) -> Iterator[tuple[Path, tuple[object, object]]]:
    """The path of each entry, its text and its separate count (or None)."""
    if isinstance(value, dict):
        yield from (((key,), (key, count)) for key, count in value.items())
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from (((index, key), (key, count)) for key, count in item.items())
            else:
                yield (index,), (item, None)
    else:
        yield (), (value, None)


def _parse_entry(entry: tuple[object, object]) -> tuple[AcceleratorRequest, ...]:
    text, count = entry
    if not isinstance(text, str):
        raise InvalidValueError(f"an accelerator must be named, not {shown(text)}", _HINT)
    match = _BY_MEMORY.fullmatch(text.strip())
    return _parse_memory(match, count) if match else _parse_named(text, count)


def _parse_named(text: str, count: object) -> tuple[AcceleratorRequest]:
    name, *counts = (part.strip() for part in text.split(":"))
    if len(counts) + (count is not None) > 1:
        raise InvalidValueError(f"{shown(text)} has more than one count", _HINT)
    written = counts[0] if counts else count
    if written == "":
        raise InvalidValueError(f"{shown(text)} lacks its count", _HINT)
    number = 1.0 if written is None else _parse_count(written)
    slice_ = tpu_slice(name)
    if slice_ is None:
        return (AcceleratorRequest(_known(name), number),)
    if number != 1:
        message = f"{name} is a slice of {slice_[1]} chips, and a node is one slice"
        raise InvalidValueError(message, "write num_nodes for more slices, or the chips of one: tpu-v6e:8")
    return (AcceleratorRequest(slice_[0], float(slice_[1])),)


def _parse_memory(match: re.Match[str], count: object) -> tuple[AcceleratorRequest, ...]:
    """All GPUs with so much memory, as in SkyPilot's `[vendor:]<size>[+][:<count>]`."""
    if match["count"] is not None and count is not None:
        raise InvalidValueError(f"{shown(match[0])} has more than one count", _HINT)
    written = match["count"] if count is None else count
    number = 1.0 if written is None else _parse_count(written)
    size_gib = int(match["size"]) * _GIB[match["unit"].upper()]
    vendors = {match["vendor"].lower()} if match["vendor"] else _GPU_VENDORS
    names = [
        model.name
        for model in ACCELERATORS.values()
        if model.vendor in vendors
        and model.memory_gib is not None
        and (model.memory_gib == size_gib or (match["plus"] and model.memory_gib > size_gib))
    ]
    if not names:
        raise InvalidValueError(f"no known accelerator has the memory {match[0].strip()}")
    return tuple(AcceleratorRequest(name, number) for name in names)


def _parse_count(value: object) -> float:
    number = parse_number(value, "the number of accelerators", above=0, high=MAX_COUNT)
    if number > 1 and not number.is_integer():
        message = f"the number of accelerators must be a whole number or a share below 1, not {figure(number)}"
        raise InvalidValueError(message)
    return number


def _known(name: str) -> str:
    """The canonical name of a model."""
    if not name.strip():
        raise InvalidValueError("the model of the accelerator is missing", _HINT)
    try:
        return accelerator_name(name)
    except UnknownNameError as error:
        hint = f"did you mean {error.nearest}?" if error.nearest else "`skybroker catalog offers` lists those there are"
        raise InvalidValueError(f"unknown accelerator {shown(name)}", hint) from None
