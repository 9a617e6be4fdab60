"""The embedded catalog as it is committed: what it must hold at least, and that its files are what they claim to be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from catalog_data.checks import check
from catalog_data.schema import INSTANCE_TYPES, OFFERS, PROVENANCE, TABLES

FOLDER: Final = Path(__file__).parents[2] / "catalog_data/seed"
SEED: Final = {path.stem: pl.read_parquet(path) for path in sorted(FOLDER.glob("*.parquet"))}
MANIFEST: Final[dict[str, Any]] = json.loads((FOLDER / "MANIFEST.json").read_text(encoding="utf-8"))


def offers(**where: str) -> pl.DataFrame:
    """The offers whose columns have these values, beside their hardware."""
    machines = SEED["instance_types"].drop(column.name for column in PROVENANCE)
    return SEED["offers"].filter(**where).join(machines, on=["cloud", "instance_type"], how="left")


def priced(cloud: str, region: str, instance_type: str, purchase: str = "on_demand") -> set[float]:
    """The prices of a type in a region, over all its zones."""
    found = offers(cloud=cloud, region=region, instance_type=instance_type, purchase=purchase)
    return set(found["price_usd_h"])


def test_the_files_are_those_of_the_manifest() -> None:
    """Each file has the hash and the rows that the manifest states, and there is no other."""
    stated = {entry["file"]: (entry["rows"], entry["sha256"]) for entry in MANIFEST["tables"].values()}
    found = {
        path.name: (SEED[path.stem].height, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in FOLDER.glob("*.parquet")
    }
    assert found == stated


def test_the_files_are_small() -> None:
    """At most 5 MB in all."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 5_000_000


def test_every_package_is_named_in_the_notice() -> None:
    """Each source that is a package is in the manifest, and each of those in NOTICE, with version and licence."""
    text = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    built_from = {entry["package"]: entry for entry in MANIFEST["built_from"]}
    for entry in built_from.values():
        assert f"{entry['package']} {entry['version']}\n{entry['url']}\nLicence: {entry['licence']}" in text
    sources = {row for frame in SEED.values() for row in frame.select("source", "source_version").unique().rows()}
    packages = {row for row in sources if row[0] in built_from}
    assert packages == {(entry["package"], entry["version"]) for entry in built_from.values()}


@pytest.mark.parametrize("name", sorted(SEED))
def test_each_table_passes_the_checks_again(name: str) -> None:
    """Nothing of the committed rows is rejected, and every row has its provenance."""
    machines = SEED["instance_types"] if name == "offers" else None
    checked = check(TABLES[name], SEED[name], instance_types=machines)
    assert checked.reasons() == {}
    assert SEED[name].select("source", "observed_at", "confidence").null_count().row(0) == (0, 0, 0)


def test_aws_is_covered() -> None:
    """29 regions, 1,300 types with hardware, 60,000 type x zone rows, all purchases, and interruption bands."""
    aws = offers(cloud="aws")
    zones = aws.filter(pl.col("purchase") == "on_demand").select("zone", "instance_type").drop_nulls()
    hardware = aws.drop_nulls(["vcpus", "memory_gib", "arch", "network_gbit_s", "local_ssd_gib"])
    assert aws["region"].n_unique() >= 29
    assert hardware["instance_type"].n_unique() >= 1_300
    assert zones.unique().height >= 60_000
    by_purchase = dict(aws.drop_nulls("price_usd_h").group_by("purchase").len().iter_rows())
    assert by_purchase["on_demand"] > 35_000
    assert by_purchase["spot"] > 30_000
    assert by_purchase["reserved_1y"] > 10_000
    assert by_purchase["reserved_3y"] > 10_000
    assert SEED["spot_risk"].height > 10_000


def test_gcp_is_covered() -> None:
    """CPU families in 20 regions or more; each GPU and TPU at a price for the whole machine."""
    gcp = offers(cloud="gcp").drop_nulls("price_usd_h")
    plain = gcp.filter(pl.col("accelerator").is_null())
    for series in ("e2-standard", "n1-standard", "n2-standard", "c2-standard"):
        assert plain.filter(pl.col("instance_type").str.starts_with(series))["region"].n_unique() >= 20
    wanted = {"A100", "A100-80GB", "H100", "H200", "L4", "T4", "V100", "TPU-v4", "TPU-v5e", "TPU-v5p", "TPU-v6e"}
    assert wanted <= set(gcp["accelerator"].drop_nulls())


def test_azure_is_covered() -> None:
    """Many sizes in many regions, old prices marked low, and A100, H100 and H200."""
    azure = offers(cloud="azure").drop_nulls("price_usd_h")
    assert azure["region"].n_unique() >= 40
    assert azure["instance_type"].n_unique() >= 200
    assert set(azure.filter(pl.col("source") == "apache-libcloud")["confidence"]) == {"low"}
    assert {"A100", "A100-80GB", "H100", "H200"} <= set(azure["accelerator"].drop_nulls())


def test_the_small_clouds_are_there() -> None:
    """Each has at least one price."""
    clouds = set(SEED["offers"].drop_nulls("price_usd_h")["cloud"])
    assert {"oci", "lambda", "runpod", "nebius", "coreweave", "digitalocean", "vast"} <= clouds


def test_regions_and_egress_cover_the_offers() -> None:
    """Each region with an offer has its row; from nearly all regions there is a rate to every other one."""
    places = set(SEED["offers"].select("cloud", "region").unique().rows())
    assert places == set(SEED["regions"].select("cloud", "region").rows())
    pairs = SEED["egress"].filter(pl.col("tier_from_gb") == 0)
    to_all = pairs.group_by("src_cloud", "src_region").len().filter(pl.col("len") == len(places))
    for cloud, at_least in {"aws": 29, "azure": 43, "gcp": 28}.items():
        assert to_all.filter(src_cloud=cloud).height >= at_least


@pytest.mark.parametrize(
    ("cloud", "region", "instance_type", "usd_h"),
    [
        ("aws", "us-east-1", "m5.large", 0.096),
        ("aws", "us-east-1", "g5.xlarge", 1.006),
        ("aws", "us-east-1", "g6.xlarge", 0.8048),
        ("aws", "eu-west-1", "c5.xlarge", 0.192),
        ("aws", "us-east-1", "c8g.large", 0.07976),
        ("aws", "us-east-1", "p4d.24xlarge", 21.957642),
        ("aws", "us-east-1", "p4de.24xlarge", 27.44705),
        ("aws", "us-east-1", "p5.48xlarge", 55.04),
        ("gcp", "us-central1", "e2-standard-4", 0.134023),
        ("gcp", "us-central1", "e2-micro", 0.008376),
        ("azure", "eastus", "Standard_D2s_v3", 0.096),
        ("azure", "eastus", "Standard_NC24ads_A100_v4", 3.673),
    ],
)
def test_known_list_prices(cloud: str, region: str, instance_type: str, usd_h: float) -> None:
    """List prices that are widely known, one and the same in each zone."""
    assert priced(cloud, region, instance_type) == {usd_h}


def test_prices_from_before_the_cut_are_of_low_confidence() -> None:
    """Where no later figure of P4d, P4de or P5 is known, the old one is marked."""
    old = SEED["offers"].filter(pl.col("instance_type").str.contains(r"^(p4d|p4de|p5)\."), source="fixinventorydata")
    assert old.height > 0
    assert set(old["confidence"]) == {"low"}


def test_only_on_demand_offers_lack_a_price() -> None:
    """A zone that offers a type at a price not known here is said to offer it; nothing else is without a price."""
    unpriced = SEED["offers"].filter(pl.col("price_usd_h").is_null())
    assert set(unpriced.select("purchase", "available").rows()) == {("on_demand", True)}
    assert unpriced["zone"].null_count() == 0


def test_every_offer_has_its_hardware() -> None:
    """vCPUs or accelerators are known of each type on offer."""
    every = offers()
    assert every.filter(pl.col("vcpus").is_null() & pl.col("accelerator").is_null()).height == 0
    assert (
        set(TABLES) >= set(SEED) >= {OFFERS.name, INSTANCE_TYPES.name, "regions", "egress", "throughput", "spot_risk"}
    )
