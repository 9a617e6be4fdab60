"""Sightings of zones from flags, without a simulation around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.availability import AvailabilityModel
from engine.policies.base import Observation
from engine.policies.sightings import Sightings
from engine.spot_market import Flags

GAP_H: Final = 1 / 6


def observed(flags: Flags, gap: int) -> Observation:
    """The zones of each run, (R, Z), at a gap of ten minutes; the runs are on nothing."""
    runs = len(flags)
    nothing, machine = np.zeros(runs), np.zeros(runs, dtype=np.int64)
    return Observation(gap * 600.0, nothing, machine, machine, machine, nothing, flags, np.ones(flags.shape))


def seen_by(models: Sequence[AvailabilityModel], flags: Flags) -> Sightings:
    """After all gaps of (T, R, Z) flags."""
    sightings = Sightings(models, GAP_H)
    for gap, now in enumerate(flags):
        sightings.see(observed(now, gap))
    return sightings
