"""Regions of the seed: places, countries and carbon intensity, from packages and from the hand-kept table."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import polars as pl
import pytest

from catalog_data.schema import REGIONS
from catalog_fetchers.countries import CONTINENTS
from catalog_fetchers.seed.regions import regions_part

FIX: Final[Mapping[str, Any]] = {"aws": {"eu-north-1": {"latitude": 59.33, "longitude": 18.07}}}
CCF: Final[Mapping[str, Any]] = {
    "aws": {"AWS_EMISSIONS_FACTORS_METRIC_TON_PER_KWH": {"eu-north-1": 8.8e-06, "us-east-1": 0.000379069}},
    "azure": {"AZURE_EMISSIONS_FACTORS_METRIC_TON_PER_KWH": {"EastUS": 0.0004}},
}
# Latitude and longitude that hold the mainland and the islands with data centres: south, north, west, east.
BOXES: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "africa": (-35, 38, -18, 52),
    "asia": (-11, 56, 26, 150),
    "europe": (35, 71, -25, 60),
    "north_america": (7, 72, -170, -52),
    "oceania": (-48, 20, 110, 180),
    "south_america": (-56, 13, -82, -34),
}


def only_row(place: tuple[str, str]) -> dict[str, Any]:
    """The row of one place, built from the small packages above."""
    return regions_part(FIX, CCF, [place]).row(0, named=True)


def hand_kept() -> pl.DataFrame:
    """The table kept by hand, all columns as text."""
    return pl.read_csv((files("catalog_fetchers") / "region_places.csv").read_bytes(), infer_schema=False)


def seed(table: str) -> pl.DataFrame:
    """A table of the committed seed."""
    return pl.read_parquet((files("catalog_data") / "seed" / f"{table}.parquet").read_bytes())


def test_tonnes_become_grams() -> None:
    """The grid of Stockholm emits 8.8e-06 t/kWh, which is 8.8 g/kWh."""
    stockholm = only_row(("aws", "eu-north-1"))
    assert stockholm["carbon_g_kwh"] == pytest.approx(8.8)
    assert (stockholm["latitude"], stockholm["longitude"]) == (59.33, 18.07)
    assert (stockholm["continent"], stockholm["country"], stockholm["source"]) == ("europe", "SE", "fixinventorydata")


def test_carbon_is_found_whatever_the_case_of_the_name() -> None:
    """The carbon data writes `EastUS` where Azure's API says `eastus`."""
    assert only_row(("azure", "eastus"))["carbon_g_kwh"] == pytest.approx(400)


def test_the_same_name_at_two_clouds_is_two_regions() -> None:
    """`us-east-1` is a region of AWS and another one of Lambda."""
    both = regions_part(FIX, CCF, [("lambda", "us-east-1"), ("aws", "us-east-1")])
    assert both.select("cloud", "region").rows() == [("aws", "us-east-1"), ("lambda", "us-east-1")]
    assert both["source"].to_list() == ["fixinventorydata", "region_places.csv"]


def test_a_place_borrows_the_carbon_intensity_of_its_grid() -> None:
    """Lambda's us-east-1 stands in Virginia, so it has the grid of AWS us-east-1; OCI in Stockholm has Sweden's."""
    assert only_row(("lambda", "us-east-1"))["carbon_g_kwh"] == pytest.approx(379.069)
    assert only_row(("oci", "eu-stockholm-1"))["carbon_g_kwh"] == pytest.approx(8.8)


def test_a_country_outside_the_carbon_data_has_the_hand_kept_figure() -> None:
    """No region of the carbon data is in Israel; the hand-kept table gives the country's average."""
    assert only_row(("gcp", "me-west1"))["carbon_g_kwh"] == pytest.approx(582.9)


@pytest.mark.parametrize(
    ("cloud", "region", "country", "continent"),
    [
        ("vast", "The Netherlands, NL, EU", "NL", "europe"),
        ("vast", ", US, NA", "US", "north_america"),
        ("vast", "Taiwan, TW, AS", "TW", "asia"),
        ("runpod", "US", "US", "north_america"),
        ("runpod", "EU-RO-1", "RO", "europe"),
        ("runpod", "CA-MTL-3", "CA", "north_america"),
        ("runpod", "AP-JP-1", "JP", "asia"),
        ("coreweave", "US-EAST-99", "US", "north_america"),
    ],
)
def test_the_country_is_read_from_names_that_state_it(cloud: str, region: str, country: str, continent: str) -> None:
    """Vast, RunPod and CoreWeave name regions after countries, so that no table has to list each."""
    row = only_row((cloud, region))
    assert (row["country"], row["continent"], row["source"]) == (country, continent, "region name")


def test_an_unknown_place_keeps_its_row() -> None:
    """What nothing is known of has nulls and low confidence, and is not left out."""
    row = only_row(("hyperbolic", "default"))
    assert [row[name] for name in ("continent", "country", "latitude", "longitude", "carbon_g_kwh")] == [None] * 5
    assert row["confidence"] == "low"


def test_places_given_twice_are_one_row_of_the_tables_schema() -> None:
    """Offers name their region many times."""
    frame = regions_part(FIX, CCF, [("aws", "eu-north-1"), ("aws", "eu-north-1")])
    assert frame.height == 1
    assert frame.schema == REGIONS.polars_schema()


def test_no_country_is_on_two_continents() -> None:
    """The 249 codes of ISO 3166-1 without the five of Antarctica and the islands around it, and Kosovo's XK."""
    assert len(CONTINENTS) == 245
    assert not {"AQ", "BV", "GS", "HM", "TF"} & set(CONTINENTS)
    assert all(len(country) == 2 and country.isupper() for country in CONTINENTS)


def test_every_hand_kept_place_is_whole() -> None:
    """One row for a region, a known country, both coordinates or none, and where, when and by whom it was said."""
    places = hand_kept()
    assert not places.select("cloud", "region").is_duplicated().any()
    assert set(places["country"]) <= set(CONTINENTS)
    assert (places["latitude"].is_null() == places["longitude"].is_null()).all()
    assert places["page_url"].str.starts_with("https://").all()
    assert (places["found_in"].str.len_chars() > 3).all()
    assert places["as_of"].str.to_date("%Y-%m-%d", strict=False).null_count() == 0


def test_hand_kept_coordinates_lie_on_the_continent_of_their_country() -> None:
    """A sign or a digit that was mistyped moves a city to another continent."""
    located = hand_kept().drop_nulls("latitude").with_columns(pl.col("country").replace_strict(CONTINENTS).alias("on"))
    assert located.height > 80
    assert outside_boxes(located.with_columns(pl.col("latitude", "longitude").cast(pl.Float64))) == []


def test_the_seed_knows_where_each_region_is() -> None:
    """Every region of the committed seed has a country and a continent; Vast's list price is for no place at all."""
    regions = seed("regions")
    unknown = regions.filter(pl.col("country").is_null() | pl.col("continent").is_null())
    assert set(unknown.select("cloud", "region").rows()) <= {("vast", "worldwide")}
    assert outside_boxes(regions.drop_nulls("latitude").rename({"continent": "on"})) == []


def test_stockholm_is_cleaner_than_mumbai() -> None:
    """Water and nuclear power against coal: the figures of the seed differ by more than ten times."""
    aws = seed("regions").filter(pl.col("cloud") == "aws")
    carbon = dict(aws.select("region", "carbon_g_kwh").iter_rows())
    assert carbon["eu-north-1"] * 10 < carbon["ap-south-1"]


def outside_boxes(located: pl.DataFrame) -> list[tuple[str, str]]:
    """The (cloud, region) whose coordinates are not in the box of the continent in column `on`."""
    south, north, west, east = (
        pl.col("on").replace_strict({name: box[side] for name, box in BOXES.items()}, return_dtype=pl.Float64)
        for side in range(4)
    )
    inside = pl.col("latitude").is_between(south, north) & pl.col("longitude").is_between(west, east)
    return located.filter(~inside).select("cloud", "region").rows()
