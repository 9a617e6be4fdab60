"""The values that a workload is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.workload import AcceleratorRequest, Estimate, Requirement, Task, Workload


def test_hours_for_everything() -> None:
    """One figure holds on any hardware and for any number of nodes."""
    estimate = Estimate(hours=3.0)
    assert estimate.hours_on("H100", 8, 1) == 3.0
    assert estimate.hours_on(None, None, 4) == 3.0


def test_hours_by_hardware() -> None:
    """The key with the count is asked first, then the model alone; what has neither is unknown."""
    estimate = Estimate(hours={"H100:8": 6.0, "H100": 10.0, "cpu": 90.0})
    assert estimate.hours_on("H100", 8.0, 1) == 6.0
    assert estimate.hours_on("H100", 4.0, 1) == 10.0
    assert estimate.hours_on(None, None, 1) == 90.0
    assert estimate.hours_on("A100", 8.0, 1) is None
    assert Estimate(hours={"H100": 1.0}).hours_on(None, None, 1) is None


def test_hours_from_work() -> None:
    """Work over throughput: a model counts once for each accelerator and node, a node once for each node."""
    estimate = Estimate(work=7_200_000, throughput={"H100": 100.0, "A100:8": 500.0, "cpu": 10.0})
    assert estimate.hours_on("H100", 1, 1) == pytest.approx(20.0)
    assert estimate.hours_on("H100", 8, 2) == pytest.approx(20.0 / 16)
    assert estimate.hours_on("H100", 0.5, 1) == pytest.approx(40.0)
    assert estimate.hours_on("A100", 8, 2) == pytest.approx(2.0)
    assert estimate.hours_on("A100", 4, 1) is None
    assert estimate.hours_on(None, None, 10) == pytest.approx(20.0)
    assert estimate.hours_on("L4", 1, 1) is None


def test_the_node_comes_before_the_model() -> None:
    """A measured node beats what its parts would add up to."""
    estimate = Estimate(work=3600.0, throughput={"H100": 1.0, "H100:8": 4.0})
    assert estimate.hours_on("H100", 8, 1) == pytest.approx(0.25)


def test_nothing_is_known_of_nothing() -> None:
    """An estimate without figures knows no hours."""
    assert Estimate().hours_on("H100", 8, 1) is None


def test_hours_left() -> None:
    """A deadline is hours from the start, or the hours from now to an instant, which may have passed."""
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    workload = Workload("w", (Task("t"),))
    assert workload.hours_left(now) is None
    assert replace(workload, deadline_hours=5.0).hours_left(now) == 5.0
    assert replace(workload, deadline_at=datetime(2026, 12, 1, 18, tzinfo=UTC)).hours_left(now) == 6.0
    assert replace(workload, deadline_at=datetime(2026, 12, 1, 6, tzinfo=UTC)).hours_left(now) == -6.0


def test_requirements_can_be_keys() -> None:
    """Equal requirements are one key, whatever mappings they carry."""
    first = Requirement(accelerator=AcceleratorRequest("H100", 8.0), labels={"a": "b"})
    assert len({first, replace(first), replace(first, cloud="aws")}) == 2


def test_a_request_reads_as_it_is_written() -> None:
    """A request shows itself in the user's own notation."""
    assert str(AcceleratorRequest("T4", 0.5)) == "T4:0.5"
    assert str(AcceleratorRequest("H100", 8.0)) == "H100:8"
