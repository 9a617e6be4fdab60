"""The simulator and the published policies against figures that the public simulators gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from engine.policies.base import Codes, Policy
from engine.policies.greedy import Greedy, SpotOnly
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import Outcome, Runs, bill_at_first_price, runs_of, simulate
from tests.kits.deadline_runs import RoundRobin, golden_case, public_runs, public_scenarios

PUBLISHED: Final[Mapping[str, Policy]] = {
    "on_demand_only": OnDemandOnly(),
    "greedy": Greedy(),
    "uniform_progress": UniformProgress(),
    "uniform_progress_no_hysteresis": UniformProgress(hysteresis=False),
    "only_spot_with_guard": SpotOnly(),
}
MEANS_USD: Final = {
    "on_demand_only": (147.390, 3),
    "greedy": (119.0345, 4),
    "uniform_progress": (101.6827, 4),
    "uniform_progress_no_hysteresis": (97.2399, 4),
}
"""Over the 1,080 public runs, and the digits that were printed."""
SEVERAL_ZONES: Final[Mapping[str, Policy]] = {
    "on_demand": Guarded(OnDemandOnly(), bug_compatible=True),
    "adrs_baseline": Guarded(RoundRobin(), bug_compatible=True),
    "up_any_region(own port)": Guarded(UniformProgress(any_zone=True), bug_compatible=True),
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> list[dict[str, Any]]:
    """The 12 cases of one zone."""
    cases: list[dict[str, Any]] = json.loads((shared / "golden/deadline.json").read_text())["cases"]
    return cases


@pytest.fixture(scope="module")
def one_zone(shared: Path) -> Runs:
    """The 1,080 public runs."""
    return public_runs(shared / "data/traces")


@pytest.fixture(scope="module")
def several_zones(shared: Path) -> dict[str, Runs]:
    """The 34 public runs of several zones, by scenario."""
    return public_scenarios(shared / "data/traces")


@pytest.fixture(scope="module")
def outcomes(several_zones: dict[str, Runs]) -> dict[str, dict[str, Outcome]]:
    """What became of them, by policy and scenario."""
    return {
        name: {scenario: simulate(runs, policy, reference=True) for scenario, runs in several_zones.items()}
        for name, policy in SEVERAL_ZONES.items()
    }


def run_lengths(machines: Codes) -> str:
    """`.` for no machine, `S` for spot, `O` for on demand, each with the number of gaps in a row."""
    return " ".join(f"{'.SO'[machine]}{len(list(group))}" for machine, group in groupby(machines.tolist()))


def of_case(outcome: Outcome) -> dict[str, Any]:
    """What the golden file says of a run."""
    finish_gap = int(outcome.finish_gap[0])
    return {
        "cost": pytest.approx(outcome.cost_usd[0], abs=1e-6),
        "spot_gaps": outcome.spot_gaps[0],
        "on_demand_gaps": outcome.on_demand_gaps[0],
        "finish_gap": finish_gap,
        "late": outcome.late[0],
        "actions": run_lengths(outcome.machines[0, :finish_gap]),
    }


def moves(outcome: Outcome) -> list[int]:
    """How often each run was on a machine in another zone than on the machine before."""
    taken = [zones[machines > 0] for machines, zones in zip(outcome.machines, outcome.zones, strict=True)]
    return [int(np.count_nonzero(np.diff(zones))) for zones in taken]


@pytest.mark.parametrize("name", PUBLISHED)
def test_golden_cases(golden: list[dict[str, Any]], name: str) -> None:
    """Costs, gaps, finish, lateness and the machine of every gap, under the guard with its fault."""
    assert len(golden) == 12
    for case in golden:
        runs = runs_of([golden_case(case)])
        found = of_case(simulate(runs, Guarded(PUBLISHED[name], bug_compatible=True), reference=True))
        expected = {key: value for key, value in case["results"][name].items() if key != "deadline_gaps"}
        assert found == expected, case["name"]


def test_golden_cases_of_the_guard_without_its_fault(golden: list[dict[str, Any]]) -> None:
    """Spot only, overruled by the machine after the interruption: the same but where the fault told, and never late."""
    differ = []
    for case in golden:
        outcome = simulate(runs_of([golden_case(case)]), Guarded(SpotOnly()), reference=True)
        found = {key: value for key, value in of_case(outcome).items() if not key.endswith("_gaps")}
        expected = {key: value for key, value in case["only_spot_with_FIXED_guard"].items() if key != "note"}
        assert found == expected, case["name"]
        if expected["actions"] != case["results"]["only_spot_with_guard"]["actions"]:
            differ.append(case["name"])
    assert differ == ["aws2023_gap195_short", "synthetic_guard_quirk"]


@pytest.mark.parametrize("name", MEANS_USD)
def test_golden_means_of_the_public_runs(one_zone: Runs, name: str) -> None:
    """The mean cost of each published policy over the 1,080 runs, to the printed digit."""
    assert len(one_zone) == 1080
    usd, digits = MEANS_USD[name]
    outcome = simulate(one_zone, Guarded(PUBLISHED[name], bug_compatible=True), reference=True)
    assert round(float(outcome.cost_usd.mean()), digits) == usd


@pytest.mark.parametrize("name", SEVERAL_ZONES)
def test_golden_runs_of_several_zones(
    shared: Path, several_zones: dict[str, Runs], outcomes: dict[str, dict[str, Outcome]], name: str
) -> None:
    """Both bills, the gaps and the moves of each of the 34 runs."""
    golden = json.loads((shared / "golden/deadline_multi.json").read_text())[name]
    assert sum(map(len, golden.values())) == 34
    for scenario, outcome in outcomes[name].items():
        figures = {
            "per_tick_price": outcome.cost_usd,
            "official": bill_at_first_price(several_zones[scenario], outcome),
            "spot_gaps": outcome.spot_gaps,
            "od_gaps": outcome.on_demand_gaps,
            "late": outcome.late,
            "moves": moves(outcome),
        }
        for key, found in figures.items():
            assert found == pytest.approx(np.array([run[key] for run in golden[scenario]]), abs=1e-6), (scenario, key)


def test_golden_mean_of_uniform_progress_in_any_zone(outcomes: dict[str, dict[str, Outcome]]) -> None:
    """78.46 USD, the mean over the six scenarios of their means."""
    means = [outcome.cost_usd.mean() for outcome in outcomes["up_any_region(own port)"].values()]
    assert len(means) == 6
    assert round(float(np.mean(means)), 2) == 78.46
