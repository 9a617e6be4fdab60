"""`apply`: a plan, or a workload that is planned now, checked against today's prices and carried out."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from catalog_data.schema import Purchase
from cli.clouds import REACHED, Clouds
from cli.deployments_view import Output, event_line
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.talk import say
from cli.wiring import plan_from_text, planned, read_text, snapshot_for, workload_from_text
from engine.infeasible import InfeasibleError, NoPlanInTimeError
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import Workload
from executor.bill import spent_usd
from executor.deploy import carry_out
from executor.drift import drifts
from executor.errors import ExecutorError, Scope
from executor.launch import choices_of
from executor.machines import Place
from executor.state import Deployment, DeploymentState, Event, State, TaskState
from executor.task_run import HaltedError, Limits
from executor.world import World

MAX_AGE: Final = timedelta(days=7)
"""Older plans are made anew, whatever today's prices."""


@dataclass(frozen=True)
class Job:
    """A plan and the workload that it is for; `text` is the plan's own."""

    plan: Plan
    text: str
    workload: Workload
    file: Path


def loaded(file: Path) -> tuple[Job, bool]:
    """The plan in a file and its workload, or the plan made now of a workload; and whether it was made now.

    Raises:
        CommandError: the workload is not the one that the plan is for.
    """
    text = read_text(file)
    if not text.lstrip().startswith("{"):
        workload = workload_from_text(text, file)
        plan = planned(workload, file.resolve(), None, 5, None)
        return Job(plan, plan.to_json(), workload, file.resolve()), True
    plan = plan_from_text(text, file)
    written = Path(plan.workload.file)
    place = written if written.is_absolute() or written.exists() else file.parent / written
    workload_text = read_text(place)
    workload = workload_from_text(workload_text, place)
    if workload.digest != plan.workload.sha256:
        raise CommandError(
            f"{place} has changed since it was planned",
            hint=f"plan again: skybroker plan {place} -o {file}",
            code=ExitCode.STALE,
        )
    return Job(plan, text, workload, place.resolve()), False


def require_fresh(job: Job, max_drift: float) -> None:
    """Refuses a plan that is too old, or whose prices are others today.

    Raises:
        CommandError: what has changed, line by line.
    """
    age = datetime.now(UTC) - job.plan.created_at
    again = f"plan again: skybroker plan {job.plan.workload.file} -o PLAN"
    if age > MAX_AGE:
        raise CommandError(f"the plan is {age.days} days old", hint=again, code=ExitCode.STALE)
    moved = [one for one in drifts(job.plan, snapshot_for([job.workload], None).offers) if abs(one.share) > max_drift]
    if moved:
        raise CommandError(
            *(
                f"{one.placement.task}: {one.placement.cloud}/{one.placement.region} {one.placement.instance_type}"
                f" {one.placement.purchase.value} was ${one.placement.price_usd_h:g}/h and is "
                + ("offered no more" if one.now_usd_h is None else f"${one.now_usd_h:g}/h ({one.share:+.0%})")
                for one in moved
            ),
            hint=f"{again}; or allow it: --max-drift",
            code=ExitCode.STALE,
        )


def secrets_of(workload: Workload, environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Task -> name -> value: of secrets as written, else from the environment, as of variables without a value.

    Raises:
        CommandError: one is nowhere.
    """
    found: dict[str, dict[str, str]] = {}
    for task in workload.tasks:
        for name, value in task.secrets.items():
            known = environment.get(name) if value is None else value.get_secret_value()
            if known is None:
                raise CommandError(f"{task.name}: the secret {name} has no value", hint=f"set it: export {name}=...")
            found.setdefault(task.name, {})[name] = known
        for name in (name for name, value in task.envs.items() if value is None):
            if name not in environment:
                raise CommandError(f"{task.name}: {name} has no value", hint=f"set it: export {name}=...")
            found.setdefault(task.name, {})[name] = environment[name]
    return found


def deployment_for(state: State, job: Job, clouds: Clouds) -> tuple[Deployment, bool]:
    """The deployment of the plan that is not ended yet, or a new one; and whether it was there."""
    for one in reversed(state.deployments()):
        if one.plan == job.text and one.clouds == clouds.name and one.state is DeploymentState.RUNNING:
            return one, True
    names = [task.name for task in job.workload.tasks]
    return state.new_deployment(job.workload.name, job.text, str(job.file), clouds.name, names), False


def applied(job: Job, clouds: Clouds, limits: Limits) -> Deployment:
    """Carries the plan out, telling what happens, and says what became of it and what it cost.

    Raises:
        CommandError: it failed, or was let go of.
    """
    _require_reached(job, clouds)
    secrets = secrets_of(job.workload, os.environ)
    state = State(clouds.folder / "state.db")
    deployment, is_old = deployment_for(state, job, clouds)
    if is_old:
        say(f"going on with {deployment.id}, which was begun {deployment.started_at:%Y-%m-%d %H:%M} UTC")
    printing = threading.Lock()

    def told(event: Event) -> None:
        with printing:
            say(event_line(event))

    several = sum(task.num_nodes for task in job.workload.tasks) > 1
    output = Output(sys.stdout.buffer, printing, marked=several)

    with _halting() as halted:
        world = World(
            folder=clouds.folder,
            driver_of=clouds.driver_of,
            reaches=clouds.reaches,
            patience_of=clouds.patience_of,
            public_key=clouds.public_key,
            secrets=secrets,
            replan=lambda excluded: _replanned(job, excluded),
            told=told,
            shown=output.show,
            halted=halted,
            base=job.file.parent,
        )
        try:
            carry_out(world, deployment, job.plan, job.workload, limits)
        except HaltedError as error:
            raise CommandError(
                f"{deployment.id} goes on without this program: {error}",
                hint=f"apply it again to go back to it, or end it: skybroker down {deployment.id}",
                code=ExitCode.INTERRUPTED,
            ) from error
        except ExecutorError as error:
            some_done = any(task.state is TaskState.DONE for task in state.tasks(deployment.id))
            say(_bill(state, deployment, job.plan))
            code = ExitCode.PARTLY_APPLIED if some_done else ExitCode.ERROR
            raise CommandError(f"{deployment.id}: {error}", hint=error.hint, code=code) from error
    say(_bill(state, deployment, job.plan))
    return state.deployment(deployment.id) or deployment


def _require_reached(job: Job, clouds: Clouds) -> None:
    """Says which clouds of the plan are passed over, and refuses it where that leaves a task no place.

    Raises:
        CommandError: which task it is.
    """
    passed: set[str] = set()
    for task in job.workload.tasks:
        found = {choice.place.cloud for choice in choices_of(job.plan, task.name)}
        missing = {cloud for cloud in found if not clouds.reaches(cloud)}
        if found == missing:
            raise CommandError(
                f"{task.name}: plans for {', '.join(sorted(missing))} cannot be carried out yet",
                hint=f"say `cloud: {' or '.join(sorted(REACHED))}` in the workload, or try it with --on local",
            )
        passed |= missing
    if passed:
        say(f"note: {', '.join(sorted(passed))} cannot be reached yet; other places of the plan are asked")


def _bill(state: State, deployment: Deployment, plan: Plan) -> str:
    spent = spent_usd(state.requests(deployment.id), state.nodes(deployment.id), datetime.now(UTC))
    as_if = " (as the clouds would have billed it; nothing was bought)" if deployment.clouds == "local" else ""
    return f"{deployment.id} cost ${spent:.4f} for its machines{as_if}; planned was ${plan.best.cost_usd:.2f}"


def _replanned(job: Job, excluded: list[Scope]) -> Plan | None:
    """A plan that asks nowhere where machines were refused; None where there is none."""
    snapshot = snapshot_for([job.workload], None)
    left = [not any(scope.covers(_place(row)) for scope in excluded) for row in snapshot.offers.iter_rows(named=True)]
    request = PlanRequest(created_at=datetime.now(UTC), file=str(job.file))
    try:
        return make_plan(job.workload, replace(snapshot, offers=snapshot.offers.filter(left)), request)
    except (InfeasibleError, NoPlanInTimeError):
        return None


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["cloud"], row["region"], row["zone"], row["instance_type"], Purchase(row["purchase"]))


@contextmanager
def _halting() -> Iterator[threading.Event]:
    """A flag that the first Ctrl-C, or SIGTERM, raises; the second ends the program at once."""
    halted = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def halt(number: int, _frame: FrameType | None) -> None:
        say("letting go; once more ends this program at once")
        halted.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, halt)
    try:
        yield halted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
