"""What interruptions of spot machines make of a run: how many there are, and how much longer it takes.

Interruptions are a Poisson process: each machine is lost at a constant hazard, regardless of its age and of the others.
In truth machines of one type in one zone are mostly lost together (within three minutes in over 92 % of such cases:
"Spot-and-Scoot", arXiv:2604.16457), so that for several nodes this is on the safe side.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.billing import HOURS_A_MONTH

LONGEST: Final = 50.0
"""Expected losses between two checkpoints (rate times length) from which on a run is taken never to end (e^50)."""
_TINY: Final = 1e-12


def hazard_per_h() -> pl.Expr:
    """The hazard of one machine, an hour, by `interruption_low` and `interruption_high` (shares of `period_h` hours).

    The middle p of the band is the share that is lost within the period of T hours, 1 - p = exp(-T lambda), so that
    lambda = -ln(1 - p) / T. The open top band of EC2's Spot Advisor is 0.2 to 1, its middle 0.6. Null where there is
    no band, or one from 0 to 1 that says nothing.
    """
    low, high = pl.col("interruption_low"), pl.col("interruption_high")
    says_nothing = low.is_null() | high.is_null() | ((low <= 0) & (high >= 1))
    return pl.when(~says_nothing).then(-(-(low + high) / 2).log1p() / pl.col("period_h"))


def share_a_month(share: pl.Expr) -> pl.Expr:
    """What a share that is lost within `period_h` hours comes to in a month of 730 hours: 1 - (1 - p)^(730 / T)."""
    months = pl.col("period_h") / HOURS_A_MONTH
    return pl.when(months == 1).then(share).otherwise(1 - (1 - share) ** (1 / months))


def expected_interruptions(
    hazard_per_h: pl.Expr, work_h: pl.Expr, nodes: pl.Expr | float, checkpoint_h: pl.Expr | float | None
) -> pl.Expr:
    """How often a run of `work_h` hours of work on `nodes` machines is interrupted, in the mean.

    All nodes stop when one is lost: the rate is L = nodes * hazard. A segment of c hours between two checkpoints passes
    with the chance e^(-L c), so that it fails e^(L c) - 1 times before it does. A run of k whole segments and a rest of
    r hours (W = k c + r, 0 <= r < c) is interrupted k (e^(L c) - 1) + (e^(L r) - 1) times.

    Args:
        hazard_per_h: of one machine, an hour.
        work_h: length of the run without interruptions.
        nodes: machines that run together.
        checkpoint_h: hours of work between two checkpoints; null for a run that has none and starts all over. Writing a
            checkpoint takes no time.

    Returns:
        0 for no hazard, null where it is not known, infinite where L c is above `LONGEST`.
    """
    rate = hazard_per_h * nodes
    segment_h = _segment(work_h, checkpoint_h)
    whole = pl.when(segment_h > 0).then((work_h / segment_h).floor()).otherwise(0.0)
    rest_h = (work_h - whole * segment_h).clip(0.0)
    failures = whole * _expm1(rate * segment_h) + _expm1(rate * rest_h)
    return pl.when(rate * segment_h > LONGEST).then(float("inf")).otherwise(failures)


def expected_run_h(
    hazard_per_h: pl.Expr,
    work_h: pl.Expr,
    nodes: pl.Expr | float,
    checkpoint_h: pl.Expr | float | None,
    recovery_h: pl.Expr | float,
) -> pl.Expr:
    """How long that run takes in the mean, from its first hour of work to its last, interruptions included.

    Each of a segment's N failures costs the time to it and the recovery of d hours, during which nothing is lost:
    E[T] = c + E[N] (E[X | X < c] + d), with X exponential of rate L and E[N] = e^(L c) - 1. Since
    E[X | X < c] = 1/L - c / (e^(L c) - 1), that is E[T] = (1/L + d) (e^(L c) - 1), and over all segments (1/L + d)
    times the expected interruptions. Daly 2006 (Future Generation Computer Systems 22,
    doi:10.1016/j.future.2004.11.016) counts besides what writing takes, and lets recoveries fail too.

    Args:
        hazard_per_h: see `expected_interruptions`.
        work_h: see there.
        nodes: see there.
        checkpoint_h: see there.
        recovery_h: from an interruption until work goes on: waiting for a machine, its start, its setup.

    Returns:
        `work_h` where there is no hazard or none is known, infinite where the interruptions are.
    """
    rate = hazard_per_h * nodes
    failures = expected_interruptions(hazard_per_h, work_h, nodes, checkpoint_h)
    # Where L W is tiny, failures / L loses what W has: to first order they are L W.
    return (
        pl.when(rate.is_null())
        .then(work_h)
        .when(rate * work_h < _TINY)
        .then(work_h + failures * recovery_h)
        .when(failures.is_infinite())
        .then(failures)
        .otherwise(failures / rate + failures * recovery_h)
    )


def _segment(work_h: pl.Expr, checkpoint_h: pl.Expr | float | None) -> pl.Expr:
    """Hours between two checkpoints: all of a shorter run, and of one that has none."""
    interval_h = checkpoint_h if isinstance(checkpoint_h, pl.Expr) else pl.lit(checkpoint_h, pl.Float64)
    return pl.min_horizontal(work_h, interval_h)


def _expm1(x: pl.Expr) -> pl.Expr:
    """e^x - 1 without the cancellation that it has for small x: 2 e^(x/2) sinh(x/2)."""
    return 2 * (x / 2).exp() * (x / 2).sinh()
