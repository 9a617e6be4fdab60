"""No test reaches the network: the guard of tests/conftest.py bites, and leaves loopback alone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import NetworkBlockedError

ELSEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 of RFC 5737: nobody is there


def _in_socket(kind: socket.SocketKind, action: Callable[[socket.socket], object]) -> Callable[[], object]:
    def run() -> object:
        with socket.socket(socket.AF_INET, kind) as sock:
            return action(sock)

    return run


@pytest.mark.parametrize(
    "reach_out",
    [
        pytest.param(_in_socket(socket.SOCK_STREAM, lambda sock: sock.connect(ELSEWHERE)), id="connect"),
        pytest.param(_in_socket(socket.SOCK_STREAM, lambda sock: sock.connect_ex(ELSEWHERE)), id="connect_ex"),
        pytest.param(_in_socket(socket.SOCK_STREAM, lambda sock: sock.bind(("", 0))), id="bind-everywhere"),
        pytest.param(_in_socket(socket.SOCK_STREAM, lambda sock: sock.bind(("0.0.0.0", 0))), id="bind-any"),
        pytest.param(_in_socket(socket.SOCK_DGRAM, lambda sock: sock.sendto(b"x", ELSEWHERE)), id="sendto"),
        pytest.param(_in_socket(socket.SOCK_DGRAM, lambda sock: sock.sendmsg([b"x"], [], 0, ELSEWHERE)), id="sendmsg"),
        pytest.param(lambda: socket.create_connection(ELSEWHERE), id="create_connection"),
        pytest.param(lambda: socket.getaddrinfo("example.invalid", 443), id="getaddrinfo"),
        pytest.param(lambda: socket.gethostbyname("example.invalid"), id="gethostbyname"),
        pytest.param(lambda: socket.gethostbyname_ex("example.invalid"), id="gethostbyname_ex"),
    ],
)
def test_every_way_out_is_refused(reach_out: Callable[[], object]) -> None:
    """A test that reaches past loopback fails with an error that no code takes for a dead network."""
    with pytest.raises(NetworkBlockedError, match="a test may"):
        reach_out()


def test_loopback_is_open() -> None:
    """A server on 127.0.0.1 can be started and reached, by address and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("localhost", port)):
            pass


def test_unix_sockets_are_open(tmp_path: Path) -> None:
    """A UNIX socket is not the network."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
