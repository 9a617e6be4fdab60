"""Which offers an entry of the user's own speaks of, and the quotas that those offers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

import polars as pl

from catalog_data.schema import Purchase

ANY: Final = "*"


@dataclass(frozen=True)
class Scope:
    """The offers that an entry speaks of. `region` and `instance_type` are patterns of a shell (`p5.*`)."""

    cloud: str
    region: str = ANY
    instance_type: str = ANY
    accelerator: str | None = None
    purchases: tuple[Purchase, ...] = tuple(Purchase)


class Unit(StrEnum):
    """What a quota counts."""

    MACHINES = "machines"
    ACCELERATORS = "accelerators"
    VCPUS = "vcpus"


UNIT_WORD: Final[Mapping[Unit, str]] = {
    Unit.MACHINES: "machine",
    Unit.ACCELERATORS: "accelerator",
    Unit.VCPUS: "vCPU",
}
"""One of a unit, for people."""

_OF_ONE: Final[Mapping[Unit, pl.Expr]] = {
    Unit.MACHINES: pl.lit(1.0),
    Unit.ACCELERATORS: pl.col("accelerator_count"),
    Unit.VCPUS: pl.col("vcpus"),
}


@dataclass(frozen=True)
class Quota:
    """At most so many at once, in all places of the scope and for all tasks together; `name` is for people."""

    scope: Scope
    unit: Unit
    limit: int
    name: str


def speaks_of(scope: Scope, offers: pl.DataFrame) -> pl.Expr:
    """Whether a row of `offers` (columns of snapshot.OFFER_ROWS) is of the scope; never null."""
    conditions = [
        pl.col("cloud") == scope.cloud,
        pl.col("purchase").is_in([purchase.value for purchase in scope.purchases]),
        matches("region", scope.region, offers),
        matches("instance_type", scope.instance_type, offers),
    ]
    if scope.accelerator is not None:
        conditions.append(pl.col("accelerator").eq_missing(pl.lit(scope.accelerator)))
    return pl.all_horizontal(conditions)


def matches(column: str, pattern: str, frame: pl.DataFrame) -> pl.Expr:
    """Whether a name in a column of the frame fits a pattern of a shell, in which capitals count."""
    if pattern == ANY:
        return pl.lit(value=True)
    return pl.col(column).is_in([name for name in frame[column].unique() if fnmatchcase(name, pattern)])


def units_of_one(unit: Unit) -> pl.Expr:
    """How much of a quota one machine takes up, from a row of snapshot.OFFER_ROWS.

    Null where that is not known, and for the accelerators of a machine without any: such a machine is not limited.
    """
    return _OF_ONE[unit]
