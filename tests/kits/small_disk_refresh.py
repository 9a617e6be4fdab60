"""A program that refreshes a catalog on a file system that is full but for some room, and prints what came of it.

`python -m tests.kits.small_disk_refresh FOLDER` fills the file system of FOLDER up, so it wants one of its own. It
refreshes with more and more room, and prints a JSON list with the exit code, the output and the talk of each attempt.
Until one succeeds the catalog must stay as it was.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from catalog_data.store import Catalog
from cli.main import run
from tests.kits.rows import offer, offers, published
from tests.kits.small_disk import fill

SOURCES: Final = "cloudrift,lium,vast"
SPARE_KIB: Final = (0, 16, 64, 256, 1024, 2048, 3072, 4096, 6144, 8192)


def main(folder: Path) -> list[tuple[int, str, str]]:
    """Try to refresh with ever more room until it works."""
    path = folder / "catalog.duckdb"
    os.environ.update(HOME=str(folder), SKYBROKER_CATALOG=str(path))
    published(path, offers=offers(*(offer(instance_type=f"m{n}") for n in range(2000))))
    before = path.read_bytes()
    outcomes: list[tuple[int, str, str]] = []
    for spare_kib in SPARE_KIB:
        fill(folder / "filler", spare_kib * 1024)
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = run(["catalog", "refresh", "--only", SOURCES])
        outcomes.append((code, out.getvalue(), err.getvalue()))
        if code == 0:
            break
        assert path.read_bytes() == before
        assert not list(folder.glob("*.new-*"))
    with Catalog.open(path) as catalog:
        catalog.verify()
        assert len(catalog.snapshots()) == 2
    return outcomes


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
