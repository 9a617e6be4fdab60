"""`skybroker catalog rejected`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli.formats import Format
from cli.options import Output

SHOWN_AT_MOST: Final = 30


def rejected(
    source: Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="Only of this source.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"All rows, not only the first {SHOWN_AT_MOST}.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List the rows that the last look at each source brought and that failed a check, with the reason."""
    from cli.printer import print_data
    from cli.refresh_view import print_rejected, rejected_rows

    found = rejected_rows(source)
    if output is Format.TABLE:
        print_rejected(found, None if show_all else SHOWN_AT_MOST)
    else:
        print_data(found.data(), output)
