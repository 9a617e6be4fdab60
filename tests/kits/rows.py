"""Rows and frames of the catalog's tables, and small catalogs on disk, without the columns that a test is not about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from catalog_data.publishing import publish
from catalog_data.schema import (
    EGRESS,
    INSTANCE_TYPES,
    OBSERVATIONS,
    OFFERS,
    REGIONS,
    SPOT_EVENTS,
    SPOT_MODELS,
    SPOT_RISK,
    TABLES,
    THROUGHPUT,
    Table,
)
from catalog_data.snapshot import SnapshotInfo

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

_SEEN: Final = {"source": "price_page", "source_version": None, "observed_at": NOON, "confidence": "high"}
_PLACE: Final = {"cloud": "aws", "region": "us-east-1"}
_PAIR: Final = {"src_cloud": "aws", "src_region": "us-east-1", "dst_cloud": "gcp", "dst_region": "us-east1"}
_DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        INSTANCE_TYPES.name: {"cloud": "aws", "instance_type": "m5.large", "vcpus": 2, "memory_gib": 8},
        OFFERS.name: {
            **_PLACE,
            "instance_type": "m5.large",
            "purchase": "on_demand",
            "price_usd_h": 1,
            "available": True,
        },
        REGIONS.name: _PLACE,
        EGRESS.name: {**_PAIR, "tier_from_gb": 0, "egress_usd_gb": 0.09},
        THROUGHPUT.name: {"src": "aws:us-east-1", "dst": "gcp:us-east1", "gbit_s": 5},
        SPOT_EVENTS.name: {
            "cloud": "aws",
            "zone": "us-east-1a",
            "instance_type": "m5.large",
            "at": NOON,
            "available": False,
        },
        SPOT_RISK.name: {
            **_PLACE,
            "instance_type": "m5.large",
            "interruption_low": 0,
            "interruption_high": 0.05,
            "period_h": 730,
        },
        SPOT_MODELS.name: {
            **_PLACE,
            "zone": "us-east-1a",
            "instance_type": "m5.large",
            "model": "{}",
            "traces": 1,
            "data_h": 24,
            "fitted_from": "a file",
        },
        OBSERVATIONS.name: {
            **_PLACE,
            "instance_type": "m5.large",
            "purchase": "on_demand",
            "signal": "stock",
            "level": 1,
            "expires_at": NOON,
        },
    }
)


def row(table: Table, **values: object) -> dict[str, object]:
    """A row of the table: what is not given is that of an `m5.large` in `us-east-1`, or null."""
    return {**dict.fromkeys(table.column_names), **_DEFAULTS[table.name], **_SEEN, **values}


def offer(**values: object) -> dict[str, object]:
    """A row of OFFERS, by default `m5.large` on demand in `us-east-1` for 1 USD/h."""
    return row(OFFERS, **values)


def machine(**values: object) -> dict[str, object]:
    """A row of INSTANCE_TYPES, by default `m5.large`."""
    return row(INSTANCE_TYPES, **values)


def frame(table: Table, *rows: Mapping[str, object]) -> pl.DataFrame:
    """A frame of the table."""
    return pl.DataFrame(rows, schema=table.polars_schema())


def offers(*rows: Mapping[str, object]) -> pl.DataFrame:
    """A frame of OFFERS."""
    return frame(OFFERS, *rows)


def written(folder: Path, **tables: pl.DataFrame) -> dict[str, Path]:
    """A batch: each frame in a new Parquet file, by the name of its table."""
    folder.mkdir(parents=True, exist_ok=True)
    batch = {name: folder / f"{len(list(folder.iterdir()))}-{name}.parquet" for name in tables}
    for name, file in batch.items():
        tables[name].write_parquet(file)
    return batch


def published(
    path: Path,
    batch: Mapping[str, pl.DataFrame] | None = None,
    *,
    at: datetime = NOON,
    note: str = "a test",
    **options: Any,
) -> SnapshotInfo:
    """Publish frames by the names of their tables, given as a batch or as options, into the catalog at `path`."""
    tables = {**(batch or {}), **{name: options.pop(name) for name in tuple(options) if name in TABLES}}
    return publish(path, written(path.parent / "batches", **tables), published_at=at, note=note, **options)
