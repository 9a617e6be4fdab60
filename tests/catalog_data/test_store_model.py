"""Random batches against a model that fits on a page: a dict of rows for each snapshot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog_data.precedence import COMPLETE, effective
from catalog_data.schema import OFFERS
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import Catalog, OfferFilter
from tests.kits.rows import NOON, offer, offers, published

EXAMPLES = int(os.environ.get("SKYBROKER_TEST_EXAMPLES", "20"))
"""How many random histories are tried; set it higher for a longer hunt."""

Key: TypeAlias = tuple[str, str | None]
"""Instance type and zone; the rest of the key is the same everywhere."""
Row: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Value:
    """What makes a row another one."""

    source: str
    price_usd_h: float | None
    available: bool | None


Rows: TypeAlias = Mapping[Key, Value]
Said: TypeAlias = Mapping[tuple[str, Key], Row]
"""The row of a source for a key, as it was brought."""

KEYS = st.tuples(st.sampled_from(["m1", "m2"]), st.sampled_from([None, "a"]))
VALUES = st.builds(
    Value, st.sampled_from(["s", "t"]), st.sampled_from([None, 0.5, 2.0]), st.sampled_from([None, True, False])
)
BATCHES = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=5)
NONE_COMPLETE = pl.DataFrame(schema=COMPLETE)


def merged(known: Said, day: int, batch: Rows) -> Said:
    """The model of publishing: sources that occur in the batch say what it says and nothing else."""
    heard = {value.source for value in batch.values()}
    rest = {key: value for key, value in known.items() if key[0] not in heard}
    return {**rest, **{(value.source, key): brought(day, key, value) for key, value in batch.items()}}


def brought(day: int, key: Key, value: Value) -> Row:
    """A row of OFFERS with an instant of observation and a version of that day."""
    at = NOON + timedelta(days=day)
    return offer(instance_type=key[0], zone=key[1], **vars(value), observed_at=at, source_version=str(day))


def holding(said: Said) -> Rows:
    """The rows that hold (catalog_data/precedence.py, which is tested by itself)."""
    frame = effective(OFFERS, offers(*said.values()), NONE_COMPLETE)
    rows = frame.select("instance_type", "zone", "source", "price_usd_h", "available").rows()
    return {(kind, zone): Value(*values) for kind, zone, *values in rows}


def modelled(batches: list[dict[Key, Value]]) -> list[tuple[Said, Rows]]:
    """What is said and what holds in each snapshot; a batch that changes nothing that holds makes none, but the first.

    Where sources say the same again nothing is written, so that they keep the time of their earlier look.
    """
    snapshots: list[tuple[Said, Rows]] = []
    said: Said = {}
    for day, batch in enumerate(batches):
        after = merged(said, day, batch)
        if snapshots and _timeless(after) == _timeless(said):
            continue
        said = after
        if not snapshots or holding(said) != snapshots[-1][1]:
            snapshots.append((said, holding(said)))
    return snapshots


def _timeless(said: Said) -> dict[object, object]:
    return {key: {**row, "observed_at": None, "source_version": None} for key, row in said.items()}


def modelled_diff(old: Rows, new: Rows) -> set[tuple[object, ...]]:
    """Key, change and both prices of all offers whose price or availability differs."""
    found: set[tuple[object, ...]] = set()
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            found.add((*key, "new", None, after.price_usd_h))
        elif before is not None and after is None:
            found.add((*key, "gone", before.price_usd_h, None))
        elif before and after and (before.price_usd_h, before.available) != (after.price_usd_h, after.available):
            found.add((*key, "changed", before.price_usd_h, after.price_usd_h))
    return found


def modelled_history(snapshots: list[Rows]) -> set[tuple[object, ...]]:
    """Each run of snapshots over which a key has the same value: key, value, first snapshot, the one after the last."""
    runs: set[tuple[object, ...]] = set()
    for key in {key for rows in snapshots for key in rows}:
        values = [rows.get(key) for rows in snapshots] + [None]
        start = 0
        for at in range(1, len(values)):
            if values[at] != values[start]:
                if (value := values[start]) is not None:
                    until = at if at < len(snapshots) else None
                    runs.add((*key, value.source, value.price_usd_h, value.available, start, until))
                start = at
    return runs


def published_batches(path: Path, batches: list[dict[Key, Value]]) -> list[SnapshotInfo]:
    """Publish each batch, a day apart."""
    return [
        published(
            path,
            offers=offers(*(brought(day, key, value) for key, value in batch.items())),
            at=NOON + timedelta(days=day),
        )
        for day, batch in enumerate(batches)
    ]


def rows_of(catalog: Catalog, info: SnapshotInfo) -> Rows:
    """The rows of a snapshot, as the model has them, by way of `offers`; `table` agrees."""
    columns = ("instance_type", "zone", "source", "price_usd_h", "available")
    rows = catalog.offers(info).select(columns).rows()
    assert sorted(rows, key=repr) == sorted(catalog.table(OFFERS, info).select(columns).rows(), key=repr)
    found = {(kind, zone): Value(*values) for kind, zone, *values in rows}
    assert len(found) == len(rows)
    return found


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES)
def test_a_catalog_behaves_like_the_model(batches: list[dict[Key, Value]]) -> None:
    """Every snapshot by its instant, every diff of two, and the history say what the model says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.duckdb"
        returned = published_batches(path, batches)
        snapshots = modelled(batches)
        with Catalog.open(path) as catalog:
            infos = catalog.snapshots()
            assert len(infos) == len(snapshots)
            assert list(dict.fromkeys(returned)) == infos
            for info, (said, rows) in zip(infos, snapshots, strict=True):
                assert rows_of(catalog, catalog.resolve(info.published_at)) == rows
                assert {age.source for age in catalog.sources(info)} == {source for source, _ in said}
                assert sum(age.rows for age in catalog.sources(info)) == len(said)
            for old, (_, before) in zip(infos, snapshots, strict=True):
                for new, (_, after) in zip(infos, snapshots, strict=True):
                    diff = catalog.diff(old, new).select("instance_type", "zone", "change", "old_usd_h", "new_usd_h")
                    assert set(diff.rows()) == modelled_diff(before, after)
                    assert diff.height == len(set(diff.rows()))
            number = {info.published_at: index for index, info in enumerate(infos)} | {None: None}
            history = [
                (*values, number[since], number[until])
                for *values, since, until in catalog.history(OfferFilter())
                .select("instance_type", "zone", "source", "price_usd_h", "available", "known_from", "known_until")
                .iter_rows()
            ]
            assert len(history) == len(set(history))
            assert set(history) == modelled_history([rows for _, rows in snapshots])
