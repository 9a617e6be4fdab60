"""Models of spot availability for each zone and type, for each type, and for a whole cloud, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from catalog_data.schema import ANYWHERE
from engine.availability import WINDOW_H, AvailabilityModel, fit_availability
from engine.availability_em import Mixture, fit_mixture, joint_log_likelihood
from engine.spot_events import Placed
from engine.spot_exposure import exposure
from engine.spot_market import SECONDS_AN_HOUR, Figures, Trace
from engine.trace_fields import region_of

LEAST_H: Final = WINDOW_H
"""Hours of data that a model of its own takes; less counts only where it is pooled with others."""
HELD_OUT: Final = 0.25
"""The share of each series, its end, that the worth of a fit is measured on."""
ALWAYS: Final = np.zeros(1)
"""The one bin of age of a process without memory."""


class Pool(NamedTuple):
    """Whose data one model is fitted from; `*` stands for all."""

    cloud: str
    region: str
    zone: str
    instance_type: str


class Worth(NamedTuple):
    """Log-likelihoods of what was held out, in nats an hour: of the model, and of constant hazards."""

    held_out_nats_h: float
    memoryless_nats_h: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model and its data: hours in all, the first and the last instant that they say, and the share of time up.

    `worth` is None where too little data is left to fit from once some is held out.
    """

    pool: Pool
    model: AvailabilityModel
    traces: int
    data_h: float
    data_from: datetime | None
    data_until: datetime | None
    availability: float
    worth: Worth | None

    @property
    def mean_life_h(self) -> float:
        """Hours that an up run lasts in the mean from its beginning, in a zone of which nothing else was seen."""
        return float(self.model.mean_life_h(self.model.first_sight(is_up=True), 0.0))

    @property
    def mean_wait_h(self) -> float:
        """Hours that a down run lasts in the mean from its beginning, likewise."""
        return float(self.model.mean_wait_h(self.model.first_sight(is_up=False), 0.0))


@dataclass(frozen=True, eq=False)
class ZoneModels:
    """Models that share their classes: of all zones together, and of each zone and type by its own weights."""

    pooled: AvailabilityModel
    own: Mapping[tuple[str, str], AvailabilityModel]

    @classmethod
    def fitted(cls, traces: Sequence[Trace]) -> ZoneModels:
        """To these traces, whose gap lengths may differ.

        Raises:
            ValueError: there is no trace with a gap.
        """
        pooled = fit_availability(traces)
        series: dict[tuple[str, str], list[Trace]] = {}
        for trace in traces:
            series.setdefault((trace.zone, trace.instance_type), []).append(trace)
        return cls(pooled, {name: pooled.of_zone(of_series) for name, of_series in series.items()})

    def of(self, traces: Sequence[Trace]) -> tuple[AvailabilityModel, ...]:
        """One for each zone side by side: its own where some trace of it was fitted to, else that of all."""
        return tuple(self.own.get((trace.zone, trace.instance_type), self.pooled) for trace in traces)


def fit_pools(placed: Iterable[Placed]) -> tuple[Fitted, ...]:
    """A model for each zone and type, each type, and each cloud of which there is enough data, the widest pools first.

    A series whose type is not known counts for its cloud alone.
    """
    enough = {pool: traces for pool, traces in _pools(placed).items() if hours_of(traces) >= LEAST_H}
    return tuple(_fitted(pool, enough[pool]) for pool in sorted(enough))


def hours_of(traces: Iterable[Trace]) -> float:
    """How many hours they last together."""
    return sum(trace.gaps * trace.gap_s for trace in traces) / SECONDS_AN_HOUR


def worth_of(traces: Sequence[Trace]) -> Worth | None:
    """What a fit from the first part of each series says of the rest, beside one that has one constant hazard.

    Both are likelihoods of the same thing: of each first sight, and of whether each run ended within each gap. None
    where less than `LEAST_H` hours would be left to fit from.
    """
    cut = [round(trace.gaps * (1 - HELD_OUT)) for trace in traces]
    known = [trace.window(0, first) for trace, first in zip(traces, cut, strict=True)]
    held_out = [trace.window(first, trace.gaps - first) for trace, first in zip(traces, cut, strict=True)]
    if hours_of(known) < LEAST_H or not hours_of(held_out):
        return None
    model = fit_availability(known)
    mixture = Mixture(model.weights, model.up_share, model.loss_per_h, model.gain_per_h)
    memoryless = fit_mixture(exposure(known, ALWAYS, WINDOW_H), 1)
    return Worth(_nats_h(held_out, model.edges_h, mixture), _nats_h(held_out, ALWAYS, memoryless))


def _pools(placed: Iterable[Placed]) -> Mapping[Pool, list[Trace]]:
    pools: dict[Pool, list[Trace]] = {}
    for cloud, trace in placed:
        of = [Pool(cloud, ANYWHERE, ANYWHERE, ANYWHERE)]
        if trace.instance_type:
            of += [
                Pool(cloud, ANYWHERE, ANYWHERE, trace.instance_type),
                Pool(cloud, region_of(trace.zone), trace.zone, trace.instance_type),
            ]
        for pool in of:
            pools.setdefault(pool, []).append(trace)
    return pools


def _fitted(pool: Pool, traces: Sequence[Trace]) -> Fitted:
    spans = [
        (trace.start, trace.start + timedelta(seconds=trace.gaps * trace.gap_s)) for trace in traces if trace.start
    ]
    up_h = sum(float(trace.available.sum()) * trace.gap_s for trace in traces) / SECONDS_AN_HOUR
    return Fitted(
        pool=pool,
        model=fit_availability(traces),
        traces=len(traces),
        data_h=hours_of(traces),
        data_from=min((start for start, _ in spans), default=None),
        data_until=max((end for _, end in spans), default=None),
        availability=up_h / hours_of(traces),
        worth=worth_of(traces),
    )


def _nats_h(traces: Sequence[Trace], edges_h: Figures, mixture: Mixture) -> float:
    seen = exposure(traces, edges_h, WINDOW_H)
    return float(np.logaddexp.reduce(joint_log_likelihood(seen, mixture), axis=0).sum()) / hours_of(traces)
