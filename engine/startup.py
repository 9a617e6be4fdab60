"""How long it takes from asking for a machine to its running commands, where it can be had at all.

Published measurements are few, and of machines without accelerators. Those of EC2 are old: Hao et al. 2021
(arXiv:2107.03467) found it much quicker since, so that its figure is on the safe side.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from catalog_data.schema import Purchase

EC2_STARTUP_H: Final = 96.9 / 3600
"""Mean time until a Linux machine of EC2 takes a login (Mao & Humphrey, CLOUD 2012, doi:10.1109/CLOUD.2012.103)."""

GCE_STARTUP_H: Final = 25.0 / 3600
"""The same of Google's machines of up to `GCE_SMALL_VCPUS` (R. Aboukhalil, "Move Fast and Break the Cloud", 2018)."""
GCE_SMALL_VCPUS: Final = 32
GCE_LARGE_STARTUP_H: Final = 60.0 / 3600
"""The same of its larger ones: "under a minute" with up to 96 vCPUs."""

ASSUMED_STARTUP_H: Final = 0.05
"""All other machines, those with accelerators among them: 3 minutes, an assumption that no measurement backs."""

RUNNING_CLUSTERS: Final = ("kubernetes", "slurm", "ssh")
"""Where owned machines run already; how long a queue is, is not known."""


def startup_h() -> pl.Expr:
    """Hours to the start of a machine, by `cloud`, `purchase`, `vcpus` and `accelerator`; never null."""
    running = (pl.col("purchase") == Purchase.OWNED) & pl.col("cloud").is_in(RUNNING_CLUSTERS)
    accelerated = pl.col("accelerator").is_not_null()
    gce = pl.when(pl.col("vcpus") <= GCE_SMALL_VCPUS).then(GCE_STARTUP_H).otherwise(GCE_LARGE_STARTUP_H)
    return (
        pl.when(running)
        .then(0.0)
        .when(accelerated)
        .then(ASSUMED_STARTUP_H)
        .when(pl.col("cloud") == "aws")
        .then(EC2_STARTUP_H)
        .when(pl.col("cloud") == "gcp")
        .then(gce)
        .otherwise(ASSUMED_STARTUP_H)
    )
