"""The optimum the slow way: every schedule of a tiny deadline job, replayed by the simulator."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np

from engine.policies.base import Codes, Machine
from engine.policies.scripted import Scripted
from engine.simulator import runs_of, simulate
from engine.spot_market import DeadlineJob, SpotMarket


def cheapest_of_all(market: SpotMarket, job: DeadlineJob) -> float:
    """The cost in USD of the cheapest of all schedules that finish in time; infinity where none does."""
    within = ceil(job.deadline_s / market.gap_s)
    machine, zone = _all_schedules(len(market.zones), within)
    # A job that the schedule leaves undone is late already; it goes on until it is done, so that the replay can end.
    beyond = ceil((job.work_s + job.overhead_s) / market.gap_s) + 2
    machine = np.pad(machine, ((0, 0), (0, beyond)), constant_values=Machine.ON_DEMAND)
    zone = np.pad(zone, ((0, 0), (0, beyond)), mode="edge")
    outcome = simulate(runs_of([(market, job)] * len(machine)), Scripted(machine, zone))
    return float(outcome.cost_usd[~outcome.late].min(initial=np.inf))


def _all_schedules(zones: int, gaps: int) -> tuple[Codes, Codes]:
    """The machines and the zones, (S, gaps) each."""
    takes = [(Machine.NONE, 0), *product((Machine.SPOT, Machine.ON_DEMAND), range(zones))]
    taken = np.array(list(product(takes, repeat=gaps)), dtype=np.int64)
    return taken[:, :, 0], taken[:, :, 1]
