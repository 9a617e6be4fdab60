"""Oracle Cloud: what the estimator's two files become."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_data.schema import REGIONS, Confidence
from catalog_fetchers.base import Page, Pages
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.oci import SOURCE
from catalog_fetchers.rows import rows_of
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

KNOWN_REGIONS = rows_of(
    REGIONS,
    [{"cloud": "oci", "region": region} for region in ("eu-frankfurt-1", "us-ashburn-1")],
    source="a list of regions",
    observed_at=LOOK,
    confidence=Confidence.HIGH,
)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Oracle answers to one look, and two regions that the catalog knows."""
    with (
        provider_of(recorded_routes("oci")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("oci"), known={"regions": KNOWN_REGIONS}) as access,
    ):
        return fetched(SOURCE, access)


def price(pages: Pages, kind: str, purchase: str) -> dict[str, float]:
    """USD an hour by region."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type=kind, purchase=purchase)
    return dict(offers.select("region", "price_usd_h").sort("region").iter_rows())


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them, and none of them is rejected."""
    require_conforming(SOURCE, pages)


def test_a_flexible_shape_is_the_sum_of_its_parts_in_each_known_region(pages: Pages) -> None:
    """4 vCPUs are 2 OCPUs at 0.025, with 16 GB at 0.0015: 0.074 USD/h; half of it where it can be taken back."""
    kind = "VM.Standard.E4.Flex$_4_16"
    assert price(pages, kind, "on_demand") == pytest.approx({"eu-frankfurt-1": 0.074, "us-ashburn-1": 0.074})
    assert price(pages, kind, "spot") == pytest.approx({"eu-frankfurt-1": 0.037, "us-ashburn-1": 0.037})


def test_sizes_stop_at_the_limits_of_the_shape(pages: Pages) -> None:
    """A2 has at most 946 GB: 128 vCPUs with 4 GB each fit, with 8 GB each they do not."""
    names = SOURCE.parse(pages, LOOK)["instance_types"]["instance_type"]
    assert "VM.Standard.A2.Flex$_128_512" in names
    assert "VM.Standard.A2.Flex$_128_1024" not in names


def test_an_ocpu_of_arm_a2_is_two_vcpus(pages: Pages) -> None:
    """2 vCPUs of A2 are one OCPU at 0.014, with 8 GB at 0.002."""
    assert price(pages, "VM.Standard.A2.Flex$_2_8", "on_demand")["us-ashburn-1"] == pytest.approx(0.030)
    machines = SOURCE.parse(pages, LOOK)["instance_types"].filter(instance_type="VM.Standard.A2.Flex$_2_8")
    assert machines["arch"].to_list() == ["arm64"]


def test_a_gpu_shape_costs_its_gpus_and_nothing_else(pages: Pages) -> None:
    """Eight H100 at 10 USD/h; the part that is filed under `ocpu` is the GPU hour."""
    assert price(pages, "BM.GPU.H100.8", "on_demand")["us-ashburn-1"] == 80
    assert price(pages, "VM.GPU3.1", "spot")["us-ashburn-1"] == pytest.approx(1.475)
    assert price(pages, "BM.GPU.H100.8", "spot") == {}


def test_the_machines_behind_the_gpus(pages: Pages) -> None:
    """Hosts of A100 are no Arm machines though the file says so, those of Grace are; B300 is known from its page."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].drop_nulls("accelerator").sort("instance_type")
    columns = ("instance_type", "vcpus", "memory_gib", "arch", "accelerator", "accelerator_count")
    assert machines.select(columns).rows() == [
        ("BM.GPU.A100-v2.8", 256, 2048, "x86_64", "A100-80GB", 8),
        ("BM.GPU.B300.8", 256, 4096, "x86_64", "B300", 8),
        ("BM.GPU.GB200.4", 144, 960, "arm64", "GB200", 4),
        ("BM.GPU.H100.8", 224, 2048, "x86_64", "H100", 8),
        ("BM.GPU.MI355X.8", 256, 3072, "x86_64", "MI355X", 8),
        ("BM.GPU4.8", 128, 2048, "x86_64", "A100", 8),
        ("VM.GPU3.1", 12, 90, "x86_64", "V100", 1),
    ]


def test_a_whole_machine_without_gpus(pages: Pages) -> None:
    """128 OCPUs at 0.025 with 2048 GB at 0.0015 are 6.272 USD/h."""
    assert price(pages, "BM.Standard.E4.128", "on_demand")["us-ashburn-1"] == pytest.approx(6.272)


@pytest.mark.parametrize(
    "shape",
    [
        "BM.DenseIO.E5.128",  # has a part, disk, whose unit is not stated
        "BM.GPU.H200.8",  # its part has no price
        "BM.GPU2.2",  # hidden
        "VM.GPU2.1",  # retired
        "VM.Standard.A1.Flex",  # free up to some volume a month: there is no one price
        "PostgreSQL.VM.Standard.E4.Flex",  # no machine to rent
    ],
)
def test_what_has_no_one_price_is_left_out(pages: Pages, shape: str) -> None:
    """Nothing is guessed for a shape that is not sold by the hour for one price."""
    names = SOURCE.parse(pages, LOOK)["instance_types"]["instance_type"]
    assert [name for name in names if name.startswith(shape)] == []


def test_whether_a_region_has_a_shape_stays_unknown(pages: Pages) -> None:
    """No page says where a shape is: `available` is null, and the source claims no completeness."""
    assert SOURCE.parse(pages, LOOK)["offers"]["available"].null_count() > 0
    assert SOURCE.parse(pages, LOOK)["offers"]["available"].drop_nulls().is_empty()
    assert SOURCE.complete_for == ()


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its part numbers the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b'"partNumber"', b'"part"')) for page in pages]
    with pytest.raises(AnswerError, match=r"shapes: items\.0\.products\.0\.partNumber: field required"):
        SOURCE.parse(renamed, LOOK)
