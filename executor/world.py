"""What carrying out a plan needs of everything around it, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag

from engine.plan import Plan
from executor.drivers.base import Driver
from executor.errors import Scope
from executor.job import file_name
from executor.provision import Patience
from executor.state import Event, State


@dataclass(frozen=True)
class World:
    """The clouds, the user's files, and those who want to know.

    Attributes:
        folder: of everything that the executor keeps: the record, keys, logs, the local nodes.
        driver_of: the driver of a cloud, by its name; the same one each time.
        reaches: whether there is a driver of a cloud.
        patience_of: how long the cloud is waited for.
        public_key: of OpenSSH, for the nodes.
        secrets: task -> name -> value; they are in no file of ours.
        replan: a plan that avoids what is excluded, None where there is none.
        told: each event, when it has happened.
        shown: a task, the rank of a node and a piece of its output, as it comes.
        halted: once set, everything is left as it is; the nodes go on by themselves.
        base: the folder that paths in the workload start from.
    """

    folder: Path
    driver_of: Callable[[str], Driver]
    reaches: Callable[[str], bool]
    patience_of: Callable[[str], Patience]
    public_key: str
    secrets: Mapping[str, Mapping[str, str]]
    replan: Callable[[list[Scope]], Plan | None]
    told: Callable[[Event], None]
    shown: Callable[[str, int, bytes], None]
    halted: Flag
    base: Path

    def state(self) -> State:
        """The record, opened for the thread that asks."""
        return State(self.folder / "state.db")

    def logs(self, deployment: str, task: str) -> Path:
        """The folder of the output of a task: a file for each attempt, restart, rank and part, which sort in order."""
        return self.folder / "logs" / file_name(deployment) / file_name(task)
