"""The program: commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from cli.commands import catalog, plan, schema, show
from cli.errors import CommandError
from cli.exit_codes import ExitCode

app = typer.Typer(
    name="skybroker",
    help="Find the cheapest or fastest way to run a workload over every cloud, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("plan")(plan.plan)
app.command("show")(show.show)
app.command("schema")(schema.schema)
app.add_typer(catalog.app, name="catalog")


def _show_version(asked: bool) -> None:  # noqa: FBT001 (typer's signature of a callback)
    if asked:
        from importlib.metadata import version  # takes as long as the rest of the program's start

        typer.echo(f"skybroker {version('skybroker')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the program on the command line's arguments and end the process with its exit code."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        # Without a message it was the help that a group prints when no command is named.
        message = error.format_message()
        code = _complain([message], "see `skybroker --help`", ExitCode.USAGE) if message else ExitCode.USAGE
    except CommandError as error:
        code = _complain(error.lines, error.hint, error.code)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.DONE
    except Exception as error:  # noqa: BLE001 (the outermost edge)
        if os.environ.get("SKYBROKER_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        code = _complain([f"this is a bug: {what}"], "SKYBROKER_DEBUG=1 shows where it happened", ExitCode.ERROR)
    sys.exit(code)


def _complain(lines: list[str] | tuple[str, ...], hint: str, code: ExitCode) -> ExitCode:
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    return code
