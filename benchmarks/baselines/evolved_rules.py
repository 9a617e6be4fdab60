"""The best published rules for spot under a deadline, told anew: both were evolved by a language model (LEVI).

From github.com/UCB-ADRS/ADRS-Leaderboard at f856497, read on 2026-11-24: `solutions/cant_be_late/LEVI` (one zone) and
`solutions/cant_be_late_multi/LEVI` (several). The constants below are those of the rules. Their public evaluators put
a guard over them: `Guarded(..., bug_compatible=True)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.policies.base import Codes, Decide, Decision, Machine, Observation, Setting
from engine.policies.uniform_progress import first_with_spot
from engine.spot_market import SECONDS_AN_HOUR

_ONE_ZONE_MARGIN: Final = 0.1
"""Of the work left: with less slack than that (and two gaps and a start), a job without spot goes on demand."""
_MANY_ZONES_MARGIN: Final = 0.05
"""Of the time that the rest takes: with less slack no other zone is looked at. And of the deadline: see `_LEAST_S`."""
_LEAST_S: Final = SECONDS_AN_HOUR
"""With several zones a job waits only while its slack is more than this."""
_LOOK_ON_EVERY: Final = 10
"""Gaps: so often a job that waits goes on to look in the next zone."""


@dataclass(frozen=True)
class EvolvedOneZone:
    """Spot when it is there; without it waits while slack is ample, then stays on demand until spot is back."""

    name: str = "evolved rule"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            work_left_s = setting.work_s - seen.done_s
            slack_s = setting.deadline_s - seen.elapsed_s - work_left_s - setting.overhead_s
            ample = slack_s > 2 * setting.gap_s + _ONE_ZONE_MARGIN * work_left_s
            on_demand = seen.current == Machine.ON_DEMAND
            without = np.where(ample & ~on_demand, Machine.NONE, Machine.ON_DEMAND)
            machine = np.where(seen.here, Machine.SPOT, without)
            close = slack_s <= setting.gap_s
            held = seen.here & (seen.current == Machine.SPOT)
            machine = np.where(close & ~held, Machine.ON_DEMAND, machine)
            return Decision(np.where(work_left_s <= 0, Machine.NONE, machine), seen.zone)

        return decide


@dataclass(frozen=True)
class EvolvedManyZones:
    """Spot in the first zone that has it; else on demand when behind an even pace, and waiting when ahead of it."""

    name: str = "evolved rule"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        pace = setting.work_s / setting.deadline_s
        least_s = np.maximum(_LEAST_S, _MANY_ZONES_MARGIN * setting.deadline_s)

        def decide(seen: Observation) -> Decision:
            work_left_s = setting.work_s - seen.done_s
            left_s = setting.deadline_s - seen.elapsed_s
            close = left_s <= (1 + _MANY_ZONES_MARGIN) * (work_left_s + setting.overhead_s)
            spot_zone = np.where(close, seen.zone, first_with_spot(seen))
            spot = np.where(close, seen.here, seen.available.any(axis=1))
            behind = seen.done_s < pace * seen.elapsed_s
            waits = ~spot & ~close & ~behind & (left_s - work_left_s > least_s)
            machine = np.where(spot, Machine.SPOT, np.where(waits, Machine.NONE, Machine.ON_DEMAND))
            zone = np.where(spot, spot_zone, np.where(waits, _next_look(setting, seen), seen.zone))
            return Decision(np.where(work_left_s <= 0, Machine.NONE, machine), zone)

        return decide


def _next_look(setting: Setting, seen: Observation) -> Codes:
    """(R,): the zone that a job without a machine looks at."""
    goes_on = int(seen.elapsed_s // setting.gap_s) % _LOOK_ON_EVERY == 0
    return (seen.zone + 1) % setting.zones if goes_on else seen.zone
