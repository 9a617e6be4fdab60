"""What the user pays in place of the list price: an overlay on a snapshot, applied when it is read.

Negotiated discounts and prices, machines that are paid for already, quotas and the data that an account already sends
out are the user's own business. They are laid over the snapshot in memory, on the way from the catalog to the question,
and are never written into the catalog. `catalog_data.overlay_reader` reads them from a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

import polars as pl

from catalog_data.schema import OFFERS, Confidence, Purchase
from catalog_data.scopes import ANY, Quota, Scope, matches, speaks_of
from catalog_data.snapshot import HARDWARE, OFFER_ROWS, Snapshot, SourceAge

SOURCE: Final = "private_prices"
"""The source of an offer or an egress rate that is the user's own."""
EGRESS_PAIR: Final = ("src_cloud", "src_region", "dst_cloud", "dst_region")
Value: TypeAlias = str | datetime | None


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


@dataclass(frozen=True)
class UsedEgress:
    """What the account already sends out of the regions (a pattern) of a cloud in a month, GB (10^9 bytes)."""

    cloud: str
    used_gb: float
    region: str = ANY


@dataclass(frozen=True)
class PrivatePrices:
    """All that the user said, and when (`as_of`).

    Of several discounts, prices or volumes sent out that fit a row, the last holds; every quota holds.
    """

    as_of: datetime
    discounts: tuple[Discount, ...] = ()
    prices: tuple[FixedPrice, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    quotas: tuple[Quota, ...] = ()
    egress: tuple[UsedEgress, ...] = ()


def applied(private: PrivatePrices, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the user's own prices, machines, quotas and egress tiers.

    An offer of another price comes from the source `private_prices` then: a fixed price is as certain and as old as the
    file, a discounted one as the list price that it starts from. Machines that are paid for are added as `owned`
    offers, with the hardware that the snapshot knows of their type. Quotas change no offer: they limit what is taken of
    all of them together.
    """
    listed = snapshot.offers
    priced = listed.with_columns(_discounted(private, listed)).with_columns(_fixed(private, listed))
    offers = pl.concat([priced, _held(private, listed)])
    egress = _beyond_used(private, snapshot.egress) if private.egress else snapshot.egress
    rows = sum(frame.filter(source=SOURCE).height for frame in (offers, egress))
    own = (SourceAge(SOURCE, None, private.as_of, rows),) if rows else ()
    return replace(snapshot, sources=(*snapshot.sources, *own), offers=offers, egress=egress, quotas=private.quotas)


def unmatched(private: PrivatePrices, snapshot: Snapshot) -> tuple[str, ...]:
    """The entries (`discounts[0]`) that nothing in the snapshot fits: misspelt, or not in the catalog."""
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
        if offers.filter(speaks_of(entry.scope, offers)).is_empty()
    ]
    known = set(offers.select("cloud", "instance_type").unique().iter_rows())
    idle += [
        f"commitments[{number}]"
        for number, entry in enumerate(private.commitments)
        if (entry.cloud, entry.instance_type) not in known
    ]
    idle += [
        f"egress[{number}]"
        for number, entry in enumerate(private.egress)
        if snapshot.egress.filter(_leaves(entry, snapshot.egress)).is_empty()
    ]
    return tuple(idle)


def _discounted(private: PrivatePrices, offers: pl.DataFrame) -> Iterator[pl.Expr]:
    """The columns that a discount changes."""
    percent = _last([(speaks_of(entry.scope, offers), entry.percent) for entry in private.discounts])
    changes = percent.is_not_null() & pl.col("price_usd_h").is_not_null()
    yield (
        pl.when(changes).then(pl.col("price_usd_h") * (1 - percent / 100)).otherwise("price_usd_h").alias("price_usd_h")
    )
    yield from _from_file(changes)


def _fixed(private: PrivatePrices, offers: pl.DataFrame) -> Iterator[pl.Expr]:
    """The columns that a fixed price changes."""
    price = _last([(speaks_of(entry.scope, offers), entry.price_usd_h) for entry in private.prices])
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


def _beyond_used(private: PrivatePrices, egress: pl.DataFrame) -> pl.DataFrame:
    """The tiers (EGRESS) as they stand from the used volume on: what x GB more cost is cost(used + x) - cost(used).

    A tier starts at max(0, tier_from_gb - used_gb). Of those of a pair that start at 0 then, the volume stands in the
    last, and the others are used up.
    """
    used_gb = _last([(_leaves(entry, egress), entry.used_gb) for entry in private.egress]).fill_null(0.0)
    starts_at = (pl.col("tier_from_gb") - used_gb).clip(lower_bound=0.0)
    ends_at = pl.col("starts_at").shift(-1).over(EGRESS_PAIR, order_by="tier_from_gb")
    return (
        egress.with_columns(starts_at.alias("starts_at"))
        .filter(ends_at.is_null() | (ends_at > 0))
        .with_columns(_from_file(pl.col("starts_at") != pl.col("tier_from_gb")))
        .with_columns(pl.col("starts_at").alias("tier_from_gb"))
        .select(egress.columns)
    )


def _leaves(entry: UsedEgress, egress: pl.DataFrame) -> pl.Expr:
    """Whether the data of a rate leaves a place of which the entry speaks."""
    return (pl.col("src_cloud") == entry.cloud) & matches("src_region", entry.region, egress)


def _last(entries: Sequence[tuple[pl.Expr, float]]) -> pl.Expr:
    """The figure of the last entry that speaks of a row; null where none does."""
    figures = [pl.when(fits).then(pl.lit(figure)) for fits, figure in reversed(entries)]
    return pl.coalesce(*figures, pl.lit(None, pl.Float64))
