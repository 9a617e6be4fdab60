"""Time-sliced: the deadline is cut into equal slices, each with its even share of the work, and greedy within each.

Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines", NSDI 2024, section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.policies.base import Decide, Decision, Machine, Observation, Setting
from engine.policies.deadlines import keep_to_deadline


@dataclass(frozen=True)
class TimeSliced:
    """Greedy towards the end of each of `slices` slices: no slice leaves the next more than its own share of work."""

    slices: int = 8

    @property
    def name(self) -> str:
        """See `Policy`."""
        return "time-sliced"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            # The slice that a gap begins in, and its target; a target already met leaves spot to be taken when there.
            passed = np.minimum(np.floor(seen.elapsed_s / setting.deadline_s * self.slices), self.slices - 1)
            share = (passed + 1) / self.slices
            wish = np.where(seen.here, Machine.SPOT, Machine.NONE)
            goal = replace(setting, work_s=setting.work_s * share, deadline_s=setting.deadline_s * share)
            towards_goal = keep_to_deadline(goal, seen, seen.here, wish)
            machine = np.where(seen.done_s < goal.work_s, towards_goal, wish)
            return Decision(keep_to_deadline(setting, seen, seen.here, machine), seen.zone)

        return decide
