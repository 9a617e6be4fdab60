"""Ours and SkyPilot's optimizer with the same market before them, both warm: catalogs read, nothing left to import.

Both read the files of SkyPilot's layout in ../shared (real prices; its PROVENANCE files say whence). AWS is not among
them: both take it from the catalog that is embedded in ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import polars as pl

from benchmarks.baselines import HERE, peer_python
from benchmarks.dag_cases import Pipeline
from benchmarks.measure import Sample
from benchmarks.result import SkippedError
from catalog_data.embedded import publish_embedded
from catalog_data.schema import Purchase
from catalog_data.store import Catalog, OfferFilter
from catalog_fetchers.base import Page
from catalog_fetchers.refresh import Settings, refresh
from catalog_fetchers.skypilot_csv import FILE, SOURCE, files_in
from engine.plan import Plan
from engine.solve import PlanRequest, make_plan
from engine.workload_reader import read_workload

MARKET: Final = Path(__file__).parents[2] / "shared/data/catalogs/skypilot-format"
SEEN_AT: Final = datetime(2026, 5, 20, tzinfo=UTC)
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
TOP: Final = 1
"""Plans asked of ours: the best alone, for the peer finds no other."""


@contextmanager
def contestants() -> Iterator[tuple[Broker, Peer]]:
    """Ours and the peer's, ready to answer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened_broker(folder / "ours") as broker:
            write_catalogs(folder / "peer/.sky/catalogs/v8", broker.catalog)
            with Peer.started(folder / "peer") as peer:
                yield broker, peer


@contextmanager
def opened_broker(folder: Path) -> Iterator[Broker]:
    """Ours alone: a catalog with what is embedded and the market."""
    if not MARKET.exists():
        raise SkippedError("the folder of real data (../shared) is not beside this checkout")
    files = files_in(MARKET)
    folder.mkdir()
    path = folder / "catalog.duckdb"
    publish_embedded(path)
    source = replace(SOURCE, clouds=(), fetch=lambda _: [Page(cloud, body) for cloud, body in files.items()])
    report = refresh(path, [source], Settings(now=SEEN_AT, env={}, home=folder, cache=folder / "downloads"))
    if not report.published:
        raise RuntimeError(f"the market was not published: {report.looks[0].detail}")
    with Catalog.open(path) as catalog:
        yield Broker(catalog)


@dataclass(frozen=True)
class Planned:
    """What planning took, from a workload and a snapshot that have been read to the text of the plan, and the plan."""

    sample: Sample
    plan: Plan


@dataclass(frozen=True)
class Broker:
    """Ours."""

    catalog: Catalog

    def planned(self, pipeline: Pipeline, most_cpu_s: float | None = None) -> Planned:
        """Plan as the command `plan` does: it reads the accelerators that are asked for, and no other offers."""
        workload = read_workload(pipeline.workload())
        requests = [requirement.accelerator for task in workload.tasks for requirement in task.requirements]
        names = tuple(sorted({request.name for request in requests if request}))
        snapshot = self.catalog.snapshot(where=OfferFilter(accelerators=names))
        request = PlanRequest(NOW, "pipeline.yaml", TOP, time_limit_s=most_cpu_s, clock=time.process_time)
        cpu_start, start = time.process_time(), time.perf_counter()
        plan = make_plan(workload, snapshot, request)
        plan.to_json()
        return Planned(Sample(time.process_time() - cpu_start, time.perf_counter() - start), plan)


@dataclass(frozen=True)
class Optimized:
    """What the peer's optimizer took, from tasks to the plan that it prints, and how many candidates it costed."""

    sample: Sample
    candidates: int


@dataclass(frozen=True)
class Peer:
    """SkyPilot's optimizer in a process of its own environment, which has read its catalogs."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls, home: Path) -> Iterator[Self]:
        """A process with a home folder of its own."""
        command = [peer_python("skypilot"), HERE / "skypilot_optimizer.py"]
        environment = {**os.environ, "HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        ) as process:
            yield cls(process)

    def optimized(self, pipeline: Pipeline) -> Optimized:
        """Its optimizer on these tasks."""
        answer = self._asked({"steps": [asdict(step) for step in pipeline.steps], "edges": pipeline.edges})
        return Optimized(Sample(answer["cpu_s"], answer["wall_s"]), int(answer["candidates"]))

    def solved(self, case: Mapping[str, Any]) -> tuple[float, list[int]]:
        """The objective that it finds for a case (benchmarks.skypilot_model), $ or s, and a candidate for each task."""
        answer = self._asked({"case": case})
        return answer["objective"], answer["choice"]

    def _asked(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        print(json.dumps(question), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the peer ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer


def write_catalogs(folder: Path, catalog: Catalog) -> None:
    """The market as the peer keeps it: a folder a cloud, and the names of all accelerators."""
    frames = {path.name.removesuffix(f"_{FILE}"): _whole_rows(path) for path in sorted(MARKET.glob(f"*_{FILE}"))}
    frames["aws"] = _aws(catalog)
    for cloud, frame in frames.items():
        (folder / cloud).mkdir(parents=True)
        frame.write_csv(folder / cloud / FILE)
    accelerators = pl.concat(frame.select("AcceleratorName") for frame in frames.values()).unique().drop_nulls()
    (folder / "common").mkdir()
    accelerators.sort("AcceleratorName").with_columns(Clouds=pl.lit("")).write_csv(folder / "common/accelerators.csv")


def _whole_rows(path: Path) -> pl.DataFrame:
    """A file of the market; pandas does not read rows with more cells than the header has, as Azure's are."""
    return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)


def _aws(catalog: Catalog) -> pl.DataFrame:
    """The embedded offers of AWS in the peer's layout."""
    offers = catalog.offers(catalog.resolve(), OfferFilter(clouds=("aws",))).drop_nulls("price_usd_h")
    hardware = ("instance_type", "accelerator", "accelerator_count", "vcpus", "memory_gib", "arch", "region", "zone")
    wide = offers.filter(pl.col("purchase").is_in([Purchase.ON_DEMAND, Purchase.SPOT])).pivot(
        "purchase", index=hardware, values="price_usd_h"
    )
    return wide.select(
        InstanceType="instance_type",
        AcceleratorName="accelerator",
        AcceleratorCount="accelerator_count",
        vCPUs="vcpus",
        MemoryGiB="memory_gib",
        Arch="arch",
        Price=str(Purchase.ON_DEMAND),
        SpotPrice=str(Purchase.SPOT),
        Region="region",
        AvailabilityZone="zone",
        GpuInfo=pl.lit(None, pl.String),
    )
