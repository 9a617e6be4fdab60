"""What a task's disk costs."""

from __future__ import annotations

import polars as pl
import pytest

from catalog_data.normalise import CLOUDS
from catalog_data.schema import Purchase
from engine.disks import DISK_RATES, disk_usd


def cost(cloud: str, disk_gib: float, hours: float | None, purchase: Purchase = Purchase.ON_DEMAND) -> float | None:
    """The cost of one disk."""
    row = {"cloud": cloud, "purchase": str(purchase), "hours": hours}
    schema = {"cloud": pl.String, "purchase": pl.String, "hours": pl.Float64}
    usd: float | None = pl.DataFrame([row], schema).select(disk_usd(disk_gib, pl.col("hours"))).item()
    return usd


def test_every_rate_is_of_a_cloud_that_the_catalog_knows() -> None:
    """A rate under a name that no offer has would never be used."""
    assert set(DISK_RATES) <= set(CLOUDS)


@pytest.mark.parametrize(
    ("cloud", "usd"), [("aws", 8.0), ("azure", 7.5), ("gcp", 10.0), ("oci", 4.25), ("nebius", 7.1), ("runpod", 10.0)]
)
def test_hundred_gib_for_a_month(cloud: str, usd: float) -> None:
    """A month has 730 hours."""
    assert cost(cloud, 100.0, 730.0) == pytest.approx(usd)


def test_part_of_a_month_costs_its_part() -> None:
    """A day of 365 GiB at 0.08 USD is 0.96 USD."""
    assert cost("aws", 365.0, 24.0) == pytest.approx(0.96)


def test_no_more_for_disks_that_come_with_the_machine() -> None:
    """Lambda bills no disks, and an owned machine costs nothing more wherever it is."""
    assert cost("lambda", 500.0, 10.0) == 0.0
    assert cost("slurm", 500.0, 10.0, Purchase.OWNED) == 0.0


def test_unknown_rate_or_time_is_null() -> None:
    """An unknown figure is not 0."""
    assert cost("vast", 500.0, 10.0) is None
    assert cost("aws", 500.0, None) is None


def test_size_may_be_a_column() -> None:
    """Sizes that differ from candidate to candidate are an expression."""
    frame = pl.DataFrame({"cloud": ["aws", "gcp"], "purchase": ["spot", "spot"], "gib": [73.0, None], "hours": 10.0})
    assert frame.select(disk_usd(pl.col("gib"), pl.col("hours"))).to_series().to_list() == pytest.approx([0.08, None])
