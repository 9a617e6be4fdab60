"""Google Compute Engine: machine types by zone, and the credentials that all of Google's sources share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from catalog_fetchers.base import Access, Pages
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError
from catalog_fetchers.gcp_compute import SOURCE
from tests.kits.provider import RECORDED, Fault, Provider, Route, provider_of, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

CREDENTIALS: Final = RECORDED / "gcp_compute" / "credentials.json"
PROJECT: Final = {"GOOGLE_CLOUD_PROJECT": "a-project"}
ENV: Final = {**PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": str(CREDENTIALS)}
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
MACHINE_TYPES: Final = "https://compute.googleapis.com/compute/v1/projects/a-project/aggregated/machineTypes"


@contextmanager
def compute_api(
    folder: Path, env: Mapping[str, str] = ENV, routes: list[Route] | None = None
) -> Iterator[tuple[Provider, Access]]:
    """The API, and a user's access to it."""
    with (
        provider_of(recorded_routes("gcp_compute") if routes is None else routes) as provider,
        access_to(provider.mirror, folder, env) as access,
    ):
        yield provider, access


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What the API answers to one look."""
    with compute_api(tmp_path) as (_, access):
        return fetched(SOURCE, access)


def test_types_are_listed_by_zone_without_a_price(pages: Pages) -> None:
    """Both pages count; a zone that is down sells nothing, whatever the lists say of it."""
    offers = require_conforming(SOURCE, pages)["offers"]
    assert offers.filter(instance_type="n2-standard-8").select(
        "region", "zone", "purchase", "price_usd_h", "available"
    ).rows() == [
        ("europe-west4", "europe-west4-a", "on_demand", None, True),
        ("us-central1", "us-central1-a", "on_demand", None, True),
        ("us-central1", "us-central1-b", "on_demand", None, True),
    ]
    assert "us-east1-d" not in offers["zone"].to_list()


def test_hardware_is_that_of_the_whole_machine(pages: Pages) -> None:
    """MB are MiB, local SSDs have 375 GiB each, an ARM type may not say so, and an eighth of a GPU is told by words."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"]
    names = ["a3-megagpu-8g", "c3-standard-8-lssd", "f1-micro", "g4-standard-6", "t2a-standard-1"]
    columns = (
        "vcpus",
        "memory_gib",
        "arch",
        "accelerator",
        "accelerator_count",
        "accelerator_memory_gib",
        "local_ssd_gib",
    )
    assert machines.filter(machines["instance_type"].is_in(names)).select(*columns).rows() == [
        (208, 1872, "x86_64", "H100", 8, 80, 6000),
        (8, 32, "x86_64", None, None, None, 750),
        (1, 614 / 1024, "x86_64", None, None, None, 0),
        (6, 22, "x86_64", "RTXPRO6000", 0.125, 96, 0),
        (1, 4, "arm64", None, None, None, 0),
    ]


def test_gpus_are_attached_to_n1_where_the_zone_has_them(pages: Pages) -> None:
    """T4 in one zone, in numbers of one, two and four; workstation GPUs and L4 are not attached."""
    tables = SOURCE.parse(pages, LOOK)
    attached = tables["offers"].filter(tables["offers"]["instance_type"].str.contains("+", literal=True))
    assert attached.select("zone", "instance_type").rows() == [
        ("us-central1-a", f"n1-standard-8+t4x{count}") for count in (1, 2, 4)
    ]
    two = tables["instance_types"].filter(instance_type="n1-standard-8+t4x2")
    assert two.select("vcpus", "accelerator", "accelerator_count").rows() == [(8, "T4", 2)]


def test_a_host_that_is_too_large_gets_fewer_gpus(pages: Pages) -> None:
    """One T4 goes with at most 48 vCPUs: a machine of 96 takes four or none."""
    larger = [
        replace(
            page, body=page.body.replace(b'"guestCpus": 8, "memoryMb": 30720', b'"guestCpus": 96, "memoryMb": 368640')
        )
        for page in pages
    ]
    names = SOURCE.parse(larger, LOOK)["instance_types"]["instance_type"]
    assert [name for name in names if "+" in name] == ["n1-standard-8+t4x4"]


def test_hosts_of_tpus_and_withdrawn_types_are_left_out(pages: Pages) -> None:
    """`ct5lp-hightpu-4t` is sold as a slice, `n1-ultramem-40` was renamed."""
    names = set(SOURCE.parse(pages, LOOK)["instance_types"]["instance_type"])
    assert not {"ct5lp-hightpu-4t", "n1-ultramem-40"} & names


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("guestCpus", "cpus", r"aggregated/machineTypes: .*guestCpus: field required"),
        ("machineTypes", "types", "no machine types in any zone"),
        ("acceleratorTypes", "types", "no GPUs in any zone"),
        ("items", "scopes", "items: field required"),
    ],
)
def test_a_renamed_field_is_said(pages: Pages, old: str, new: str, match: str) -> None:
    """A list that is empty since its name changed is not taken for one that has nothing."""
    renamed = [replace(page, body=page.body.replace(f'"{old}":'.encode(), f'"{new}":'.encode())) for page in pages]
    with pytest.raises(AnswerError, match=match):
        SOURCE.parse(renamed, LOOK)


def test_a_page_that_repeats_its_token_ends(tmp_path: Path) -> None:
    """The second page points to itself."""
    body = (RECORDED / "gcp_compute/machine_types_1.json").read_bytes()
    routes = [Route(MACHINE_TYPES, body), *recorded_routes("gcp_compute")]
    with compute_api(tmp_path, routes=routes) as (_, access), pytest.raises(RepeatedPageError):
        fetched(SOURCE, access)


def test_a_refusal_is_said(tmp_path: Path) -> None:
    """403: the API is not enabled in the project, or the account may not use it."""
    with compute_api(tmp_path) as (provider, access):
        provider.fail(Fault(), Fault(status=403))
        with pytest.raises(RefusedError, match=r"compute\.googleapis\.com.*not accepted"):
            fetched(SOURCE, access)


def test_errors_that_pass_are_waited_for(tmp_path: Path, pages: Pages) -> None:
    """500 for the token and for a list, then the answers."""
    with compute_api(tmp_path / "bad") as (provider, access):
        provider.fail(Fault(status=500), Fault(), Fault(status=500))
        assert fetched(SOURCE, access) == pages


def test_an_unchanged_list_is_not_sent_again(tmp_path: Path) -> None:
    """All lists are asked for conditionally; the token is new each time."""
    for look in range(2):
        with compute_api(tmp_path) as (provider, access):
            fetched(SOURCE, access)
            access.client.commit()
            assert [seen.status for seen in provider.received] == [200] + [304 if look else 200] * 4


def test_secrets_go_into_headers_and_forms_only(tmp_path: Path) -> None:
    """Neither an address nor a page holds the token, the refresh token or the client's secret."""
    with compute_api(tmp_path) as (provider, access):
        pages = fetched(SOURCE, access)
    said = "".join(f"{seen.url} {seen.query}" for seen in provider.received) + "".join(
        page.body.decode() for page in pages
    )
    assert not [secret for secret in ("a-token", "a-refresh-token", "a-secret") if secret in said]
    assert provider.received[1].headers["x-goog-user-project"] == "a-project"


def test_withdrawn_credentials_are_a_refusal(tmp_path: Path) -> None:
    """The token endpoint answers 400 `invalid_grant` (RFC 6749, section 5.2)."""
    with compute_api(tmp_path) as (provider, access):
        provider.fail(Fault(status=400, content=b'{"error": "invalid_grant"}'))
        with pytest.raises(RefusedError, match="no token for the Google credentials"):
            fetched(SOURCE, access)


@pytest.mark.parametrize("content", ["", "[]", '{"type": "external_account"}', '{"type": "service_account"}'])
def test_a_file_that_holds_no_usable_credentials_is_said(tmp_path: Path, content: str) -> None:
    """Empty, of another form, of a type that is not read, or half of a key."""
    file = tmp_path / "key.json"
    file.write_text(content)
    with (
        compute_api(tmp_path, {**PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": str(file)}) as (_, access),
        pytest.raises(RefusedError, match=r"key\.json: no usable credentials"),
    ):
        fetched(SOURCE, access)


def test_a_service_account_gets_a_token_for_its_signature(tmp_path: Path) -> None:
    """What a cron job has: a key whose signature is handed in for a token (RFC 7523)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "cron@a-project.iam",
        "private_key": pem,
        "token_uri": TOKEN_URL,
    }
    file = tmp_path / "key.json"
    file.write_text(json.dumps(account))
    routes = [replace(route, body="") for route in recorded_routes("gcp_compute")]
    with compute_api(tmp_path, {**PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": str(file)}, routes) as (provider, access):
        assert fetched(SOURCE, access)
    assert "jwt-bearer" in provider.received[0].body
    assert "x-goog-user-project" not in provider.received[1].headers


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """First the credentials, then the project."""
    assert "gcloud auth application-default login" in SOURCE.missing({}, tmp_path)
    assert SOURCE.missing({"GOOGLE_APPLICATION_CREDENTIALS": str(CREDENTIALS)}, tmp_path) == "set GOOGLE_CLOUD_PROJECT"
    assert SOURCE.missing(ENV, tmp_path) == ""
