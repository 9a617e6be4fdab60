"""`skybroker catalog fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.formats import Format
from cli.options import Output


def fit(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[TRACE|FOLDER]...", help="Traces, or folders of them; by default what the catalog has seen."
        ),
    ] = None,
    cloud: Annotated[
        str | None, typer.Option(metavar="NAME", help="The cloud of the traces, and of what is read from the catalog.")
    ] = None,
    with_catalog: Annotated[
        bool, typer.Option("--with-catalog", help="Also fit to what the catalog has seen, where traces are named.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and print, keep nothing.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Fit models of how long spot machines stay and stay away, and keep them in the catalog.

    There is one for each zone and type, for each type and for each cloud. A
    later fit takes the place of an earlier one; what was known before stays
    in the history.
    """
    from cli.fitting import fit as fitted
    from cli.fitting import print_fit
    from cli.printer import print_data

    found = fitted(places or [], cloud, with_catalog=with_catalog, dry_run=dry_run)
    if output is Format.TABLE:
        print_fit(found)
    else:
        print_data(found.data(), output)
