"""Quantiles of the gamma and the beta distribution, against sums and tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.intervals import (
    beta_below,
    beta_interval,
    beta_quantile,
    gamma_below,
    gamma_interval,
    gamma_quantile,
)


@given(st.integers(1, 30), st.floats(0.01, 60.0))
def test_a_gamma_distribution_of_whole_shape_is_a_sum_of_poisson_chances(shape: int, x: float) -> None:
    """P(a, x) is the chance of a events or more where x are expected."""
    fewer = sum(math.exp(number * math.log(x) - x - math.lgamma(number + 1)) for number in range(shape))
    assert gamma_below(x, shape) == pytest.approx(1 - fewer, abs=1e-11)


@given(st.integers(1, 25), st.integers(0, 25), st.floats(0.001, 0.999))
def test_a_beta_distribution_of_whole_figures_is_a_sum_of_binomial_chances(a: int, more: int, x: float) -> None:
    """I_x(a, n - a + 1) is the chance of a successes or more in n trials."""
    n = a + more
    at_least = sum(math.comb(n, number) * x**number * (1 - x) ** (n - number) for number in range(a, n + 1))
    assert beta_below(x, a, n - a + 1) == pytest.approx(at_least, abs=1e-11)


def test_the_tables_of_chi_square() -> None:
    """Chi-square of k degrees of freedom is gamma of shape k / 2 and rate 1 / 2: 5 % and 95 % points of 1, 10, 30."""
    points = {1: (0.00393214, 3.841459), 10: (3.940299, 18.307038), 30: (18.492661, 43.772972)}
    for degrees, (low, high) in points.items():
        assert gamma_interval(degrees / 2, 0.5) == pytest.approx((low, high), rel=1e-6)


def test_a_half_and_a_half_is_the_arcsine_law() -> None:
    """I_x(1/2, 1/2) = 2/pi arcsin(sqrt x)."""
    assert beta_interval(0.5, 0.5, 0.5) == pytest.approx((math.sin(math.pi / 8) ** 2, math.sin(3 * math.pi / 8) ** 2))


@given(st.floats(0.01, 0.99), st.floats(0.2, 500.0), st.floats(0.2, 500.0))
def test_quantiles_undo_the_shares(share: float, a: float, b: float) -> None:
    """The share below the quantile is the share."""
    assert beta_below(beta_quantile(share, a, b), a, b) == pytest.approx(share, abs=1e-8)
    assert gamma_below(gamma_quantile(share, a, b) * b, a) == pytest.approx(share, abs=1e-8)


def test_all_of_a_distribution_lies_within_its_ends() -> None:
    """Nothing below 0, all below 1."""
    assert (gamma_below(0.0, 2.0), beta_below(0.0, 2.0, 3.0), beta_below(1.0, 2.0, 3.0)) == (0.0, 0.0, 1.0)
