"""Pydantic's account of what is wrong -> faults in plain words, with the nearest known field for an unknown one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from catalog_data.normalise import nearest_name
from engine.workload_errors import Fault, InvalidValueError, Path, kind
from engine.workload_schema import (
    TASK_FIELDS,
    WORKLOAD_FIELDS,
    Written,
    WrittenAlternative,
    WrittenCarbon,
    WrittenChance,
    WrittenDocument,
    WrittenEstimate,
    WrittenPool,
    WrittenPreference,
    WrittenReplicaPolicy,
    WrittenResidency,
    WrittenResources,
    WrittenService,
    WrittenTask,
)

M = TypeVar("M", bound=Written)

_PARTS: Final[Mapping[str, type[Written]]] = {
    "resources": WrittenResources,
    "any_of": WrittenAlternative,
    "ordered": WrittenAlternative,
    "candidates": WrittenAlternative,
    "carbon": WrittenCarbon,
    "chance": WrittenChance,
    "estimate": WrittenEstimate,
    "pool": WrittenPool,
    "prefer": WrittenPreference,
    "replica_policy": WrittenReplicaPolicy,
    "residency": WrittenResidency,
    "service": WrittenService,
}
_EXPECTED: Final[Mapping[str, str]] = {
    "dict_type": "a mapping of fields",
    "list_type": "a list",
    "model_type": "a mapping of fields",
}


def validate(model: type[M], value: Mapping[str, Any]) -> M:
    """The written form of a mapping.

    Raises:
        InvalidValueError: with a fault for each field that cannot be read; paths start below the mapping.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults = (fault for detail in details for fault in _faults(model, detail, _as_written(detail["loc"], value)))
        raise InvalidValueError.of(faults) from None


def _as_written(path: Path, value: object) -> Path:
    """The path without the index of an item that is written without its list."""
    steps: list[str | int] = []
    for step in path:
        if isinstance(step, int) and not isinstance(value, list):
            continue
        steps.append(step)
        if isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return tuple(steps)


def _faults(model: type[Written], detail: ErrorDetails, path: Path) -> Iterator[Fault]:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InvalidValueError):
        yield from (fault.under(path) for fault in cause.faults)
    elif detail["type"] == "extra_forbidden":
        yield Fault("unknown field", _unknown_field_hint(model, path), path)
    else:
        expected = _EXPECTED.get(detail["type"], "of another kind")
        yield Fault(f"must be {expected}, not {kind(detail['input'])}", None, path)


def _unknown_field_hint(model: type[Written], path: Path) -> str | None:
    """Where the field belongs, if another part of the form has it, or the nearest field that is known there."""
    parents = [step for step in path[:-1] if isinstance(step, str)]
    part = _PARTS[parents[-1]] if parents else model
    name = str(path[-1])
    if issubclass(part, WrittenAlternative) and name in TASK_FIELDS:
        return "write it beside resources, not in it"
    if not parents and name in WrittenResources.model_fields:
        return "write it under resources"
    if not parents and name in WrittenEstimate.model_fields:
        return "write it under estimate"
    if part is WrittenTask and name in WORKLOAD_FIELDS:
        return "write it at the top of the file, beside tasks"
    if part is WrittenDocument and name == "depends_on":
        return "write the tasks that it connects under tasks"
    nearest = nearest_name(name, part.model_fields)
    if nearest is not None:
        return f"did you mean {nearest}?"
    elsewhere = None if parents else nearest_name(name, WrittenResources.model_fields)
    return f"did you mean {elsewhere}, under resources?" if elsewhere else None
