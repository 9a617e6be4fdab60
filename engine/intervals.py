"""Quantiles of the gamma and the beta distribution, for intervals of rates and of chances.

Formulas of NIST's Digital Library of Mathematical Functions (dlmf.nist.gov): the incomplete gamma function by its
series (8.11.4) and continued fraction (8.9.2), the incomplete beta function by its continued fraction (8.17.22).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

COVERAGE: Final = 0.9
"""How much of a distribution an interval holds where nothing else is said."""
_TERMS: Final = 10_000
_CLOSE: Final = 1e-14
_TINY: Final = 1e-300
_HALVINGS: Final = 200


def gamma_interval(shape: float, rate: float, coverage: float = COVERAGE) -> tuple[float, float]:
    """The middle interval of that coverage of a gamma distribution, such as that of a rate."""
    tail = (1 - coverage) / 2
    return gamma_quantile(tail, shape, rate), gamma_quantile(1 - tail, shape, rate)


def beta_interval(a: float, b: float, coverage: float = COVERAGE) -> tuple[float, float]:
    """The middle interval of that coverage of a beta distribution, such as that of a chance."""
    tail = (1 - coverage) / 2
    return beta_quantile(tail, a, b), beta_quantile(1 - tail, a, b)


def gamma_quantile(share: float, shape: float, rate: float) -> float:
    """The value below which that share (0 to 1, not 1) of a gamma distribution lies."""
    above = max(shape, 1.0)
    while gamma_below(above, shape) < share:
        above *= 2
    return _root(lambda x: gamma_below(x, shape) - share, above) / rate


def beta_quantile(share: float, a: float, b: float) -> float:
    """The value below which that share (0 to 1) of a beta distribution lies."""
    return _root(lambda x: beta_below(x, a, b) - share, 1.0)


def gamma_below(x: float, shape: float) -> float:
    """P(a, x), the regularised lower incomplete gamma function: the share of a gamma distribution of rate 1 below x."""
    if x <= 0:
        return 0.0
    scale = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        for number in range(1, _TERMS):
            term *= x / (shape + number)
            total += term
            if term < total * _CLOSE:
                break
        return scale * total
    # Q(a, x) = scale / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...)))
    steps = ((-number * (number - shape), x + 2 * number + 1 - shape) for number in range(1, _TERMS))
    return 1 - scale / _continued(x + 1 - shape, steps)


def beta_below(x: float, a: float, b: float) -> float:
    """I_x(a, b), the regularised incomplete beta function: the share of a beta distribution below x."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        # The fraction converges fast on the other side only.
        return 1 - beta_below(1 - x, b, a)
    scale = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    )
    return scale / _continued(1.0, ((term, 1.0) for term in _beta_terms(x, a, b)))


def _beta_terms(x: float, a: float, b: float) -> Iterator[float]:
    for number in range(_TERMS):
        yield -(a + number) * (a + b + number) * x / ((a + 2 * number) * (a + 2 * number + 1))
        step = number + 1
        yield step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))


def _continued(first: float, steps: Iterator[tuple[float, float]]) -> float:
    """first + a1 / (b1 + a2 / (b2 + ...)), by the modified method of Lentz (Thompson and Barnett 1986)."""
    value = first or _TINY
    upper, lower = value, 0.0
    for a, b in steps:
        lower = 1 / ((b + a * lower) or _TINY)
        upper = (b + a / upper) or _TINY
        factor = upper * lower
        value *= factor
        if abs(factor - 1) < _CLOSE:
            break
    return value


def _root(rising: Callable[[float], float], above: float) -> float:
    """Where a rising function passes 0, between 0 and `above`: by halving."""
    low, high = 0.0, above
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return high
