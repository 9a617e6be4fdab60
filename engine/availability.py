"""The availability of spot machines in a zone of unknown kind: a Bayesian mixture of semi-Markov classes.

Zones differ, and drift: a model is fitted to windows of traces, each of one hidden class. What is seen of a zone says
by and by which class it is (`first_sight`, then `posterior` gap by gap), and what to expect of it follows from that.

Beliefs are arrays of log-weights (..., C) over C classes, for any number of runs and zones side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from engine.availability_em import MOST_CLASSES, Mixture, best_mixture, joint_log_likelihood, with_levels
from engine.hazard import bin_of, mean_remaining, over
from engine.semi_markov import SemiMarkov
from engine.spot_exposure import exposure
from engine.spot_market import SECONDS_AN_HOUR, Figures, Trace

EDGES_H: Final = (0.0, 1 / 6, 1 / 3, 1 / 2, 1.0, 1.5, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0)
"""Lower edges of the bins of age: from the ten minutes between two probes of the known traces up to days."""
WINDOW_H: Final = 48.0
FIRST_AGES_H: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The ages that a run may be given that was on when the zone was first looked at; the data choose."""
DRIFT_H: Final = 120.0
"""How long a zone keeps its class in the mean. What is foretold of traces of another year (2022 by 2023, and the
reverse) is best between 60 and 480 h, and worse by a lot where classes last for ever."""
PRIOR_WINDOWS: Final = 1.0
LEAST_WEIGHT: Final = 1e-6
"""No class is ruled out for a zone by what was seen of it before."""
NO_WEIGHT: Final = 1e-9
"""Of a class that a model has only because others beside it have."""
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class AvailabilityModel:
    """C classes of zones, all with the same bins of age.

    Shapes (C,): `weights`, the chance of each class before anything is seen, which add up to 1; `up_share`, the chance
    that a zone of the class is up when it is first looked at, within (0, 1).

    `first_age_h` is the age to give the run that was on when the zone was first looked at: nobody knows when it began,
    and it is likelier to be a long one. `drift_h` is how long a zone keeps its class in the mean; it then gets one by
    the weights (infinite: it keeps it for ever).

    Raises:
        ValueError: there is no class, a class has other bins, or a figure is missing or out of range.
    """

    classes: tuple[SemiMarkov, ...]
    weights: Figures
    up_share: Figures
    first_age_h: float = 0.0
    drift_h: float = np.inf

    def __post_init__(self) -> None:
        if not self.classes or any(not np.array_equal(one.edges_h, self.edges_h) for one in self.classes):
            raise ValueError("a model has one class or more, all with the same bins of age")
        if self.weights.shape != (len(self.classes),) or self.up_share.shape != (len(self.classes),):
            raise ValueError("each class has a weight and a chance to be up at first sight")
        if not np.all(self.weights > 0) or not np.isclose(self.weights.sum(), 1.0):
            raise ValueError("the weights of the classes are positive and add up to 1")
        if not np.all((self.up_share > 0) & (self.up_share < 1)):
            raise ValueError("the chance to be up at first sight lies between 0 and 1")
        if not self.first_age_h >= 0 or not self.drift_h > 0:
            raise ValueError("the age at first sight is 0 or more, and a zone keeps its class for some time")

    @property
    def edges_h(self) -> Figures:
        """The lower edges of the bins of age (B,)."""
        return self.classes[0].edges_h

    @cached_property
    def loss_per_h(self) -> Figures:
        """The classes' hazards of losing an up run (C, B)."""
        return np.stack([one.loss_per_h for one in self.classes])

    @cached_property
    def gain_per_h(self) -> Figures:
        """The classes' hazards that a down run ends (C, B)."""
        return np.stack([one.gain_per_h for one in self.classes])

    def first_sight(self, is_up: ArrayLike) -> Figures:
        """The belief (..., C) about zones just seen for the first time, `is_up` (...) or not, at age `first_age_h`."""
        up = np.asarray(is_up, dtype=np.bool_)[..., np.newaxis]
        return _normalised(np.log(self.weights) + np.log(np.where(up, self.up_share, 1 - self.up_share)))

    def posterior(
        self, log_weights: Figures, was_up: ArrayLike, age_h: ArrayLike, is_up: ArrayLike, gap_h: float
    ) -> Figures:
        """The belief (..., C) a gap later: the zone may have drifted, then Bayes' rule on whether its run went on.

        Args:
            log_weights: (..., C), the belief before.
            was_up: (...), the state a gap ago.
            age_h: (...), the age that its run had then.
            is_up: (...), the state now.
            gap_h: how long the gap was.
        """
        up, ages = np.asarray(was_up, dtype=np.bool_), np.asarray(age_h, dtype=np.float64)
        expected_ends = np.where(
            up, over(self.edges_h, self.loss_per_h, ages, gap_h), over(self.edges_h, self.gain_per_h, ages, gap_h)
        )
        went_on = up == np.asarray(is_up, dtype=np.bool_)
        with np.errstate(divide="ignore"):  # what cannot end has the chance 0 to have ended
            seen = np.where(went_on, -expected_ends, np.log(-np.expm1(-expected_ends)))
        drifted = self._drifted(log_weights, gap_h)
        joint = drifted + np.moveaxis(seen, 0, -1)
        # What no class can explain says nothing about which of them it is.
        impossible = np.isneginf(joint).all(axis=-1, keepdims=True)
        return _normalised(np.where(impossible, drifted, joint))

    def lost_within(self, log_weights: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance (...) that an up run of each age (...) ends within `h` hours, in a zone so believed in."""
        return _expected(log_weights, -np.expm1(-over(self.edges_h, self.loss_per_h, age_h, h)))

    def regained_within(self, log_weights: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance (...) that a down run of each age (...) ends within `h` hours, in a zone so believed in."""
        return _expected(log_weights, -np.expm1(-over(self.edges_h, self.gain_per_h, age_h, h)))

    def survival(self, log_weights: Figures, age_h: ArrayLike, h: ArrayLike) -> Figures:
        """The chance (...) that an up run of each age (...) lasts `h` hours more, in a zone so believed in."""
        return _expected(log_weights, np.exp(-over(self.edges_h, self.loss_per_h, age_h, h)))

    def mean_life_h(self, log_weights: Figures, age_h: ArrayLike) -> Figures:
        """How many hours (...) an up run of each age (...) still lasts in the mean, in a zone so believed in."""
        return _expected(log_weights, mean_remaining(self.edges_h, self.loss_per_h, age_h))

    def mean_wait_h(self, log_weights: Figures, age_h: ArrayLike) -> Figures:
        """How many hours (...) a down run of each age (...) still lasts in the mean, in a zone so believed in."""
        return _expected(log_weights, mean_remaining(self.edges_h, self.gain_per_h, age_h))

    def up_ahead(self, log_weights: Figures, *, is_up: bool, age_h: float, ahead_h: float) -> float:
        """The chance that a zone is up `ahead_h` hours from now, by a belief (C,), its state and the age of its run."""
        chances = [one.up_ahead(is_up, age_h, ahead_h) for one in self.classes]
        return float(np.exp(log_weights) @ chances)

    def up_at_any_time(self, log_weights: Figures) -> Figures:
        """The chance (...) that a zone so believed in is up at an instant of which nothing is known."""
        return np.asarray(np.exp(log_weights) @ self.up_share)

    def of_zone(self, traces: Sequence[Trace], window_h: float = WINDOW_H) -> AvailabilityModel:
        """The model of a zone of which these traces are known: the same classes, by the share of its windows in each.

        The weights of this model count for `PRIOR_WINDOWS` more windows; without a trace it stays as it is.
        """
        if not any(trace.gaps for trace in traces):
            return self
        seen = exposure(traces, self.edges_h, window_h, first_age_h=self.first_age_h)
        joint = joint_log_likelihood(seen, Mixture(self.weights, self.up_share, self.loss_per_h, self.gain_per_h))
        windows = np.exp(_normalised(joint.T)).sum(axis=0)
        weights = np.maximum(windows + PRIOR_WINDOWS * self.weights, LEAST_WEIGHT)
        return replace(self, weights=weights / weights.sum())

    def to_dict(self) -> dict[str, Any]:
        """The model as plain JSON values, to be stored."""
        return {
            "schema_version": SCHEMA_VERSION,
            "edges_h": self.edges_h.tolist(),
            "loss_per_h": self.loss_per_h.tolist(),
            "gain_per_h": self.gain_per_h.tolist(),
            "weights": self.weights.tolist(),
            "up_share": self.up_share.tolist(),
            "first_age_h": self.first_age_h,
            "drift_h": None if np.isinf(self.drift_h) else self.drift_h,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> AvailabilityModel:
        """The model that `to_dict` wrote.

        Raises:
            ValueError: it is of another version, or lacks or spoils a figure.
        """
        if stored.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"a stored model of version {stored.get('schema_version')}, not {SCHEMA_VERSION}")
        try:
            edges_h, loss_per_h, gain_per_h, weights, up_share = (
                np.array(stored[name], dtype=np.float64)
                for name in ("edges_h", "loss_per_h", "gain_per_h", "weights", "up_share")
            )
            first_age_h, drift_h = float(stored["first_age_h"]), stored["drift_h"]
        except (KeyError, TypeError) as fault:
            raise ValueError(f"a stored model lacks a figure: {fault}") from fault
        classes = tuple(SemiMarkov(edges_h, *hazards) for hazards in zip(loss_per_h, gain_per_h, strict=True))
        return cls(classes, weights, up_share, first_age_h, np.inf if drift_h is None else float(drift_h))

    def _drifted(self, log_weights: Figures, gap_h: float) -> Figures:
        if np.isinf(self.drift_h):
            return log_weights
        stays = -gap_h / self.drift_h
        return np.asarray(np.logaddexp(log_weights + stays, np.log(self.weights) + np.log(-np.expm1(stays))))


def with_common_classes(models: Sequence[AvailabilityModel]) -> list[AvailabilityModel]:
    """The same models with the classes of all in each, those of others at next to no weight; bins of age in common."""
    distinct = list(dict.fromkeys(models))
    edges_h = np.unique(np.concatenate([one.edges_h for one in distinct]))
    classes: list[SemiMarkov] = []
    up_share: list[float] = []
    begins: dict[AvailabilityModel, int] = {}
    for one in distinct:
        begins[one] = len(classes)
        bins = bin_of(one.edges_h, edges_h)
        classes += [SemiMarkov(edges_h, kind.loss_per_h[bins], kind.gain_per_h[bins]) for kind in one.classes]
        up_share += one.up_share.tolist()
    found = {}
    for one in distinct:
        weights = np.full(len(classes), NO_WEIGHT)
        weights[begins[one] : begins[one] + len(one.classes)] = one.weights
        found[one] = replace(one, classes=tuple(classes), weights=weights / weights.sum(), up_share=np.array(up_share))
    return [found[one] for one in models]


def fit_availability(
    traces: Sequence[Trace],
    *,
    window_h: float = WINDOW_H,
    edges_h: Sequence[float] = EDGES_H,
    most_classes: int = MOST_CLASSES,
) -> AvailabilityModel:
    """The model of traces of any zones, dates and gap lengths; the same traces in the same order give the same model.

    Traces of one zone make a model of that zone. Those of several are taken for examples of zones that may be better or
    worse than any of them: then each class is there at three levels, see `engine.availability_em.with_levels`.

    Args:
        traces: what was recorded.
        window_h: a zone is taken to be of one class for so long.
        edges_h: lower edges of the bins of age, ascending from 0; a single one makes the model memoryless.
        most_classes: how many kinds of zone there are at most, levels apart; fewer where they tell more of what they
            were not fitted to.

    Raises:
        ValueError: there is no trace with a gap.
    """
    edges = np.array(edges_h, dtype=np.float64)
    mixture = best_mixture(exposure(traces, edges, window_h), most_classes)
    if len({(trace.zone, trace.instance_type) for trace in traces}) > 1:
        mixture = with_levels(mixture)
    return AvailabilityModel(
        tuple(SemiMarkov(edges, loss, gain) for loss, gain in zip(mixture.loss_per_h, mixture.gain_per_h, strict=True)),
        mixture.weights,
        mixture.up_share,
        first_age_h=_first_age_h(traces, edges, window_h, mixture),
        drift_h=DRIFT_H,
    )


def _first_age_h(traces: Sequence[Trace], edges_h: Figures, window_h: float, mixture: Mixture) -> float:
    """The age of the first run by which windows are likeliest of which nothing is known that went before."""
    windows = [window for trace in traces for window in _cut(trace, window_h)]
    likelihoods = [
        np.logaddexp.reduce(
            joint_log_likelihood(exposure(windows, edges_h, window_h, first_age_h=age_h), mixture), axis=0
        ).sum()
        for age_h in FIRST_AGES_H
    ]
    return FIRST_AGES_H[int(np.argmax(likelihoods))]


def _cut(trace: Trace, window_h: float) -> list[Trace]:
    length = max(1, round(window_h * SECONDS_AN_HOUR / trace.gap_s))
    return [trace.window(first, length) for first in range(0, trace.gaps, length)]


def _normalised(log_weights: Figures) -> Figures:
    return np.asarray(log_weights - np.logaddexp.reduce(log_weights, axis=-1, keepdims=True))


def _expected(log_weights: Figures, of_classes: Figures) -> Figures:
    """The mean (...) of figures (C, ...) over a belief (..., C)."""
    return np.asarray((np.exp(log_weights) * np.moveaxis(of_classes, 0, -1)).sum(axis=-1))
