"""`python -m benchmarks.golden_cases FOLDER [--seed N]`: new cases for benchmarks.golden_placement, solved by SkyPilot.

Chains, fans and layered DAGs of several sizes, each for cost and, with the same candidates, for time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.contestants import Peer
from benchmarks.dag_cases import chain, fan, golden, layered
from benchmarks.skypilot_model import figures, read_case, usd_of
from engine.workload import Objective

SIZES: Final = ((3, 5), (10, 5), (10, 20), (25, 5), (25, 20))
"""Tasks, and candidates of each."""


def main() -> None:
    """Write the cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.golden_cases", description="Make cases with SkyPilot.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, Peer.started(Path(home)) as peer:
        for tasks, candidates in SIZES:
            shapes = {"chain": chain(tasks), "fan": fan(tasks), "layered": layered(tasks, arguments.seed)}
            for shape, edges in shapes.items():
                name = f"{shape}{tasks}_c{candidates}"
                cost = golden(edges, tasks, candidates, arguments.seed, Objective.COST)
                timed = golden(edges, tasks, candidates, arguments.seed, Objective.TIME)
                for file, case in ((f"{name}.json", cost), (f"{name}_time.json", timed)):
                    answered = json.dumps(_answered(peer, case, cost), indent=1)
                    (arguments.folder / file).write_text(answered, encoding="utf-8")
                    print(file, flush=True)


def _answered(peer: Peer, case: dict[str, Any], cost: dict[str, Any]) -> dict[str, Any]:
    """The case with what SkyPilot found, and what its plan costs."""
    objective, choice = peer.solved(case)
    read = read_case(json.dumps(case))
    chosen = {task.name: number for task, number in zip(read.tasks, choice, strict=True)}
    plan = figures(read, chosen, usd_of(read, read_case(json.dumps(cost))))
    return case | {"sky_objective": objective, "sky_total_cost": plan.cost_usd, "sky_total_time_s": plan.makespan_s}


if __name__ == "__main__":
    main()
