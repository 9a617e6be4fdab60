"""Which source is believed: named cases, and random markets against rules that are written out row by row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_data.precedence import COMPLETE, effective
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from tests.kits.rows import NOON, frame, machine, offer, offers

Row: TypeAlias = Mapping[str, Any]
Complete: TypeAlias = frozenset[tuple[str, str, bool]]
DAY = timedelta(days=1)
EXAMPLES = int(os.environ.get("SKYBROKER_TEST_EXAMPLES", "150"))
TRUST = ["high", "medium", "low"]
NOBODY = pl.DataFrame(schema=COMPLETE)


def holding_of(rows: Iterable[Row], complete: Complete = frozenset()) -> list[tuple[Any, ...]]:
    """Zone, type, purchase, price, availability and source of what holds, in order."""
    holding = effective(OFFERS, offers(*rows), pl.DataFrame(sorted(complete), schema=COMPLETE, orient="row"))
    assert holding.schema == OFFERS.polars_schema()
    assert holding.filter(pl.struct(OFFERS.key).is_duplicated()).is_empty()
    columns = ("region", "zone", "instance_type", "purchase", "price_usd_h", "available", "source")
    return sorted(holding.select(columns).rows(), key=repr)


def test_a_price_of_the_region_is_laid_over_the_zones_where_the_type_was_seen() -> None:
    """The list has the price, the sightings have the zones, and neither is left over."""
    price = offer(source="list", price_usd_h=2, available=None)
    seen = [offer(source="zones", zone=zone, price_usd_h=None) for zone in ("a", "b")]
    assert holding_of([price, *seen]) == [
        ("us-east-1", zone, "m5.large", "on_demand", 2, True, "list") for zone in ("a", "b")
    ]


def test_a_newer_price_of_the_region_replaces_older_prices_of_its_zones() -> None:
    """The seed has old prices by zone; the live list has one for the region, and the zones stay known."""
    old = [offer(source="seed", zone=zone, confidence="low", price_usd_h=3) for zone in ("a", "b")]
    assert holding_of([offer(source="live", price_usd_h=2, available=None), *old]) == [
        ("us-east-1", zone, "m5.large", "on_demand", 2, True, "live") for zone in ("a", "b")
    ]


def test_a_complete_list_of_zones_closes_the_others() -> None:
    """The seed knows zone c from earlier; who lists all zones does not, so nothing is sold there."""
    old = [offer(source="seed", zone=zone, confidence="low", price_usd_h=3) for zone in ("a", "c")]
    seen = offer(source="zones", zone="a", price_usd_h=None)
    rows = holding_of([*old, seen], frozenset({("zones", "on_demand", False)}))
    assert [(row[1], row[4], row[6]) for row in rows] == [("a", 3, "seed")]


def test_a_zone_without_any_price_keeps_its_row() -> None:
    """It was seen, and what it costs is not known."""
    assert holding_of([offer(zone="a", price_usd_h=None)])[0][1:5] == ("a", "m5.large", "on_demand", None)


def test_a_machine_that_the_account_may_not_have() -> None:
    """Someone who sees the region without zones says that it is not to be had: the price row says so too."""
    price = offer(source="list", price_usd_h=2, available=None)
    assert holding_of([price, offer(source="account", price_usd_h=None, available=False)]) == [
        ("us-east-1", None, "m5.large", "on_demand", 2, False, "list")
    ]


def test_reservations_stay_prices_of_the_region() -> None:
    """They are not bought by zone."""
    price = offer(source="list", price_usd_h=2, purchase="reserved_1y")
    assert len(holding_of([price, offer(source="zones", zone="a", price_usd_h=None)])) == 2


def test_an_owned_machine_has_no_price_and_is_no_sighting() -> None:
    """It is an offer, whose price is nothing more."""
    assert holding_of([offer(purchase="owned", price_usd_h=None, available=True)])[0][3:5] == ("owned", None)


def test_what_the_best_source_leaves_open_is_filled_in() -> None:
    """The provider knows the memory and the list the network; who disagrees with the better one is not heard."""
    api = machine(source="api", memory_gib=8, vcpus=2, network_gbit_s=None, observed_at=NOON + DAY)
    listed = machine(source="list", memory_gib=9, network_gbit_s=10, local_ssd_gib=100)
    [row] = effective(INSTANCE_TYPES, frame(INSTANCE_TYPES, listed, api), NOBODY).rows(named=True)
    assert [row[name] for name in ("source", "memory_gib", "network_gbit_s", "local_ssd_gib")] == ["api", 8, 10, 100]


def test_a_machine_without_accelerators_is_given_none() -> None:
    """The better source says that there is no accelerator; another's is no detail that it left open."""
    api = machine(source="api", observed_at=NOON + DAY)
    listed = machine(source="list", accelerator="T4", accelerator_count=1, accelerator_memory_gib=16)
    [row] = effective(INSTANCE_TYPES, frame(INSTANCE_TYPES, listed, api), NOBODY).rows(named=True)
    assert (row["accelerator"], row["accelerator_count"], row["accelerator_memory_gib"]) == (None, None, None)


# The same rules, row by row.


@dataclass(frozen=True)
class Naive:
    """The four rules of catalog_data/precedence.py as loops."""

    rows: list[Row]
    complete: Complete

    def answer(self) -> list[tuple[Any, ...]]:
        """What holds, as `holding_of` gives it."""
        priced = [row for row in self.rows if row["price_usd_h"] is not None or row["purchase"] == "owned"]
        unpriced = [row for row in self.rows if row not in priced]
        left_open = [row for row in unpriced if self.reach(row) is not None]
        laid = self.laid(self.of_best(self.ruled(priced, left_open), group))
        keys = {(row[0], row[2], row[3], row[1]) for row in laid}
        groups = {key[:3] for key in keys}
        left = [
            said(row, row["zone"], row["available"])
            for row in self.of_best(self.ruled(unpriced, []), key_of)
            if key_of(row) not in keys and (row["zone"] or group(row) not in groups)
        ]
        return sorted([*laid, *left], key=repr)

    def reach(self, row: Row) -> bool | None:
        """Whether its source lists all that is sold so, and then whether in the whole cloud."""
        if self.rank(row["source"], self.rows)[2] >= 180:
            return None
        found = [where for source, way, where in self.complete if (source, way) == (row["source"], row["purchase"])]
        return found[0] if found else None

    def rank(self, source: str, some: list[Row]) -> tuple[int, float, int]:
        """Trust, week (later is less) and days behind of a source among these rows."""
        newest = max(row["observed_at"] for row in self.rows)
        own = [row for row in some if row["source"] == source]
        behind = [(newest - row["observed_at"]).days for row in own]
        trust = min(TRUST.index(row["confidence"]) + days // 180 for row, days in zip(own, behind, strict=True))
        weeks = [(row["observed_at"].date() - timedelta(days=row["observed_at"].weekday())).toordinal() for row in own]
        return trust, -max(weeks), min(behind)

    def best(self, some: list[Row]) -> str:
        """The source that ranks best among these rows."""
        return min((str(row["source"]) for row in some), key=lambda source: (*self.rank(source, some)[:2], source))

    def of_best(self, some: list[Row], of: Callable[[Row], object]) -> list[Row]:
        """The rows of the best source of each group."""
        return [row for row in some if row["source"] == self.best([other for other in some if of(other) == of(row)])]

    def ruled(self, some: list[Row], left_open: list[Row]) -> list[Row]:
        """Without others where a complete source speaks, but for what it leaves open."""
        for where, of in ((True, lambda row: row["purchase"]), (False, scope)):
            kept = []
            for row in some:
                speakers = [other for other in some if of(other) == of(row) and self.reach(other) is where]
                speaker = self.best(speakers) if speakers else row["source"]
                said = {group(other) for other in some if of(other) == of(row) and other["source"] == speaker}
                unsaid = (
                    any(other["source"] == speaker and group(other) == group(row) for other in left_open)
                    and group(row) not in said
                )
                if row["source"] == speaker or unsaid:
                    kept.append(row)
            some = kept
        return some

    def seen(self) -> list[Row]:
        """The rows that tell of zones, or that a type is there at all."""
        on_demand = [row for row in self.rows if row["purchase"] == "on_demand"]
        seen = [row for row in on_demand if row["zone"] or (row["price_usd_h"] is None and not row["unconfirmed"])]
        kept = []
        for row in seen:
            speakers = [other for other in seen if other["region"] == row["region"] and self.reach(other) is not None]
            if not speakers or row["source"] == self.best(speakers):
                kept.append(row)
        return kept

    def laid(self, prices: list[Row]) -> list[tuple[Any, ...]]:
        """The prices, by zone where zones are known."""
        settled = {row["region"] for row in self.seen() if self.reach(row) is not None}
        laid = []
        for row in prices:
            zones = self.zones(row)
            by_hour = row["purchase"] in ("on_demand", "spot")
            if by_hour and not any(other["zone"] for other in prices if group(other) == group(row)):
                absent = {None: [False]} if row["region"] in settled else {None: []}
                for zone, flags in (zones or absent).items():
                    known = [flag for flag in (max(flags) if flags else None, row["available"]) if flag is not None]
                    if not zones and row["region"] in settled:
                        known = [False]
                    laid.append(said(row, zone, min(known) if known else None))
            elif (
                not by_hour
                or self.reach(row) is not None
                or row["region"] not in settled
                or row["zone"] in (None, *zones)
            ):
                laid.append(said(row, row["zone"], row["available"]))
        return laid

    def zones(self, row: Row) -> dict[str | None, list[bool]]:
        """Where the type of a row was seen, and what was said of its being available there."""
        zones: dict[str | None, list[bool]] = {}
        for other in self.seen():
            if (other["region"], other["instance_type"]) == (row["region"], row["instance_type"]):
                flags = zones.setdefault(other["zone"], [])
                flags += [] if other["available"] is None else [other["available"]]
        return {zone: flags for zone, flags in zones.items() if zone} or zones


def scope(row: Row) -> tuple[Any, ...]:
    """Where a complete source speaks."""
    return row["region"], row["purchase"]


def group(row: Row) -> tuple[Any, ...]:
    """What has one price."""
    return row["region"], row["instance_type"], row["purchase"]


def key_of(row: Row) -> tuple[Any, ...]:
    """The key; the cloud is the same everywhere."""
    return *group(row), row["zone"]


def said(row: Row, zone: str | None, available: bool | None) -> tuple[Any, ...]:
    """A row of the answer."""
    return row["region"], zone, row["instance_type"], row["purchase"], row["price_usd_h"], available, row["source"]


MARKETS = st.lists(
    st.builds(
        lambda source, zone, region, kind, purchase, price, available, trust, day, unconfirmed: offer(
            source=source,
            zone=zone,
            region=region,
            instance_type=kind,
            purchase=purchase,
            price_usd_h=price,
            available=available,
            confidence=trust,
            observed_at=NOON + day * DAY,
            unconfirmed=unconfirmed,
        ),
        st.sampled_from(["s", "t", "u"]),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from(["m1", "m2"]),
        st.sampled_from(["on_demand", "on_demand", "spot", "reserved_1y", "owned"]),
        st.sampled_from([None, 1.0, 2.0]),
        st.sampled_from([None, True, False]),
        st.sampled_from(TRUST),
        st.sampled_from([0, 1, 8, 100, 300]),
        st.sampled_from([None, None, True]),
    ),
    max_size=12,
    unique_by=lambda row: tuple(row[name] for name in (*OFFERS.key, "source")),
)
CLAIMS = st.dictionaries(
    st.tuples(st.sampled_from(["s", "t"]), st.sampled_from(["on_demand", "spot"])), st.booleans()
).map(lambda claims: frozenset((*claim, everywhere) for claim, everywhere in claims.items()))


@settings(max_examples=EXAMPLES, deadline=None)
@given(MARKETS, CLAIMS)
def test_random_markets(rows: list[Row], complete: Complete) -> None:
    """The frames give what the loops give."""
    assert holding_of(rows, complete) == Naive(rows, complete).answer()
