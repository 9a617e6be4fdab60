"""Writes docs/cli.md, docs/catalog.md and docs/sources.md from the program; a test holds them equal to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
import typer.core
import typer.main

from catalog_data.checks import CHECKS, Check
from catalog_data.schema import TABLES, Column, Table
from catalog_fetchers.base import Source
from catalog_fetchers.registry import SOURCES
from cli.exit_codes import ExitCode
from cli.main import app

HERE: Final = Path(__file__).parent
EXIT_CODES: Final = {
    ExitCode.DONE: "done",
    ExitCode.ERROR: "an error; stderr says which, a line for each, and a hint",
    ExitCode.DIFFERENCE: "there is a difference (only with `--detailed-exitcode`)",
    ExitCode.INFEASIBLE: "no plan satisfies the workload; stderr names the requirements or limits",
    ExitCode.STALE: "`apply`: the plan is stale: too old, for another workload, or prices have drifted",
    ExitCode.PARTLY_APPLIED: "`apply`: the plan was carried out in part: some tasks are done, another failed",
    ExitCode.USAGE: "wrong usage: an unknown option, a missing argument, a value that cannot be read",
    ExitCode.INTERRUPTED: "interrupted",
}
ENVIRONMENT: Final = {
    "`SKYBROKER_CATALOG`": "the catalog file; by default `catalog.duckdb` in the user's data folder",
    "`SKYBROKER_PRICES`": (
        "the file of [private prices](private-prices.md); by default `prices.yaml` in the user's configuration folder,"
        " where it is there"
    ),
    "`SKYBROKER_MIRROR`": "the address of a [mirror](sources.md#downloads-and-mirrors) that all sources are read from",
    "`SKYBROKER_KUBE_CONTEXTS`": "contexts of the kubeconfig whose clusters are read, with commas between them",
    "`SKYBROKER_DEBUG`": "set: an unexpected error ends with its traceback",
    "`NO_COLOR`": "set: no colours",
    "`XDG_DATA_HOME`, `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`": (
        "the user's folders, of which `skybroker` in each is used; by default `~/.local/share` (catalog), `~/.config`"
        " (private prices; systemd's timer) and `~/.cache` (downloads)"
    ),
    "`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`": "the proxy through which sources are read",
    "`SSL_CERT_FILE`": "the certificates to trust, where a proxy or a mirror has its own",
    "those of the providers' tools": "credentials: see [what each source needs](sources.md#the-sources)",
}
SOURCES_OPENING: Final = """\
# Sources of prices

Made by `make docs` from the registry of sources and from docs/make_reference.py; do not edit.

`skybroker catalog refresh` asks every source that it can, checks what they answer and publishes what changed as one new
snapshot. `skybroker catalog sources` shows which of them are ready on this machine, what the others lack, and how the
last look at each ended.

## When sources disagree

Most things are said by more than one source. What each of them said is kept; what holds is chosen anew at every
refresh:

- The better confidence comes first: a provider's own answer is `high`, what third parties gathered is `medium`, what
  is in doubt is `low`. Each half year that a figure lies behind the newest look at its cloud costs one step. Of two
  that are equal the later look wins, by weeks.
- A price is for one cloud, region, type and way to buy, and comes from one source. Prices of two are never mixed.
- A source that is *complete for* a way to buy (see the table) speaks for each region in which it has a price so, or
  for its whole cloud: what it does not list there is not sold there, whoever else says so. What it lists without a
  price it leaves to others, and a source that lies half a year behind speaks for nobody but itself.
- A price of a whole region holds in each zone in which the type is known to be offered, unless its source has prices by
  zone.
- A type that was seen in a zone and has no price stays listed, without one.
- A type that is not among those that the provider itself offers in a region is not to be had there.
- The tiers of a price of traffic between two places come from one source, all of them.
- Of a machine (vCPUs, memory, network) the best source says what it knows, and the next best fills in what it leaves
  open.

Outranked rows are not lost: they hold again once the better source no longer says otherwise. Your
[private prices](private-prices.md) are laid over all of this when a plan is made or offers are listed, and are never
stored.

## When a source fails

Each source has its own time (`--timeout`), and is tried again where the fault may pass: a broken connection, an
overloaded server, a request to come later. One that fails keeps its last good rows; the others are published, and the
exit code is 1. One whose credentials are missing is skipped, which is no error.

A source of which a table lost more than a third of its rows is *held back*: more often a page is missing than a third
of a market is closed. A whole region that a complete source no longer lists keeps its last good rows for the same
reason. What three looks in a row agree on, an hour apart at least, is believed;
`skybroker catalog refresh --only NAME --accept-changes` believes it at once.

A source that is no longer read keeps what it said. `skybroker catalog forget NAME` takes it out.

A look that changes nothing publishes nothing. It is noted beside the catalog, so that prices are as fresh as the look.

## Rows that are rejected

Every row must pass the checks below. One that does not is not published; where the source had a good row for the same
thing before, that stays, with its age. `skybroker catalog rejected` lists the rows that the last look at each source
lost, the reason, and the price that stays in its place. `--accept-changes` switches off only the comparison with the
look before (`tenfold_jump`, `region_gone`, and the loss of many rows), and so do three looks that agree.

{reasons}

## How old a price is

A look confirms everything that its source said, changed or not: `observed_at` moves on for all of its rows but those
that stand in for rejected ones. What was imported keeps the day of its file (or the one that `--as-of` names).
`skybroker plan` shows the age of each price and, where one is older than a week, when the last refresh without a
failure was.

What sources say of capacity (stock, placement scores, regions with a free machine) grows old much faster. It goes into
the table OBSERVATIONS with an instant until which it holds, half an hour to an hour after the look; after that, nothing
is known. Where several looks speak of an offer, of its zone or of its whole region, the most pessimistic one holds.

`skybroker plan` leaves out what had no capacity when last looked, and says so. Any more than that changes no cost: of
offers that cost the same the one with the better chance comes first, and one of which nothing is known counts as half a
chance. The column GET shows it as `low` (up to a third: a placement score of 1 to 3), `medium` (up to two thirds: 4 to
6) or `high`.

## Credentials

Keys are looked for where the providers' own tools keep them: in the environment variables and in the files below the
home folder that the table names. They are sent to the provider alone, never in an address, and are never written:
not into the catalog, a plan, the downloads that are kept, a log or a schedule. Nothing is bought or changed with them.

## Downloads and mirrors

Answers that bore an ETag or a date are kept in `~/.cache/skybroker/sources`, so that the next look downloads only what
changed; removing the folder costs downloads and nothing else. Beside the catalog, `catalog.duckdb.refresh` holds how
the last looks ended, the rejected rows and the log of scheduled refreshes.

With `SKYBROKER_MIRROR=https://mirror.example`, what sources read at `https://host/path` is read at
`https://mirror.example/host/path`, with the same headers: name a mirror that you trust with your credentials.

## The sources

*Complete for* names the ways to buy of which a source lists all that is sold: in each region in which it has a price
so, or *everywhere* in its clouds. A source marked *by name* is asked only by `skybroker catalog refresh --only NAME`,
since asking costs you something.

Their tests read pages of the form that the providers document, which are kept in the project; most of these were
composed and not recorded. A provider that answers otherwise than it documents fails in one clear line.

{sources}

`skybroker catalog import` reads two things more, once: a catalog in SkyPilot's layout, and a grid of throughput or
egress prices between regions. The source is named after the file or folder (`import_my_grid`); another import of the
same name takes its place, and `skybroker catalog forget` takes it out.
"""


def pages() -> dict[str, str]:
    """The text of each generated page by its file's name."""
    return {"cli.md": _cli_page(), "catalog.md": _catalog_page(), "sources.md": _sources_page()}


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
        *(f"| {variable} | {meaning} |" for variable, meaning in ENVIRONMENT.items()),
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


def _sources_page() -> str:
    reasons = [
        "| reason | what is wrong | table |",
        "| --- | --- | --- |",
        *map(_reason, CHECKS),
    ]
    sources = [
        "| source | clouds | brings | needs | complete for | by name |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_source, SOURCES),
    ]
    return SOURCES_OPENING.format(reasons="\n".join(reasons), sources="\n".join(sources))


def _reason(check: Check) -> str:
    what = (check.find.__doc__ or "").splitlines()[0]
    return f"| `{check.reason}` | {what} | {check.table.name if check.table else 'all'} |"


def _source(source: Source) -> str:
    cells = (
        f"[{source.name}]({source.page})",
        ", ".join(source.clouds) or "any",
        source.brings,
        source.needs or "nothing",
        ", ".join(source.complete_for) + (" everywhere" if source.complete_everywhere else "") or "-",
        "yes" if source.asked_for else "",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for file, text in pages().items():
        (HERE / file).write_text(text, encoding="utf-8")
