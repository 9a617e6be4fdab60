"""How long machines take to start."""

from __future__ import annotations

import polars as pl
import pytest

from catalog_data.normalise import CLOUDS
from catalog_data.schema import Purchase
from engine.startup import ASSUMED_STARTUP_H, startup_h

SECOND = 1 / 3600


def startup(
    cloud: str, purchase: Purchase = Purchase.ON_DEMAND, *, vcpus: float | None = 8.0, accelerator: str | None = None
) -> float | None:
    """Hours until one machine runs commands."""
    row = {"cloud": cloud, "purchase": str(purchase), "vcpus": vcpus, "accelerator": accelerator}
    schema = {"cloud": pl.String, "purchase": pl.String, "vcpus": pl.Float64, "accelerator": pl.String}
    hours: float | None = pl.DataFrame([row], schema).select(startup_h()).item()
    return hours


def test_measured_machines_have_what_was_measured() -> None:
    """97 s on EC2; 25 s on Google Cloud, and up to a minute with more than 32 vCPUs."""
    assert startup("aws") == pytest.approx(96.9 * SECOND)
    assert startup("gcp", vcpus=32.0) == pytest.approx(25 * SECOND)
    assert startup("gcp", vcpus=96.0) == pytest.approx(60 * SECOND)


def test_unknown_size_starts_like_a_large_one() -> None:
    """The slower figure is the safe one."""
    assert startup("gcp", vcpus=None) == pytest.approx(60 * SECOND)


def test_accelerators_were_measured_nowhere() -> None:
    """They have the default, also where machines without them were measured."""
    assert {startup(cloud, accelerator="H100") for cloud in ("aws", "gcp", "lambda")} == {ASSUMED_STARTUP_H}


def test_owned_clusters_run_already() -> None:
    """What is owned elsewhere has to start like any machine."""
    assert {startup(cloud, Purchase.OWNED) for cloud in ("kubernetes", "slurm", "ssh")} == {0.0}
    assert startup("vsphere", Purchase.OWNED) == ASSUMED_STARTUP_H
    assert startup("kubernetes") == ASSUMED_STARTUP_H


@pytest.mark.parametrize("cloud", sorted(CLOUDS))
def test_every_machine_has_a_figure(cloud: str) -> None:
    """No cloud is left out, and none takes longer than minutes."""
    hours = startup(cloud)
    assert hours is not None
    assert 0 < hours <= 0.1
