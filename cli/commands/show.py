"""`skybroker show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.formats import Format
from cli.options import Output


def show(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file, as `plan --out` writes it.")],
    output: Output = Format.TABLE,
) -> None:
    """Print a plan file."""
    from cli.plan_view import print_plan
    from cli.printer import print_data
    from cli.wiring import loaded_plan

    plan = loaded_plan(file)
    if output is Format.TABLE:
        print_plan(plan)
    else:
        print_data(plan.to_data(), output)
