"""What refreshes saw, beside the catalog: a look that changed nothing is no snapshot, but it renews the age of prices.

The folder `<catalog>.refresh` holds `state.json`, the rows that were rejected (one Parquet file for each source), the
log of scheduled runs and the lock of a run. Losing it loses no price: ages are then those of the snapshots.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1


@dataclass(frozen=True)
class SourceState:
    """The last look at one source.

    `outcome` in a word, at so many `looks` in a row; `confirmed_at` is when its rows were last seen to hold.
    """

    looked_at: datetime
    outcome: str
    detail: str = ""
    confirmed_at: datetime | None = None
    looks: int = 1


@dataclass(frozen=True)
class RefreshState:
    """`succeeded_at` is the end of the last refresh in which no source failed."""

    succeeded_at: datetime | None = None
    sources: Mapping[str, SourceState] = field(default_factory=dict)


def folder_of(catalog: Path) -> Path:
    """The folder that belongs to a catalog file (a link to one has that of its target)."""
    target = catalog.resolve()
    return target.with_name(f"{target.name}.refresh")


def read_state(catalog: Path) -> RefreshState:
    """The state beside a catalog; an empty one where there is none that can be read."""
    try:
        said = json.loads((folder_of(catalog) / "state.json").read_text(encoding="utf-8"))
        if said["version"] != VERSION:
            return RefreshState()
        return RefreshState(
            _instant(said["succeeded_at"]),
            {name: _source(entry) for name, entry in said["sources"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RefreshState()


def write_state(catalog: Path, state: RefreshState) -> None:
    """Replace the state whole.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = folder_of(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "version": VERSION,
        "succeeded_at": _text(state.succeeded_at),
        "sources": {
            name: {
                "looked_at": _text(source.looked_at),
                "outcome": source.outcome,
                "detail": source.detail,
                "confirmed_at": _text(source.confirmed_at),
                "looks": source.looks,
            }
            for name, source in sorted(state.sources.items())
        },
    }
    draft = folder / f"state.json.new-{os.getpid()}"
    draft.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / "state.json")


def _source(said: Mapping[str, Any]) -> SourceState:
    looked_at = _instant(said["looked_at"])
    if looked_at is None:
        raise ValueError("a look has a time")
    return SourceState(
        looked_at, str(said["outcome"]), str(said["detail"]), _instant(said["confirmed_at"]), int(said["looks"])
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
