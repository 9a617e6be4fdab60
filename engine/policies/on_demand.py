"""On demand from the first gap to the last: what a deadline costs without spot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import Decide, Decision, Machine, Observation, Setting


@dataclass(frozen=True)
class OnDemandOnly:
    """Runs on demand, in the cheapest zone, until the work is done."""

    name: str = "on demand only"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        cheapest = setting.on_demand_usd_h.argmin(axis=1)
        machine = np.full(len(cheapest), Machine.ON_DEMAND)

        def decide(_: Observation) -> Decision:
            return Decision(machine, cheapest)

        return decide
