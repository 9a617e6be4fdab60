"""`skybroker portfolio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import AsOf, Output


def portfolio(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Workloads (YAML) that may run at the same time.")
    ],
    budget: Annotated[str | None, typer.Option(help="Most money for all of them together, USD.")] = None,
    as_of: AsOf = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.1, help="Most seconds for placing; plans that are not proven best show their gap."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print the plans that cost least for several workloads together.

    They share quotas and machines that are held for you (see `docs/private-prices.md`), your clusters and one budget;
    each keeps its own deadline, budget and other limits.
    """
    from cli.portfolio_view import portfolio_data, print_portfolio
    from cli.printer import print_data
    from cli.wiring import Overrides, loaded_workload, parsed_instant, planned_together
    from engine.portfolio import UnsharableError

    if len(set(files)) < len(files):
        raise CommandError("a workload is named twice", hint="copy the file to plan it twice", code=ExitCode.USAGE)
    workloads = {file: loaded_workload(file, Overrides()) for file in files}
    try:
        result = planned_together(workloads, parsed_instant(as_of), budget, time_limit)
    except UnsharableError as error:
        raise CommandError(str(error), hint="plan that workload by itself with `plan`") from error
    if output is Format.TABLE:
        print_portfolio(result)
    else:
        print_data(portfolio_data(result), output)
