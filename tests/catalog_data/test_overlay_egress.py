"""Egress tiers from the volume on that an account already sends out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_data.overlay import SOURCE, PrivatePrices, UsedEgress, applied
from catalog_data.schema import EGRESS
from catalog_data.snapshot import Snapshot, SourceAge
from engine.transfers import transfers
from tests.kits.market import Row, market, tiers

SAID = datetime(2026, 9, 20, tzinfo=UTC)
VIRGINIA, IRELAND, IOWA = "aws:us-east-1", "aws:eu-west-1", "gcp:us-central1"
RATES = ((0.0, 0.0), (100.0, 0.09), (10_240.0, 0.085), (51_200.0, 0.07))
Rates = Sequence[tuple[float, float]]


def beyond(egress: Sequence[Row], *used: UsedEgress) -> Snapshot:
    """The market of these rates for an account that already sends so much."""
    return applied(PrivatePrices(SAID, egress=used), market([], egress=egress))


def rates_of(snapshot: Snapshot, source: str = VIRGINIA, target: str = IOWA) -> list[tuple[float, float]]:
    """The tiers of a pair: (from GB, USD/GB) each."""
    (src_cloud, src_region), (dst_cloud, dst_region) = source.split(":"), target.split(":")
    pair = {"src_cloud": src_cloud, "src_region": src_region, "dst_cloud": dst_cloud, "dst_region": dst_region}
    return snapshot.egress.filter(**pair).select("tier_from_gb", "egress_usd_gb").rows()


def egress_usd(snapshot: Snapshot, gb: float) -> float | None:
    """What the engine bills for one transfer."""
    usd: float | None = transfers(snapshot, gb, [VIRGINIA], [IOWA])["egress_usd"].item()
    return usd


def month_usd(rates: Rates, gb: float) -> float:
    """What a month's volume comes to, tier by tier; one at rate 0 costs what the next paid one does."""
    ends = [*(start for start, _ in rates[1:]), math.inf]
    paid = [next((rate for _, rate in rates[number:] if rate), 0.0) for number in range(len(rates))]
    return sum(rate * max(0.0, min(gb, end) - start) for (start, _), end, rate in zip(rates, ends, paid, strict=True))


@pytest.mark.parametrize(
    ("used_gb", "rates"),
    [
        (0.0, [(0.0, 0.0), (100.0, 0.09), (10_240.0, 0.085), (51_200.0, 0.07)]),
        (60.0, [(0.0, 0.0), (40.0, 0.09), (10_180.0, 0.085), (51_140.0, 0.07)]),
        (100.0, [(0.0, 0.09), (10_140.0, 0.085), (51_100.0, 0.07)]),
        (50_000.0, [(0.0, 0.085), (1_200.0, 0.07)]),
        (1e6, [(0.0, 0.07)]),
    ],
)
def test_tiers_start_where_the_volume_stands(used_gb: float, rates: list[tuple[float, float]]) -> None:
    """The one in which it stands begins at 0, those before it are gone, and those after it are so much nearer."""
    after = beyond(tiers(VIRGINIA, IOWA, *RATES), UsedEgress("aws", used_gb))
    assert rates_of(after) == rates
    assert after.egress.schema == EGRESS.polars_schema()


@pytest.mark.parametrize(
    ("used_gb", "gb", "usd"),
    [(50_000.0, 1_000.0, 85.0), (50_000.0, 2_000.0, 158.0), (60.0, 100.0, 9.0), (0.0, 100.0, 9.0)],
)
def test_a_transfer_is_billed_from_there_on(used_gb: float, gb: float, usd: float) -> None:
    """Beyond 50 TB the rate of large volumes; what is left of the free allowance is counted no more than all of it."""
    after = beyond(tiers(VIRGINIA, IOWA, *RATES), UsedEgress("aws", used_gb))
    assert egress_usd(after, gb) == pytest.approx(usd)


@settings(deadline=None, max_examples=50)
@given(
    starts=st.sets(st.integers(1, 60), max_size=4),
    rates=st.lists(st.sampled_from((0.0, 0.0, 0.02, 0.05, 0.09)), min_size=5, max_size=5),
    used_gb=st.integers(0, 70),
    gb=st.integers(0, 70),
)
def test_more_costs_what_all_costs_less_what_is_used(
    starts: set[int], rates: list[float], used_gb: int, gb: int
) -> None:
    """cost(used + x) - cost(used), whatever the tiers, free ones among them and volumes on their edges."""
    ladder = list(zip((0.0, *map(float, sorted(starts))), rates, strict=False))
    after = beyond(tiers(VIRGINIA, IOWA, *ladder), UsedEgress("aws", float(used_gb)))
    more = month_usd(ladder, used_gb + gb) - month_usd(ladder, used_gb)
    assert egress_usd(after, float(gb)) == pytest.approx(more)
    starts_at = [start for start, _ in rates_of(after)]
    assert starts_at == sorted(set(starts_at))


def test_only_the_sources_that_match_are_changed() -> None:
    """By cloud and region of the source; of several entries that fit, the last holds."""
    every = [*tiers(VIRGINIA, IOWA, *RATES), *tiers(IRELAND, IOWA, *RATES), *tiers(IOWA, IRELAND, *RATES)]
    after = beyond(every, UsedEgress("aws", 100.0), UsedEgress("aws", 20_000.0, "eu-*"))
    assert [rates_of(after, source, target)[0] for source, target in ((VIRGINIA, IOWA), (IRELAND, IOWA))] == [
        (0.0, 0.09),
        (0.0, 0.085),
    ]
    assert rates_of(after, IOWA, IRELAND) == list(RATES)


def test_tiers_are_told_apart_by_pair_whatever_their_order() -> None:
    """The rows of a table have none; those that stay keep theirs."""
    rows = [*tiers(VIRGINIA, IOWA, *RATES), *tiers(VIRGINIA, IRELAND, (0.0, 0.02))]
    turned = beyond(rows[::-1], UsedEgress("aws", 100.0))
    assert turned.egress.reverse().equals(beyond(rows, UsedEgress("aws", 100.0)).egress)
    assert rates_of(turned, VIRGINIA, IRELAND) == [(0.0, 0.02)]


def test_a_changed_rate_says_where_it_comes_from() -> None:
    """As an offer does; one that starts where it did is the list's, and so are its certainty and its age."""
    after = beyond(tiers(VIRGINIA, IOWA, *RATES), UsedEgress("aws", 60.0))
    before = market([], egress=tiers(VIRGINIA, IOWA, *RATES))
    assert after.egress.select("source", "source_version").rows() == [("prices", "1"), *3 * [(SOURCE, None)]]
    assert after.egress.select("observed_at", "confidence").equals(before.egress.select("observed_at", "confidence"))
    assert after.sources == (*before.sources, SourceAge(SOURCE, None, SAID, 3))


def test_a_pair_of_unknown_first_rate_stays_unknown_until_a_known_one_is_reached() -> None:
    """Nothing is made up below the first tier that is known."""
    known = tiers(VIRGINIA, IOWA, (100.0, 0.09))
    assert egress_usd(beyond(known, UsedEgress("aws", 60.0)), 10.0) is None
    assert egress_usd(beyond(known, UsedEgress("aws", 150.0)), 10.0) == pytest.approx(0.9)
