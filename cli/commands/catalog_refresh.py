"""`skybroker catalog refresh`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import Output


def refresh(
    only: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these sources or clouds, with commas: aws,gcp,skypilot_catalog."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, publish nothing.")] = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Believe prices that jumped tenfold and sources that lost many rows."),
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Most seconds for each source.")] = 1800,
    output: Output = Format.TABLE,
) -> None:
    """Read prices and capacity from the sources, check them and publish what changed.

    Sources whose credentials are missing are skipped: see `catalog sources`.
    A source that fails keeps its last good rows; the others are published,
    and the exit code is 1.
    """
    from cli.printer import print_data
    from cli.refresh_view import print_report, report_data
    from cli.refreshing import chosen_sources, refreshed

    report = refreshed(chosen_sources(only), timeout_s=timeout, dry_run=dry_run, changes_accepted=accept_changes)
    if output is Format.TABLE:
        print_report(report, dry_run=dry_run)
    else:
        print_data(report_data(report), output)
    if report.failed:
        raise typer.Exit(ExitCode.ERROR)
