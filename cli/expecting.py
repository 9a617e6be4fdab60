"""What policies are to expect of spot capacity: a fit for this replay, the catalog's models, or the built-in prior."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from catalog_data.schema import ANYWHERE, SPOT_MODELS
from cli.errors import CommandError
from cli.printer import working
from cli.settings import catalog_path
from cli.trace_files import recorded_traces
from cli.wiring import opened_catalog
from engine.availability import AvailabilityModel
from engine.held_out import LEAST_H as LEAST_STRETCH_H
from engine.held_out import Recorded, dated, spans_of, without
from engine.spot_fits import LEAST_H, ZoneModels, hours_of
from engine.spot_market import Trace
from engine.spot_priors import spot_prior
from engine.trace_fields import cloud_of

PRIOR: Final = "the built-in prior (17 series of AWS, K80 and V100, of October 2022 to March 2023)"


@dataclass(frozen=True, eq=False)
class Expected:
    """`models_of` gives a model for each of zones side by side, or one for all; `sources` say where they come from."""

    models_of: Callable[[Sequence[Trace]], tuple[AvailabilityModel, ...]]
    sources: tuple[str, ...]


def expected_by_fit(places: Sequence[Path], windows: Sequence[Trace], replayed: Sequence[Recorded]) -> Expected:
    """Models fitted to the traces at the places without the dates of the windows, which are of what is replayed."""
    given, whole = (dated(recorded, windows) for recorded in (recorded_traces(places), replayed))
    kept = tuple(without(given, spans_of(windows, [*given, *whole])))
    hours = hours_of(kept)
    cut_h = hours_of(one.trace for one in given) - hours
    left_out = f"of dates that are replayed, or of stretches of less than {LEAST_STRETCH_H:g} h between them"
    if hours < LEAST_H:
        raise CommandError(
            f"{hours:g} h are left to fit on, without {cut_h:g} h {left_out}; a model takes {LEAST_H:g} h",
            hint="name traces of other dates with --fit",
        )
    with working(f"fitting models to {hours:,.0f} h"):
        models = ZoneModels.fitted(kept)
    without_h = f", without {cut_h:,.0f} h {left_out}" if cut_h else ""
    names = ", ".join(place.resolve().name for place in places)
    return Expected(models.of, (f"{hours:,.0f} h of {len(models.own)} series in {names}{without_h}",))


def expected_by_catalog(windows: Sequence[Trace]) -> Expected:
    """The catalog's model of each instance type, else of its cloud; the prior where there is none of other dates."""
    rows = _models_in_catalog()
    prior = spot_prior().model()
    models: dict[tuple[str | None, str], AvailabilityModel] = {}
    sources: dict[str, None] = {}
    for kind in dict.fromkeys(map(_kind_of, windows)):
        row = _row_for(kind, rows)
        if row is None:
            models[kind] = prior
            sources[PRIOR] = None
        elif not all(_is_of_other_dates(row, window) for window in windows if _kind_of(window) == kind):
            models[kind] = prior
            sources[f"{PRIOR}; the catalog's model of {_name_of(row)} may know what is replayed"] = None
        else:
            models[kind] = AvailabilityModel.from_dict(json.loads(row["model"]))
            sources[f"the catalog's model of {_name_of(row)}: {row['data_h']:,.0f} h of {row['fitted_from']}"] = None
    return Expected(lambda market: (models[_kind_of(market[0])],), tuple(sources))


def _kind_of(trace: Trace) -> tuple[str | None, str]:
    return cloud_of(trace.zone), trace.instance_type


def _models_in_catalog() -> list[Mapping[str, Any]]:
    """The rows of SPOT_MODELS for all zones; a catalog is not begun for the sake of them."""
    if not catalog_path().exists():
        return []
    with opened_catalog() as catalog:
        return list(catalog.table(SPOT_MODELS, catalog.resolve()).filter(zone=ANYWHERE).iter_rows(named=True))


def _row_for(kind: tuple[str | None, str], rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    cloud, instance_type = kind
    by_type = {row["instance_type"]: row for row in rows if row["cloud"] == cloud}
    return by_type.get(instance_type, by_type.get(ANYWHERE))


def _is_of_other_dates(row: Mapping[str, Any], window: Trace) -> bool:
    """Whether all that a model was fitted to lies before or after the window; not if either does not say when."""
    data_from, data_until = row["data_from"], row["data_until"]
    if data_from is None or data_until is None or window.start is None:
        return False
    end = window.start + timedelta(seconds=window.gaps * window.gap_s)
    return bool(data_until <= window.start or end <= data_from)


def _name_of(row: Mapping[str, Any]) -> str:
    return str(row["cloud"]) if row["instance_type"] == ANYWHERE else f"{row['cloud']} {row['instance_type']}"
