"""`python -m benchmarks.deadline --fit FOLDER... --eval FOLDER [--windows FILE] [--multi]`: policies on recorded spot.

Models are fitted to the traces of some folders; every policy is replayed on those of another: 48 h of work, deadlines
of 52 and 70 h, 0.02, 0.05 and 0.1 h for a start, windows every 140 gaps where no file names them, prices of the traces,
else 0.9731 and 3.06 $/h. With `--multi` zones of one date and machine are replayed side by side (0.2 h for a start too;
in windows of a file that and 52 h alone), and means are those of the scenarios' means.

What is evaluated, and the windows of `--leave-out`, are cut out of what is fitted to. Each zone has the model of its
own traces where there are any, else that of all zones.

Published policies are replayed twice: by the rules of the public simulators (their guard, which can end a gap late;
with several zones, moves of running machines for nothing), so that the published means come out, and by honest ones.
Exit code: 0, 1 if ours is late or below the optimum, 64 if there is nothing to replay or to fit to.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.baselines.evolved_rules import EvolvedManyZones, EvolvedOneZone
from benchmarks.deadline_windows import (
    DEADLINES_H,
    MOVE_OVERHEAD_H,
    OVERHEADS_H,
    WORK_H,
    Chosen,
    Windows,
    beside,
    of_one_zone,
    of_several_zones,
    read,
)
from benchmarks.trace_folders import traces_in
from benchmarks.usage import Parser, refuse
from engine.held_out import Recorded, Span, dated, without
from engine.policies.base import Policy
from engine.policies.greedy import Greedy
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.registry import Maker
from engine.policies.stochastic import StochasticDynamic
from engine.policies.uniform_progress import UniformProgress
from engine.replay import Batch, Case, batched, optimum_usd, replayed
from engine.replay_cases import cases_of, jobs_of
from engine.spot_fits import ZoneModels
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Figures, Flags, Trace
from engine.trace_fields import TraceError
from engine.trace_windows import EVERY_GAPS, ScenarioRun, ScenarioWindows, ZoneWindows

SPOT_USD_H: Final = 0.9731
ON_DEMAND_USD_H: Final = 3.06
TOLERANCE_USD: Final = 1e-6
OURS: Final = "ours: stochastic dynamic"
ONE_ZONE: Final = (
    OnDemandOnly(),
    Greedy(),
    UniformProgress(),
    UniformProgress(hysteresis=False),
    EvolvedOneZone(),
)
SEVERAL_ZONES: Final = (OnDemandOnly(), UniformProgress(any_zone=True), EvolvedManyZones())
HEADER: Final = f"{'policy':36} {'rules':6} {'mean $':>9} {'sd $':>8} {'late':>5} {'of optimum':>10} {'CPU s':>8}"


@dataclass(frozen=True)
class Contestant:
    """A policy, and by whose rules it is replayed: the public simulators', or honest ones."""

    name: str
    maker: Maker
    public: bool

    @property
    def rules(self) -> str:
        """As the table has it."""
        return "public" if self.public else "honest"


@dataclass(frozen=True, eq=False)
class Row:
    """What became of N runs: `cost_usd` and `late` (N,), None of an optimum; `cpu_s` of all together."""

    name: str
    rules: str
    cost_usd: Figures
    late: Flags | None
    cpu_s: float


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each of N runs counts in a mean, (N,), adding up to 1."""

    of_runs: Figures

    @classmethod
    def of(cls, groups: Sequence[str], *, by_group: bool) -> Weights:
        """Runs count alike, or groups do and within them runs."""
        _, group, runs = np.unique(groups, return_inverse=True, return_counts=True)
        each = 1 / (len(runs) * runs[group]) if by_group else np.full(len(groups), 1 / len(groups))
        return cls(each)

    def mean(self, figures: Figures) -> float:
        """The weighted mean."""
        return float(self.of_runs @ figures)

    def sd(self, figures: Figures) -> float:
        """The weighted standard deviation."""
        return float(np.sqrt(self.of_runs @ (figures - self.mean(figures)) ** 2))

    def line(self, row: Row, optimum: Figures) -> str:
        """A line of the table."""
        mean_usd, least_usd = self.mean(row.cost_usd), self.mean(optimum)
        late = "-" if row.late is None else f"{row.late.sum()}"
        return (
            f"{row.name:36} {row.rules:6} {mean_usd:9.4f} {self.sd(row.cost_usd):8.3f} {late:>5}"
            f" {mean_usd / least_usd:10.4f} {row.cpu_s:8.2f}"
        )


def contestants(*, multi: bool) -> Iterator[Contestant]:
    """Published policies by both rules, then ours; in one zone ours under the public guard too."""
    published = SEVERAL_ZONES if multi else ONE_ZONE
    for public in (True, False):
        for policy in published:
            yield Contestant(policy.name, _guarded(policy, public=public), public)
    yield Contestant(OURS, StochasticDynamic, public=False)
    if not multi:
        yield Contestant(OURS, lambda models: Guarded(StochasticDynamic(models), bug_compatible=True), public=True)


def _guarded(policy: Policy, *, public: bool) -> Maker:
    return lambda _: Guarded(policy, bug_compatible=public)


def main() -> None:
    """Fit, replay, print."""
    parser = Parser(prog="python -m benchmarks.deadline", description="Policies with a deadline on recorded spot.")
    parser.add_argument("--fit", nargs="+", type=Path, required=True, metavar="FOLDER", help="traces to fit to")
    parser.add_argument("--eval", type=Path, required=True, metavar="FOLDER", help="traces to replay")
    parser.add_argument("--windows", type=Path, metavar="FILE", help="which windows; else --every")
    parser.add_argument("--every", type=int, default=EVERY_GAPS, metavar="GAPS", help="how far apart windows begin")
    parser.add_argument(
        "--leave-out", nargs="+", type=Path, default=[], metavar="FILE", help="windows not to be fitted to either"
    )
    parser.add_argument("--multi", action="store_true", help="several zones at once")
    arguments = parser.parse_args()
    if arguments.every < 1:
        parser.error("--every takes 1 gap or more")
    multi: bool = arguments.multi
    named = None if arguments.windows is None else read(arguments.windows)
    others = beside(arguments.windows) if multi and named is not None else []
    left_out = [read(path) for path in arguments.leave_out]
    known = [window for found in (named, *others, *left_out) for window in _cut_already(found)]
    fit, evaluated = (dated(_recorded(folders), known) for folders in (arguments.fit, [arguments.eval]))

    if multi:
        chosen = of_several_zones(evaluated, named, others, arguments.every)
    else:
        chosen = of_one_zone(evaluated, named, arguments.every)
    spans = [stretch.span for found in (chosen, *(_found(fit, one) for one in left_out)) for stretch in found.stretches]
    expected = _fitted(fit, [span for span in spans if span is not None])
    cases = _cases(chosen, _jobs(multi=multi, named=named is not None), expected)
    sys.exit(_reported(cases, multi=multi))


def _recorded(folders: Sequence[Path]) -> list[Recorded]:
    """Every file once, though folders may lie in each other."""
    files = {path: trace for folder in folders for path, trace in traces_in(folder.resolve()).items()}
    return [Recorded(path.parent, trace) for path, trace in files.items() if trace.gaps]


def _cut_already(windows: Windows | None) -> list[Trace]:
    if not isinstance(windows, ZoneWindows):
        return []
    return [window for of_zone in windows.by_zone.values() for window in of_zone]


def _found(recorded: Sequence[Recorded], windows: Windows) -> Chosen:
    """Windows that are only to be left out, of one zone or several."""
    if isinstance(windows, ScenarioWindows):
        return of_several_zones(recorded, windows)
    return of_one_zone(recorded, windows)


def _fitted(fit: Sequence[Recorded], spans: Sequence[Span]) -> ZoneModels:
    """The models, and a line of what they are fitted to."""
    kept = list(without(fit, spans))
    if not kept:
        refuse("there is nothing to fit to: no trace, or all of their dates are evaluated or left out")
    expected = ZoneModels.fitted(kept)
    given_h, kept_h = (
        sum(one.gaps * one.gap_s for one in traces) / SECONDS_AN_HOUR for traces in ([one.trace for one in fit], kept)
    )
    print(
        f"fitted to: {len(fit)} traces of {given_h:,.0f} h, without {given_h - kept_h:,.0f} h that are evaluated, left"
        f" out or too short; {len(expected.pooled.classes)} classes, {len(expected.own)} series with their own weights"
    )
    return expected


def _jobs(*, multi: bool, named: bool) -> tuple[DeadlineJob, ...]:
    deadlines_h: tuple[float, ...] = DEADLINES_H
    overheads_h: tuple[float, ...] = OVERHEADS_H
    if multi:
        deadlines_h = DEADLINES_H[:1] if named else DEADLINES_H
        overheads_h = (MOVE_OVERHEAD_H,) if named else (*OVERHEADS_H, MOVE_OVERHEAD_H)
    seconds = ([hours * SECONDS_AN_HOUR for hours in figures] for figures in (deadlines_h, overheads_h))
    return jobs_of(WORK_H * SECONDS_AN_HOUR, *seconds)


def _cases(chosen: Chosen, jobs: Sequence[DeadlineJob], expected: ZoneModels) -> list[Case]:
    """Every job in every window that lasts until its deadline, and a line of how many there are."""
    cases: list[Case] = []
    for stretch in chosen.stretches:
        lasts_s = stretch.traces[0].gaps * stretch.traces[0].gap_s
        in_time = [job for job in jobs if job.deadline_s <= lasts_s]
        run = ScenarioRun(stretch.group, 0, stretch.traces)
        models = expected.of(stretch.traces)
        try:
            found = cases_of([run], in_time, spot_usd_h=SPOT_USD_H, on_demand_usd_h=ON_DEMAND_USD_H)
        except TraceError as error:
            refuse(str(error))
        cases += [replace(case, models=models) for case in found]
    too_long = len(chosen.stretches) * len(jobs) - len(cases)
    if not cases:
        refuse(f"no window lasts until a deadline; {chosen.missing} have no trace, or reach beyond its end")
    print(
        f"replayed: {len(cases)} runs in {len(chosen.stretches)} windows; left out: {chosen.missing} windows without a"
        f" trace that holds them, {too_long} runs whose deadline is after the end of their window\n"
    )
    return cases


def _reported(cases: Sequence[Case], *, multi: bool) -> int:
    """Replays and prints the tables; the exit code."""
    batches, groups = batched(cases), [case.label for case in cases]
    weights = Weights.of(groups, by_group=multi)
    start = time.process_time()
    least_usd = optimum_usd(batches)
    optimum = Row("omniscient optimum", "honest", least_usd, None, time.process_time() - start)
    rows: list[Row] = []
    print(HEADER)
    for one in contestants(multi=multi):
        rows.append(_row(one, batches))
        print(weights.line(rows[-1], least_usd), flush=True)
    print(weights.line(optimum, least_usd), end="\n\n")
    _print_groups(groups, (*rows, optimum))
    ours = next(row for row in rows if (row.name, row.rules) == (OURS, "honest"))
    below = int((ours.cost_usd < least_usd - TOLERANCE_USD).sum())
    late = int(ours.late.sum()) if ours.late is not None else 0
    print(f"\nours by honest rules: {late} late, {below} below the optimum")
    return 1 if late or below else 0


def _row(one: Contestant, batches: Sequence[Batch]) -> Row:
    """All runs with one policy."""
    start = time.process_time()
    found = replayed(batches, one.name, one.maker, reference=one.public)
    return Row(one.name, one.rules, found.cost_usd, found.late, time.process_time() - start)


def _print_groups(groups: Sequence[str], rows: Sequence[Row]) -> None:
    """The mean cost in each group of windows: of the best published, of ours and of the optimum."""
    shown = [row for row in rows if row.rules == "honest"][-3:]
    print(f"{'mean $ by honest rules':36} {'runs':>5} {''.join(f'{row.name:>26}' for row in shown)}")
    for group in dict.fromkeys(groups):
        rows_of_group = np.array([one == group for one in groups])
        means = "".join(f"{row.cost_usd[rows_of_group].mean():26.4f}" for row in shown)
        print(f"{group:36} {rows_of_group.sum():5} {means}")


if __name__ == "__main__":
    main()
