"""Interruptions of spot machines, against formulas in plain arithmetic and against the process itself."""

from __future__ import annotations

import math
import random
import statistics

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.interruption import LONGEST, expected_interruptions, expected_run_h, hazard_per_h, share_a_month

HAZARD, WORK = pl.col("hazard"), pl.col("work")


def expected(
    hazard: float | None, work: float, nodes: float = 1.0, checkpoint: float | None = None, recovery: float = 0.0
) -> tuple[float | None, float]:
    """Expected interruptions and length of one run."""
    frame = pl.DataFrame([{"hazard": hazard, "work": work}], {"hazard": pl.Float64, "work": pl.Float64})
    interruptions, run = frame.select(
        expected_interruptions(HAZARD, WORK, nodes, checkpoint).alias("interruptions"),
        expected_run_h(HAZARD, WORK, nodes, checkpoint, recovery).alias("run"),
    ).row(0)
    return interruptions, run


def in_plain_arithmetic(rate: float, work: float, checkpoint: float, recovery: float) -> tuple[float, float]:
    """Interruptions and length, segment by segment, by the conditional mean of the exponential distribution."""
    interruptions = run = 0.0
    done = 0.0
    while work - done > 1e-9 * work:
        segment = min(checkpoint, work - done)
        failures = math.exp(rate * segment) - 1
        lost = 1 / rate - segment / failures
        interruptions += failures
        run += segment + failures * (lost + recovery)
        done += segment
    return interruptions, run


def simulated(
    rng: random.Random, hazard: float, work: float, nodes: int, checkpoint: float, recovery: float
) -> tuple[int, float]:
    """One run: every node draws when it is lost, the first loss throws all back to the last checkpoint."""
    clock = done = 0.0
    interruptions = 0
    while done < work:
        lost_in = min(rng.expovariate(hazard) for _ in range(nodes))
        segment = min(checkpoint, work - done)
        if lost_in < segment:
            interruptions += 1
            clock += lost_in + recovery
        else:
            clock += segment
            done += segment
    return interruptions, clock


@given(st.floats(1e-3, 0.5), st.floats(0.5, 60.0), st.integers(1, 8), st.floats(0.3, 6.0), st.floats(0.0, 2.0))
def test_against_the_sum_over_segments(
    hazard: float, work: float, nodes: int, checkpoint: float, recovery: float
) -> None:
    """Whole segments and a last partial one, each by its own conditional mean."""
    interruptions, run = expected(hazard, work, nodes, checkpoint, recovery)
    plain_interruptions, plain_run = in_plain_arithmetic(hazard * nodes, work, checkpoint, recovery)
    assert interruptions == pytest.approx(plain_interruptions, rel=1e-6)
    assert run == pytest.approx(plain_run, rel=1e-6)


@pytest.mark.parametrize(
    ("hazard", "work", "nodes", "checkpoint", "recovery"),
    [(0.1, 10.0, 1, 10.0, 0.5), (0.05, 10.0, 4, 1.5, 0.25), (0.3, 5.0, 2, 2.0, 0.0)],
)
def test_against_the_simulated_process(
    hazard: float, work: float, nodes: int, checkpoint: float, recovery: float
) -> None:
    """The means of 4,000 simulated runs lie within three standard errors."""
    rng = random.Random(2006)
    runs = [simulated(rng, hazard, work, nodes, checkpoint, recovery) for _ in range(4000)]
    for figure, samples in zip(
        expected(hazard, work, nodes, checkpoint, recovery), zip(*runs, strict=True), strict=True
    ):
        error = statistics.stdev(samples) / math.sqrt(len(samples))
        assert error > 0
        assert figure == pytest.approx(statistics.fmean(samples), abs=3 * error)


def test_last_segment_is_not_rounded_up() -> None:
    """Five hours with a checkpoint every two are 2 + 2 + 1, less than 2 + 2 + 2."""
    five, six = expected(0.2, 5.0, checkpoint=2.0), expected(0.2, 6.0, checkpoint=2.0)
    parts = 2 * math.expm1(0.4) + math.expm1(0.2)
    assert five == pytest.approx((parts, parts / 0.2))
    assert five[1] < six[1]


def test_run_without_checkpoints_starts_all_over() -> None:
    """It is one segment, as is one whose first checkpoint it never reaches."""
    assert expected(0.1, 8.0) == expected(0.1, 8.0, checkpoint=8.0) == expected(0.1, 8.0, checkpoint=100.0)
    assert expected(0.1, 8.0)[0] == pytest.approx(math.expm1(0.8))


@pytest.mark.parametrize("hazard", [0.0, 1e-300, 1e-18, 1e-14])
@pytest.mark.parametrize("checkpoint", [None, 1.0])
def test_run_without_hazard_takes_its_work(hazard: float, checkpoint: float | None) -> None:
    """As the hazard goes to 0, the run becomes its work without a digit lost."""
    interruptions, run = expected(hazard, 7.0, checkpoint=checkpoint, recovery=1.0)
    assert interruptions == pytest.approx(hazard * 7.0, rel=1e-9, abs=0.0)
    assert run == pytest.approx(7.0, rel=1e-12)


@pytest.mark.parametrize("exponent", range(-16, -3))
def test_small_hazards_lose_no_digits(exponent: int) -> None:
    """Also where e^x - 1 would have none left, and where recoveries outweigh all else."""
    hazard = 10.0**exponent
    interruptions, run = expected(hazard, 4.0, recovery=1e6)
    assert interruptions == pytest.approx(math.expm1(hazard * 4.0), rel=1e-12)
    assert run == pytest.approx((1 / hazard + 1e6) * math.expm1(hazard * 4.0), rel=1e-12)


def test_unknown_hazard() -> None:
    """The run is taken at its work, and of its interruptions nothing is said."""
    assert expected(None, 7.0, 4.0, 1.0, 0.5) == (None, 7.0)


@pytest.mark.parametrize("recovery", [0.0, 1.0])
def test_run_that_never_ends_is_infinite(recovery: float) -> None:
    """Beyond e^50 failures no figure is given; checkpoints bring the run back."""
    beyond = (LONGEST + 1) / 100
    assert expected(beyond, 100.0, recovery=recovery) == (math.inf, math.inf)
    assert expected(math.inf, 100.0, checkpoint=1.0, recovery=recovery) == (math.inf, math.inf)
    interruptions, run = expected(beyond, 100.0, checkpoint=1.0, recovery=recovery)
    assert interruptions is not None
    assert interruptions < run < math.inf


def test_columns_may_differ_by_row() -> None:
    """Nodes, checkpoints and recoveries of candidates are expressions; a null checkpoint is none."""
    frame = pl.DataFrame({"hazard": [0.1, 0.1], "work": [6.0, 6.0], "n": [2, 3], "c": [1.0, None], "d": [0.5, 0.25]})
    runs = frame.select(expected_run_h(HAZARD, WORK, pl.col("n"), pl.col("c"), pl.col("d"))).to_series()
    assert runs.to_list() == [expected(0.1, 6.0, 2, 1.0, 0.5)[1], expected(0.1, 6.0, 3, None, 0.25)[1]]


def hazard_of(low: float | None, high: float | None, period_h: float = 730.0) -> float | None:
    """The hazard of one band."""
    band = {"interruption_low": low, "interruption_high": high, "period_h": period_h}
    hazard: float | None = pl.DataFrame([band], dict.fromkeys(band, pl.Float64)).select(hazard_per_h()).item()
    return hazard


@pytest.mark.parametrize(("low", "high", "share"), [(0.0, 0.05, 0.025), (0.05, 0.1, 0.075), (0.2, 1.0, 0.6)])
def test_hazard_of_a_monthly_band(low: float, high: float, share: float) -> None:
    """After 730 hours the middle of the band is gone; the open top band has its middle at 0.6."""
    hazard = hazard_of(low, high)
    assert hazard is not None
    assert -math.expm1(-hazard * 730) == pytest.approx(share)


@pytest.mark.parametrize(("low", "high", "share"), [(0.0, 0.05, 0.025), (0.05, 0.1, 0.075), (0.2, 1.0, 0.6)])
def test_hazard_of_an_hourly_band(low: float, high: float, share: float) -> None:
    """Azure quotes its bands of an hour: after one hour the middle of the band is gone."""
    assert hazard_of(low, high, 1.0) == pytest.approx(-math.log(1 - share))


def test_shares_of_a_month() -> None:
    """Of 730 hours a share stays as it is; 0.1 % an hour leave 0.999^730 of the machines."""
    frame = pl.DataFrame({"p": [0.05, 0.001, 0.05, 0.0], "period_h": [730.0, 1.0, 1.0, 1.0]})
    shares = frame.select(share_a_month(pl.col("p"))).to_series().to_list()
    assert shares[0] == 0.05
    assert shares[1:] == pytest.approx([1 - 0.999**730, 1.0, 0.0])


def test_hazard_of_what_says_nothing() -> None:
    """No band, half a band, or one from nothing to all."""
    assert hazard_of(None, None) is None
    assert hazard_of(None, 1.0) is None
    assert hazard_of(0.0, 1.0, 1.0) is None
