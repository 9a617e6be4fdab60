"""`skybroker down`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.options import Names


def down(
    names: Names = None,
    all_of_them: Annotated[bool, typer.Option("--all", "-a", help="All deployments that are not over.")] = False,
    orphans: Annotated[bool, typer.Option("--orphans", help="Machines of ours that are in no record.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """End deployments with all of their machines; ending one that is over changes nothing."""
    import sys

    from cli.deployments import brought_down, compared, ended_orphans, named, opened_state
    from cli.talk import say
    from executor.state import DeploymentState

    if not (names or all_of_them or orphans):
        raise CommandError("nothing is named", hint="name a deployment, or --all", code=ExitCode.USAGE)
    state = opened_state()
    found = compared(state)
    chosen = named(state, names) if names else []
    if all_of_them:
        live = {node.deployment for one in found.values() for node in one.nodes}
        chosen = [one for one in named(state, []) if one.state is DeploymentState.RUNNING or one.id in live]
    if all_of_them and chosen and not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise CommandError("nobody is there to say yes", hint="add --yes", code=ExitCode.USAGE)
        if not typer.confirm(f"End {', '.join(one.id for one in chosen)}?", err=True):
            raise CommandError("nothing was done")
    for one in chosen:
        ended = brought_down(state, one)
        say(f"{one.id}: {ended} machines ended" if ended else f"{one.id}: no machines are left")
    if orphans:
        say(f"{ended_orphans(found)} machines ended that were in no record")
