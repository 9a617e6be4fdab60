"""`skybroker catalog diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import Output


def diff(
    old: Annotated[str, typer.Argument(help="A snapshot's id, or an instant.")],
    new: Annotated[str, typer.Argument(help="A snapshot's id, or an instant.")],
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 where there is a difference.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """List the offers that came, went or changed between two snapshots."""
    from cli.history_view import changes, print_changes
    from cli.printer import print_data

    found = changes(old, new)
    if output is Format.TABLE:
        print_changes(found)
    else:
        print_data(found.data(), output)
    if detailed_exitcode and not found.frame.is_empty():
        raise typer.Exit(ExitCode.DIFFERENCE)
