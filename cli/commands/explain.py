"""`skybroker explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import NoPlanError
from cli.formats import Format
from cli.options import Output


def explain(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A plan, as `plan --out` writes it, or a workload; - is stdin.")
    ],
    why_not: Annotated[
        str | None,
        typer.Option(
            metavar="OFFER",
            help='Why these offers are not chosen: "aws p5.48xlarge us-east-1 spot", words in any order.',
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="The task that --why-not is about.")] = None,
    workload: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan's workload, where its file has moved.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=0.1, help="Most seconds for planning again with limits moved.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say where a plan's money and time go, what its limits cost, and why it is not another one."""
    from cli.explain_view import conflicts_data, print_explanation, print_why_not, to_data
    from cli.explaining import explained, reasons_against, subject_of
    from cli.printer import print_data

    try:
        subject = subject_of(file, workload, time_limit)
    except NoPlanError as error:
        if output is not Format.TABLE:
            print_data(conflicts_data(error.conflicts), output)
        raise
    if why_not is None:
        explanation = explained(subject)
        if output is Format.TABLE:
            print_explanation(explanation)
        else:
            print_data(to_data(explanation), output)
        return
    answer = reasons_against(subject, why_not, task)
    if output is Format.TABLE:
        print_why_not(answer)
    else:
        print_data(to_data(answer), output)
