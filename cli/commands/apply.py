"""`skybroker apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.options import On


def apply(
    file: Annotated[
        Path, typer.Argument(metavar="PLAN|WORKLOAD", help="A plan file, or a workload that is planned now.")
    ],
    on: On = "clouds",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    max_drift: Annotated[
        float, typer.Option(min=0, help="By what share prices may have moved since the plan was made.")
    ] = 0.05,
    max_price: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="The most for an hour of one spot machine.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(min=0, help="All machines end after so many hours, whatever they do.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="All machines end when they have cost so much.")
    ] = None,
    retry_until_up: Annotated[
        bool, typer.Option("--retry-until-up", help="When no place has machines, ask all of them again.")
    ] = False,
    market: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --on local: what is to be had, and when it is taken back.")
    ] = None,
) -> None:
    """Carry out a plan: get its machines, run its tasks, end the machines, and say what it cost."""
    from datetime import UTC, datetime, timedelta

    from cli.applying import applied, loaded, require_fresh
    from cli.clouds import LOCAL, Clouds
    from cli.plan_view import print_plan
    from cli.settings import deployments_path
    from executor.task_run import Limits

    if market is not None and on != LOCAL:
        raise CommandError("--market goes with --on local", hint="leave it away", code=ExitCode.USAGE)
    clouds = Clouds(on, deployments_path(), market)
    job, is_new = loaded(file)
    if is_new and not yes:
        print_plan(job.plan)
        _require_yes()
    if not is_new:
        require_fresh(job, max_drift)
    until = None if max_hours is None else datetime.now(UTC) + timedelta(hours=max_hours)
    applied(job, clouds, Limits(until, max_cost, retry_until_up, max_price))


def _require_yes() -> None:
    """Goes on only if the user says so; without a terminal nobody can."""
    import sys

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError("nobody is there to say yes", hint="add --yes", code=ExitCode.USAGE)
    if not typer.confirm("Carry it out?", err=True):
        raise CommandError("nothing was done", hint="write the plan to a file: skybroker plan FILE -o PLAN")
