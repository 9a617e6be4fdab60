"""What was downloaded before, with the validators that let a server say "not modified" (RFC 9110, section 8.8).

An entry is written only by `commit`, when its rows have been accepted: an answer that turned out to be useless must
not be confirmed as still current at the next look.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VALIDATORS: Final[Mapping[str, str]] = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
"""The header of an answer, and the one of a request that hands it back."""


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
    """Entries in a folder, one file each. A file that cannot be read is no entry: it costs one download."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: dict[str, Entry] = {}

    def find(self, key: str) -> Entry | None:
        """The entry that was last committed under this key (an address)."""
        try:
            head, _, body = self._file(key).read_bytes().partition(b"\n")
            said = json.loads(head)
            validators = {name: str(said["validators"][name]) for name in VALIDATORS if name in said["validators"]}
            whole = said["key"] == key and said["sha256"] == hashlib.sha256(body).hexdigest()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Entry(validators, body) if whole else None

    def offer(self, key: str, entry: Entry) -> None:
        """Keep the entry in memory until `commit`; one without validators is of no use later."""
        if entry.validators:
            self._pending[key] = entry

    def commit(self) -> None:
        """Write what was offered.

        Raises:
            OSError: the folder cannot be written.
        """
        if self._pending:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for key, entry in self._pending.items():
            said = {
                "key": key,
                "sha256": hashlib.sha256(entry.body).hexdigest(),
                "validators": dict(entry.validators),
            }
            draft = self._file(key).with_suffix(f".new-{os.getpid()}")
            draft.write_bytes(json.dumps(said).encode() + b"\n" + entry.body)
            draft.chmod(0o600)  # an account's answers are its own
            draft.replace(self._file(key))
        self._pending.clear()

    def _file(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]
