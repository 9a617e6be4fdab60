"""`skybroker catalog prune`."""

from __future__ import annotations

from typing import Annotated

import typer


def prune(
    keep: Annotated[
        str, typer.Option(metavar="TIME", help="How much of the past stays: 90d, 12h, or since an instant.")
    ],
) -> None:
    """Forget snapshots that held only before, and give their space back."""
    from cli.printer import print_lines
    from cli.pruning import pruned

    print_lines(pruned(keep))
