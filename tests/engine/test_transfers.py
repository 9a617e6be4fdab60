"""Moving data: cumulative tiers, throughput by pair or by class of pair, and what is not known."""

from __future__ import annotations

import math

import pytest

from catalog_data.schema import ANYWHERE, OTHER_CONTINENT, SAME_CONTINENT
from catalog_data.snapshot import Snapshot
from engine.transfers import default_gbit_s, place, transfers
from tests.kits.market import default_links, link, market, offer, region, tiers

VIRGINIA, IOWA, FRANKFURT = "aws:us-east-1", "gcp:us-central1", "aws:eu-central-1"
RATES = ((0.0, 0.0), (100.0, 0.09), (10_240.0, 0.085))


def snapshot(**frames: object) -> Snapshot:
    """Three places, two of them on one continent."""
    rows = [
        offer("aws", "us-east-1", "m5", 0.1),
        offer("gcp", "us-central1", "n2", 0.1),
        offer("aws", "eu-central-1", "m5", 0.1),
    ]
    regions = [
        region("aws", "us-east-1"),
        region("gcp", "us-central1"),
        region("aws", "eu-central-1", "europe", "DE"),
    ]
    return market(rows, **{"regions": regions, **frames})  # type: ignore[arg-type]


def moved(known: Snapshot, gb: float, source: str, target: str) -> tuple[float | None, float | None]:
    """Cost and hours of one transfer."""
    rows = transfers(known, gb, [source], [target])
    assert rows.columns == ["src", "dst", "egress_usd", "transfer_h"]
    assert rows.select("src", "dst").row(0) == (source, target)
    usd, hours = rows.select("egress_usd", "transfer_h").row(0)
    return usd, hours


@pytest.mark.parametrize(
    ("gb", "usd"),
    [
        (0.0, 0.0),
        (99.0, 8.91),
        (100.0, 9.0),
        (101.0, 9.09),
        (10_239.0, 921.51),
        (10_240.0, 921.60),
        (10_241.0, 921.685),
        (51_200.0, 4_403.20),
    ],
)
def test_each_gb_is_billed_at_the_rate_of_its_tier(gb: float, usd: float) -> None:
    """9 cents from the first GB on, free once a month or not, and from 10 TB on 8.5: at and around each threshold."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, *RATES))
    assert moved(known, gb, VIRGINIA, IOWA)[0] == pytest.approx(usd)


@pytest.mark.parametrize(
    ("rates", "usd"),
    [
        (((0.0, 0.0),), 0.0),
        (((0.0, 0.0), (100.0, 0.0)), 0.0),
        (((0.0, 0.0), (50.0, 0.0), (100.0, 0.2)), 60.0),
        (((0.0, 0.0), (10_240.0, 0.0085)), 2.55),
        (((0.0, 0.1), (100.0, 0.0)), 10.0),
    ],
)
def test_a_free_allowance_is_not_counted(rates: tuple[tuple[float, float], ...], usd: float) -> None:
    """300 GB over tiers at rate 0: free where none is paid after them, else at the first rate that is paid."""
    assert moved(snapshot(egress=tiers(VIRGINIA, IOWA, *rates)), 300.0, VIRGINIA, IOWA)[0] == pytest.approx(usd)


def test_an_allowance_of_one_pair_says_nothing_of_another() -> None:
    """A free pair stays free beside one that is paid for, whichever comes first in the table."""
    egress = [*tiers(VIRGINIA, IOWA, (0.0, 0.0)), *tiers(VIRGINIA, FRANKFURT, *RATES), *tiers(IOWA, VIRGINIA, *RATES)]
    rows = transfers(snapshot(egress=egress), 50.0, [VIRGINIA, IOWA], [VIRGINIA, IOWA, FRANKFURT])
    assert rows["egress_usd"].to_list() == [0.0, 0.0, pytest.approx(4.5), pytest.approx(4.5), 0.0, None]


def test_many_small_transfers_cost_what_a_large_one_does() -> None:
    """As long as they stay in one tier: no transfer has an allowance of its own."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, *RATES))
    small, large = (moved(known, gb, VIRGINIA, IOWA)[0] for gb in (100.0, 2_000.0))
    assert small is not None
    assert large == pytest.approx(20 * small)


def test_the_defaults_in_use_are_those_of_pairs_that_nobody_measured() -> None:
    """By class of pair; a measured pair uses none, and a class without a default has none."""
    known = snapshot(throughput=[*default_links(same_continent=5.0, other_continent=2.0), link(IOWA, VIRGINIA, 0.5)])
    near, far, measured = (VIRGINIA, IOWA), (VIRGINIA, FRANKFURT), (IOWA, VIRGINIA)
    assert default_gbit_s(known, [near, far, far, measured]) == {SAME_CONTINENT: 5.0, OTHER_CONTINENT: 2.0}
    assert default_gbit_s(known, [far]) == {OTHER_CONTINENT: 2.0}
    assert default_gbit_s(known, [measured]) == {}
    assert default_gbit_s(snapshot(throughput=[]), [near]) == {}


def test_tiers_may_stand_in_any_order() -> None:
    """Rows of a table have no order."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, *reversed(RATES)))
    assert moved(known, 10_241.0, VIRGINIA, IOWA)[0] == pytest.approx(921.685)


def test_rates_are_of_one_direction() -> None:
    """The cloud that the data leaves bills it: the way back has no rate here, and null is not 0."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, *RATES))
    assert moved(known, 500.0, IOWA, VIRGINIA)[0] is None


def test_tiers_without_a_first_one_say_nothing() -> None:
    """What the GB below the lowest tier cost is not known: free would be a guess."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, (100.0, 0.09)))
    assert moved(known, 500.0, VIRGINIA, IOWA)[0] is None


def test_within_one_place_data_moves_free_and_at_once() -> None:
    """Even where a table has a rate for it."""
    known = snapshot(egress=tiers(VIRGINIA, VIRGINIA, (0.0, 0.01)))
    assert moved(known, 5_000.0, VIRGINIA, VIRGINIA) == (0.0, 0.0)


def test_no_data_costs_nothing_anywhere() -> None:
    """0 GB needs no rate and no throughput."""
    assert moved(snapshot(throughput=[]), 0.0, VIRGINIA, FRANKFURT) == (0.0, 0.0)


def test_throughput_goes_by_class_of_pair() -> None:
    """1,000 GB take 8,000 Gbit / 5 Gbit/s on one continent and 8,000 / 2 to another."""
    known = snapshot(throughput=default_links(same_continent=5.0, other_continent=2.0))
    assert moved(known, 1_000.0, VIRGINIA, IOWA)[1] == pytest.approx(8_000 / 5 / 3600)
    assert moved(known, 1_000.0, VIRGINIA, FRANKFURT)[1] == pytest.approx(8_000 / 2 / 3600)


def test_a_measured_pair_beats_its_class() -> None:
    """In the direction that was measured, and in that alone."""
    known = snapshot(throughput=[*default_links(other_continent=2.0), link(VIRGINIA, FRANKFURT, 0.5)])
    assert moved(known, 1_000.0, VIRGINIA, FRANKFURT)[1] == pytest.approx(8_000 / 0.5 / 3600)
    assert moved(known, 1_000.0, FRANKFURT, VIRGINIA)[1] == pytest.approx(8_000 / 2 / 3600)


def test_a_place_of_unknown_continent_is_far_from_all() -> None:
    """Two regions whose continents are both unknown are not taken to share one."""
    regions = [region("aws", "us-east-1", None, None), region("gcp", "us-central1", None, None)]
    known = snapshot(regions=regions, throughput=default_links(same_continent=5.0, other_continent=2.0))
    assert moved(known, 1_000.0, VIRGINIA, IOWA)[1] == pytest.approx(8_000 / 2 / 3600)
    assert moved(known, 1_000.0, VIRGINIA, FRANKFURT)[1] == pytest.approx(8_000 / 2 / 3600)


def test_without_a_throughput_the_time_is_not_known() -> None:
    """A class without a default leaves null, not 0."""
    known = snapshot(throughput=[link(ANYWHERE, OTHER_CONTINENT, 2.0)])
    assert moved(known, 1_000.0, VIRGINIA, IOWA)[1] is None
    assert moved(known, 1_000.0, VIRGINIA, FRANKFURT)[1] is not None


def test_every_pair_is_answered_in_order() -> None:
    """One row a pair, by source and then by target: the placement model reads them as a matrix."""
    places = [VIRGINIA, IOWA, FRANKFURT]
    rows = transfers(snapshot(egress=tiers(VIRGINIA, IOWA, *RATES)), 200.0, places, places)
    assert rows.select("src", "dst").rows() == [(source, target) for source in places for target in places]
    assert rows["egress_usd"].to_list() == [0.0, pytest.approx(18.0), None, None, 0.0, None, None, None, 0.0]


def test_a_place_is_named_by_cloud_and_region() -> None:
    """The name that the tables of throughput use."""
    assert place("aws", "us-east-1") == VIRGINIA


def test_figures_are_finite() -> None:
    """A huge amount of data is an amount like any other."""
    known = snapshot(egress=tiers(VIRGINIA, IOWA, *RATES))
    usd, hours = moved(known, 1e12, VIRGINIA, IOWA)
    assert usd is not None
    assert hours is not None
    assert math.isfinite(usd + hours)
