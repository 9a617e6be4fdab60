"""What every source must do, whatever it reads. Each test of the kit is run on each source of the registry.

A source's own tests say what its figures are; these say that they are rows that the catalog can take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from catalog_data.checks import check
from catalog_data.normalise import CLOUDS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, REGIONS, TABLES
from catalog_fetchers.base import Access, Pages, Source, Tables
from catalog_fetchers.cache import Cache
from catalog_fetchers.client import Client, Patience

LOOK: Final = datetime(2026, 11, 1, 6, tzinfo=UTC)
QUICK: Final = Patience(connect_s=2, read_s=2, total_s=30, attempts=4, first_wait_s=0.01, longest_wait_s=3)


@contextmanager
def access_to(
    mirror: str,
    folder: Path,
    env: Mapping[str, str],
    *,
    patience: Patience = QUICK,
    known: Mapping[str, pl.DataFrame] | None = None,
) -> Iterator[Access]:
    """What a source may use: everything at a mirror on loopback, an empty home, and the tables that are `known`."""
    tables = {name: table.empty() for name, table in TABLES.items()} | dict(known or {})
    (folder / "work").mkdir(parents=True, exist_ok=True)
    with Client(Cache(folder / "cache"), patience=patience, per_second=1000, mirror=mirror) as client:
        yield Access(
            client=client,
            env=env,
            home=folder / "home",
            folder=folder / "work",
            instance_types=tables[INSTANCE_TYPES.name],
            regions=tables[REGIONS.name],
            offers=tables[OFFERS.name],
        )


def fetched(source: Source, access: Access) -> Pages:
    """The pages of one look."""
    return tuple(source.fetch(access))


def require_conforming(source: Source, pages: Pages, known_types: pl.DataFrame | None = None) -> Tables:
    """The rows that the pages give, which must be of their tables and deterministic, and pass the checks.

    `known_types` (INSTANCE_TYPES) is the hardware that the catalog knows, for sources that bring prices alone.
    """
    tables = source.parse(pages, LOOK)
    require_shape(source, tables)
    again = source.parse(pages, LOOK)
    for name, frame in tables.items():
        assert frame.equals(again[name]), f"{source.name}: the same pages give other {name}"
    require_checked(source, tables, known_types)
    return tables


def require_shape(source: Source, tables: Tables) -> None:
    """Frames are in the schema of their table, rows bear the source's name, and no key is there twice."""
    assert tables, f"{source.name} brings no table"
    for name, frame in tables.items():
        table = TABLES[name]
        assert not table.misfits(frame.schema), f"{source.name}: {table.misfits(frame.schema)}"
        assert frame["source"].unique().to_list() in ([source.name], []), f"{source.name}: rows of other sources"
        assert frame.filter(pl.struct(table.key).is_duplicated()).is_empty(), f"{source.name}: {name} repeats a key"
        assert frame.filter(pl.col("observed_at") > LOOK).is_empty(), f"{source.name}: seen before it was looked at"
        if "cloud" in frame.columns:
            clouds = set(frame["cloud"].unique())
            assert clouds <= set(CLOUDS), f"{source.name}: unknown clouds {clouds - set(CLOUDS)}"
            assert not source.clouds or clouds <= set(source.clouds), f"{source.name}: speaks of {clouds}"


def require_checked(source: Source, tables: Tables, known_types: pl.DataFrame | None = None) -> None:
    """Something passes the checks of the catalog, and what a stage holds of good rows is not rejected."""
    machines = [frame for frame in (tables.get(INSTANCE_TYPES.name), known_types) if frame is not None]
    hardware = pl.concat(machines) if machines else None
    for name, frame in tables.items():
        result = check(TABLES[name], frame, instance_types=hardware)
        assert frame.is_empty() or result.kept.height, f"{source.name}: all {name} are rejected: {result.reasons()}"
    offers = tables.get(OFFERS.name)
    if offers is not None:
        middle = offers.drop_nulls("price_usd_h").select(pl.col("price_usd_h").median()).item()
        assert middle is None or 0.0005 < middle < 500, f"{source.name}: is that USD per hour?"
