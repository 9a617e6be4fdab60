"""One run as a drawing: work done over time against the even pace and the deadline, and the machine in each stretch."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase
from typing import Final

import numpy as np

from cli.plot import rows_of
from engine.policies.base import Codes, Machine
from engine.replay import Case, Course
from engine.spot_market import SECONDS_AN_HOUR, Figures, Flags

ROWS: Final = 10
MARGIN: Final = 9
"""Characters before the first column, for the names of the lines."""
PACE: Final = "-"
NO_MACHINE: Final = "."
ALWAYS, AT_TIMES, NEVER = "=", "-", " "
MANY: Final = "*"
"""The letter of all zones after the 26th."""


def progress_lines(case: Case, course: Course, optimum: Course, *, width: int, glyphs: str) -> list[str]:
    """The drawing.

    Args:
        case: the run's job and market.
        course: how it went, alone in its batch.
        optimum: how the omniscient optimum went.
        width: of the drawing in characters.
        glyphs: the parts of a character's height from none to all.
    """
    deadline_s = case.job.deadline_s
    end_s = max(deadline_s, float(course.outcome.finish_s[0]))
    edges_s = np.linspace(0.0, end_s, width - MARGIN)
    deadline = round((len(edges_s) - 1) * deadline_s / end_s)
    at_deadline = f"deadline {deadline_s / SECONDS_AN_HOUR:.4g} h"
    lines = [
        *_progress(case, course, edges_s, deadline, glyphs),
        ("machine", _machines(case, course, edges_s)),
        ("optimum", _machines(case, optimum, edges_s)),
        *_capacity(case, edges_s),
        ("", "0 h" + at_deadline.rjust(deadline - 2)),
    ]
    return [f"{name:<{MARGIN}}{line}".rstrip() for name, line in lines]


def letter_of(zone: int) -> str:
    """The letter of a zone in the drawing."""
    return ascii_lowercase[zone] if zone < len(ascii_lowercase) else MANY


def _progress(case: Case, course: Course, edges_s: Figures, deadline: int, glyphs: str) -> Iterator[tuple[str, str]]:
    """Bars of work done, from all of it down to none, with the even pace across and a line at the deadline."""
    work_s, done_s = case.job.work_s, course.done_s[0]
    at_s = np.arange(len(done_s)) * case.market.gap_s
    heights = np.interp(edges_s[1:], at_s, done_s) / work_s
    bars = [list(row) for row in rows_of(heights.tolist(), ROWS, glyphs)]
    middles = (edges_s[1:] + edges_s[:-1]) / 2
    pace = np.minimum((middles / case.job.deadline_s * ROWS).astype(np.int64), ROWS - 1)
    for column, row in enumerate(pace[:deadline]):
        bars[ROWS - 1 - row][column] = PACE
    names = {0: f"{work_s / SECONDS_AN_HOUR:g} h", ROWS - 1: "0 h"}
    for number, bar in enumerate(bars):
        yield names.get(number, ""), f"{''.join(bar[:deadline])}|{''.join(bar[deadline:])}"


def _machines(case: Case, course: Course, edges_s: Figures) -> str:
    """The machine that each column is on for longest, until the work is done."""
    zones = len(case.market.zones)
    machines, in_zone = course.outcome.machines[0], course.outcome.zones[0]
    kinds = np.where(machines == Machine.NONE, 0, np.where(machines == Machine.SPOT, 1, 1 + zones) + in_zone)
    letters = [letter_of(zone) for zone in range(zones)]
    glyphs = [NO_MACHINE, *letters, *(letter.upper() for letter in letters)]
    gaps = int(course.outcome.finish_gap[0])
    return "".join(
        glyphs[int(np.bincount(part).argmax())] for part in _columns(kinds[:gaps], edges_s, case.market.gap_s)
    )


def _capacity(case: Case, edges_s: Figures) -> Iterator[tuple[str, str]]:
    """Where spot was to be had, zone by zone."""
    for zone, available in enumerate(case.market.available.T):
        shares = [float(part.mean()) for part in _columns(available, edges_s, case.market.gap_s)]
        glyphs = (ALWAYS if share == 1 else AT_TIMES if share else NEVER for share in shares)
        yield f"spot {letter_of(zone)}", "".join(glyphs)


def _columns(of_gaps: Codes | Flags, edges_s: Figures, gap_s: float) -> Iterator[Codes | Flags]:
    """What the gaps in each column say, as far as there are any."""
    first = np.floor(edges_s[:-1] / gap_s + 1e-9).astype(np.int64)
    last = np.maximum(np.ceil(edges_s[1:] / gap_s - 1e-9).astype(np.int64), first + 1)
    for start, end in zip(first, last, strict=True):
        if start < len(of_gaps):
            yield of_gaps[start:end]
