"""The catalog that comes with the program: real prices, offline, from the first command on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from catalog_data.publishing import publish
from catalog_data.snapshot import SnapshotInfo

PATIENCE_S = 60.0
"""How long to wait for another process that is doing the same."""


@dataclass(frozen=True)
class Embedded:
    """What the embedded catalog is: `files` maps names of tables to Parquet files."""

    id: str
    built: datetime
    files: Mapping[str, Path]


def embedded_id() -> str:
    """The id of the snapshot that the embedded catalog becomes."""
    return str(_manifest()["seed_id"])


@contextmanager
def embedded() -> Iterator[Embedded]:
    """The embedded catalog's files, on disk for as long as the context lasts."""
    folder, manifest = files("catalog_data") / "seed", _manifest()
    with ExitStack() as stack:
        yield Embedded(
            id=manifest["seed_id"],
            built=datetime.fromisoformat(manifest["built"]).replace(tzinfo=UTC),
            files={
                name: stack.enter_context(as_file(folder / table["file"])) for name, table in manifest["tables"].items()
            },
        )


def publish_embedded(path: Path) -> SnapshotInfo:
    """Make the embedded catalog the first snapshot of a new catalog file, or bring an existing one up to it.

    A later version of the program may embed a later catalog. What refreshes have found meanwhile is believed first.

    Raises:
        CatalogUnwritableError, CatalogBusyError: see store.publish.
    """
    with embedded() as seed:
        return publish(
            path,
            seed.files,
            published_at=seed.built,
            note="embedded catalog",
            snapshot_id=seed.id,
            wait_s=PATIENCE_S,
        )


def _manifest() -> Any:  # noqa: ANN401 (JSON)
    return json.loads((files("catalog_data") / "seed" / "MANIFEST.json").read_text(encoding="utf-8"))
