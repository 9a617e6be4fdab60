"""`skybroker catalog forget`."""

from __future__ import annotations

from typing import Annotated

import typer


def forget(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its name, as `catalog doctor` lists it.")],
) -> None:
    """Take out all that a source said: one that is no longer read, or an import that was wrong.

    What other sources say of the same then holds again. Earlier snapshots stay as they are.
    """
    from cli.printer import print_lines
    from cli.pruning import forgotten

    print_lines(forgotten(source))
