"""One definition of every catalog table: its columns, keys, units and checks.

Everything that has to agree on what a table looks like is derived from here: the polars schema of
a frame, the DuckDB DDL of the store, the validation of a batch and the table in the documentation.

Prices are USD per hour, memory is GiB, and money columns say so in their names. An unknown figure is
null, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl


class Purchase(StrEnum):
    """How an offer is bought. A new way to buy is a value here, not a column of a table."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED_1Y = "reserved_1y"
    RESERVED_3Y = "reserved_3y"
    CAPACITY_BLOCK = "capacity_block"
    OWNED = "owned"


class Confidence(StrEnum):
    """How far a row can be trusted, best first.

    `high`: the provider's own answer or price page, or a copy of it that was checked against one.
    `medium`: a third party's copy of the provider's figures, or a regional average.
    `low`: old, inferred, or from a source with known faults.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Kind(StrEnum):
    """The type of a column's values."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"


POLARS_TYPES: Final[Mapping[Kind, pl.DataType]] = {
    Kind.TEXT: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.INSTANT: pl.Datetime("us", "UTC"),
}
# Instants are stored as UTC without a zone: DuckDB needs an extension to calculate with zones.
DUCKDB_TYPES: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INSTANT: "TIMESTAMP",
}


@dataclass(frozen=True)
class Column:
    """One column: `above` is an exclusive lower bound, `low` and `high` are inclusive ones."""

    name: str
    kind: Kind
    doc: str
    unit: str = ""
    nullable: bool = True
    above: float | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: `key` names the columns that together identify a row (a null counts as a value)."""

    name: str
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def polars_schema(self) -> pl.Schema:
        """The schema of a frame that holds this table."""
        return pl.Schema({column.name: POLARS_TYPES[column.kind] for column in self.columns})

    def misfits(self, found: Mapping[str, pl.DataType]) -> list[str]:
        """What keeps a frame with the columns `found`, in any order, from being one of this table; a sentence each."""
        expected = self.polars_schema()
        return [
            *(f"{name} is missing" for name in expected if name not in found),
            *(f"{name} is no column of it" for name in found if name not in expected),
            *(
                f"{name} is {found[name]}, not {dtype}"
                for name, dtype in expected.items()
                if name in found and found[name] != dtype
            ),
        ]

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.polars_schema())


def _text(name: str, doc: str, *, nullable: bool = False, values: tuple[str, ...] = ()) -> Column:
    return Column(name, Kind.TEXT, doc, nullable=nullable, values=values)


PROVENANCE: Final = (
    _text("source", "where the row comes from: a package, an endpoint or `list_prices`"),
    _text("source_version", "version of that source", nullable=True),
    Column("observed_at", Kind.INSTANT, "when the source saw the figure", nullable=False),
    _text("confidence", "how far the row can be trusted", values=tuple(Confidence)),
)

INSTANCE_TYPES: Final = Table(
    "instance_types",
    "The hardware of each instance type, the whole machine (or TPU slice) included.",
    ("cloud", "instance_type"),
    (
        _text("cloud", "the provider"),
        _text("instance_type", "the provider's own name of the machine type"),
        Column("vcpus", Kind.NUMBER, "virtual CPUs", above=0, high=100_000),
        Column("memory_gib", Kind.NUMBER, "main memory", "GiB", above=0, high=200_000),
        _text("arch", "CPU architecture", nullable=True, values=("x86_64", "arm64")),
        _text("accelerator", "canonical accelerator name; null where there is none", nullable=True),
        Column(
            "accelerator_count",
            Kind.NUMBER,
            "accelerators in the machine (chips, for a TPU slice; a share, for a fraction of a GPU)",
            above=0,
            high=10_000,
        ),
        Column("accelerator_memory_gib", Kind.NUMBER, "memory of ONE accelerator", "GiB", above=0, high=512),
        Column("network_gbit_s", Kind.NUMBER, "network bandwidth", "Gbit/s", above=0, high=10_000),
        Column("local_ssd_gib", Kind.NUMBER, "local SSD that the price includes", "GiB", low=0, high=1_000_000),
        *PROVENANCE,
    ),
)

OFFERS: Final = Table(
    "offers",
    "What can be bought where, how, and for how much.",
    ("cloud", "region", "zone", "instance_type", "purchase"),
    (
        _text("cloud", "the provider"),
        _text("region", "the provider's own name of the region"),
        _text("zone", "the zone; null where the provider sells by region or the zone is not known", nullable=True),
        _text("instance_type", "the provider's own name of the machine type"),
        _text("purchase", "how it is bought", values=tuple(Purchase)),
        Column("price_usd_h", Kind.NUMBER, "price of one machine; null where unknown", "USD/h", above=0, high=40_000),
        Column("available", Kind.BOOLEAN, "seen to be offered there; null where unknown"),
        Column("quantity", Kind.INTEGER, "how many there are; null where no limit is known", "machines", above=0),
        Column(
            "unconfirmed",
            Kind.BOOLEAN,
            "true where the last look at the source failed to confirm the row: it said nothing sound in its place, so"
            " that what it said before stands",
        ),
        *PROVENANCE,
    ),
)

REGIONS: Final = Table(
    "regions",
    "Where each region is, and how clean its electricity is.",
    ("cloud", "region"),
    (
        _text("cloud", "the provider"),
        _text("region", "the provider's own name of the region"),
        _text(
            "continent",
            "continent",
            nullable=True,
            values=("africa", "asia", "europe", "north_america", "oceania", "south_america"),
        ),
        _text("country", "country, ISO 3166-1 alpha-2", nullable=True),
        Column("latitude", Kind.NUMBER, "latitude", "degrees", low=-90, high=90),
        Column("longitude", Kind.NUMBER, "longitude", "degrees", low=-180, high=180),
        Column("carbon_g_kwh", Kind.NUMBER, "carbon intensity of the grid", "gCO2e/kWh", low=0, high=2_000),
        *PROVENANCE,
    ),
)

EGRESS: Final = Table(
    "egress",
    "What moving data costs, in cumulative tiers: each GB is billed at the rate of the tier that it falls in.",
    ("src_cloud", "src_region", "dst_cloud", "dst_region", "tier_from_gb"),
    (
        _text("src_cloud", "provider that the data leaves (and that bills it)"),
        _text("src_region", "region that the data leaves"),
        _text("dst_cloud", "provider that the data goes to"),
        _text("dst_region", "region that the data goes to"),
        Column("tier_from_gb", Kind.NUMBER, "monthly volume at which the rate starts", "GB", nullable=False, low=0),
        Column("egress_usd_gb", Kind.NUMBER, "rate of this tier", "USD/GB", nullable=False, low=0, high=2),
        *PROVENANCE,
    ),
)

ANYWHERE: Final = "*"
SAME_REGION: Final = "same_region"
SAME_CONTINENT: Final = "same_continent"
OTHER_CONTINENT: Final = "other_continent"

THROUGHPUT: Final = Table(
    "throughput",
    "How fast data moves between two places `cloud:region`. A default has src `*` and, as dst, the class of"
    " the pair: `same_region`, `same_continent` or `other_continent`.",
    ("src", "dst"),
    (
        _text("src", "place that the data leaves, `cloud:region`, or `*`"),
        _text("dst", "place that the data goes to, `cloud:region`, or a class of pairs"),
        Column("gbit_s", Kind.NUMBER, "throughput of one machine", "Gbit/s", nullable=False, above=0, high=1_000),
        Column("measured_at", Kind.INSTANT, "when it was measured"),
        *PROVENANCE,
    ),
)

SPOT_EVENTS: Final = Table(
    "spot_events",
    "When spot capacity was seen to come and go.",
    ("cloud", "zone", "instance_type", "at"),
    (
        _text("cloud", "the provider"),
        _text("zone", "the zone"),
        _text("instance_type", "the provider's own name of the machine type"),
        Column("at", Kind.INSTANT, "when", nullable=False),
        Column("available", Kind.BOOLEAN, "whether spot capacity was there from then on", nullable=False),
        *PROVENANCE,
    ),
)

MONTH_H: Final = 730.0
"""The period of bands that are of a month."""

SPOT_RISK: Final = Table(
    "spot_risk",
    "Share of spot machines that the provider took back within a period, as a band.",
    ("cloud", "region", "instance_type"),
    (
        _text("cloud", "the provider"),
        _text("region", "the provider's own name of the region"),
        _text("instance_type", "the provider's own name of the machine type"),
        Column("interruption_low", Kind.NUMBER, "lower end of the band", "share a period", low=0, high=1),
        Column("interruption_high", Kind.NUMBER, "upper end of the band", "share a period", low=0, high=1),
        Column(
            "period_h",
            Kind.NUMBER,
            "within how long that share was taken back: a month is 730 hours, and some providers say it of an hour",
            "h",
            nullable=False,
            above=0,
            high=8_760,
        ),
        *PROVENANCE,
    ),
)

SPOT_MODELS: Final = Table(
    "spot_models",
    "How long spot machines stay and stay away, as fitted from what was seen. A later fit takes the place of an earlier"
    " one, which the history keeps. `*` stands for all regions, zones or types, whose data one model was fitted from.",
    ("cloud", "region", "zone", "instance_type"),
    (
        _text("cloud", "the provider"),
        _text("region", "the provider's own name of the region, or `*`"),
        _text("zone", "the zone, or `*`"),
        _text("instance_type", "the provider's own name of the machine type, or `*`"),
        _text("model", "the model as JSON (`engine.availability`)"),
        Column("traces", Kind.INTEGER, "series that it was fitted from", nullable=False, above=0),
        Column("data_h", Kind.NUMBER, "hours that those last together", "h", nullable=False, above=0),
        Column("data_from", Kind.INSTANT, "the first instant of them; null where they do not say"),
        Column("data_until", Kind.INSTANT, "the last instant of them; null where they do not say"),
        Column(
            "held_out_nats_h",
            Kind.NUMBER,
            "log-likelihood an hour of the last part of each series, of a fit from the rest; null where that is too"
            " little to fit",
            "nats/h",
        ),
        Column("memoryless_nats_h", Kind.NUMBER, "that of a fit with constant hazards", "nats/h"),
        _text("fitted_from", "the files and tables that the series come from"),
        *PROVENANCE,
    ),
)


class Signal(StrEnum):
    """What an observation of capacity rests on."""

    PLACEMENT_SCORE = "placement_score"
    STOCK = "stock"
    FAILURE = "failure"


OBSERVATIONS: Final = Table(
    "observations",
    "Whether machines could be had when somebody last looked: what providers say of their stock, and launches that"
    " failed. An observation holds until `expires_at`; after that nothing is known.",
    ("cloud", "region", "zone", "instance_type", "purchase", "signal"),
    (
        _text("cloud", "the provider"),
        _text("region", "the provider's own name of the region"),
        _text("zone", "the zone; null where the observation holds for the whole region", nullable=True),
        _text("instance_type", "the provider's own name of the machine type"),
        _text("purchase", "how it is bought", values=tuple(Purchase)),
        _text("signal", "what the observation rests on", values=tuple(Signal)),
        Column(
            "level",
            Kind.NUMBER,
            "0 where there was nothing to be had, 1 where there was plenty (a placement score of 1 to 10 is a tenth of"
            " it; a stock of low, medium and high is a third, two thirds and 1)",
            nullable=False,
            low=0,
            high=1,
        ),
        Column("expires_at", Kind.INSTANT, "until when it says anything", nullable=False),
        *PROVENANCE,
    ),
)

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        INSTANCE_TYPES,
        OFFERS,
        REGIONS,
        EGRESS,
        THROUGHPUT,
        SPOT_EVENTS,
        SPOT_RISK,
        SPOT_MODELS,
        OBSERVATIONS,
    )
}


def duckdb_columns(table: Table) -> str:
    """The column list of the table in DuckDB's DDL."""
    return ", ".join(
        f'"{column.name}" {DUCKDB_TYPES[column.kind]}{"" if column.nullable else " NOT NULL"}'
        for column in table.columns
    )
