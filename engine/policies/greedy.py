"""Greedy: spot whenever it is there, nothing while it is not, on demand when the deadline demands it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import Decide, Decision, Machine, Observation, Setting
from engine.policies.deadlines import keep_to_deadline


@dataclass(frozen=True)
class Greedy:
    """The baseline of "Can't Be Late" (Wu et al., NSDI 2024, section 4.1), in one zone: it never leaves that."""

    name: str = "greedy"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            wish = np.where(seen.here, Machine.SPOT, Machine.NONE)
            return Decision(keep_to_deadline(setting, seen, seen.here, wish), seen.zone)

        return decide


@dataclass(frozen=True)
class SpotOnly:
    """Spot whenever it is there and nothing while it is not; never on demand of its own will.

    Alone it does not keep a deadline: `Guarded` makes it.
    """

    name: str = "spot only"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            done = setting.work_s - seen.done_s <= 0
            return Decision(np.where(seen.here & ~done, Machine.SPOT, Machine.NONE), seen.zone)

        return decide
