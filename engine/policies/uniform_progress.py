"""Uniform Progress: work is done at the even pace that ends at the deadline, on spot where it is there.

Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines", NSDI 2024, section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import Codes, Decide, Decision, Machine, Observation, Setting
from engine.policies.deadlines import keep_to_deadline


@dataclass(frozen=True)
class UniformProgress:
    """Spot when it is there; on demand when it is not and the job is behind its even pace; else it waits.

    With `hysteresis` a job on demand stays there, though spot is back, until it is ahead of its pace by what two starts
    take: fewer moves, less spot. With `any_zone` it takes spot in whatever zone has it, the one it is in before others
    and these in their order, instead of only in the zone where it began.
    """

    hysteresis: bool = True
    any_zone: bool = False

    @property
    def name(self) -> str:
        """See `Policy`."""
        kind = "uniform progress" if self.hysteresis else "uniform progress, no hysteresis"
        return f"{kind}, any zone" if self.any_zone else kind

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        pace = setting.work_s / setting.deadline_s

        def decide(seen: Observation) -> Decision:
            zone = first_with_spot(seen) if self.any_zone else seen.zone
            here = np.asarray(seen.available.any(axis=1)) if self.any_zone else seen.here
            behind = seen.done_s < seen.elapsed_s * pace
            wish = np.where(here, Machine.SPOT, np.where(behind, Machine.ON_DEMAND, Machine.NONE))
            stay = ~here
            if self.hysteresis:
                stay = stay | ((seen.elapsed_s + 2 * setting.overhead_s) * pace >= seen.done_s)
            wish = np.where((seen.current == Machine.ON_DEMAND) & stay, Machine.ON_DEMAND, wish)
            machine = keep_to_deadline(setting, seen, here, wish)
            return Decision(machine, np.where(machine == Machine.SPOT, zone, seen.zone))

        return decide


def first_with_spot(seen: Observation) -> Codes:
    """(R,): the zone of the run if it has spot, else the first that has; its own where none has."""
    elsewhere = np.where(seen.available.any(axis=1), seen.available.argmax(axis=1), seen.zone)
    return np.where(seen.here, seen.zone, elsewhere)
