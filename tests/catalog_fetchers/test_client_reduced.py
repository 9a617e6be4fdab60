"""Files too large for memory: what is kept of them, and that nothing is left behind."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog_fetchers.client import Client
from catalog_fetchers.errors import AnswerError, UnreachableError
from tests.kits.client_looks import BODY, QUICK, URL, client_of, statuses
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files are written; empty."""
    place = tmp_path / "work"
    place.mkdir()
    return place


def size_of(file: Path) -> bytes:
    """A reduction: the size of the file in bytes."""
    return str(file.stat().st_size).encode()


def test_the_file_is_whole_for_reduce_and_gone_afterwards(client: Client, folder: Path) -> None:
    """It holds the unpacked body, and what is made of it is the answer."""
    bodies: list[bytes] = []

    def reduce(file: Path) -> bytes:
        bodies.append(file.read_bytes())
        return b"three prices"

    assert client.reduced(URL, folder, reduce) == b"three prices"
    assert bodies == [BODY]
    assert list(folder.iterdir()) == []


def test_the_file_is_gone_when_reduce_raises(client: Client, folder: Path) -> None:
    """Its error is passed on as it is, and nothing is asked again on its account."""

    def reduce(_file: Path) -> bytes:
        raise AnswerError("no column named price")

    with pytest.raises(AnswerError, match=r"^no column named price$"):
        client.reduced(URL, folder, reduce)
    assert list(folder.iterdir()) == []
    assert client.traffic.requests == 1


def test_a_damaged_gzip_within_the_file_is_the_callers(client: Client, folder: Path) -> None:
    """A file that `reduce` cannot unpack is no fault of the way: it is not downloaded again."""

    def reduce(file: Path) -> bytes:
        return gzip.decompress(file.read_bytes())

    with pytest.raises(gzip.BadGzipFile):
        client.reduced(URL, folder, reduce)
    assert client.traffic.requests == 1


def test_a_full_disk_is_no_fault_of_the_network(client: Client, folder: Path) -> None:
    """The system's own error comes through, after one download."""
    (folder / "download").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        client.reduced(URL, folder, size_of)
    assert client.traffic.requests == 1
    assert list(folder.iterdir()) == []


def test_a_broken_download_is_begun_anew(provider: Provider, client: Client, folder: Path) -> None:
    """The halves of two attempts are not joined, and half a file is not reduced."""
    provider.fail(Fault(drop=True), Fault(cut=True))
    assert client.reduced(URL, folder, size_of) == str(len(BODY)).encode()
    assert statuses(provider) == [200, 200, 200]


def test_a_download_that_is_given_up_leaves_nothing(provider: Provider, tmp_path: Path, folder: Path) -> None:
    """Neither a file nor an entry of the cache."""
    provider.fail(Fault(drop=True, times=9))
    with client_of(provider, tmp_path, replace(QUICK, attempts=2)) as client:
        with pytest.raises(UnreachableError):
            client.reduced(URL, folder, size_of)
        client.commit()
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "cache").exists()


def test_what_is_unchanged_is_neither_downloaded_nor_reduced_again(
    provider: Provider, tmp_path: Path, folder: Path
) -> None:
    """The second look brings the reduction of the first, which is all that was kept."""
    with client_of(provider, tmp_path) as client:
        client.reduced(URL, folder, size_of)
        client.commit()
    (entry,) = (tmp_path / "cache").iterdir()
    assert entry.stat().st_size < len(BODY) / 4
    with client_of(provider, tmp_path) as client:
        assert client.reduced(URL, folder, lambda _file: b"never made") == str(len(BODY)).encode()
        assert client.traffic.unchanged == 1


def test_a_reduction_is_not_taken_for_the_page(provider: Provider, tmp_path: Path, folder: Path) -> None:
    """The same address, asked for in both ways, has two entries."""
    for _ in range(2):
        with client_of(provider, tmp_path) as client:
            assert client.reduced(URL, folder, size_of) == str(len(BODY)).encode()
            assert client.get(URL) == BODY
            client.commit()
    assert statuses(provider) == [200, 200, 304, 304]


def test_memory_does_not_grow_with_the_file(tmp_path: Path, folder: Path) -> None:
    """64 MiB that were packed a thousandfold: less than an eighth of them is in memory at once."""
    size = 64 << 20
    route = Route(URL, gzip.compress(bytes(size)), answer_headers={"Content-Encoding": "gzip"})
    with provider_of([route]) as provider, client_of(provider, tmp_path) as client:
        tracemalloc.start()
        try:
            assert client.reduced(URL, folder, size_of) == str(size).encode()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < size / 8


def test_a_folder_that_is_not_there_is_said(client: Client, tmp_path: Path) -> None:
    """The system's error names it."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        client.reduced(URL, tmp_path / "nowhere", size_of)
    assert list(tmp_path.iterdir()) == []
