"""Google's price list, read with Google's own client: what SKUs become, and the faults of the way."""

from __future__ import annotations

import csv
import gzip
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.base import Access, Page, Pages
from catalog_fetchers.client import Patience
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError, SourceError, UnreachableError
from catalog_fetchers.gcp_billing import SOURCE
from tests.kits.provider import RECORDED, Fault, Provider, Route, provider_of, recorded_env, recorded_routes
from tests.kits.rows import frame, machine, offer
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

SKUS: Final = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
KEY_ALONE: Final = {"GOOGLE_API_KEY": "a-key"}
CREDENTIALS: Final = RECORDED / "gcp_compute" / "credentials.json"
ALL: Final = {
    "GOOGLE_API_KEY": "a-key",
    "GOOGLE_APPLICATION_CREDENTIALS": str(CREDENTIALS),
    "GOOGLE_CLOUD_PROJECT": "a-project",
}


@contextmanager
def google(
    folder: Path,
    env: Mapping[str, str] = ALL,
    routes: list[Route] | None = None,
    known: Mapping[str, pl.DataFrame] | None = None,
    patience: Patience | None = None,
) -> Iterator[tuple[Provider, Access]]:
    """Google's APIs, and the access of a user to them."""
    more = {} if patience is None else {"patience": patience}
    with (
        provider_of(recorded_routes("gcp_billing") if routes is None else routes) as provider,
        access_to(provider.mirror, folder, env, known=known, **more) as access,
    ):
        yield provider, access


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What Google answers to one look with an API key and credentials for the compute API."""
    with google(tmp_path) as (_, access):
        return fetched(SOURCE, access)


@pytest.fixture
def prices(pages: Pages) -> dict[tuple[str, str, str], float]:
    """USD per hour by (region, type, purchase)."""
    offers = require_conforming(SOURCE, pages)["offers"]
    return {
        tuple(row[:3]): row[3] for row in offers.select("region", "instance_type", "purchase", "price_usd_h").rows()
    }


def known(
    sold: Mapping[str, str], machines: Mapping[str, Mapping[str, object]] = MappingProxyType({})
) -> dict[str, pl.DataFrame]:
    """What the catalog knows: `sold` names the region of each type, `machines` what it is."""
    hardware = [machine(cloud="gcp", instance_type=name, **machines.get(name, {})) for name in sold]
    offers = [offer(cloud="gcp", region=region, instance_type=name) for name, region in sold.items()]
    return {"instance_types": frame(INSTANCE_TYPES, *hardware), "offers": frame(OFFERS, *offers)}


def test_whole_machines_are_composed(prices: dict[tuple[str, str, str], float]) -> None:
    """vCPUs and memory, GPUs, local SSD where the type includes it; a machine of A4 is so many slices."""
    on_demand = {
        name: price for (region, name, how), price in prices.items() if (region, how) == ("us-central1", "on_demand")
    }
    assert on_demand == {
        "a2-highgpu-1g": 3.673385,
        "a2-ultragpu-1g": 5.068798,  # with 375 GiB of SSD at 0.08 $/GiB/month
        "a3-highgpu-8g": 88.49,  # with 6000 GiB
        "a3-megagpu-8g": 93.3999,  # its H100 has a rate of its own
        "a4-highgpu-8g": 128.88,  # 8 * 16.11
        "c3-standard-8-lssd": 0.485408,
        "c4-standard-8-lssd": 0.477532,  # C4 has SSD at a rate of its own
        "c4d-standard-8": 0.377982,  # memory by the decimal GB
        "e2-micro": 0.008376,  # a quarter of a vCPU
        "f1-micro": 0.0076,
        "g2-standard-4": 0.706824,
        "n1-standard-8": 0.379998,
        "n1-standard-8+t4x1": 0.729998,
        "n1-standard-8+t4x2": 1.079998,
        "n1-standard-8+t4x4": 1.779998,
        "n2-standard-8": 0.388472,
    }


def test_spot_and_commitments_are_purchases(prices: dict[tuple[str, str, str], float]) -> None:
    """A type has those purchases for which each of its parts has a rate; spot B200 is listed as OnDemand."""
    assert {key[1:]: price for key, price in prices.items() if key[2] != "on_demand"} == {
        ("n2-standard-8", "spot"): 0.152272,
        ("n2-standard-8", "reserved_1y"): 0.244728,
        ("n2-standard-8", "reserved_3y"): 0.174824,
        ("a4-highgpu-8g", "spot"): 39.6336,
    }


def test_rates_alone_sell_nothing(prices: dict[tuple[str, str, str], float]) -> None:
    """SKUs price A2, N2 and others in us-east1 too, where the compute API lists none (its zone is down)."""
    assert {region for region, _, _ in prices} == {"us-central1", "europe-west4"}
    assert [key for key in prices if key[0] == "europe-west4"] == [("europe-west4", "n2-standard-8", "on_demand")]


def test_composed_prices_are_those_of_a_public_price_history(
    prices: dict[tuple[str, str, str], float], shared: Path
) -> None:
    """Within rounding: on demand, spot and committed, as another reader composed them in the months before."""
    with gzip.open(shared / "data/gcp/gcp_price_history_monthly.csv.gz", "rt", encoding="utf-8") as file:
        listed = {(row["region"], row["instance_type"]): row for row in csv.DictReader(file)}
    columns = {
        "on_demand": ("hour", 1),
        "spot": ("hour_spot", 1),
        "reserved_1y": ("month_1y", 730),
        "reserved_3y": ("month_3y", 730),
    }
    compared = []
    for (region, name, purchase), price in prices.items():
        column, hours = columns[purchase]
        if (region, name) in listed:
            assert price == pytest.approx(float(listed[region, name][column]) / hours, abs=1e-5), (
                region,
                name,
                purchase,
            )
            compared.append(name)
    assert {"n2-standard-8", "a2-highgpu-1g", "a2-ultragpu-1g", "a3-highgpu-8g", "g2-standard-4"} <= set(compared)
    assert len(compared) == 15


def test_composed_prices_are_those_of_a_public_catalog(tmp_path: Path, shared: Path) -> None:
    """That catalog states machines and GPUs apart; its H100 has the DWS price, and is passed over."""
    with (shared / "data/catalogs/skypilot-format/gcp_vms.csv").open(encoding="utf-8") as file:
        listed = [row for row in csv.DictReader(file) if row["AvailabilityZone"] == "us-central1-a"]
    hosts = {row["InstanceType"]: float(row["Price"]) for row in listed if row["InstanceType"]}
    gpus = {
        (row["AcceleratorName"], row["AcceleratorCount"]): float(row["Price"])
        for row in listed
        if not row["InstanceType"]
    }
    slices = ("v5litepod-1", "v5litepod-16", "v5p-8", "v6e-8", "v2-32")
    with google(tmp_path, known=known(dict.fromkeys(slices, "us-central1"))) as (_, access):
        offers = SOURCE.parse(fetched(SOURCE, access), LOOK)["offers"].filter(
            purchase="on_demand", region="us-central1"
        )
    prices = dict(offers.select("instance_type", "price_usd_h").rows())
    expected = {
        "n2-standard-8": hosts["n2-standard-8"],
        "n1-standard-8+t4x2": hosts["n1-standard-8"] + gpus["T4", "2"],
        "a2-highgpu-1g": hosts["a2-highgpu-1g"] + gpus["A100", "1"],
        "g2-standard-4": hosts["g2-standard-4"] + gpus["L4", "1"],
        **{name: gpus[f"tpu-{name}", "1"] for name in slices},
    }
    assert {name: prices[name] for name in expected} == pytest.approx(expected, abs=5e-5)


def test_with_a_key_alone_the_catalog_says_what_is_sold_where(tmp_path: Path) -> None:
    """No question goes to the compute API; A2 is priced by SKUs in us-central1, and known to be sold elsewhere only."""
    a2 = {"vcpus": 12, "memory_gib": 85, "accelerator": "A100", "accelerator_count": 1}
    n2 = {"vcpus": 8, "memory_gib": 32}
    sold = {"n2-standard-8": "us-central1", "a2-highgpu-1g": "europe-west4", "v5litepod-4": "us-west4"}
    catalog = known(sold, {"n2-standard-8": n2, "a2-highgpu-1g": a2})
    with google(tmp_path, KEY_ALONE, known=catalog) as (provider, access):
        tables = SOURCE.parse(fetched(SOURCE, access), LOOK)
    assert list(tables) == ["offers"]
    assert tables["offers"].select("instance_type", "region", "zone", "purchase", "price_usd_h").rows() == [
        ("n2-standard-8", "us-central1", None, "on_demand", 0.388472),
        ("n2-standard-8", "us-central1", None, "spot", 0.152272),
        ("n2-standard-8", "us-central1", None, "reserved_1y", 0.244728),
        ("n2-standard-8", "us-central1", None, "reserved_3y", 0.174824),
        ("v5litepod-4", "us-west4", None, "on_demand", 4.8),
        ("v5litepod-4", "us-west4", None, "spot", 1.976948),
    ]
    assert all(seen.url.startswith("https://cloudbilling") for seen in provider.received)


def test_tpus_up_to_v4_are_priced_by_four_chips(tmp_path: Path) -> None:
    """A single v2 device and a pod have rates of their own, v4 has pods only; spot v2 is marked OnDemand."""
    sold = {"v2-8": "us-central1", "v2-32": "us-central1", "v4-8": "us-central2", "v4-16": "us-central2"}
    with google(tmp_path, KEY_ALONE, known=known(sold)) as (_, access):
        offers = SOURCE.parse(fetched(SOURCE, access), LOOK)["offers"]
    assert offers.select("instance_type", "purchase", "price_usd_h").rows() == [
        ("v2-32", "on_demand", 24.0),
        ("v2-8", "on_demand", 4.5),
        ("v2-8", "spot", 1.35),
        ("v4-16", "on_demand", 25.76),
        ("v4-8", "on_demand", 12.88),
    ]


def test_what_was_withdrawn_and_shares_of_a_gpu_are_not_priced(tmp_path: Path) -> None:
    """`available` false is no place to sell, and an eighth of a GPU does not cost an eighth."""
    share = {"vcpus": 4, "memory_gib": 16, "accelerator": "L4", "accelerator_count": 0.125}
    catalog = known({"g2-standard-4": "us-central1", "n2-standard-8": "us-central1"}, {"g2-standard-4": share})
    offers = catalog["offers"].with_columns(available=pl.col("instance_type") != "n2-standard-8")
    with google(tmp_path, KEY_ALONE, known={**catalog, "offers": offers}) as (_, access):
        assert SOURCE.parse(fetched(SOURCE, access), LOOK)["offers"].is_empty()


def test_local_ssd_of_unknown_size_leaves_a_machine_without_a_price(tmp_path: Path) -> None:
    """The catalog may not say how much SSD a type includes: A3 tells it by its name, `-lssd` does not."""
    a3 = {"vcpus": 26, "memory_gib": 234, "accelerator": "H100", "accelerator_count": 1, "local_ssd_gib": None}
    c3 = {"vcpus": 8, "memory_gib": 32, "local_ssd_gib": None}
    sold = {"a3-highgpu-1g": "us-central1", "c3-standard-8-lssd": "us-central1", "c3-standard-8": "us-central1"}
    catalog = known(sold, {"a3-highgpu-1g": a3, "c3-standard-8-lssd": c3, "c3-standard-8": c3})
    with google(tmp_path, KEY_ALONE, known=catalog) as (_, access):
        offers = SOURCE.parse(fetched(SOURCE, access), LOOK)["offers"]
    assert offers.select("instance_type", "price_usd_h").rows() == [
        ("a3-highgpu-1g", 11.06125),
        ("c3-standard-8", 0.403216),
    ]


def test_all_pages_are_read_and_the_key_is_in_a_header_only(tmp_path: Path) -> None:
    """Two pages of Compute Engine and one of Cloud TPU; no address and no page holds the key."""
    with google(tmp_path, KEY_ALONE) as (provider, access):
        pages = fetched(SOURCE, access)
    assert [page.name for page in pages] == [
        "skus/6F81-5844-456A/1",
        "skus/6F81-5844-456A/2",
        "skus/E000-3F24-B8AA/1",
        "known",
    ]
    assert [seen.headers["x-goog-api-key"] for seen in provider.received] == ["a-key"] * 3
    assert not any("a-key" in f"{seen.url}{seen.query}" for seen in provider.received)
    assert not any(b"a-key" in page.body for page in pages)


def test_credentials_serve_where_there_is_no_key(tmp_path: Path) -> None:
    """The token and the project that pays for the calls go into headers."""
    with google(tmp_path, {"GOOGLE_APPLICATION_CREDENTIALS": str(CREDENTIALS)}) as (provider, access):
        fetched(SOURCE, access)
    seen = provider.received[-1]
    assert (seen.headers["authorization"], seen.headers["x-goog-user-project"]) == ("Bearer a-token", "a-project")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """A key or a file of credentials is enough; a file that is not there is none."""
    assert "set GOOGLE_API_KEY" in SOURCE.missing({}, tmp_path)
    assert "set GOOGLE_API_KEY" in SOURCE.missing({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")}, tmp_path)
    assert SOURCE.missing(KEY_ALONE, tmp_path) == ""
    (tmp_path / ".config/gcloud").mkdir(parents=True)
    (tmp_path / ".config/gcloud/application_default_credentials.json").write_bytes(CREDENTIALS.read_bytes())
    assert SOURCE.missing({}, tmp_path) == ""


def answer(code: int, status: str, reason: str) -> Fault:
    """An error in the form of Google's APIs."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]
    error = {"code": code, "message": "API key a-key is not good", "status": status, "details": details}
    return Fault(
        status=code, headers={"Content-Type": "application/json"}, content=json.dumps({"error": error}).encode()
    )


@pytest.mark.parametrize(
    "fault",
    [
        answer(403, "PERMISSION_DENIED", "SERVICE_DISABLED"),
        answer(400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
    ],
)
def test_a_refusal_is_said_at_once_and_without_the_key(tmp_path: Path, fault: Fault) -> None:
    """403, and the 400 that Google answers to a key that it does not know, are no passing faults."""
    with google(tmp_path, KEY_ALONE) as (provider, access):
        provider.fail(fault)
        with pytest.raises(RefusedError, match="credentials are not accepted") as raised:
            fetched(SOURCE, access)
        assert "a-key" not in f"{raised.value} {raised.value.hint}"
        assert len(provider.received) == 1


def test_401_is_a_refusal(tmp_path: Path) -> None:
    """Google's client asks twice more, since a token might have run out."""
    with google(tmp_path, {"GOOGLE_API_KEY": "another"}) as (provider, access):
        with pytest.raises(RefusedError, match="credentials are not accepted"):
            fetched(SOURCE, access)
        assert len(provider.received) == 3


def test_a_refused_token_is_not_renewed_behind_our_back(tmp_path: Path) -> None:
    """Google's client would ask for another token on its own way: it has none to ask with."""
    with google(tmp_path, {"GOOGLE_APPLICATION_CREDENTIALS": str(CREDENTIALS)}) as (provider, access):
        provider.fail(Fault(), Fault(status=401))
        with pytest.raises(RefusedError, match="credentials are not accepted"):
            fetched(SOURCE, access)
        assert len(provider.received) == 2


def test_errors_that_pass_are_waited_for(tmp_path: Path) -> None:
    """500 twice, a broken connection, then the answer: the pages are those of a good day."""
    with google(tmp_path / "good", KEY_ALONE) as (_, access):
        good = fetched(SOURCE, access)
    with google(tmp_path / "bad", KEY_ALONE) as (provider, access):
        provider.fail(Fault(status=500, times=2), Fault(drop=True))
        assert fetched(SOURCE, access) == good
        assert len(provider.received) == 3 + 3


def test_the_server_says_how_long_to_wait(tmp_path: Path) -> None:
    """429 with Retry-After is honoured; a server that asks for more than is bearable is left at once."""
    with google(tmp_path, KEY_ALONE) as (provider, access):
        provider.fail(Fault(status=429, headers={"Retry-After": "1"}))
        began = time.monotonic()
        fetched(SOURCE, access)
        assert time.monotonic() - began >= 1
        provider.fail(Fault(status=429, headers={"Retry-After": "3600"}))
        with pytest.raises(UnreachableError, match=r"answered 429$"):
            fetched(SOURCE, access)


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (Fault(status=503, times=9), UnreachableError, r"answered 503 \(2 tries\)"),
        (Fault(status=404), AnswerError, "answered 404$"),
        (Fault(status=200, content=b"<html>maintenance</html>", times=9), AnswerError, "expected JSON"),
        (Fault(cut=True, times=9), SourceError, "cloudbilling"),
        (Fault(hang_s=3, times=9), UnreachableError, "cloudbilling.*2 tries"),
    ],
)
def test_a_fault_that_stays_is_one_clear_line(tmp_path: Path, fault: Fault, error: type[Exception], match: str) -> None:
    """Errors without end, pages that are no JSON, answers that break off, and silence."""
    patience = Patience(connect_s=1, read_s=0.2, total_s=10, attempts=2, first_wait_s=0.01, longest_wait_s=1)
    with google(tmp_path, KEY_ALONE, patience=patience) as (provider, access):
        provider.fail(fault)
        with pytest.raises(error, match=match) as raised:
            fetched(SOURCE, access)
        assert "\n" not in str(raised.value)


def test_a_page_that_repeats_its_token_ends(tmp_path: Path) -> None:
    """Google's client would read such pages for ever."""
    again = (RECORDED / "gcp_billing/compute_1.json").read_bytes()
    with google(tmp_path, KEY_ALONE, [Route(SKUS, again)]) as (provider, access):
        with pytest.raises(RepeatedPageError):
            fetched(SOURCE, access)
        assert len(provider.received) == 2


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("description", "description"),
        ("usageType", r"category\.usageType"),
        ("serviceRegions", "serviceRegions"),
        ("pricingInfo", r"pricingInfo\.pricingExpression\.usageUnit"),
        ("unitPrice", r"pricingInfo\.pricingExpression\.tieredRates\.unitPrice"),
        ("skus", "description"),
    ],
)
def test_a_renamed_field_is_said(tmp_path: Path, name: str, field: str) -> None:
    """Google's client drops a field that it does not know: the list is refused whole, nothing is guessed."""
    routes = [
        replace(route, content=route.content.replace(f'"{name}"'.encode(), b'"renamed"'))
        for route in recorded_routes("gcp_billing")
    ]
    with google(tmp_path, KEY_ALONE, routes) as (_, access):
        pages = fetched(SOURCE, access)
    with pytest.raises(AnswerError, match=f"no SKU has .*{field}"):
        SOURCE.parse(pages, LOOK)


def test_a_page_of_another_form_is_said(pages: Pages) -> None:
    """A text where a list should be is named with its place."""
    broken = [Page(page.name, b'{"skus": "none"}') if page.name.startswith("skus") else page for page in pages]
    with pytest.raises(AnswerError, match="price list, skus/6F81-5844-456A/1: skus"):
        SOURCE.parse(broken, LOOK)


def test_the_stage_of_the_source_serves_it(tmp_path: Path) -> None:
    """The recorded environment has a key, credentials and a project."""
    assert set(recorded_env("gcp_billing")) == set(ALL)
    assert SOURCE.missing(recorded_env("gcp_billing"), tmp_path) == ""
