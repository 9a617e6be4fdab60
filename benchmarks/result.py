"""What a measure says: a ratio, and what it was to stay below."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure import Contest, cpu, wall


class SkippedError(Exception):
    """The measure cannot be taken here; the text says why."""


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
