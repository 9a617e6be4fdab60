"""`skybroker catalog`: the group of its commands."""

from __future__ import annotations

import typer

from cli.commands import (
    catalog_diff,
    catalog_doctor,
    catalog_fit,
    catalog_forget,
    catalog_history,
    catalog_import,
    catalog_offers,
    catalog_prune,
    catalog_refresh,
    catalog_rejected,
    catalog_schedule,
    catalog_sources,
)

app = typer.Typer(
    help="Refresh, look at and keep the prices and the hardware that plans are made from.", no_args_is_help=True
)
app.command("refresh")(catalog_refresh.refresh)
app.command("import")(catalog_import.import_)
app.command("fit")(catalog_fit.fit)
app.command("sources")(catalog_sources.sources)
app.command("rejected")(catalog_rejected.rejected)
app.command("offers")(catalog_offers.offers)
app.command("history")(catalog_history.history)
app.command("diff")(catalog_diff.diff)
app.command("schedule")(catalog_schedule.schedule)
app.command("prune")(catalog_prune.prune)
app.command("forget")(catalog_forget.forget)
app.command("doctor")(catalog_doctor.doctor)
