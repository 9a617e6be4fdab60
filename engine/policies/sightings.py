"""What R runs have seen of Z zones so far: the age of each zone's run, and the belief about its kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from engine.availability import AvailabilityModel
from engine.hazard import over
from engine.policies.base import Observation
from engine.spot_market import Figures, Flags


class Sightings:
    """Follows R x Z zones, each by its own model; all models share their classes, and differ in the classes' weights.

    `age_h` (R, Z), the ages of the runs (up or down) that are on; `belief` (R, Z, C), log-weights of the classes;
    `up` (R, Z); `ends` (R, Z, C), the chance that each zone's run ends with this gap, by class.
    """

    def __init__(self, models: Sequence[AvailabilityModel], gap_h: float) -> None:
        self.models = models
        self.gap_h = gap_h
        self.age_h: Figures = np.zeros(0)
        self.belief: Figures = np.zeros(0)
        self.ends: Figures = np.zeros(0)
        self.up: Flags = np.zeros(0, dtype=np.bool_)
        self._begun = False

    def see(self, seen: Observation) -> None:
        """Takes in what this gap shows."""
        now = seen.available
        if not self._begun:
            self.age_h = np.broadcast_to([model.first_age_h for model in self.models], now.shape).copy()
            self.belief = _by_zone(model.first_sight(now[:, zone]) for zone, model in enumerate(self.models))
        else:
            up, age_h = self.up, self.age_h
            self.belief = _by_zone(
                model.posterior(self.belief[:, zone], up[:, zone], age_h[:, zone], now[:, zone], self.gap_h)
                for zone, model in enumerate(self.models)
            )
            self.age_h = np.where(now == up, age_h + self.gap_h, 0.0)
        self.up, self._begun = now, True
        self.ends = self._ends()

    def _ends(self) -> Figures:
        model = self.models[0]
        expected = np.where(
            self.up,
            over(model.edges_h, model.loss_per_h, self.age_h, self.gap_h),
            over(model.edges_h, model.gain_per_h, self.age_h, self.gap_h),
        )
        return np.asarray(np.moveaxis(-np.expm1(-expected), 0, -1))


def _by_zone(beliefs: Iterable[Figures]) -> Figures:
    return np.stack(list(beliefs), axis=1)
