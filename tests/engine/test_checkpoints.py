"""Checkpoint intervals: Young's and Daly's, and the best one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.checkpoints import best_checkpoint_h, daly_h, young_h
from engine.semi_markov import SemiMarkov
from engine.spot_run import SpotJob, expected_run
from tests.kits.seen_zones import constant

AGEING = SemiMarkov(np.array([0.0, 0.5, 1.0, 3.0]), np.array([2.0, 0.5, 0.1, 0.02]), np.array([2.0, 1.0, 0.5, 0.3]))


@pytest.mark.parametrize(("mean_life_min", "best_min"), [(24 * 60, 117), (6 * 60, 57), (15, 9.1)])
def test_dalys_own_examples(mean_life_min: float, best_min: float) -> None:
    """Figures 3 to 5 of Daly 2006: a checkpoint takes 5 minutes, machines live for 24 h, 6 h and 15 min."""
    assert daly_h(5, mean_life_min) == pytest.approx(best_min, abs=0.5)


def test_writing_that_takes_two_lives() -> None:
    """Then Daly's interval is the mean life."""
    assert daly_h(2.0, 1.0) == 1.0


def test_young_is_what_is_left_of_daly_for_quick_writing() -> None:
    """To first order they are one."""
    assert young_h(1e-6, 10.0) == pytest.approx(daly_h(1e-6, 10.0), rel=1e-3)
    assert young_h(0.2, 10.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("mean_life_h", "write_h"), [(24.0, 5 / 60), (6.0, 5 / 60), (10.0, 0.01)])
def test_without_memory_the_best_interval_is_dalys(mean_life_h: float, write_h: float) -> None:
    """For a job of many segments, of which there is a whole number, to 2 %; nearer than Young's."""
    found = best_checkpoint_h(constant(1 / mean_life_h, 1.0), SpotJob(100.0, None, write_h, 0.1))
    daly, young = daly_h(write_h, mean_life_h), young_h(write_h, mean_life_h)
    assert found == pytest.approx(daly, rel=0.02)
    assert abs(found - daly) < abs(found - young)


@pytest.mark.parametrize("process", [AGEING, constant(0.3, 1.0), constant(1e-4, 1.0)])
def test_no_other_number_of_segments_is_better(process: SemiMarkov) -> None:
    """By trying all of them."""
    job = SpotJob(6.0, None, 0.05, 0.1)
    found = best_checkpoint_h(process, job)
    hours = [expected_run(process, SpotJob(6.0, 6.0 / number, 0.05, 0.1)).hours for number in range(1, 150)]
    assert expected_run(process, SpotJob(6.0, found, 0.05, 0.1)).hours == pytest.approx(min(hours), rel=1e-9)


def test_machines_that_age_need_other_intervals_than_their_mean_life_says() -> None:
    """Daly's interval for the mean life takes longer, here by nine minutes of 27 hours."""
    job = SpotJob(20.0, None, 0.05, 0.1)
    best = expected_run(AGEING, SpotJob(20.0, best_checkpoint_h(AGEING, job), 0.05, 0.1)).hours
    daly = expected_run(AGEING, SpotJob(20.0, daly_h(0.05, float(AGEING.mean_life_h())), 0.05, 0.1)).hours
    assert best < daly - 0.1


def test_writing_that_takes_no_time_has_no_best_interval() -> None:
    """The shorter the better."""
    with pytest.raises(ValueError, match="takes time"):
        best_checkpoint_h(AGEING, SpotJob(1.0))
