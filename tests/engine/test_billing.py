"""What a cloud rounds occupied time up to."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_data.normalise import CLOUDS
from engine.billing import BILLING, billed_h

SECOND = 1 / 3600
MINUTE = 1 / 60


def billed(cloud: str, occupied_h: float | None, instance_type: str = "VM.Standard.E5.Flex") -> float | None:
    """The hours on the bill of one machine."""
    row = {"cloud": cloud, "instance_type": instance_type, "occupied": occupied_h}
    schema = {"cloud": pl.String, "instance_type": pl.String, "occupied": pl.Float64}
    hours: float | None = pl.DataFrame([row], schema).select(billed_h(pl.col("occupied"))).item()
    return hours


def test_every_rule_is_of_a_cloud_that_the_catalog_knows() -> None:
    """A rule under a name that no offer has would never be used."""
    assert set(BILLING) <= set(CLOUDS)


@pytest.mark.parametrize(
    ("cloud", "occupied_h", "expected_h"),
    [
        ("aws", 10 * SECOND, 60 * SECOND),
        ("aws", 90.2 * SECOND, 91 * SECOND),
        ("azure", 90 * SECOND, 5 * MINUTE),
        ("azure", 6 * MINUTE, 6 * MINUTE),
        ("lambda", 61 * SECOND, 2 * MINUTE),
        ("runpod", 1.5 * SECOND, 2 * SECOND),
        ("vultr", 0.1, 1.0),
        ("vultr", 1.001, 2.0),
        ("oci", 10 * SECOND, 60 * SECOND),
    ],
)
def test_units_and_minimum(cloud: str, occupied_h: float, expected_h: float) -> None:
    """A started unit is billed whole, and less than the minimum as the minimum."""
    assert billed(cloud, occupied_h) == pytest.approx(expected_h, rel=1e-12)


def test_bare_metal_of_oracle_has_a_minimum_of_an_hour() -> None:
    """Its shapes are told by their names; beyond the hour they are metered by the second."""
    assert billed("oci", 0.25, "BM.GPU.H100.8") == 1.0
    assert billed("oci", 1.25, "BM.GPU.H100.8") == 1.25
    assert billed("oci", 0.25) == 0.25


@pytest.mark.parametrize("cloud", ["aws", "lambda", "vultr"])
@pytest.mark.parametrize("noise", [-1e-13, 0.0, 1e-13])
def test_rounding_starts_no_further_unit(cloud: str, noise: float) -> None:
    """Six hours stay six hours, also as the sum of a thousand parts."""
    assert billed(cloud, 6.0 * (1 + noise)) == 6.0
    assert billed(cloud, sum([0.006] * 1000)) == 6.0


def test_cloud_without_a_rule_bills_what_is_occupied() -> None:
    """Nothing is known of its metering, so nothing is added."""
    assert billed("hyperbolic", 0.12345) == 0.12345


@pytest.mark.parametrize("cloud", ["aws", "hyperbolic"])
def test_unknown_time_stays_unknown(cloud: str) -> None:
    """No minimum makes a figure of it."""
    assert billed(cloud, None) is None


@given(st.sampled_from(sorted(BILLING)), st.floats(1e-4, 2000.0))
def test_against_the_definition_in_plain_arithmetic(cloud: str, occupied_h: float) -> None:
    """The least whole number of units, and the minimum, that hold the time."""
    rule = BILLING[cloud]
    hours = billed(cloud, occupied_h)
    assert hours is not None
    units = hours * 3600 / rule.granularity_s
    assert units == pytest.approx(round(units), rel=1e-12)
    assert hours * 3600 >= max(rule.minimum_s, occupied_h * 3600 * (1 - 2e-9))
    least = max(rule.minimum_s, math.ceil(occupied_h * 3600 / rule.granularity_s) * rule.granularity_s)
    assert hours * 3600 <= least * (1 + 1e-12)
