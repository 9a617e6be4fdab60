"""`skybroker catalog doctor`."""

from __future__ import annotations

import typer

from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import Output


def doctor(output: Output = Format.TABLE) -> None:
    """Show what is installed, how old and how large the catalog is, and which clouds can be refreshed."""
    from cli.doctor import examined, print_findings
    from cli.printer import print_data

    findings = examined()
    if output is Format.TABLE:
        print_findings(findings)
    else:
        print_data(findings.data(), output)
    if findings.faults:
        raise typer.Exit(ExitCode.ERROR)
