"""What a measure says: a ratio, and what it was to stay below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from benchmarks.measure import Contest, Sample, cpu, wall


class SkippedError(Exception):
    """The measure cannot be taken here; the text says why."""


class Measured(Protocol):
    """What came of a measure."""

    def row(self) -> str:
        """A row of the table in RESULTS.md, or several."""


@dataclass(frozen=True)
class Result:
    """`limit` is the highest ratio (ours / peer, CPU time) that is to be reached."""

    what: str
    peer: str
    contest: Contest
    limit: float

    def row(self) -> str:
        """A row of the table in RESULTS.md."""
        ours, peer = self.contest.ours, self.contest.peer
        verdict = "reached" if self.contest.ratio <= self.limit else "not reached"
        return (
            f"| {self.what} | {cpu(ours):.3f} ({wall(ours):.3f}) | {self.peer} | {cpu(peer):.3f} ({wall(peer):.3f})"
            f" | {self.contest.ratio:.3f} | {self.limit:.3f} | {verdict} |"
        )


@dataclass(frozen=True)
class Alone:
    """Ours where no peer gets to an end: `gap` is to be at most `most_gap` (shares) within `most_cpu_s`."""

    what: str
    sample: Sample
    gap: float
    most_gap: float
    most_cpu_s: float

    def row(self) -> str:
        """A row of the table in RESULTS.md."""
        verdict = "reached" if self.gap <= self.most_gap and self.sample.cpu_s <= self.most_cpu_s else "not reached"
        return (
            f"| {self.what} | {self.sample.cpu_s:.3f} ({self.sample.wall_s:.3f}) | none | | gap {self.gap:.3%}"
            f" | {self.most_gap:.3%} in {self.most_cpu_s:g} s | {verdict} |"
        )


@dataclass(frozen=True)
class Timed:
    """Ours against the CPU seconds that it may take; `most_cpu_s` is None where they are only recorded."""

    what: str
    samples: tuple[Sample, ...]
    most_cpu_s: float | None

    def row(self) -> str:
        """A row of the table in RESULTS.md."""
        took_s = cpu(self.samples)
        limit = "" if self.most_cpu_s is None else f" {self.most_cpu_s:g} s"
        verdict = "" if self.most_cpu_s is None else " reached" if took_s <= self.most_cpu_s else " not reached"
        return f"| {self.what} | {took_s:.3f} ({wall(self.samples):.3f}) | none | | |{limit} |{verdict} |"


@dataclass(frozen=True)
class Growth:
    """The same at several sizes."""

    sizes: tuple[Alone | Timed, ...]

    def row(self) -> str:
        """A row for each size."""
        return "\n".join(size.row() for size in self.sizes)
