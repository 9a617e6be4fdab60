"""Several zones as one market: its chances, against one zone, exact figures of two, and all that the next gap holds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from engine.policies.chains import ZoneChain
from engine.policies.market_chain import (
    LONGEST_LIFE_H,
    MarketChain,
    Zones,
    drawn_classes,
    market_chain,
    stacked,
    zones_of,
)
from engine.policies.outlook import MarketOutlook
from engine.policies.value_tables import JobCosts, value_tables
from engine.spot_market import Figures
from tests.kits.deadline_cases import EDGES_H, MIXED, NEVER_UP, model
from tests.kits.deadline_sightings import GAP_H, seen_by

START_USD = 0.4
LOSS_PER_H = np.array([[2.0, 1.0, 0.3], [0.5, 0.2, 0.1]])
GAIN_PER_H = np.array([[1.5, 1.0, 0.5], [0.8, 0.6, 0.4]])
TWO = Zones(EDGES_H, LOSS_PER_H, GAIN_PER_H, np.array([0.9, 1.0]))


@pytest.fixture(scope="module")
def two_zones() -> MarketChain:
    """The chain of two zones with three bins of age."""
    return market_chain(TWO, GAP_H, START_USD)


def memoryless(lost: list[float], gained: list[float], usd_h: list[float]) -> Zones:
    """Zones of one bin, by their chances a step."""
    per_h = [-np.log1p(-np.array(chances))[:, np.newaxis] / GAP_H for chances in (lost, gained)]
    return Zones(np.zeros(1), per_h[0], per_h[1], np.array(usd_h))


def test_steps_are_chances(two_zones: MarketChain) -> None:
    """None is negative; those of a market state, and of a held machine kept or lost, add up to 1."""
    assert two_zones.states == 9
    for steps in (two_zones.next_market, two_zones.next_spot, two_zones.next_lost):
        assert steps.min() >= 0
    assert two_zones.next_market.sum(axis=0) == pytest.approx(np.ones(9), abs=1e-5)
    held = two_zones.next_spot.sum(axis=0) + two_zones.next_lost.sum(axis=0)
    assert held == pytest.approx(np.ones(6), abs=1e-5)
    sevens = np.full((2, 9), 7.0, dtype=np.float32)
    assert two_zones.ahead(sevens) == pytest.approx(sevens, rel=1e-5)
    assert two_zones.ahead_on_spot(sevens[:, :6], sevens) == pytest.approx(sevens[:, :6], rel=1e-5)


def test_a_held_machine_stays_in_its_zone(two_zones: MarketChain) -> None:
    """Kept, it is in its zone and of its age or the next; it is lost by its own hazard."""
    goes_on = two_zones.next_spot.T.reshape(2, 3, 2, 3)
    assert not goes_on[0, :, 1].any()
    assert not goes_on[1, :, 0].any()
    assert two_zones.next_lost.sum(axis=0) == pytest.approx(1 - np.exp(-LOSS_PER_H * GAP_H).ravel(), abs=1e-6)


def test_the_same_zones_make_the_same_chain(two_zones: MarketChain) -> None:
    """The dice are cast anew, the same way."""
    again = market_chain(TWO, GAP_H, START_USD)
    assert np.array_equal(two_zones.next_market, again.next_market)
    assert np.array_equal(two_zones.next_lost, again.next_lost)


def test_merit_is_the_price_and_two_starts_over_the_life_left() -> None:
    """A run without memory lasts 1 / hazard; none counts for longer than two days."""
    zones = Zones(np.zeros(1), np.array([[0.5], [0.0]]), np.ones((2, 1)), np.array([1.0, 2.0]))
    assert zones.merit_usd_h(START_USD)[:, 0] == pytest.approx([1 + 0.8 / 2, 2 + 0.8 / LONGEST_LIFE_H])


def test_one_zone_is_the_chain_of_a_zone_of_one_class() -> None:
    """The same states; what is held is exact, the market within what sampling leaves."""
    zone = model([[0.9, 0.5, 0.3]], [[1.5, 1.0, 0.5]], [0.5])
    one = zone.classes[0]
    plain = ZoneChain(zone, GAP_H, 1.0)
    chain = market_chain(
        Zones(EDGES_H, one.loss_per_h[np.newaxis], one.gain_per_h[np.newaxis], np.ones(1)), GAP_H, START_USD
    )
    values = np.random.default_rng(3).random((5, 6)).astype(np.float32)
    assert chain.states == plain.states
    assert chain.spot_usd_h.tolist() == plain.spot_usd_h.tolist()
    assert chain.ahead(values) == pytest.approx(plain.ahead(values), abs=0.02)
    nothing = np.zeros((5, 6), dtype=np.float32)
    kept = values[:, :3]
    assert chain.ahead_on_spot(kept, nothing) == pytest.approx(plain.ahead_on_spot(kept, nothing), abs=1e-6)
    assert chain.ahead_on_spot(kept, values) == pytest.approx(plain.ahead_on_spot(kept, values), abs=2e-3)


def test_two_zones_without_memory_go_on_as_they_must() -> None:
    """The dearer zone is the best only while the cheaper one is down: these chances are known exactly."""
    (lost_a, lost_b), (gained_a, gained_b) = (0.1, 0.2), (0.3, 0.15)
    chain = market_chain(memoryless([lost_a, lost_b], [gained_a, gained_b], [1.0, 2.0]), GAP_H, 0.0)
    from_a, from_b, from_none = chain.next_market.T
    assert from_a[0] == pytest.approx(1 - lost_a, abs=0.01)
    assert from_b == pytest.approx([gained_a, (1 - gained_a) * (1 - lost_b), (1 - gained_a) * lost_b], abs=0.02)
    neither = (1 - gained_a) * (1 - gained_b)
    assert from_none == pytest.approx([gained_a, (1 - gained_a) * gained_b, neither], abs=0.02)
    # A machine that is lost in the cheaper zone leaves the other one up or down, as that is in the long run.
    up_b = gained_b / (gained_b + lost_b)
    assert chain.next_lost.T[0] / lost_a == pytest.approx([0, up_b, 1 - up_b], abs=0.02)


def joint_chances(ends: Figures, up: list[bool]) -> dict[tuple[bool, ...], float]:
    """The chance of each way in which the zones can be up and down next."""
    found = {}
    for after in product([True, False], repeat=len(up)):
        chance = 1.0
        for zone, is_up in enumerate(after):
            chance *= float(1 - ends[zone] if is_up == up[zone] else ends[zone])
        found[after] = chance
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_outlook_is_all_that_the_next_gap_can_hold(two_zones: MarketChain, seed: int) -> None:
    """Two zones up or down, four ways: the best machine in each, or for how long there will have been none."""
    flags = np.cumsum(np.random.default_rng(seed).random((15, 3, 2)) < 0.3, axis=0) % 2 == 0
    sightings = seen_by([MIXED, NEVER_UP], flags)
    outlook, merit = MarketOutlook(two_zones), two_zones.merit_usd_h
    rows = np.array([2, 0])
    market = outlook.market(sightings, rows)
    assert market.sum(axis=1) == pytest.approx(np.ones(2))
    for place, row in enumerate(rows):
        up = [bool(one) for one in sightings.up[row]]
        ends = (np.exp(sightings.belief[row]) * sightings.ends[row]).sum(axis=1)
        ages_h = sightings.age_h[row]
        older = np.searchsorted(EDGES_H, ages_h + GAP_H, side="right") - 1
        bins = [int(older[zone]) if up[zone] else 0 for zone in range(2)]
        none_since_h = 0.0 if any(up) else float(ages_h.min()) + GAP_H
        none = 6 + int(np.searchsorted(EDGES_H, none_since_h, side="right")) - 1
        expected, of_held, lost = np.zeros(9), np.zeros((2, 6)), np.zeros((2, 9))
        for after, chance in joint_chances(ends, up).items():
            ranked = sorted((merit[zone, bins[zone]], zone) for zone in range(2) if after[zone])
            best = ranked[0][1] * 3 + bins[ranked[0][1]] if ranked else none
            expected[best] += chance
            for zone in range(2):
                if after[zone]:
                    of_held[zone, zone * 3 + bins[zone]] += chance
                else:
                    lost[zone, best] += chance
        assert market[place] == pytest.approx(expected)
        for zone in range(2):
            kept, without = outlook.on_spot(sightings, rows, zone)
            assert kept[place] == pytest.approx(of_held[zone])
            assert without[place] == pytest.approx(lost[zone])


@pytest.mark.parametrize("times", [1, 4, 50])
def test_zones_are_drawn_as_often_as_their_class_is_likely(times: int) -> None:
    """Each zone is of each class in its share of the draws, to within one; the same models draw the same."""
    rare = model([[2, 1, 0.1], [0.1, 0.05, 0.01]], [[1, 0.5, 0.1], [4, 2, 1]], [0.1, 0.9])
    drawn = drawn_classes([MIXED, rare], times)
    assert drawn.shape == (times, 2)
    for zone, expected in enumerate((MIXED, rare)):
        assert (drawn[:, zone] == 0).sum() == pytest.approx(times * expected.weights[0], abs=1)
    assert np.array_equal(drawn, drawn_classes([MIXED, rare], times))


def test_zones_are_drawn_each_for_itself() -> None:
    """Two zones of one model are now of the same class, now of different ones."""
    drawn = drawn_classes([MIXED, MIXED], 30)
    assert 5 < (drawn[:, 0] == drawn[:, 1]).sum() < 25


def test_views_are_what_their_chains_are_alone() -> None:
    """Tables and outlook of several chains together are those of each by itself."""
    views = [
        market_chain(zones_of(MIXED, kinds, np.array([0.9, 1.0])), GAP_H, START_USD)
        for kinds in np.array([[0, 1], [1, 1]])
    ]
    together, costs = stacked(views), JobCosts(GAP_H * 3600, GAP_H * 1800, 3.0, 0.1)
    sightings = seen_by([MIXED, MIXED], np.array([[[True, False], [True, True], [False, False]]] * 2))
    rows, slack_s = np.array([0, 1, 2]), np.array([0.0, 900.0, 2000.0])
    tables = value_tables(together, costs, 12, 4000.0)
    for place, one in enumerate(views):
        alone = value_tables(one, costs, 12, 4000.0)
        for values, own in ((tables.waiting, alone.waiting), (tables.on_demand, alone.on_demand)):
            assert tables.at(values, 5000.0, slack_s)[place] == pytest.approx(alone.at(own, 5000.0, slack_s), rel=1e-5)
        unpaid_s = np.array([0.0, 300.0, 0.0])
        kept = alone.kept(5000.0, slack_s, unpaid_s)
        assert tables.kept(5000.0, slack_s, unpaid_s)[place] == pytest.approx(kept, rel=1e-5)
        market = MarketOutlook(one).market(sightings, rows)
        assert MarketOutlook(together).market(sightings, rows)[place] == pytest.approx(market)
        held, lost = MarketOutlook(together).on_spot(sightings, rows, 1)
        assert held == pytest.approx(MarketOutlook(one).on_spot(sightings, rows, 1)[0])
        assert lost[place] == pytest.approx(MarketOutlook(one).on_spot(sightings, rows, 1)[1])
