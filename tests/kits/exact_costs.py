"""The least expected cost of a deadline job in one zone without memory, by plain recursion over all that can happen."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

NONE: Final = "none"
SPOT: Final = "spot"
ON_DEMAND: Final = "on demand"


@dataclass(frozen=True)
class TinyJob:
    """All times in ticks, whole numbers; prices in USD a gap; `lost` and `gained` are the chances a gap."""

    gaps: int
    work: int
    overhead: int
    gap: int = 10
    spot_usd: float = 1.0
    on_demand_usd: float = 3.0
    lost: float = 0.2
    gained: float = 0.3


class ExactCosts:
    """What is still to be paid in the mean at the start of a gap, if no run of the future may be late."""

    def __init__(self, job: TinyJob) -> None:
        self.job = job
        self._known: dict[_State, float] = {}

    def at_start(self, is_up: bool) -> float:
        """Of the whole job, spot being there or not in its first gap."""
        return self._least(_State(self.job.gaps, self.job.work, NONE, 0, is_up))

    def _least(self, now: _State) -> float:
        if now.work == 0:
            return 0.0
        if now.gaps == 0:
            return inf
        if now not in self._known:
            self._known[now] = min(
                self._ahead(now, NONE),
                self.job.on_demand_usd + self._ahead(now, ON_DEMAND),
                self.job.spot_usd + self._ahead(now, SPOT) if now.is_up else inf,
            )
        return self._known[now]

    def _ahead(self, now: _State, machine: str) -> float:
        """The mean from the next gap on, if the machine is taken in this one."""
        job = self.job
        unpaid = now.unpaid if machine == now.machine else job.overhead
        done = 0 if machine == NONE else min(max(job.gap - unpaid, 0), now.work)
        rest = 0 if machine == NONE else max(unpaid - job.gap, 0)
        changes = job.lost if now.is_up else job.gained
        usd = 0.0
        for is_up, chance in ((now.is_up, 1 - changes), (not now.is_up, changes)):
            then = (NONE, 0) if machine == SPOT and not is_up else (machine, rest)
            usd += chance * self._least(_State(now.gaps - 1, now.work - done, *then, is_up))
        return usd


class _State(NamedTuple):
    gaps: int
    work: int
    machine: str
    unpaid: int
    is_up: bool
