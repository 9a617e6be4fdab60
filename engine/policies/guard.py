"""The last word of the public simulator of "Can't Be Late": on demand when it is the last gap in which that is safe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import PAID_S, Decide, Decision, Machine, Observation, Policy, Setting
from engine.policies.deadlines import closeness


@dataclass(frozen=True)
class Guarded:
    """Another policy whose decisions are overruled in the last gap that is safe.

    With `bug_compatible` it looks, as the public simulator does, at the machine before an interruption: a run whose
    spot machine has just been lost then asks for spot once more, gets nothing, and can end one gap late.
    """

    policy: Policy
    bug_compatible: bool = False

    @property
    def name(self) -> str:
        """See `Policy`."""
        return self.policy.name

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        inner = self.policy.begin(setting)

        def decide(seen: Observation) -> Decision:
            wish = inner(seen)
            machine = seen.last if self.bug_compatible else seen.current
            running = (machine == Machine.SPOT) & (seen.pending_s < PAID_S)
            forced = np.where(running, Machine.SPOT, Machine.ON_DEMAND)
            return Decision(np.where(closeness(setting, seen).last_call, forced, wish.machine), wish.zone)

        return decide
