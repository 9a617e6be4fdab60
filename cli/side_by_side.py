"""Work done side by side, behind one small interface that a cluster's client can stand behind as well."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Applies a function to items, one result an item in their order; `function` and items can be pickled."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The results as they come."""


class InProcess:
    """One after the other, here."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See Executor."""
        return map(function, items)


@dataclass(frozen=True)
class Processes:
    """So many processes of this machine, each begun afresh (a fork would copy the solver's threads)."""

    count: int

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See Executor; items are made as they are needed. Whoever stops early ends the processes at once."""
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("forkserver"), _begin)
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
            pool.shutdown()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()


def _begin() -> None:
    """A terminal interrupts all processes of a command: a worker ends without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
