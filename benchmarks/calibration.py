"""`python -m benchmarks.calibration --fit FOLDER... --eval FOLDER`: what fitted models foretell, against what came.

A model is fitted to the traces of some folders and judged on those of another, which it has not seen: how many runs
reach each age, and of those that reached one, how many lasted an hour more, and six, beside what the model gave for it
(one forecast a run, each from what its trace had shown before). The same is done with a model that has no memory. Exit
code: 0, 1 if the model is not calibrated or no better than the one without memory, 64 if there is nothing to judge.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.trace_folders import traces_in
from benchmarks.usage import Parser, refuse
from engine.availability import AvailabilityModel, fit_availability
from engine.intervals import beta_interval
from engine.spot_forecast import Forecasts, Foretold, forecasts_at_age, forecasts_at_first_sight, foretold
from engine.spot_market import SECONDS_AN_HOUR, Trace
from engine.spot_runs import down_runs, up_runs
from engine.survival import LifeTable, life_table_of

AGES_H: Final = (0.0, 0.5, 1.0, 3.0, 6.0, 24.0)
AHEAD_H: Final = (1.0, 6.0)
SURVIVAL_H: Final = (1 / 6, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0)
TOLERANCE: Final = 0.1
"""The largest calibration error that passes. Zones differ, and drift, more than the chance of single runs would have
it: with models of other years, regions or zones it was 0.04 to 0.08 on the known series, and 0.02 with their own."""
COLUMNS: Final = 50
"""Width of the plot."""
NINETY: Final = 1.645
"""Standard errors that hold 90 % of a normal distribution between them."""
PLOT: Final = "observed o, foretold x, both *; the line is the interval of 90 % (Greenwood)"
HEADER: Final = (
    f"{'run':4} {'age h':>11} {'ahead h':>7} {'runs':>5} {'foretold':>8} {'observed':>8} {'interval 90 %':>15}"
    f" {'Brier':>7} {'memoryless':>10}"
)


@dataclass(frozen=True)
class Row:
    """Forecasts of one kind: of up (or down) runs of an age (None: at first sight) that they go on for so long."""

    up: bool
    age_h: float | None
    ahead_h: float
    ours: Forecasts
    memoryless: Forecasts

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(self.ours.came)

    @property
    def error(self) -> float:
        """By how much the mean of the chances is off from the share that came."""
        return abs(float(self.ours.chance.mean()) - float(self.ours.came.mean())) if self.runs else 0.0

    def line(self) -> str:
        """A line of the table."""
        age = "first sight" if self.age_h is None else f"{self.age_h:g}"
        came = int(self.ours.came.sum())
        low, high = beta_interval(came + 0.5, self.runs - came + 0.5)
        return (
            f"{'up' if self.up else 'down':4} {age:>11} {self.ahead_h:7g} {self.runs:5} {self.ours.chance.mean():8.3f}"
            f" {self.ours.came.mean():8.3f} {f'{low:.3f} - {high:.3f}':>15} {self.ours.brier:7.4f}"
            f" {self.memoryless.brier:10.4f}"
        )


@dataclass(frozen=True)
class Verdict:
    """Over all rows, each weighted by its runs: the calibration error, and the scores of both models."""

    error: float
    brier: float
    memoryless_brier: float
    nats_h: float
    memoryless_nats_h: float

    @property
    def passes(self) -> bool:
        """Whether the model is calibrated, and better than the one without memory by both scores."""
        better = self.brier < self.memoryless_brier and self.nats_h > self.memoryless_nats_h
        return better and self.error <= TOLERANCE

    def line(self) -> str:
        """A line of text."""
        return (
            f"calibration error {self.error:.3f} (at most {TOLERANCE:g}); Brier {self.brier:.4f}, memoryless"
            f" {self.memoryless_brier:.4f}; log-likelihood {self.nats_h:.4f} nats/h, memoryless"
            f" {self.memoryless_nats_h:.4f}; {'calibrated' if self.passes else 'NOT CALIBRATED'}"
        )


@dataclass(frozen=True)
class Judged:
    """A fitted model, what it makes of each of some traces, and how good that is."""

    model: AvailabilityModel
    seen: tuple[Foretold, ...]
    rows: tuple[Row, ...]
    verdict: Verdict


def judged(fit: Sequence[Trace], evaluated: Sequence[Trace]) -> Judged:
    """The model that was fitted to some traces, judged on others."""
    model = fit_availability(fit)
    memoryless = fit_availability(fit, edges_h=(0.0,), most_classes=1)
    traces = [trace for trace in evaluated if trace.gaps]
    ours, theirs = (tuple(foretold(one, trace) for trace in traces) for one in (model, memoryless))
    rows = tuple(row for row in _rows(ours, theirs) if row.runs)
    hours = sum(trace.gaps * trace.gap_s for trace in traces) / SECONDS_AN_HOUR
    verdict = Verdict(
        _mean(rows, [row.error for row in rows]),
        _mean(rows, [row.ours.brier or 0.0 for row in rows]),
        _mean(rows, [row.memoryless.brier or 0.0 for row in rows]),
        sum(one.log_likelihood for one in ours) / hours,
        sum(one.log_likelihood for one in theirs) / hours,
    )
    return Judged(model, ours, rows, verdict)


def _mean(rows: Sequence[Row], figures: Sequence[float]) -> float:
    return float(np.average(figures, weights=[row.runs for row in rows]))


def _rows(ours: Sequence[Foretold], memoryless: Sequence[Foretold]) -> Iterator[Row]:
    for up in (True, False):
        for ahead_h in AHEAD_H:
            for age_h in AGES_H:
                at_age = [forecasts_at_age(seen, up=up, age_h=age_h, ahead_h=ahead_h) for seen in (ours, memoryless)]
                yield Row(up, age_h, ahead_h, *at_age)
            first = [_first_sight(seen, up, ahead_h) for seen in (ours, memoryless)]
            yield Row(up, None, ahead_h, *first)


def _first_sight(seen: Sequence[Foretold], up: bool, ahead_h: float) -> Forecasts:
    return forecasts_at_first_sight(seen[0].model, [one.trace for one in seen], up=up, ahead_h=ahead_h)


def plot(seen: Sequence[Foretold], *, up: bool) -> Iterator[str]:
    """The survival of runs by age as lines of text: Kaplan-Meier's of what came, and what was foretold at the start."""
    table = life_table_of([up_runs(one.trace) if up else down_runs(one.trace) for one in seen])
    yield f"{'up' if up else 'down'} runs that last, by hours; {PLOT}"
    yield f"{'h':>6} 0 %{'100 %':>{COLUMNS - 3}}"
    for age_h in SURVIVAL_H:
        forecasts = forecasts_at_age(seen, up=up, age_h=0.0, ahead_h=age_h)
        if len(forecasts.came):
            yield f"{age_h:6.2f} {_bar(table, age_h, float(forecasts.chance.mean()))}"


def _bar(table: LifeTable, age_h: float, foretold: float) -> str:
    observed = float(table.survival_beyond(age_h))
    spread = NINETY * float(table.survival_error(age_h))
    cells = [" "] * (COLUMNS + 1)
    for column in range(_column(observed - spread), _column(observed + spread) + 1):
        cells[column] = "-"
    cells[_column(observed)] = "o"
    cells[_column(foretold)] = "*" if _column(foretold) == _column(observed) else "x"
    return f"{''.join(cells)} {observed:.3f} {foretold:.3f}"


def _column(share: float) -> int:
    return round(min(max(share, 0.0), 1.0) * COLUMNS)


def main() -> None:
    """Fit on the traces of some folders, judge on those of another."""
    parser = Parser(prog="python -m benchmarks.calibration", description="Forecasts of fitted models against traces.")
    parser.add_argument("--fit", nargs="+", type=Path, required=True, metavar="FOLDER", help="traces to fit to")
    parser.add_argument("--eval", type=Path, required=True, metavar="FOLDER", help="traces to judge on")
    arguments = parser.parse_args()
    fit = [trace for folder in arguments.fit for trace in _read(folder)]
    evaluated = _read(arguments.eval)
    found = judged(fit, evaluated)
    if not found.rows:
        refuse(f"{arguments.eval}: no run whose beginning and end were seen")
    print(f"{len(fit)} traces fitted, {len(found.model.classes)} classes; {len(found.seen)} traces judged")
    print(HEADER)
    for row in found.rows:
        print(row.line())
    for up in (True, False):
        print()
        for line in plot(found.seen, up=up):
            print(line)
    print()
    print(found.verdict.line())
    sys.exit(0 if found.verdict.passes else 1)


def _read(folder: Path) -> list[Trace]:
    """The traces of a folder and of those below."""
    traces = list(traces_in(folder).values())
    if not traces:
        refuse(f"{folder}: no trace (*.json, *.csv) is in it")
    return traces


if __name__ == "__main__":
    main()
