"""Models by zone, by type and for a cloud, and what they are worth on data that they were not fitted to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pytest

from engine.semi_markov import SemiMarkov
from engine.spot_events import Placed
from engine.spot_fits import LEAST_H, Pool, ZoneModels, fit_pools, worth_of
from engine.spot_market import Trace

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
HEAVY: Final = SemiMarkov(np.array([0.0, 1.0]), np.array([2.0, 0.02]), np.array([2.0, 0.02]))
"""Runs end within minutes or last for days."""
CONSTANT: Final = SemiMarkov(np.zeros(1), np.array([0.3]), np.array([0.3]))


def placed(zone: str, instance_type: str, hours: float, *, start: datetime | None = None, seed: int = 1) -> Placed:
    """A simulated series of AWS."""
    gaps = round(hours * 6)
    available = CONSTANT.sample(np.random.default_rng(seed), 600.0, gaps, starts_up=True)
    return Placed("aws", Trace(zone, instance_type, 600.0, available, start))


def test_each_pool_has_a_model() -> None:
    """Each zone and type, each type over all zones, and the cloud; the widest first."""
    series = [
        placed("us-west-2a", "v100_1", 60, start=START),
        placed("us-west-2b", "v100_1", 50, seed=2, start=START + timedelta(days=9)),
    ]
    everything, of_type, first, second = fit_pools(series)
    assert everything.pool == Pool("aws", "*", "*", "*")
    assert of_type.pool == Pool("aws", "*", "*", "v100_1")
    assert (first.pool, second.pool) == (
        Pool("aws", "us-west-2", "us-west-2a", "v100_1"),
        Pool("aws", "us-west-2", "us-west-2b", "v100_1"),
    )
    assert everything.traces == 2
    assert everything.data_h == pytest.approx(110)
    assert (everything.data_from, everything.data_until) == (START, START + timedelta(days=9, hours=50))
    assert first.availability == pytest.approx(series[0].trace.available.mean())


def test_little_data_counts_only_where_it_is_pooled() -> None:
    """Two days in each of two zones are enough together; an unknown type counts for the cloud."""
    short = LEAST_H / 2
    found = fit_pools([placed("us-west-2a", "v100_1", short), placed("us-west-2b", "", short)])
    assert [one.pool for one in found] == [Pool("aws", "*", "*", "*")]
    assert fit_pools([placed("us-west-2a", "v100_1", short)]) == ()
    assert fit_pools([]) == ()


def test_a_zone_has_its_own_model_where_it_was_fitted_to() -> None:
    """By all of its traces; elsewhere, and for another type there, that of all zones, which has the same classes."""
    down = placed("us-west-2b", "v100_1", 96).trace
    down = replace(down, available=np.zeros_like(down.available))
    up, more = (placed("us-west-2a", "v100_1", hours, seed=2).trace for hours in (96, 48))
    models = ZoneModels.fitted([up, down, more])
    own, poor, type_, zone = models.of([up, down, replace(up, instance_type="v100_8"), replace(up, zone="us-west-2c")])
    assert type_ is zone is models.pooled
    assert own.classes == poor.classes == models.pooled.classes
    seldom, mean, often = (model.weights @ model.up_share for model in (poor, models.pooled, own))
    assert seldom < mean < often
    assert np.array_equal(own.weights, models.pooled.of_zone([up, more]).weights)


def test_instants_that_are_not_known_stay_open() -> None:
    """A series without a start says nothing of dates."""
    [found, *_] = fit_pools([placed("us-west-2a", "v100_1", 60)])
    assert (found.data_from, found.data_until) == (None, None)


def test_figures_of_a_fit_are_those_of_the_process() -> None:
    """Constant hazards of 0.3 an hour: runs last 3.3 hours in the mean, and a zone is up half of the time."""
    [found, *_] = fit_pools([placed("us-west-2a", "v100_1", 2000)])
    assert found.mean_life_h == pytest.approx(1 / 0.3, rel=0.15)
    assert found.mean_wait_h == pytest.approx(1 / 0.3, rel=0.15)
    assert found.availability == pytest.approx(0.5, abs=0.05)


def test_ages_are_worth_something_where_runs_are_heavy_tailed() -> None:
    """On held-out data the fit says more than constant hazards do; of constant ones it says nearly the same."""
    gaps = 6 * 24 * 60

    def worth(process: SemiMarkov) -> float:
        available = process.sample(np.random.default_rng(3), 600.0, gaps, starts_up=True)
        found = worth_of([Trace("us-west-2a", "v100_1", 600.0, available)])
        assert found is not None
        return found.held_out_nats_h - found.memoryless_nats_h

    assert worth(HEAVY) > 0.02
    assert worth(CONSTANT) == pytest.approx(0.0, abs=0.02)


def test_too_little_to_hold_some_out() -> None:
    """Two days are enough to fit, but not to fit from a part of them."""
    assert worth_of([placed("us-west-2a", "v100_1", LEAST_H).trace]) is None
