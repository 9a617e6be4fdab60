"""The most that a plan may take of something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """The most that the plan may take of something: in all, or `at_once`, by the tasks that may run at one time.

    Tasks of one chain never run at one time; how many of the others do depends on how long they take. So what is
    taken at once is counted as the sum over the problem's chains of the most that a task of each takes: never too
    little, exact where the tasks are a chain, and where no task waits for another.
    """

    name: str
    most: float
    at_once: bool = False
