"""SkyPilot's catalog: what the rows of its files become."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from catalog_data.checks import check
from catalog_data.schema import OFFERS
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.judging import known_hardware
from catalog_fetchers.skypilot_csv import CLOUDS, SOURCE, Imported, files_in, imported
from tests.kits.import_report import CloudReport, check_import
from tests.kits.provider import provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

STAGE = "skypilot_catalog"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """One file for each cloud."""
    folder = tmp_path_factory.mktemp("look")
    with provider_of(recorded_routes(STAGE)) as provider, access_to(provider.mirror, folder, {}) as access:
        return fetched(SOURCE, access)


@pytest.fixture(scope="module")
def found(pages: Pages) -> Imported:
    """The rows of the files."""
    return imported({page.name: page.body for page in pages}, LOOK)


def one_type(found: Imported, cloud: str, name: str) -> dict[str, object]:
    """The hardware of a type."""
    return found.tables["instance_types"].filter(cloud=pl.lit(cloud), instance_type=pl.lit(name)).row(0, named=True)


def prices(found: Imported, cloud: str, name: str) -> list[tuple[str, str | None, str, float | None]]:
    """Region, zone, purchase and price of each offer of a type."""
    offers = found.tables["offers"].filter(cloud=pl.lit(cloud), instance_type=pl.lit(name))
    return offers.select("region", "zone", "purchase", "price_usd_h").rows()


def test_it_conforms(pages: Pages) -> None:
    """The rows are those of the catalog, and every cloud has some."""
    tables = require_conforming(SOURCE, pages)
    assert set(tables["offers"]["cloud"]) == set(CLOUDS)


def test_both_prices_of_a_row_are_offers(found: Imported) -> None:
    """Long, not wide: on demand and spot are rows of their own, and an empty price is none."""
    assert prices(found, "nebius", "gpu-h200-sxm_8gpu-128vcpu-1600gb") == [
        ("eu-north1", None, "on_demand", 28.0),
        ("eu-north1", None, "spot", 11.6),
    ]
    assert prices(found, "verda", "2B300.60V") == [("FIN-03", None, "spot", 4.893)]


def test_zone_ids_are_taken_together_by_region(found: Imported) -> None:
    """`use1-az1` names another zone in each account: EC2's row is of the region, at the median spot price."""
    assert prices(found, "aws", "m7g.large") == [
        ("us-east-1", None, "on_demand", 0.0816),
        ("us-east-1", None, "spot", 0.0351),
    ]


def test_an_architecture_that_is_neither_is_not_guessed(found: Imported) -> None:
    """EC2's first machines are listed as i386."""
    assert one_type(found, "aws", "m7g.large")["arch"] == "arm64"
    assert one_type(found, "aws", "c1.medium")["arch"] is None


def test_a_machine_of_google_costs_what_its_parts_cost(found: Imported) -> None:
    """a2-highgpu-1g is 0.73948 + 2.93391 USD/h in the zone that has its GPU, and left out in the other."""
    assert [
        (zone, purchase, round(price or 0, 5)) for _, zone, purchase, price in prices(found, "gcp", "a2-highgpu-1g")
    ] == [("us-central1-a", "on_demand", 3.67339), ("us-central1-a", "spot", 1.5268)]
    machine = one_type(found, "gcp", "a2-highgpu-1g")
    assert (machine["accelerator"], machine["accelerator_count"], machine["accelerator_memory_gib"]) == ("A100", 1, 40)


def test_the_price_of_a_b200_is_that_of_the_whole_machine(found: Imported) -> None:
    """a4-highgpu-8g is listed at zero beside it."""
    assert prices(found, "gcp", "a4-highgpu-8g")[0] == ("us-central1", "us-central1-b", "on_demand", 90.216)


def test_gpus_are_attached_to_machines_that_may_have_them(found: Imported) -> None:
    """One T4 goes into up to 48 vCPUs and one V100 into up to 12, of the zone that has them; not into other series."""
    types = found.tables["instance_types"]
    attached = types.filter(pl.col("instance_type").str.contains("+", literal=True))
    assert sorted(attached["instance_type"]) == [
        "n1-standard-1+t4x1",
        "n1-standard-1+v100x1",
        "n1-standard-16+t4x1",
        "n1-standard-32+t4x1",
        "n1-standard-8+t4x1",
        "n1-standard-8+v100x1",
    ]
    rows = prices(found, "gcp", "n1-standard-8+t4x1")
    assert [(zone, purchase, round(price or 0, 5)) for _, zone, purchase, price in rows] == [
        ("us-central1-a", "on_demand", 0.73),
        ("us-central1-a", "spot", 0.224),
    ]
    assert [purchase for _, _, purchase, _ in prices(found, "gcp", "n1-standard-8+v100x1")] == ["on_demand"]


def test_a_tpu_slice_bears_googles_name_and_its_chips(found: Imported) -> None:
    """`tpu-v4-8` has 4 chips and `tpu-v6e-8` has 8; a row that is there twice counts once."""
    chips = {
        name: (machine["accelerator"], machine["accelerator_count"], machine["vcpus"])
        for name in ("v4-8", "v6e-8", "v5litepod-8")
        for machine in [one_type(found, "gcp", name)]
    }
    assert chips == {"v4-8": ("TPU-v4", 4, None), "v6e-8": ("TPU-v6e", 8, None), "v5litepod-8": ("TPU-v5e", 8, None)}
    assert len(prices(found, "gcp", "v6e-8")) == 2


@pytest.mark.parametrize(
    ("cloud", "name", "model", "count", "memory_gib"),
    [
        ("lambda", "gpu_8x_h100_sxm5", "H100", 8, 80),
        ("oci", "BM.GPU.A10.4", "A10", 4, 24),
        ("primeintellect", "nebius__8xH100_80GB__128__1600", "H100", 8, 80),
        ("runpod", "2x_A100-80GB_SECURE", "A100-80GB", 2, 80),
        ("shadeform", "hyperstack_A6000x2", "A6000", 2, 48),
        ("vast", "4x-A100_SXM4-32-65536", "A100-80GB", 4, 80),
        ("cudo", "epyc-genoa-a100-pcie_1x8v16gb", "A100-80GB", 1, 80),
        ("azure", "Standard_NC24ads_A100_v4", "A100-80GB", 1, None),
        ("azure", "Standard_NV6ads_A10_v5", "A10", 1 / 6, None),
        ("seeweb", "ECS1GPU12", "RTXPRO6000", 1, None),
    ],
)
def test_the_memory_of_one_device(
    found: Imported, cloud: str, name: str, model: str, count: float, memory_gib: float | None
) -> None:
    """One device's, all devices' and GiB in place of MiB come to the same; with 80 GiB an A100 is the larger model."""
    machine = one_type(found, cloud, name)
    stated = (machine["accelerator"], machine["accelerator_count"], machine["accelerator_memory_gib"])
    assert stated == (model, count, memory_gib)


def test_vasts_own_name_says_more(found: Imported) -> None:
    """SkyPilot calls it RTX4070; the machine has the Ti Super with 16 GB."""
    assert one_type(found, "vast", "2x-RTX_4070S_Ti-32-65536")["accelerator"] == "RTX4070TiSuper"


def test_a_count_without_an_accelerator_is_none(found: Imported) -> None:
    """Nebius's list has 0 accelerators where others leave the cell empty."""
    assert one_type(found, "nebius", "cpu-d3_4vcpu-16gb")["accelerator_count"] is None


def test_what_is_left_out_is_counted(found: Imported) -> None:
    """A machine without its GPU's price, 16 GPUs without a machine, and one name for two kinds of hardware."""
    assert found.left_out.rows() == [
        ("gcp", "accelerator_price_missing", 1),
        ("gcp", "accelerator_without_machine", 1),
        ("vast", "other_hardware_of_the_same_name", 1),
    ]
    assert found.read["gcp"] == 24


def test_the_report_says_what_became_of_each_cloud(found: Imported) -> None:
    """Vast: four rows, one of them left out; three prices on demand and one spot stand, two of zero do not."""
    checked = check_import(found)
    reports = {report.cloud: report for report in checked.report}
    assert reports["vast"] == CloudReport(
        "vast",
        read=4,
        types=3,
        offers=4,
        left_out={"other_hardware_of_the_same_name": 1},
        rejected={"zero_price": 2},
    )
    assert reports["mithril"].rejected == {"placeholder_price": 2}
    assert reports["seeweb"].rejected == {"empty_text": 1}
    assert sum(report.offers for report in checked.report) == checked.kept["offers"].height


def test_types_that_the_catalog_knows_stand_in_for_rejected_ones(found: Imported) -> None:
    """An offer whose own hardware is refused is judged beside the hardware that is known."""
    types = found.tables["instance_types"]
    broken = types.with_columns(
        accelerator=pl.when(pl.col("cloud") == "yotta").then(pl.lit("RTX 9999")).otherwise("accelerator")
    )
    without = check_import(Imported({**found.tables, "instance_types": broken}, found.read, found.left_out))
    yotta = next(report for report in without.report if report.cloud == "yotta")
    assert yotta.rejected == {"unknown_accelerator": 1, "unknown_type": 1}
    hardware = known_hardware(types, {"skypilot_catalog": {"instance_types": broken}})
    offers = found.tables["offers"].filter(cloud=pl.lit("yotta"))
    assert check(OFFERS, offers, instance_types=hardware).kept.height == 1


def test_a_folder_holds_files_by_either_name(tmp_path: Path) -> None:
    """`<cloud>_vms.csv` and `<cloud>/vms.csv`; other files are none of ours, and `do` is DigitalOcean."""
    row = b"InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region\ng-2,,,2,8,0.09375,nyc1\n"
    (tmp_path / "do_vms.csv").write_bytes(row)
    (tmp_path / "nebius").mkdir()
    (tmp_path / "nebius" / "vms.csv").write_bytes(row)
    (tmp_path / "gcp_price_changes.csv").write_text("no catalog")
    found = imported(files_in(tmp_path), LOOK - timedelta(days=1), source="import", source_version="v8")
    assert sorted(found.read) == ["digitalocean", "nebius"]
    offer = found.tables["offers"].filter(cloud=pl.lit("digitalocean")).row(0, named=True)
    assert (offer["source"], offer["source_version"], offer["observed_at"]) == (
        "import",
        "v8",
        LOOK - timedelta(days=1),
    )


def test_no_file_gives_no_row() -> None:
    """An empty folder is no error."""
    found = imported({}, LOOK)
    assert [frame.height for frame in found.tables.values()] == [0, 0]
    assert check_import(found).report == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>Not here</body></html>", "aws: no column InstanceType"),
        (b"", "aws: expected a CSV, got something else"),
        (b"InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Hourly,Region\n", "aws: no column Price"),
        (
            b"InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region\nm5,,,2,8,cheap,us-east-1\n",
            "aws: Price: 'cheap' is no number",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_with_one_line(body: bytes, said: str) -> None:
    """A web page, nothing, a renamed column and a text for a number are each named."""
    with pytest.raises(AnswerError, match=said):
        SOURCE.parse([Page("aws", body)], LOOK)


def test_an_unknown_cloud_is_named() -> None:
    """A file of a cloud that the catalog does not know is no empty import."""
    with pytest.raises(AnswerError, match="unknown cloud lamda: did you mean lambda"):
        imported({"lamda": b"InstanceType"}, LOOK)


def test_the_second_look_downloads_nothing(tmp_path: Path) -> None:
    """Every file is asked for with its ETag."""
    with provider_of(recorded_routes(STAGE)) as provider:
        with access_to(provider.mirror, tmp_path, {}) as access:
            first = fetched(SOURCE, access)
            access.client.commit()
        with access_to(provider.mirror, tmp_path, {}) as access:
            assert fetched(SOURCE, access) == first
            assert access.client.traffic.unchanged == len(CLOUDS)
