"""`skybroker schema`."""

from __future__ import annotations

from cli.formats import Format


def schema() -> None:
    """Print the JSON Schema of workload files, for editors and checks."""
    from cli.printer import print_data
    from engine.workload_reader import json_schema

    print_data(json_schema(), Format.JSON)
