"""The client against a real server: what it makes of answers, what it asks for twice, what it follows."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog_fetchers.client import MOST_PAGES, Client
from catalog_fetchers.errors import AnswerError, RepeatedPageError, UnreachableError
from tests.kits.client_looks import BODY, URL, client_of, look, statuses
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


# What comes back


def test_all_members_of_a_gzip_stream_are_read(tmp_path: Path) -> None:
    """Large files are often packed in parts, one member each, and padded with zeros."""
    content = gzip.compress(b"one\n") + gzip.compress(b"two\n") + bytes(3) + gzip.compress(b"three\n") + bytes(512)
    route = Route(URL, content, answer_headers={"Content-Encoding": "gzip"})
    with provider_of([route]) as provider, client_of(provider, tmp_path) as client:
        assert client.get(URL) == b"one\ntwo\nthree\n"
        assert client.traffic.received_bytes == len(content)


def test_members_are_read_wherever_the_parts_end(tmp_path: Path) -> None:
    """Each byte comes alone."""
    content = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    route = Route(URL, content, answer_headers={"Content-Encoding": "gzip"})
    with provider_of([route]) as provider, client_of(provider, tmp_path) as client:
        provider.fail(Fault(drip_s=0.001))
        assert client.get(URL) == b"one\ntwo\n"


def test_a_last_member_that_was_cut_off_is_seen(tmp_path: Path) -> None:
    """The first one being whole does not make the answer so."""
    content = gzip.compress(b"one\n") + gzip.compress(b"two\n")[:-5]
    route = Route(URL, content, answer_headers={"Content-Encoding": "gzip"})
    with (
        provider_of([route]) as provider,
        client_of(provider, tmp_path) as client,
        pytest.raises(UnreachableError, match="cut off"),
    ):
        client.get(URL)


def test_a_packing_that_was_not_asked_for_is_said(provider: Provider, client: Client) -> None:
    """Its bytes would be taken for the text."""
    provider.fail(Fault(status=200, content=b"?", headers={"Content-Encoding": "br"}))
    with pytest.raises(AnswerError, match="packed as br"):
        client.get(URL)


def test_a_body_too_large_for_memory_is_left(tmp_path: Path) -> None:
    """Half a megabyte on the way, 257 MiB unpacked."""
    content = gzip.compress(bytes(1 << 20)) * 257
    route = Route(URL, content, answer_headers={"Content-Encoding": "gzip"})
    with (
        provider_of([route]) as provider,
        client_of(provider, tmp_path) as client,
        pytest.raises(AnswerError, match="larger than 256 MiB"),
    ):
        client.get(URL)


# What is asked for twice


LAST_MODIFIED = {"Last-Modified": "Sun, 01 Nov 2026 06:00:00 GMT"}


@pytest.mark.parametrize("validators", [{}, LAST_MODIFIED, {"ETag": 'W/"1"'}], ids=["etag", "last modified", "weak"])
def test_what_is_unchanged_is_not_downloaded_again(tmp_path: Path, validators: dict[str, str]) -> None:
    """The second look is answered 304 and brings the body of the first."""
    with provider_of([Route(URL, BODY, answer_headers=validators)]) as provider:
        assert look(provider, tmp_path) == (BODY, 0)
        assert look(provider, tmp_path) == (BODY, 1)
        assert statuses(provider) == [200, 304]


def test_what_has_changed_is_downloaded(provider: Provider, tmp_path: Path) -> None:
    """And kept in the place of the older."""
    look(provider, tmp_path)
    provider.routes[:] = [Route(URL, b"other prices")]
    assert look(provider, tmp_path) == (b"other prices", 0)
    assert look(provider, tmp_path) == (b"other prices", 1)


def test_a_look_that_is_not_committed_leaves_nothing(provider: Provider, tmp_path: Path) -> None:
    """What turned out to be useless must be downloaded again."""
    look(provider, tmp_path, commit=False)
    assert look(provider, tmp_path) == (BODY, 0)
    assert statuses(provider) == [200, 200]


def test_an_answer_without_validators_is_asked_for_anew(tmp_path: Path) -> None:
    """There is nothing to ask with."""
    with provider_of([Route(URL, BODY, answer_headers={"ETag": ""})]) as provider:
        look(provider, tmp_path)
        look(provider, tmp_path)
        assert not {"if-none-match", "if-modified-since"} & set(provider.received[1].headers)


def test_a_validator_that_no_request_may_hold_is_not_kept(tmp_path: Path) -> None:
    """Handing it back would fail at every later look."""
    with provider_of([Route(URL, BODY, answer_headers={"ETag": '"é"'})]) as provider:
        assert look(provider, tmp_path) == (BODY, 0)
        assert look(provider, tmp_path) == (BODY, 0)


@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[:-1], lambda whole: whole[:-1] + b"?", lambda _whole: b""],
    ids=["cut short", "changed", "empty"],
)
def test_a_damaged_entry_costs_one_download(
    provider: Provider, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Cut short, changed or empty: the page is asked for without conditions, and the entry mended."""
    look(provider, tmp_path)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert look(provider, tmp_path) == (BODY, 0)
    assert look(provider, tmp_path) == (BODY, 1)


def test_unchanged_what_we_do_not_have_is_a_wrong_answer(provider: Provider, client: Client) -> None:
    """304 was not asked for, and an empty body is not taken for the page."""
    provider.fail(Fault(status=304, times=2))
    with pytest.raises(AnswerError, match="answered 304"):
        client.get(URL)
    with pytest.raises(AnswerError, match="answered 304"):
        client.post(URL)


def test_two_clients_share_what_was_downloaded(provider: Provider, tmp_path: Path) -> None:
    """Both looks began before either was done; the third profits from them."""
    with client_of(provider, tmp_path) as first, client_of(provider, tmp_path) as second:
        assert first.get(URL) == second.get(URL) == BODY
        second.commit()
        first.commit()
    assert look(provider, tmp_path) == (BODY, 1)


def test_accounts_do_not_share_what_was_downloaded(tmp_path: Path) -> None:
    """Their answers may differ and yet be of one second, so one account's is never shown to another."""
    mine, yours = ({"authorization": f"Bearer {who}"} for who in ("mine", "yours"))
    routes = [
        Route(URL, b"my prices", headers=mine, answer_headers=LAST_MODIFIED),
        Route(URL, b"your prices", headers=yours, answer_headers=LAST_MODIFIED),
    ]
    with provider_of(routes) as provider:
        assert look(provider, tmp_path, headers=mine) == (b"my prices", 0)
        assert look(provider, tmp_path, headers=yours) == (b"your prices", 0)
        assert look(provider, tmp_path, headers=mine) == (b"my prices", 1)


def test_a_cache_that_cannot_be_written_is_an_error_of_commit_alone(provider: Provider, tmp_path: Path) -> None:
    """The answer was there before."""
    (tmp_path / "cache").write_text("a file")
    with client_of(provider, tmp_path) as client:
        assert client.get(URL) == BODY
        with pytest.raises(OSError, match="cache"):
            client.commit()


# What it follows


def redirected(provider: Provider, status: int, to: str) -> None:
    """Let the page be elsewhere."""
    provider.routes[:] = [
        Route(URL, b"", method=method, status=status, answer_headers={"Location": to}) for method in ("GET", "POST")
    ]
    provider.routes.append(Route("https://elsewhere.example/x", BODY))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_where_no_credentials_go_along(provider: Provider, client: Client, status: int) -> None:
    """Without headers there are none; with them, whatever their name is, it is an answer that is not expected."""
    redirected(provider, status, f"{provider.mirror}/elsewhere.example/x")
    assert client.get(URL) == BODY
    with pytest.raises(AnswerError, match=f"answered {status}"):
        client.get(URL, headers={"X-Api-Key": "SECRET"})
    with pytest.raises(AnswerError, match=f"answered {status}"):
        client.post(URL, json={"secret": "SECRET"})
    assert [received.url for received in provider.received] == [URL, "https://elsewhere.example/x", URL, URL]


def test_redirects_in_a_circle_end(provider: Provider, client: Client) -> None:
    """A page that points to itself is a wrong answer; it is not retried."""
    redirected(provider, 302, f"{provider.mirror}/cloud.example/v1/prices")
    with pytest.raises(AnswerError, match="redirects"):
        client.get(URL)
    assert client.traffic.requests == 1


@pytest.mark.parametrize("to", ["ftp://elsewhere.example/x", "https://elsewhere.example:x/"])
def test_a_redirect_to_nowhere_is_no_success(provider: Provider, client: Client, to: str) -> None:
    """Neither is an address that can be asked."""
    redirected(provider, 302, to)
    with pytest.raises((AnswerError, UnreachableError), match=r"cloud\.example/v1/prices"):
        client.get(URL)


def test_pages_are_read_to_their_end(client: Client) -> None:
    """Each once, in their order."""
    links = {"a": "b", "b": "c", "c": None}
    read: list[str] = []

    def step(place: str) -> str | None:
        read.append(place)
        return links[place]

    client.follow("a", step)
    assert read == ["a", "b", "c"]


def test_a_token_that_comes_again_ends_the_pages(client: Client) -> None:
    """Whether a page points to itself or to one before it, nothing is read twice."""
    links = {"a": "b", "b": "c", "c": "b"}
    read: list[str] = []

    def step(place: str) -> str | None:
        read.append(place)
        return links[place]

    with pytest.raises(RepeatedPageError, match="in circles after 3"):
        client.follow("a", step)
    assert read == ["a", "b", "c"]


def test_pages_without_end_end(client: Client) -> None:
    """A provider that makes up a new token for ever."""
    with pytest.raises(RepeatedPageError, match=f"after {MOST_PAGES:,}"):
        client.follow("1", lambda place: str(int(place) + 1))
