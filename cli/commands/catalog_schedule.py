"""`skybroker catalog schedule`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.schedule import Every


def schedule(
    every: Annotated[Every, typer.Option(help="How often; the minute is one of your machine's own.")] = Every.SIX_HOURS,
    install: Annotated[bool, typer.Option("--install", help="Install it, in the place of an earlier one.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, wherever it is.")] = False,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="A user timer of systemd; the default where there is no crontab program.")
    ] = False,
) -> None:
    """Print, install or remove what refreshes the catalog regularly: a line of your crontab, or a timer of systemd."""
    from cli.printer import print_lines
    from cli.scheduling import advice, installed, removed, schedule_of, shown_lines, uses_systemd
    from cli.talk import say

    if install and remove:
        raise CommandError("--install and --remove exclude each other", code=ExitCode.USAGE)
    if remove:
        print_lines(removed())
        return
    with_systemd = uses_systemd(systemd)
    planned = schedule_of(every)
    if install:
        print_lines(installed(planned, systemd=with_systemd))
    else:
        typer.echo("\n".join(shown_lines(planned, systemd=with_systemd)))  # never folded: it may be copied
    for line in advice(planned, systemd=with_systemd):
        say(line)
    if not install:
        say("Nothing was changed: --install installs it.")
