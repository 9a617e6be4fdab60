"""A mixture of kinds of zone: Bayes' rule by hand, fits of zones that are known, and fits of real ones."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.availability import FIRST_AGES_H, AvailabilityModel, fit_availability, with_common_classes
from engine.semi_markov import SemiMarkov
from engine.spot_market import Trace
from tests.kits.seen_zones import constant, recorded, sampled, seen

GOOD, BAD = constant(0.1, 2.0), constant(1.0, 0.2)
MODEL = AvailabilityModel((GOOD, BAD), np.array([0.25, 0.75]), np.array([0.9, 0.2]), first_age_h=1.0)


def test_the_first_sight_tells_of_the_class() -> None:
    """Up: 0.25 x 0.9 against 0.75 x 0.2."""
    assert np.exp(MODEL.first_sight(True)) == pytest.approx([0.225 / 0.375, 0.15 / 0.375])
    assert np.exp(MODEL.first_sight([True, False])[1]) == pytest.approx([0.025 / 0.625, 0.6 / 0.625])


@pytest.mark.parametrize(
    ("was_up", "is_up", "told"),
    [
        (True, True, [np.exp(-0.05), np.exp(-0.5)]),
        (True, False, [1 - np.exp(-0.05), 1 - np.exp(-0.5)]),
        (False, False, [np.exp(-1.0), np.exp(-0.1)]),
        (False, True, [1 - np.exp(-1.0), 1 - np.exp(-0.1)]),
    ],
)
def test_each_gap_tells_more(was_up: bool, is_up: bool, told: list[float]) -> None:
    """Bayes' rule over half an hour, from even odds."""
    found = np.exp(MODEL.posterior(np.log([0.5, 0.5]), was_up, 2.0, is_up, 0.5))
    assert found == pytest.approx(np.array(told) / sum(told))


def test_a_zone_that_drifts_is_drawn_anew() -> None:
    """Within its mean time of a class, 1 - 1/e of the belief goes back to the weights before the gap tells anything."""
    drifting = replace(MODEL, drift_h=0.5)
    belief = np.exp(-1) * np.array([0.9, 0.1]) + (1 - np.exp(-1)) * MODEL.weights
    told = belief * np.exp([-0.05, -0.5])
    found = np.exp(drifting.posterior(np.log([0.9, 0.1]), True, 2.0, True, 0.5))
    assert found == pytest.approx(told / told.sum())


def test_runs_and_zones_are_updated_at_once() -> None:
    """Five runs in three zones: each as if it were alone."""
    model = replace(MODEL, drift_h=50.0)
    rng = np.random.default_rng(1)
    was, now = rng.random((5, 3)) < 0.5, rng.random((5, 3)) < 0.5
    ages, belief = rng.random((5, 3)) * 9, model.first_sight(was)
    found = model.posterior(belief, was, ages, now, 0.25)
    assert found.shape == (5, 3, 2)
    assert found[3, 1] == pytest.approx(model.posterior(belief[3, 1], was[3, 1], ages[3, 1], now[3, 1], 0.25))
    assert_allclose(np.exp(found).sum(axis=-1), 1.0)


def test_expectations_are_means_over_the_classes() -> None:
    """At even odds, for one age and for several."""
    even = np.log([0.5, 0.5])
    assert MODEL.survival(even, 3.0, 2.0) == pytest.approx((np.exp(-0.2) + np.exp(-2.0)) / 2)
    assert MODEL.lost_within(even, 3.0, 2.0) == pytest.approx(1 - MODEL.survival(even, 3.0, 2.0))
    assert MODEL.regained_within(even, 0.0, 1.0) == pytest.approx(1 - (np.exp(-2.0) + np.exp(-0.2)) / 2)
    assert MODEL.mean_life_h(even, 0.0) == pytest.approx((10 + 1) / 2)
    assert MODEL.mean_wait_h(even, 0.0) == pytest.approx((0.5 + 5) / 2)
    assert MODEL.up_at_any_time(even) == pytest.approx(0.55)
    long_run = (2 / 2.1 + 0.2 / 1.2) / 2
    assert MODEL.up_ahead(even, is_up=True, age_h=1.0, ahead_h=20.0) == pytest.approx(long_run, abs=1e-3)
    assert MODEL.survival(np.log([[0.5, 0.5], [1.0, 1e-300]]), [3.0, 3.0], 2.0).shape == (2,)


def test_a_model_survives_being_stored() -> None:
    """As JSON, a zone that keeps its class for ever too."""
    for model in (MODEL, replace(MODEL, drift_h=120.0)):
        again = AvailabilityModel.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
        assert again.to_dict() == model.to_dict()
        assert again.drift_h == model.drift_h


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "version 99"),
        ({"first_age_h": None}, "lacks a figure"),
        ({"weights": [0.5, 0.7]}, "add up to 1"),
        ({"up_share": [0.5, 1.0]}, "between 0 and 1"),
        ({"loss_per_h": [[0.1], [-1.0]]}, "hazard of 0 or more"),
        ({"gain_per_h": [[0.1]]}, "shorter"),
        ({"up_share": [0.5]}, "each class"),
        ({"first_age_h": -1.0}, "age at first sight"),
    ],
)
def test_a_spoilt_model_is_refused(change: dict[str, Any], message: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        AvailabilityModel.from_dict(MODEL.to_dict() | change)


def test_classes_share_their_bins() -> None:
    """And there is at least one."""
    other = replace(GOOD, edges_h=np.array([0.0, 1.0]), loss_per_h=np.ones(2), gain_per_h=np.ones(2))
    for classes in ((), (GOOD, other)):
        with pytest.raises(ValueError, match="same bins of age"):
            AvailabilityModel(classes, np.full(len(classes), 0.5), np.full(len(classes), 0.5))


def test_two_kinds_of_zone_are_told_apart() -> None:
    """Four zones of each kind over ten days: a day of one tells that its class has such a mean life and wait."""
    traces = [sampled(kind, 10 * seed + number, 1440) for number, kind in enumerate((GOOD, BAD)) for seed in range(4)]
    model = fit_availability(traces)
    for kind in (GOOD, BAD):
        found = _believed(model, sampled(kind, 99, 144))
        assert 0.5 < float(model.mean_life_h(found, 0.0) / kind.mean_life_h()) < 2
        assert 0.5 < float(model.mean_wait_h(found, 0.0) / kind.mean_wait_h()) < 2


def _believed(model: AvailabilityModel, trace: Trace) -> Any:
    """The belief after a whole trace, gap by gap."""
    belief, age_h, up = model.first_sight(trace.available[0]), model.first_age_h, trace.available
    for was, now in itertools.pairwise(up):
        belief = model.posterior(belief, was, age_h, now, trace.gap_s / 3600)
        age_h = age_h + trace.gap_s / 3600 if was == now else 0.0
    return belief


@pytest.mark.parametrize("gaps", ["+" * 500, "-" * 500, "+", "+-", "-+" * 250])
def test_every_trace_makes_a_sane_model(gaps: str) -> None:
    """Always up, never up, one gap, two gaps, flapping: hazards are positive and finite, and so is what follows."""
    model = fit_availability([seen(gaps)])
    belief = model.first_sight(gaps[0] == "+")
    assert np.all(np.isfinite(belief))
    assert 0 < float(model.survival(belief, 0.0, 1.0)) < 1
    assert 0 < float(model.regained_within(belief, 0.0, 1.0)) < 1
    assert model.first_age_h in FIRST_AGES_H


def test_a_zone_that_was_always_up_is_expected_to_stay() -> None:
    """And one that never was, to stay away."""
    up, down = fit_availability([seen("+" * 500)]), fit_availability([seen("-" * 500)])
    assert float(up.survival(up.first_sight(True), 0.0, 6.0)) > 0.8
    assert float(down.regained_within(down.first_sight(False), 0.0, 6.0)) < 0.2


def test_nothing_to_fit_to_is_refused() -> None:
    """No trace, and an empty one."""
    for traces in ([], [seen("")]):
        with pytest.raises(ValueError, match="no trace"):
            fit_availability(traces)


def test_real_traces_are_fitted_in_seconds_and_always_alike(shared: Path) -> None:
    """All 17 series of two years and gap lengths, a month each: less than 10 CPU-s, and twice the same."""
    traces = recorded(shared / "data" / "traces")
    start = time.process_time()
    model = fit_availability(traces)
    assert time.process_time() - start < 10
    assert len(traces) == 17
    assert model.to_dict() == fit_availability(traces).to_dict()
    # The longer a machine has stayed, the longer it will stay: a day makes it several times as safe as an hour.
    belief = model.first_sight(True)
    assert float(model.mean_life_h(belief, 24.0)) > 2 * float(model.mean_life_h(belief, 1.0))


def test_a_zone_whose_windows_are_all_of_one_class_gets_nearly_all_its_weight() -> None:
    """Four windows of a zone that is always up move the weights to the class that is up; the classes stay."""
    model = AvailabilityModel(
        (
            SemiMarkov(np.array([0.0]), np.array([0.01]), np.array([2.0])),
            SemiMarkov(np.array([0.0]), np.array([2.0]), np.array([0.05])),
        ),
        np.array([0.5, 0.5]),
        np.array([0.99, 0.02]),
    )
    always_up = Trace("z", "t", 600.0, np.ones(4 * 288, dtype=np.bool_))
    known = model.of_zone([always_up])
    assert known.weights == pytest.approx([4.5 / 5, 0.5 / 5], abs=1e-6)
    assert known.classes is model.classes
    assert model.of_zone([]) is model


def test_models_side_by_side_foretell_what_they_did() -> None:
    """With the classes of others and finer bins of age: the same chances at first sight, and gaps later."""
    one = AvailabilityModel(
        (SemiMarkov(np.array([0.0, 2.0]), np.array([1.0, 0.2]), np.array([0.5, 0.1])),),
        np.ones(1),
        np.array([0.7]),
        1.0,
    )
    two = AvailabilityModel((constant(0.3, 2.0),), np.ones(1), np.array([0.9]), drift_h=50.0)
    common = with_common_classes([one, two, one])
    assert common[0] is common[2]
    assert len(common[0].classes) == 1 + len(two.classes)
    for model, alone in zip(common, (one, two), strict=False):
        belief, own = model.first_sight(True), alone.first_sight(True)
        for age_h in (0.0, 1.5, 3.0):
            assert_allclose(model.survival(belief, age_h, 2.0), alone.survival(own, age_h, 2.0), rtol=1e-6)
            belief = model.posterior(belief, True, age_h, True, 0.5)
            own = alone.posterior(own, True, age_h, True, 0.5)
