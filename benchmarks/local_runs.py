"""Deployments on the local cloud, for measures: a plan of many zones, and everything that carrying it out needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Final

import polars as pl

from catalog_data.schema import EGRESS, OBSERVATIONS, REGIONS, SPOT_RISK, THROUGHPUT, Purchase
from catalog_data.snapshot import OFFER_ROWS, Snapshot, SnapshotInfo, SourceAge
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload import AcceleratorRequest, Estimate, Requirement, Task, Workload
from executor.drivers.local import LocalDriver
from executor.drivers.local_market import Market
from executor.machines import Node, NodeState
from executor.provision import Patience
from executor.state import State
from executor.world import World

CLOUD: Final = "aws"
SEEN: Final = datetime(2026, 11, 24, tzinfo=UTC)
PATIENCE: Final = Patience(poll_s=0.02, boot_s=20.0, pause_s=0.02, tries=4, settle_s=0.0, watch_s=0.1, lost_s=2.0)
NEED: Final = Requirement(
    accelerator=AcceleratorRequest("V100", 1),
    purchases=(Purchase.SPOT,),
    job_recovery={"max_restarts_on_errors": 2, "recover_on_exit_codes": [75]},
)


def task(run: str, nodes: int = 1) -> Task:
    """A task that runs a command line on so many nodes."""
    return Task("train", nodes, requirements=(NEED,), estimate=Estimate(hours=1.0), run=run)


def plan_of(zones: int, nodes: int = 1) -> Plan:
    """A plan that has so many zones to try, in one region, all at one price."""
    rows = [
        {
            **dict.fromkeys(OFFER_ROWS.names()),
            "cloud": CLOUD,
            "region": "us-east-1",
            "zone": f"us-east-1-{number:03}",
            "instance_type": "p3",
            "purchase": str(Purchase.SPOT),
            "price_usd_h": 1.0,
            "available": True,
            "source": "made-up",
            "source_version": "1",
            "observed_at": SEEN,
            "confidence": "high",
            "vcpus": 8.0,
            "memory_gib": 61.0,
            "arch": "x86_64",
            "accelerator": "V100",
            "accelerator_count": 1.0,
        }
        for number in range(zones)
    ]
    place = {"cloud": CLOUD, "region": "us-east-1", "continent": "north-america", "country": "US"}
    snapshot = Snapshot.of(
        SnapshotInfo(1, "made-up", SEEN, "made up"),
        pl.DataFrame(rows, schema=OFFER_ROWS),
        sources=(SourceAge("made-up", "1", SEEN, len(rows)),),
        regions=pl.DataFrame([place], schema=REGIONS.polars_schema()),
        egress=pl.DataFrame(schema=EGRESS.polars_schema()),
        throughput=pl.DataFrame(schema=THROUGHPUT.polars_schema()),
        spot_risk=pl.DataFrame(schema=SPOT_RISK.polars_schema()),
        observations=pl.DataFrame(schema=OBSERVATIONS.polars_schema()),
    )
    return make_plan(Workload("soak", (task("true", nodes),)), snapshot, PlanRequest(SEEN, "made-up.yaml"))


def world_in(folder: Path, market: Market) -> World:
    """With the local cloud in the place of all, and nobody who listens."""
    return World(
        folder=folder,
        driver_of=lambda cloud: LocalDriver(cloud, folder / "local", market),
        reaches=lambda _: True,
        patience_of=lambda _: PATIENCE,
        public_key="",
        secrets={},
        replan=lambda _: None,
        told=lambda _: None,
        shown=lambda *_: None,
        halted=Event(),
        base=folder,
    )


def left_in(folder: Path, state: State) -> Sequence[Node]:
    """The nodes that the cloud would still bill."""
    listed = LocalDriver(CLOUD, folder / "local").nodes(state.owner, ["us-east-1"])
    return [node for node in listed if node.state is not NodeState.GONE]
