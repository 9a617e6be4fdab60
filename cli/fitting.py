"""Fits of spot availability: traces and what the catalog saw -> models in the catalog."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog_data.embedded import PATIENCE_S
from catalog_data.errors import CatalogError
from catalog_data.publishing import Claims, publish
from catalog_data.schema import SPOT_EVENTS, SPOT_MODELS, Confidence
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import Catalog
from cli.errors import CommandError
from cli.printer import Column, print_lines, print_table, working
from cli.settings import catalog_path
from cli.trace_files import checked_cloud, placed_traces
from cli.wiring import opened_catalog
from engine.spot_events import Placed, traces_of_events, traces_of_observations
from engine.spot_fits import LEAST_H, Fitted, fit_pools

SOURCE: Final = "catalog_fit"


@dataclass(frozen=True)
class Fit:
    """What was fitted; `snapshot` holds it, None where it was not to be kept."""

    fitted: tuple[Fitted, ...]
    fitted_from: str
    snapshot: SnapshotInfo | None

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601, and null for what never ends."""
        return {
            "schema_version": 1,
            "snapshot": None if self.snapshot is None else self.snapshot.id,
            "fitted_from": self.fitted_from,
            "models": [
                {
                    **one.pool._asdict(),
                    "traces": one.traces,
                    "data_h": one.data_h,
                    "data_from": None if one.data_from is None else one.data_from.isoformat(),
                    "data_until": None if one.data_until is None else one.data_until.isoformat(),
                    "availability": one.availability,
                    "mean_life_h": _finite(one.mean_life_h),
                    "mean_wait_h": _finite(one.mean_wait_h),
                    "classes": len(one.model.classes),
                    "held_out_nats_h": None if one.worth is None else one.worth.held_out_nats_h,
                    "memoryless_nats_h": None if one.worth is None else one.worth.memoryless_nats_h,
                }
                for one in self.fitted
            ],
        }


def fit(places: Sequence[Path], cloud: str | None, *, with_catalog: bool, dry_run: bool) -> Fit:
    """Fit models to the traces at the places, and to what the catalog saw if no place is named or it is asked for.

    They are published into the user's catalog unless it is a dry run; models of other zones and types stay.
    """
    named = None if cloud is None else checked_cloud(cloud)
    placed = placed_traces(places, named)
    reads_catalog = with_catalog or not places
    with opened_catalog() as catalog:
        if reads_catalog:
            placed += _seen_by(catalog, named)
    if not placed:
        raise CommandError(
            f"the catalog has seen no spot capacity come and go{'' if named is None else f' in {named}'}",
            hint="name files of traces, or import them: `skybroker catalog import FOLDER`",
        )
    with working(f"fitting models to {len(placed):,} series"):
        fitted = fit_pools(placed)
    if not fitted:
        raise CommandError(
            f"the series are too short to fit a model: a model takes {LEAST_H:g} hours of data",
            hint="record for longer, or add other traces",
        )
    tables = [SPOT_EVENTS.name, "observations"] if reads_catalog else []
    fitted_from = ", ".join([*(place.resolve().name for place in places), *tables])
    if dry_run:
        return Fit(fitted, fitted_from, None)
    now = datetime.now(UTC)
    rows = pl.DataFrame([_row(one, fitted_from, now) for one in fitted], schema=SPOT_MODELS.polars_schema())
    return Fit(fitted, fitted_from, _published(rows, now))


def print_fit(found: Fit) -> None:
    """A line for each model, and what the figures mean."""
    print_table(
        (
            Column("CLOUD"),
            Column("ZONE"),
            Column("INSTANCE"),
            Column("SERIES", right=True, rank=2),
            Column("HOURS", right=True),
            Column("UP", right=True),
            Column("STAYS h", right=True),
            Column("AWAY h", right=True),
            Column("CLASSES", right=True, rank=1),
            Column("HELD OUT nats/h", right=True),
            Column("MEMORYLESS nats/h", right=True),
        ),
        [_cells(one) for one in found.fitted],
    )
    print_lines(
        "",
        "STAYS and AWAY: how long capacity stays, or is gone, in the mean. HELD OUT: log-likelihood of the last quarter"
        " of each series, of a fit from the rest; MEMORYLESS: that of constant rates. More is better.",
        "Nothing was kept (--dry-run)."
        if found.snapshot is None
        else f"The catalog is at snapshot {found.snapshot.id}.",
    )


def _seen_by(catalog: Catalog, cloud: str | None) -> list[Placed]:
    """What the catalog saw of spot capacity, of one cloud or of all."""
    events = traces_of_events(catalog.table(SPOT_EVENTS, catalog.resolve()))
    observed = traces_of_observations(catalog.observations_ever())
    return [placed for placed in (*events, *observed) if cloud in (None, placed.cloud)]


def _row(one: Fitted, fitted_from: str, now: datetime) -> dict[str, Any]:
    """A model as a row of SPOT_MODELS."""
    worth = (None, None) if one.worth is None else one.worth
    return {
        **one.pool._asdict(),
        "model": json.dumps(one.model.to_dict(), allow_nan=False),
        "traces": one.traces,
        "data_h": one.data_h,
        "data_from": one.data_from,
        "data_until": one.data_until,
        "held_out_nats_h": worth[0],
        "memoryless_nats_h": worth[1],
        "fitted_from": fitted_from,
        "source": SOURCE,
        "source_version": version("skybroker"),
        "observed_at": now,
        "confidence": Confidence.MEDIUM,
    }


def _published(rows: pl.DataFrame, now: datetime) -> SnapshotInfo:
    with tempfile.TemporaryDirectory(prefix="skybroker-fit-") as folder:
        file = Path(folder) / f"{SPOT_MODELS.name}.parquet"
        rows.write_parquet(file)
        try:
            return publish(
                catalog_path(),
                {SPOT_MODELS.name: file},
                published_at=now,
                note="fit of spot availability",
                looks={SOURCE: Claims(partial=True)},
                wait_s=PATIENCE_S,
            )
        except CatalogError as error:
            raise CommandError(str(error), hint=error.hint) from error


def _cells(one: Fitted) -> list[str]:
    return [
        one.pool.cloud,
        one.pool.zone,
        one.pool.instance_type,
        f"{one.traces:,}",
        f"{one.data_h:,.0f}",
        f"{one.availability:.0%}",
        _hours(one.mean_life_h),
        _hours(one.mean_wait_h),
        str(len(one.model.classes)),
        *(("-", "-") if one.worth is None else (f"{nats_h:.3f}" for nats_h in one.worth)),
    ]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if math.isfinite(hours) else "for ever"


def _finite(hours: float) -> float | None:
    return hours if math.isfinite(hours) else None
