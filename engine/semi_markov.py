"""A spot zone as an alternating semi-Markov process: up and down by turns, each for a time that depends on its age.

Spot runs are heavy-tailed: the longer a machine has stayed, the longer it will still stay. The hazard of losing it is
therefore a function of the age of the run, constant within each of some bins, and so is that of getting one again.
Time is continuous; a policy that looks once a gap sees a run end within its next gap with 1 - exp(-hazard x gap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from engine.hazard import lives, mean_remaining, over
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags

STEPS_AHEAD: Final = 256
"""Steps of the renewal equation up to the time that is asked about."""


@dataclass(frozen=True, eq=False)
class SemiMarkov:
    """Hazards by the age of the run, counted from the first gap in which it was seen.

    Shapes (B,): `edges_h`, the lower edges of the bins of age in hours, ascending, the first 0, the last bin open;
    `loss_per_h`, the hazard that an up run ends, and `gain_per_h`, that a down run does, an hour.

    Raises:
        ValueError: the edges do not ascend from 0, or a hazard is missing, negative or not finite.
    """

    edges_h: Figures
    loss_per_h: Figures
    gain_per_h: Figures

    def __post_init__(self) -> None:
        if not len(self.edges_h) or self.edges_h[0] != 0 or np.any(np.diff(self.edges_h) <= 0):
            raise ValueError("the edges of the bins of age ascend from 0")
        for hazard in (self.loss_per_h, self.gain_per_h):
            if hazard.shape != self.edges_h.shape or not np.all(np.isfinite(hazard)) or np.any(hazard < 0):
                raise ValueError("each bin of age has a hazard of 0 or more")

    def lost_within(self, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance that an up run of each age ends within the next `h` hours."""
        return np.asarray(-np.expm1(-over(self.edges_h, self.loss_per_h, age_h, h)))

    def regained_within(self, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance that a down run of each age ends within the next `h` hours."""
        return np.asarray(-np.expm1(-over(self.edges_h, self.gain_per_h, age_h, h)))

    def survival(self, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance that an up run of each age lasts `h` hours more."""
        return np.asarray(np.exp(-over(self.edges_h, self.loss_per_h, age_h, h)))

    def mean_life_h(self, age_h: ArrayLike = 0.0) -> Figures:
        """How many hours an up run of each age still lasts in the mean; infinite where nothing ends it."""
        return mean_remaining(self.edges_h, self.loss_per_h, age_h)

    def mean_wait_h(self, age_h: ArrayLike = 0.0) -> Figures:
        """How many hours a down run of each age still lasts in the mean; infinite where nothing ends it."""
        return mean_remaining(self.edges_h, self.gain_per_h, age_h)

    def up_share(self) -> float:
        """The share of time up in the long run: the mean up run over the mean of a whole turn (renewal reward).

        1 where up runs never end, whatever down runs do.
        """
        up_h, down_h = float(self.mean_life_h()), float(self.mean_wait_h())
        return 1.0 if np.isinf(up_h) else up_h / (up_h + down_h)

    def up_ahead(self, is_up: bool, age_h: float, ahead_h: float) -> float:
        """The chance to be up `ahead_h` hours from now, given the state and the age of its run.

        With F the distribution of what is left of this run, and P the same chance from the beginning of a run of the
        other kind: P(up at t) = [up now] (1 - F(t)) + integral of P(t - x) dF(x). Solved over steps of t /
        `STEPS_AHEAD` by the trapezoidal rule.
        """
        if ahead_h <= 0:
            return float(is_up)
        times_h = np.linspace(0.0, ahead_h, STEPS_AHEAD + 1)
        after_beginning = self._up_after_beginning(times_h)
        ended = self.lost_within(age_h, times_h) if is_up else self.regained_within(age_h, times_h)
        other = after_beginning[0 if is_up else 1]
        return float(is_up * (1 - ended[-1]) + np.diff(ended) @ _middles(other)[::-1])

    def _up_after_beginning(self, times_h: Figures) -> Figures:
        """The chances (2, T) to be up at each time when a down run, or an up run, began at the first of them."""
        lost, gained = self.lost_within(0.0, times_h), self.regained_within(0.0, times_h)
        ends_up, ends_down = np.diff(lost), np.diff(gained)
        down, up = np.zeros(len(times_h)), np.ones(len(times_h))
        implicit = 1 - ends_up[0] * ends_down[0] / 4
        for step in range(1, len(times_h)):
            # All but what hangs on this step's own chances, by which the two are coupled.
            down_known = ends_down[1:step] @ _middles(up[:step])[::-1] + ends_down[0] * up[step - 1] / 2
            up_known = 1 - lost[step] + ends_up[1:step] @ _middles(down[:step])[::-1] + ends_up[0] * down[step - 1] / 2
            down[step] = (down_known + ends_down[0] / 2 * up_known) / implicit
            up[step] = up_known + ends_up[0] / 2 * down[step]
        return np.stack([down, up])

    def sample(self, rng: np.random.Generator, gap_s: float, gaps: int, *, starts_up: bool) -> Flags:
        """What a zone that follows this process shows in each of `gaps` gaps, its first run beginning with the first.

        A run is seen in as many gaps as its life begins, and the next one begins with the gap after it: ages count from
        the first gap in which a run is seen.
        """
        gap_h = gap_s / SECONDS_AN_HOUR
        pairs = gaps // 2 + 1
        hazards = (self.loss_per_h, self.gain_per_h) if starts_up else (self.gain_per_h, self.loss_per_h)
        lengths_h = np.stack([lives(self.edges_h, hazard, rng.exponential(size=pairs)) for hazard in hazards], axis=1)
        lengths = np.clip(np.ceil(lengths_h / gap_h), 1, gaps).astype(np.int64).ravel()
        is_up = np.arange(len(lengths)) % 2 == (0 if starts_up else 1)
        return np.repeat(is_up, lengths)[:gaps]


def _middles(values: Figures) -> Figures:
    """The mean of each two neighbours."""
    return np.asarray((values[1:] + values[:-1]) / 2)
