"""What a policy is: an online rule that sees one gap at a time and says on which machine the job spends it.

    Setting (what is known at the start) -> Policy.begin -> Decide: Observation -> Decision, once for each gap

Everything is an array over R runs, so that one object decides for a job that is being carried out (R = 1) and for
thousands of runs of a simulation. An observation speaks of the present only; whatever a policy wants to remember of the
past it keeps in the closure that `begin` returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.spot_market import Figures, Flags

Codes = NDArray[np.int64]

PAID_S = 1e-3
"""Overhead below a millisecond counts as paid, and work below it as done."""


class Machine(IntEnum):
    """What a job is on in a gap: nothing, a spot machine or one on demand."""

    NONE = 0
    SPOT = 1
    ON_DEMAND = 2


@dataclass(frozen=True)
class Setting:
    """What R runs know before their first gap, Z zones each.

    Shapes: `work_s`, `deadline_s`, `overhead_s` (R,), see `DeadlineJob`; `on_demand_usd_h` (R, Z);
    `move_usd` (R, Z, Z), see `SpotMarket`.
    """

    gap_s: float
    work_s: Figures
    deadline_s: Figures
    overhead_s: Figures
    on_demand_usd_h: Figures
    move_usd: Figures

    @property
    def zones(self) -> int:
        """Z."""
        return int(self.on_demand_usd_h.shape[1])


@dataclass(frozen=True)
class Observation:
    """What R runs see at the start of a gap; whether spot will still be there in the next one is not known.

    `elapsed_s` seconds since the start, the same for all. Shapes (R,): `done_s` work done; `last`, the `Machine` of the
    gap before; `current`, the same after an interruption (a spot machine that is gone is NONE); `zone`, where the
    machine is or the run last looked; `pending_s`, what is left of the overhead of the last start. Shapes (R, Z):
    `available`, whether spot can be had in this gap; `spot_usd_h`, its price in this gap.
    """

    elapsed_s: float
    done_s: Figures
    last: Codes
    current: Codes
    zone: Codes
    pending_s: Figures
    available: Flags
    spot_usd_h: Figures

    @property
    def here(self) -> Flags:
        """(R,): whether spot can be had in the zone of the run."""
        return self.available[np.arange(len(self.zone)), self.zone]


@dataclass(frozen=True)
class Decision:
    """On which `Machine` each run spends the gap, and in which zone (where it looks next, if on none); both (R,)."""

    machine: Codes
    zone: Codes


Decide = Callable[[Observation], Decision]


class Policy(Protocol):
    """An online rule; `begin` makes what decides for one batch of runs from their first gap on."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    def begin(self, setting: Setting) -> Decide:
        """A fresh memory for the runs of `setting`, to be called once for each gap, in order."""
        ...
