"""A client that reads from a provider on loopback, and a page of prices, for the tests of the client itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from catalog_fetchers.cache import Cache
from catalog_fetchers.client import Client, Patience
from tests.kits.provider import Provider

URL: Final = "https://cloud.example/v1/prices"
BODY: Final = b'{"prices": [1, 2, 3]}' * 200
QUICK: Final = Patience(connect_s=5, read_s=5, total_s=60, attempts=4, first_wait_s=0.01, longest_wait_s=30)
BOUND_S: Final = 25
"""No test waits for as long as this, so what took less was not waited for to its end."""


@contextmanager
def client_of(
    provider: Provider, folder: Path, patience: Patience = QUICK, stop: threading.Event | None = None
) -> Iterator[Client]:
    """A client that reads everything from the provider."""
    with Client(
        Cache(folder / "cache"), patience=patience, per_second=1000, mirror=provider.mirror, stop=stop
    ) as client:
        yield client


def look(
    provider: Provider, folder: Path, *, commit: bool = True, headers: Mapping[str, str] | None = None
) -> tuple[bytes, int]:
    """One look with a client of its own: the body, and how many answers were "not modified"."""
    with client_of(provider, folder) as client:
        body = client.get(URL, headers=headers)
        if commit:
            client.commit()
        return body, client.traffic.unchanged


def statuses(provider: Provider) -> list[int]:
    """What the provider answered, in order."""
    return [received.status for received in provider.received]
