"""What the client and the node of a local machine say to each other, over a socket in the node's folder.

    client -> node    RUN and a command line, with three file descriptors: its input, output and errors
    node -> client    the exit code in decimals, once the command is over
    client -> node    TAKE_BACK
    node -> client    DONE, once it has given notice

Both ends start often, so they import little: this module, and what Python itself needs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RUN: Final = b"run\n"
TAKE_BACK: Final = b"take back\n"
DONE: Final = b"done"
SOCKET: Final = "socket"
LONGEST_ADDRESS: Final = 100
"""Bytes of a socket's path: the system takes 107 on Linux (unix(7): sun_path[108]) and 103 on macOS."""


@contextmanager
def socket_address(folder: str) -> Iterator[str]:
    """A path of the folder's socket that the system takes, however deep the folder lies (on Linux)."""
    path = f"{folder}/{SOCKET}"
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield path
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{SOCKET}"
    finally:
        os.close(opened)


def connect(folder: str) -> socket.socket:
    """A connection to the node of a folder.

    Raises:
        OSError: nobody is there.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        with socket_address(folder) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side has no more to say."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
