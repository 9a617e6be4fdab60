"""The program: commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from cli.commands import (
    apply,
    catalog,
    down,
    explain,
    local,
    logs,
    pareto,
    plan,
    portfolio,
    schema,
    show,
    simulate,
    status,
    whatif,
)
from cli.errors import CommandError, ReaderGoneError
from cli.exit_codes import ExitCode
from cli.talk import say

GC_THRESHOLD: Final = 100_000

app = typer.Typer(
    name="skybroker",
    help="Find the cheapest or fastest way to run a workload over every cloud, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("apply")(apply.apply)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("down")(down.down)
app.command("explain")(explain.explain)
app.command("pareto")(pareto.pareto)
app.command("plan")(plan.plan)
app.command("portfolio")(portfolio.portfolio)
app.command("whatif")(whatif.whatif)
app.command("simulate")(simulate.simulate)
app.command("show")(show.show)
app.command("schema")(schema.schema)
app.add_typer(local.app, name="local")
app.add_typer(catalog.app, name="catalog")


def _show_version(asked: bool) -> None:
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
    """The program's entry: run it on the command line's arguments and end the process with its exit code."""
    # Most of what a short run allocates lives to its end: looking for garbage in it costs more than it frees.
    gc.set_threshold(GC_THRESHOLD)
    # A stream that the caller has closed takes what is written to it all the same.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open to the end)
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    code = run(sys.argv[1:])
    sys.stderr.flush()
    # All is written and closed; taking DuckDB, Polars and 1,000 modules down would cost a tenth of the run.
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run a command; what it ends with. Errors become one line on stderr and a hint."""
    try:
        code = int(app(arguments, standalone_mode=False) or ExitCode.DONE)
        sys.stdout.flush()
    except typer.TyperException as error:
        # Without a message it was the help that a group prints when no command is named.
        message = error.format_message()
        command = getattr(getattr(error, "ctx", None), "command_path", "skybroker")
        return _complain([message], f"see `{command} --help`", ExitCode.USAGE) if message else ExitCode.USAGE
    except CommandError as error:
        return _complain(error.lines, error.hint, error.code)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except (BrokenPipeError, ReaderGoneError):
        # Nothing more may be written to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except OSError as error:
        return _complain([f"{error.filename or 'output'}: {error.strerror}"], "", ExitCode.ERROR)
    except Exception as error:
        if os.environ.get("SKYBROKER_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        return _complain([f"this is a bug: {what}"], "SKYBROKER_DEBUG=1 shows where it happened", ExitCode.ERROR)
    return code


def _complain(lines: Sequence[str], hint: str, code: ExitCode) -> ExitCode:
    for line in lines:
        say(f"error: {line}")
    if hint:
        say(f"hint: {hint}")
    return code
