"""The most that a plan may take of something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """The most that the plan may take of something: in all, or `at_once`, by the tasks that may run at one time.

    Which tasks really run at one time depends on how long they take. What is taken at once is by definition the most
    that any tasks take together none of which waits for another (an antichain), so that a plan keeps its limits
    however long its tasks take.
    """

    name: str
    most: float
    at_once: bool = False
