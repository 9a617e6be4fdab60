"""Fixtures that every test may use, and the guard that keeps tests off the network."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; CI has it, a lone clone may not."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the real data at {SHARED}")
        pytest.skip("the folder of real data (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test meets the home folder or the settings of whoever runs the tests: a catalog may lie there, or prices."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("SKYBROKER_", "XDG_")):
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


class NetworkBlockedError(RuntimeError):
    """A test reached for the network. No OSError: code that survives a dead network must not hide it."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _check_address(sock: socket.socket, address: object) -> None:
    # sendmsg on a connected socket names no address; its connect was checked.
    if sock.family == socket.AF_UNIX or address is None:
        return
    if not (isinstance(address, tuple) and _is_loopback(address[0])):
        raise NetworkBlockedError(f"a test may reach loopback and UNIX sockets only, not {address!r}")


def _check_name(host: object, *_rest: object) -> None:
    # No host at all is this machine's own address, which nobody is asked about.
    if host and not _is_loopback(host):
        raise NetworkBlockedError(f"a test may look up localhost only, not {host!r}")


_CHECKS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "socket.bind": _check_address,
        "socket.connect": _check_address,  # connect_ex too
        "socket.sendmsg": _check_address,
        "socket.sendto": _check_address,
        "socket.getaddrinfo": _check_name,
        "socket.gethostbyaddr": _check_name,
        "socket.gethostbyname": _check_name,  # gethostbyname_ex too
    }
)


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    check = _CHECKS.get(event)
    if check is not None:
        check(*arguments)


# An audit hook sees the calls of every Python module, holds from collection to the last teardown and cannot be taken
# off. It is per process: a program that a test starts is not guarded, and neither is a socket that native code opens.
sys.addaudithook(_guard)
