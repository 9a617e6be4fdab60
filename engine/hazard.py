"""Hazards that are constant over bins of age: the piecewise exponential distribution of how long a run lasts.

Bins are given by their lower edges, in hours: ascending, the first 0, the last bin open. `per_h` is of shape (..., B):
one hazard an hour for each of B bins, for any number of processes side by side; ages and times are arrays of any shape
S, and the answers are of shape (..., *S). (Friedman 1982, "Piecewise exponential models for survival data with
covariates", Annals of Statistics 10, doi:10.1214/aos/1176345693.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Figures = NDArray[np.float64]


def bin_of(edges_h: Figures, age_h: ArrayLike) -> NDArray[np.int64]:
    """The number of the bin of each age; an edge belongs to the bin above it."""
    return np.asarray(np.searchsorted(edges_h, age_h, side="right") - 1, dtype=np.int64)


def cumulative(edges_h: Figures, per_h: Figures, age_h: ArrayLike) -> Figures:
    """The integral of the hazard from age 0 to each age, (..., *S)."""
    ages = np.asarray(age_h, dtype=np.float64)
    bins = bin_of(edges_h, ages)
    widths = np.diff(edges_h)
    below = np.concatenate([np.zeros((*per_h.shape[:-1], 1)), np.cumsum(per_h[..., :-1] * widths, axis=-1)], axis=-1)
    return np.asarray(below[..., bins] + per_h[..., bins] * (ages - edges_h[bins]))


def over(edges_h: Figures, per_h: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
    """The integral of the hazard over the `h` hours after each age, (..., *S); its exp(-x) is the chance to survive."""
    ages = np.asarray(age_h, dtype=np.float64)
    return cumulative(edges_h, per_h, np.add(ages, h)) - cumulative(edges_h, per_h, ages)


def mean_remaining(edges_h: Figures, per_h: Figures, age_h: ArrayLike) -> Figures:
    """How many hours a run of each age still lasts in the mean, (..., *S); infinite where nothing may end it.

    With w hours left in the bin of the age, its hazard x, and a mean of m hours from the next edge on, that is
    (1 - e^(-x w)) / x + e^(-x w) m.
    """
    upper_h = np.append(edges_h[1:], np.inf)
    from_upper_h = np.zeros(per_h.shape)
    for number in range(len(edges_h) - 1, 0, -1):
        width_h = np.asarray(upper_h[number] - edges_h[number])
        from_upper_h[..., number - 1] = _mean_through(per_h[..., number], width_h, from_upper_h[..., number])
    ages = np.asarray(age_h, dtype=np.float64)
    bins = bin_of(edges_h, ages)
    return _mean_through(per_h[..., bins], upper_h[bins] - ages, from_upper_h[..., bins])


def _mean_through(per_h: Figures, left_h: Figures, then_h: Figures) -> Figures:
    """Mean hours of a run that has `left_h` at the hazard `per_h` before it, and `then_h` in the mean after those."""
    hazardous = per_h > 0
    with np.errstate(invalid="ignore"):  # 0 x infinity, where neither is used
        expected_ends = per_h * left_h
    within_h = np.where(hazardous, -np.expm1(-expected_ends) / np.where(hazardous, per_h, 1.0), left_h)
    return np.asarray(within_h + np.where(hazardous, np.exp(-expected_ends), 1.0) * then_h)


def mean_within(edges_h: Figures, per_h: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
    """How much of the `h` hours after each age (*S) a run of one hazard (B,) lasts in the mean, (*S)."""
    hours = overlap(edges_h, age_h, h)
    expected_ends = hours * per_h
    reaches = np.exp(expected_ends - np.cumsum(expected_ends, axis=-1))
    return np.asarray((reaches * _mean_through(per_h, hours, np.zeros(hours.shape))).sum(axis=-1))


def lives(edges_h: Figures, per_h: Figures, ends: ArrayLike) -> Figures:
    """The age at which the integral of one hazard (B,) reaches each of `ends`; infinite where it never does.

    Of `ends` that are exponential of mean 1 it makes runs as long as the hazard says.
    """
    reached = cumulative(edges_h, per_h, edges_h)
    levels = np.asarray(ends, dtype=np.float64)
    # The last bin of those that begin at one level: the others have no hazard.
    bins = np.maximum(np.searchsorted(reached, levels, side="right") - 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        past_edge_h = np.where(levels > reached[bins], (levels - reached[bins]) / per_h[bins], 0.0)
    return np.asarray(edges_h[bins] + past_edge_h)


def overlap(edges_h: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
    """How many of the `h` hours after each age lie in each bin, (*S, B)."""
    begin = np.asarray(age_h, dtype=np.float64)[..., np.newaxis]
    end = begin + np.asarray(h, dtype=np.float64)[..., np.newaxis]
    upper_h = np.append(edges_h[1:], np.inf)
    return np.asarray(np.clip(np.minimum(end, upper_h) - np.maximum(begin, edges_h), 0.0, None))
