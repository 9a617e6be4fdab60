"""How spot capacity goes on, in steps of equal length: the Markov chains that value tables are computed over.

A chain has K market states; the first J of them are those in which spot can be had, and are also the states of a run
that is on spot. What a state stands for is the chain's own business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.availability import AvailabilityModel
from engine.spot_market import Figures

Values = NDArray[np.float32]
"""Expected costs; single precision, for there are millions."""


class Chain(Protocol):
    """What a value table asks of a chain; values are of shape (S, K) or (S, J).

    Several chains of the same states, `views` of them, may be one: then values are of shape (V, S, K) or (V, S, J).
    """

    @property
    def views(self) -> tuple[int, ...]:
        """(V,), or () for one chain."""
        ...

    @property
    def spot_usd_h(self) -> Figures:
        """(J,): the price of spot in each state that has it."""
        ...

    @property
    def states(self) -> int:
        """K."""
        ...

    def ahead(self, values: Values) -> Values:
        """The mean of the values (S, K) one step later, by the state now."""
        ...

    def ahead_on_spot(self, kept: Values, lost: Values) -> Values:
        """The same for a run on spot, by its state (S, J): `kept` (S, J) if the machine stays, else `lost` (S, K)."""
        ...


@dataclass(frozen=True, eq=False)
class ZoneChain:
    """One zone of unknown class: the states are (class, bin of age), first up, then down.

    A run in a bin of width x moves to the next bin with the chance step / x, as if it stayed in the bin for a time that
    is x in the mean.
    """

    model: AvailabilityModel
    step_h: float
    usd_h: float

    @property
    def views(self) -> tuple[int, ...]:
        """See `Chain`."""
        return ()

    @property
    def spot_usd_h(self) -> Figures:
        """See `Chain`."""
        return np.full(self._shape[0] * self._shape[1], self.usd_h)

    @property
    def states(self) -> int:
        """See `Chain`."""
        return 2 * self._shape[0] * self._shape[1]

    def ahead(self, values: Values) -> Values:
        """See `Chain`."""
        up, down = self._drifted(values)
        return np.concatenate(
            [
                self._flat(self._went_on(up, self._lost) + self._lost * down[..., :1]),
                self._flat(self._went_on(down, self._gained) + self._gained * up[..., :1]),
            ],
            axis=1,
        )

    def ahead_on_spot(self, kept: Values, lost: Values) -> Values:
        """See `Chain`."""
        down = lost[:, len(self.spot_usd_h) :]
        up, down = self._drifted(np.concatenate([kept, down], axis=1))
        return self._flat(self._went_on(up, self._lost) + self._lost * down[..., :1])

    @property
    def _shape(self) -> tuple[int, int]:
        return self.model.loss_per_h.shape[0], self.model.loss_per_h.shape[1]

    @cached_property
    def _lost(self) -> Values:
        return np.asarray(-np.expm1(-self.model.loss_per_h * self.step_h), dtype=np.float32)

    @cached_property
    def _gained(self) -> Values:
        return np.asarray(-np.expm1(-self.model.gain_per_h * self.step_h), dtype=np.float32)

    @cached_property
    def _older(self) -> Values:
        return older_within(self.model.edges_h, self.step_h).astype(np.float32)

    def _drifted(self, values: Values) -> tuple[Values, Values]:
        """The values by class, up and down (S, C, B) each, when a zone may change its class before the step."""
        by_class = values.reshape(len(values), 2, *self._shape)
        stays = np.float32(np.exp(-self.step_h / self.model.drift_h))
        mean = np.einsum("c,sucb->sub", self.model.weights.astype(np.float32), by_class)[:, :, np.newaxis]
        mixed = stays * by_class + (1 - stays) * mean
        return mixed[:, 0], mixed[:, 1]

    def _went_on(self, values: Values, ends: Values) -> Values:
        older = np.concatenate([values[..., 1:], values[..., -1:]], axis=-1)
        return np.asarray((1 - ends) * (values + self._older * (older - values)))

    @staticmethod
    def _flat(values: Values) -> Values:
        return values.reshape(len(values), -1)


def older_within(edges_h: Figures, step_h: float) -> Figures:
    """(B,): the chance that a run of each bin of age has left it for the next within a step; 0 for the last."""
    return np.minimum(step_h / np.append(np.diff(edges_h), np.inf), 1.0)
