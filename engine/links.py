"""What moving data between places costs and takes, as matrices for any size (engine.transfers has a frame for one)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.transfers import (
    GBIT_PER_GB,
    SECONDS_PER_HOUR,
    cloud_of_place,
    dearest_usd_gb,
    gbit_s,
    pairs_of,
    slowest_gbit_s,
    tiers,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Links:
    """What moving data from each source to each target costs and takes, for any size (places x places).

    `tier_*` has a row for each tier of each pair: the pair (its number, row by row of the matrices), the GB at which it
    starts and ends, and its rate, $/GB. NaN stands for what is not known.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    tier_pair: Integers
    tier_from_gb: Floats
    tier_to_gb: Floats
    tier_usd_gb: Floats
    gbit_s: Floats
    """Of one machine."""
    dearest_usd_gb: Floats
    """By source what stands for a rate that is not known: the highest of its cloud, 0 where none of it is."""
    slowest_gbit_s: float
    """What stands for a throughput that is not known."""

    @classmethod
    def of(cls, snapshot: Snapshot, sources: Sequence[str], targets: Sequence[str]) -> Links:
        """The links of a snapshot."""
        pairs = pairs_of(sources, targets)
        rates, dearest = tiers(snapshot, pairs), dearest_usd_gb(snapshot)
        return cls(
            tuple(sources),
            tuple(targets),
            tier_pair=rates["pair"].cast(pl.Int64).to_numpy(),
            tier_from_gb=rates["tier_from_gb"].to_numpy(),
            tier_to_gb=rates["tier_to_gb"].to_numpy(),
            tier_usd_gb=rates["rate"].to_numpy(),
            gbit_s=gbit_s(snapshot, pairs).fill_null(np.nan).to_numpy().reshape(len(sources), -1),
            dearest_usd_gb=np.array([dearest.get(cloud_of_place(source), 0.0) for source in sources]),
            slowest_gbit_s=slowest_gbit_s(snapshot),
        )

    def egress_usd(self, data_gb: float) -> Floats:
        """$ of moving so many GB: each tier's rate times the GB that fall into it; 0 within a place, and for 0 GB."""
        # GB * $/GB = $
        usd = (np.minimum(data_gb, self.tier_to_gb) - self.tier_from_gb).clip(min=0.0) * self.tier_usd_gb
        pairs = self.gbit_s.size
        known = np.bincount(self.tier_pair[self.tier_from_gb == 0], minlength=pairs) > 0
        total = np.bincount(self.tier_pair, weights=usd, minlength=pairs)
        return self._moved(np.where(known, total, np.nan).reshape(self.gbit_s.shape), data_gb)

    def transfer_h(self, data_gb: float, streams: int) -> Floats:
        """Hours of moving so many GB by so many machines side by side; 0 within a place, and for 0 GB."""
        # GB * Gbit/GB / (Gbit/s) / (s/h) = h
        return self._moved(data_gb * GBIT_PER_GB / (streams * self.gbit_s) / SECONDS_PER_HOUR, data_gb)

    def _moved(self, figures: Floats, data_gb: float) -> Floats:
        stays = np.array(self.sources)[:, None] == np.array(self.targets)[None, :]
        return np.where(stays | (data_gb == 0), 0.0, figures)
