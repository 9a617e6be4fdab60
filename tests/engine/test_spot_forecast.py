"""Forecasts of a trace as it unfolds: by hand, with nothing of the future, and of real traces of another year."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.availability import AvailabilityModel, fit_availability
from engine.spot_forecast import Forecasts, forecasts_at_age, forecasts_at_first_sight, foretold, log_likelihood
from engine.spot_market import Trace
from tests.kits.seen_zones import constant, recorded, sampled, seen

MODEL = AvailabilityModel(
    (constant(0.1, 2.0), constant(1.0, 0.2)),
    np.array([0.25, 0.75]),
    np.array([0.9, 0.2]),
    first_age_h=1.0,
    drift_h=40.0,
)


def test_the_likelihood_is_that_of_the_posterior_gap_by_gap() -> None:
    """The first sight, then for each gap the chance that the belief so far gave to what came."""
    trace = seen("++--+-+++")
    belief, age_h = MODEL.first_sight(True), MODEL.first_age_h
    expected = float(np.log(MODEL.weights @ MODEL.up_share))
    for was, now in zip(trace.available[:-1], trace.available[1:], strict=True):
        stays = np.exp(-1 / 6 / MODEL.drift_h)
        drifted = np.log(stays * np.exp(belief) + (1 - stays) * MODEL.weights)
        ends = (MODEL.lost_within if was else MODEL.regained_within)(drifted, age_h, 1 / 6)
        expected += float(np.log(1 - ends if was == now else ends))
        belief = MODEL.posterior(belief, was, age_h, now, 1 / 6)
        age_h = age_h + 1 / 6 if was == now else 0.0
    assert log_likelihood(MODEL, [trace]) == pytest.approx(expected)
    assert foretold(MODEL, trace).weights[-1] == pytest.approx(np.exp(belief))


def test_an_empty_trace_tells_nothing() -> None:
    """It does not count, and there is nothing to foretell of it."""
    assert log_likelihood(MODEL, [seen("")]) == 0.0
    with pytest.raises(ValueError, match="empty trace"):
        foretold(MODEL, seen(""))


def test_one_forecast_for_each_run_that_reaches_the_age() -> None:
    """Of the runs of 1, 2 and 4 gaps the first is of unknown age, two reach ten minutes, one lasts ten more."""
    found = forecasts_at_age([foretold(MODEL, seen("+-++-++++-"))], up=True, age_h=1 / 6, ahead_h=1 / 6)
    assert found.came.tolist() == [False, True]
    assert len(found.chance) == 2


def test_what_nobody_knows_is_no_forecast() -> None:
    """A run that is on at the end of the trace, less than the time ahead from it."""
    assert len(forecasts_at_age([foretold(MODEL, seen("-++"))], up=True, age_h=0.0, ahead_h=1.0).came) == 0
    assert Forecasts(np.zeros(0), np.zeros(0, dtype=np.bool_)).brier is None


def test_a_forecast_uses_the_age() -> None:
    """By one class without memory: e^-0.1 for an hour ahead at any age, in six gaps of ten minutes."""
    model = replace(MODEL, classes=MODEL.classes[:1], weights=np.ones(1), up_share=np.array([0.9]))
    found = forecasts_at_age([foretold(model, seen("-" + "+" * 12))], up=True, age_h=0.5, ahead_h=1.0)
    assert found.chance == pytest.approx([np.exp(-0.1)])
    assert found.brier == pytest.approx((1 - np.exp(-0.1)) ** 2)


def test_no_forecast_sees_the_future() -> None:
    """What comes after the instant of a forecast may be anything: its chance is the same."""
    past, ahead = "-++-+-+++", np.random.default_rng(3)
    chances = set()
    for _ in range(20):
        future = "".join(ahead.choice(["+", "-"], 8))
        found = forecasts_at_age([foretold(MODEL, seen(f"{past}-+{future}"))], up=True, age_h=0.0, ahead_h=1 / 6)
        chances.add(tuple(found.chance[:4].round(12)))
    assert len(chances) == 1


def test_the_first_sight_once_a_day() -> None:
    """Three days, up at the first look and the third: each with the same chance, by the belief of a first look."""
    day = 144
    flags = np.zeros(3 * day, dtype=np.bool_)
    flags[:10] = flags[2 * day : 2 * day + 3] = True
    trace = Trace("z", "t", 600.0, flags)
    found = forecasts_at_first_sight(MODEL, [trace], up=True, ahead_h=1.0)
    assert found.came.tolist() == [True, False]
    assert found.chance == pytest.approx(float(MODEL.survival(MODEL.first_sight(True), 1.0, 1.0)))


@pytest.mark.parametrize("up", [True, False])
def test_a_model_of_its_own_process_is_calibrated(up: bool) -> None:
    """Of zones that are drawn from the model, as many runs go on as foretold: within four standard errors."""
    traces = [sampled(MODEL.classes[number % 2], number, 1500) for number in range(8)]
    model = replace(MODEL, drift_h=np.inf)
    found = forecasts_at_age([foretold(model, trace) for trace in traces], up=up, age_h=0.5, ahead_h=1.0)
    error = np.sqrt(np.sum(found.chance * (1 - found.chance))) / len(found.came)
    assert len(found.came) > 100
    assert abs(found.came.mean() - found.chance.mean()) < 4 * error


@pytest.mark.parametrize(
    ("fitted", "judged"), [("aws-2023-02-15-v100", "aws-2022"), ("aws-2022", "aws-2023-02-15-v100")]
)
def test_forecasts_of_another_year_beat_those_without_memory(shared: Path, fitted: str, judged: str) -> None:
    """By the log-likelihood of every gap, against as many classes and levels of constant hazards: by 2 % and more."""
    folder = shared / "data" / "traces"
    known, new = recorded(folder / fitted), recorded(folder / judged)
    model, memoryless = fit_availability(known), fit_availability(known, edges_h=(0.0,))
    ours, theirs = (log_likelihood(one, new) for one in (model, memoryless))
    assert ours > theirs * 0.98
