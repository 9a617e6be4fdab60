"""What the user pays in place of the list price: an overlay on a snapshot, applied when it is read.

Negotiated discounts and prices, machines that are paid for already and quotas are the user's own business. They are
laid over the offers in memory, on the way from the catalog to the question, and are never written into the catalog.
`catalog_data.overlay_reader` reads them from a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import polars as pl

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_data.snapshot import HARDWARE, OFFER_ROWS, Snapshot, SourceAge

SOURCE: Final = "private_prices"
"""The source of an offer whose price is the user's own."""
ANY: Final = "*"
Value: TypeAlias = str | datetime | None
ROUNDING: Final = 1e-9
"""So that 0.5 accelerators in a machine and a quota of 4 are eight machines, whatever the division gives."""


@dataclass(frozen=True)
class Scope:
    """The offers that an entry speaks of. `region` and `instance_type` are patterns of a shell (`p5.*`)."""

    cloud: str
    region: str = ANY
    instance_type: str = ANY
    accelerator: str | None = None
    purchases: tuple[Purchase, ...] = tuple(Purchase)


@dataclass(frozen=True)
class Discount:
    """So many percent less than the list price."""

    scope: Scope
    percent: float


@dataclass(frozen=True)
class FixedPrice:
    """A price of one machine, USD/h, in place of the list price and of any discount."""

    scope: Scope
    price_usd_h: float


@dataclass(frozen=True)
class Commitment:
    """Machines that are held for the user and paid for: an hour of one costs `price_usd_h` more, 0 for nothing."""

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    quantity: int
    price_usd_h: float


class Unit(StrEnum):
    """What a quota counts."""

    MACHINES = "machines"
    ACCELERATORS = "accelerators"
    VCPUS = "vcpus"


@dataclass(frozen=True)
class Quota:
    """At most so many at once, in all places of the scope together."""

    scope: Scope
    unit: Unit
    limit: int


@dataclass(frozen=True)
class PrivatePrices:
    """All that the user said, and when (`as_of`). Of several discounts or prices that fit an offer the last holds."""

    as_of: datetime
    discounts: tuple[Discount, ...] = ()
    prices: tuple[FixedPrice, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    quotas: tuple[Quota, ...] = ()


def applied(private: PrivatePrices, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the user's own prices, machines and limits.

    An offer of another price comes from the source `private_prices` then: a fixed price is as certain and as old as the
    file, a discounted one as the list price that it starts from. Machines that are paid for are added as `owned`
    offers, with the hardware that the snapshot knows of their type. A quota lowers `quantity`, to 0 if need be.
    """
    listed = snapshot.offers
    priced = listed.with_columns(_discounted(private, listed)).with_columns(_fixed(private, listed))
    every = pl.concat([priced, _held(private, listed)])
    offers = every.with_columns(_limited(private, every))
    if offers.equals(listed):
        return snapshot
    rows = offers.filter(source=SOURCE).height
    own = (SourceAge(SOURCE, None, private.as_of, rows),) if rows else ()
    return replace(snapshot, offers=offers, sources=(*snapshot.sources, *own))


def unmatched(private: PrivatePrices, snapshot: Snapshot) -> tuple[str, ...]:
    """The entries (`discounts[0]`) that no offer of the snapshot fits: misspelt, or not in the catalog."""
    offers = snapshot.offers
    sections: Mapping[str, Sequence[Discount | FixedPrice | Quota]] = {
        "discounts": private.discounts,
        "prices": private.prices,
        "quotas": private.quotas,
    }
    idle = [
        f"{section}[{number}]"
        for section, entries in sections.items()
        for number, entry in enumerate(entries)
        if offers.filter(_speaks_of(entry.scope, offers)).is_empty()
    ]
    known = set(offers.select("cloud", "instance_type").unique().iter_rows())
    idle += [
        f"commitments[{number}]"
        for number, entry in enumerate(private.commitments)
        if (entry.cloud, entry.instance_type) not in known
    ]
    return tuple(idle)


def _discounted(private: PrivatePrices, offers: pl.DataFrame) -> Iterator[pl.Expr]:
    """The columns that a discount changes."""
    percent = _last([(_speaks_of(entry.scope, offers), entry.percent) for entry in private.discounts])
    changes = percent.is_not_null() & pl.col("price_usd_h").is_not_null()
    yield (
        pl.when(changes).then(pl.col("price_usd_h") * (1 - percent / 100)).otherwise("price_usd_h").alias("price_usd_h")
    )
    yield from _from_file(changes)


def _fixed(private: PrivatePrices, offers: pl.DataFrame) -> Iterator[pl.Expr]:
    """The columns that a fixed price changes."""
    price = _last([(_speaks_of(entry.scope, offers), entry.price_usd_h) for entry in private.prices])
    yield pl.coalesce(price, "price_usd_h").alias("price_usd_h")
    yield from _from_file(price.is_not_null())
    yield _where(price.is_not_null(), "observed_at", private.as_of)
    yield _where(price.is_not_null(), "confidence", Confidence.HIGH.value)


def _from_file(changes: pl.Expr) -> Iterator[pl.Expr]:
    yield _where(changes, "source", SOURCE)
    yield _where(changes, "source_version", None)


def _where(changes: pl.Expr, column: str, value: Value) -> pl.Expr:
    return pl.when(changes).then(pl.lit(value, OFFER_ROWS[column])).otherwise(column).alias(column)


def _held(private: PrivatePrices, offers: pl.DataFrame) -> pl.DataFrame:
    """An `owned` offer (OFFER_ROWS) for each commitment of whose type the hardware is known."""
    rows = [
        {
            "cloud": entry.cloud,
            "region": entry.region,
            "zone": entry.zone,
            "instance_type": entry.instance_type,
            "purchase": Purchase.OWNED.value,
            "price_usd_h": entry.price_usd_h or None,
            "available": True,
            "quantity": entry.quantity,
            "source": SOURCE,
            "source_version": None,
            "observed_at": private.as_of,
            "confidence": Confidence.HIGH.value,
        }
        for entry in private.commitments
    ]
    machines = offers.select("cloud", "instance_type", *HARDWARE).unique(["cloud", "instance_type"], keep="any")
    held = pl.DataFrame(rows, OFFERS.polars_schema()).join(
        machines, on=["cloud", "instance_type"], how="inner", maintain_order="left"
    )
    return held.select(OFFER_ROWS.names())


def _limited(private: PrivatePrices, offers: pl.DataFrame) -> pl.Expr:
    """How many machines there are: no more than each quota allows (a machine of unknown size is not limited)."""
    of_one: Mapping[Unit, pl.Expr] = {
        Unit.MACHINES: pl.lit(1.0),
        Unit.ACCELERATORS: pl.col("accelerator_count"),
        Unit.VCPUS: pl.col("vcpus"),
    }
    allowed = [
        pl.when(_speaks_of(quota.scope, offers)).then(
            (quota.limit / of_one[quota.unit] + ROUNDING).floor().cast(pl.Int64)
        )
        for quota in private.quotas
    ]
    return pl.min_horizontal("quantity", *allowed).alias("quantity")


def _speaks_of(scope: Scope, offers: pl.DataFrame) -> pl.Expr:
    """Whether an offer is one of the scope."""
    conditions = [
        pl.col("cloud") == scope.cloud,
        pl.col("purchase").is_in([purchase.value for purchase in scope.purchases]),
    ]
    if scope.accelerator is not None:
        conditions.append(pl.col("accelerator").eq_missing(pl.lit(scope.accelerator)))
    for column, pattern in (("region", scope.region), ("instance_type", scope.instance_type)):
        if pattern != ANY:
            names = [name for name in offers[column].unique() if fnmatchcase(name, pattern)]
            conditions.append(pl.col(column).is_in(names))
    return pl.all_horizontal(conditions)


def _last(entries: Sequence[tuple[pl.Expr, float]]) -> pl.Expr:
    """The figure of the last entry that speaks of an offer; null where none does."""
    figures = [pl.when(fits).then(pl.lit(figure)) for fits, figure in reversed(entries)]
    return pl.coalesce(*figures, pl.lit(None, pl.Float64))
