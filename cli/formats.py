"""How a command prints its data."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """`table` is for people, `json` and `yaml` are for programs."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
