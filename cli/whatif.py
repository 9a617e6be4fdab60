"""What-if: plans of changed scenarios, grids of them, and break-evens, from the user's catalog."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.printer import working
from cli.side_by_side import Executor, InProcess, Processes
from cli.talk import say
from cli.wiring import Overrides, failures_told, loaded_workload, parsed_instant, snapshot_for, usage_told
from engine.break_even import BreakEven, NotProvenError, Turn, break_even, turns
from engine.infeasible import InfeasibleError, NoPlanInTimeError
from engine.plan import Plan
from engine.scaled import Scaled
from engine.solve import PlanRequest, make_plan
from engine.status import TimeLimit
from engine.sweep import Answer, Index, answers, parts_of
from engine.sweep_axis import Axis
from engine.whatif import Change, parse_target, widened
from engine.whatif_fields import Field
from engine.whatif_offers import Prices
from engine.whatif_scenario import Scenario
from engine.workload_errors import InvalidValueError

FEW_POINTS: Final = 64
"""A smaller grid is done sooner than other processes begin."""
EVERY_S: Final = 2.0
"""Seconds between two lines of progress."""
MOST_POINTS: Final = 100_000


@dataclass(frozen=True)
class Asked:
    """What all kinds of what-if questions begin from: `now`, and how long one plan may take."""

    file: Path
    scenario: Scenario
    now: datetime
    time_limit_s: float | None

    @property
    def limit(self) -> TimeLimit:
        """The time limit, from now on."""
        return TimeLimit.of(self.time_limit_s, monotonic)


@dataclass(frozen=True)
class Variant:
    """A scenario by its title, with its plan or why there is none."""

    title: str
    plan: Plan | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """The answers at all points of the axes."""

    axes: tuple[Axis, ...]
    answers: dict[Index, Answer]
    seconds: float


def asked(file: Path, changes: Sequence[Change], as_of: str | None, time_limit_s: float | None) -> Asked:
    """The scenario as the workload and the catalog have it; `changes` are all that may be made of it."""
    workload = loaded_workload(file, Overrides())
    with usage_told():
        wide = widened(workload, changes)
    snapshot = snapshot_for([wide], parsed_instant(as_of))
    return Asked(file, Scenario(workload, snapshot), datetime.now(UTC), time_limit_s)


def changed(question: Asked, changes: Sequence[Change]) -> Asked:
    """The question after the changes, one after the other."""
    scenario = question.scenario
    with usage_told():
        for change in changes:
            scenario = change.apply(scenario)
    return replace(question, scenario=scenario)


def variants(question: Asked, groups: Sequence[Sequence[Change]]) -> list[Variant]:
    """The plan as things are, and one for each group of changes."""
    titled = [("today", question.scenario)]
    titled += [(", ".join(map(str, group)), changed(question, group).scenario) for group in groups]
    with failures_told(f"{question.file}: "), working(f"planning {len(titled)} variants"):
        return [_variant(question, title, scenario) for title, scenario in titled]


def _variant(question: Asked, title: str, scenario: Scenario) -> Variant:
    request = PlanRequest(
        created_at=question.now,
        file=str(question.file),
        top=1,
        time_limit_s=question.time_limit_s,
        clock=monotonic,
    )
    try:
        return Variant(title, make_plan(scenario.workload, scenario.snapshot, request))
    except InfeasibleError as error:
        return Variant(title, None, error.reasons)
    except NoPlanInTimeError as error:
        return Variant(title, None, (str(error),))


def require_any_plan(found: Sequence[Variant]) -> None:
    """Some variant has a plan: where none has, that is what the command ends with."""
    if all(variant.plan is None for variant in found):
        raise CommandError("no variant has a plan", hint="relax what is named above", code=ExitCode.INFEASIBLE)


def swept(question: Asked, axes: Sequence[Axis], processes: int) -> Grid:
    """The whole grid, by processes side by side where it is large enough for them."""
    points = 1
    for axis in axes:
        points *= len(axis.changes)
    if points > MOST_POINTS:
        raise CommandError(f"{points:,} points: up to {MOST_POINTS:,} can be asked at once", code=ExitCode.USAGE)
    executor: Executor = InProcess() if processes == 1 or points < FEW_POINTS else Processes(processes)
    start = monotonic()
    found: dict[Index, Answer] = {}
    with usage_told(), failures_told(f"{question.file}: "), _progress(points) as advance:
        parts = parts_of(question.scenario, axes, question.now, question.time_limit_s, monotonic)
        for part in executor.map(answers, parts):
            found.update(part)
            advance(len(part))
    return Grid(tuple(axes), found, monotonic() - start)


@contextmanager
def _progress(points: int) -> Iterator[Callable[[int], None]]:
    """A bar at a terminal, elsewhere a line every now and then."""
    if sys.stderr.isatty():
        from rich.console import Console  # only a terminal needs it
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("points", total=points)
            yield lambda more: bar.advance(task, more)
        return
    done, told = 0, monotonic()

    def advance(more: int) -> None:
        nonlocal done, told
        done += more
        if monotonic() - told > EVERY_S and done < points:
            told = monotonic()
            say(f"{done:,} of {points:,} points ...")

    yield advance


def evened(question: Asked, path: str) -> tuple[Scaled, BreakEven | list[Turn]]:
    """The break-even of some prices, or all turns of the value of time."""
    with usage_told(), failures_told(f"{question.file}: "):
        target = parse_target(path)
        try:
            if isinstance(target, Prices):
                return break_even(question.scenario, target, question.now, question.limit)
            if target == Field("value_of_time"):
                return turns(question.scenario, question.now, question.limit)
        except NotProvenError as error:
            raise CommandError(f"{question.file}: {error}", hint="give it more with --time-limit") from error
        raise InvalidValueError(f"{path}: a break-even is of prices or of value_of_time", "--break-even price.spot")
