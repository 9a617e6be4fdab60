"""Credentials never show: not in an error of any kind, nor in a traceback, nor in the cache."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from catalog_fetchers.cache import Cache
from catalog_fetchers.client import Client
from catalog_fetchers.errors import AnswerError, RefusedError, SourceError, UnreachableError
from tests.kits.client_looks import BODY, QUICK, URL, client_of
from tests.kits.provider import Fault, Provider, Route, provider_of

SECRET = "s3cr3t"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}
BRIEF = replace(QUICK, read_s=0.5, attempts=2)


def shown(error: BaseException) -> str:
    """All that a user or a log may see of it: text, hint, and the traceback with its causes."""
    return "".join(traceback.format_exception(error)) + getattr(error, "hint", "")


FAULTS = {
    "refused": Fault(status=401, times=9),
    "forbidden": Fault(status=403, times=9),
    "not found": Fault(status=404, times=9),
    "redirect": Fault(status=302, headers={"Location": f"https://elsewhere.example/?key={SECRET}"}, times=9),
    "redirect to nowhere": Fault(status=302, headers={"Location": f"https://x:port/?key={SECRET}"}, times=9),
    "busy": Fault(status=429, headers={"Retry-After": "3600"}),
    "broken": Fault(status=500, times=9),
    "dropped": Fault(drop=True, times=9),
    "cut": Fault(cut=True, times=9),
    "silent": Fault(hang_s=60, times=9),
    "packed": Fault(status=200, content=b"?", headers={"Content-Encoding": "br"}),
    "unasked 304": Fault(status=304),
}


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_shows_a_credential(tmp_path: Path, name: str) -> None:
    """Whether it is in the query, in a header or in the body of a question."""
    with (
        provider_of([Route(URL, BODY), Route(URL, BODY, method="POST")]) as provider,
        client_of(provider, tmp_path, BRIEF) as client,
    ):
        provider.fail(FAULTS[name])
        with pytest.raises(SourceError) as asked:
            client.get(URL, params={"key": SECRET}, headers=HEADERS)
        assert provider.received[0].query == {"key": SECRET}
        provider.fail(FAULTS[name])
        with pytest.raises(SourceError) as posted:
            client.post(f"{URL}?key={SECRET}", form={"client_secret": SECRET})
    assert SECRET not in shown(asked.value)
    assert SECRET not in shown(posted.value)


@pytest.mark.parametrize("key", [f"{SECRET}\n", f"{SECRET}\r\nX-More: 1", f"{SECRET}é", f"{SECRET}\0"])
def test_a_key_that_no_header_can_hold_is_said_but_not_shown(tmp_path: Path, key: str) -> None:
    """A line break from the end of a file, or an accent: nothing is sent, and nothing is retried."""
    with provider_of([Route(URL, BODY)]) as provider, client_of(provider, tmp_path) as client:
        with pytest.raises(RefusedError, match="a character that no header may hold") as caught:
            client.get(URL, headers={"Authorization": f"Bearer {key}"})
        assert provider.received == []
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    "link", [f"https://cloud.example:port/?key={SECRET}", f"//cloud.example/?key={SECRET}", f"?{SECRET}"]
)
def test_a_link_that_is_no_address_is_not_shown_whole(tmp_path: Path, link: str) -> None:
    """A link to the next page may repeat the key."""
    with Client(Cache(tmp_path)) as client, pytest.raises(AnswerError, match="not an address") as caught:
        client.get(link)
    assert SECRET not in shown(caught.value)


def test_the_cache_holds_no_credential(tmp_path: Path) -> None:
    """Neither in names nor in contents."""
    with provider_of([Route(URL, BODY)]) as provider, client_of(provider, tmp_path) as client:
        client.get(URL, params={"key": SECRET}, headers=HEADERS)
        client.commit()
    (file,) = (tmp_path / "cache").iterdir()
    assert SECRET not in file.name
    assert SECRET.encode() not in file.read_bytes()


@pytest.fixture
def pretender(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "pretender.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = QuietServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietServer(HTTPServer):
    """One that does not mind a client that turns away."""

    def get_request(self) -> tuple[socket.socket, Any]:
        """A handshake that fails is no request (`OSError`, which the server passes over)."""
        with suppress(ssl.SSLError):
            return super().get_request()
        raise OSError("no handshake")


def test_a_certificate_that_is_not_trusted_is_no_passing_fault(tmp_path: Path, pretender: str) -> None:
    """It is said at once, with what to do about it, and nothing is sent."""
    with (
        Client(Cache(tmp_path), patience=QUICK) as client,
        pytest.raises(UnreachableError, match="certificate is not trusted: self-signed") as caught,
    ):
        client.get(pretender, headers=HEADERS)
    assert "SSL_CERT_FILE" in caught.value.hint
    assert client.traffic.requests == 1
    assert SECRET not in shown(caught.value)


def test_a_certificate_can_be_trusted(tmp_path: Path, pretender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hint says; the server then answers, if only that it does not know how."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pretender.pem"))
    with (
        Client(Cache(tmp_path), patience=replace(QUICK, attempts=1)) as client,
        pytest.raises(UnreachableError, match="answered 501"),
    ):
        client.get(pretender)


def test_a_server_without_tls_is_not_taken_for_one_with_it(provider_without_tls: Provider, tmp_path: Path) -> None:
    """What it says is not read."""
    with (
        Client(Cache(tmp_path), patience=replace(QUICK, attempts=1)) as client,
        pytest.raises(UnreachableError, match="SSL"),
    ):
        client.get(provider_without_tls.mirror.replace("http:", "https:"))
    assert provider_without_tls.received == []


@pytest.fixture
def provider_without_tls() -> Iterator[Provider]:
    """A provider that speaks HTTP only."""
    with provider_of([]) as served:
        yield served
