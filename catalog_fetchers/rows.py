"""Rows of the catalog's tables from what a source says, each with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from catalog_data.normalise import UnknownNameError, accelerator_name
from catalog_data.schema import PROVENANCE, Confidence, Table


def stamped(
    table: Table,
    frame: pl.DataFrame,
    *,
    source: str,
    source_version: str | None = None,
    observed_at: datetime,
    confidence: Confidence | pl.Expr,
) -> pl.DataFrame:
    """The frame as rows of the table: columns that it lacks are null, and each row says where it comes from.

    Columns that the table does not have are left out.
    """
    trust = confidence if isinstance(confidence, pl.Expr) else pl.lit(confidence.value)
    provenance = frame.with_columns(
        source=pl.lit(source),
        source_version=pl.lit(source_version, pl.String()),
        observed_at=pl.lit(observed_at),
        confidence=trust,
    )
    return provenance.select(
        pl.col(name).cast(dtype) if name in provenance.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in table.polars_schema().items()
    )


def rows_of(
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    *,
    source: str,
    source_version: str | None = None,
    observed_at: datetime,
    confidence: Confidence,
) -> pl.DataFrame:
    """Rows of the table from mappings; what a mapping does not name is null. Exact repetitions count once.

    Raises:
        ValueError: a mapping names something that is no column of the table, or its provenance, which all rows share.
    """
    listed = [dict(row) for row in rows]
    provenance = {column.name for column in PROVENANCE}
    schema = {name: dtype for name, dtype in table.polars_schema().items() if name not in provenance}
    unknown = {name for row in listed for name in row} - set(schema)
    if unknown:
        raise ValueError(f"{table.name} takes no {', '.join(sorted(unknown))} from a row")
    frame = pl.DataFrame(listed, schema=schema)
    return stamped(
        table,
        frame.unique(maintain_order=True),
        source=source,
        source_version=source_version,
        observed_at=observed_at,
        confidence=confidence,
    )


def accelerator(*spellings: str | None) -> str | None:
    """The canonical name of an accelerator by the first spelling that is known.

    Where none is known, the first as it stands: the checks then list the row. None where nothing is said.
    """
    said = [text.strip() for text in spellings if text and text.strip()]
    for text in said:
        try:
            return accelerator_name(text)
        except UnknownNameError:
            continue
    return said[0] if said else None
