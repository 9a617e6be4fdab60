"""Writes docs/cli.md and docs/catalog.md from the program itself; a test holds them equal to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
import typer.core
import typer.main

from catalog_data.schema import TABLES, Column, Table
from cli.exit_codes import ExitCode
from cli.main import app

HERE: Final = Path(__file__).parent
EXIT_CODES: Final = {
    ExitCode.DONE: "done",
    ExitCode.ERROR: "an error; stderr says which, a line for each, and a hint",
    ExitCode.DIFFERENCE: "there is a difference (only with `--detailed-exitcode`)",
    ExitCode.INFEASIBLE: "no plan satisfies the workload; stderr names the requirements or limits",
    ExitCode.STALE: "kept for `apply`, which is to come: the plan is stale or prices have drifted",
    ExitCode.PARTLY_APPLIED: "kept for `apply`: a plan was carried out in part",
    ExitCode.USAGE: "wrong usage: an unknown option, a missing argument, a value that cannot be read",
    ExitCode.INTERRUPTED: "interrupted",
}


def pages() -> dict[str, str]:
    """The text of each generated page by its file's name."""
    return {"cli.md": _cli_page(), "catalog.md": _catalog_page()}


def _cli_page() -> str:
    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the program's own help; do not edit.",
        "",
        "Data goes to stdout; errors, hints and progress go to stderr. `--output json|yaml` is for programs: it has a",
        "`schema_version`.",
        "",
        *_command("skybroker", root),
        "## Exit codes",
        "",
        "| code | meaning |",
        "| --- | --- |",
        *(f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
        "## Environment",
        "",
        "| variable | meaning |",
        "| --- | --- |",
        "| `SKYBROKER_CATALOG` | the catalog file; by default `catalog.duckdb` in the user's data folder (XDG) |",
        "| `SKYBROKER_DEBUG` | set: an unexpected error ends with its traceback |",
        "| `NO_COLOR` | set: no colours |",
    ]
    return "\n".join(lines) + "\n"


def _command(name: str, command: object) -> Iterator[str]:
    subcommands: dict[str, object] = getattr(command, "commands", {})
    if isinstance(command, typer.core.TyperCommand):
        yield from _leaf(name, command)
    for sub, subcommand in subcommands.items():
        yield from _command(f"{name} {sub}", subcommand)


def _leaf(name: str, command: typer.core.TyperCommand) -> Iterator[str]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if isinstance(parameter, typer.core.TyperArgument)]
    options = [parameter for parameter in shown if isinstance(parameter, typer.core.TyperOption)]
    words = " ".join(argument.metavar or (argument.name or "").upper() for argument in arguments)
    yield from (f"## {name}", "", f"    {name} [OPTIONS] {words}".rstrip(), "", command.help or "", "")
    if not shown:
        return
    yield from ("| | |", "| --- | --- |")
    for argument in arguments:
        yield f"| `{argument.metavar or (argument.name or '').upper()}` | {argument.help or ''} |"
    for option in options:
        default = f" (default: {option.default})" if option.default not in (None, False) else ""
        yield f"| `{'`, `'.join(option.opts)}` | {option.help or ''}{default} |"
    yield ""


def _catalog_page() -> str:
    lines = [
        "# Tables of the catalog",
        "",
        "Made by `make docs` from catalog_data/schema.py; do not edit. An unknown figure is null, never 0.",
        "",
    ]
    for table in TABLES.values():
        lines += _table(table)
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    return [
        f"## {table.name.upper()}",
        "",
        table.doc,
        "",
        f"Key: {', '.join(f'`{name}`' for name in table.key)}.",
        "",
        "| column | kind | unit | may be null | what |",
        "| --- | --- | --- | --- | --- |",
        *(_row(column) for column in table.columns),
        "",
    ]


def _row(column: Column) -> str:
    values = f" ({', '.join(column.values)})" if column.values else ""
    null = "yes" if column.nullable else "no"
    return f"| `{column.name}` | {column.kind} | {column.unit} | {null} | {column.doc}{values} |"


if __name__ == "__main__":
    for file, text in pages().items():
        (HERE / file).write_text(text, encoding="utf-8")
