"""`python -m benchmarks.golden_placement FOLDER`: our plans beside SkyPilot's, under SkyPilot's own cost model.

Every `*.json` of the folder is a case (benchmarks.skypilot_model). A line a file says what ours and theirs come to, in
$ or in s as the case's objective has it, and for the objective time what they cost where prices are at hand: in the
case of the same name without `_time`, or as hourly prices. Exit code: 0, 1 if a plan of ours is worse, 64 if there is
nothing to compare.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.skypilot_model import Case, CaseError, figures, problem_of, read_case, usd_of
from benchmarks.usage import Parser, refuse
from engine.problems.dag import solve
from engine.workload import Objective

TOLERANCE: Final = 1e-6
"""How far ours may lie above theirs, relative to it."""
TIME_SUFFIX: Final = "_time"
HEADER: Final = f"{'file':32} {'objective':9} {'ours':>16} {'theirs':>16} {'difference':>12} {'CPU s':>8}"


@dataclass(frozen=True)
class Comparison:
    """One case: figures in $ or s as the objective has it, and $ beside; None is what is not known."""

    file: str
    objective: Objective
    ours: float | None
    theirs: float | None
    our_usd: float | None
    their_usd: float | None
    cpu_s: float

    @property
    def worse(self) -> bool:
        """Whether ours is above theirs by the objective or, for time, by the cost; no plan at all is worse than any."""
        return self.ours is None or _above(self.ours, self.theirs) or _above(self.our_usd, self.their_usd)

    def line(self) -> str:
        """A line of the table."""
        known = self.ours is not None and self.theirs is not None
        difference = f"{(self.ours or 0.0) - (self.theirs or 0.0):+12.6f}" if known else f"{'-':>12}"
        usd = ""
        if self.objective is Objective.TIME and self.our_usd is not None:
            usd = f"  ${self.our_usd:.2f}, theirs {'unknown' if self.their_usd is None else f'${self.their_usd:.2f}'}"
        return (
            f"{self.file:32} {self.objective:9} {_text(self.ours)} {_text(self.theirs)} {difference} {self.cpu_s:8.3f}"
            f"{usd}{'  WORSE' if self.worse else ''}"
        )


def _above(ours: float | None, theirs: float | None) -> bool:
    return ours is not None and theirs is not None and ours > theirs + TOLERANCE * abs(theirs)


def _text(figure: float | None) -> str:
    return f"{'-':>16}" if figure is None else f"{figure:16.6f}"


def compared(file: str, case: Case, twin: Case | None) -> Comparison:
    """Our plan of the case, judged by SkyPilot's formulas."""
    usd = usd_of(case, twin)
    start = time.process_time()
    problem = problem_of(case, usd)
    solution = solve(problem)
    cpu_s = time.process_time() - start
    timed = case.objective is Objective.TIME
    ours = our_usd = None
    if solution.choice:
        names = [task.name for task in problem.tasks]
        found = figures(case, dict(zip(names, solution.choice, strict=True)), usd)
        ours, our_usd = (found.makespan_s, found.cost_usd) if timed else (found.cost_usd, found.cost_usd)
    their_usd = case.sky_total_cost if timed else case.sky_objective
    return Comparison(file, case.objective, ours, case.sky_objective, our_usd, their_usd, cpu_s)


def main() -> None:
    """Compare every case of the folder that is named."""
    parser = Parser(
        prog="python -m benchmarks.golden_placement", description="Our plans beside SkyPilot's, by its own cost model."
    )
    parser.add_argument("folder", type=Path, help="cases, one a file: *.json")
    cases = _read(parser.parse_args().folder)
    print(HEADER)
    results = []
    for stem, case in cases.items():
        result = compared(f"{stem}.json", case, _twin(stem, cases))
        print(result.line(), flush=True)
        results.append(result)
    worse = sum(result.worse for result in results)
    print(f"{len(results)} files, {worse} worse, {sum(result.cpu_s for result in results):.3f} CPU s")
    sys.exit(1 if worse else 0)


def _read(folder: Path) -> dict[str, Case]:
    """The cases of a folder by the name of their file."""
    if not folder.is_dir():
        refuse(f"{folder}: no such folder")
    cases = {}
    for path in sorted(folder.glob("*.json")):
        try:
            cases[path.stem] = read_case(path.read_bytes())
        except (CaseError, OSError) as error:
            refuse(f"{path}: no case: {error}")
    if not cases:
        refuse(f"{folder}: no case (*.json) is in it")
    return cases


def _twin(stem: str, cases: Mapping[str, Case]) -> Case | None:
    """The same case for cost."""
    twin = cases.get(stem.removesuffix(TIME_SUFFIX))
    return twin if twin is not None and twin.objective is Objective.COST else None


if __name__ == "__main__":
    main()
