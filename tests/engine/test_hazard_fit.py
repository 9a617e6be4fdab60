"""Hazards from counts: against what made the counts, and what is shrunk where there are few."""

from __future__ import annotations

import numpy as np
import pytest

from engine.hazard_fit import LEAST_PER_H, PRIOR_EVENTS, log_likelihood, pooled, prior_of, step
from engine.semi_markov import SemiMarkov
from engine.spot_exposure import Ends, exposure
from tests.kits.seen_zones import sampled, seen

EDGES = np.array([0.0, 0.5, 2.0])
TRUE = SemiMarkov(EDGES, np.array([1.5, 0.6, 0.2]), np.array([2.0, 0.8, 0.4]))


def test_the_likelihood_of_a_trace_is_that_of_its_gaps() -> None:
    """++- : a gap survived at 1.5 an hour, one ended."""
    found = exposure([seen("++-")], EDGES, 48.0)
    survives = np.exp(-1.5 / 6)
    assert log_likelihood(found.hours, TRUE.loss_per_h[np.newaxis], found.up) == pytest.approx(
        np.log(survives * (1 - survives))
    )


@pytest.mark.parametrize("gap_s", [195.0, 600.0, 2400.0])
def test_the_hazards_that_made_a_trace_are_found_whatever_the_gap(gap_s: float) -> None:
    """A year of a zone, seen every 3, 10 or 40 minutes: within four standard errors, 1 / sqrt(runs that ended)."""
    found = exposure([sampled(TRUE, 1, round(8760 * 3600 / gap_s), gap_s=gap_s)], EDGES, 1e6)
    for ends, true in ((found.up, TRUE.loss_per_h), (found.down, TRUE.gain_per_h)):
        fitted = pooled(found.hours, ends)
        events = ends.ended.sum(axis=0) @ (found.hours > 0)
        assert np.all(np.abs(fitted / true - 1) < 4 / np.sqrt(events))


def test_traces_of_two_gap_lengths_are_one_sample() -> None:
    """Half the data every 3 minutes and half every 20."""
    traces = [sampled(TRUE, 2, 80_000, gap_s=195.0), sampled(TRUE, 3, 13_000, gap_s=1200.0)]
    found = exposure(traces, EDGES, 1e6)
    assert pooled(found.hours, found.up) == pytest.approx(TRUE.loss_per_h, rel=0.12)


def test_a_bin_without_data_has_the_hazard_of_the_one_before() -> None:
    """No run lived for two hours."""
    found = exposure([seen("+-" * 300)], EDGES, 48.0)
    hazards = pooled(found.hours, found.up)
    assert hazards[1] == pytest.approx(hazards[0], rel=1e-3)
    assert hazards[2] == pytest.approx(hazards[0], rel=1e-3)


def test_nothing_at_all_is_at_risk_of_something() -> None:
    """A zone that was always up has no down run: the hazard is one event in one hour, that of the prior."""
    found = exposure([seen("+" * 600)], EDGES, 48.0)
    assert pooled(found.hours, found.down) == pytest.approx(1.0)
    assert np.all(pooled(found.hours, found.up) < 0.1)
    assert np.all(pooled(found.hours, found.up) >= LEAST_PER_H)


def test_few_events_are_drawn_to_the_prior() -> None:
    """Three ends in ten hours within one bin, beside a prior of two at one an hour: five in twelve."""
    hours, at_risk, ended = np.array([[0.001]]), np.array([10_000.0]), np.array([3.0])
    per_h = np.ones(1)
    for _ in range(20):
        per_h = step(hours, per_h, at_risk, ended, np.ones(1))
    assert per_h == pytest.approx((3 + PRIOR_EVENTS) / (10 + PRIOR_EVENTS), rel=1e-3)


def test_a_class_is_expected_to_have_the_pooled_shape_at_its_level() -> None:
    """Twice as many ends as the pooled hazards make of the same hours: nearly twice each of them."""
    hours, shape = np.array([[0.1, 0.0], [0.0, 0.1]]), np.array([2.0, 0.5])
    at_risk = np.array([10_000.0, 10_000.0])
    prior = prior_of(hours, shape, at_risk, 2 * at_risk * (hours @ shape))
    assert prior == pytest.approx(2 * shape, rel=1e-3)


def test_every_round_makes_the_counts_likelier() -> None:
    """EM climbs: by the likelihood with the prior's own, over gaps that cross the bins."""
    found = exposure([sampled(TRUE, 4, 3000, gap_s=2400.0)], EDGES, 1e6)
    at_risk, ended = found.up.at_risk.sum(axis=0), found.up.ended.sum(axis=0)
    prior, per_h, before = np.full(3, 0.5), np.full(3, 0.5), -np.inf
    for _ in range(30):
        per_h = step(found.hours, per_h, at_risk, ended, prior)
        counts = Ends(at_risk[np.newaxis], ended[np.newaxis])
        now = float(log_likelihood(found.hours, per_h[np.newaxis], counts)[0, 0])
        now += float(np.sum(PRIOR_EVENTS * np.log(per_h) - PRIOR_EVENTS / prior * per_h))
        assert now >= before - 1e-9
        before = now
