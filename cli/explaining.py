"""From the plan and the workload that are to be explained to the engine's answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final

from catalog_data.errors import UnknownSnapshotError
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.printer import working
from cli.wiring import (
    Overrides,
    failures_told,
    loaded_workload,
    plan_from_text,
    planned,
    read_text,
    snapshot_for,
    workload_from_text,
)
from engine.explain import Explanation, explain
from engine.optimum import Question, Solver
from engine.plan import Option, Plan
from engine.spread import with_groups
from engine.status import Status, TimeLimit
from engine.why_not import UnknownOfferError, WhyNot, why_not
from engine.workload import Workload
from engine.worth import worth_of_limits

SAME: Final = 1e-6
"""How far figures of plans for the same question may lie apart, relative to them."""
CHANGED: Final = "planning again does not come to this plan, so that prices, capacity or what is your own have changed"


@dataclass(frozen=True)
class Subject:
    """A plan to explain; its workload, where there is one, and what is `missing` where there is none."""

    plan: Plan
    file: Path
    workload: Workload | None
    missing: str
    time_limit_s: float | None

    @property
    def solver(self) -> Solver:
        """Who plans again."""
        return Solver(TimeLimit.of(self.time_limit_s, monotonic))


def subject_of(file: Path, workload_file: Path | None, time_limit_s: float | None) -> Subject:
    """What a file holds: a plan, or a workload that is planned first."""
    text = read_text(file)
    if not text.lstrip().startswith("{"):
        if workload_file is not None:
            raise CommandError("--workload belongs to a plan", hint=f"{file} is a workload", code=ExitCode.USAGE)
        written = workload_from_text(text, file)
        plan = planned(written, file, None, 1, time_limit_s)
        return Subject(plan, file, _as_planned(written, plan), "", time_limit_s)
    plan = plan_from_text(text, file)
    workload, missing = _workload_of(plan, file, workload_file)
    return Subject(plan, file, workload, missing, time_limit_s)


def _workload_of(plan: Plan, file: Path, named: Path | None) -> tuple[Workload | None, str]:
    """The workload of a plan; why there is none."""
    where = named or Path(plan.workload.file)
    if named is None and not where.is_file():
        return None, f"the workload {where} is not there (name it with --workload)"
    workload = loaded_workload(where, Overrides())
    if workload.digest != plan.workload.sha256:
        raise CommandError(
            f"{where}: is not the workload of {file}: its text is another one",
            hint="plan again, or name the file that the plan was made from with --workload",
        )
    return _as_planned(workload, plan), ""


def _as_planned(workload: Workload, plan: Plan) -> Workload:
    """The workload as the command line had changed it when it was planned, its deadline from then on."""
    return replace(
        workload,
        objective=plan.objective,
        deadline_hours=plan.limits.deadline_h,
        deadline_at=None,
        budget_usd=plan.limits.budget_usd,
        value_of_time_usd_h=plan.charges.value_of_time_usd_h,
    )


def explained(subject: Subject) -> Explanation:
    """Where the plan's money and time go; what its limits are worth where the catalog can still tell."""
    plan, workload = subject.plan, subject.workload
    groups = None if workload is None else with_groups(workload)
    try:
        question = _question(subject, whole=False)
    except CommandError as error:
        return explain(plan, groups, missing=[f"what more of each limit would bring: {error}"])
    with working("planning again with limits moved"):
        best, worths = worth_of_limits(question, subject.solver)
    if best.option is None or not _is_same(best.option, plan.best):
        stopped = best.status is not Status.OPTIMAL
        why = "the time ran out before the plan was found again" if stopped else CHANGED
        return explain(plan, groups, missing=[f"what more of each limit would bring: {why}"])
    return explain(plan, groups, worths)


def _is_same(one: Option, other: Option) -> bool:
    """Whether two options come to the same."""
    figures = (one.cost_usd, one.hours, one.charge_usd), (other.cost_usd, other.hours, other.charge_usd)
    return all(math.isclose(a, b, rel_tol=SAME, abs_tol=SAME) for a, b in zip(*figures, strict=True))


def _question(subject: Subject, *, whole: bool) -> Question:
    """What the plan answered, from the snapshot that it was made from."""
    if subject.workload is None:
        raise CommandError(subject.missing)
    try:
        snapshot = snapshot_for([subject.workload], subject.plan.snapshot.id, whole=whole)
    except CommandError as error:
        if isinstance(error.__cause__, UnknownSnapshotError):
            raise CommandError(f"the catalog no longer holds the snapshot {subject.plan.snapshot.id}") from error
        raise
    return Question.of(subject.workload, snapshot, subject.plan.created_at)


def reasons_against(subject: Subject, words: str, task: str | None) -> WhyNot:
    """Why the plan does not use the offers that the words mean."""
    question = _question(subject, whole=True)
    name = _task_of(question.workload, task)
    try:
        with failures_told(""), working("planning again with these offers"):
            return why_not(words, name, question, subject.solver)
    except UnknownOfferError as error:
        raise CommandError(str(error), hint=error.hint) from error


def _task_of(workload: Workload, name: str | None) -> str:
    """The task that is asked about."""
    names = [task.name for task in workload.tasks]
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        what = "--task is missing" if name is None else f"there is no task {name}"
        raise CommandError(what, hint=f"the tasks are {', '.join(names)}", code=ExitCode.USAGE)
    return name
