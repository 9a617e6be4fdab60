"""Several zones as one market: its state is the best machine that can be had, or for how long there has been none.

The joint state of Z zones, each up or down for so long, is far too large for a table. What a job that waits or runs on
demand asks of the market is little: how good is the best spot machine now. The best is that of least merit price: the
price an hour, and what two starts (there, and back on demand) cost over the mean life that a run of its age has left.

How that state goes on is found by playing the zones forward, each by its own hazards and for itself, and counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel
from engine.hazard import mean_remaining
from engine.policies.base import Codes
from engine.policies.chains import Values, older_within
from engine.spot_market import Figures

REPLICAS: Final = 400
"""Markets that are played side by side."""
STEPS: Final = 300
WARM_UP: Final = 100
"""Steps before counting begins; by then the markets have forgotten how they began."""
OWN_WEIGHT: Final = 8.0
"""How many observed steps out of a state its own hazards count for (they are known; the rest is sampled)."""
LONGEST_LIFE_H: Final = 48.0
"""No job that a deadline hurries has more of a machine than that."""


@dataclass(frozen=True, eq=False)
class Zones:
    """Z zones of known hazards: `loss_per_h` and `gain_per_h` (Z, B) by bin of age, `usd_h` (Z,) the price of spot."""

    edges_h: Figures
    loss_per_h: Figures
    gain_per_h: Figures
    usd_h: Figures

    def merit_usd_h(self, start_usd: float) -> Figures:
        """(Z, B): the price an hour of a machine of each zone and age, two starts at `start_usd` each included."""
        life_h = np.minimum(mean_remaining(self.edges_h, self.loss_per_h, self.edges_h), LONGEST_LIFE_H)
        return np.asarray(self.usd_h[:, np.newaxis] + 2 * start_usd / life_h)


@dataclass(frozen=True, eq=False)
class MarketChain:
    """The chain of Z zones (see `engine.policies.chains`).

    State z B + b is "the best machine is in zone z, its run in bin b"; state Z B + b "there has been none for as long
    as bin b says". Shapes: `merit_usd_h` (Z, B); `next_market` (K, K), `next_spot` (J, J) and `next_lost` (J, K), the
    transposes of the chances of a step: the last two of a machine that is held, by its own zone and age. All but
    `spot_usd_h` have an axis of views before these where several chains are one (`stacked`).
    """

    merit_usd_h: Figures
    spot_usd_h: Figures
    next_market: Values
    next_spot: Values
    next_lost: Values

    @property
    def views(self) -> tuple[int, ...]:
        """See `Chain`."""
        return self.merit_usd_h.shape[:-2]

    @property
    def states(self) -> int:
        """See `Chain`."""
        return int(self.next_market.shape[-1])

    def ahead(self, values: Values) -> Values:
        """See `Chain`."""
        return values @ self.next_market

    def ahead_on_spot(self, kept: Values, lost: Values) -> Values:
        """See `Chain`."""
        return kept @ self.next_spot + lost @ self.next_lost


def drawn_classes(models: Sequence[AvailabilityModel], times: int) -> Codes:
    """(V, Z): the classes of Z zones, drawn V times from the weights of each one's model.

    Each zone's draws are spread evenly over its classes, from the worst to the best (a Latin hypercube: McKay, Beckman
    and Conover 1979), in an order of its own; the same models give the same draws. All models share their classes.
    """
    worst_first = np.argsort([kind.up_share() for kind in models[0].classes], kind="stable")
    reached = np.cumsum([model.weights[worst_first] for model in models], axis=1)
    rng = np.random.default_rng(0)
    level = np.stack([(rng.permutation(times) + 0.5) / times for _ in models], axis=1)
    rank = np.minimum((reached < level[..., np.newaxis]).sum(axis=2), len(worst_first) - 1)
    return np.asarray(worst_first[rank])


def zones_of(model: AvailabilityModel, classes: Codes, usd_h: Figures) -> Zones:
    """Zones of these classes (Z,) of a model, at spot prices `usd_h` (Z,)."""
    return Zones(model.edges_h, model.loss_per_h[classes], model.gain_per_h[classes], usd_h)


def market_chain(zones: Zones, step_h: float, start_usd: float) -> MarketChain:
    """The chain of these zones in steps of `step_h` hours; the same zones give the same chain.

    Args:
        zones: their hazards and prices.
        step_h: length of a step.
        start_usd: what a start costs, in time that does no work.
    """
    merit = zones.merit_usd_h(start_usd)
    counted, after_loss = _play(zones, merit, step_h)
    usual = counted.sum(axis=0) + 1e-3
    after_loss = after_loss + usual / usual.sum()
    after_loss /= after_loss.sum(axis=1, keepdims=True)
    own_spot, own_lost = _held(zones, step_h, after_loss)
    own = np.concatenate(
        [own_lost + np.pad(own_spot, ((0, 0), (0, len(usual) - len(own_spot)))), _none(zones, step_h, counted)]
    )
    market = (counted + OWN_WEIGHT * own) / (counted.sum(axis=1, keepdims=True) + OWN_WEIGHT)
    return MarketChain(
        merit,
        np.repeat(zones.usd_h, len(zones.edges_h)),
        market.T.astype(np.float32),
        own_spot.T.astype(np.float32),
        own_lost.T.astype(np.float32),
    )


def stacked(chains: Sequence[MarketChain]) -> MarketChain:
    """The chains of the same zones in several views, as one."""
    return MarketChain(
        np.stack([one.merit_usd_h for one in chains]),
        chains[0].spot_usd_h,
        np.stack([one.next_market for one in chains]),
        np.stack([one.next_spot for one in chains]),
        np.stack([one.next_lost for one in chains]),
    )


def _play(zones: Zones, merit: Figures, step_h: float) -> tuple[Figures, Figures]:
    """Counts (K, K) of steps between market states, and (Z, K) of the states in which a lost machine left it."""
    rng = np.random.default_rng(0)
    count, bins = zones.loss_per_h.shape
    ends = -np.expm1(-step_h * np.stack([zones.gain_per_h, zones.loss_per_h]))
    older = older_within(zones.edges_h, step_h)
    zone = np.arange(count)
    up = rng.random((REPLICAS, count)) < 0.5
    age = np.zeros((REPLICAS, count), dtype=np.int64)
    none = np.zeros(REPLICAS, dtype=np.int64)
    had = up.any(axis=1)
    states = (count + 1) * bins
    history: list[Codes] = []
    losses: list[list[Codes]] = [[] for _ in range(count)]
    for number in range(WARM_UP + STEPS):
        end = rng.random((REPLICAS, count)) < ends[up.astype(np.int64), zone, age]
        lost = end & up
        aged = np.minimum(age + (rng.random((REPLICAS, count)) < older[age]), bins - 1)
        age, up = np.where(end, 0, aged), up ^ end
        best = np.where(up, merit[zone, age], np.inf).argmin(axis=1)
        some = up.any(axis=1)
        # The count begins at bin 0 in the step in which the last zone went.
        none = np.where(some | had, 0, np.minimum(none + (rng.random(REPLICAS) < older[none]), bins - 1))
        had = some
        state = np.where(some, best * bins + age[np.arange(REPLICAS), best], count * bins + none)
        if number >= WARM_UP:
            history.append(state)
            for one in range(count):
                losses[one].append(state[lost[:, one]])
    steps = np.stack(history[:-1]) * states + np.stack(history[1:])
    return (
        np.bincount(steps.ravel(), minlength=states**2).reshape(states, states).astype(np.float64),
        np.stack([np.bincount(np.concatenate(one), minlength=states) for one in losses]).astype(np.float64),
    )


def _held(zones: Zones, step_h: float, after_loss: Figures) -> tuple[Figures, Figures]:
    """The chances (J, J) that a held machine goes on, and (J, K) that it is lost, by its zone and age."""
    count, bins = zones.loss_per_h.shape
    lost = -np.expm1(-step_h * zones.loss_per_h)
    older = older_within(zones.edges_h, step_h)
    goes_on = np.zeros((count * bins, count * bins))
    state = np.arange(count * bins)
    age = state % bins
    np.add.at(goes_on, (state, state), ((1 - lost) * (1 - older)).ravel())
    np.add.at(goes_on, (state, state + (age < bins - 1)), ((1 - lost) * older).ravel())
    return goes_on, lost.ravel()[:, np.newaxis] * np.repeat(after_loss, bins, axis=0)


def _none(zones: Zones, step_h: float, counted: Figures) -> Figures:
    """The chances (B, K) of a step from a market without spot: what was counted, smoothed over ages."""
    count, bins = zones.loss_per_h.shape
    out = counted[count * bins :]
    came = out[:, : count * bins].sum(axis=0) + 1e-6
    chance = (out[:, : count * bins].sum(axis=1) + 0.5) / (out.sum(axis=1) + 5.0)
    older = older_within(zones.edges_h, step_h)
    chances = np.concatenate([np.outer(chance, came / came.sum()), np.zeros((bins, bins))], axis=1)
    age = np.arange(bins)
    np.add.at(chances, (age, count * bins + age), (1 - chance) * (1 - older))
    np.add.at(chances, (age, count * bins + np.minimum(age + 1, bins - 1)), (1 - chance) * older)
    return chances
