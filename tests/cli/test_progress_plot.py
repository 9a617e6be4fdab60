"""The drawing of one run."""

from __future__ import annotations

from typing import Final

import numpy as np

from cli.plot import ASCII, BLOCKS
from cli.progress_plot import MARGIN, letter_of, progress_lines
from engine.policies.base import Machine
from engine.policies.scripted import Scripted
from engine.replay import Case, batched, course_of
from engine.spot_market import DeadlineJob, Trace, market_of

HOUR: Final = 3600.0


def drawing(machines: str, glyphs: str = ASCII, *, deadline_h: float = 10, width: int = 30) -> list[str]:
    """Five hours of work, half an hour to start; a letter of `machines` an hour, lower case for spot in zone a or b."""
    flags = [np.array([letter == zone for letter in machines.ljust(12, ".")]) for zone in "ab"]
    market = market_of([Trace(zone, "m", HOUR, up) for zone, up in zip("ab", flags, strict=True)],
                       spot_usd_h=1.0, on_demand_usd_h=3.0)  # fmt: skip
    case = Case("c", market, DeadlineJob(5 * HOUR, deadline_h * HOUR, HOUR / 2))
    kinds = [Machine.NONE if one == "." else Machine.SPOT if one.islower() else Machine.ON_DEMAND for one in machines]
    zones = np.array([int(one in "bB") for one in machines])
    (batch,) = batched([case])
    course = course_of(batch, Scripted(np.array(kinds, dtype=np.int64), zones))
    return progress_lines(case, course, course, width=width, glyphs=glyphs)


def test_bars_pace_machines_and_capacity() -> None:
    """Spot in a, a wait, spot in b, then on demand there: two columns an hour, and the work as bars."""
    assert drawing("aaa..bbBB") == [
        "5 h                      :#--|",
        "                       :#--##|",
        "                      #--####|",
        "                     --######|",
        "                   --########|",
        "             .###--##########|",
        "            .##--############|",
        "           .#--##############|",
        "          .--################|",
        "0 h      --##################|",
        "machine  aaaaaa....bbbbBBBB",
        "optimum  aaaaaa....bbbbBBBB",
        "spot a   ======",
        "spot b             ====",
        "         0 h     deadline 10 h",
    ]


def test_letters_of_zones() -> None:
    """As many as the alphabet has, and one for all others."""
    assert [letter_of(zone) for zone in (0, 25, 26)] == ["a", "z", "*"]


def test_a_late_run_goes_on_beyond_the_deadline() -> None:
    """The line of the deadline stands before the end."""
    lines = drawing("....AAAAAA", deadline_h=9)
    assert lines[0].index("|") < len(lines[0]) - 1
    assert {len(line) for line in lines[:10]} == {30}
    assert lines[-1].endswith("deadline 9 h")


def test_blocks_at_a_terminal() -> None:
    """Finer than a character."""
    assert set("".join(drawing("AAAAAA", BLOCKS)[:10])) & set(BLOCKS[1:-1])
    assert MARGIN == 9
