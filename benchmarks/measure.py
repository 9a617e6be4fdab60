"""Processes and functions, timed: CPU time beside wall time, two contestants in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_PEAK_OF: Final = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@dataclass(frozen=True)
class Sample:
    """One run: seconds of CPU (user and system) and of wall time."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Contest:
    """Runs of ours and of a peer, in turn, so that a machine that drifts drifts for both."""

    ours: tuple[Sample, ...]
    peer: tuple[Sample, ...]

    @property
    def ratio(self) -> float:
        """Our median CPU time over the peer's."""
        return cpu(self.ours) / cpu(self.peer)


def cpu(samples: Sequence[Sample]) -> float:
    """The median CPU time, s."""
    return statistics.median(sample.cpu_s for sample in samples)


def wall(samples: Sequence[Sample]) -> float:
    """The median wall time, s."""
    return statistics.median(sample.wall_s for sample in samples)


def contest(ours: Callable[[], Sample], peer: Callable[[], Sample], runs: int) -> Contest:
    """`runs` counted runs of each after one of each that is not counted."""
    ours()
    peer()
    pairs = [(ours(), peer()) for _ in range(runs)]
    return Contest(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


def warm(work: Callable[[], object], runs: int) -> tuple[Sample, ...]:
    """`runs` counted runs of a function in this process after one that is not counted."""
    work()
    return tuple(function(work) for _ in range(runs))


def process(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None) -> Sample:
    """Run a whole process to its end; the system's own account of it.

    Raises:
        subprocess.CalledProcessError: it did not end with 0.
    """
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, [str(part) for part in command])
    return Sample(usage.ru_utime + usage.ru_stime, time.perf_counter() - start)


def peak_mb(command: Sequence[str]) -> float:
    """Peak of resident memory of a whole process, 10^6 bytes.

    The kernel counts what a process was before it became the command: a small one starts it, not this one, which may
    hold a market in memory.

    Raises:
        subprocess.CalledProcessError: it did not end with 0.
    """
    answer = subprocess.run([sys.executable, "-c", _PEAK_OF, *command], stdout=subprocess.PIPE, check=True)
    return int(answer.stdout) * 1024 / 10**6  # KiB


def function(work: Callable[[], object]) -> Sample:
    """Run a function in this process."""
    cpu_start, start = time.process_time(), time.perf_counter()
    work()
    return Sample(time.process_time() - cpu_start, time.perf_counter() - start)
