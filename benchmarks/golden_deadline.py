"""`python -m benchmarks.golden_deadline FILE`: our deadline simulator beside golden figures of the public one.

The file is JSON with `cases`, each a market of one zone (`gap_seconds`, `availability_rle`, `price_on_demand`,
`price_spot`), a job (`task_hours`, `deadline_hours`, `restart_overhead_hours`), `results` by policy, and where known
`only_spot_with_FIXED_guard` (the guard without its fault) and `omniscient_cost`. Whatever a result holds of cost,
counts of gaps, finish, lateness and run-length actions is compared. Exit code: 0, 1 if anything differs, 64 if there is
nothing to compare.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.trace_folders import text_of
from benchmarks.usage import Parser, refuse
from engine.omniscient import omniscient_usd
from engine.policies.base import Machine, Policy
from engine.policies.greedy import Greedy, SpotOnly
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import Runs, runs_of, simulate
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Trace, market_of

TOLERANCE_USD: Final = 1e-6
OMNISCIENT: Final = "omniscient_cost"
FIXED_GUARD: Final = "only_spot_with_FIXED_guard"
POLICIES: Final[Mapping[str, Policy]] = {
    "on_demand_only": OnDemandOnly(),
    "greedy": Greedy(),
    "uniform_progress": UniformProgress(),
    "uniform_progress_no_hysteresis": UniformProgress(hysteresis=False),
    "only_spot_with_guard": SpotOnly(),
}
"""By their names in golden files."""
LETTERS: Final = {Machine.NONE: ".", Machine.SPOT: "S", Machine.ON_DEMAND: "O"}
HEADER: Final = f"{'case':28} {'policy':30} {'ours $':>13} {'golden $':>13} {'finish':>6}  differences"


@dataclass(frozen=True)
class Check:
    """One policy on one case: what came out, and in words where it is not what it should be."""

    case: str
    policy: str
    ours_usd: float | None
    golden_usd: float | None
    finish_gap: int | None
    differences: tuple[str, ...]

    def line(self) -> str:
        """A line of the table."""
        finish = "-" if self.finish_gap is None else f"{self.finish_gap}"
        return (
            f"{self.case:28} {self.policy:30} {_text(self.ours_usd)} {_text(self.golden_usd)} {finish:>6}"
            f"  {'; '.join(self.differences) or 'none'}"
        )


class GoldenError(ValueError):
    """The file is no golden file, or a case of it is malformed."""


def checks_of(case: Mapping[str, Any], name: str) -> Iterator[Check]:
    """Every policy that the case tells of and that we know.

    Raises:
        GoldenError: a field of the market or of the job is missing or is no number.
    """
    runs = _runs_of(case, name)
    for policy, golden in case.get("results", {}).items():
        if policy in POLICIES:
            yield _check(name, policy, runs, Guarded(POLICIES[policy], bug_compatible=True), golden)
    if case.get(FIXED_GUARD):
        yield _check(name, FIXED_GUARD, runs, Guarded(SpotOnly()), case[FIXED_GUARD])
    if OMNISCIENT in case:
        yield _omniscient(name, runs, case[OMNISCIENT])


def unknown_in(case: Mapping[str, Any]) -> list[str]:
    """The policies of a case that we have no rule for."""
    return [policy for policy in case.get("results", {}) if policy not in POLICIES]


def _runs_of(case: Mapping[str, Any], name: str) -> Runs:
    try:
        flags = [np.full(length, bool(up), dtype=np.bool_) for up, length in case["availability_rle"]]
        trace = Trace(name, "", float(case["gap_seconds"]), np.concatenate(flags))
        hours = [float(case[key]) for key in ("task_hours", "deadline_hours", "restart_overhead_hours")]
        market = market_of(
            [trace], spot_usd_h=float(case["price_spot"]), on_demand_usd_h=float(case["price_on_demand"])
        )
        return runs_of([(market, DeadlineJob(*(hour * SECONDS_AN_HOUR for hour in hours)))])
    except (KeyError, TypeError, ValueError) as fault:
        raise GoldenError(f"{name}: {type(fault).__name__}: {fault}") from fault


def _check(case: str, name: str, runs: Runs, policy: Policy, golden: Mapping[str, Any]) -> Check:
    outcome = simulate(runs, policy, reference=True)
    finish_gap = int(outcome.finish_gap[0])
    machines = outcome.machines[0, :finish_gap].tolist()
    ours: dict[str, object] = {
        "cost": float(outcome.cost_usd[0]),
        "spot_gaps": int(outcome.spot_gaps[0]),
        "on_demand_gaps": int(outcome.on_demand_gaps[0]),
        "finish_gap": finish_gap,
        "late": bool(outcome.late[0]),
        "actions": " ".join(f"{LETTERS[machine]}{len(list(run))}" for machine, run in groupby(machines)),
    }
    differences = [
        f"{key} is {figure}, not {golden[key]}"
        for key, figure in ours.items()
        if key in golden and not _same(figure, golden[key])
    ]
    return Check(case, name, float(outcome.cost_usd[0]), golden.get("cost"), finish_gap, tuple(differences))


def _omniscient(case: str, runs: Runs, golden_usd: float | None) -> Check:
    """Where no schedule keeps the deadline there is no optimum, and the file has null."""
    least = float(omniscient_usd(runs)[0])
    ours_usd = least if np.isfinite(least) else None
    differences = () if _same(ours_usd, golden_usd) else (f"cost is {ours_usd}, not {golden_usd}",)
    return Check(case, OMNISCIENT, ours_usd, golden_usd, None, differences)


def _same(ours: object, golden: object) -> bool:
    if isinstance(ours, float) and isinstance(golden, int | float):
        return abs(ours - golden) <= TOLERANCE_USD
    return ours == golden


def _text(usd: float | None) -> str:
    return f"{'-':>13}" if usd is None else f"{usd:13.6f}"


def main() -> None:
    """Compare every case of the file that is named."""
    parser = Parser(
        prog="python -m benchmarks.golden_deadline", description="Our deadline simulator beside golden figures."
    )
    parser.add_argument("file", type=Path, help="golden cases: JSON with `cases`")
    file = parser.parse_args().file
    checks: list[Check] = []
    unknown = 0
    try:
        for number, case in enumerate(cases := _cases(text_of(file))):
            found = list(checks_of(case, str(case.get("name", f"case {number}"))))
            checks += found
            unknown += len(unknown_in(case))
    except GoldenError as error:
        refuse(f"{file}: {error}")
    if not checks:
        refuse(f"{file}: there is nothing to compare")
    print(HEADER)
    for check in checks:
        print(check.line())
    differing = sum(bool(check.differences) for check in checks)
    print(f"{len(cases)} cases, {len(checks)} checks, {differing} differ, {unknown} results of unknown policies")
    sys.exit(1 if differing else 0)


def _cases(text: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise GoldenError(f"no JSON: {error}") from error
    cases = found.get("cases") if isinstance(found, dict) else None
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise GoldenError("no golden file: it has no list `cases` of objects")
    return cases


if __name__ == "__main__":
    main()
