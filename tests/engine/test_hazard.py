"""Piecewise constant hazards, against formulas by hand and against sums over tiny steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hazard import cumulative, lives, mean_remaining, mean_within, over, overlap
from engine.spot_market import Figures

EDGES = np.array([0.0, 1.0, 3.0])
RATES = np.array([0.5, 0.2, 0.1])

hazards = st.lists(st.floats(0.01, 5.0), min_size=1, max_size=5).map(np.array)
ages = st.floats(0.0, 12.0)


def edges_for(rates: Figures) -> Figures:
    """As many bins as there are hazards, of widths 0.5, 1, 2, ... hours."""
    return np.append(0.0, np.cumsum(0.5 * 2.0 ** np.arange(len(rates) - 1)))


def test_the_hazard_adds_up_over_the_bins() -> None:
    """To 2 hours: one at 0.5 and one at 0.2."""
    assert cumulative(EDGES, RATES, [0.0, 1.0, 2.0, 5.0]) == pytest.approx([0.0, 0.5, 0.7, 1.1])


def test_several_processes_go_side_by_side() -> None:
    """Two processes and a grid of ages make an answer of both shapes."""
    both = np.stack([RATES, 2 * RATES])
    grid = np.array([[0.5, 2.0], [4.0, 8.0], [0.0, 1.0]])
    found = over(EDGES, both, grid, 0.5)
    assert found.shape == (2, 3, 2)
    assert found[1] == pytest.approx(2 * found[0])
    assert mean_remaining(EDGES, both, grid)[0] == pytest.approx(mean_remaining(EDGES, RATES, grid))


def test_a_constant_hazard_leaves_its_inverse_at_every_age() -> None:
    """Memoryless: 1 / 0.25 hours."""
    assert mean_remaining(np.zeros(1), np.array([0.25]), [0.0, 3.0, 100.0]) == pytest.approx(4.0)


def test_a_run_that_nothing_ends_lasts_for_ever() -> None:
    """No hazard in the last bin, none at all, and one that ends all before it matters."""
    assert np.isinf(mean_remaining(EDGES, np.array([0.5, 0.2, 0.0]), 0.0))
    assert np.isinf(mean_remaining(EDGES, np.zeros(3), 2.0))
    assert mean_remaining(EDGES, np.array([0.0, 0.2, 0.1]), 0.0) == pytest.approx(
        1.0 + mean_remaining(EDGES, RATES, 1.0)
    )


@given(rates=hazards, age=ages)
@settings(max_examples=40)
def test_the_mean_is_the_area_under_the_survival(rates: Figures, age: float) -> None:
    """Against the trapezoidal rule; what lies beyond its end is added by the hazard of the last bin."""
    edges = edges_for(rates)
    times = np.linspace(0.0, 40.0, 40_001)
    survival = np.exp(-over(edges, rates, age, times))
    area = float(np.sum((survival[1:] + survival[:-1]) / 2) * (times[1] - times[0])) + survival[-1] / rates[-1]
    assert mean_remaining(edges, rates, age) == pytest.approx(area, rel=1e-3)


@given(rates=hazards, age=ages, h=st.floats(0.0, 20.0))
def test_a_mean_falls_into_what_comes_within_and_after(rates: Figures, age: float, h: float) -> None:
    """E[X] = E[min(X, h)] + P(X > h) E[X - h | X > h]."""
    edges = edges_for(rates)
    after = np.exp(-over(edges, rates, age, h)) * mean_remaining(edges, rates, age + h)
    assert mean_within(edges, rates, age, h) + after == pytest.approx(mean_remaining(edges, rates, age))


@given(rates=hazards, age=ages)
def test_lives_undo_the_cumulative_hazard(rates: Figures, age: float) -> None:
    """The age at which the hazard reaches what it is at that age."""
    edges = edges_for(rates)
    assert lives(edges, rates, cumulative(edges, rates, age)) == pytest.approx(age, abs=1e-9)


def test_lives_skip_bins_without_a_hazard() -> None:
    """What is reached at 1 hour is passed at 3; what is never reached is infinite."""
    assert lives(EDGES, np.array([0.5, 0.0, 0.5]), [0.25, 0.6]) == pytest.approx([0.5, 3.2])
    assert np.isinf(lives(EDGES, np.array([0.5, 0.2, 0.0]), 2.0))


@given(rates=hazards, age=ages, h=st.floats(0.0, 20.0))
def test_hours_in_the_bins_are_all_hours(rates: Figures, age: float, h: float) -> None:
    """They add up to the hours, and times the hazards to the integrated hazard."""
    edges = edges_for(rates)
    hours = overlap(edges, age, h)
    assert hours.sum() == pytest.approx(h, abs=1e-9)
    assert hours @ rates == pytest.approx(over(edges, rates, age, h), abs=1e-9)
