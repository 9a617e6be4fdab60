"""Reading a catalog: which snapshot, which offers, what they cost before, and what changed."""

from __future__ import annotations

from datetime import timedelta, timezone
from math import inf
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from catalog_data.errors import CatalogMissingError, UnknownSnapshotError
from catalog_data.publishing import Claims
from catalog_data.schema import (
    EGRESS,
    INSTANCE_TYPES,
    OBSERVATIONS,
    OFFERS,
    REGIONS,
    SPOT_MODELS,
    SPOT_RISK,
    THROUGHPUT,
)
from catalog_data.snapshot import OFFER_ROWS, Snapshot
from catalog_data.store import Catalog, OfferFilter
from tests.kits.rows import NOON, frame, machine, offer, offers, published, row

DAY = timedelta(days=1)
HOSTILE = "x'; DROP TABLE offers; --"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalog of a test stands."""
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def three_days(path: Path) -> Path:
    """A catalog whose offer cost 1, 2 and 3 USD/h on three days, in snapshots `aa1`, `ab2` and `ab`."""
    for day, name in enumerate(("aa1", "ab2", "ab")):
        published(path, offers=offers(offer(price_usd_h=day + 1)), at=NOON + day * DAY, snapshot_id=name)
    return path


def test_there_is_no_catalog(path: Path) -> None:
    """A missing file is no damaged one, and is not made by looking for it."""
    with pytest.raises(CatalogMissingError, match=f"there is no catalog at {path}"):
        Catalog.open(path)
    assert not path.exists()


def test_the_newest_snapshot_is_the_default(three_days: Path) -> None:
    """Nobody has to know of history."""
    with Catalog.open(three_days) as catalog:
        assert catalog.resolve() == catalog.snapshots()[-1]


@pytest.mark.parametrize(
    ("after_first", "expected"),
    [
        (timedelta(0), "aa1"),
        (timedelta(microseconds=1), "aa1"),
        (DAY - timedelta(microseconds=1), "aa1"),
        (DAY, "ab2"),
        (2 * DAY, "ab"),
        (1000 * DAY, "ab"),
    ],
)
def test_as_of_an_instant(three_days: Path, after_first: timedelta, expected: str) -> None:
    """A snapshot is what was known from its own instant on, up to but not at the next one."""
    with Catalog.open(three_days) as catalog:
        assert catalog.resolve(NOON + after_first).id == expected


def test_as_of_an_instant_of_another_zone(three_days: Path) -> None:
    """It is the instant that counts, not the hands of the clock."""
    tokyo = timezone(timedelta(hours=9))
    with Catalog.open(three_days) as catalog:
        assert catalog.resolve((NOON + DAY).astimezone(tokyo)).id == "ab2"
        assert catalog.resolve((NOON + DAY).replace(tzinfo=tokyo)).id == "aa1"


def test_before_the_first_snapshot(three_days: Path) -> None:
    """Nothing was known; the hint says from when on something was."""
    with (
        Catalog.open(three_days) as catalog,
        pytest.raises(UnknownSnapshotError, match="nothing was known yet") as caught,
    ):
        catalog.resolve(NOON - timedelta(microseconds=1))
    assert "aa1 of 2026-01-01T12:00:00+00:00" in caught.value.hint


def test_an_instant_without_a_zone_is_refused(three_days: Path) -> None:
    """It would be another instant on another machine."""
    with Catalog.open(three_days) as catalog, pytest.raises(ValueError, match="needs a time zone"):
        catalog.resolve(NOON.replace(tzinfo=None))


@pytest.mark.parametrize(("text", "expected"), [("aa1", "aa1"), ("aa", "aa1"), ("ab2", "ab2"), ("ab", "ab")])
def test_by_id(three_days: Path, text: str, expected: str) -> None:
    """The start of an id will do where it is one snapshot's alone; a whole id always does."""
    with Catalog.open(three_days) as catalog:
        assert catalog.resolve(text).id == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "several snapshots start with a"),
        ("", "several snapshots start with "),
        ("b", "no snapshot starts with b"),
        ("aa11", "no snapshot starts with aa11"),
        ("a%", "no snapshot starts with a%"),
        (HOSTILE, "no snapshot starts with x'; DROP"),
    ],
)
def test_by_an_id_that_is_none(three_days: Path, text: str, message: str) -> None:
    """The hint names the command that lists the ids."""
    with Catalog.open(three_days) as catalog, pytest.raises(UnknownSnapshotError, match=message) as caught:
        catalog.resolve(text)
    assert "catalog history" in caught.value.hint


def test_offers_stand_beside_their_hardware(path: Path) -> None:
    """The schema is OFFER_ROWS; a type whose hardware nobody knows keeps nulls in its place."""
    known, unknown = offer(), offer(instance_type="x9")
    info = published(path, offers=offers(known, unknown), instance_types=frame(INSTANCE_TYPES, machine(vcpus=4)))
    with Catalog.open(path) as catalog:
        rows = catalog.offers(info).sort("instance_type")
    assert rows.schema == OFFER_ROWS
    assert_frame_equal(rows.select(OFFERS.column_names), offers(known, unknown))
    assert rows["vcpus"].to_list() == [4, None]


def test_hardware_is_that_of_the_same_snapshot(path: Path) -> None:
    """A corrected machine does not change what was known before, and doubles no offer."""
    old = published(path, offers=offers(offer()), instance_types=frame(INSTANCE_TYPES, machine(vcpus=4)))
    new = published(path, instance_types=frame(INSTANCE_TYPES, machine(vcpus=2)))
    with Catalog.open(path) as catalog:
        assert [catalog.offers(info)["vcpus"].to_list() for info in (old, new)] == [[4], [2]]


@pytest.fixture
def market(path: Path) -> Path:
    """Four offers over two clouds; only the `p5` machine has accelerators."""
    published(
        path,
        offers=offers(
            offer(),
            offer(purchase="spot", price_usd_h=0.25),
            offer(instance_type="p5", price_usd_h=98),
            offer(cloud="gcp", region="us-east1", instance_type="n2", price_usd_h=None),
        ),
        instance_types=frame(
            INSTANCE_TYPES,
            machine(),
            machine(instance_type="p5", accelerator="H100", accelerator_count=8),
            machine(instance_type="p4", accelerator="A100", accelerator_count=8),
        ),
    )
    return path


def limits_of(value: object) -> str | None:
    """The limits that a filter sets, as the id of a case."""
    if not isinstance(value, OfferFilter):
        return None
    return " ".join(f"{name}={limit}" for name, limit in vars(value).items() if limit) or "none"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (OfferFilter(), ["m5.large", "m5.large", "n2", "p5"]),
        (OfferFilter(clouds=("gcp",)), ["n2"]),
        (OfferFilter(clouds=("gcp", "aws")), ["m5.large", "m5.large", "n2", "p5"]),
        (OfferFilter(regions=("us-east-1",)), ["m5.large", "m5.large", "p5"]),
        (OfferFilter(accelerators=("H100", "A100")), ["p5"]),
        (OfferFilter(purchases=("spot",)), ["m5.large"]),
        (OfferFilter(instance_types=("n2", "p5")), ["n2", "p5"]),
        (OfferFilter(max_price_usd_h=1), ["m5.large", "m5.large"]),
        (OfferFilter(max_price_usd_h=0.25), ["m5.large"]),
        (OfferFilter(max_price_usd_h=1e-300), []),
        (OfferFilter(max_price_usd_h=inf), ["m5.large", "m5.large", "p5"]),
        (OfferFilter(clouds=("aws",), purchases=("spot", "on_demand"), max_price_usd_h=0.5), ["m5.large"]),
        (OfferFilter(clouds=("AWS",)), []),
        (OfferFilter(regions=(HOSTILE,)), []),
        (OfferFilter(instance_types=("m5\0", "n2")), ["n2"]),
        (OfferFilter(instance_types=("\udc80", "n2")), ["n2"]),
    ],
    ids=limits_of,
)
def test_limits(market: Path, where: OfferFilter, expected: list[str]) -> None:
    """All limits hold at once, each allows any of its values, and an unknown price is below no limit."""
    with Catalog.open(market) as catalog:
        assert sorted(catalog.offers(catalog.resolve(), where)["instance_type"]) == expected


def test_accelerators_are_those_on_offer(market: Path) -> None:
    """The A100 machine is sold nowhere."""
    with Catalog.open(market) as catalog:
        assert catalog.accelerators(catalog.resolve()) == ["H100"]


def test_hostile_text_is_text(path: Path) -> None:
    """Names that look like SQL come back as they went in, from every way to read them."""
    names = dict.fromkeys(("cloud", "region", "zone", "instance_type", "source", "source_version"), HOSTILE)
    rows = offers(offer(**names, purchase="spot"), offer(zone="\0'\"\\"))
    machines = frame(INSTANCE_TYPES, machine(cloud=HOSTILE, instance_type=HOSTILE, accelerator=HOSTILE))
    info = published(path, offers=rows, instance_types=machines, note=HOSTILE, snapshot_id=HOSTILE)
    where = OfferFilter((HOSTILE,), (HOSTILE,), (HOSTILE,), ("spot",), (HOSTILE,))
    with Catalog.open(path) as catalog:
        assert catalog.resolve(HOSTILE) == catalog.snapshots()[0] == info
        assert_frame_equal(catalog.offers(info, where).select(OFFERS.column_names), rows[:1])
        assert_frame_equal(catalog.table(OFFERS, info), rows, check_row_order=False)
        assert catalog.history(where, zone=HOSTILE).height == 1
        assert catalog.history(OfferFilter(), zone="\0'\"\\").height == 1
        assert HOSTILE in {age.source for age in catalog.sources(info)}
        assert catalog.accelerators(info) == [HOSTILE]


def test_a_snapshot_has_what_the_question_needs(path: Path) -> None:
    """All frames follow their tables; the network and the risk are read only where they are asked for."""
    tables = {
        table.name: frame(table, row(table)) for table in (OFFERS, REGIONS, EGRESS, THROUGHPUT, SPOT_RISK, SPOT_MODELS)
    }
    info = published(path, tables)
    with Catalog.open(path) as catalog:
        whole = catalog.snapshot()
        lean = catalog.snapshot(NOON, OfferFilter(clouds=("gcp",)), network=False, spot_risk=False)
        assert whole.sources == catalog.sources(info)
    assert whole.info == lean.info == info
    assert whole.offers.schema == lean.offers.schema == OFFER_ROWS
    assert (whole.offers.height, lean.offers.height) == (1, 0)
    for table in (REGIONS, EGRESS, THROUGHPUT, SPOT_RISK, SPOT_MODELS):
        assert_frame_equal(getattr(whole, table.name), tables[table.name])
    assert lean.regions.height == 1
    for table in (EGRESS, THROUGHPUT, SPOT_RISK, SPOT_MODELS):
        assert_frame_equal(getattr(lean, table.name), table.empty())


def test_a_snapshot_can_be_made_of_offers_alone(path: Path) -> None:
    """What is not given is an empty frame of its table."""
    info = published(path)
    snapshot = Snapshot.of(info, pl.DataFrame(schema=OFFER_ROWS))
    assert snapshot.sources == ()
    for table in (REGIONS, EGRESS, THROUGHPUT, SPOT_RISK, SPOT_MODELS):
        assert_frame_equal(getattr(snapshot, table.name), table.empty())


def test_history_is_every_price(three_days: Path) -> None:
    """Each price with the instants between which it was known; the one that holds now has no end."""
    with Catalog.open(three_days) as catalog:
        rows = catalog.history(OfferFilter()).select("price_usd_h", "known_from", "known_until").rows()
    assert rows == [
        (1, NOON, NOON + DAY),
        (2, NOON + DAY, NOON + 2 * DAY),
        (3, NOON + 2 * DAY, None),
    ]


def test_history_columns(three_days: Path) -> None:
    """Names and types, also where nothing is found."""
    schema = OFFERS.polars_schema()
    kept = [*OFFERS.key, "price_usd_h", "available", "source", "observed_at"]
    expected = {name: schema[name] for name in kept} | dict.fromkeys(
        ("known_from", "known_until"), schema["observed_at"]
    )
    with Catalog.open(three_days) as catalog:
        for where in (OfferFilter(), OfferFilter(clouds=("gcp",))):
            assert dict(catalog.history(where).schema) == expected


def test_history_of_one_zone(path: Path) -> None:
    """A zone limits the history to it; without one, offers by region are there too."""
    published(path, offers=offers(offer(), offer(zone="a"), offer(zone="b")))
    with Catalog.open(path) as catalog:
        assert catalog.history(OfferFilter(), zone="a")["zone"].to_list() == ["a"]
        assert catalog.history(OfferFilter()).height == 3


def test_history_knows_the_hardware_of_types_that_are_gone(path: Path) -> None:
    """An H100 machine that is sold no more, and whose hardware its source dropped, still has its history."""
    h100 = machine(accelerator="A100")
    published(path, offers=offers(offer()), instance_types=frame(INSTANCE_TYPES, h100))
    published(path, instance_types=frame(INSTANCE_TYPES, h100 | {"accelerator": "H100"}), at=NOON + DAY)
    rest = {"instance_type": "m5.xlarge"}
    published(
        path,
        offers=offers(offer(**rest)),
        instance_types=frame(INSTANCE_TYPES, machine(**rest)),
        at=NOON + 2 * DAY,
    )
    with Catalog.open(path) as catalog:
        assert catalog.history(OfferFilter(accelerators=("H100",)))["instance_type"].to_list() == ["m5.large"]
        assert catalog.history(OfferFilter(accelerators=("A100",))).is_empty()


def test_diff_names_what_came_went_and_changed(path: Path) -> None:
    """In the order of the keys, with both prices; what stayed is not in it."""
    old = published(
        path,
        offers=offers(
            offer(instance_type="changed"),
            offer(instance_type="gone"),
            offer(instance_type="sold out"),
            offer(instance_type="stayed", zone="a"),
        ),
    )
    new = published(
        path,
        offers=offers(
            offer(instance_type="changed", price_usd_h=None),
            offer(instance_type="new", price_usd_h=7),
            offer(instance_type="sold out", available=False),
            offer(instance_type="stayed", zone="a", confidence="low"),
        ),
    )
    with Catalog.open(path) as catalog:
        forth = catalog.diff(old, new)
        back = catalog.diff(new, old)
        same = catalog.diff(new, new)
    columns = ("instance_type", "change", "old_usd_h", "new_usd_h")
    assert forth.columns == [*OFFERS.key, *columns[1:]]
    assert forth.select(columns).rows() == [
        ("changed", "changed", 1, None),
        ("gone", "gone", 1, None),
        ("new", "new", None, 7),
        ("sold out", "changed", 1, 1),
    ]
    assert back.select(columns).rows() == [
        ("changed", "changed", None, 1),
        ("gone", "new", None, 1),
        ("new", "gone", 7, None),
        ("sold out", "changed", 1, 1),
    ]
    assert same.is_empty()


def test_diff_tells_a_region_from_its_zones(path: Path) -> None:
    """The offer without a zone is another offer than the one in zone a."""
    old = published(path, offers=offers(offer()))
    new = published(path, offers=offers(offer(zone="a")))
    with Catalog.open(path) as catalog:
        rows = catalog.diff(old, new).select("zone", "change").rows()
    assert sorted(rows, key=str) == [("a", "new"), (None, "gone")]


def test_a_catalog_that_is_open_reads_what_it_opened(path: Path) -> None:
    """Publishing does not change what an open catalog answers; opening again in the same process shows the new one."""
    published(path, offers=offers(offer(price_usd_h=1)))
    with Catalog.open(path) as before:
        published(path, offers=offers(offer(price_usd_h=2)))
        with Catalog.open(path) as after:
            assert [catalog.resolve().seq for catalog in (before, after)] == [1, 2]
            assert [catalog.snapshot().offers["price_usd_h"].to_list() for catalog in (before, after)] == [[1], [2]]


def test_publishing_beside_an_open_catalog_loses_no_snapshot(path: Path) -> None:
    """A process that reads all the time builds on the newest snapshot, not on the one that it has open."""
    published(path, offers=offers(offer(price_usd_h=1)))
    with Catalog.open(path):
        infos = [published(path, offers=offers(offer(price_usd_h=price))) for price in (2, 3, 4)]
    assert [info.seq for info in infos] == [2, 3, 4]


def test_closing_leaves_no_file_open(path: Path) -> None:
    """Neither reading nor publishing keeps a descriptor, nor does a file that is no catalog."""
    published(path, offers=offers(offer()))
    with Catalog.open(path) as catalog:
        catalog.snapshot()
        assert str(path) in open_files()
    path.with_name("other").write_bytes(b"no catalog")
    with pytest.raises(Exception, match="cannot be read"):
        Catalog.open(path.with_name("other"))
    assert not [name for name in open_files() if name.startswith(str(path.parent))]


def open_files() -> set[str]:
    """The files that this process holds open."""
    descriptors = Path("/proc/self/fd")
    return {str(entry.readlink()) for entry in descriptors.iterdir() if entry.is_symlink()}


def test_every_look_at_stock_is_on_record(path: Path) -> None:
    """What was seen first, what later looks confirmed, and what took its place; each holds as long as the first."""
    hour = timedelta(hours=1)
    key = {"cloud": "aws", "source": "shop"}

    def look(number: int, level: float, price: float) -> None:
        at = NOON + number * hour
        seen = row(OBSERVATIONS, **key, level=level, observed_at=at, expires_at=at + 2 * hour)
        published(
            path,
            offers=offers(offer(source="shop", price_usd_h=price)),
            observations=frame(OBSERVATIONS, seen),
            at=at,
            looks={"shop": Claims(confirmed_at=at)},
        )

    look(0, 1.0, price=1)
    look(1, 1.0, price=2)
    look(5, 0.0, price=2)
    with Catalog.open(path) as catalog:
        found = catalog.observations_ever()
    assert found.schema == OBSERVATIONS.polars_schema()
    assert found.select("level", "observed_at", "expires_at").rows() == [
        (level, NOON + number * hour, NOON + (number + 2) * hour) for number, level in ((0, 1), (1, 1), (5, 0))
    ]
