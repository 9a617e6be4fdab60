"""Jobs on spot machines: expectations by closed forms, and against machines that are lost one by one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from engine.availability import AvailabilityModel
from engine.interruption import expected_interruptions, expected_run_h
from engine.semi_markov import SemiMarkov
from engine.spot_run import SpotJob, expected_run, expected_run_in
from tests.kits.seen_zones import constant
from tests.kits.spot_job_simulation import simulated

AGEING = SemiMarkov(np.array([0.0, 0.5, 1.0, 3.0]), np.array([1.0, 0.5, 0.2, 0.05]), np.array([2.0, 1.0, 0.5, 0.3]))


@pytest.mark.parametrize(("work_h", "checkpoint_h"), [(10.0, 1.0), (10.0, 3.0), (4.0, None), (0.5, 2.0), (9.9, 0.1)])
def test_without_memory_it_is_the_formula_of_interruptions(work_h: float, checkpoint_h: float | None) -> None:
    """No overhead, no time for writing, a wait of 0.7 h: `engine.interruption` says the same."""
    hazard, work, wait_h = pl.lit(0.3), pl.lit(work_h), 0.7
    found = expected_run(constant(0.3, 1 / wait_h), SpotJob(work_h, checkpoint_h))
    hours, interruptions = pl.select(
        expected_run_h(hazard, work, 1.0, checkpoint_h, wait_h).alias("hours"),
        expected_interruptions(hazard, work, 1.0, checkpoint_h).alias("interruptions"),
    ).row(0)
    assert found.hours == pytest.approx(hours)
    assert found.interruptions == pytest.approx(interruptions)
    assert found.billed_h == pytest.approx(hours - interruptions * wait_h)


def test_writing_and_overhead_are_dalys() -> None:
    """After restarts of d that may fail too, W takes (1/L) e^(L d) (e^(L W) - 1) (Daly 2006).

    The first start takes d besides, with what is lost in it: (1/L)(e^(L d) - 1). The last piece writes no checkpoint.
    """
    rate, work_h, write_h, overhead_h = 0.4, 1.5, 0.1, 0.2
    found = expected_run(constant(rate, 1e12), SpotJob(work_h, None, write_h, overhead_h))
    restarts = math.exp(rate * overhead_h) * math.expm1(rate * work_h) / rate
    assert found.hours == pytest.approx(restarts + math.expm1(rate * overhead_h) / rate)


@pytest.mark.parametrize("age_h", [0.0, 3.0])
@pytest.mark.parametrize(
    "job",
    [
        SpotJob(5.3, 0.5, 0.03, 0.1),
        SpotJob(2.0, None, 0.1, 0.3),
        SpotJob(3.0, 1.0, 0.0, 0.0),
        SpotJob(1.0, 0.1, 0.2, 0.6),
    ],
)
def test_machines_that_age_lost_one_by_one(job: SpotJob, age_h: float) -> None:
    """3,000 simulated runs: hours, billed hours and interruptions within four standard errors."""
    found, runs = expected_run(AGEING, job, age_h=age_h), simulated(AGEING, job, 3000, age_h=age_h)
    for expected, drawn in zip(
        (found.hours, found.billed_h, found.interruptions),
        (runs.hours, runs.billed_h, runs.interruptions),
        strict=True,
    ):
        assert expected == pytest.approx(drawn.mean(), abs=4 * drawn.std() / math.sqrt(len(drawn)))


def test_an_old_machine_is_a_better_start() -> None:
    """Less time, less money, fewer interruptions."""
    new, old = (expected_run(AGEING, SpotJob(3.0), age_h=age_h) for age_h in (0.0, 5.0))
    assert (old.hours, old.billed_h, old.interruptions) < (new.hours, new.billed_h, new.interruptions)
    assert old.interruptions < new.interruptions


def test_only_hours_with_a_machine_cost() -> None:
    """At $2 an hour; a price of 0 makes even a run without end free."""
    run = expected_run(AGEING, SpotJob(3.0))
    assert run.usd(2.0) == pytest.approx(2 * run.billed_h)
    assert expected_run(constant(1.0, 1.0), SpotJob(5000.0)).usd(0.0) == 0.0


def test_without_losses_it_is_the_work_and_the_rest() -> None:
    """Ten hours, nine checkpoints of 0.1 h, one start of 0.5 h; nothing is waited for though nothing would come."""
    run = expected_run(constant(0.0, 0.0), SpotJob(10.0, 1.0, 0.1, 0.5))
    assert (run.hours, run.billed_h, run.interruptions) == pytest.approx((11.4, 11.4, 0.0))


def test_what_is_never_done_takes_for_ever() -> None:
    """A segment that no machine lives through, and a machine that never comes back."""
    assert expected_run(constant(1.0, 1.0), SpotJob(5000.0)).hours == math.inf
    assert expected_run(constant(1.0, 0.0), SpotJob(1.0)).hours == math.inf


def test_segments_are_the_work_cut_by_the_interval() -> None:
    """Ten times 0.1 h make one hour, not eleven segments; the last one is what is left, and writes nothing."""
    assert SpotJob(1.0, 0.1).segments == 10
    job = SpotJob(2.5, 1.0, 0.25)
    assert (job.segments, job.segment_h, job.last_h) == (3, 1.25, 0.5)
    assert SpotJob(2.5).segments == 1


@pytest.mark.parametrize(
    "job",
    [{"work_h": 0.0}, {"write_h": -1.0}, {"overhead_h": -0.1}, {"checkpoint_h": 0.0}, {"work_h": float("nan")}],
)
def test_no_such_job(job: dict[str, float]) -> None:
    """No work, negative times, no interval at all."""
    with pytest.raises(ValueError, match="a job has"):
        replace(SpotJob(1.0, 0.5), **job)


def test_a_zone_of_unknown_kind_is_the_mean_of_the_kinds() -> None:
    """A quarter and three quarters."""
    model = AvailabilityModel((constant(0.1, 2.0), constant(1.0, 0.2)), np.array([0.5, 0.5]), np.array([0.9, 0.2]))
    job = SpotJob(2.0, 0.5, 0.05, 0.1)
    good, bad = (expected_run(kind, job) for kind in model.classes)
    found = expected_run_in(model, np.log([0.25, 0.75]), job)
    assert found.hours == pytest.approx(0.25 * good.hours + 0.75 * bad.hours)
    assert found.billed_h == pytest.approx(0.25 * good.billed_h + 0.75 * bad.billed_h)
