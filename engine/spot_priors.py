"""What to expect of a spot machine of which there is no trace, and how what is seen of it changes that.

The shape of the hazards by age is that of the traces that are known; a provider's figure sets their level. Losses and
launches that somebody sees then update the level and the chance to get one, each by its conjugate prior.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from engine.availability import DRIFT_H, EDGES_H, AvailabilityModel
from engine.chances import LEAST, MOST
from engine.hazard import mean_remaining, over
from engine.intervals import COVERAGE, beta_interval, gamma_below, gamma_interval, gamma_quantile
from engine.semi_markov import SemiMarkov

LOSS_PER_H: Final = (2.0, 1.5, 1.1, 0.81, 0.49, 0.40, 0.30, 0.20, 0.14, 0.098, 0.053, 0.022, 0.028)
GAIN_PER_H: Final = (2.7, 1.5, 1.1, 0.74, 0.52, 0.32, 0.28, 0.30, 0.16, 0.12, 0.036, 0.030, 0.0096)
"""The hazards, an hour, of losing and of regaining a spot machine in the bins of age `engine.availability.EDGES_H`.

Fitted to 17 series of AWS, 2,495 up runs and as many down runs in 10,107 zone-hours: K80 and V100, one and eight
a machine, us-west-2a and 2b, 26 October to 22 November 2022 (traces of Wu et al., "Can't Be Late", NSDI 2024); and
p3.2xlarge in nine zones of us-east-1, us-east-2 and us-west-2, 22.7 days from February 2023 (traces of the SkyNomad
artifact, github.com/andylizf/skynomad-artifact). The two years agree within a third in most bins.
"""
PRIOR_LOSSES: Final = 2.0
"""How many losses the prior of a level counts for. The levels of those series spread as if it were 10; other types and
clouds are taken to differ more, which no measurement backs."""
MOST_EXPECTED: Final = 20.0
"""How many losses that are due at level 1 the prior counts for at most. Two in a thousand would hold against anything
that a zone shows which a provider calls safe; no measurement backs this either."""
UP_SHARE: Final = 0.54
"""The mean share of time in which those series were up; it was from 0.11 to 0.89."""
PRIOR_LAUNCHES: Final = 2.75
"""How many launches the prior of the chance to get a machine counts for: as these shares spread, by moments."""
FIRST_AGE_H: Final = 4.0
"""The age to give a run that was on at first sight: what is likeliest for those series."""
LEVELS: Final = 5
"""Classes of a model whose level is uncertain: equal parts of its distribution, each at its mean."""
BEST_SCORE: Final = 10.0
"""Of EC2's placement scores, from 1 (a request is not likely to succeed) to 10 (highly likely); no guarantee either way
(docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SpotPlacementScore.html)."""
_LEAST_LEVEL: Final = 1e-9
_MOST_LEVEL: Final = 1e6
_HALVINGS: Final = 100


class Band(NamedTuple):
    """The share of machines, from `low` to `high`, that a provider takes back within `period_h` hours."""

    low: float
    high: float
    period_h: float


@dataclass(frozen=True)
class LevelBelief:
    """A gamma distribution of a factor of the hazards: `losses` where `expected_losses` were due at level 1."""

    losses: float
    expected_losses: float

    @property
    def mean(self) -> float:
        """The expected level."""
        return self.losses / self.expected_losses

    def interval(self, coverage: float = COVERAGE) -> tuple[float, float]:
        """The middle interval that holds the level with that chance."""
        return gamma_interval(self.losses, self.expected_losses, coverage)

    def parts(self, number: int) -> list[float]:
        """The means of so many equal parts of the distribution, from the lowest on.

        Weighted by the level, a gamma distribution is one of a shape higher by 1.
        """
        cuts = [gamma_quantile(part / number, self.losses, 1.0) for part in range(number)]
        below = [*(gamma_below(cut, self.losses + 1) for cut in cuts), 1.0]
        return [number * self.mean * (upper - lower) for lower, upper in itertools.pairwise(below)]

    def after(self, losses: int, expected_losses: float) -> LevelBelief:
        """The belief when so many losses were seen where so many were to be expected at level 1 (Poisson)."""
        return LevelBelief(self.losses + losses, self.expected_losses + expected_losses)


@dataclass(frozen=True)
class ChanceBelief:
    """A beta distribution of the chance that a launch succeeds."""

    got: float
    failed: float

    @property
    def mean(self) -> float:
        """The expected chance."""
        return self.got / (self.got + self.failed)

    def interval(self, coverage: float = COVERAGE) -> tuple[float, float]:
        """The middle interval that holds the chance with that probability."""
        return beta_interval(self.got, self.failed, coverage)

    def after(self, got: int, failed: int) -> ChanceBelief:
        """The belief when so many launches more succeeded and failed."""
        return ChanceBelief(self.got + got, self.failed + failed)


@dataclass(frozen=True)
class SpotPrior:
    """What is believed of one kind of spot machine: the `level` of its losses, and the `chance` to get one."""

    level: LevelBelief
    chance: ChanceBelief

    def after_running(self, from_age_h: float, to_age_h: float, *, lost: bool) -> SpotPrior:
        """The belief when a machine was seen from one age to another, and was `lost` then or not."""
        expected = float(over(np.array(EDGES_H), np.array(LOSS_PER_H), from_age_h, to_age_h - from_age_h))
        return replace(self, level=self.level.after(int(lost), expected))

    def after_launches(self, got: int, failed: int) -> SpotPrior:
        """The belief when so many launches more succeeded and failed."""
        return replace(self, chance=self.chance.after(got, failed))

    def process(self) -> SemiMarkov:
        """The process at the mean level and chance."""
        return self._at(self.level.mean)

    def model(self) -> AvailabilityModel:
        """The model whose classes are `LEVELS` equally likely levels of the losses."""
        return AvailabilityModel(
            tuple(self._at(level) for level in self.level.parts(LEVELS)),
            weights=np.full(LEVELS, 1 / LEVELS),
            up_share=np.full(LEVELS, self.chance.mean),
            first_age_h=FIRST_AGE_H,
            drift_h=DRIFT_H,
        )

    def _at(self, level: float) -> SemiMarkov:
        """Waits are shorter by as much as the odds to get a machine are higher than they were in the traces."""
        odds = self.chance.got / self.chance.failed * (1 - UP_SHARE) / UP_SHARE
        return SemiMarkov(np.array(EDGES_H), np.array(LOSS_PER_H) * level, np.array(GAIN_PER_H) * odds)


def spot_prior(*, band: Band | None = None, placement_score: float | None = None) -> SpotPrior:
    """The belief by what a provider says; what it does not say is as it was in the known traces.

    The band sets the level of the losses: the mean life of a machine is 1 / hazard, so that in the long run it is lost
    as often as `engine.interruption` takes it to be. The score, a tenth of it taken for a chance, sets the chance to
    get a machine and with it the waits.

    Args:
        band: of EC2's Spot Advisor (shares of a month), or of Azure's eviction rates (shares of an hour). One from 0 to
            1 says nothing.
        placement_score: of EC2, 1 to 10.

    Raises:
        ValueError: a figure is out of range.
    """
    if placement_score is not None and not 0 <= placement_score <= BEST_SCORE:
        raise ValueError(f"a placement score is at most {BEST_SCORE:g}")
    hazard_per_h = None if band is None else hazard_of(band)
    level = 1.0 if hazard_per_h is None else _level(hazard_per_h)
    chance = UP_SHARE if placement_score is None else min(max(placement_score / BEST_SCORE, LEAST), MOST)
    expected = min(PRIOR_LOSSES / level, MOST_EXPECTED)
    return SpotPrior(
        LevelBelief(level * expected, expected),
        ChanceBelief(PRIOR_LAUNCHES * chance, PRIOR_LAUNCHES * (1 - chance)),
    )


def hazard_of(band: Band) -> float | None:
    """The constant hazard, an hour, of the band's middle: 1 - p = exp(-hazard x period). None where it says nothing.

    Raises:
        ValueError: the shares are none, or the period is not positive.
    """
    if not 0 <= band.low <= band.high <= 1 or not band.period_h > 0:
        raise ValueError("a band goes from one share to another within a period")
    if band.low <= 0 and band.high >= 1:
        return None
    middle = (band.low + band.high) / 2
    return math.inf if middle >= 1 else -math.log1p(-middle) / band.period_h


def _level(hazard_per_h: float) -> float:
    """The level at which machines last 1 / hazard hours in the mean: by halving its logarithm."""
    edges_h, shape = np.array(EDGES_H), np.array(LOSS_PER_H)
    low, high = math.log(_LEAST_LEVEL), math.log(_MOST_LEVEL)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(mean_remaining(edges_h, shape * math.exp(middle), 0.0)) * hazard_per_h > 1:
            low = middle
        else:
            high = middle
    return math.exp(high)
