"""What an import of SkyPilot's catalog brings once it is checked, cloud by cloud, and what became of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from catalog_data.checks import check
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.base import Tables
from catalog_fetchers.skypilot_csv import Imported


@dataclass(frozen=True)
class CloudReport:
    """One cloud: rows of its file, types and offers that may be published, and how many were not, by reason.

    left_out counts rows of the file that could not be read as a machine; rejected counts types and offers that failed a
    check of the catalog.
    """

    cloud: str
    read: int
    types: int
    offers: int
    left_out: Mapping[str, int]
    rejected: Mapping[str, int]


@dataclass(frozen=True)
class CheckedImport:
    """An import after the checks; frames of `rejected` have the columns of their table and `reason`."""

    kept: Tables
    rejected: Tables
    report: tuple[CloudReport, ...]


def check_import(found: Imported) -> CheckedImport:
    """The import, its offers judged beside its own hardware."""
    types = check(INSTANCE_TYPES, found.tables[INSTANCE_TYPES.name])
    offers = check(OFFERS, found.tables[OFFERS.name], instance_types=types.kept)
    results = {INSTANCE_TYPES.name: types, OFFERS.name: offers}
    rejected = pl.concat([result.rejected.select("cloud", "reason") for result in results.values()])
    by_reason = rejected.group_by("cloud", "reason").agg(rows=pl.len()).sort("cloud", "reason")
    return CheckedImport(
        kept={name: result.kept for name, result in results.items()},
        rejected={name: result.rejected for name, result in results.items()},
        report=tuple(
            CloudReport(
                cloud=cloud,
                read=read,
                types=types.kept.filter(cloud=pl.lit(cloud)).height,
                offers=offers.kept.filter(cloud=pl.lit(cloud)).height,
                left_out=_counts(found.left_out, cloud),
                rejected=_counts(by_reason, cloud),
            )
            for cloud, read in sorted(found.read.items())
        ),
    )


def _counts(frame: pl.DataFrame, cloud: str) -> dict[str, int]:
    rows = frame.filter(pl.col("cloud") == cloud).select("reason", "rows")
    return {str(reason): int(count) for reason, count in rows.iter_rows()}
