"""What is made of sightings, against the same made by hand, run by run and zone by zone."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest

from engine.availability import AvailabilityModel
from engine.semi_markov import SemiMarkov
from tests.kits.deadline_cases import EDGES_H, MIXED, model
from tests.kits.deadline_sightings import GAP_H, seen_by

LASTING = model([[2, 1, 0.1], [0.1, 0.05, 0.01]], [[1, 0.5, 0.1], [4, 2, 1]], [0.2, 0.8], drift_h=np.inf)
"""The same classes as those of the mixed model, in a zone that never changes its class."""


def hazard(zone: SemiMarkov, is_up: bool, from_h: float, to_h: float) -> float:
    """The integral of the hazard that the run ends, added up bin by bin."""
    upper_h = [*EDGES_H[1:], np.inf]
    per_h = zone.loss_per_h if is_up else zone.gain_per_h
    total = 0.0
    for rate, lower_h, until_h in zip(per_h, EDGES_H, upper_h, strict=True):
        total += float(rate) * max(0.0, min(to_h, float(until_h)) - max(from_h, float(lower_h)))
    return total


def by_hand(zone_model: AvailabilityModel, flags: list[bool]) -> tuple[float, list[float], list[float]]:
    """The age of the run that is on, the belief in each class, and each class's chance that the run ends next."""
    age_h = zone_model.first_age_h
    belief = [
        float(weight) * float(share if flags[0] else 1 - share)
        for weight, share in zip(zone_model.weights, zone_model.up_share, strict=True)
    ]
    for before, now in pairwise(flags):
        belief = [one / sum(belief) for one in belief]
        stays = exp(-GAP_H / zone_model.drift_h)
        belief = [stays * one + (1 - stays) * float(w) for one, w in zip(belief, zone_model.weights, strict=True)]
        for kind, zone in enumerate(zone_model.classes):
            goes_on = exp(-hazard(zone, before, age_h, age_h + GAP_H))
            belief[kind] *= goes_on if now == before else 1 - goes_on
        age_h = age_h + GAP_H if now == before else 0.0
    ends = [1 - exp(-hazard(zone, flags[-1], age_h, age_h + GAP_H)) for zone in zone_model.classes]
    return age_h, [one / sum(belief) for one in belief], ends


@pytest.mark.parametrize("length", [1, 2, 9, 30])
def test_ages_beliefs_and_hazards_are_those_by_hand(length: int) -> None:
    """Of three runs in two zones with models of their own."""
    rng = np.random.default_rng(length)
    flags = np.cumsum(rng.random((length, 3, 2)) < 0.2, axis=0) % 2 == 0
    sightings = seen_by([MIXED, LASTING], flags)
    ends = sightings.ends
    assert ends.shape == (3, 2, 2)
    for run in range(3):
        for zone, zone_model in enumerate([MIXED, LASTING]):
            age_h, belief, chances = by_hand(zone_model, [bool(one) for one in flags[:, run, zone]])
            assert sightings.up[run, zone] == flags[-1, run, zone]
            assert sightings.age_h[run, zone] == pytest.approx(age_h)
            assert sightings.belief[run, zone] == pytest.approx([log(one) for one in belief])
            assert ends[run, zone] == pytest.approx(chances)


def test_the_first_sight_does_not_tell_when_the_run_began() -> None:
    """It is given the model's age, whether it is up or down."""
    sightings = seen_by([MIXED, MIXED], np.array([[[True, False]]]))
    assert sightings.age_h.tolist() == [[0.25, 0.25]]
    assert np.exp(sightings.belief[0, 0]) == pytest.approx([0.4 / 1.3, 0.9 / 1.3])
    assert np.exp(sightings.belief[0, 1]) == pytest.approx([0.6 / 0.7, 0.1 / 0.7])


def test_runs_do_not_mix() -> None:
    """Each run is followed as it would be alone."""
    flags = np.cumsum(np.random.default_rng(4).random((12, 4, 1)) < 0.3, axis=0) % 2 == 0
    together = seen_by([MIXED], flags)
    for run in range(4):
        alone = seen_by([MIXED], flags[:, run : run + 1])
        assert together.belief[run] == pytest.approx(alone.belief[0])
        assert together.age_h[run] == pytest.approx(alone.age_h[0])
