"""`skybroker catalog import`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import Output


def import_(
    place: Annotated[str, typer.Argument(metavar="FOLDER|FILE|URL", help="What to import.")],
    as_of: Annotated[
        str | None,
        typer.Option(metavar="T", help="When the prices were seen; by default when the newest file was written."),
    ] = None,
    cloud: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The cloud of traces, where the names of their zones do not say it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, publish nothing.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Believe prices that jumped tenfold and the loss of many rows.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Import a catalog in SkyPilot's layout, a grid of throughput or egress prices between regions, or spot traces.

    A catalog is a folder with <cloud>_vms.csv or <cloud>/vms.csv, one such
    file, or an address below which they are. A grid is a CSV file with a row
    for each pair of places cloud:region. Traces are JSON or CSV files that
    say when spot machines could be had, one for each zone and type, or a
    folder of them.
    """
    from cli.importing import imported, print_left_out
    from cli.printer import print_data
    from cli.refresh_view import print_report

    found = imported(place, as_of, cloud, dry_run=dry_run, changes_accepted=accept_changes)
    if output is Format.TABLE:
        print_report(found.report, dry_run=dry_run)
        print_left_out(found)
    else:
        print_data(found.data(), output)
    if found.report.failed:
        raise typer.Exit(ExitCode.ERROR)
