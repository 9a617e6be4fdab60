"""`skybroker catalog prune`."""

from __future__ import annotations

from typing import Annotated

import typer


def prune(
    keep: Annotated[
        str,
        typer.Option(metavar="TIME", help="How much of the past stays: 90d, 12h (a bare number is hours), or a day."),
    ],
) -> None:
    """Forget snapshots that were replaced long ago, and give their space back.

    The one that held when the time that is kept began stays:
    `--as-of` any later time answers as before.
    """
    from cli.printer import print_lines
    from cli.pruning import pruned

    print_lines(pruned(keep))
