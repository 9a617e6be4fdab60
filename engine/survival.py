"""How long runs last, without a model: Kaplan-Meier and Nelson-Aalen, with censoring and late entry.

Kaplan and Meier 1958 (JASA 53, doi:10.1080/01621459.1958.10501452); Aalen 1978 (Annals of Statistics 6,
doi:10.1214/aos/1176344247).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.spot_market import Figures, Flags
from engine.spot_runs import Runs


@dataclass(frozen=True, eq=False)
class LifeTable:
    """At each of E distinct lengths at which a run ended: how many were `at_risk` just before, and how many `ended`.

    Shapes (E,): `length_h` ascending; the estimates below are of one figure for each.
    """

    length_h: Figures
    at_risk: Figures
    ended: Figures

    @property
    def survival(self) -> Figures:
        """Kaplan-Meier's chance to last beyond each length: the product of 1 - ended / at risk up to it."""
        return np.asarray(np.cumprod(1 - self.ended / self.at_risk), dtype=np.float64)

    @property
    def survival_variance(self) -> Figures:
        """Greenwood's variance: survival^2 x the sum of ended / (at risk x (at risk - ended)); 0 once none is left."""
        left = self.at_risk - self.ended
        terms = np.divide(self.ended, self.at_risk * left, out=np.zeros(len(left)), where=left > 0)
        return np.asarray(self.survival**2 * np.cumsum(terms))

    @property
    def cumulative_hazard(self) -> Figures:
        """Nelson-Aalen's integral of the hazard up to each length: the sum of ended / at risk."""
        return np.cumsum(self.ended / self.at_risk)

    @property
    def cumulative_hazard_variance(self) -> Figures:
        """Its variance, that of Poisson events (Aalen): the sum of ended / at risk^2."""
        return np.cumsum(self.ended / self.at_risk**2)

    def survival_beyond(self, age_h: ArrayLike) -> Figures:
        """The chance to last beyond each age: a step function, 1 before the first end."""
        return np.asarray(np.append(1.0, self.survival)[self._ends_by(age_h)])

    def survival_error(self, age_h: ArrayLike) -> Figures:
        """The standard error of that chance (the root of Greenwood's variance)."""
        return np.asarray(np.sqrt(np.append(0.0, self.survival_variance)[self._ends_by(age_h)]))

    def mean_remaining_h(self, age_h: float, horizon_h: float) -> float | None:
        """How many hours a run of this age still lasts in the mean, those beyond `horizon_h` hours of age left out.

        The area under the survival function from the age to the horizon, over its height at the age: with runs that are
        censored, what lies beyond the last of them is not known, and a mean without a horizon is neither.

        Returns:
            None where no run is known to have reached the age.
        """
        height = float(self.survival_beyond(age_h))
        if height <= 0:
            return None
        between = self.length_h[(self.length_h > age_h) & (self.length_h < horizon_h)]
        corners = np.concatenate([[age_h], between, [max(horizon_h, age_h)]])
        return float(self.survival_beyond(corners[:-1]) @ np.diff(corners)) / height

    def _ends_by(self, age_h: ArrayLike) -> NDArray[np.int64]:
        """At how many of the lengths runs have ended by each age."""
        return np.asarray(np.searchsorted(self.length_h, age_h, side="right"), dtype=np.int64)


def life_table(length_h: Figures, ended: Flags, entry_h: Figures | None = None) -> LifeTable:
    """The table of R runs.

    Args:
        length_h: (R,), the age at which each ended, or up to which it was seen.
        ended: (R,), whether it ended then; else it is censored: its end was not seen.
        entry_h: (R,), the age from which on each was seen (truncation on the left): before, it is at no risk, for had
            it ended nobody would know of it. None for 0.

    Raises:
        ValueError: a run was seen for no time at all.
    """
    entries = np.zeros(len(length_h)) if entry_h is None else entry_h
    if np.any(entries >= length_h):
        raise ValueError("a run is seen for some time")
    lengths, counts = np.unique(length_h[ended], return_counts=True)
    # Seen from before this length on, and until it or longer: a run that is censored at it was at risk of it.
    reached = len(length_h) - np.searchsorted(np.sort(length_h), lengths, side="left")
    not_entered = len(entries) - np.searchsorted(np.sort(entries), lengths, side="left")
    return LifeTable(lengths, (reached - not_entered).astype(np.float64), counts.astype(np.float64))


def life_table_of(runs: Sequence[Runs]) -> LifeTable:
    """The table of several traces' runs, without those that were on when their trace began: their age is unknown."""
    begun = [one.begun for one in runs]
    lengths = [one.length_h[kept] for one, kept in zip(runs, begun, strict=True)]
    ended = [one.ended[kept] for one, kept in zip(runs, begun, strict=True)]
    return life_table(np.concatenate([np.zeros(0), *lengths]), np.concatenate([np.zeros(0, np.bool_), *ended]))
