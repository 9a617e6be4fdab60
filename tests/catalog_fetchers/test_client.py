"""The client against a real server: what it says, what it retries, how long it waits."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from catalog_fetchers.cache import Cache
from catalog_fetchers.client import Client, Patience
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError
from tests.kits.client_looks import BODY, BOUND_S, QUICK, URL, client_of, statuses
from tests.kits.provider import Fault, Provider, Route, provider_of


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider with one page of prices."""
    with provider_of([Route(URL, BODY)]) as served:
        yield served


@pytest.fixture
def client(provider: Provider, tmp_path: Path) -> Iterator[Client]:
    """A quick client of the provider."""
    with client_of(provider, tmp_path) as opened:
        yield opened


# What a request says


def test_a_request_names_the_program_and_asks_for_gzip(provider: Provider, client: Client) -> None:
    """Providers can see who asks, and in which version."""
    assert client.get(URL) == BODY
    assert provider.received[0].headers["user-agent"] == f"skybroker/{version('skybroker')}"
    assert provider.received[0].headers["accept-encoding"] == "gzip"


def test_parameters_join_those_of_the_address(provider: Provider, client: Client) -> None:
    """A link to the next page is asked for as it stands, and parameters are added to what an address has."""
    client.get(f"{URL}?$filter=a%20eq%20'b'", params={"page": 2})
    assert provider.received[0].query == {"$filter": "a eq 'b'", "page": "2"}
    client.get(f"{URL}?token=a%2Bb%3D%3D")
    assert provider.received[1].query == {"token": "a+b=="}


@pytest.mark.parametrize(
    "link", ["/v1/prices?page=2", "prices", "", "ftp://cloud.example/x", "https://", "https://cloud.example:x/"]
)
def test_a_link_that_is_no_address_is_an_answer_that_is_wrong(provider: Provider, client: Client, link: str) -> None:
    """It came from the provider, so the fetcher is told; nothing is asked of the mirror."""
    with pytest.raises(AnswerError, match="not an address"):
        client.get(link)
    with pytest.raises(AnswerError, match="not an address"):
        client.post(link)
    assert provider.received == []


def test_a_mirror_holds_each_host_as_a_folder(provider: Provider, tmp_path: Path) -> None:
    """`https://host/path` is `<mirror>/host/path`; without a mirror it is itself."""
    with Client(Cache(tmp_path), mirror=f"{provider.mirror}/") as client:
        assert client.address(URL) == f"{provider.mirror}/cloud.example/v1/prices"
        assert client.get(URL) == BODY
    with Client(Cache(tmp_path)) as client:
        assert client.address(URL) == URL


def test_a_mirror_on_this_machine_needs_no_proxy(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment (here: one that is not there) is for what is elsewhere."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    for mirror in (provider.mirror, provider.mirror.replace("127.0.0.1", "localhost")):
        with Client(Cache(tmp_path), patience=replace(QUICK, attempts=1), mirror=mirror) as client:
            assert client.get(URL) == BODY


def test_a_proxy_that_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such kind of proxy; its password is not shown."""
    monkeypatch.setenv("ALL_PROXY", "gopher://user:SECRET@127.0.0.1:70")
    with pytest.raises(UnreachableError, match="proxy that the environment names") as caught:
        Client(Cache(tmp_path))
    assert "SECRET" not in str(caught.value)


# What may pass


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 524])
def test_a_passing_fault_is_retried(provider: Provider, client: Client, status: int) -> None:
    """Three times, then the answer is there."""
    provider.fail(Fault(status=status, times=3))
    assert client.get(URL) == BODY
    assert statuses(provider) == [status, status, status, 200]
    assert client.traffic.requests == 4


def test_a_fault_that_does_not_pass_is_given_up(provider: Provider, client: Client) -> None:
    """After `attempts`; the error counts them and names host and path."""
    provider.fail(Fault(status=503, times=9))
    with pytest.raises(UnreachableError, match=r"cloud\.example/v1/prices: answered 503 .*\(4 tries\)$") as caught:
        client.get(URL)
    assert caught.value.hint == "try again later"
    assert statuses(provider) == [503] * 4


@pytest.mark.parametrize("status", [400, 404, 410])
def test_what_is_wrong_with_the_question_is_not_retried(provider: Provider, client: Client, status: int) -> None:
    """The fetcher asks for something that is not there."""
    provider.fail(Fault(status=status))
    with pytest.raises(AnswerError, match=f"answered {status}"):
        client.get(URL)
    assert statuses(provider) == [status]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_speaks_of_credentials_only_where_some_were_sent(
    provider: Provider, client: Client, status: int
) -> None:
    """Without any there is nothing to renew."""
    provider.fail(Fault(status=status, times=2))
    with pytest.raises(RefusedError, match="credentials are not accepted") as caught:
        client.get(URL, headers={"Authorization": "Bearer old"})
    assert caught.value.hint == "renew them"
    with pytest.raises(RefusedError, match=f"prices: answered {status}") as caught:
        client.get(URL)
    assert "credentials" not in f"{caught.value} {caught.value.hint}"
    assert statuses(provider) == [status, status]


@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_a_connection_dropped_in_mid_answer_is_retried(tmp_path: Path, packed: str) -> None:
    """Half of the announced length came, packed or not."""
    content = gzip.compress(BODY) if packed == "gzip" else BODY
    route = Route(URL, content, answer_headers={"Content-Encoding": packed})
    with provider_of([route]) as provider, client_of(provider, tmp_path) as client:
        provider.fail(Fault(drop=True))
        assert client.get(URL) == BODY
        assert statuses(provider) == [200, 200]


def test_a_packed_answer_that_was_cut_off_is_retried(provider: Provider, client: Client) -> None:
    """All lengths are right, but the gzip stream has no end."""
    provider.fail(Fault(cut=True))
    assert client.get(URL) == BODY
    provider.fail(Fault(cut=True, times=9))
    with pytest.raises(UnreachableError, match="cut off"):
        client.get(URL)


def test_a_packed_answer_that_is_damaged_is_retried(provider: Provider, client: Client) -> None:
    """It says gzip and is none."""
    provider.fail(Fault(status=200, content=b"<html>", headers={"Content-Encoding": "gzip"}))
    assert client.get(URL) == BODY
    assert statuses(provider) == [200, 200]


def test_a_connection_that_is_refused_is_retried(tmp_path: Path) -> None:
    """Nobody listens; the error says so after all attempts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mirror = f"http://127.0.0.1:{free.getsockname()[1]}"
        with (
            Client(Cache(tmp_path), patience=QUICK, per_second=1000, mirror=mirror) as client,
            pytest.raises(UnreachableError, match=r"refused.*\(4 tries\)"),
        ):
            client.get(URL)
    assert client.traffic.requests == 4


def test_a_question_is_asked_again(tmp_path: Path) -> None:
    """POST is used for questions only: with its body and headers it is sent once more."""
    route = Route(URL, BODY, method="POST", body="gpuTypes", headers={"authorization": "Bearer a-key"})
    with provider_of([route]) as provider, client_of(provider, tmp_path) as client:
        provider.fail(Fault(status=502), Fault(drop=True))
        assert client.post(URL, json={"query": "{gpuTypes}"}, headers={"Authorization": "Bearer a-key"}) == BODY
        assert statuses(provider) == [502, 200, 200]
        assert len({received.body for received in provider.received}) == 1


def test_a_form_is_sent_as_one(tmp_path: Path) -> None:
    """As the token endpoints of providers want it."""
    with (
        provider_of([Route(URL, BODY, method="POST", body="grant_type=a+b")]) as provider,
        client_of(provider, tmp_path) as client,
    ):
        assert client.post(URL, form={"grant_type": "a b"}) == BODY
        assert provider.received[0].headers["content-type"] == "application/x-www-form-urlencoded"


# How long it waits


def test_it_waits_as_long_as_the_server_asks(provider: Provider, client: Client) -> None:
    """Retry-After in seconds; nothing is asked before."""
    provider.fail(Fault(status=429, headers={"Retry-After": "1"}))
    begin = time.monotonic()
    assert client.get(URL) == BODY
    assert time.monotonic() - begin >= 1


def test_it_waits_until_the_date_that_the_server_names(provider: Provider, client: Client) -> None:
    """Retry-After as an HTTP date, which has whole seconds."""
    until = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    provider.fail(Fault(status=503, headers={"Retry-After": format_datetime(until, usegmt=True)}))
    assert client.get(URL) == BODY
    assert datetime.now(UTC) >= until


@pytest.mark.parametrize(
    "said", ["soon", "-5", "1.5", "Sun, 01 Nov 2020 06:00:00 GMT", "Sun, 99 Nov 2026 06:00:00 GMT"]
)
def test_a_wait_that_means_nothing_is_the_usual_one(provider: Provider, client: Client, said: str) -> None:
    """No number, or a date that has passed."""
    provider.fail(Fault(status=429, headers={"Retry-After": said}))
    assert client.get(URL) == BODY
    assert statuses(provider) == [429, 200]


@pytest.mark.parametrize(
    "patience", [replace(QUICK, longest_wait_s=100), replace(QUICK, longest_wait_s=10_000, total_s=100)]
)
def test_a_server_that_asks_for_too_much_is_left_at_once(
    provider: Provider, tmp_path: Path, patience: Patience
) -> None:
    """Longer than the longest wait, or than what is left of the look; the error says what it asked for."""
    provider.fail(Fault(status=429, headers={"Retry-After": "3600"}))
    with (
        client_of(provider, tmp_path, patience) as client,
        pytest.raises(UnreachableError, match=r"answered 429 .* asks for 3600 s"),
    ):
        client.get(URL)
    assert statuses(provider) == [429]


def test_a_server_that_says_nothing_is_asked_again(provider: Provider, tmp_path: Path) -> None:
    """The time to wait for the next bytes is over."""
    provider.fail(Fault(hang_s=60))
    with client_of(provider, tmp_path, replace(QUICK, read_s=1)) as client:
        assert client.get(URL) == BODY
    assert len(provider.received) >= 2


def test_the_look_ends_when_its_time_is_over(provider: Provider, tmp_path: Path) -> None:
    """A server that says nothing is not waited for beyond that, however patient each read is."""
    provider.fail(Fault(hang_s=60, times=9))
    begin = time.monotonic()
    with client_of(provider, tmp_path, replace(QUICK, read_s=60, total_s=0.5)) as client:
        with pytest.raises(UnreachableError, match=r"no answer in time|not done after"):
            client.get(URL)
        time.sleep(max(0.0, begin + 0.5 - time.monotonic()))
        with pytest.raises(UnreachableError, match=r"not done after 0\.5 s"):
            client.get(URL)
    assert time.monotonic() - begin < BOUND_S
    assert len(provider.received) <= 1


def test_a_server_that_dribbles_is_left_when_the_time_is_over(provider: Provider, tmp_path: Path) -> None:
    """Each byte comes in time, but all of them would take a quarter of an hour."""
    provider.fail(Fault(status=200, content=bytes(9_000), headers={"Content-Encoding": "identity"}, drip_s=0.1))
    begin = time.monotonic()
    with (
        client_of(provider, tmp_path, replace(QUICK, total_s=1)) as client,
        pytest.raises(UnreachableError, match=r"not done after 1 s|no answer in time"),
    ):
        client.get(URL)
    assert time.monotonic() - begin < BOUND_S


def test_requests_keep_to_the_rate(provider: Provider, tmp_path: Path) -> None:
    """Six requests at 20 a second have five pauses of 50 ms; a provider's own client is counted with them."""
    begin = time.monotonic()
    with Client(Cache(tmp_path), patience=QUICK, per_second=20, mirror=provider.mirror) as client:
        for _ in range(3):
            client.get(URL)
            client.wait()
    assert time.monotonic() - begin >= 0.25
    assert client.traffic.requests == 6


@pytest.mark.parametrize("asks", ["a wait", "a dribble"])
def test_stop_ends_a_wait_at_once(provider: Provider, tmp_path: Path, asks: str) -> None:
    """In the middle of what the server asked for, and of a body."""
    slow = Fault(status=200, content=bytes(9_000), headers={"Content-Encoding": "identity"}, drip_s=0.1)
    provider.fail(Fault(status=429, headers={"Retry-After": "29"}) if asks == "a wait" else slow)
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    begin = time.monotonic()
    timer.start()
    with client_of(provider, tmp_path, stop=stop) as client, pytest.raises(UnreachableError, match=r"^interrupted$"):
        client.get(URL)
    timer.join()
    assert time.monotonic() - begin < BOUND_S
    assert len(provider.received) == 1


def test_a_stopped_client_asks_nothing(provider: Provider, tmp_path: Path) -> None:
    """The rate has no pause before the first request, and it is not sent all the same."""
    stop = threading.Event()
    stop.set()
    with client_of(provider, tmp_path, stop=stop) as client, pytest.raises(UnreachableError, match="interrupted"):
        client.get(URL)
    assert provider.received == []
