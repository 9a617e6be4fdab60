"""What moving data between places costs and takes.

A place is `cloud:region`. Rates are cumulative: each GB is billed at the rate of the tier that it falls in, transfer by
transfer. A cloud grants its free allowance once a month, not once a transfer, so it is not counted at all: a tier at
rate 0 that a paid one follows is billed at the rate of that one. A pair whose only rate is 0 is free.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from catalog_data.schema import ANYWHERE, OTHER_CONTINENT, SAME_CONTINENT, SAME_REGION
from catalog_data.snapshot import Snapshot

GBIT_PER_GB: Final = 8.0
SECONDS_PER_HOUR: Final = 3600.0


def place(cloud: str, region: str) -> str:
    """The name of a place."""
    return f"{cloud}:{region}"


def cloud_of_place(name: str) -> str:
    """The cloud of a place, by its name."""
    return name.split(":", 1)[0]


def transfers(
    snapshot: Snapshot, data_gb: float, sources: Sequence[str], targets: Sequence[str], *, streams: int = 1
) -> pl.DataFrame:
    """Cost and time of moving `data_gb` GB from each source to each target, by so many machines side by side.

    Returns:
        One row a pair: `src`, `dst`, `egress_usd` (null where no rate is known), `transfer_h` (null where no
        throughput is known). Within one place both are 0, as for 0 GB.
    """
    ends = pairs_of(sources, targets)
    stays = (pl.col("src") == pl.col("dst")) | pl.lit(data_gb == 0)
    return (
        ends.join(_egress(snapshot, data_gb, ends), on="pair", how="left", maintain_order="left")
        .with_columns(gbit_s(snapshot, ends))
        .select(
            "src",
            "dst",
            pl.when(stays).then(0.0).otherwise("egress_usd").alias("egress_usd"),
            # GB * Gbit/GB / (Gbit/s) / (s/h) = h
            pl.when(stays)
            .then(0.0)
            .otherwise(data_gb * GBIT_PER_GB / (streams * pl.col("gbit_s")) / SECONDS_PER_HOUR)
            .alias("transfer_h"),
        )
    )


def dearest_usd_gb(snapshot: Snapshot) -> dict[str, float]:
    """By cloud the highest rate that is known of what leaves it, which stands for one that is not."""
    dearest = snapshot.egress.group_by("src_cloud").agg(pl.col("egress_usd_gb").max())
    return dict(dearest.iter_rows())


def slowest_gbit_s(snapshot: Snapshot) -> float:
    """The lowest throughput that is known, which stands for one that is not; without end where none is."""
    lowest = snapshot.throughput["gbit_s"].min()
    return float(lowest) if isinstance(lowest, float) else math.inf


def hours_to_move(data_gb: float, gbit_s: float) -> float:
    """Hours that so many GB take at so many Gbit/s."""
    # GB * Gbit/GB / (Gbit/s) / (s/h) = h
    return data_gb * GBIT_PER_GB / gbit_s / SECONDS_PER_HOUR


def pairs_of(sources: Sequence[str], targets: Sequence[str]) -> pl.DataFrame:
    """`pair` (its number), `src` and `dst` of each source with each target, source by source."""
    ends = pl.DataFrame({"src": pl.Series(sources, dtype=pl.String)}).join(
        pl.DataFrame({"dst": pl.Series(targets, dtype=pl.String)}), how="cross", maintain_order="left_right"
    )
    return ends.with_row_index("pair")


def gbit_s(snapshot: Snapshot, pairs: pl.DataFrame) -> pl.Series:
    """The throughput of one machine for each of the pairs, null where none is known."""
    return _throughput(snapshot, pairs)["gbit_s"]


def _egress(snapshot: Snapshot, data_gb: float, pairs: pl.DataFrame) -> pl.DataFrame:
    """`pair` and `egress_usd`: sum over tiers of rate * (GB that fall into the tier); null without a first tier."""
    in_tier_gb = (pl.min_horizontal(pl.lit(data_gb), "tier_to_gb") - pl.col("tier_from_gb")).clip(lower_bound=0)
    # GB * $/GB = $
    usd = (in_tier_gb * pl.col("rate")).sum()
    known = pl.col("tier_from_gb").min() == 0
    return tiers(snapshot, pairs).group_by("pair").agg(pl.when(known).then(usd).alias("egress_usd"))


def default_gbit_s(snapshot: Snapshot, pairs: Iterable[tuple[str, str]]) -> dict[str, float]:
    """The defaults by which data moves between the pairs of places that nobody has measured: class -> Gbit/s."""
    frame = pl.DataFrame(list(pairs), {"src": pl.String, "dst": pl.String}, orient="row")
    used = _throughput(snapshot, frame).filter(pl.col("measured").is_null() & pl.col("gbit_s").is_not_null())
    return dict(used.select("class", "gbit_s").unique().sort("class", descending=True).iter_rows())


def tiers(snapshot: Snapshot, pairs: pl.DataFrame) -> pl.DataFrame:
    """`pair`, `tier_from_gb`, `tier_to_gb` and `rate`: that of the first paid tier from there on, 0 where none is."""
    paid = pl.when(pl.col("egress_usd_gb") > 0).then(pl.col("egress_usd_gb"))
    tier_to = pl.col("tier_from_gb").shift(-1).over("pair").fill_null(float("inf"))
    return (
        snapshot.egress.lazy()
        .with_columns(
            pl.format("{}:{}", "src_cloud", "src_region").alias("src"),
            pl.format("{}:{}", "dst_cloud", "dst_region").alias("dst"),
        )
        .join(pairs.lazy(), on=["src", "dst"], how="inner")
        .sort("pair", "tier_from_gb")
        .select(
            "pair",
            "tier_from_gb",
            tier_to.alias("tier_to_gb"),
            paid.backward_fill().over("pair").fill_null(0.0).alias("rate"),
        )
        .collect()
    )


def _throughput(snapshot: Snapshot, pairs: pl.DataFrame) -> pl.DataFrame:
    """`src`, `dst`, `class`, `measured` and `gbit_s`: as measured for the pair, else the default of its class."""
    known = snapshot.throughput.select("src", "dst", pl.col("gbit_s").alias("measured"))
    classes = known.filter(pl.col("src") == ANYWHERE).select(
        pl.col("dst").alias("class"), pl.col("measured").alias("default")
    )
    continents = snapshot.regions.select(pl.format("{}:{}", "cloud", "region").alias("place"), pl.col("continent"))
    src = continents.rename({"place": "src", "continent": "src_continent"})
    dst = continents.rename({"place": "dst", "continent": "dst_continent"})
    kind = (
        pl.when(pl.col("src") == pl.col("dst"))
        .then(pl.lit(SAME_REGION))
        .when(pl.col("src_continent") == pl.col("dst_continent"))
        .then(pl.lit(SAME_CONTINENT))
        .otherwise(pl.lit(OTHER_CONTINENT))
    )
    return (
        pairs.join(src, on="src", how="left", maintain_order="left")
        .join(dst, on="dst", how="left", maintain_order="left")
        .with_columns(kind.alias("class"))
        .join(classes, on="class", how="left", maintain_order="left")
        .join(known, on=["src", "dst"], how="left", maintain_order="left")
        .select("src", "dst", "class", "measured", pl.coalesce("measured", "default").alias("gbit_s"))
    )
