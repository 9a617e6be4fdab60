"""What to expect where there is no trace, and what a few losses and launches change of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.availability import EDGES_H, fit_availability
from engine.hazard import over
from engine.hazard_fit import pooled
from engine.interruption import hazard_per_h
from engine.spot_exposure import exposure
from engine.spot_forecast import log_likelihood
from engine.spot_priors import (
    GAIN_PER_H,
    LOSS_PER_H,
    MOST_EXPECTED,
    PRIOR_LAUNCHES,
    PRIOR_LOSSES,
    UP_SHARE,
    Band,
    ChanceBelief,
    LevelBelief,
    hazard_of,
    spot_prior,
)
from tests.kits.seen_zones import recorded

MONTH_H = 730.0
BANDS = [
    Band(0.0, 0.05, MONTH_H),
    Band(0.05, 0.1, MONTH_H),
    Band(0.1, 0.15, MONTH_H),
    Band(0.15, 0.2, MONTH_H),
    Band(0.2, 1.0, MONTH_H),
    Band(0.0, 0.05, 1.0),
    Band(0.2, 1.0, 1.0),
]


@pytest.mark.parametrize("band", BANDS)
def test_a_band_sets_how_long_machines_last(band: Band) -> None:
    """In the long run they are lost as often as the hazard of `engine.interruption` has it, for a month or an hour."""
    frame = pl.DataFrame(
        {"interruption_low": [band.low], "interruption_high": [band.high], "period_h": [band.period_h]}
    )
    hazard = frame.select(hazard_per_h()).item()
    assert hazard_of(band) == pytest.approx(hazard)
    assert float(spot_prior(band=band).process().mean_life_h()) == pytest.approx(1 / hazard, rel=1e-6)


def test_worse_bands_lose_machines_sooner_at_every_age() -> None:
    """The shape by age is one, its level rises."""
    survival = [spot_prior(band=band).process().survival([0.0, 5.0], 6.0) for band in BANDS[:5]]
    assert np.all(np.diff(np.stack(survival), axis=0) < 0)
    young, old = spot_prior(band=BANDS[4]).process().survival([0.0, 5.0], 6.0)
    assert young < old


def test_a_band_that_says_nothing_leaves_the_known_traces() -> None:
    """From 0 to 1, and none at all."""
    assert hazard_of(Band(0.0, 1.0, MONTH_H)) is None
    assert spot_prior(band=Band(0.0, 1.0, MONTH_H)) == spot_prior()
    assert spot_prior().level.mean == 1.0
    assert spot_prior().process().loss_per_h.tolist() == list(LOSS_PER_H)
    assert spot_prior().process().gain_per_h == pytest.approx(GAIN_PER_H)


def test_bands_at_the_ends_of_the_scale_make_sane_processes() -> None:
    """No machine is ever lost, every machine always is."""
    never, always = (spot_prior(band=Band(end, end, MONTH_H)).process() for end in (0.0, 1.0))
    assert float(never.survival(0.0, 720.0)) > 0.999
    assert float(always.survival(0.0, 1.0)) < 1e-6


def test_a_score_sets_the_chance_and_the_waits() -> None:
    """A worse score: fewer launches succeed, and waits are longer; losses stay as they are."""
    good, bad = spot_prior(placement_score=9), spot_prior(placement_score=3)
    assert (good.chance.mean, bad.chance.mean) == pytest.approx((0.9, 0.3))
    assert good.process().mean_wait_h() < spot_prior().process().mean_wait_h() < bad.process().mean_wait_h()
    assert good.process().mean_life_h() == bad.process().mean_life_h()


def test_a_score_neither_promises_nor_rules_out() -> None:
    """10 and 0 are kept away from 1 and 0."""
    assert spot_prior(placement_score=10).chance.mean == pytest.approx(0.98)
    assert spot_prior(placement_score=0).chance.mean == pytest.approx(0.05)


@pytest.mark.parametrize(("band", "score"), [(None, 11.0), (Band(0.2, 0.1, 1.0), None), (Band(0.0, 0.1, 0.0), None)])
def test_what_no_provider_says_is_refused(band: Band | None, score: float | None) -> None:
    """A score above 10, a band upside down, a period of no time."""
    with pytest.raises(ValueError, match=r"score|band"):
        spot_prior(band=band, placement_score=score)


def test_losses_update_the_level_as_events_do() -> None:
    """Gamma and Poisson: 2 losses for 2 expected, then 3 where 0.5 were due: 5 / 2.5."""
    belief = LevelBelief(2.0, 2.0).after(3, 0.5)
    assert belief.mean == pytest.approx(2.0)
    low, high = belief.interval(0.9)
    assert low < 2.0 < high
    # Half the width for four times the data.
    narrow = LevelBelief(20.0, 10.0).interval(0.9)
    assert (high - low) / (narrow[1] - narrow[0]) == pytest.approx(2.0, rel=0.05)


def test_launches_update_the_chance_as_trials_do() -> None:
    """Beta and binomial: 1 and 1, then 7 of 8: 8 of 10."""
    belief = ChanceBelief(1.0, 1.0).after(7, 1)
    assert belief.mean == pytest.approx(0.8)
    # The share of such a beta distribution below x is 9 x^8 - 8 x^9.
    assert [9 * x**8 - 8 * x**9 for x in belief.interval(0.5)] == pytest.approx([0.25, 0.75])


def test_machines_that_last_speak_for_the_zone() -> None:
    """What is expected of a machine depends on its ages: the first hour counts for more than the tenth."""
    prior = spot_prior()
    first, tenth = prior.after_running(0.0, 1.0, lost=False), prior.after_running(9.0, 10.0, lost=False)
    assert first.level.mean < tenth.level.mean < prior.level.mean < prior.after_running(9.0, 10.0, lost=True).level.mean
    due = float(over(np.array(EDGES_H), np.array(LOSS_PER_H), 0.0, 1.0))
    assert first.level == LevelBelief(PRIOR_LOSSES, PRIOR_LOSSES + due)
    assert prior.after_launches(3, 2).chance == ChanceBelief(
        PRIOR_LAUNCHES * UP_SHARE + 3, PRIOR_LAUNCHES * (1 - UP_SHARE) + 2
    )


def test_a_long_record_outweighs_the_prior() -> None:
    """A provider says that hardly a machine is lost; 200 are, three times as fast as those of the known traces."""
    believed = spot_prior(band=BANDS[0]).level
    assert believed.mean < 0.002
    assert believed.expected_losses == MOST_EXPECTED
    five, many = believed.after(5, 5 / 3), believed.after(200, 200 / 3)
    assert five.mean > 0.2
    low, high = many.interval()
    assert 2.0 < low < high < 3.0


def test_an_uncertain_level_is_a_model_of_several() -> None:
    """Equally likely classes around the mean level; they spread less the more was seen."""
    prior = spot_prior()
    model, sure = prior.model(), prior.after_running(0.0, 1.0, lost=True).after_launches(1, 0).model()
    levels = model.loss_per_h[:, 0] / LOSS_PER_H[0]
    assert model.weights == pytest.approx(0.2)
    assert levels.mean() == pytest.approx(1.0)
    assert np.all(np.diff(levels) > 0)
    assert model.up_share == pytest.approx(UP_SHARE)
    assert sure.loss_per_h[:, 0].std() / sure.loss_per_h[:, 0].mean() < levels.std() / levels.mean()


def test_the_shape_is_what_the_known_traces_say(shared: Path) -> None:
    """Each hazard to 5 %, the mean share of time up, and how many runs it rests on."""
    found = exposure(recorded(shared / "data" / "traces"), np.array(EDGES_H), math.inf)
    assert pooled(found.hours, found.up) == pytest.approx(LOSS_PER_H, rel=0.05)
    assert pooled(found.hours, found.down) == pytest.approx(GAIN_PER_H, rel=0.05)
    assert float(np.mean(found.up_gaps / found.gaps)) == pytest.approx(UP_SHARE, abs=0.005)


def test_the_prior_foretells_a_year_nearly_as_well_as_a_fit_to_it(shared: Path) -> None:
    """Without a trace of its own it loses less than a tenth of the log-likelihood."""
    traces = recorded(shared / "data" / "traces" / "aws-2022")
    prior, fitted = spot_prior().model(), fit_availability(traces)
    ours, theirs = (log_likelihood(model, traces) for model in (prior, fitted))
    assert ours > theirs * 1.1
