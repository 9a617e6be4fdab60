"""A program that publishes into a catalog on a file system that is full but for some room, and prints what came of it.

`python -m tests.kits.small_disk FOLDER FIRST NEXT` fills the file system of FOLDER up, so it wants one of its own. It
publishes the offers in the file FIRST, then those in NEXT with more and more room. It prints a JSON list with one entry
for each attempt: the error's type and message, or null at success.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from catalog_data.errors import CatalogError
from catalog_data.publishing import publish
from catalog_data.store import Catalog
from tests.kits.rows import NOON

SPARE_KIB = (0, 64, 512, 1024, 1536, 2048, 2560, 3072, 4096, 4608)


def main(folder: Path, first: Path, following: Path) -> list[tuple[str, str] | None]:
    """Try to publish with ever more room until it works; the catalog must stay as it was until then."""
    path, filler = folder / "catalog.duckdb", folder / "filler"
    publish(path, {"offers": first}, published_at=NOON, note="first")
    before = path.read_bytes()
    outcomes: list[tuple[str, str] | None] = []
    for spare_kib in SPARE_KIB:
        fill(filler, spare_kib * 1024)
        try:
            publish(path, {"offers": following}, published_at=NOON, note="next")
        except CatalogError as error:
            outcomes.append((type(error).__name__, str(error)))
            assert path.read_bytes() == before
            assert not list(folder.glob("*.new-*"))
        else:
            outcomes.append(None)
            break
    with Catalog.open(path) as catalog:
        catalog.verify()
    return outcomes


def fill(filler: Path, spare: int) -> None:
    """Let `filler` take all the room of its file system but for `spare` bytes."""
    block = bytes(4096)
    with filler.open("wb", buffering=0) as file:
        size = 0
        try:
            while True:
                size += file.write(block)
        except OSError:
            file.truncate(max(0, size - spare))


if __name__ == "__main__":
    print(json.dumps(main(*(Path(argument) for argument in sys.argv[1:]))))
