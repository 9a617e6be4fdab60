"""Limits of time: by a clock that is handed in, or by none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.status import NO_LIMIT, TimeLimit


def ticking(step_s: float) -> Iterator[float]:
    """Each look at the clock takes so many seconds."""
    now = 100.0
    while True:
        yield now
        now += step_s


def test_without_a_limit_there_is_always_time() -> None:
    """Whatever it is for, and a share of it as well."""
    assert TimeLimit.of(None) == NO_LIMIT
    assert NO_LIMIT.left_s is None
    assert NO_LIMIT.allows(1e9)
    assert NO_LIMIT.share(0.25) is NO_LIMIT


def test_time_passes_by_the_clock() -> None:
    """3 s, a look each second: two are left, then one, then none; never less."""
    clock = ticking(1.0)
    limit = TimeLimit.of(3.0, lambda: next(clock))
    assert [limit.left_s for _ in range(4)] == [2.0, 1.0, 0.0, 0.0]
    assert not limit.allows()


def test_there_is_time_for_what_takes_less_than_is_left() -> None:
    """By a clock that stands still, 3 s stay 3 s."""
    limit = TimeLimit.of(3.0)
    assert limit.allows(2.9)
    assert not limit.allows(3.0)
    assert TimeLimit.of(0.0).allows() is False


def test_a_share_is_of_what_is_left() -> None:
    """A quarter of 8 s ends 6 s earlier."""
    assert TimeLimit.of(8.0).share(0.25).left_s == pytest.approx(2.0)
    assert TimeLimit.of(0.0).share(0.25).left_s == 0.0
