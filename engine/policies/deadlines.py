"""How close a deadline is, in whole gaps: what the published policies ask before each gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.policies.base import PAID_S, Codes, Machine, Observation, Setting
from engine.spot_market import Figures, Flags


@dataclass(frozen=True)
class Closeness:
    """Where R runs stand against their deadlines; each of shape (R,).

    `work_left_s`; `done`, nothing is left; `last_call`, a start on demand in this gap is the last that surely
    ends in time; `last_detour`, one more start before that one is the last.
    """

    work_left_s: Figures
    done: Flags
    last_call: Flags
    last_detour: Flags


def closeness(setting: Setting, seen: Observation) -> Closeness:
    """`last_call` is n(1) >= left, `last_detour` n(2) >= left, all counted in gaps.

    n(k) = ceil((work left + k overheads) / gap) is what k starts need, left = floor((deadline - elapsed) / gap).
    """
    gap_s = setting.gap_s
    work_left_s = setting.work_s - seen.done_s
    left = np.floor((setting.deadline_s - seen.elapsed_s) / gap_s)
    done = work_left_s <= PAID_S
    return Closeness(
        work_left_s=work_left_s,
        done=done,
        last_call=~done & (np.ceil((work_left_s + setting.overhead_s) / gap_s) >= left),
        last_detour=~done & (np.ceil((work_left_s + 2 * setting.overhead_s) / gap_s) >= left),
    )


def keep_to_deadline(setting: Setting, seen: Observation, here: Flags, wish: Codes) -> Codes:
    """The two rules of "Can't Be Late" (Wu et al., NSDI 2024, section 4) that make a wish keep its deadline.

    With time for one start only, and for two unless on spot: on demand; but a spot machine that runs, its overhead
    paid, is kept to the end, and where a start takes no time spot is never given up.

    Args:
        setting: of the runs.
        seen: at this gap.
        here: (R,), whether spot can be had where the run would take it.
        wish: (R,), the machine wished for otherwise.
    """
    close = closeness(setting, seen)
    running = (seen.current == Machine.SPOT) & (seen.pending_s < PAID_S)
    machine = np.where(close.last_detour & (seen.current != Machine.SPOT), Machine.ON_DEMAND, wish)
    machine = np.where(close.last_call, np.where(running, Machine.SPOT, Machine.ON_DEMAND), machine)
    machine = np.where(close.last_call & (setting.overhead_s == 0) & here, Machine.SPOT, machine)
    return np.where(close.done, Machine.NONE, machine)
