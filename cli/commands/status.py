"""`skybroker status`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.formats import Format
from cli.options import Names, Output


def status(
    names: Names = None,
    all_of_them: Annotated[bool, typer.Option("--all", "-a", help="Those that are over, too.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what is being carried out: where, since when, and what it has cost so far."""
    from datetime import UTC, datetime

    from cli.deployments import compared, named, opened_state
    from cli.deployments_view import print_orphans, print_status, status_data
    from cli.printer import print_data, print_lines
    from executor.state import DeploymentState

    state = opened_state()
    strays = [node for one in compared(state).values() for node in one.orphans]
    chosen = named(state, names or [])
    if not names and not all_of_them:
        chosen = [one for one in chosen if one.state is DeploymentState.RUNNING]
    if output is not Format.TABLE:
        orphans = [{"id": node.id, "place": str(node.place), "deployment": node.deployment} for node in strays]
        data = {"schema_version": 1, "deployments": status_data(state, chosen, datetime.now(UTC)), "orphans": orphans}
        print_data(data, output)
        return
    if chosen:
        print_status(state, chosen, datetime.now(UTC))
    else:
        print_lines("Nothing is being carried out.")
    print_orphans(strays)
