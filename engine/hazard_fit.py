"""Hazards by age from counts of gaps: by maximum likelihood, shrunk where there is little to go by."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.spot_exposure import Ends
from engine.spot_market import Figures

PRIOR_EVENTS: Final = 2.0
"""How many ends of runs the prior of a bin counts for."""
LEAST_PER_H: Final = 1e-6
"""The least hazard, an hour: no trace shows that capacity never ends, or never comes."""
_ROUNDS: Final = 200
_CLOSE: Final = 1e-7


def log_likelihood(hours: Figures, per_h: Figures, ends: Ends) -> Figures:
    """The log-likelihood (C, W) of the runs of W windows under each of C hazards (C, B).

    A gap over which the hazard of the run integrates to H ends it with the chance 1 - exp(-H).
    """
    integrated = per_h @ hours.T
    return np.asarray(np.log(-np.expm1(-integrated)) @ ends.ended.T - integrated @ (ends.at_risk - ends.ended).T)


def pooled(hours: Figures, ends: Ends) -> Figures:
    """The hazards (B,) of all windows together; the prior of each bin of age is what was found for the bin before it.

    The first bin's prior, and the hazard where nothing was ever at risk, is that of all ages.
    """
    at_risk, ended = ends.at_risk.sum(axis=0), ends.ended.sum(axis=0)
    level = (ended.sum() + 1) / ((at_risk @ hours).sum() + 1)
    per_h = np.full(hours.shape[1], level)
    for _ in range(_ROUNDS):
        before = per_h
        per_h = step(hours, before, at_risk, ended, np.append(level, before[:-1]))
        if np.allclose(per_h, before, rtol=_CLOSE, atol=0.0):
            break
    return per_h


def prior_of(hours: Figures, pooled_per_h: Figures, at_risk: Figures, ended: Figures) -> Figures:
    """The hazards (B,) that one class is expected to have: the pooled ones by age, at the class's own level."""
    level = (ended.sum() + PRIOR_EVENTS) / (at_risk @ hours @ pooled_per_h + PRIOR_EVENTS)
    return np.asarray(np.maximum(pooled_per_h * level, LEAST_PER_H))


def step(hours: Figures, per_h: Figures, at_risk: Figures, ended: Figures, prior_per_h: Figures) -> Figures:
    """One round of EM from hazards (B,) to better ones by counts (J,): when in its gap a run ended is not seen.

    A run ends in bin k of its gap with the chance p_k, that of surviving the bins before it but not k; the hours in k,
    o_k of the gap, are in the mean p_k / hazard over all runs, of which survivors have o_k each. The prior of a bin is
    gamma, worth `PRIOR_EVENTS` events at the prior hazard.
    """
    integrated = hours * per_h
    total = integrated.sum(axis=1, keepdims=True)
    ends_in_bin = -np.exp(integrated - np.cumsum(integrated, axis=1)) * np.expm1(-integrated)
    ends, survives = -np.expm1(-total), np.exp(-total)
    events = ended @ (ends_in_bin / ends)
    exposure_h = (at_risk - ended) @ hours + ended @ ((ends_in_bin / per_h - hours * survives) / ends)
    return np.asarray(np.maximum((events + PRIOR_EVENTS) / (exposure_h + PRIOR_EVENTS / prior_per_h), LEAST_PER_H))
