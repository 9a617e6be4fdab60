"""Live sources over the embedded catalog, as a user's first refreshes bring them: what holds afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from catalog_data.embedded import publish_embedded
from catalog_data.errors import UnknownSnapshotError
from catalog_data.publishing import Claims, prune
from catalog_data.schema import OFFERS, Purchase
from catalog_data.store import Catalog
from catalog_fetchers import azure_retail, azure_skus
from catalog_fetchers.base import Source
from catalog_fetchers.refresh import Outcome, Settings, refresh
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.rows import published
from tests.kits.source_conformance import QUICK

LOOK: Final = datetime(2027, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
BY_THE_HOUR: Final = [Purchase.ON_DEMAND, Purchase.SPOT]
LISTED: Final = [Purchase.ON_DEMAND, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y]
OFFER: Final = ["region", "instance_type", "purchase"]


@pytest.fixture(scope="module")
def embedded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded catalog, published once."""
    path = tmp_path_factory.mktemp("embedded") / "catalog.duckdb"
    publish_embedded(path)
    return path


@pytest.fixture
def path(embedded_file: Path, tmp_path: Path) -> Path:
    """A catalog of one's own with what is embedded."""
    path = tmp_path / "catalog" / "catalog.duckdb"
    path.parent.mkdir()
    shutil.copy(embedded_file, path)
    return path


def offers_of(path: Path, cloud: str, at: datetime | None = None) -> pl.DataFrame:
    """What holds of a cloud."""
    with Catalog.open(path) as catalog:
        return catalog.table(OFFERS, catalog.resolve(at)).filter(pl.col("cloud") == cloud)


def say(path: Path, source: str, at: datetime, rows: pl.DataFrame, complete_for: Iterable[Purchase]) -> None:
    """Publish rows of OFFERS as the provider's own."""
    stamps: dict[str, Any] = {"source": source, "source_version": None, "observed_at": at, "confidence": "high"}
    said = rows.with_columns(**{name: pl.lit(value) for name, value in stamps.items()})
    said = said.select(pl.col(name).cast(dtype) for name, dtype in OFFERS.polars_schema().items())
    published(path, offers=said, at=at, looks={source: Claims(tuple(complete_for))})


def price_list(path: Path) -> pl.DataFrame:
    """The embedded prices of AWS, by region, each a tenth lower."""
    priced = offers_of(path, "aws").filter(pl.col("purchase").is_in(LISTED), pl.col("price_usd_h").is_not_null())
    by_region = priced.group_by("cloud", *OFFER).agg(pl.col("price_usd_h").median() * 0.9)
    return by_region.with_columns(zone=None, available=None, quantity=None, unconfirmed=None)


def look(path: Path, source: Source, at: datetime) -> None:
    """Refresh from one source's recorded answers."""
    with provider_of(recorded_routes(source.name)) as provider:
        env, home = recorded_env(source.name), path.parent
        settings = Settings(at, env, home, home / "cache", provider.mirror, QUICK)
        [looked] = refresh(path, [source], settings).looks
    assert looked.outcome is Outcome.PUBLISHED


def test_a_list_by_region_takes_the_place_of_every_price_by_zone(path: Path) -> None:
    """A type has one on-demand price in a region, in all the zones that it had; spot prices stay what they were."""
    before = offers_of(path, "aws")
    listed = price_list(path)
    say(path, "aws_price_list", LOOK, listed, LISTED)
    after = offers_of(path, "aws")
    sold = after.filter(pl.col("purchase") == Purchase.ON_DEMAND, pl.col("price_usd_h").is_not_null())
    assert set(sold["source"]) == {"aws_price_list"}
    assert sold.join(listed, on=[*OFFER, "price_usd_h"], how="anti").is_empty()
    zones = [*OFFER, "zone"]
    assert set(sold.select(zones).rows()) == set(
        before.filter(pl.col("purchase") == Purchase.ON_DEMAND, pl.col("price_usd_h").is_not_null())
        .select(zones)
        .rows()
    )
    spot = pl.col("purchase") == Purchase.SPOT
    assert after.filter(spot).sort(zones).equals(before.filter(spot).sort(zones))


def test_the_zones_of_an_account_close_the_others(path: Path) -> None:
    """It sees two zones of us-east-1: neither on-demand nor spot prices of the embedded catalog hold in another one."""
    zones = ["us-east-1a", "us-east-1b"]
    seen = offers_of(path, "aws").filter(
        pl.col("purchase") == Purchase.ON_DEMAND, pl.col("zone").is_in(zones), pl.col("price_usd_h").is_not_null()
    )
    say(path, "aws_ec2", LOOK, seen.with_columns(price_usd_h=None, available=True), [Purchase.ON_DEMAND])
    after = offers_of(path, "aws").filter(pl.col("purchase").is_in(BY_THE_HOUR))
    assert set(after.filter(pl.col("region") == "us-east-1")["zone"]) == set(zones)
    assert set(after.filter(pl.col("region") == "us-east-2")["zone"]) == {"us-east-2a", "us-east-2b", "us-east-2c"}


def test_what_azure_closes_to_a_subscription_is_closed_for_spot_too(path: Path) -> None:
    """The price list knows no subscription; what that one may not have is not available, whichever way it is bought."""
    look(path, azure_retail.SOURCE, LOOK)
    look(path, azure_skus.SOURCE, LOOK + HOUR)
    offers = offers_of(path, "azure").filter(
        pl.col("region") == "eastus", pl.col("instance_type") == "Standard_ND96isr_H100_v5"
    )
    rows = offers.select("purchase", "zone", "price_usd_h", "available").sort("purchase").rows()
    assert rows == [("on_demand", "eastus-1", 98.32, False), ("spot", "eastus-1", 18.169536, False)]


def test_as_of_a_time_before_a_source_was_there(path: Path) -> None:
    """The embedded catalog answers, and its sources are those of then; after pruning it says that it has forgotten."""
    before = offers_of(path, "aws")
    say(path, "aws_price_list", LOOK, price_list(path), LISTED)
    then = LOOK - HOUR
    assert offers_of(path, "aws", then).equals(before)
    with Catalog.open(path) as catalog:
        assert "aws_price_list" not in {age.source for age in catalog.sources(catalog.resolve(then))}
    now = offers_of(path, "aws")
    assert prune(path, LOOK) == 1
    assert offers_of(path, "aws").equals(now)
    with Catalog.open(path) as catalog, pytest.raises(UnknownSnapshotError, match="nothing was known yet"):
        catalog.resolve(then)
