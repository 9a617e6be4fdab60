"""`skybroker plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import AsOf, ObjectiveChoice, Output


def plan(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Workloads (YAML), each planned on its own; - is stdin.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PLAN", help="Write the plan here as JSON.")
    ] = None,
    objective: Annotated[
        ObjectiveChoice | None, typer.Option(help="What to make least; without it, what the workload says.")
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="Latest end: 12h, 2d, or an instant.")] = None,
    budget: Annotated[str | None, typer.Option(help="Most money for the whole run, USD.")] = None,
    value_of_time: Annotated[
        str | None,
        typer.Option("--value-of-time", metavar="USD", help="What an hour is worth: $20 weighs time against cost."),
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=1, max=1000, help="How many options to rank, the best included; 1 leaves out fallbacks too."),
    ] = 5,
    as_of: AsOf = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.1, help="Most seconds for placing; a plan that is not proven best shows its gap."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print the best plan for a workload, and what else there is."""
    from cli.plan_view import print_plan
    from cli.printer import print_data, print_lines
    from cli.talk import say
    from cli.wiring import Overrides, freshness, loaded_workload, parsed_instant, planned, write_whole
    from engine.workload import Objective

    if out is not None:
        _require_own_file(out, files)
    overrides = Overrides(Objective(objective) if objective else None, deadline, budget, value_of_time)
    workloads = [(file, loaded_workload(file, overrides)) for file in files]
    plans = [planned(workload, file, parsed_instant(as_of), top, time_limit) for file, workload in workloads]
    if out is not None:
        write_whole(out, plans[0].to_json())
    if output is Format.TABLE:
        for number, result in enumerate(plans):
            if number:
                print_lines("")
            print_plan(result)
            if remark := freshness(result):
                say(f"note: {remark}")
    elif len(plans) == 1:
        print_data(plans[0].to_data(), output)
    else:
        print_data({"schema_version": 1, "plans": [result.to_data() for result in plans]}, output)


def _require_own_file(out: Path, files: list[Path]) -> None:
    """A plan goes to a file of its own."""
    if len(files) > 1:
        raise CommandError("--out takes one workload", hint="plan the files one by one", code=ExitCode.USAGE)
    if str(out) in {"-", "."}:
        raise CommandError("--out takes the name of a file", hint="--output json prints the plan", code=ExitCode.USAGE)
    if out.resolve() == files[0].resolve():
        raise CommandError(f"--out would overwrite the workload {out}", hint="name another file", code=ExitCode.USAGE)
