"""`skybroker catalog history`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.formats import Format
from cli.options import Output


def history(
    offer: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLOUD INSTANCE [REGION [ZONE]] [PURCHASE]]", help="An offer; without it, snapshots."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """List the snapshots of the catalog, or every price that an offer has had."""
    from cli.history_view import offer_history, print_offer_history, print_snapshots, snapshot_history
    from cli.printer import print_data

    if offer:
        prices = offer_history(offer)
        if output is Format.TABLE:
            print_offer_history(prices)
        else:
            print_data(prices.data(), output)
        return
    known = snapshot_history()
    if output is Format.TABLE:
        print_snapshots(known)
    else:
        print_data(known.data(), output)
