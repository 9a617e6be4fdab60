"""A plan being carried out: each task when those before it are done, side by side where they do not depend.

    what is left of tasks that are done ends -> the others in their order, a thread each (`executor.task_run`) -> ended

Whatever ends the program, the record and the nodes stay; the same call takes the deployment up again.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from engine.plan import Plan
from engine.workload import Workload
from executor.errors import ExecutorError
from executor.job import file_name
from executor.provision import release
from executor.state import Deployment, DeploymentState, State, TaskState
from executor.task_run import EndedError, HaltedError, Limits, TaskRun
from executor.world import World


class BusyError(ExecutorError):
    """Another program is carrying the deployment out."""


@contextmanager
def held(folder: Path, deployment: str) -> Iterator[None]:
    """The deployment is this program's alone; a program that is killed holds nothing.

    Raises:
        BusyError: it is another's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{file_name(deployment)}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{deployment} is being carried out by another program",
                f"follow it with `skybroker logs {deployment} --follow`",
            ) from error
        yield


def carry_out(world: World, deployment: Deployment, plan: Plan, workload: Workload, limits: Limits) -> DeploymentState:
    """Carries the deployment out, from wherever it stands, and says what became of it.

    Raises:
        BusyError: another program is at it.
        HaltedError: it was let go of; the nodes go on.
        ExecutorError: why it failed; other tasks may be done.
    """
    with held(world.folder / "locks", deployment.id):
        state = world.state()
        try:
            _run_tasks(world, state, deployment.id, plan, workload, limits)
        except (HaltedError, EndedError):
            raise
        except ExecutorError as error:
            state.end_deployment(deployment.id, DeploymentState.FAILED, str(error))
            raise
        state.end_deployment(deployment.id, DeploymentState.DONE)
        return DeploymentState.DONE


def _run_tasks(world: World, state: State, deployment: str, plan: Plan, workload: Workload, limits: Limits) -> None:
    """Every task as soon as those before it are done; after a failure, what does not depend on it goes on."""
    before = {
        task.name: {edge.source for edge in workload.edges if edge.target == task.name} for task in workload.tasks
    }
    done = {record.task for record in state.tasks(deployment) if record.state is TaskState.DONE}
    waiting = [task for task in workload.tasks if task.name not in done]
    failures: list[ExecutorError] = []

    for request in (one for name in done for one in state.open_requests(deployment, name)):
        cloud = request.place.cloud
        release(world.driver_of(cloud), state, request, world.patience_of(cloud))

    def run(name: str) -> str:
        [task] = [task for task in workload.tasks if task.name == name]
        TaskRun(world, deployment, task, plan, limits).run()
        return name

    with ThreadPoolExecutor(max_workers=max(len(waiting), 1)) as pool:
        running: set[Future[str]] = set()
        while True:
            ready = [task.name for task in waiting if before[task.name] <= done]
            waiting = [task for task in waiting if task.name not in ready]
            running |= {pool.submit(run, name) for name in ready}
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for one in finished:
                try:
                    done.add(one.result())
                except ExecutorError as error:
                    failures.append(error)
    for failure in sorted(failures, key=lambda failure: isinstance(failure, HaltedError)):
        raise failure
