"""Offers as people and programs read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from catalog_data.normalise import UnknownNameError, accelerator_name, cloud_name, nearest_name, tpu_slice
from catalog_data.overlay import PrivatePrices, applied
from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot, SnapshotInfo
from catalog_data.store import Catalog, OfferFilter
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.plan_view import accelerators_text, age_text, doubtful, number, price_text
from cli.printer import Column, print_lines, print_table
from cli.wiring import opened_catalog, private_prices

COLUMNS: Final = (
    Column("CLOUD"),
    Column("REGION"),
    Column("ZONES", rank=3),
    Column("INSTANCE"),
    Column("ACCELERATORS", rank=1),
    Column("vCPUs", right=True, rank=4),
    Column("MEM GiB", right=True, rank=5),
    Column("BUY"),
    Column("PRICE AGE", right=True, rank=2),
    Column("$/h", right=True),
)


@dataclass(frozen=True)
class OfferQuery:
    """What the user asked for, as written."""

    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    max_price_usd_h: float | None = None


@dataclass(frozen=True)
class FoundOffers:
    """The first rows of what was found (schema: snapshot.OFFER_ROWS) and how many there are in all."""

    info: SnapshotInfo
    rows: pl.DataFrame
    total: int

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601."""
        instants = self.rows.with_columns(pl.col("observed_at").dt.to_string("iso:strict"))
        return {"schema_version": 1, "snapshot": self.info.id, "total": self.total, "offers": instants.to_dicts()}


def found_offers(query: OfferQuery, at: datetime | str | None, limit: int | None) -> FoundOffers:
    """The offers that match, the cheapest first."""
    counts = [_accelerator_and_count(text) for text in query.accelerators]
    where = OfferFilter(
        clouds=tuple(_named(cloud_name, text) for text in query.clouds),
        regions=query.regions,
        accelerators=tuple(name for name, _ in counts),
        purchases=tuple(purchase_name(text) for text in query.purchases),
        instance_types=query.instances,
        max_price_usd_h=query.max_price_usd_h,
    )
    with opened_catalog() as catalog:
        info = catalog.resolve(at)
        private = private_prices()
        rows = catalog.offers(info, where) if private is None else _with_private(private, catalog, info, where)
        if rows.is_empty():
            _require_known(query, catalog, info)
    if any(count is not None for _, count in counts):
        rows = rows.filter(pl.any_horizontal(_has(name, count) for name, count in counts))
    ranked = rows.sort("price_usd_h", "cloud", "region", "zone", "instance_type", "purchase", nulls_last=True)
    return FoundOffers(info, ranked if limit is None else ranked.head(limit), rows.height)


def _with_private(private: PrivatePrices, catalog: Catalog, info: SnapshotInfo, where: OfferFilter) -> pl.DataFrame:
    """The offers as the user pays for them; the most that they may cost is weighed afterwards."""
    listed = catalog.offers(info, replace(where, max_price_usd_h=None))
    rows = applied(private, Snapshot.of(info, listed)).offers
    if where.purchases:
        rows = rows.filter(pl.col("purchase").is_in(where.purchases))
    limit = where.max_price_usd_h
    return rows if limit is None else rows.filter(pl.col("price_usd_h") <= limit)


def _has(name: str, count: float | None) -> pl.Expr:
    named = pl.col("accelerator") == name
    return named if count is None else named & (pl.col("accelerator_count") == count)


def _require_known(query: OfferQuery, catalog: Catalog, info: SnapshotInfo) -> None:
    """Every region and instance type that was asked for is one that the catalog knows."""
    everything = catalog.offers(info)
    for kind, column, wanted in (
        ("region", "region", query.regions),
        ("instance type", "instance_type", query.instances),
    ):
        known = everything[column].unique().sort().to_list()
        for name in wanted:
            if name not in known:
                near = nearest_name(name, known)
                hint = f"did you mean {near}?" if near else ""
                raise CommandError(f"the catalog knows no {kind} {name}", hint=hint, code=ExitCode.USAGE)


def _accelerator_and_count(text: str) -> tuple[str, float | None]:
    name, _, count = text.partition(":")
    as_slice = tpu_slice(name)
    if as_slice is not None:
        return as_slice
    try:
        number_of = float(count) if count else None
    except ValueError:
        number_of = 0.0
    if number_of is not None and not 0 < number_of < float("inf"):
        raise CommandError(f"{text}: the count is no number above 0", hint="write H100 or H100:8", code=ExitCode.USAGE)
    return _named(accelerator_name, name), number_of


def _named(names: Callable[[str], str], text: str) -> str:
    try:
        return names(text)
    except UnknownNameError as error:
        raise CommandError(str(error), code=ExitCode.USAGE) from error


def purchase_name(text: str) -> str:
    """The canonical name of a way to buy: `on-demand` is `on_demand`."""
    name = text.lower().replace("-", "_")
    if name not in set(Purchase):
        near = nearest_name(name, list(Purchase))
        hint = f"did you mean {near}?" if near else f"one of {', '.join(Purchase)}"
        raise CommandError(f"unknown purchase {text}", hint=hint, code=ExitCode.USAGE)
    return name


def print_offers(found: FoundOffers) -> None:
    """The rows as a table, zones of one price together, and how many are not shown."""
    now = datetime.now(UTC)
    print_table(COLUMNS, [_cells(row, now) for row in _zones_together(found.rows).iter_rows(named=True)])
    more = found.total - found.rows.height
    doubt = "~ marks a price that is more than a year old or of low confidence. " if found.rows.height else ""
    print_lines(
        "",
        f"{doubt}{found.total:,} offers in catalog {found.info.id}" + (f"; {more:,} more with --all." if more else "."),
    )


def _zones_together(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for the zones of a region that have the same price, in the same order, with their `zones`."""
    key = [name for name in rows.columns if name not in {"zone", "observed_at", "source", "source_version"}]
    rest = ["observed_at", "source", "source_version"]
    zones = pl.col("zone").drop_nulls().alias("zones")
    return rows.group_by(key, maintain_order=True).agg(zones, pl.col(rest).first())


def _cells(row: Mapping[str, Any], now: datetime) -> list[str]:
    doubt = "~" if doubtful(row["confidence"], row["observed_at"], now) else ""
    zones = row["zones"]
    return [
        row["cloud"],
        row["region"],
        "-" if not zones else zones[0] if len(zones) == 1 else f"{zones[0]} +{len(zones) - 1}",
        row["instance_type"],
        accelerators_text(row["accelerator"], row["accelerator_count"]),
        number(row["vcpus"]),
        number(row["memory_gib"]),
        row["purchase"],
        age_text(row["observed_at"], now),
        price_text(row["purchase"], row["price_usd_h"], doubt),
    ]
