"""Whether this installation is sound: packages, catalog, sources, refreshes, private prices."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path
from typing import Any, Final

from catalog_data.overlay import PrivatePrices, unmatched
from catalog_data.refresh_state import RefreshState, SourceState, read_state
from catalog_data.snapshot import SnapshotInfo, SourceAge
from catalog_data.store import Catalog
from catalog_fetchers.refresh import BAD
from catalog_fetchers.registry import SOURCES
from cli.errors import CommandError
from cli.plan_view import age_text
from cli.printer import Column, print_lines, print_table
from cli.settings import catalog_path, private_prices_path
from cli.wiring import opened_catalog, private_prices

OUR_DISTRIBUTION: Final = "skybroker"
OUR_PACKAGES: Final = ("catalog_data", "catalog_fetchers", "cli", "engine", "executor")
MUCH_HISTORY: Final = 10
"""So many versions for each row that holds are worth a pruning."""
ANY_CLOUD: Final = "any"


@dataclass(frozen=True)
class Held:
    """What a catalog holds: `snapshots` oldest first, `sizes` as Catalog.sizes, `idle` as overlay.unmatched."""

    snapshots: tuple[SnapshotInfo, ...] = ()
    sources: tuple[SourceAge, ...] = ()
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()

    @property
    def much_history(self) -> bool:
        """Whether what was replaced takes most of the room."""
        rows = sum(rows for rows, _ in self.sizes.values())
        return sum(versions for _, versions in self.sizes.values()) > MUCH_HISTORY * rows


@dataclass(frozen=True)
class Findings:
    """What was found.

    `held` is empty where the catalog cannot be read, `ready` has the sources of each cloud that can be asked, and
    `faults` are the things that need mending, one line each.
    """

    packages: Mapping[str, str]
    catalog: Path
    catalog_bytes: int
    held: Held
    refresh: RefreshState
    ready: Mapping[str, tuple[str, ...]]
    private_prices: Path | None
    faults: tuple[str, ...]

    @property
    def failed(self) -> Mapping[str, SourceState]:
        """The sources of which nothing came at their last look that should have."""
        return {name: look for name, look in self.refresh.sources.items() if look.outcome in BAD}

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601."""
        held, succeeded_at = self.held, self.refresh.succeeded_at
        return {
            "schema_version": 1,
            "packages": dict(self.packages),
            "catalog": str(self.catalog),
            "catalog_bytes": self.catalog_bytes,
            "snapshot": held.snapshots[-1].id if held.snapshots else None,
            "snapshots": len(held.snapshots),
            "oldest_snapshot_at": held.snapshots[0].published_at.isoformat() if held.snapshots else None,
            "sources": [
                {
                    "source": age.source,
                    "source_version": age.source_version,
                    "observed_at": age.observed_at.isoformat(),
                    "rows": age.rows,
                }
                for age in held.sources
            ],
            "tables": {name: {"rows": rows, "versions": versions} for name, (rows, versions) in held.sizes.items()},
            "last_success": succeeded_at.isoformat() if succeeded_at else None,
            "failed": [
                {
                    "source": name,
                    "outcome": look.outcome,
                    "looked_at": look.looked_at.isoformat(),
                    "detail": look.detail,
                }
                for name, look in self.failed.items()
            ],
            "ready": {cloud: list(names) for cloud, names in self.ready.items()},
            "private_prices": str(self.private_prices) if self.private_prices else None,
            "private_prices_unmatched": list(held.idle),
            "faults": list(self.faults),
        }


def examined() -> Findings:
    """Look at everything; what cannot be read is a fault, not an error."""
    faults = _foreign_packages()
    private: PrivatePrices | None = None
    held = Held()
    try:
        private = private_prices()
    except CommandError as error:
        faults += _lines(error)
    try:
        held = _held(private)
    except CommandError as error:
        faults += _lines(error)
    path = catalog_path()
    return Findings(
        packages=_packages(),
        catalog=path,
        catalog_bytes=path.stat().st_size if path.exists() else 0,
        held=held,
        refresh=read_state(path),
        ready=_ready(),
        private_prices=private_prices_path(),
        faults=tuple(faults),
    )


def _lines(error: CommandError) -> list[str]:
    return [f"{line} ({error.hint})" if error.hint else line for line in error.lines]


def _held(private: PrivatePrices | None) -> Held:
    with opened_catalog() as catalog:
        catalog.verify()
        known = catalog.snapshots()
        return Held(
            snapshots=tuple(known),
            sources=catalog.sources(known[-1]),
            sizes=catalog.sizes(),
            idle=() if private is None else _idle(private, catalog),
        )


def _idle(private: PrivatePrices, catalog: Catalog) -> tuple[str, ...]:
    return unmatched(private, catalog.snapshot(network=bool(private.egress), spot_risk=False))


def _packages() -> dict[str, str]:
    """Python, ourselves and what we require, with versions."""
    names = sorted(match[0] for line in requires(OUR_DISTRIBUTION) or () if (match := re.match(r"[\w.-]+", line)))
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        **{name: version(name) for name in (OUR_DISTRIBUTION, *names)},
    }


def _foreign_packages() -> list[str]:
    """Our top-level packages are imported by plain names; another distribution with one of them would replace it."""
    owners = packages_distributions()
    return [
        f"the package {name} belongs to {', '.join(sorted(foreign))} too; uninstall that"
        for name in OUR_PACKAGES
        if (foreign := set(owners.get(name, ())) - {OUR_DISTRIBUTION})
    ]


def _ready() -> dict[str, tuple[str, ...]]:
    """The sources whose credentials are there, by cloud."""
    ready = {source.name for source in SOURCES if not source.missing(os.environ, Path.home())}
    of_cloud = {cloud: tuple(name for name in names if name in ready) for cloud, names in _by_cloud().items()}
    return {cloud: names for cloud, names in of_cloud.items() if names}


def _by_cloud() -> dict[str, list[str]]:
    """All sources by the clouds that they speak of, by name."""
    clouds: dict[str, list[str]] = {}
    for source in SOURCES:
        for cloud in source.clouds or (ANY_CLOUD,):
            clouds.setdefault(cloud, []).append(source.name)
    return dict(sorted(clouds.items()))


def print_findings(findings: Findings) -> None:
    """Everything in sections, faults last."""
    now = datetime.now(UTC)
    held = findings.held
    print_lines("Installed: " + ", ".join(f"{name} {text}" for name, text in findings.packages.items()), "")
    print_lines(f"Catalog: {findings.catalog} ({findings.catalog_bytes / 2**20:.1f} MiB, {_snapshots_text(held)})", "")
    if held.snapshots:
        _print_held(held, now)
    print_lines(*_remarks(findings, now))
    print_lines("", *([f"FAULT: {fault}" for fault in findings.faults] or ["No faults."]))


def _snapshots_text(held: Held) -> str:
    if not held.snapshots:
        return "no snapshot"
    oldest, newest = held.snapshots[0], held.snapshots[-1]
    count = f"{len(held.snapshots):,} in all since {oldest.published_at:%Y-%m-%d}"
    return f"snapshot {newest.id}" + (f", {count}" if newest != oldest else "")


def _print_held(held: Held, now: datetime) -> None:
    """Where the rows come from, and how many there are."""
    print_table(
        (Column("SOURCE"), Column("VERSION", rank=1), Column("ROWS", right=True), Column("AGE", right=True)),
        [
            [age.source, age.source_version or "-", f"{age.rows:,}", age_text(age.observed_at, now)]
            for age in held.sources
        ],
    )
    print_lines("")
    print_table(
        (Column("TABLE"), Column("ROWS", right=True), Column("VERSIONS KEPT", right=True)),
        [[name, f"{rows:,}", f"{versions:,}"] for name, (rows, versions) in held.sizes.items()],
    )
    if held.much_history:
        print_lines("Most of that is history: `skybroker catalog prune --keep 90d` forgets what is older.")
    print_lines("")


def _remarks(findings: Findings, now: datetime) -> Iterator[str]:
    """How refreshes went, what they can ask, and what the user's own prices are."""
    succeeded_at = findings.refresh.succeeded_at
    yield f"Last refresh without a failure: {f'{age_text(succeeded_at, now)} ago' if succeeded_at else 'never'}."
    for name, look in findings.failed.items():
        yield f"{name} {look.outcome} {age_text(look.looked_at, now)} ago: {look.detail}"
    every = _by_cloud()
    clouds = [
        cloud if len(names) == len(every[cloud]) else f"{cloud} ({len(names)} of {len(every[cloud])} sources)"
        for cloud, names in findings.ready.items()
    ]
    yield f"Can be refreshed: {', '.join(clouds)}. `skybroker catalog sources` says what the rest needs."
    if findings.private_prices:
        idle = findings.held.idle
        yield f"Private prices: {findings.private_prices}" + (
            f"; nothing in the catalog fits {', '.join(idle)}." if idle else "."
        )
