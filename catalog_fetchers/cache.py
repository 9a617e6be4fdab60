"""What was downloaded before, with the validators that let a server say "not modified" (RFC 9110, section 8.8).

An entry is written only by `commit`, when its rows have been accepted: an answer that turned out to be useless must
not be confirmed as still current at the next look.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VALIDATORS: Final[Mapping[str, str]] = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
"""The header of an answer, and the one of a request that hands it back."""
KEPT_S: Final = 30 * 24 * 3600
"""Entries that no look asked for in so long are removed: the tokens of pages are others at each look."""
SUFFIX: Final = ".answer"


@dataclass(frozen=True)
class Entry:
    """A body and the validators that came with it, by the names of their headers."""

    validators: Mapping[str, str]
    body: bytes

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask for the body only if it is another one by now."""
        return {VALIDATORS[name]: value for name, value in self.validators.items()}


class Cache:
    """Entries in a folder, one file each: a checksum, the validators, the body.

    A file that cannot be read, is damaged or belongs to another key is no entry: it costs one download. Keys are kept
    only as digests, since an address or a header may hold a secret.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: dict[str, Entry] = {}
        self._used: set[Path] = set()

    def find(self, key: str) -> Entry | None:
        """The entry that was last committed under this key."""
        file = self._file(key)
        try:
            checksum, validators, body = file.read_bytes().split(b"\n", 2)
        except (OSError, ValueError):
            return None
        if checksum != _checksum(key, validators, body):
            return None
        self._used.add(file)
        return Entry(json.loads(validators), body)

    def offer(self, key: str, entry: Entry) -> None:
        """Keep the entry in memory until `commit`; one without validators is of no use later."""
        if entry.validators:
            self._pending[key] = entry

    def commit(self) -> None:
        """Write what was offered, and remove what was long not asked for.

        Raises:
            OSError: the folder cannot be written.
        """
        if self._pending:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for key, entry in self._pending.items():
            self._write(key, entry)
        self._pending.clear()
        for file in self._used:
            with suppress(FileNotFoundError):
                os.utime(file)
        oldest = time.time() - KEPT_S
        for file in self._folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < oldest:
                    file.unlink()

    def _write(self, key: str, entry: Entry) -> None:
        """Replace the file in one step: other looks may read and write the folder at the same time."""
        validators = json.dumps(dict(entry.validators)).encode()
        # Only its owner can read what `mkstemp` makes: an account's answers are its own.
        descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=SUFFIX)
        try:
            with os.fdopen(descriptor, "wb") as draft:
                draft.writelines((_checksum(key, validators, entry.body), b"\n", validators, b"\n", entry.body))
            Path(name).replace(self._file(key))
        finally:
            Path(name).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}{SUFFIX}"


def _checksum(key: str, validators: bytes, body: bytes) -> bytes:
    """Of all that makes an entry, so that a file that carries it is one that was written here, whole."""
    digest = hashlib.sha256(key.encode())
    digest.update(b"\n" + validators + b"\n")
    digest.update(body)
    return digest.hexdigest().encode()
