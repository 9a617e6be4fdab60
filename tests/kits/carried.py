"""Plans carried out for real on the local cloud, in a market of four places."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial, wraps
from pathlib import Path
from threading import Event as Flag
from typing import Any, Final

from catalog_data.schema import Purchase
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import AcceleratorRequest, Edge, Estimate, Requirement, Task, Workload
from executor.deploy import carry_out
from executor.drivers.local import LocalDriver
from executor.drivers.local_market import Market, Rule
from executor.errors import Scope
from executor.machines import Node, NodeState
from executor.provision import Patience
from executor.state import Deployment, DeploymentState, Event, State
from executor.task_run import Limits
from executor.world import World
from tests.kits.driver_conformance import PUBLIC_KEY
from tests.kits.market import NOW, market, offer

CLOUDS: Final = ("aws", "gcp")
V100: Final = Requirement(accelerator=AcceleratorRequest("V100", 1), purchases=(Purchase.SPOT, Purchase.ON_DEMAND))
SNAPSHOT: Final = market(
    [
        *(
            offer("aws", "us-east-1", "p3", 1.0, accelerator="V100", purchase=Purchase.SPOT, zone=f"us-east-1{letter}")
            for letter in "ab"
        ),
        offer("aws", "us-west-2", "p3", 1.2, accelerator="V100", purchase=Purchase.SPOT, zone="us-west-2a"),
        offer("gcp", "us-central1", "n1", 3.0, accelerator="V100"),
    ]
)
PATIENCE: Final = Patience(poll_s=0.02, boot_s=20.0, pause_s=0.05, tries=4, settle_s=0.0, watch_s=0.1, lost_s=2.0)


def task(run: str, name: str = "train", *, nodes: int = 1, setup: str | None = None) -> Task:
    """A task that needs a V100 for an hour, and runs a command line."""
    return Task(name, nodes, requirements=(V100,), estimate=Estimate(hours=1.0), run=run, setup=setup)


@cache
def _plan(tasks: tuple[str, ...], nodes: int, edges: tuple[Edge, ...]) -> Plan:
    shapes = tuple(task("true", name, nodes=nodes) for name in tasks)
    return make_plan(Workload("w", shapes, edges), SNAPSHOT, PlanRequest(NOW, "w.yaml", top=10))


@dataclass
class Carrier:
    """A home of the executor, in which plans are carried out.

    Attributes:
        folder: of the executor.
        rules: of the market.
        events: what was told.
        output: what the tasks have printed, by task and rank.
        again: a plan for whoever asks for one that avoids what is excluded.
    """

    folder: Path
    rules: Sequence[Rule] = ()
    events: list[Event] = field(default_factory=list)
    output: dict[tuple[str, int], bytes] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    halted: Flag = field(default_factory=Flag)
    again: Plan | None = None
    excluded: list[Scope] = field(default_factory=list)

    def driver(self, cloud: str) -> LocalDriver:
        """The one of a cloud."""
        return LocalDriver(cloud, self.folder / "local", Market(tuple(self.rules)))

    def world(self) -> World:
        """With this machine in the place of the clouds."""

        def shown(name: str, rank: int, piece: bytes) -> None:
            self.output[name, rank] = self.output.get((name, rank), b"") + piece

        def replanned(excluded: list[Scope]) -> Plan | None:
            self.excluded = excluded
            return self.again

        return World(
            folder=self.folder,
            driver_of=self.driver,
            reaches=lambda _: True,
            patience_of=lambda _: PATIENCE,
            public_key=PUBLIC_KEY,
            secrets=self.secrets,
            replan=replanned,
            told=self.events.append,
            shown=shown,
            halted=self.halted,
            base=self.folder,
        )

    @property
    def state(self) -> State:
        """The record, opened anew."""
        return State(self.folder / "state.db")

    def deployment(self, *tasks: Task, edges: tuple[Edge, ...] = ()) -> tuple[Deployment, Plan, Workload]:
        """The deployment of these tasks that is not over, or a new one."""
        plan = _plan(tuple(one.name for one in tasks), tasks[0].num_nodes, edges)
        state = self.state
        found = state.deployment("w")
        if found is None or found.state is not DeploymentState.RUNNING:
            found = state.new_deployment("w", "{}", "w.yaml", "local", [one.name for one in tasks])
        return found, plan, Workload("w", tasks, edges)

    def carry(self, *tasks: Task, edges: tuple[Edge, ...] = (), limits: Limits | None = None) -> Deployment:
        """Carries them out, and says what became of it."""
        found, plan, workload = self.deployment(*tasks, edges=edges)
        carry_out(self.world(), found, plan, workload, limits or Limits())
        return self.state.deployments()[-1]

    def kinds(self) -> list[str]:
        """What has happened, in order."""
        return [event.kind for event in self.events]

    def tried(self) -> list[str]:
        """The places that were asked, in order: the zone or region, and how it is bought."""
        return [f"{one.place.zone or one.place.region} {one.place.purchase}" for one in self.state.requests()]

    def live(self) -> list[Node]:
        """What would be billed."""
        found = []
        for cloud in CLOUDS:
            regions = {request.place.region for request in self.state.requests()}
            found += [
                node for node in self.driver(cloud).nodes(self.state.owner, regions) if node.state is not NodeState.GONE
            ]
        return found

    def text(self, name: str = "train", rank: int = 0) -> str:
        """What a task has printed on a node."""
        return self.output.get((name, rank), b"").decode()


@contextmanager
def carrier(folder: Path, *rules: Rule) -> Iterator[Carrier]:
    """A home of the executor; nothing of it runs afterwards."""
    made = Carrier(folder, rules)
    try:
        yield made
    finally:
        for node in made.live():
            made.driver(node.place.cloud).destroy([node])


def main() -> None:
    """Carries a task out in this process: FOLDER COMMAND. With FOLDER alone: see `every_step`."""
    if len(sys.argv) > 2:
        Carrier(Path(sys.argv[1])).carry(task(sys.argv[2]))
    else:
        every_step(Path(sys.argv[1]))


def every_step(folder: Path) -> None:
    """Kills a program at each step of carrying a task out, and has another one go on: both have to have the same end.

    The steps are the moments before and after each write into the record, and each call to a cloud that changes it.
    Programs are copies of this process, for starting one takes longer than all that it does. Prints the homes.
    """
    shape = task("echo end")
    _plan((shape.name,), 1, ())
    for step in itertools.count(1):
        home = folder / str(step)
        died = _in_a_copy(partial(_carried_until, home, shape, step))
        if died == 0:
            return
        again = _in_a_copy(partial(_carried_until, home, shape, None))
        print(home, -died, again, flush=True)


def _in_a_copy(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a copy must not go on as its original
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _carried_until(home: Path, shape: Task, step: int | None) -> None:
    if step is not None:
        _die_at(step)
    Carrier(home).carry(shape)


def _die_at(last: int) -> None:
    steps = itertools.count(1)

    def step() -> None:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def stepped(*arguments: Any) -> Any:
            step()
            answer = call(*arguments)
            step()
            return answer

        return stepped

    for name in ("new_deployment", "ask", "made", "gone", "refused", "set_task", "note", "end_deployment"):
        setattr(State, name, _keyword(stepping, getattr(State, name)))
    for name in ("create", "destroy"):
        setattr(LocalDriver, name, stepping(getattr(LocalDriver, name)))


def _keyword(stepping: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The same for calls with keywords."""

    def called(*arguments: Any, **keywords: Any) -> Any:
        return stepping(lambda: call(*arguments, **keywords))()

    return called


if __name__ == "__main__":
    main()
