"""What a model foretells of a trace as it unfolds, against what came: its likelihood, and forecasts that a run goes on.

A forecast uses what the trace showed up to its instant and nothing after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.availability import AvailabilityModel
from engine.hazard import over
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags, Trace
from engine.spot_runs import ages_in_gaps

FIRST_SIGHT_EVERY_H: Final = 24.0
"""How far apart the instants are at which a trace is looked at as if for the first time."""
_NEARLY: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Forecasts:
    """N forecasts that a run goes on: the `chance` (N,) that was given to it, and whether it `came` so (N,)."""

    chance: Figures
    came: Flags

    @property
    def brier(self) -> float | None:
        """Brier's score, the mean squared error of the chances: 0 at best, 0.25 for a half each time; None of none."""
        return float(np.mean((self.chance - self.came) ** 2)) if len(self.came) else None


@dataclass(frozen=True, eq=False)
class Foretold:
    """What a model makes of a trace of n gaps as it unfolds.

    Shapes: `weights` (n, C), the belief about its class after each gap; `chances` (n,), the chance that each gap was
    given to be as it came, by those before it.
    """

    model: AvailabilityModel
    trace: Trace
    weights: Figures
    chances: Figures

    @property
    def log_likelihood(self) -> float:
        """How likely the model held what came: the log, in nats."""
        return float(np.log(self.chances).sum())


def foretold(model: AvailabilityModel, trace: Trace) -> Foretold:
    """The trace, foretold gap by gap: as `AvailabilityModel.posterior` does it, for a whole trace at once.

    Raises:
        ValueError: the trace is empty.
    """
    if not trace.gaps:
        raise ValueError("there is nothing to foretell of an empty trace")
    up, gap_h = trace.available, trace.gap_s / SECONDS_AN_HOUR
    ages = ages_in_gaps(up)
    ages_h = (ages * gap_h + np.where(ages == np.arange(trace.gaps), model.first_age_h, 0.0))[:-1]
    expected_ends = np.where(
        up[:-1],
        over(model.edges_h, model.loss_per_h, ages_h, gap_h),
        over(model.edges_h, model.gain_per_h, ages_h, gap_h),
    )
    came = np.where(up[1:] == up[:-1], np.exp(-expected_ends), -np.expm1(-expected_ends)).T
    stays = np.exp(-gap_h / model.drift_h)
    drawn_anew = (1 - stays) * model.weights
    weights, chances = np.empty((trace.gaps, len(model.classes))), np.empty(trace.gaps)
    weights[0] = belief = np.exp(model.first_sight(up[0]))
    chances[0] = model.weights @ np.where(up[0], model.up_share, 1 - model.up_share)
    for number, likelihood in enumerate(came, start=1):
        joint = (stays * belief + drawn_anew) * likelihood
        chances[number] = total = joint.sum()
        weights[number] = belief = joint / total
    return Foretold(model, trace, weights, chances)


def log_likelihood(model: AvailabilityModel, traces: Sequence[Trace]) -> float:
    """How likely the model holds all of these traces, empty ones apart: the log, in nats."""
    return sum(foretold(model, trace).log_likelihood for trace in traces if trace.gaps)


def forecasts_at_age(seen: Sequence[Foretold], *, up: bool, age_h: float, ahead_h: float) -> Forecasts:
    """One forecast for each up (or down) run that reached an age: that it goes on for `ahead_h` hours, in whole gaps.

    Runs whose beginning was not seen have no known age, and of those too near the end of the trace nobody knows what
    came: both are left out.
    """
    return _joined([_at_age(one, up, age_h, ahead_h) for one in seen])


def forecasts_at_first_sight(
    model: AvailabilityModel, traces: Sequence[Trace], *, up: bool, ahead_h: float
) -> Forecasts:
    """Forecasts by one who has never looked at the zone before and finds it up (or down), once a day of each trace."""
    log_weights, parts = model.first_sight(up), []
    for trace in traces:
        gap_h = trace.gap_s / SECONDS_AN_HOUR
        at = np.arange(0, trace.gaps, max(1, round(FIRST_SIGHT_EVERY_H / gap_h)))
        at, came = _what_came(trace, at[trace.available[at] == up], ahead_h)
        goes_on = np.exp(-over(model.edges_h, _hazards(model, up), model.first_age_h, _gaps(trace, ahead_h) * gap_h))
        parts.append(Forecasts(np.full(len(at), np.exp(log_weights) @ goes_on), came))
    return _joined(parts)


def _at_age(seen: Foretold, up: bool, age_h: float, ahead_h: float) -> Forecasts:
    model, trace, gap_h = seen.model, seen.trace, seen.trace.gap_s / SECONDS_AN_HOUR
    ages = ages_in_gaps(trace.available)
    of_first_run = ages == np.arange(trace.gaps)
    reaches = (ages == np.ceil(age_h / gap_h - _NEARLY)) & (trace.available == up) & ~of_first_run
    at, came = _what_came(trace, np.flatnonzero(reaches), ahead_h)
    goes_on = np.exp(-over(model.edges_h, _hazards(model, up), ages[at] * gap_h, _gaps(trace, ahead_h) * gap_h))
    return Forecasts((seen.weights[at] * goes_on.T).sum(axis=1), came)


def _what_came(trace: Trace, at: NDArray[np.int64], ahead_h: float) -> tuple[NDArray[np.int64], Flags]:
    """Those of the gaps `at` of which it is known, and whether their run went on."""
    ahead = _gaps(trace, ahead_h)
    known = at[at + ahead < trace.gaps]
    ages = ages_in_gaps(trace.available)
    return known, ages[known + ahead] == ages[known] + ahead


def _hazards(model: AvailabilityModel, up: bool) -> Figures:
    return model.loss_per_h if up else model.gain_per_h


def _gaps(trace: Trace, ahead_h: float) -> int:
    return max(1, round(ahead_h * SECONDS_AN_HOUR / trace.gap_s))


def _joined(parts: Sequence[Forecasts]) -> Forecasts:
    return Forecasts(
        np.concatenate([np.zeros(0), *(part.chance for part in parts)]),
        np.concatenate([np.zeros(0, dtype=np.bool_), *(part.came for part in parts)]),
    )
