"""`skybroker logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import CommandError


def logs(
    name: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Its id, or the name of the workload.")],
    task: Annotated[str | None, typer.Option(help="Of this task alone.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")] = False,
) -> None:
    """Print what the tasks of a deployment have printed, over all of their attempts."""
    import sys
    import time

    from cli.deployments import named, opened_state
    from cli.logs import new_output
    from executor.state import DeploymentState

    state = opened_state()
    [deployment] = named(state, [name])
    tasks = [one.task for one in state.tasks(deployment.id)]
    if task is not None and task not in tasks:
        raise CommandError(f"{deployment.id} has no task {task!r}", hint=f"it has {', '.join(tasks)}")
    read: dict[str, int] = {}
    while True:
        [now] = named(state, [deployment.id])
        for piece in new_output(deployment.id, task, read):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        if not follow or now.state is not DeploymentState.RUNNING:
            return
        time.sleep(0.2)
