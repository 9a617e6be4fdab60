"""What a published batch makes of the snapshot before it."""

from __future__ import annotations

from datetime import timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from catalog_data.publishing import Claims
from catalog_data.refresh_state import RefreshState, SourceState, write_state
from catalog_data.schema import (
    EGRESS,
    INSTANCE_TYPES,
    OBSERVATIONS,
    OFFERS,
    REGIONS,
    SPOT_EVENTS,
    SPOT_RISK,
    TABLES,
    THROUGHPUT,
    Purchase,
)
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import Catalog
from tests.kits.rows import NOON, frame, machine, offer, offers, published, row

DAY = timedelta(days=1)
LADDER = ((0, 0.09), (10_240, 0.085), (51_200, 0.07))


def prices(path: Path, info: SnapshotInfo | None = None) -> dict[str, float | None]:
    """The price of each instance type in a snapshot, by default the newest."""
    with Catalog.open(path) as catalog:
        frame = catalog.table(OFFERS, info or catalog.resolve())
    return dict(frame.select("instance_type", "price_usd_h").iter_rows())


def known(path: Path) -> list[SnapshotInfo]:
    """All snapshots of a catalog."""
    with Catalog.open(path) as catalog:
        return catalog.snapshots()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalog of a test stands."""
    return tmp_path / "new folder" / "catalog.duckdb"


def test_the_first_batch_makes_the_file(path: Path) -> None:
    """The folder and the file are made, and hold one snapshot with the rows of the batch, column by column."""
    rows = offers(
        offer(zone="us-east-1a", source_version="7"), offer(zone="us-east-1b", price_usd_h=None, available=None)
    )
    info = published(path, offers=rows, note="first")
    assert (info.seq, info.published_at, info.note) == (1, NOON, "first")
    assert known(path) == [info]
    with Catalog.open(path) as catalog:
        assert_frame_equal(catalog.table(OFFERS, info), rows)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_comes_back_as_it_went_in(path: Path, name: str) -> None:
    """Nulls, instants and numbers of each table survive the file."""
    rows = frame(TABLES[name], row(TABLES[name]))
    info = published(path, {name: rows})
    with Catalog.open(path) as catalog:
        assert_frame_equal(catalog.table(TABLES[name], info), rows)


def test_a_table_that_no_batch_brought_is_empty(path: Path) -> None:
    """A catalog that holds offers alone answers for the other tables too."""
    info = published(path, offers=offers(offer()))
    with Catalog.open(path) as catalog:
        for table in (INSTANCE_TYPES, REGIONS, EGRESS, THROUGHPUT, SPOT_EVENTS, SPOT_RISK):
            assert_frame_equal(catalog.table(table, info), table.empty())


def test_a_changed_price_keeps_the_earlier_one(path: Path) -> None:
    """The newest snapshot has the new price, the one before still the old."""
    old = published(path, offers=offers(offer(price_usd_h=1)))
    new = published(path, offers=offers(offer(price_usd_h=2)), at=NOON + DAY)
    assert prices(path, new) == {"m5.large": 2}
    assert prices(path, old) == {"m5.large": 1}


def test_a_row_that_its_source_no_longer_has_is_gone(path: Path) -> None:
    """The batch is the whole truth of its source."""
    old = published(path, offers=offers(offer(), offer(instance_type="m5.xlarge")))
    new = published(path, offers=offers(offer()), at=NOON + DAY)
    assert prices(path, new) == {"m5.large": 1}
    assert prices(path, old) == {"m5.large": 1, "m5.xlarge": 1}


def test_a_row_that_comes_back_is_there_again(path: Path) -> None:
    """A gap in a row's life is a gap, not its end."""
    both = offers(offer(), offer(instance_type="m5.xlarge"))
    infos = [published(path, offers=batch) for batch in (both, offers(offer()), both)]
    assert [len(prices(path, info)) for info in infos] == [2, 1, 2]


def test_a_source_that_is_missing_from_the_batch_keeps_its_rows(path: Path) -> None:
    """A source that failed to answer is not in the batch, and its last good rows stay."""
    published(path, offers=offers(offer(source="a"), offer(instance_type="m5.xlarge", source="b")))
    published(path, offers=offers(offer(source="a", price_usd_h=3)))
    assert prices(path) == {"m5.large": 3, "m5.xlarge": 1}


def test_a_batch_speaks_for_the_tables_that_it_brings(path: Path) -> None:
    """Offers of a source say nothing about its instance types."""
    published(path, offers=offers(offer()), instance_types=frame(INSTANCE_TYPES, machine()))
    info = published(path, offers=offers(offer(price_usd_h=2)))
    with Catalog.open(path) as catalog:
        assert catalog.table(INSTANCE_TYPES, info).height == 1


def test_an_empty_table_closes_no_row(path: Path) -> None:
    """A file without rows names no source: it is a source that was not heard, not one that offers nothing."""
    first = published(path, offers=offers(offer()))
    assert published(path, offers=OFFERS.empty(), at=NOON + DAY) == first
    assert prices(path) == {"m5.large": 1}


@pytest.mark.parametrize("again", [offers(offer()), OFFERS.empty(), None], ids=["same", "empty table", "no table"])
def test_an_unchanged_batch_publishes_nothing(path: Path, again: pl.DataFrame | None) -> None:
    """The file is not even replaced."""
    first = published(path, offers=offers(offer()))
    before = path.stat()
    assert published(path, {} if again is None else {"offers": again}, at=NOON + DAY) == first
    assert known(path) == [first]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_empty_batch_makes_an_empty_catalog(path: Path) -> None:
    """The first snapshot may hold nothing, and the next builds on it."""
    first = published(path)
    second = published(path, offers=offers(offer()))
    assert (first.seq, second.seq) == (1, 2)
    assert [prices(path, info) for info in (first, second)] == [{}, {"m5.large": 1}]


def test_a_second_look_at_the_same_price_is_no_change(path: Path) -> None:
    """Another version and instant of observation alone make no snapshot."""
    first = published(path, offers=offers(offer(source_version="1")))
    again = offers(offer(source_version="2", observed_at=NOON + DAY))
    assert published(path, offers=again, at=NOON + DAY) == first


@pytest.mark.parametrize(
    "changed",
    [{"price_usd_h": None}, {"available": False}, {"available": None}, {"confidence": "low"}, {"source": "other"}],
    ids=lambda changed: "-".join(changed) + f"-{next(iter(changed.values()))}",
)
def test_every_other_column_is_a_change(path: Path, changed: dict[str, object]) -> None:
    """The row is replaced, not doubled."""
    published(path, offers=offers(offer()))
    after = offers(offer(**changed))
    info = published(path, offers=after)
    assert info.seq == 2
    with Catalog.open(path) as catalog:
        assert_frame_equal(catalog.table(OFFERS, info), after)


def test_a_null_zone_is_a_key_like_another(path: Path) -> None:
    """A price by region stands beside one by zone, and is replaced by the next price by region."""
    published(path, offers=offers(offer(), offer(zone="us-east-1a", price_usd_h=5)))
    info = published(path, offers=offers(offer(price_usd_h=2), offer(zone="us-east-1a", price_usd_h=5)))
    with Catalog.open(path) as catalog:
        rows = catalog.table(OFFERS, info).select("zone", "price_usd_h").rows()
    assert sorted(rows, key=str) == [("us-east-1a", 5), (None, 2)]


def test_the_better_source_of_a_key_is_believed(path: Path) -> None:
    """Confidence comes first: a later look of a lesser source is on record and changes nothing that holds."""
    first = published(path, offers=offers(offer(source="a", price_usd_h=1)))
    later = offer(source="b", price_usd_h=2, confidence="medium", observed_at=NOON + DAY)
    assert published(path, offers=offers(later), at=NOON + DAY) == first
    assert prices(path) == {"m5.large": 1}
    with Catalog.open(path) as catalog:
        assert catalog.held(OFFERS, ["b"])["price_usd_h"].to_list() == [2]


def test_of_equal_sources_the_later_look_is_believed(path: Path) -> None:
    """Weeks later the newer price holds, and the earlier one again when that is gone."""
    first = published(path, offers=offers(offer(source="a", price_usd_h=1)))
    weeks = {"source": "b", "observed_at": NOON + 14 * DAY}
    newer = [offer(price_usd_h=2, **weeks), offer(instance_type="m5.xlarge", **weeks)]
    second = published(path, offers=offers(*newer))
    third = published(path, offers=offers(newer[1]))
    assert [prices(path, info)["m5.large"] for info in (first, second, third)] == [1, 2, 1]


def test_a_source_that_was_looked_at_and_brought_nothing_has_nothing_left(path: Path) -> None:
    """`looks` names it, so that its rows are gone in every table, and those of others stay."""
    machines = frame(INSTANCE_TYPES, machine(source="a"), machine(source="b", instance_type="m5.xlarge"))
    published(path, offers=offers(offer(source="a")), instance_types=machines)
    info = published(path, looks={"a": Claims()}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        assert catalog.table(OFFERS, info).is_empty()
        assert catalog.table(INSTANCE_TYPES, info)["source"].to_list() == ["b"]


def test_what_a_partial_batch_leaves_out_stays(path: Path) -> None:
    """In every table: rows of its keys are replaced, null keys too, and those of other sources are not its own."""
    zones = [offer(zone=zone, source="a") for zone in (None, "us-east-1a", "us-east-1b")]
    machines = frame(INSTANCE_TYPES, machine(source="a"))
    published(path, offers=offers(*zones, offer(source="b", zone="us-east-1c")), instance_types=machines)
    again = offers(
        *(offer(zone=zone, source="a", price_usd_h=7) for zone in (None, "us-east-1b", "us-east-1c", "us-east-1d"))
    )
    info = published(path, offers=again, looks={"a": Claims(partial=True)}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        said = catalog.held(OFFERS, ["a"]).select("zone", "price_usd_h").rows()
        assert catalog.held(OFFERS, ["b"]).height == catalog.table(INSTANCE_TYPES, info).height == 1
    assert dict(said) == {None: 7, "us-east-1a": 1, "us-east-1b": 7, "us-east-1c": 7, "us-east-1d": 7}
    assert len(said) == 5


def test_a_partial_batch_that_says_nothing_new_is_no_snapshot(path: Path) -> None:
    """Nor does an empty one take anything away; it may be the first of all."""
    first = published(path, offers=offers(offer(source="a")), looks={"a": Claims(partial=True)})
    assert published(path, looks={"a": Claims(partial=True)}, at=NOON + DAY) == first
    later = offers(offer(source="a", observed_at=NOON + DAY))
    assert published(path, offers=later, looks={"a": Claims(partial=True)}, at=NOON + DAY) == first
    assert prices(path) == {"m5.large": 1}


def test_what_a_complete_source_does_not_list_is_not_sold(path: Path) -> None:
    """It has a price in the region, so that the other type there, on another's word, is gone; elsewhere that holds."""
    old = [offer(source="old", instance_type=kind, region=region) for kind in ("a1", "a2") for region in ("r1", "r2")]
    published(path, offers=offers(*old))
    live = offers(offer(source="live", instance_type="a1", region="r1", price_usd_h=2, observed_at=NOON + DAY))
    published(path, offers=live, looks={"live": Claims((Purchase.ON_DEMAND,))}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        rows = catalog.table(OFFERS, catalog.resolve()).select("region", "instance_type", "price_usd_h").rows()
    assert sorted(rows) == [("r1", "a1", 2), ("r2", "a1", 1), ("r2", "a2", 1)]


def test_what_a_source_is_complete_for_may_change(path: Path) -> None:
    """With the same rows, and no longer complete, it lets the other source's type stand again."""
    published(path, offers=offers(offer(source="old", instance_type="a2")))
    batch = {"offers": offers(offer(source="live", instance_type="a1"))}
    counts = []
    for claims in (Claims((Purchase.ON_DEMAND,)), Claims()):
        info = published(path, batch, looks={"live": claims})
        with Catalog.open(path) as catalog:
            counts.append(catalog.table(OFFERS, info).height)
    assert counts == [1, 2]


def test_sources_are_counted_over_all_tables(path: Path) -> None:
    """Each snapshot says what each source holds in it, by name."""
    published(path, offers=offers(offer(source="b"), offer(source="a", instance_type="m5.xlarge")))
    info = published(path, regions=frame(REGIONS, row(REGIONS, source="b", source_version="3")))
    with Catalog.open(path) as catalog:
        ages = catalog.sources(info)
    assert [(age.source, age.rows) for age in ages] == [("a", 1), ("b", 2)]


def test_a_source_without_rows_is_none_of_the_snapshot(path: Path) -> None:
    """A source that has nothing left is not listed any more."""
    published(path, offers=offers(offer(source="a"), offer(source="b", instance_type="m5.xlarge")))
    info = published(path, looks={"a": Claims()})
    with Catalog.open(path) as catalog:
        assert [age.source for age in catalog.sources(info)] == ["b"]


def test_a_look_confirms_the_rows_that_it_did_not_change(path: Path) -> None:
    """The price of one type changed at the second look, that of the other is as fresh as the look all the same."""
    one, other = offer(source="a"), offer(source="a", instance_type="m5.xlarge")
    published(path, offers=offers(one, other), looks={"a": Claims(confirmed_at=NOON)})
    changed = [row | {"observed_at": NOON + DAY} for row in (one | {"price_usd_h": 2}, other)]
    info = published(path, offers=offers(*changed), looks={"a": Claims(confirmed_at=NOON + DAY)}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        assert catalog.offers(info)["observed_at"].to_list() == [NOON + DAY] * 2
        assert catalog.sources(info)[0].observed_at == NOON + DAY


def test_a_row_with_a_date_of_its_own_keeps_it(path: Path) -> None:
    """A list of hand-kept facts is not confirmed by being read."""
    info = published(path, offers=offers(offer(source="a")), looks={"a": Claims()}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        assert catalog.offers(info)["observed_at"].to_list() == [NOON]


def test_an_unconfirmed_row_keeps_its_age(path: Path) -> None:
    """A look does not confirm a row that it could not replace."""
    rows = offers(offer(source="a", unconfirmed=True))
    info = published(path, offers=rows, looks={"a": Claims(confirmed_at=NOON + DAY)}, at=NOON + DAY)
    with Catalog.open(path) as catalog:
        assert catalog.offers(info)["observed_at"].to_list() == [NOON]


def test_an_observation_that_is_seen_again_is_no_change_and_lives_on(path: Path) -> None:
    """The second look moves its end as far as it moved itself."""
    seen = row(OBSERVATIONS, source="a", expires_at=NOON + DAY)
    first = published(path, observations=frame(OBSERVATIONS, seen), looks={"a": Claims(confirmed_at=NOON)})
    again = frame(OBSERVATIONS, seen | {"observed_at": NOON + DAY, "expires_at": NOON + 2 * DAY})
    assert published(path, observations=again, looks={"a": Claims(confirmed_at=NOON + DAY)}, at=NOON + DAY) == first
    write_state(path, RefreshState(None, {"a": SourceState(NOON + DAY, "unchanged", confirmed_at=NOON + DAY)}))
    with Catalog.open(path) as catalog:
        assert catalog.observations(first)["expires_at"].to_list() == [NOON + 2 * DAY]
        assert catalog.observations(first, NOON)["expires_at"].to_list() == [NOON + DAY]


def test_a_ladder_of_rates_comes_from_one_source(path: Path) -> None:
    """A flat rate of the better source stands without the higher tiers of the other."""
    old = [row(EGRESS, source="old", tier_from_gb=gb, egress_usd_gb=usd, confidence="low") for gb, usd in LADDER]
    flat = row(EGRESS, source="new", tier_from_gb=0, egress_usd_gb=0.02)
    info = published(path, egress=frame(EGRESS, *old, flat))
    with Catalog.open(path) as catalog:
        assert catalog.table(EGRESS, info)["egress_usd_gb"].to_list() == [0.02]


def test_the_version_of_a_source_is_that_of_the_newest_look(path: Path) -> None:
    """Version 10 is newer than 9 although the text is smaller."""
    nine = offer(source_version="9", observed_at=NOON)
    ten = offer(source_version="10", observed_at=NOON + DAY, instance_type="m5.xlarge")
    info = published(path, offers=offers(nine, ten))
    with Catalog.open(path) as catalog:
        [age] = catalog.sources(info)
    assert (age.source_version, age.observed_at) == ("10", NOON + DAY)


def test_a_look_that_changed_nothing_counts_for_the_age_of_the_source(path: Path) -> None:
    """Source a was seen again, unchanged, when b changed; a later snapshot without a does not forget it."""
    a, b = offer(source="a", source_version="1"), offer(source="b", instance_type="m5.xlarge")
    published(path, offers=offers(a, b))
    seen = {"observed_at": NOON + DAY}
    second = published(path, offers=offers(a | seen | {"source_version": "2"}, b | seen | {"price_usd_h": 2}))
    third = published(path, offers=offers(b | seen | {"price_usd_h": 3}))
    with Catalog.open(path) as catalog:
        ages = [{age.source: age for age in catalog.sources(info)} for info in (second, third)]
    assert [(age["a"].source_version, age["a"].observed_at) for age in ages] == [("2", NOON + DAY)] * 2
    assert ages[1]["b"].observed_at == NOON + DAY


def test_a_snapshot_is_never_older_than_the_one_before(path: Path) -> None:
    """A clock that was set back does not reorder what was known."""
    published(path, offers=offers(offer()))
    info = published(path, offers=offers(offer(price_usd_h=2)), at=NOON - DAY)
    assert info.published_at == NOON
    with Catalog.open(path) as catalog:
        assert catalog.resolve(NOON) == info


def test_an_instant_of_another_zone_is_the_same_instant(path: Path) -> None:
    """13:00:00.000001 at UTC+1 is 12:00:00.000001 UTC, to the microsecond."""
    at = (NOON + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=1)))
    info = published(path, offers=offers(offer()), at=at)
    [stored] = known(path)
    assert info == stored
    assert stored.published_at.isoformat() == "2026-01-01T12:00:00.000001+00:00"


def test_an_instant_without_a_zone_is_refused(path: Path) -> None:
    """It would be another instant on another machine."""
    with pytest.raises(ValueError, match=r"needs a time zone: 2026-01-01T12:00:00"):
        published(path, offers=offers(offer()), at=NOON.replace(tzinfo=None))
    assert not path.exists()


def test_ids_follow_from_what_was_published(path: Path) -> None:
    """The same batches give the same ids in another file, and the same batch twice two ids."""
    batches = [offers(offer(price_usd_h=price)) for price in (1, 2, 1)]
    ids = [published(path, offers=batch).id for batch in batches]
    assert len(set(ids)) == 3
    assert ids == [published(path.with_name("other"), offers=batch).id for batch in batches]


def test_an_id_that_is_there_is_not_published_again(path: Path) -> None:
    """The embedded catalog that comes late does not undo what was published since."""
    first = published(path, offers=offers(offer(price_usd_h=1)), snapshot_id="seed")
    published(path, offers=offers(offer(price_usd_h=2)))
    assert published(path, offers=offers(offer(price_usd_h=1)), snapshot_id="seed") == first
    assert prices(path) == {"m5.large": 2}


def test_nothing_but_the_catalog_and_its_lock_stays(path: Path) -> None:
    """Neither a draft nor a log of the database lies beside the catalog."""
    for price in (1, 2, 2):
        published(path, offers=offers(offer(price_usd_h=price)))
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock", "batches"}


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """Publishing through a link replaces the file that it points to."""
    published(path, offers=offers(offer(price_usd_h=1)))
    link = tmp_path / "link.duckdb"
    link.symlink_to(path)
    published(link, offers=offers(offer(price_usd_h=2)))
    assert link.is_symlink()
    assert prices(path) == prices(link) == {"m5.large": 2}


def test_permissions_stay(path: Path) -> None:
    """A catalog that a group may write to stays so."""
    published(path, offers=offers(offer(price_usd_h=1)))
    path.chmod(0o660)
    published(path, offers=offers(offer(price_usd_h=2)))
    assert path.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("name", ["it's", "[1]*", "a b", "ü", ":memory:", "s3:x", '"; --'])
def test_any_name_of_file_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name means nothing to the database: neither a pattern nor SQL nor a protocol, and may be relative."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    path = Path(name)
    for price in (1, 2):
        published(path, offers=offers(offer(price_usd_h=price)))
    assert prices(path) == {"m5.large": 2}
    assert {file.name for file in Path().iterdir()} == {name, f"{name}.lock", "batches"}
