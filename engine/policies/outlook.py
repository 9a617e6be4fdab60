"""From what has been seen of zones to the chances of the next gap, in the states of a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.hazard import bin_of
from engine.policies.base import Codes
from engine.policies.chains import Chain, ZoneChain
from engine.policies.market_chain import MarketChain
from engine.policies.sightings import Sightings
from engine.spot_market import Figures


class Outlook(Protocol):
    """The next gap, for some of the runs, as chances of the states of a chain, view by view where it is several."""

    @property
    def chain(self) -> Chain:
        """Whose states they are."""
        ...

    def market(self, sightings: Sightings, rows: Codes) -> Figures:
        """(R, K): the chances of the market states after this gap."""
        ...

    def on_spot(self, sightings: Sightings, rows: Codes, zone: int) -> tuple[Figures, Figures]:
        """(R, J) and (R, K): the chances that a machine in the zone is kept, and that it is lost, after this gap."""
        ...


@dataclass(frozen=True, eq=False)
class ZoneOutlook:
    """Of one zone, whose class is not known: all classes side by side."""

    chain: ZoneChain

    def market(self, sightings: Sightings, rows: Codes) -> Figures:
        """See `Outlook`."""
        goes_on, ends = self._classes(sightings, rows)
        up = sightings.up[rows, 0]
        older = bin_of(self.chain.model.edges_h, sightings.age_h[rows, 0] + sightings.gap_h)
        now_up = self._placed(np.where(up[:, np.newaxis], goes_on, ends), np.where(up, older, 0))
        now_down = self._placed(np.where(up[:, np.newaxis], ends, goes_on), np.where(up, 0, older))
        return np.concatenate([now_up, now_down], axis=1)

    def on_spot(self, sightings: Sightings, rows: Codes, zone: int) -> tuple[Figures, Figures]:  # noqa: ARG002
        """See `Outlook`."""
        chances = self.market(sightings, rows)
        kept = chances[:, : chances.shape[1] // 2]
        lost = chances.copy()
        lost[:, : kept.shape[1]] = 0.0
        return kept, lost

    def _classes(self, sightings: Sightings, rows: Codes) -> tuple[Figures, Figures]:
        """(R, C) twice: the chance of each class, the zone having drifted, with the run going on, and with its end."""
        model = self.chain.model
        belief, ends = np.exp(sightings.belief[rows, 0]), sightings.ends[rows, 0]
        stays = np.exp(-sightings.gap_h / model.drift_h)

        def drifted(chances: Figures) -> Figures:
            return np.asarray(stays * chances + (1 - stays) * model.weights * chances.sum(axis=1, keepdims=True))

        return drifted(belief * (1 - ends)), drifted(belief * ends)

    def _placed(self, classes: Figures, bins: Codes) -> Figures:
        """(R, C B): the chances of classes, all in one bin of age for each run."""
        placed = np.zeros((*classes.shape, len(self.chain.model.edges_h)))
        placed[np.arange(len(bins)), :, bins] = classes
        return placed.reshape(len(bins), -1)


@dataclass(frozen=True, eq=False)
class MarketOutlook:
    """Of several zones, each for itself, at the hazards that the belief about its class makes likely.

    Views differ in which zone is the best; that a held machine is kept is as likely in all.
    """

    chain: MarketChain

    def market(self, sightings: Sightings, rows: Codes) -> Figures:
        """See `Outlook`."""
        return self._best(sightings, rows, *self._next(sightings, rows))

    def on_spot(self, sightings: Sightings, rows: Codes, zone: int) -> tuple[Figures, Figures]:
        """See `Outlook`."""
        up, bins = self._next(sightings, rows)
        kept = np.zeros((len(rows), len(self.chain.spot_usd_h)))
        stays = up[:, zone].copy()
        kept[np.arange(len(rows)), zone * self.chain.merit_usd_h.shape[-1] + bins[:, zone]] = stays
        up[:, zone] = 0.0
        return kept, (1 - stays)[:, np.newaxis] * self._best(sightings, rows, up, bins)

    def _next(self, sightings: Sightings, rows: Codes) -> tuple[Figures, Codes]:
        """(R, Z) twice: the chance that each zone is up after this gap, and the bin of age that it then is in."""
        edges_h = sightings.models[0].edges_h
        up = sightings.up[rows]
        ends = (np.exp(sightings.belief[rows]) * sightings.ends[rows]).sum(axis=2)
        older = bin_of(edges_h, sightings.age_h[rows] + sightings.gap_h)
        return np.where(up, 1 - ends, ends), np.where(up, older, 0)

    def _best(self, sightings: Sightings, rows: Codes, up: Figures, bins: Codes) -> Figures:
        """(R, K): the chance of each machine to be the best, and of none, if zones are up with these chances."""
        merit = self.chain.merit_usd_h
        count, ages = merit.shape[-2:]
        row = np.arange(len(rows))
        order = np.argsort(merit[..., np.arange(count), bins], axis=-1, kind="stable")
        ranked = up[row[:, np.newaxis], order]
        none_better = np.cumprod(1 - ranked, axis=-1)
        best = ranked.copy()
        best[..., 1:] *= none_better[..., :-1]
        chances = np.zeros((*order.shape[:-1], self.chain.states))
        np.put_along_axis(chances, order * ages + bins[row[:, np.newaxis], order], best, axis=-1)
        chances[..., row, count * ages + self._without(sightings, rows)] = none_better[..., -1]
        return chances

    @staticmethod
    def _without(sightings: Sightings, rows: Codes) -> Codes:
        """(R,): the bin of how long there will have been no spot, if there is none after this gap."""
        down = ~sightings.up[rows].any(axis=1)
        since_h = np.where(down, sightings.age_h[rows].min(axis=1) + sightings.gap_h, 0.0)
        return bin_of(sightings.models[0].edges_h, since_h)
