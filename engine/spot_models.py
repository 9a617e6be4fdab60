"""Which model says how long the spot machines of an offer stay, and the model itself.

A model that was fitted to the zone and type comes before one of the type, and that before one of the cloud; then comes
the provider's band, and where nothing is known at all the prior of `engine.spot_priors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import polars as pl

from catalog_data.schema import ANYWHERE, Purchase
from catalog_data.snapshot import Snapshot
from engine.availability import AvailabilityModel
from engine.spot_losses import expected_losses
from engine.spot_priors import Band, spot_prior

PRIOR: Final = -1
"""The number of the model of machines of which nothing is known."""
_NAMED: Final = ("region", "zone", "instance_type")


def with_models(offers: pl.DataFrame, fitted: pl.DataFrame) -> pl.DataFrame:
    """Add `model`: the number of the row of `fitted` (schema.SPOT_MODELS) that holds for a spot offer, or `PRIOR`.

    Null where machines cannot be taken back, and where there is no such row but a band, whose hazard is `of_one`.
    `zones` are those of the offer, of which the first counts: it is asked first.
    """
    spot = pl.col("purchase") == Purchase.SPOT
    unknown = pl.when(spot & pl.col("of_one").is_null()).then(PRIOR)
    if fitted.is_empty():
        return offers.with_columns(unknown.cast(pl.Int64).alias("model"))
    found = offers.with_columns(pl.col("zones").list.first().alias("zone"))
    numbered = fitted.with_row_index("number").with_columns(pl.col("number").cast(pl.Int64))
    pools = (_NAMED, ("instance_type",), ())
    for number, named in enumerate(pools):
        of_pool = numbered.filter((pl.col(name) == ANYWHERE) == (name not in named) for name in _NAMED).select(
            "cloud", *named, pl.col("number").alias(f"of_pool_{number}")
        )
        found = found.join(of_pool, on=["cloud", *named], how="left", maintain_order="left")
    of_pools = [f"of_pool_{number}" for number in range(len(pools))]
    model = pl.when(spot).then(pl.coalesce(*of_pools, unknown))
    return found.with_columns(model.alias("model")).drop("zone", *of_pools)


def expected_by_model(runs: pl.DataFrame, fitted: pl.DataFrame, checkpoint_h: float | None) -> pl.DataFrame:
    """The distinct `model`, `work_h` and `setup_h` of the runs that have a model, with what is to be expected of them.

    That is `hours` from the first of work to the last, `wait_h` of them without a machine, `interruptions`, `hazard`.
    """
    key = ["model", "work_h", "setup_h"]
    distinct = runs.select(key).filter(pl.col("model").is_not_null()).unique().sort(key)
    parts = []
    for (number,), asked in distinct.partition_by("model", as_dict=True).items():
        work_h, setup_h = (asked[name].to_numpy() for name in key[1:])
        losses = expected_losses(model_of(fitted, int(str(number))), work_h, setup_h, checkpoint_h)
        columns = ("hours", "wait_h", "interruptions", "hazard")
        parts.append(asked.with_columns(pl.Series(name, getattr(losses, name)) for name in columns))
    return pl.concat(parts)


def model_of(fitted: pl.DataFrame, number: int) -> AvailabilityModel:
    """The model of that number in `fitted`; the prior for `PRIOR`."""
    return prior_model() if number == PRIOR else _read(fitted["model"][number])


def zone_model(offer: Mapping[str, Any], snapshot: Snapshot) -> AvailabilityModel:
    """What is known of the zone of an offer with its `model`: that, or the prior by the provider's band."""
    if offer["model"] is not None:
        return model_of(snapshot.spot_models, offer["model"])
    names = ("cloud", "region", "instance_type")
    risk = snapshot.spot_risk.filter(pl.col(name) == offer[name] for name in names).row(0, named=True)
    return prior_model(Band(risk["interruption_low"], risk["interruption_high"], risk["period_h"]))


@lru_cache
def prior_model(band: Band | None = None) -> AvailabilityModel:
    """The model of machines of which no trace is known, and at most their band."""
    return spot_prior(band=band).model()


@lru_cache
def _read(text: str) -> AvailabilityModel:
    return AvailabilityModel.from_dict(json.loads(text))
