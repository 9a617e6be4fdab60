"""200 jobs that share ten quotas, five reservations and three clusters, on the embedded catalog: no peer plans them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from benchmarks.measure import Sample
from benchmarks.result import Alone
from catalog_data.embedded import publish_embedded
from catalog_data.overlay import Commitment, PrivatePrices, applied
from catalog_data.schema import Confidence, Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import OFFER_ROWS, Snapshot
from catalog_data.store import Catalog, OfferFilter
from engine.portfolio import Member, Portfolio, make_portfolio
from engine.quantities import Range
from engine.solve import PlanRequest
from engine.workload import AcceleratorRequest, Edge, Estimate, Requirement, Task, Workload

JOBS: Final = 200
SEED: Final = 4
MOST_GAP: Final = 0.005
MOST_CPU_S: Final = 60.0
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)

WORK_A_SECOND: Final[Mapping[str, float]] = {
    "H100": 3.0,
    "A100-80GB": 1.4,
    "A100": 1.2,
    "L40S": 0.6,
    "V100": 0.4,
    "A10G": 0.3,
    "L4": 0.25,
    "T4": 0.13,
}
"""Of one accelerator, in units of made-up work."""
PER_NODE: Final[Mapping[str, int]] = {"H100": 8, "A100-80GB": 8, "A100": 8, "V100": 4}
"""How many of a model a node has; one of the others."""
LARGE: Final = tuple(PER_NODE)
SMALL: Final = ("L40S", "A10G", "L4", "T4")

QUOTAS: Final = (
    Quota(Scope("aws", accelerator="H100"), Unit.ACCELERATORS, 64, "aws H100"),
    Quota(Scope("aws", accelerator="A100-80GB", purchases=(Purchase.SPOT,)), Unit.ACCELERATORS, 64, "aws A100 spot"),
    Quota(Scope("aws", region="us-*", accelerator="L4"), Unit.MACHINES, 20, "aws L4 in the US"),
    Quota(Scope("aws", accelerator="A10G", purchases=(Purchase.SPOT,)), Unit.MACHINES, 16, "aws A10G spot"),
    Quota(Scope("gcp", accelerator="H100"), Unit.ACCELERATORS, 32, "gcp H100"),
    Quota(Scope("gcp", accelerator="L4", purchases=(Purchase.SPOT,)), Unit.ACCELERATORS, 24, "gcp L4 spot"),
    Quota(Scope("gcp", accelerator="T4"), Unit.ACCELERATORS, 24, "gcp T4"),
    Quota(Scope("azure", accelerator="A100-80GB"), Unit.ACCELERATORS, 64, "azure A100-80GB"),
    Quota(Scope("azure", accelerator="V100"), Unit.MACHINES, 8, "azure V100"),
    Quota(Scope("lambda"), Unit.MACHINES, 16, "lambda"),
)
RESERVATIONS: Final = (
    Commitment("aws", "us-east-1", None, "p5.48xlarge", 3, 0.0),
    Commitment("aws", "us-west-2", None, "p4de.24xlarge", 4, 0.0),
    Commitment("aws", "us-east-1", None, "g6.xlarge", 10, 0.0),
    Commitment("azure", "eastus", None, "Standard_ND96amsr_A100_v4", 3, 2.5),
    Commitment("gcp", "us-central1", None, "g2-standard-4", 12, 0.1),
)
CLUSTERS: Final = (
    ("kubernetes", "research", "A100", 6),
    ("kubernetes", "serving", "T4", 16),
    ("slurm", "old", "V100", 8),
)
"""Cloud, region, the model of accelerator and how many nodes."""


def measure() -> Alone:
    """From workloads and a snapshot that have been read to the text of every plan."""
    members = list(jobs(JOBS, SEED))
    snapshot = shared_market()
    cpu_start, start = time.process_time(), time.perf_counter()
    portfolio = planned(members, snapshot)
    sample = Sample(time.process_time() - cpu_start, time.perf_counter() - start)
    tasks = sum(len(plan.best.placements) for plan in portfolio.plans)
    binding = sum(use.taken > use.most - 1 for use in portfolio.shared)
    what = (
        f"portfolio of {JOBS} jobs ({tasks} tasks) sharing {len(QUOTAS)} quotas, {len(RESERVATIONS)} reservations and"
        f" {len(CLUSTERS)} clusters, of which {binding} are used up"
    )
    return Alone(what, sample, portfolio.proof.gap, MOST_GAP, MOST_CPU_S)


def planned(members: list[Member], snapshot: Snapshot) -> Portfolio:
    """The plans, written out, within the CPU seconds that there are."""
    request = PlanRequest(NOW, "", time_limit_s=MOST_CPU_S, clock=time.process_time)
    portfolio = make_portfolio(members, snapshot, request)
    for plan in portfolio.plans:
        plan.to_json()
    return portfolio


def shared_market() -> Snapshot:
    """The embedded catalog with what the jobs share."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "catalog.duckdb"
        publish_embedded(path)
        with Catalog.open(path) as catalog:
            snapshot = catalog.snapshot(where=OfferFilter())
    snapshot = applied(PrivatePrices(NOW, commitments=RESERVATIONS, quotas=QUOTAS), snapshot)
    clusters = pl.DataFrame([_nodes(*cluster) for cluster in CLUSTERS], schema=OFFER_ROWS)
    return replace(snapshot, offers=pl.concat([snapshot.offers, clusters]))


def _nodes(cloud: str, region: str, model: str, quantity: int) -> dict[str, Any]:
    """A row of OFFER_ROWS: the nodes of a cluster, as its source would bring them."""
    return {
        **dict.fromkeys(OFFER_ROWS.names()),
        "cloud": cloud,
        "region": region,
        "instance_type": f"node-{model}",
        "purchase": str(Purchase.OWNED),
        "available": True,
        "quantity": quantity,
        "source": cloud,
        "observed_at": NOW,
        "confidence": str(Confidence.HIGH),
        "vcpus": 64.0,
        "memory_gib": 512.0,
        "arch": "x86_64",
        "accelerator": model,
        "accelerator_count": float(PER_NODE.get(model, 1)),
    }


def jobs(number: int, seed: int) -> Iterator[Member]:
    """Training on large machines, inference on small ones, and pipelines that prepare, train and evaluate."""
    drawn = np.random.default_rng(seed)
    for job in range(number):
        make = (_training, _inference, _pipeline)[int(drawn.choice(3, p=(0.475, 0.475, 0.05)))]
        yield Member(make(f"job{job}", drawn), f"job{job}.yaml")


def _training(name: str, drawn: np.random.Generator) -> Workload:
    return Workload(name, (_train(drawn),), deadline_hours=_deadline(drawn))


def _inference(name: str, drawn: np.random.Generator) -> Workload:
    return Workload(name, (_infer("infer", drawn),), deadline_hours=_deadline(drawn))


def _pipeline(name: str, drawn: np.random.Generator) -> Workload:
    machine = Requirement(vcpus=Range(float(drawn.choice([4, 8, 16])), exact=False))
    prepare = Task("prepare", requirements=(machine,), estimate=Estimate(hours=float(drawn.uniform(1, 6))))
    edges = (
        Edge("prepare", "train", float(drawn.integers(10, 500))),
        Edge("train", "evaluate", float(drawn.integers(1, 50))),
    )
    tasks = (prepare, _train(drawn), _infer("evaluate", drawn))
    return Workload(name, tasks, edges, deadline_hours=_deadline(drawn))


def _deadline(drawn: np.random.Generator) -> float | None:
    """Hours: of one job in three, and rather wide."""
    return float(drawn.uniform(150, 600)) if drawn.random() < 1 / 3 else None


def _train(drawn: np.random.Generator) -> Task:
    return _task("train", drawn, LARGE, work_h=(20, 300), checkpoint_h=1.0, nodes=(1, 1, 1, 2))


def _infer(name: str, drawn: np.random.Generator) -> Task:
    return _task(name, drawn, SMALL, work_h=(2, 40), checkpoint_h=0.1, nodes=(1, 1, 2, 4))


def _task(
    name: str,
    drawn: np.random.Generator,
    models: tuple[str, ...],
    *,
    work_h: tuple[float, float],
    checkpoint_h: float,
    nodes: tuple[int, ...],
) -> Task:
    """On two models or more, one job in two on spot machines too."""
    chosen = drawn.choice(models, size=int(drawn.integers(2, len(models) + 1)), replace=False).tolist()
    spot = (Purchase.SPOT,) if drawn.random() < 1 / 2 else ()
    return Task(
        name,
        num_nodes=int(drawn.choice(nodes)),
        requirements=tuple(
            Requirement(
                accelerator=AcceleratorRequest(model, PER_NODE.get(model, 1)),
                purchases=(Purchase.ON_DEMAND, Purchase.OWNED, *spot),
            )
            for model in chosen
        ),
        estimate=Estimate(
            work=3600 * float(drawn.uniform(*work_h)),
            throughput=WORK_A_SECOND,
            checkpoint_h=checkpoint_h,
        ),
    )
