"""The shape of a snapshot."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS, PROVENANCE
from catalog_data.snapshot import HARDWARE, OFFER_ROWS, Snapshot, SnapshotInfo, SourceAge
from tests.kits.rows import NOON

INFO = SnapshotInfo(1, "abc", NOON, "a test")


def test_hardware_is_what_describes_the_machine() -> None:
    """Neither its name nor where the figures come from."""
    keys_and_provenance = {*INSTANCE_TYPES.key, *(column.name for column in PROVENANCE)}
    assert set(HARDWARE) == set(INSTANCE_TYPES.column_names) - keys_and_provenance
    assert HARDWARE[:2] == ("vcpus", "memory_gib")


def test_offer_rows_are_offers_and_hardware() -> None:
    """No column of the one hides one of the other."""
    assert tuple(OFFER_ROWS) == (*OFFERS.column_names, *HARDWARE)
    assert OFFER_ROWS["price_usd_h"] == pl.Float64
    assert OFFER_ROWS["accelerator"] == pl.String


def test_missing_frames_are_empty() -> None:
    """They have the schema of their table, so that code needs no special case."""
    snapshot = Snapshot.of(INFO, pl.DataFrame(schema=OFFER_ROWS))
    for name in ("regions", "egress", "throughput", "spot_risk", "spot_models"):
        assert getattr(snapshot, name).is_empty()
        assert "source" in getattr(snapshot, name).columns


def test_given_frames_are_kept() -> None:
    """`of` fills in only what is missing."""
    regions = pl.DataFrame({"cloud": ["aws"]})
    ages = (SourceAge("price_page", None, NOON, 1),)
    snapshot = Snapshot.of(INFO, pl.DataFrame(schema=OFFER_ROWS), sources=ages, regions=regions)
    assert snapshot.regions is regions
    assert snapshot.sources == ages


def test_a_snapshot_does_not_change() -> None:
    """Every plan names the one that it was made from."""
    snapshot = Snapshot.of(INFO, pl.DataFrame(schema=OFFER_ROWS))
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.offers = pl.DataFrame()  # type: ignore[misc]
