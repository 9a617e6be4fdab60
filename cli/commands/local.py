"""`skybroker local`: the machines of `--on local`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The machines of `apply --on local`, which are processes of this one.", no_args_is_help=True)


@app.command("take-back")
def take_back(
    name: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Its id, or the name of the workload.")],
    task: Annotated[str | None, typer.Option(help="Machines of this task alone.")] = None,
    rank: Annotated[int, typer.Option(min=0, help="Which of the task's machines.")] = 0,
) -> None:
    """Take a machine back, as a cloud does with a spot machine: notice (SIGTERM), a grace, and the end."""
    from cli.deployments import named, opened_state, taken_back
    from cli.talk import say

    state = opened_state()
    [deployment] = named(state, [name])
    for node in taken_back(state, deployment, task, rank):
        say(f"{node} was given notice")
