"""The chain of one zone, and the outlook on its next gap, against the semi-Markov classes that they stand for."""

from __future__ import annotations

from itertools import product
from math import exp

import numpy as np
import pytest

from engine.availability import AvailabilityModel
from engine.policies.chains import Values, ZoneChain, older_within
from engine.policies.outlook import ZoneOutlook
from tests.kits.deadline_cases import EDGES_H, MIXED, MODELS, SURE_OF_UP, model
from tests.kits.deadline_sightings import GAP_H, seen_by

CLASSES, BINS = 2, 3
LASTING = model([[2, 1, 0.1], [0.1, 0.05, 0.01]], [[1, 0.5, 0.1], [4, 2, 1]], [0.4, 0.9], drift_h=np.inf)


def state_of(is_up: bool, kind: int, age_bin: int) -> int:
    """Its number in the chain."""
    return (0 if is_up else CLASSES * BINS) + kind * BINS + age_bin


def steps_of(chain: ZoneChain) -> Values:
    """(K, K): the chances of a step, from the state of the row to that of the column."""
    return np.stack([chain.ahead(one[np.newaxis])[0] for one in np.eye(chain.states, dtype=np.float32)], axis=1)


def class_chances(zone: AvailabilityModel, kind: int) -> list[float]:
    """Where a zone of the class is after a step: there still, or anew of a class by the weights."""
    stays = exp(-GAP_H / zone.drift_h)
    return [stays * (kind == other) + (1 - stays) * float(weight) for other, weight in enumerate(zone.weights)]


@pytest.mark.parametrize("zone", MODELS)
def test_the_steps_of_a_zone_are_chances(zone: AvailabilityModel) -> None:
    """None is negative and those of a state add up to 1, so a constant stays what it is."""
    chain = ZoneChain(zone, GAP_H, 0.5)
    steps = steps_of(chain)
    assert steps.min() >= 0
    assert steps.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)
    assert chain.ahead(np.full((4, 12), 7.5, dtype=np.float32)) == pytest.approx(np.full((4, 12), 7.5), rel=1e-5)
    assert chain.spot_usd_h.tolist() == [0.5] * 6


@pytest.mark.parametrize("zone", [MIXED, LASTING])
def test_a_step_is_that_of_the_classes(zone: AvailabilityModel) -> None:
    """A run ends by its hazard and the other kind begins, or it goes on and may come into the next bin of age."""
    steps = steps_of(ZoneChain(zone, GAP_H, 0.5))
    expected = np.zeros((12, 12))
    for is_up, kind, age_bin in product([True, False], range(CLASSES), range(BINS)):
        one = zone.classes[kind]
        ends = 1 - exp(-float((one.loss_per_h if is_up else one.gain_per_h)[age_bin]) * GAP_H)
        older = [GAP_H / 0.5, GAP_H / 1.5, 0][age_bin]
        row = expected[state_of(is_up, kind, age_bin)]
        for other, chance in enumerate(class_chances(zone, kind)):
            row[state_of(not is_up, other, 0)] += chance * ends
            row[state_of(is_up, other, age_bin)] += chance * (1 - ends) * (1 - older)
            row[state_of(is_up, other, min(age_bin + 1, BINS - 1))] += chance * (1 - ends) * older
    assert steps == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("zone", [MIXED, SURE_OF_UP])
def test_a_machine_is_kept_while_its_zone_is_up(zone: AvailabilityModel) -> None:
    """What is kept and what is lost make up the whole step, and the chance to keep is that of the zone to stay up."""
    chain = ZoneChain(zone, GAP_H, 0.5)
    values = np.random.default_rng(2).random((3, 12)).astype(np.float32)
    assert chain.ahead_on_spot(values[:, :6], values) == pytest.approx(chain.ahead(values)[:, :6], abs=1e-6)
    kept = chain.ahead_on_spot(np.ones((1, 6), dtype=np.float32), np.zeros((1, 12), dtype=np.float32))
    stays = [exp(-float(rate) * GAP_H) for one in zone.classes for rate in one.loss_per_h]
    assert kept[0] == pytest.approx(stays, abs=1e-6)


def test_a_bin_is_left_after_its_width_in_the_mean() -> None:
    """The last bin never is; a step longer than a bin leaves it at once."""
    assert older_within(EDGES_H, 0.25).tolist() == pytest.approx([0.5, 0.25 / 1.5, 0])
    assert older_within(EDGES_H, 1.0).tolist() == pytest.approx([1, 1 / 1.5, 0])


@pytest.mark.parametrize("zone", [MIXED, LASTING])
@pytest.mark.parametrize("seed", range(3))
def test_the_outlook_is_the_next_gap_by_the_belief(zone: AvailabilityModel, seed: int) -> None:
    """Each class goes on or ends from the exact age, by the belief in it, and then drifts."""
    flags = np.cumsum(np.random.default_rng(seed).random((14, 4, 1)) < 0.25, axis=0) % 2 == 0
    sightings = seen_by([zone], flags)
    outlook = ZoneOutlook(ZoneChain(zone, GAP_H, 0.5))
    rows = np.array([2, 0, 3])
    market = outlook.market(sightings, rows)
    assert market.sum(axis=1) == pytest.approx(np.ones(3))
    kept, lost = outlook.on_spot(sightings, rows, 0)
    for place, row in enumerate(rows):
        is_up, age_h = bool(sightings.up[row, 0]), float(sightings.age_h[row, 0])
        older = int(np.searchsorted(EDGES_H, age_h + GAP_H, side="right")) - 1
        expected = np.zeros(12)
        for kind, believed in enumerate(np.exp(sightings.belief[row, 0])):
            one = zone.classes[kind]
            ends = float((one.lost_within if is_up else one.regained_within)(age_h, GAP_H))
            for other, chance in enumerate(class_chances(zone, kind)):
                expected[state_of(is_up, other, older)] += believed * (1 - ends) * chance
                expected[state_of(not is_up, other, 0)] += believed * ends * chance
        assert market[place] == pytest.approx(expected)
        assert kept[place] == pytest.approx(expected[:6])
        assert lost[place] == pytest.approx([0] * 6 + expected[6:].tolist())
