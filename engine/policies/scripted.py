"""A schedule that was fixed beforehand, played as a policy: to replay an optimum, or to show any schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import Codes, Decide, Decision, Machine, Observation, Setting


@dataclass(frozen=True)
class Scripted:
    """The `Machine` and the zone of each of G gaps, and no machine after them.

    Both are of shape (G,), where all runs play the same schedule, or (R, G).
    """

    machine: Codes
    zone: Codes
    name: str = "scripted"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            gap = round(seen.elapsed_s / setting.gap_s)
            if gap >= self.machine.shape[-1]:
                return Decision(np.full_like(seen.last, Machine.NONE), seen.zone)
            runs = seen.zone.shape
            return Decision(np.broadcast_to(self.machine[..., gap], runs), np.broadcast_to(self.zone[..., gap], runs))

        return decide
