"""Where each region is, and how clean its electricity is: the REGIONS table of the embedded catalog.

Coordinates come from fixinventorydata (AWS, GCP, DigitalOcean), and so does carbon intensity: it carries the data of
Cloud Carbon Footprint. What it lacks stands in `region_places.csv`, kept by hand: the place and the country that the
provider states for a region, the coordinates of that city, and the grid that feeds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

import polars as pl

from catalog_data.schema import REGIONS, Confidence
from catalog_fetchers.countries import CONTINENTS

PACKAGE: Final = "fixinventorydata"
PACKAGE_VERSION: Final = "0.2.6"
PACKAGE_DATE: Final = datetime(2024, 5, 2, tzinfo=UTC)
HAND_KEPT: Final = "region_places.csv"
REGION_NAME: Final = "region name"
"""The source of a row that only the name of the region tells of."""

# The region of the Cloud Carbon Footprint data whose grid is that of the country. Countries with several grids (US, CA,
# AU) are not here: `region_places.csv` names the grid of each place.
_COUNTRY_GRIDS: Final[Mapping[str, str]] = {
    "AE": "aws:me-central-1",
    "BE": "gcp:europe-west1",
    "BH": "aws:me-south-1",
    "BR": "aws:sa-east-1",
    "CH": "azure:switzerlandnorth",
    "CL": "gcp:southamerica-west1",
    "CN": "aws:cn-north-1",
    "DE": "aws:eu-central-1",
    "ES": "gcp:europe-southwest1",
    "FI": "gcp:europe-north1",
    "FR": "aws:eu-west-3",
    "GB": "aws:eu-west-2",
    "HK": "aws:ap-east-1",
    "ID": "aws:ap-southeast-3",
    "IE": "aws:eu-west-1",
    "IN": "aws:ap-south-1",
    "IT": "aws:eu-south-1",
    "JP": "aws:ap-northeast-1",
    "KR": "aws:ap-northeast-2",
    "NL": "azure:westeurope",
    "NO": "azure:norwayeast",
    "PL": "gcp:europe-central2",
    "SE": "aws:eu-north-1",
    "SG": "aws:ap-southeast-1",
    "TW": "gcp:asia-east1",
    "ZA": "aws:af-south-1",
}
_GRAMS_PER_TONNE: Final = 1e6

# Vast writes `Denmark, DK, EU`; RunPod writes the country (`US`) or a data centre, `US-TX-3` or `EU-RO-1`; CoreWeave
# writes `US-EAST-04` (but `EU-NORTH-01`, of which the table kept by hand knows the country).
_COUNTRY_IN_NAME: Final[Mapping[str, str]] = {
    "coreweave": r"^(CA|US)-",
    "vast": r"(?:^|, )([A-Z]{2})(?:, [A-Z]{2})?$",
    "runpod": r"^(?:(?:EU|EUR|AP|OC|SEA|ME)-)?([A-Z]{2})(?:-|$)",
}


def regions_part(
    fix_regions: Mapping[str, Any], ccf: Mapping[str, Any], places: Sequence[tuple[str, str]]
) -> pl.DataFrame:
    """The REGIONS rows of `places`, one for each distinct (cloud, region).

    `fix_regions` is fixinventorydata's `data/regions.json` (cloud -> region -> latitude, longitude in degrees), `ccf`
    its `data/ccfdataset.json` (cloud -> `<CLOUD>_EMISSIONS_FACTORS_METRIC_TON_PER_KWH` -> region -> t CO2e per kWh).

    The carbon intensity is that of the region in `ccf`; else that of the grid which feeds the place, taken from another
    region of `ccf` in the same country (in the US the same NERC region, in Australia the same state); else the figure
    that `region_places.csv` gives; else null. Intensities are a grid's averages over a year, whatever power a provider
    buys from it. A place that nothing is known of keeps its row, with nulls and low confidence.
    """
    carbon = _carbon(ccf)
    known = (
        pl.DataFrame(sorted(set(places)), schema={"cloud": pl.String, "region": pl.String}, orient="row")
        .join(_hand_kept(), on=["cloud", "region"], how="left")
        .join(_coordinates(fix_regions), on=["cloud", "region"], how="left", suffix="_package")
        .with_columns(country=pl.coalesce("country", *_countries_in_names()))
        .with_columns(
            own_grid=pl.concat_str("cloud", pl.lit(":"), "region"),
            country_grid=pl.col("country").replace_strict(_COUNTRY_GRIDS, default=None, return_dtype=pl.String),
        )
    )
    for grid in ("own_grid", "grid", "country_grid"):
        known = known.join(carbon.rename({"grid": grid, "carbon": f"carbon_of_{grid}"}), on=grid, how="left")
    measured = pl.any_horizontal(pl.col("latitude_package", "carbon_of_own_grid").is_not_null())
    return known.select(
        "cloud",
        "region",
        continent=pl.col("country").replace_strict(CONTINENTS, default=None, return_dtype=pl.String),
        country="country",
        latitude=pl.coalesce("latitude_package", "latitude"),
        longitude=pl.coalesce("longitude_package", "longitude"),
        carbon_g_kwh=pl.coalesce("carbon_of_own_grid", "carbon_of_grid", "carbon_of_country_grid", "carbon_g_kwh"),
        source=pl.when(measured)
        .then(pl.lit(PACKAGE))
        .when(pl.col("as_of").is_not_null())
        .then(pl.lit(HAND_KEPT))
        .otherwise(pl.lit(REGION_NAME)),
        source_version=pl.when(measured).then(pl.lit(PACKAGE_VERSION)).otherwise(None),
        observed_at=pl.when(measured).then(pl.lit(PACKAGE_DATE)).otherwise(pl.col("as_of").fill_null(PACKAGE_DATE)),
        confidence=pl.when(pl.col("country").is_null())
        .then(pl.lit(Confidence.LOW))
        .otherwise(pl.lit(Confidence.MEDIUM)),
    ).cast(REGIONS.polars_schema())


def _hand_kept() -> pl.DataFrame:
    """The places of `region_places.csv`; `grid` names a region of the carbon data. Null where not given."""
    text = (files("catalog_fetchers") / HAND_KEPT).read_bytes()
    return pl.read_csv(text, infer_schema=False).select(
        "cloud",
        "region",
        "country",
        "grid",
        pl.col("latitude", "longitude", "carbon_g_kwh").cast(pl.Float64),
        pl.col("as_of").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"),
    )


def _coordinates(fix_regions: Mapping[str, Any]) -> pl.DataFrame:
    """The coordinates of fixinventorydata: (cloud, region | latitude, longitude)."""
    rows = [
        (cloud, name, float(region["latitude"]), float(region["longitude"]))
        for cloud, regions in fix_regions.items()
        for name, region in regions.items()
    ]
    return pl.DataFrame(rows, schema=["cloud", "region", "latitude", "longitude"], orient="row")


def _carbon(ccf: Mapping[str, Any]) -> pl.DataFrame:
    """The carbon intensity of each grid of the Cloud Carbon Footprint data: (grid | carbon), in gCO2e per kWh."""
    rows = [
        (f"{cloud}:{region.lower()}", tonnes_kwh * _GRAMS_PER_TONNE)
        for cloud, tables in ccf.items()
        for region, tonnes_kwh in tables[f"{cloud.upper()}_EMISSIONS_FACTORS_METRIC_TON_PER_KWH"].items()
    ]
    return pl.DataFrame(rows, schema=["grid", "carbon"], orient="row")


def _countries_in_names() -> list[pl.Expr]:
    """The country that the name of a region states, for the clouds whose regions are named so."""
    return [
        pl.when(pl.col("cloud") == cloud).then(pl.col("region").str.extract(pattern))
        for cloud, pattern in _COUNTRY_IN_NAME.items()
    ]
