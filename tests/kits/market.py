"""Tiny snapshots, row by row: what a test does not say is a plain machine at a plain place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from catalog_data.schema import (
    ANYWHERE,
    EGRESS,
    MONTH_H,
    OBSERVATIONS,
    OTHER_CONTINENT,
    REGIONS,
    SAME_CONTINENT,
    SAME_REGION,
    SPOT_RISK,
    THROUGHPUT,
    Confidence,
    Purchase,
)
from catalog_data.snapshot import OFFER_ROWS, Snapshot, SnapshotInfo, SourceAge

Row = dict[str, Any]

NOW: Final = datetime(2026, 10, 1, 12, tzinfo=UTC)
SEEN: Final = datetime(2026, 9, 1, tzinfo=UTC)
PROVENANCE: Final[Row] = {
    "source": "prices",
    "source_version": "1",
    "observed_at": SEEN,
    "confidence": str(Confidence.HIGH),
}


def offer(
    cloud: str,
    region: str,
    instance_type: str,
    price_usd_h: float | None,
    *,
    accelerator: str | None = None,
    count: float | None = None,
    zone: str | None = None,
    purchase: Purchase = Purchase.ON_DEMAND,
    **columns: Any,
) -> Row:
    """A row of OFFER_ROWS: 8 vCPUs, 32 GiB, x86-64, and one of the accelerator if one is named."""
    return {
        "cloud": cloud,
        "region": region,
        "zone": zone,
        "instance_type": instance_type,
        "purchase": str(purchase),
        "price_usd_h": price_usd_h,
        "available": True,
        "quantity": None,
        **PROVENANCE,
        "vcpus": 8.0,
        "memory_gib": 32.0,
        "arch": "x86_64",
        "accelerator": accelerator,
        "accelerator_count": 1.0 if accelerator and count is None else count,
        "accelerator_memory_gib": None,
        "network_gbit_s": None,
        "local_ssd_gib": None,
        **columns,
    }


def region(
    cloud: str,
    name: str,
    continent: str | None = "north_america",
    country: str | None = "US",
    carbon_g_kwh: float | None = None,
) -> Row:
    """A row of REGIONS."""
    nowhere = {"latitude": None, "longitude": None, "carbon_g_kwh": carbon_g_kwh}
    return {"cloud": cloud, "region": name, "continent": continent, "country": country, **nowhere, **PROVENANCE}


def tiers(source: str, target: str, *rates: tuple[float, float]) -> list[Row]:
    """Rows of EGRESS from place to place (`cloud:region`): (from GB, USD/GB) each."""
    (src_cloud, src_region), (dst_cloud, dst_region) = source.split(":"), target.split(":")
    pair = {"src_cloud": src_cloud, "src_region": src_region, "dst_cloud": dst_cloud, "dst_region": dst_region}
    return [{**pair, "tier_from_gb": low, "egress_usd_gb": rate, **PROVENANCE} for low, rate in rates]


def flat_rates(rate: float, places: Sequence[str]) -> list[Row]:
    """Rows of EGRESS: one rate from the first GB on, between all different places."""
    return [
        row for source in places for target in places if source != target for row in tiers(source, target, (0.0, rate))
    ]


def link(source: str, target: str, gbit_s: float) -> Row:
    """A row of THROUGHPUT: measured between two places, or the default of a class of pairs."""
    return {"src": source, "dst": target, "gbit_s": gbit_s, "measured_at": None, **PROVENANCE}


def default_links(same_region: float = 10.0, same_continent: float = 5.0, other_continent: float = 2.0) -> list[Row]:
    """Rows of THROUGHPUT for every class of pairs, Gbit/s."""
    return [
        link(ANYWHERE, SAME_REGION, same_region),
        link(ANYWHERE, SAME_CONTINENT, same_continent),
        link(ANYWHERE, OTHER_CONTINENT, other_continent),
    ]


def risk(cloud: str, region_name: str, instance_type: str, low: float, high: float, period_h: float = MONTH_H) -> Row:
    """A row of SPOT_RISK, of a month unless the period is another one."""
    band = {"interruption_low": low, "interruption_high": high, "period_h": period_h}
    return {"cloud": cloud, "region": region_name, "instance_type": instance_type, **band, **PROVENANCE}


def observed(where: Row, level: float, *, hours: float = 1.0, signal: str = "stock", **columns: Any) -> Row:
    """A row of OBSERVATIONS of an offer, which holds until so many hours after NOW."""
    key = {name: where[name] for name in ("cloud", "region", "zone", "instance_type", "purchase")}
    expires_at = NOW + timedelta(hours=hours)
    return {**key, "signal": signal, "level": level, "expires_at": expires_at, **PROVENANCE, **columns}


def market(
    offers: Sequence[Row],
    *,
    regions: Sequence[Row] | None = None,
    egress: Sequence[Row] = (),
    throughput: Sequence[Row] | None = None,
    spot_risk: Sequence[Row] | None = None,
    observations: Sequence[Row] = (),
) -> Snapshot:
    """A snapshot of these rows.

    Unless they are given, each offer's region lies in the US, links have defaults, and spot machines are never lost.
    """
    if regions is None:
        where = dict.fromkeys((row["cloud"], row["region"]) for row in offers)
        regions = [region(cloud, name) for cloud, name in where]
    if spot_risk is None:
        spot = [row for row in offers if row["purchase"] == Purchase.SPOT]
        kinds = dict.fromkeys((row["cloud"], row["region"], row["instance_type"]) for row in spot)
        spot_risk = [risk(*kind, 0.0, 0.0) for kind in kinds]
    return Snapshot.of(
        SnapshotInfo(1, "snapshot-1", SEEN, "test"),
        pl.DataFrame(offers, schema=OFFER_ROWS),
        sources=(SourceAge("prices", "1", SEEN, len(offers)),),
        regions=pl.DataFrame(regions, schema=REGIONS.polars_schema()),
        egress=pl.DataFrame(egress, schema=EGRESS.polars_schema()),
        throughput=pl.DataFrame(
            default_links() if throughput is None else throughput, schema=THROUGHPUT.polars_schema()
        ),
        spot_risk=pl.DataFrame(spot_risk, schema=SPOT_RISK.polars_schema()),
        observations=pl.DataFrame(observations, schema=OBSERVATIONS.polars_schema()),
    )
