"""One task, from the first request for machines to its last exit code: launched, worked on, recovered."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from engine.plan import Plan
from engine.workload import Task
from executor.bill import spent_usd
from executor.errors import ExecutorError
from executor.gang import Done, Failed, GangEnd, Halted, Lost, require_supported, work_on
from executor.launch import Choice, Launched, SpentError, choices_of, launch
from executor.machines import Node, NodesRequest, NodeState, Place
from executor.provision import nodes_of, provision, release, repeated
from executor.recover import Recovery, in_order, recovery_of
from executor.state import DeploymentState, State, TaskState
from executor.world import World

ASK_AGAIN_S: Final = 30.0
"""With `--retry-until-up`: between two rounds through all places."""


class TaskFailedError(ExecutorError):
    """The task itself failed, and is not to be tried again."""


class HaltedError(ExecutorError):
    """Whoever applied the plan has let go of it; its nodes go on."""


class EndedError(ExecutorError):
    """`down` has ended the deployment, from another program."""


class SpentBudgetError(ExecutorError):
    """The deployment may not cost, or take, any more."""


@dataclass(frozen=True)
class Limits:
    """What a deployment may take at most; None for any.

    Attributes:
        until: the instant at which its nodes end.
        budget_usd: of all of its nodes together.
        retry_until_up: whether places are asked again when all of them have refused.
        max_price_usd_h: of one node on spot; None for the cloud's own limit.
    """

    until: datetime | None = None
    budget_usd: float | None = None
    retry_until_up: bool = False
    max_price_usd_h: float | None = None


class TaskRun:
    """A task of a deployment that is being carried out, in a thread of its own."""

    def __init__(self, world: World, deployment: str, task: Task, plan: Plan, limits: Limits) -> None:
        self.world, self.deployment, self.task, self.limits = world, deployment, task, limits
        self.state: State = world.state()
        self.recovery: Recovery = recovery_of(task)
        self.choices: Sequence[Choice] = self._reached(plan)
        require_supported(task)

    def run(self) -> None:
        """Carries the task out, to its end.

        Raises:
            TaskFailedError: it failed by itself.
            SpentError: no machines are to be had for it.
            HaltedError: it goes on without us.
            ExecutorError: anything else that no other machine would mend.
        """
        lost: list[Place] = []
        launched = self._adopted()
        while True:
            if launched is None:
                launched = self._launched(lost)
            try:
                ended = self._worked(launched)
            except ExecutorError:
                self._end(launched)
                raise
            if isinstance(ended, Halted):
                raise HaltedError(f"{self.task.name} goes on by itself", "apply the same plan again to go back to it")
            if isinstance(ended, Done):
                # Before the machines end: whoever is killed in between does not do the work again.
                self.state.set_task(self.deployment, self.task.name, TaskState.DONE, exit_code=0)
                self.tell("done", f"{self.task.name} is done")
            self._end(launched)
            if isinstance(ended, Done):
                return
            lost.append(launched.choice.place)
            self._after(ended)
            launched = None

    def tell(self, kind: str, text: str) -> None:
        """Writes it down, and says it."""
        self.world.told(self.state.note(self.deployment, kind, text, self.task.name))

    def _reached(self, plan: Plan) -> list[Choice]:
        """The plan's places for the task in clouds that we can reach."""
        return [one for one in choices_of(plan, self.task.name) if self.world.reaches(one.place.cloud)]

    # Machines

    def _adopted(self) -> Launched | None:
        """The machines that the task has from a program that ended before it did; what is left of others ends."""
        adopted: Launched | None = None
        for request in self.state.open_requests(self.deployment, self.task.name):
            driver, patience = self.world.driver_of(request.place.cloud), self.world.patience_of(request.place.cloud)
            asked = partial(nodes_of, driver, self.state.owner, request.place.region, frozenset({request.token}))
            nodes = repeated(asked, patience)
            running = [node for node in nodes if node.state is NodeState.RUNNING and not node.taken_back]
            if adopted is None and len(running) == request.count == self.task.num_nodes:
                adopted = Launched(Choice(request.place, request.price_usd_h, request.count), tuple(running))
                self.tell("adopted", f"back on {request.count} x {request.place}")
            else:
                release(driver, self.state, request, patience)
        return adopted

    def _launched(self, lost: Sequence[Place]) -> Launched:
        """Machines at the first place that has them, going round while the user says so."""
        record = self.state.task(self.deployment, self.task.name)
        self.state.set_task(
            self.deployment,
            self.task.name,
            TaskState.RECOVERING if lost else TaskState.STARTING,
            attempt=record.attempt + 1,
        )
        while True:
            self._require_means()
            try:
                return launch(
                    in_order(self.choices, lost, self.recovery.strategy), self._attempt, self.state, self.tell
                )
            except SpentError:
                if self._replanned():
                    continue
                if not self.limits.retry_until_up:
                    raise
            self.tell("waiting", f"no place has machines; all are asked again in {ASK_AGAIN_S:g} s")
            self._sleep(ASK_AGAIN_S)

    def _attempt(self, choice: Choice) -> tuple[Node, ...]:
        place, requirement = choice.place, self.task.requirements[0]
        request = NodesRequest(
            token=f"sky-{secrets.token_hex(12)}",
            owner=self.state.owner,
            deployment=self.deployment,
            task=self.task.name,
            count=choice.num_nodes,
            place=place,
            public_key=self.world.public_key,
            max_price_usd_h=self.limits.max_price_usd_h,
            disk_gib=requirement.disk_gib,
            image_id=requirement.image_id,
            max_hours=self._hours_left(choice),
            labels=dict(requirement.labels),
        )
        self._require_means()
        return provision(
            self.world.driver_of(place.cloud),
            self.state,
            request,
            choice.price_usd_h,
            self.world.patience_of(place.cloud),
        )

    def _replanned(self) -> bool:
        """Whether a new plan, made with what was learnt, knows places that were not tried."""
        plan = self.world.replan(self.state.excluded(datetime.now(UTC)))
        if plan is None:
            return False
        found = [choice for choice in self._reached(plan) if choice not in self.choices]
        self.choices = (*self.choices, *found)
        if found:
            self.tell("replanned", f"planned anew: {len(found)} more places")
        return bool(found)

    def _end(self, launched: Launched) -> None:
        cloud, request = launched.choice.place.cloud, self.state.request(launched.nodes[0].token)
        release(self.world.driver_of(cloud), self.state, request, self.world.patience_of(cloud))

    # Work

    def _worked(self, launched: Launched) -> GangEnd:
        """What becomes of the task on these machines, started again there after failures of its own."""
        place = launched.choice.place
        while True:
            record = self.state.task(self.deployment, self.task.name)
            self.state.set_task(self.deployment, self.task.name, TaskState.RUNNING)
            self.tell("running", f"on {len(launched.nodes)} x {place}")
            ended = work_on(self.world, self.task, launched.nodes, record, self._is_over)
            if isinstance(ended, Failed) and ended.code in self.recovery.on_exit_codes:
                return Lost(f"exit code {ended.code}")
            if not isinstance(ended, Failed) or record.restarts >= self.recovery.max_restarts:
                return ended
            restarts = record.restarts + 1
            self.state.set_task(self.deployment, self.task.name, TaskState.RUNNING, restarts=restarts)
            self.tell(
                "restarted", f"exit code {ended.code}; started again ({restarts} of {self.recovery.max_restarts})"
            )

    def _after(self, ended: GangEnd) -> None:
        """What follows when it is not done."""
        if isinstance(ended, Failed):
            self.state.set_task(self.deployment, self.task.name, TaskState.FAILED, exit_code=ended.code)
            self.tell("failed", f"exit code {ended.code}")
            raise TaskFailedError(
                f"{self.task.name} ended with exit code {ended.code}",
                f"`skybroker logs {self.deployment}` has its output",
            )
        if isinstance(ended, Lost):
            self.tell("lost", f"machines lost: {ended.why}")
        self._require_means()

    # Limits

    def _hours_left(self, choice: Choice) -> float | None:
        """After how many hours nodes end by themselves, whatever becomes of us."""
        hours = []
        if self.limits.until is not None:
            hours.append((self.limits.until - datetime.now(UTC)) / timedelta(hours=1))
        if self.limits.budget_usd is not None and choice.price_usd_h > 0:
            left_usd = self.limits.budget_usd - self._spent_usd()
            hours.append(left_usd / (choice.price_usd_h * choice.num_nodes))
        return max(min(hours), 0.0) if hours else None

    def _spent_usd(self) -> float:
        nodes = self.state.nodes(self.deployment)
        return spent_usd(self.state.requests(self.deployment), nodes, datetime.now(UTC))

    def _is_ended(self) -> bool:
        found = self.state.deployment(self.deployment)
        return found is None or found.state is not DeploymentState.RUNNING

    def _is_over(self) -> bool:
        """Whether time or money are up, or another program has ended the deployment."""
        until, budget_usd = self.limits.until, self.limits.budget_usd
        return (
            (until is not None and datetime.now(UTC) >= until)
            or (budget_usd is not None and self._spent_usd() >= budget_usd)
            or self._is_ended()
        )

    def _require_means(self) -> None:
        if self.world.halted.is_set():
            raise HaltedError("nothing more is asked for", "apply the same plan again to go on")
        if self._is_ended():
            raise EndedError(f"{self.deployment} was ended by another program", "apply the plan again to begin anew")
        if self._is_over():
            raise SpentBudgetError("the time or the money of the deployment is up", "allow more and apply it again")

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.world.halted.wait(min(1.0, seconds)):
            pass
