"""The types of the fields of the written form: what they hold once read, how they are read, and their JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from catalog_data.schema import Purchase
from engine import quantities, workload_accelerators, workload_parsers, workload_places
from engine.quantities import GibPerVcpu, Range
from engine.workload import Objective
from engine.workload_accelerators import AcceleratorChoice
from engine.workload_places import Infra


@dataclass(frozen=True, eq=False)  # an identity of its own, for a schema has no hash
class Read:
    """A field that is read by one function, which raises InvalidValueError, and described by one JSON Schema."""

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.nullable_schema(core_schema.no_info_plain_validator_function(self.parse))

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [dict(self.schema), {"type": "null"}]}


_TEXT: Final = {"type": "string"}
_NUMBER_OR_TEXT: Final = {"type": ["number", "string"]}
_MAPPING: Final = {"type": "object"}
_SIZES: Final = {"type": "object", "additionalProperties": _NUMBER_OR_TEXT}
_PLACES: Final = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}], "examples": [["EU", "aws/eu-west-1"]]}
_PURCHASE: Final = {"type": "string", "enum": [*Purchase, "any"]}
_PORT: Final = {"type": ["integer", "string"]}
_SCALARS: Final = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}


def _quantity(*examples: str | float) -> dict[str, Any]:
    return {**_NUMBER_OR_TEXT, "examples": list(examples)}


def _word(*known: str) -> Read:
    return Read(workload_parsers.choice(*known), {"type": "string", "enum": list(known)})


def _whole(what: str, *, low: int, high: int | None = None) -> Read:
    def parse(value: object) -> int:
        return quantities.parse_whole_number(value, what, low=low, high=high)

    return Read(parse, {"type": "integer", "minimum": low} | ({} if high is None else {"maximum": high}))


def _usd(what: str, *, above: float | None = None) -> Read:
    def parse(value: object) -> float:
        return quantities.parse_usd(value, what, above=above)

    return Read(parse, _quantity(250, "$250"))


Text: TypeAlias = Annotated[str | None, Read(workload_parsers.parse_text, _TEXT)]
Name: TypeAlias = Annotated[str | None, Read(workload_parsers.parse_name, _NUMBER_OR_TEXT)]
Boolean: TypeAlias = Annotated[bool | None, Read(workload_parsers.parse_boolean, {"type": "boolean"})]
Fields: TypeAlias = Annotated[Mapping[str, Any] | None, Read(workload_parsers.parse_mapping, _MAPPING)]
Items: TypeAlias = Annotated[list[Any] | None, Read(workload_parsers.parse_list, {"type": "array"})]
Anything: TypeAlias = Annotated[Any, Read(workload_parsers.parse_any, {})]
TextOrFields: TypeAlias = Annotated[
    str | Mapping[str, Any] | None, Read(workload_parsers.parse_text_or_mapping, {"anyOf": [_TEXT, _MAPPING]})
]
Spread: TypeAlias = Annotated[int | None, _whole("the number of groups", low=1)]
NumNodes: TypeAlias = Annotated[int | None, _whole("the number of nodes", low=1)]
Count: TypeAlias = Annotated[int | None, Read(workload_parsers.parse_count, {"type": "integer", "minimum": 0})]
Seconds: TypeAlias = Annotated[float | None, Read(workload_parsers.parse_seconds, _NUMBER_OR_TEXT)]
Work: TypeAlias = Annotated[float | None, Read(workload_parsers.parse_work, _NUMBER_OR_TEXT)]

Vcpus: TypeAlias = Annotated[Range | None, Read(quantities.parse_vcpus, _quantity(4, "4+"))]
Memory: TypeAlias = Annotated[Range | GibPerVcpu | None, Read(quantities.parse_memory, _quantity(16, "16+", "1TB+"))]
DiskGib: TypeAlias = Annotated[float | None, Read(quantities.parse_disk_gib, _quantity(256, "1TB"))]
HourlyUsd: TypeAlias = Annotated[float | None, _usd("the highest cost", above=0)]
Cloud: TypeAlias = Annotated[str | None, Read(workload_places.parse_cloud, {"type": "string", "examples": ["aws"]})]
InfraPlace: TypeAlias = Annotated[
    Infra | None,
    Read(workload_places.parse_infra, {"type": "string", "examples": ["aws", "gcp/us-central1", "*/us-east-1"]}),
]
Accelerators: TypeAlias = Annotated[
    AcceleratorChoice | None,
    Read(
        workload_accelerators.parse_accelerators,
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": {"type": ["string", "object"]}},
                {"type": "object", "additionalProperties": {"type": ["number", "string", "null"]}},
            ],
            "examples": ["H100:8", ["H100:8", "A100-80GB:8"], {"H100": 8, "A100-80GB": 8}],
        },
    ),
]
Purchases: TypeAlias = Annotated[
    tuple[Purchase, ...] | None,
    Read(workload_parsers.parse_purchase, {"anyOf": [_PURCHASE, {"type": "array", "items": _PURCHASE}]}),
]
Image: TypeAlias = Annotated[
    str | dict[str, str] | None,
    Read(workload_parsers.parse_image, {"anyOf": [_TEXT, {"type": "object", "additionalProperties": _TEXT}]}),
]
Ports: TypeAlias = Annotated[
    tuple[str, ...] | None, Read(workload_parsers.parse_ports, {"anyOf": [_PORT, {"type": "array", "items": _PORT}]})
]
Labels: TypeAlias = Annotated[
    dict[str, str] | None,
    Read(workload_parsers.parse_labels, {"type": "object", "additionalProperties": _NUMBER_OR_TEXT}),
]
Arch: TypeAlias = Annotated[
    str | None, Read(workload_parsers.parse_arch, {"type": "string", "enum": ["x86_64", "arm64"]})
]
DiskTier: TypeAlias = Annotated[str | None, _word("low", "medium", "high", "ultra", "best", "none")]
NetworkTier: TypeAlias = Annotated[str | None, _word("standard", "best")]
LocalDisk: TypeAlias = Annotated[str | None, Read(workload_parsers.parse_local_disk, _quantity("nvme", "nvme:1000+"))]
Priority: TypeAlias = Annotated[int | None, _whole("the priority", low=-1000, high=1000)]
Autostop: TypeAlias = Annotated[
    Any,
    Read(workload_parsers.parse_autostop, {"type": ["boolean", "integer", "string", "object"], "examples": ["10m"]}),
]

Envs: TypeAlias = Annotated[dict[str, str | None] | None, Read(workload_parsers.parse_envs, _SCALARS)]
Secrets: TypeAlias = Annotated[
    dict[str, SecretStr | None] | None,
    Read(workload_parsers.parse_secrets, {"anyOf": [_SCALARS, {"type": "array", "items": _TEXT}]}),
]
FileMounts: TypeAlias = Annotated[
    dict[str, Any] | None,
    Read(
        workload_parsers.parse_file_mounts,
        {"type": "object", "additionalProperties": {"type": ["string", "object"]}},
    ),
]
DataSizes: TypeAlias = Annotated[dict[str, float] | None, Read(workload_parsers.parse_data_sizes, _SIZES)]

HoursByHardware: TypeAlias = Annotated[
    float | dict[str, float] | None,
    Read(
        workload_parsers.parse_estimate_hours,
        {"anyOf": [_NUMBER_OR_TEXT, _SIZES], "examples": ["3h", {"H100:8": 6, "A100-80GB:8": 13, "cpu": "4d"}]},
    ),
]
Throughput: TypeAlias = Annotated[
    dict[str, float] | None,
    Read(workload_parsers.parse_throughput, {**_SIZES, "examples": [{"H100": 3000, "A100": 1200}]}),
]
SetupHours: TypeAlias = Annotated[float | None, Read(quantities.parse_hours_or_0, _quantity("10m", 0.5))]
Hours: TypeAlias = Annotated[float | None, Read(quantities.parse_hours, _quantity("30m", 2))]
Allow: TypeAlias = Annotated[tuple[str, ...] | None, Read(workload_parsers.parse_allow, _PLACES)]
Deny: TypeAlias = Annotated[tuple[str, ...] | None, Read(workload_places.parse_residency_list, _PLACES)]
Deadline: TypeAlias = Annotated[
    float | datetime | None, Read(quantities.parse_deadline, _quantity("12h", "2d", "2026-12-01T18:00Z"))
]
Budget: TypeAlias = Annotated[float | None, _usd("the budget")]
HourlyBudget: TypeAlias = Annotated[float | None, _usd("the hourly budget")]
ValueOfTime: TypeAlias = Annotated[float | None, _usd("the value of time")]
CarbonPrice: TypeAlias = Annotated[float | None, _usd("the price of carbon")]
Emissions: TypeAlias = Annotated[float | None, Read(quantities.parse_co2e_kg, _quantity(50, "50 kg", "1.5 t"))]
Chance: TypeAlias = Annotated[float | None, Read(quantities.parse_chance, _quantity("90%", 0.9))]
WishedPlace: TypeAlias = Annotated[
    Infra | None,
    Read(workload_places.parse_wished_place, {"type": "string", "examples": ["aws", "aws/us-east-1"]}),
]
Penalty: TypeAlias = Annotated[float | None, _usd("the penalty", above=0)]
Goal: TypeAlias = Annotated[str | None, _word(*Objective)]
Execution: TypeAlias = Annotated[str | None, _word("serial", "parallel")]
Names: TypeAlias = Annotated[
    list[str] | None, Read(workload_parsers.parse_names, {"type": "array", "items": _NUMBER_OR_TEXT})
]
Dependencies: TypeAlias = Annotated[
    Any,
    Read(
        workload_parsers.parse_any,
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": {"type": ["string", "object"]}},
                {"type": "object"},
            ],
            "examples": ["prepare", ["prepare", "download"], {"prepare": {"data": "50 GB"}}],
        },
    ),
]
