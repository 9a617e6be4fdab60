"""A what-if sweep of 1,000 points over a DAG of 50 tasks, from the scenario to all answers, in one process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.contestants import NOW, opened_broker
from benchmarks.dag_cases import Pipeline, layered
from benchmarks.measure import Contest, Sample, function
from benchmarks.result import Result
from catalog_data.store import OfferFilter
from engine.sweep import answers, parts_of
from engine.sweep_axis import parse_axis
from engine.whatif_scenario import Scenario
from engine.workload_reader import read_workload

TASKS: Final = 50
SEED: Final = 50
AXES: Final = ("deadline=170h..360h:10h", "price.aws=*0.5..*2#50")
"""20 deadlines, from a little above the least time on, times 50 prices."""
ALLOWED_S: Final = 30.0
"""No peer sweeps: what is held against is the time that 1,000 points may take on one core."""


def measure() -> Result:
    """30 ms a point is what is allowed."""
    workload = read_workload(Pipeline.of(layered(TASKS, SEED), TASKS, SEED).workload())
    names = {need.accelerator.name for task in workload.tasks for need in task.requirements if need.accelerator}
    with tempfile.TemporaryDirectory() as name, opened_broker(Path(name) / "ours") as broker:
        snapshot = broker.catalog.snapshot(where=OfferFilter(accelerators=tuple(sorted(names))))
    scenario, axes = Scenario(workload, snapshot), [parse_axis(text) for text in AXES]

    def swept() -> None:
        for part in parts_of(scenario, axes, NOW):
            answers(part)

    run = function(swept)
    held = Contest((run,), (Sample(ALLOWED_S, ALLOWED_S),))
    return Result(f"sweep of 1,000 points, DAG of {TASKS} tasks", "30 ms a point on one core", held, 1.0)
