"""Models of spot availability in a catalog, as `catalog fit` keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from catalog_data.schema import SPOT_MODELS
from catalog_data.snapshot import Snapshot
from engine.availability import AvailabilityModel
from engine.semi_markov import SemiMarkov
from tests.kits.market import PROVENANCE, Row, market


def memoryless(loss_per_h: float, gain_per_h: float = 1.0) -> AvailabilityModel:
    """One class with constant hazards."""
    process = SemiMarkov(np.zeros(1), np.array([loss_per_h]), np.array([gain_per_h]))
    return AvailabilityModel((process,), np.ones(1), np.array([0.5]))


def fitted(model: AvailabilityModel, *pools: tuple[str, str, str], cloud: str = "aws") -> pl.DataFrame:
    """Rows of SPOT_MODELS of a cloud, all with this model, by region, zone and type."""
    rows = [
        {
            "cloud": cloud,
            "region": region,
            "zone": zone,
            "instance_type": name,
            "model": json.dumps(model.to_dict()),
            "traces": 1,
            "data_h": 100.0,
            "fitted_from": "traces",
            **PROVENANCE,
        }
        for region, zone, name in pools
    ]
    return pl.DataFrame(rows, schema=SPOT_MODELS.polars_schema())


def with_fits(offers: Sequence[Row], *frames: pl.DataFrame, **tables: Any) -> Snapshot:
    """A market with fitted models, and nothing known of other spot machines unless it is given."""
    plain = market(offers, **{"spot_risk": []} | tables)
    return Snapshot.of(
        plain.info,
        plain.offers,
        sources=plain.sources,
        regions=plain.regions,
        throughput=plain.throughput,
        spot_risk=plain.spot_risk,
        spot_models=pl.concat(frames) if frames else None,
    )
