"""The catalog as known at one instant: what the engine works on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from catalog_data.schema import (
    EGRESS,
    INSTANCE_TYPES,
    OBSERVATIONS,
    OFFERS,
    PROVENANCE,
    REGIONS,
    SPOT_MODELS,
    SPOT_RISK,
    THROUGHPUT,
)
from catalog_data.scopes import Quota

HARDWARE = tuple(
    name
    for name in INSTANCE_TYPES.column_names
    if name not in INSTANCE_TYPES.key and name not in {column.name for column in PROVENANCE}
)
"""The columns of INSTANCE_TYPES that describe the machine itself."""

OFFER_ROWS = pl.Schema(
    {
        **OFFERS.polars_schema(),
        **{name: dtype for name, dtype in INSTANCE_TYPES.polars_schema().items() if name in HARDWARE},
    }
)
"""The schema of `Snapshot.offers`: OFFERS, each row with the hardware of its instance type."""


@dataclass(frozen=True)
class SourceAge:
    """One source of a snapshot: `observed_at` is the newest look at it, `rows` what it holds there."""

    source: str
    source_version: str | None
    observed_at: datetime
    rows: int


@dataclass(frozen=True)
class SnapshotInfo:
    """The name of a snapshot: `published_at` is the instant from which on it was what was known."""

    seq: int
    id: str
    published_at: datetime
    note: str


@dataclass(frozen=True)
class Snapshot:
    """Immutable frames and where they come from.

    `offers` follows OFFER_ROWS and may be limited to what one question needs; the other frames follow
    their table in the schema and are empty where the question did not need them. `quotas` are the user's own: limits
    on what runs at once, which all that is planned from the snapshot shares.
    """

    info: SnapshotInfo
    sources: tuple[SourceAge, ...]
    offers: pl.DataFrame
    regions: pl.DataFrame
    egress: pl.DataFrame
    throughput: pl.DataFrame
    spot_risk: pl.DataFrame
    spot_models: pl.DataFrame
    observations: pl.DataFrame
    quotas: tuple[Quota, ...] = ()

    @staticmethod
    def of(
        info: SnapshotInfo,
        offers: pl.DataFrame,
        *,
        sources: tuple[SourceAge, ...] = (),
        quotas: tuple[Quota, ...] = (),
        **frames: pl.DataFrame | None,
    ) -> Snapshot:
        """A snapshot with these frames, by the names of its fields; those that are missing or None are empty."""
        found = {
            table.name: table.empty() if (frame := frames.pop(table.name, None)) is None else frame
            for table in (REGIONS, EGRESS, THROUGHPUT, SPOT_RISK, SPOT_MODELS, OBSERVATIONS)
        }
        if frames:
            raise TypeError(f"a snapshot has no {', '.join(frames)}")
        return Snapshot(info=info, sources=sources, offers=offers, quotas=quotas, **found)
