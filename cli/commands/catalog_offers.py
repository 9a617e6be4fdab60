"""`skybroker catalog offers`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli.formats import Format
from cli.options import AsOf, Output

SHOWN_AT_MOST: Final = 30


def offers(
    cloud: Annotated[list[str] | None, typer.Option(help="Only this cloud; may be repeated.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only this region; may be repeated.")] = None,
    accelerator: Annotated[
        list[str] | None, typer.Option(help="Only machines with it, as H100 or H100:8; may be repeated.")
    ] = None,
    instance: Annotated[list[str] | None, typer.Option(help="Only this instance type; may be repeated.")] = None,
    purchase: Annotated[list[str] | None, typer.Option(help="Only this way to buy: on_demand, spot, ...")] = None,
    max_price: Annotated[float | None, typer.Option(min=0, help="Only up to this price, USD/h.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"All rows, not only the {SHOWN_AT_MOST} cheapest.")] = False,
    as_of: AsOf = None,
    output: Output = Format.TABLE,
) -> None:
    """List offers, the cheapest first; those without a known price last."""
    from cli.offers_view import OfferQuery, found_offers, print_offers
    from cli.printer import print_data
    from cli.wiring import parsed_instant

    query = OfferQuery(
        clouds=tuple(cloud or ()),
        regions=tuple(region or ()),
        accelerators=tuple(accelerator or ()),
        purchases=tuple(purchase or ()),
        instances=tuple(instance or ()),
        max_price_usd_h=max_price,
    )
    found = found_offers(query, parsed_instant(as_of), None if show_all else SHOWN_AT_MOST)
    if output is Format.TABLE:
        print_offers(found)
    else:
        print_data(found.data(), output)
