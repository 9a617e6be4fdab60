"""Prices over time as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cli.plot import ASCII, BLOCKS, MOST_LINES, Series, Step, plot

START = datetime(2026, 1, 1, tzinfo=UTC)


def series(*values: float | None, name: str = "r", step: timedelta = timedelta(days=1)) -> Series:
    """A value a day; None is a gap."""
    steps = [
        Step(START + number * step, START + (number + 1) * step, value)
        for number, value in enumerate(values)
        if value is not None
    ]
    return Series(name, steps)


def test_a_price_that_doubles_and_falls_again() -> None:
    """The least is one part of a character high, the highest fills all rows, and the dates stand at both ends."""
    assert plot([series(1.0, 2.0, 1.5)], "$/h", width=24) == [
        "r: 1.00 to 2.00 $/h",
        "        ████████",
        "        ████████",
        "        ████████▁▁▁▁▁▁▁▁",
        "        ████████████████",
        "        ████████████████",
        "▁▁▁▁▁▁▁▁████████████████",
        "2026-01-01    2026-01-04",
    ]


def test_without_unicode_the_same_in_ascii() -> None:
    """Three parts a character in place of eight."""
    lines = plot([series(1.0, 2.0)], "$/h", width=24, glyphs=ASCII)
    assert lines[-2] == "." * 12 + "#" * 12
    assert "".join(lines).isascii()


def test_a_gap_is_blank() -> None:
    """Where it was not sold there is no price, not even the least."""
    assert plot([series(1.0, None, 2.0)], "$/h", width=24)[-2] == "▁▁▁▁▁▁▁▁        ████████"


def test_a_peak_narrower_than_a_column_is_seen() -> None:
    """A minute in a month."""
    steps = [
        Step(START, START + timedelta(days=15), 1.0),
        Step(START + timedelta(days=15), START + timedelta(days=15, minutes=1), 9.0),
        Step(START + timedelta(days=15, minutes=1), START + timedelta(days=30), 1.0),
    ]
    assert plot([Series("r", steps)], "$/h", width=20)[-2] == "▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁"


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 1.0), (None, 2.0, None)])
def test_what_does_not_change_is_not_drawn(values: Sequence[float | None]) -> None:
    """One price is no plot, alone or beside others."""
    assert plot([series(*values)], "$/h", width=24) == []
    assert len(plot([series(*values, name="flat"), series(1.0, 2.0)], "$/h", width=24)) == 8


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("width", [24, 72, 200])
def test_any_number_of_series_fits(number: int, width: int) -> None:
    """In a dozen lines of the width; each is named or counted, and has at least a row."""
    several = [series(1.0, 2.0 + place, name=f"zone-{place}") for place in range(number)]
    lines = plot(several, "$/h", width=width)
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= width
    assert [line.split(":")[0] for line in lines if line.startswith("zone-")] == [
        f"zone-{place}" for place in range(min(number, 5))
    ]
    assert sum(line.startswith("▁") for line in lines) == min(number, 5)
    assert [line for line in lines if "more" in line] == ([f"{number - 5} more that changed"] if number > 5 else [])


def test_series_share_their_time() -> None:
    """One that began later starts further to the right."""
    late = Series("late", [Step(START + timedelta(days=day), START + timedelta(days=day + 1), day) for day in (2, 3)])
    lines = plot([series(1.0, 1.0, 2.0, 2.0), late], "$/h", width=20)
    assert [line for line in lines if "▁" in line] == ["▁" * 10 + "█" * 10, " " * 10 + "▁" * 5 + "█" * 5]


def test_within_a_day_the_time_is_told() -> None:
    """The same date twice would say nothing."""
    lines = plot([series(1.0, 2.0, step=timedelta(hours=3))], "$/h", width=40)
    assert lines[-1].split("  ")[0] == "2026-01-01 00:00"
    assert lines[-1].endswith("2026-01-01 06:00")


def test_a_price_that_was_replaced_at_once_is_no_error() -> None:
    """Two snapshots of one instant: no time has passed."""
    lines = plot([Series("r", [Step(START, START, 1.0), Step(START, START, 2.0)])], "$/h", width=20)
    assert lines[0] == "r: 1.00 to 2.00 $/h"
    assert all(letter in BLOCKS for line in lines[1:-1] for letter in line)
