"""The runs that published figures of deadline policies are of, and a policy that only those figures know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.policies.base import Decide, Decision, Machine, Observation, Setting
from engine.policies.deadlines import keep_to_deadline
from engine.simulator import Runs, runs_of
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, SpotMarket, Trace, market_of
from engine.trace_text import read_trace
from engine.trace_windows import ScenarioWindows, SingleWindows, ZoneWindows, cut, read_windows, scenario_runs

WORK_H: Final = 48.0
DEADLINES_H: Final = (52.0, 70.0)
OVERHEADS_H: Final = (0.02, 0.05, 0.1)


def job_of(work_h: float, deadline_h: float, overhead_h: float) -> DeadlineJob:
    """The job of these hours."""
    return DeadlineJob(work_h * SECONDS_AN_HOUR, deadline_h * SECONDS_AN_HOUR, overhead_h * SECONDS_AN_HOUR)


def golden_case(case: dict[str, Any]) -> tuple[SpotMarket, DeadlineJob]:
    """The market and the job of a case of golden/deadline.json."""
    flags = np.concatenate([np.full(length, up, dtype=np.bool_) for up, length in case["availability_rle"]])
    market = market_of(
        [Trace("zone", "machine", case["gap_seconds"], flags)],
        spot_usd_h=case["price_spot"],
        on_demand_usd_h=case["price_on_demand"],
    )
    return market, job_of(case["task_hours"], case["deadline_hours"], case["restart_overhead_hours"])


def public_runs(traces: Path, *, every: int = 1) -> Runs:
    """The 1,080 runs of one zone: windows (every so many of them) with both deadlines and all overheads."""
    windows = read_windows((traces / "adrs/single_region_windows.json").read_text(), "windows")
    assert isinstance(windows, SingleWindows)
    folder = traces / "aws-2022/P1_2022-10-26"
    whole = [read_trace(path.read_text(), path.name) for path in sorted(folder.glob("*.json"))]
    return runs_of(
        [
            (market_of([window], spot_usd_h=0.9731, on_demand_usd_h=3.06), job_of(WORK_H, deadline_h, overhead_h))
            for window in cut(windows, whole)[::every]
            for deadline_h in DEADLINES_H
            for overhead_h in OVERHEADS_H
        ]
    )


def public_scenarios(traces: Path) -> dict[str, Runs]:
    """The 34 runs of several zones, by scenario, each gap at its own price."""
    groups = read_windows((traces / "adrs/multi_region_windows.json").read_text(), "groups")
    zones = read_windows((traces / "adrs/multi_region_windows_exact.json").read_text(), "zones")
    assert isinstance(groups, ScenarioWindows)
    assert isinstance(zones, ZoneWindows)
    job = job_of(WORK_H, 52, 0.2)
    cases: dict[str, list[tuple[SpotMarket, DeadlineJob]]] = {}
    for run in scenario_runs(groups, zones):
        market = market_of(run.traces, spot_usd_h=np.nan, on_demand_usd_h=np.nan)
        cases.setdefault(run.scenario, []).append((market, job))
    return {name: runs_of(of_scenario) for name, of_scenario in cases.items()}


@dataclass(frozen=True)
class RoundRobin:
    """Greedy that looks at the next zone while it waits.

    This is the rule that the figures named `adrs_baseline` are of: spot where the run is; without it, the next zone.
    """

    name: str = "round robin"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            wish = np.where(seen.here, Machine.SPOT, Machine.NONE)
            machine = keep_to_deadline(setting, seen, seen.here, wish)
            looks_on = (machine == Machine.NONE) & (seen.done_s < setting.work_s)
            return Decision(machine, np.where(looks_on, (seen.zone + 1) % setting.zones, seen.zone))

        return decide
