"""What spot capacity did: the recorded series of one zone, and the market that a job sees of several zones at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECONDS_AN_HOUR: Final = 3600.0

Flags = NDArray[np.bool_]
Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """Whether a spot machine could be had in one zone, in each of n gaps of equal length.

    `available` is of shape (n,): entry t holds from t * gap_s to (t + 1) * gap_s seconds after `start`, the instant of
    the first gap (None where it is not known). `spot_usd_h`, of shape (n,), is the price in each gap; None where it was
    not recorded. `on_demand_usd_h` is the price of the same machine on demand.
    """

    zone: str
    instance_type: str
    gap_s: float
    available: Flags
    start: datetime | None = None
    spot_usd_h: Figures | None = None
    on_demand_usd_h: float | None = None

    @property
    def gaps(self) -> int:
        """How many gaps were recorded."""
        return len(self.available)

    def window(self, first: int, length: int) -> Trace:
        """The gaps from `first` on, `length` of them or as many as there are; the start moves along."""
        kept = slice(first, first + length)
        return replace(
            self,
            available=self.available[kept],
            spot_usd_h=None if self.spot_usd_h is None else self.spot_usd_h[kept],
            start=None if self.start is None else self.start + timedelta(seconds=first * self.gap_s),
        )


@dataclass(frozen=True)
class SpotMarket:
    """Z zones side by side over T gaps of `gap_s` seconds.

    Shapes: `available` (T, Z); `spot_usd_h` (T, Z), the price of a spot machine in each gap; `on_demand_usd_h` (Z,);
    `move_usd` (Z, Z), what it costs once to bring the job's checkpoint from the zone of the row to that of the column
    (egress), 0 on the diagonal.
    """

    zones: tuple[str, ...]
    gap_s: float
    available: Flags
    spot_usd_h: Figures
    on_demand_usd_h: Figures
    move_usd: Figures

    @property
    def gaps(self) -> int:
        """How many gaps the market lasts."""
        return len(self.available)


@dataclass(frozen=True)
class DeadlineJob:
    """Work that has to be done by a deadline, on one machine (or one gang of machines) at a time.

    `work_s` seconds on a machine that runs, within `deadline_s` seconds of the start; each start of a machine takes
    `overhead_s` seconds before work goes on (billed like work, and paid anew when it is interrupted).
    """

    work_s: float
    deadline_s: float
    overhead_s: float


def market_of(
    traces: Sequence[Trace], *, spot_usd_h: float, on_demand_usd_h: float, move_usd: Figures | None = None
) -> SpotMarket:
    """The market of these zones, from their common first gap to the end of the shortest.

    Args:
        traces: one for each zone, of one gap length.
        spot_usd_h: the price of spot where a trace has none.
        on_demand_usd_h: the price on demand where a trace has none.
        move_usd: (Z, Z), see `SpotMarket`; None for nothing.

    Raises:
        ValueError: there is no trace, or gap lengths differ.
    """
    if not traces:
        raise ValueError("a market needs at least one trace")
    gap_s = traces[0].gap_s
    if any(trace.gap_s != gap_s for trace in traces):
        raise ValueError("the traces of one market have gaps of one length")
    gaps = min(trace.gaps for trace in traces)
    prices = [np.full(gaps, spot_usd_h) if trace.spot_usd_h is None else trace.spot_usd_h[:gaps] for trace in traces]
    on_demand = [on_demand_usd_h if trace.on_demand_usd_h is None else trace.on_demand_usd_h for trace in traces]
    zones = len(traces)
    return SpotMarket(
        zones=tuple(trace.zone for trace in traces),
        gap_s=gap_s,
        available=np.stack([trace.available[:gaps] for trace in traces], axis=1),
        spot_usd_h=np.stack(prices, axis=1).astype(np.float64),
        on_demand_usd_h=np.array(on_demand, dtype=np.float64),
        move_usd=np.zeros((zones, zones)) if move_usd is None else move_usd,
    )
