"""Options that several commands have; light, since `--help` loads it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from cli.formats import Format


class ObjectiveChoice(StrEnum):
    """The objectives that the command line offers (those of engine.workload.Objective)."""

    COST = "cost"
    TIME = "time"


Output: TypeAlias = Annotated[
    Format, typer.Option("--output", help="A table for people, or JSON or YAML for programs.")
]
AsOf: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="T", help="Answer from what was known then: an instant, a day (its end), a snapshot's id."),
]
On: TypeAlias = Annotated[
    str,
    typer.Option(metavar="clouds|local", help="The real clouds, or this machine in their place, which costs nothing."),
]
Names: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[DEPLOYMENT]...", help="Their ids, or names of workloads.")
]
