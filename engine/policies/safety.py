"""The rule that makes a missed deadline impossible while machines on demand can be had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import PAID_S, Machine, Observation, Setting
from engine.spot_market import Figures, Flags


@dataclass(frozen=True)
class Safe:
    """What R runs may do in this gap and still be in time, whatever spot capacity does next.

    `wait` and `start_spot` (in any zone), of shape (R,); `stay`, to keep the spot machine they are on.
    """

    wait: Flags
    start_spot: Flags
    stay: Flags


def deadline_in_gaps_s(setting: Setting) -> Figures:
    """(R,): the end of the last whole gap before each deadline; a run that ends by then is in time by any count."""
    return np.floor(setting.deadline_s / setting.gap_s + 1e-9) * setting.gap_s


def safe(setting: Setting, seen: Observation) -> Safe:
    """What leaves time, after this gap, for all work that is then left and one start on demand.

    With w the work left and r what is unpaid of the overhead, a machine does max(0, gap - r) of work in the gap; it is
    lost at its end in the worst case, so that the overhead d comes anew: w - max(0, gap - r) + d must fit into what is
    then left of the time, if the work is not done by then. A run that never leaves this set can always still go on
    demand in time; one that begins outside of it cannot be in time at all.
    """
    work_left_s = setting.work_s - seen.done_s
    time_left_s = deadline_in_gaps_s(setting) - seen.elapsed_s - setting.gap_s
    room_s = time_left_s - work_left_s - setting.overhead_s + PAID_S
    in_time = time_left_s >= -PAID_S
    worked_anew_s = np.maximum(setting.gap_s - setting.overhead_s, 0.0)
    worked_on_s = np.maximum(setting.gap_s - seen.pending_s, 0.0)
    return Safe(
        wait=room_s >= 0,
        start_spot=(room_s + worked_anew_s >= 0) | (in_time & (work_left_s <= worked_anew_s)),
        stay=(seen.current == Machine.SPOT) & ((room_s + worked_on_s >= 0) | (in_time & (work_left_s <= worked_on_s))),
    )
