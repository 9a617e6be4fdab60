"""`skybroker catalog`: the group of its commands."""

from __future__ import annotations

import typer

from cli.commands import catalog_diff, catalog_doctor, catalog_history, catalog_offers

app = typer.Typer(help="Look at the prices and the hardware that plans are made from.", no_args_is_help=True)
app.command("offers")(catalog_offers.offers)
app.command("history")(catalog_history.history)
app.command("diff")(catalog_diff.diff)
app.command("doctor")(catalog_doctor.doctor)
