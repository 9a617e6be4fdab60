"""moto's own server as a process of its own: an AWS that answers on loopback, with real EC2 types and zones.

It knows no capacity and no prices: its spot prices are all 0.00001, and it has neither placement scores nor capacity
blocks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

CREDENTIALS: Final[Mapping[str, str]] = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
_STRICT: Final[Mapping[str, str]] = {
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # 1.2 MB that nobody reads
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "1",
    "MOTO_ENABLE_AMI_VALIDATION": "1",
}
_STARTS_WITHIN_S: Final = 60


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a server that answers while the context lasts."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, **CREDENTIALS, **_STRICT}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(process, f"{address}/moto-api/data.json")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise RuntimeError(f"moto's server ended with {process.returncode}")
        try:
            with urlopen(url, timeout=5):
                return
        except URLError:
            time.sleep(0.1)
    raise RuntimeError(f"moto's server did not answer within {_STARTS_WITHIN_S} s")
