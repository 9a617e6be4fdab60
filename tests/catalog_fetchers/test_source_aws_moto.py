"""EC2's sources against moto's server, which answers with the real types and zones of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from catalog_data.checks import check
from catalog_data.embedded import embedded
from catalog_data.schema import INSTANCE_TYPES
from catalog_fetchers import aws_ec2, aws_spot_prices
from catalog_fetchers.base import Page, Tables
from catalog_fetchers.ec2_api import Ec2
from tests.kits.moto_server import CREDENTIALS, moto_server
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    """The environment that leads to a server of moto's."""
    with moto_server() as address:
        yield {**CREDENTIALS, "AWS_ENDPOINT_URL": address}


@pytest.fixture(scope="module")
def tables(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """What one look at all regions brings."""
    with access_to("", tmp_path_factory.mktemp("moto"), env) as access:
        return require_conforming(aws_ec2.SOURCE, fetched(aws_ec2.SOURCE, access))


def test_every_type_passes_the_checks(tables: Tables) -> None:
    """Every real type has hardware that the catalog takes, accelerators of a known name included."""
    machines = tables["instance_types"]
    assert machines.height > 1_300
    assert check(INSTANCE_TYPES, machines).reasons() == {}


def test_a_live_look_and_the_seed_agree_on_hardware(tables: Tables) -> None:
    """The seed was built from the same answers, read from a file; here they came as XML, page by page."""
    columns = [name for name in INSTANCE_TYPES.column_names if name not in {"source", "source_version", "observed_at"}]
    with embedded() as bundled:
        seed = pl.read_parquet(bundled.files[INSTANCE_TYPES.name]).filter(cloud="aws", source="moto")
    live = tables["instance_types"]
    both = seed.join(live, on="instance_type", how="semi").select(columns).sort("instance_type")
    assert both.height > 1_300
    assert live.join(seed, on="instance_type", how="semi").select(columns).sort("instance_type").equals(both)


def test_each_zone_belongs_to_its_region_and_has_a_type_once(tables: Tables) -> None:
    """Three zones and more in most regions, no price anywhere."""
    offers = tables["offers"]
    assert offers.height > 60_000
    assert offers["price_usd_h"].null_count() == offers.height
    assert offers.filter(~pl.col("zone").str.starts_with(pl.col("region"))).is_empty()
    assert offers.filter(pl.struct("zone", "instance_type").is_duplicated()).is_empty()
    assert offers.filter(instance_type="p5.48xlarge")["region"].n_unique() >= 5


def test_spot_prices_are_read_as_moto_sends_them(env: dict[str, str], tmp_path: Path) -> None:
    """One region; the prices are moto's placeholder, a thousandth of a cent, in each zone."""
    with access_to("", tmp_path, env) as access:
        (body,) = Ec2(access).ask("ap-southeast-5", "describe_spot_price_history", ProductDescriptions=["Linux/UNIX"])
    offers = aws_spot_prices.parse([Page("ap-southeast-5/0", body)], LOOK)["offers"]
    assert offers.height > 100
    assert offers["price_usd_h"].unique().to_list() == [0.00001]
    assert offers["zone"].str.starts_with("ap-southeast-5").all()
