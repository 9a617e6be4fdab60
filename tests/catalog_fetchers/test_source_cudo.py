"""Cudo Compute: what its machine types become."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.base import Page, Pages
from catalog_fetchers.cudo import SOURCE
from catalog_fetchers.errors import AnswerError, RefusedError
from tests.kits.provider import provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

A5000 = "epyc-rome-rtx-a5000"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Cudo answers to one look."""
    with (
        provider_of(recorded_routes("cudo")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("cudo")) as access,
    ):
        return fetched(SOURCE, access)


def test_the_rows_conform(pages: Pages) -> None:
    """The catalog can take them."""
    require_conforming(SOURCE, pages)


def test_the_price_is_that_of_cpus_memory_and_gpus(pages: Pages) -> None:
    """8 vCPUs at 0.0021, 16 GiB at 0.0034 and two A5000 at 0.52 are 1.1112 USD/h, without disk and address."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(instance_type=f"{A5000}_2x8v16gb").sort("region")
    assert offers.select("region", "price_usd_h").rows() == [
        ("no-luster-1", 1.1112),
        ("se-smedjebacken-1", 0.9712),
    ]


def test_sizes_keep_to_what_the_type_allows(pages: Pages) -> None:
    """A5000 takes up to 16 vCPUs each, and at least 0.259 of them for each GiB: no 24, and no 4 GiB for one."""
    names = SOURCE.parse(pages, LOOK)["instance_types"]["instance_type"].to_list()
    sizes = [name.removeprefix(f"{A5000}_1x") for name in names if name.startswith(f"{A5000}_1x")]
    assert sizes == ["2v4gb", "4v8gb", "8v16gb", "12v24gb", "16v32gb"]


def test_how_many_there_are(pages: Pages) -> None:
    """With four GPUs on the best host and seven in all there are three machines of two, and none of eight."""
    offers = SOURCE.parse(pages, LOOK)["offers"].filter(region="no-luster-1")
    two, eight = (offers.filter(instance_type=f"{A5000}_{size}") for size in ("2x8v16gb", "8x64v128gb"))
    assert two.select("available", "quantity").rows() == [(True, 3)]
    assert eight.select("available", "quantity").rows() == [(None, None)]


def test_a_full_data_centre_is_an_observation_of_none(pages: Pages) -> None:
    """Where nothing is free the type is still sold, and level 0 says that there was none for half an hour."""
    seen = SOURCE.parse(pages, LOOK)["observations"].filter(instance_type=f"{A5000}_1x4v8gb").sort("region")
    assert seen.select("region", "level").rows() == [("no-luster-1", 1.0), ("se-smedjebacken-1", 0.0)]
    assert set((seen["expires_at"] - LOOK).dt.total_minutes()) == {30}


def test_a_type_without_gpus_and_one_that_any_number_of_cpus_may_share(pages: Pages) -> None:
    """`A40 (compute mode)` is an A40 with at most infinitely many vCPUs; EPYC Milan has no accelerator."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    a40, milan = (
        machines.filter(instance_type=name) for name in ("ice-lake-a40-compute_1x24v48gb", "epyc-milan_0x4v16gb")
    )
    assert a40.select("accelerator", "accelerator_count").rows() == [("A40", 1)]
    assert milan.select("accelerator", "accelerator_count", "memory_gib").rows() == [(None, None, 16)]


def test_a_gpu_whose_price_is_zero_has_no_price(pages: Pages) -> None:
    """H100 at 0 USD/h is not offered for the price of its CPUs."""
    assert not [name for name in SOURCE.parse(pages, LOOK)["offers"]["instance_type"] if "h100" in name]


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    """401 is no passing fault: the key has to be renewed."""
    with (
        provider_of(recorded_routes("cudo")) as provider,
        access_to(provider.mirror, tmp_path, {"CUDO_API_KEY": "another"}) as access,
        pytest.raises(RefusedError, match="credentials are not accepted"),
    ):
        fetched(SOURCE, access)


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without the price of a GPU the answer is refused whole."""
    renamed = [Page(page.name, page.body.replace(b"gpuPriceHr", b"gpuPrice")) for page in pages]
    with pytest.raises(AnswerError, match="gpuPriceHr: field required"):
        SOURCE.parse(renamed, LOOK)


def test_what_it_needs_is_said(tmp_path: Path) -> None:
    """Without the key the source is skipped."""
    assert SOURCE.missing({}, tmp_path) == "set CUDO_API_KEY"
