"""A task on the nodes that it got: all of them work, or none goes on.

    reach -> send files -> start        each node in a thread of its own
    read logs until the job ends        while the clouds are asked whether the nodes are still there

The jobs go on by themselves if we do not; working on them again starts nothing twice, and reads on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Final, TypeAlias

from engine.workload import Task
from executor.drivers.base import Driver
from executor.errors import CommandFailedError, DriverError, ExecutorError, UnreachableError
from executor.job import Job, JobState, JobStatus, Log, start, status, stop, tail
from executor.machines import Node, NodeState
from executor.provision import Patience, nodes_of, repeated
from executor.shell import Shell, wait_reachable
from executor.state import TaskRecord
from executor.sync import Source, send, source_of
from executor.world import World

GRACE_S: Final = 10.0
"""So long the others have to save their work when one of a gang has failed, or was lost."""
SIGNALLED: Final = 128
"""Exit codes above it are those of signals: the node may be on its way out, and its cloud has not said so yet."""
LAST_WORD_S: Final = 5.0
"""So long is waited for what the cloud says of a node whose job was ended by a signal, or which does not answer."""


@dataclass(frozen=True)
class Done:
    """Every node has done its work."""


@dataclass(frozen=True)
class Failed:
    """The job of one node ended with an exit code of its own."""

    rank: int
    code: int


@dataclass(frozen=True)
class Lost:
    """Nodes were taken back, or are out of reach."""

    why: str


@dataclass(frozen=True)
class Over:
    """Time or money are up; the jobs were ended."""


@dataclass(frozen=True)
class Halted:
    """We were told to let go; the jobs go on."""


GangEnd: TypeAlias = Done | Failed | Lost | Over | Halted


@dataclass(frozen=True)
class Member:
    """The job on one node, and the files here that its logs are written to."""

    shell: Shell
    job: Job
    logs: Mapping[Log, Path]


def require_supported(task: Task) -> None:
    """Refuses, before any machine is asked for, what cannot be carried out.

    Raises:
        ExecutorError: a task says it.
    """
    if isinstance(task.workdir, Mapping):
        raise ExecutorError(f"{task.name}: workdir: only folders of this machine can be sent", "check it out first")
    for target, source in task.file_mounts.items():
        if not isinstance(source, str) or "://" in source:
            raise ExecutorError(
                f"{task.name}: file_mounts: {target}: only files of this machine can be sent",
                "fetch it in `setup`, with the cloud's own tools",
            )
    for name in ("service", "pool", "volumes"):
        if getattr(task, name):
            raise ExecutorError(f"{task.name}: {name} is not carried out", "leave it out")


def work_on(
    world: World, task: Task, nodes: Sequence[Node], record: TaskRecord, is_over: Callable[[], bool]
) -> GangEnd:
    """What becomes of a task on its nodes.

    Args:
        world: the user's files, and who wants to know.
        task: what is to be run.
        nodes: all of them, by rank, RUNNING.
        record: which attempt it is.
        is_over: whether time or money are up.

    Raises:
        ExecutorError: the nodes cannot run it, for a reason that no other nodes would mend.
    """
    cloud = nodes[0].place.cloud
    driver, patience = world.driver_of(cloud), world.patience_of(cloud)
    watch = _Watch(driver, nodes, patience)
    members = [_member(world, driver, task, nodes, rank, record) for rank in range(len(nodes))]
    let_go, sources = Flag(), _sources(world, task, members[0].job)
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        jobs = [pool.submit(_carried_out, world, member, sources, patience, let_go) for member in members]
        try:
            return _ended(world, members, jobs, watch, is_over)
        finally:
            let_go.set()


def _member(world: World, driver: Driver, task: Task, nodes: Sequence[Node], rank: int, record: TaskRecord) -> Member:
    request = task.requirements[0]
    job = Job(
        deployment=record.deployment,
        task=task.name,
        attempt=record.attempt,
        restart=record.restarts,
        rank=rank,
        addresses=tuple(node.inner_address or node.address or "" for node in nodes),
        accelerators=request.accelerator.count if request.accelerator else 0,
        setup=task.setup,
        run=task.run or "true",
        envs={name: value for name, value in task.envs.items() if value is not None},
        secrets=world.secrets.get(task.name, {}),
    )
    folder = world.logs(record.deployment, task.name)
    name = f"{record.attempt:03}-{record.restarts:03}-{rank:04}"
    return Member(
        driver.shell(nodes[rank]),
        job,
        {log: folder / f"{name}-{place}-{log.value}.log" for place, log in enumerate(Log)},
    )


def _sources(world: World, task: Task, job: Job) -> Mapping[str, Source]:
    """What each node is sent, by where it gets it; read once for all of them."""
    found = {target: source_of(world.base / Path(path).expanduser()) for target, path in task.file_mounts.items()}
    if isinstance(task.workdir, str):
        found[job.workdir] = source_of(world.base / Path(task.workdir).expanduser())
    return found


def _carried_out(
    world: World, member: Member, sources: Mapping[str, Source], patience: Patience, let_go: Flag
) -> JobStatus:
    """One node's part, in its thread: prepared, started, and read to its end.

    Raises:
        UnreachableError: the node does not answer any more.
    """
    wait_reachable(member.shell, time.monotonic() + patience.boot_s, pause_s=patience.poll_s)
    for target, source in sources.items():
        send(member.shell, source, target)
    start(member.shell, member.job)
    for log in Log if member.job.setup else (Log.RUN,):
        _read(world, member, log, patience, let_go)
    return status(member.shell, member.job)


def _read(world: World, member: Member, log: Log, patience: Patience, let_go: Flag) -> None:
    """A log from where the file here ends, to its end; a connection that is lost is made again."""
    path = member.logs[log]
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience.lost_s
    with path.open("ab") as file:
        while not let_go.is_set():
            try:
                for piece in tail(member.shell, member.job, file.tell(), log):
                    file.write(piece)
                    file.flush()
                    if piece:
                        world.shown(member.job.task, member.job.rank, piece)
                    until = time.monotonic() + patience.lost_s
                    if let_go.is_set():
                        return
            except (UnreachableError, CommandFailedError):  # what reads there is ended, too, when a node ends
                if time.monotonic() > until:
                    raise
                let_go.wait(patience.poll_s)
            else:
                return


def _ended(
    world: World,
    members: Sequence[Member],
    jobs: Sequence[Future[JobStatus]],
    watch: _Watch,
    is_over: Callable[[], bool],
) -> GangEnd:
    """Waits for the first thing that ends the gang."""
    while True:
        finished, going = wait(jobs, timeout=watch.patience.poll_s)
        if world.halted.is_set():
            return Halted()
        if is_over():
            _stop(members, GRACE_S)
            return Over()
        for rank, job in enumerate(jobs):
            found = _verdict(rank, job, watch) if job in finished else None
            if found is not None:
                _stop(members, GRACE_S)
                return found
        if not going:
            return Done()
        lost = watch.lost()
        if lost is not None:
            _stop(members, GRACE_S)
            return Lost(lost)


def _verdict(rank: int, job: Future[JobStatus], watch: _Watch) -> GangEnd | None:
    """What the end of one node's part means; None if it has done its work.

    Raises:
        CommandFailedError: the node is there, and cannot run it.
    """
    try:
        found = job.result()
    except (UnreachableError, CommandFailedError) as error:
        lost = watch.last_word()
        if lost is None and isinstance(error, CommandFailedError):
            raise
        return Lost(lost or str(error))
    if found.state is JobState.EXITED and found.code == 0:
        return None
    code = found.code if found.code is not None else SIGNALLED + 9
    if code > SIGNALLED and (lost := watch.last_word()):
        return Lost(lost)
    return Failed(rank, code)


def _stop(members: Sequence[Member], grace_s: float) -> None:
    """Ends all jobs that can be reached: each gets the grace to save what it has."""

    def ended(member: Member) -> None:
        with suppress(UnreachableError, CommandFailedError):  # its node is gone, or goes
            stop(member.shell, member.job, grace_s)

    with ThreadPoolExecutor(max_workers=len(members)) as pool:
        list(pool.map(ended, members))


class _Watch:
    """What the cloud says of the nodes of one request, looked at no more often than it bears."""

    def __init__(self, driver: Driver, nodes: Sequence[Node], patience: Patience) -> None:
        self.driver, self.nodes, self.patience = driver, nodes, patience
        self.next_s = time.monotonic() + patience.watch_s

    def lost(self) -> str | None:
        """Why the gang has lost a node, if it has; a cloud that does not answer says nothing."""
        if time.monotonic() < self.next_s:
            return None
        self.next_s = time.monotonic() + self.patience.watch_s
        return self._look()

    def last_word(self) -> str | None:
        """The same, for a node that seems to be on its way out: its cloud may take a moment to say so."""
        until = time.monotonic() + LAST_WORD_S
        while True:
            found = self._look(notices=True)
            if found is not None or time.monotonic() > until:
                return found
            time.sleep(min(self.patience.poll_s, LAST_WORD_S / 5))

    def _look(self, *, notices: bool = False) -> str | None:
        first = self.nodes[0]
        try:
            listed = repeated(
                lambda: nodes_of(self.driver, first.owner, first.place.region, frozenset({first.token})), self.patience
            )
        except DriverError:
            return None
        found = {node.id: node for node in listed}
        for node in self.nodes:
            now = found.get(node.id)
            if now is None or now.state is not NodeState.RUNNING or (notices and now.taken_back):
                what = "was taken back" if now is not None and now.taken_back else "is gone"
                return f"{node.id} {what}" + (f" ({now.fault})" if now is not None and now.fault else "")
        return None
