"""Vast.ai: what its list of single hosts becomes."""

from __future__ import annotations

import ast
import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from catalog_data.checks import check
from catalog_data.schema import INSTANCE_TYPES
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.vast import LEAST_RELIABILITY, LIMIT, SOURCE
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Vast.ai answers to one look."""
    with (
        provider_of(recorded_routes("vast")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("vast")) as access,
    ):
        return fetched(SOURCE, access)


def _hosts(*hosts: dict[str, Any]) -> Pages:
    """Hosts with one RTX 4090 each, which differ in what is given."""
    usual: dict[str, Any] = {
        "machine_id": 1,
        "gpu_name": "RTX 4090",
        "num_gpus": 1,
        "gpu_ram": 24564,
        "cpu_arch": "amd64",
        "cpu_cores_effective": 32,
        "cpu_ram": 65536,
        "dph_total": 0.4,
        "min_bid": None,
        "reliability": 0.99,
        "verification": "verified",
        "geolocation": "Japan, JP",
    }
    return (Page("offers", json.dumps({"offers": [usual | host for host in hosts]}).encode()),)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_only_verified_and_reliable_hosts_are_asked_for(tmp_path: Path) -> None:
    """All of them in one question that needs no key."""
    with provider_of(recorded_routes("vast")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        fetched(SOURCE, access)
    asked = json.loads(provider.received[0].body)
    assert asked["verified"] == {"eq": True}
    assert asked["reliability"] == {"gte": LEAST_RELIABILITY}
    assert asked["limit"] == LIMIT


def test_hosts_alike_are_one_offer_at_the_lower_median(pages: Pages) -> None:
    """Of 0.35, 0.39 and 0.44 USD/h two can be had for 0.39; an unverified and an unreliable host do not count."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(region="Japan, JP, AS", instance_type="1x-RTX_4090-32-65536")
    assert offers.select("purchase", "price_usd_h", "quantity").rows() == [
        ("on_demand", 0.39, 2),
        ("spot", 0.21, 2),
    ]


def test_a_type_is_named_after_what_each_of_its_hosts_has(pages: Pages) -> None:
    """36 to 48 vCPUs are 32, and 96,500 MiB are 65,536; 64,100 MiB are 32,768 and another type."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    small = machines.filter(accelerator="RTX4090").sort("memory_gib")
    assert small.select("instance_type", "vcpus", "memory_gib").rows() == [
        ("1x-RTX_4090-32-32768", 32, 32),
        ("1x-RTX_4090-32-65536", 32, 64),
    ]
    assert small["accelerator_memory_gib"].round(2).to_list() == [23.99, 23.99]


def test_parts_of_a_host_have_a_share_of_its_cores(pages: Pages) -> None:
    """Half of a host of 224 cores and 8 H100 has 112, and its own memory; two halves are one machine."""
    tables = SOURCE.parse(pages, LOOK)
    machines = tables["instance_types"].filter(accelerator="H100").sort("accelerator_count")
    assert machines.select("instance_type", "vcpus", "memory_gib").rows() == [
        ("4x-H100_SXM-64-524288", 64, 512),
        ("8x-H100_SXM-128-1048576", 128, 1024),
    ]
    halves = tables["offers"].filter(instance_type="4x-H100_SXM-64-524288", purchase="on_demand")
    assert halves.select("region", "price_usd_h", "quantity").rows() == [(", US, NA", 8.8, 1)]


def test_the_size_tells_models_apart_that_share_a_name(pages: Pages) -> None:
    """`A100 SXM4` is sold with 80 and with 40 GB; the smaller one bears its size in the name of the type."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].sort("instance_type")
    assert machines.filter(machines["instance_type"].str.contains("A100|NVL|4060")).select(
        "instance_type", "accelerator"
    ).rows() == [
        ("1x-A100_SXM4-32-131072", "A100-80GB"),
        ("1x-A100_SXM4_40GB-32-131072", "A100"),
        ("1x-H100_NVL-32-262144", "H100-NVL"),
        ("4x-RTX_4060_Ti-32-65536", "RTX4060Ti"),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"geolocation": None},
        {"cpu_cores_effective": 0},
        {"cpu_cores_effective": None},
        {"dph_total": 0},
        {"reliability": 0.9},
        {"reliability": None},
        {"verification": "deverified"},
    ],
)
def test_hosts_that_do_not_say_what_they_are_do_not_count(fault: dict[str, Any]) -> None:
    """No place, no cores, no price, or not good enough: the other host is the offer."""
    offers = SOURCE.parse(_hosts({"machine_id": 1, "dph_total": 0.1} | fault, {"machine_id": 2}), LOOK)["offers"]
    assert offers.select("price_usd_h", "quantity").rows() == [(0.4, 1)]


def test_a_bid_above_the_price_on_demand_is_no_offer() -> None:
    """Nobody would bid 0.5 where 0.4 rents the host for certain."""
    offers = SOURCE.parse(_hosts({"min_bid": 0.5}), LOOK)["offers"]
    assert offers["purchase"].to_list() == ["on_demand"]


@pytest.mark.parametrize(
    ("geolocation", "region", "continent"),
    [
        ("Oregon, US", "Oregon, US, NA", "north_america"),
        ("Brazil, BR", "Brazil, BR, LC", "south_america"),
        ("Mexico, MX", "Mexico, MX, LC", "north_america"),
        (", AU", ", AU, OC", "oceania"),
        ("Atlantis, QQ", "Atlantis, QQ", None),
    ],
)
def test_regions_are_named_as_skypilot_names_them(geolocation: str, region: str, continent: str | None) -> None:
    """The place, and the part of the world where that is known."""
    regions = SOURCE.parse(_hosts({"geolocation": geolocation}), LOOK)["regions"]
    assert regions.select("region", "continent").rows() == [(region, continent)]


def test_a_list_that_was_cut_off_is_no_list() -> None:
    """At the limit nobody knows what is missing."""
    full = _hosts(*({"machine_id": number} for number in range(LIMIT)))
    with pytest.raises(AnswerError, match="cut off at 10,000 offers"):
        SOURCE.parse(full, LOOK)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its price field the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"dph_total", b"total_dph")) for page in pages]
    with pytest.raises(AnswerError, match=r"offers\.0\.dph_total: field required"):
        SOURCE.parse(renamed, LOOK)


def test_names_and_regions_are_those_of_skypilots_catalog(shared: Path) -> None:
    """Each row there, made into a host again, has the type's name, the region and a model with the right memory."""
    with (shared / "data" / "catalogs" / "skypilot-format" / "vast_vms.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 64
    for row in listed:
        host = _host_of(row["InstanceType"], row["GpuInfo"]) | {"geolocation": row["Region"].rpartition(", ")[0]}
        tables = SOURCE.parse(_hosts(host), LOOK)
        assert check(INSTANCE_TYPES, tables["instance_types"]).reasons() == {}
        assert tables["regions"]["region"].to_list() == [row["Region"]]
        (made,) = tables["instance_types"]["instance_type"]
        assert re.sub(r"_40GB-", "-", made) == row["InstanceType"]


def _host_of(instance_type: str, gpu_info: str) -> dict[str, Any]:
    """`2x-RTX_4090-32-65536` and the memory of its GPUs as fields of a host with 32 vCPUs and 64 GiB."""
    count, name = instance_type.removesuffix("-32-65536").split("x-", 1)
    gpus = ast.literal_eval(gpu_info)
    return {
        "gpu_name": name.replace("_", " "),
        "num_gpus": int(count),
        "gpu_ram": gpus["TotalGpuMemoryInMiB"] / int(count),
    }
