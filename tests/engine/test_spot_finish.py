"""When a job on spot is done: the distribution against simulated runs, and its ends."""

from __future__ import annotations

import numpy as np
import pytest

from engine.availability import AvailabilityModel
from engine.semi_markov import SemiMarkov
from engine.spot_finish import MOST_SEGMENTS, finish_times, finish_times_in
from engine.spot_run import SpotJob, expected_run
from tests.kits.seen_zones import constant
from tests.kits.spot_job_simulation import simulated

AGEING = SemiMarkov(np.array([0.0, 0.5, 1.0, 3.0]), np.array([1.0, 0.5, 0.2, 0.05]), np.array([2.0, 1.0, 0.5, 0.3]))


@pytest.mark.parametrize("age_h", [0.0, 3.0])
@pytest.mark.parametrize(
    "job", [SpotJob(5.3, 0.5, 0.03, 0.1), SpotJob(3.0, None, 0.0, 0.1), SpotJob(1.0, 0.1, 0.2, 0.6)]
)
def test_the_chance_to_be_on_time_is_as_frequent(job: SpotJob, age_h: float) -> None:
    """3,000 simulated runs, at ten deadlines: within four standard errors of a share, and 0.005 for the steps."""
    runs, horizon_h = simulated(AGEING, job, 3000, age_h=age_h).hours, 40.0
    found = finish_times(AGEING, job, horizon_h, age_h=age_h)
    for deadline_h in np.linspace(horizon_h / 10, horizon_h, 10):
        share = float(np.mean(runs <= deadline_h))
        error = max(np.sqrt(share * (1 - share) / len(runs)), 1e-3)
        assert found.by(float(deadline_h)) == pytest.approx(share, abs=4 * error + 0.005)


def test_the_mean_of_the_distribution_is_the_expected_time() -> None:
    """Hours weighted by the chance that the job ends in them, to 1 %."""
    job = SpotJob(4.0, 0.5, 0.02, 0.1)
    found = finish_times(constant(0.3, 1.5), job, 80.0)
    middles = (found.hours[1:] + found.hours[:-1]) / 2
    assert found.chance[-1] == pytest.approx(1.0, abs=1e-6)
    assert np.diff(found.chance) @ middles == pytest.approx(expected_run(constant(0.3, 1.5), job).hours, rel=0.01)


def test_without_losses_the_end_is_known() -> None:
    """4 hours, 3 checkpoints of 0.1 h and a start of 0.2 h: not before, surely after."""
    found = finish_times(constant(0.0, 1.0), SpotJob(4.0, 1.0, 0.1, 0.2), 10.0)
    assert (found.by(4.4), found.by(4.6)) == (0.0, 1.0)
    assert found.quantile_h(0.9) == pytest.approx(4.5, abs=0.02)


def test_quantiles_undo_the_chance() -> None:
    """Half of the runs are done by the median; one beyond the horizon is not known, and 0 is the start."""
    found = finish_times(AGEING, SpotJob(3.0, 0.5, 0.05, 0.1), 12.0)
    median_h = found.quantile_h(0.5)
    assert median_h is not None
    assert found.by(median_h) == pytest.approx(0.5)
    assert found.quantile_h(0.99999) is None
    assert found.quantile_h(0.0) == 0.0


def test_chances_rise_with_time_and_with_age() -> None:
    """Never down over time; an old machine is never later."""
    job = SpotJob(3.0, 0.5, 0.05, 0.1)
    new, old = (finish_times(AGEING, job, 20.0, age_h=age_h) for age_h in (0.0, 5.0))
    assert np.all(np.diff(new.chance) >= -1e-12)
    assert np.all(old.chance >= new.chance - 1e-3)


def test_a_zone_of_unknown_kind_mixes_the_chances() -> None:
    """A quarter and three quarters, at every time."""
    model = AvailabilityModel((constant(0.1, 2.0), constant(1.0, 0.2)), np.array([0.5, 0.5]), np.array([0.9, 0.2]))
    job = SpotJob(2.0, 0.5, 0.05, 0.1)
    good, bad = (finish_times(kind, job, 12.0).chance for kind in model.classes)
    assert finish_times_in(model, np.log([0.25, 0.75]), job, 12.0).chance == pytest.approx(0.25 * good + 0.75 * bad)


def test_what_cannot_be_computed_is_refused() -> None:
    """No horizon, a deadline beyond it, a job in too many segments."""
    with pytest.raises(ValueError, match="horizon"):
        finish_times(AGEING, SpotJob(1.0), 0.0)
    with pytest.raises(ValueError, match="horizon"):
        finish_times(AGEING, SpotJob(1.0), 5.0).by(6.0)
    with pytest.raises(ValueError, match="segments"):
        finish_times(AGEING, SpotJob(MOST_SEGMENTS + 1.0, 1.0), 5.0)
