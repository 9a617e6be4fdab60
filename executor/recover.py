"""Where a task goes on after its machines were lost, and when a failure of its own is worth another try.

The names of strategies, `max_restarts_on_errors` and `recover_on_exit_codes` are those of SkyPilot's `job_recovery`
(docs.skypilot.co, managed jobs, read on 2026-11-24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.workload import Task
from executor.errors import ExecutorError
from executor.launch import Choice
from executor.machines import Place


class Strategy(StrEnum):
    """Which places are tried first; the one that was lost last is never the first again."""

    NEXT_BEST = "next_best"
    """In the order of the plan."""
    FAILOVER = "failover"
    """In the same region first."""
    EAGER_NEXT_REGION = "eager_next_region"
    """In other regions first: what takes machines in one zone takes them in its neighbours soon."""


@dataclass(frozen=True)
class Recovery:
    """How a task is recovered; `on_exit_codes` are those that stand for lost machines rather than for a failure."""

    strategy: Strategy = Strategy.NEXT_BEST
    max_restarts: int = 0
    on_exit_codes: frozenset[int] = frozenset()


def recovery_of(task: Task) -> Recovery:
    """What the workload says in `job_recovery` of the task's first alternative.

    Raises:
        ExecutorError: it says what cannot be.
    """
    written: Any = task.requirements[0].job_recovery
    if written is None:
        return Recovery()
    fields = written if isinstance(written, Mapping) else {"strategy": written}
    codes = fields.get("recover_on_exit_codes", ())
    try:
        return Recovery(
            Strategy(str(fields.get("strategy") or Strategy.NEXT_BEST).lower()),
            int(fields.get("max_restarts_on_errors", 0)),
            frozenset(int(code) for code in (codes if isinstance(codes, Iterable) else [codes])),
        )
    except ValueError as error:
        raise ExecutorError(
            f"{task.name}: job_recovery: {error}", f"strategies are {', '.join(one.value for one in Strategy)}"
        ) from error


def in_order(choices: Sequence[Choice], lost: Sequence[Place], strategy: Strategy) -> list[Choice]:
    """The choices in the order in which they are tried after machines were lost in places, the last one last."""
    if not lost:
        return list(choices)
    last, zones = lost[-1], set(lost)

    def behind(choice: Choice) -> tuple[bool, bool, bool]:
        place = choice.place
        here = (place.cloud, place.region) == (last.cloud, last.region)
        elsewhere_first = strategy is Strategy.EAGER_NEXT_REGION and here
        here_first = strategy is Strategy.FAILOVER and not here
        return place == last, elsewhere_first or here_first, place in zones

    return sorted(choices, key=behind)
