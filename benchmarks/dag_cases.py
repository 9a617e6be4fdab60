"""Generated DAGs of tasks, the same for a seed: as workloads for both contestants, and as cases with candidates costed.

A Pipeline names accelerators, so that each contestant finds its own candidates in its own copy of the catalog. A case
(benchmarks.skypilot_model) has its candidates in it: with it the two solve the very same instance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.workload import Objective

Edges = tuple[tuple[int, int], ...]

MIX: Final = ("A100:8", "A100-80GB:8", "L4:1", "V100:4", "V100:1", "A100:1", "V100:8")
"""What the tasks ask for: about 44 candidates on average by SkyPilot's way of looking."""
MOST_GB: Final = 500
MOST_HOURS: Final = 12.0
REACH: Final = 4
"""A task of a layered DAG reads from up to so many tasks before it."""
BRANCHING: Final = 0.35
"""The chance of a second parent: about 1.35 edges a task."""
REGIONS: Final = {"aws": 12, "azure": 10, "gcp": 10, "lambda": 6, "nebius": 3, "do": 2, "paperspace": 1, "vast": 1}
"""Clouds and how many regions of each are drawn from."""


def chain(tasks: int) -> Edges:
    """One after the other."""
    return tuple((number, number + 1) for number in range(tasks - 1))


def fan(tasks: int) -> Edges:
    """The first hands to all, and all but it hand to the last."""
    middle = range(1, tasks - 1)
    return tuple((0, number) for number in middle) + tuple((number, tasks - 1) for number in middle)


def layered(tasks: int, seed: int) -> Edges:
    """Each task but the first has one parent or two among the few before it."""
    drawn = np.random.default_rng(seed)
    edges = []
    for child in range(1, tasks):
        near = np.arange(max(0, child - REACH), child)
        parents = drawn.choice(near, size=min(near.size, 1 + (drawn.random() < BRANCHING)), replace=False)
        edges += [(int(parent), child) for parent in np.sort(parents)]
    return tuple(edges)


@dataclass(frozen=True)
class Step:
    """A task: any of the `accelerators` (model:count) will do, on demand or also as spot."""

    name: str
    accelerators: tuple[str, ...]
    hours: float = 1.0
    out_gb: float = 0.0
    spot_too: bool = False


@dataclass(frozen=True)
class Pipeline:
    """Tasks that ask for accelerators, and the edges between their numbers."""

    steps: tuple[Step, ...]
    edges: Edges

    @classmethod
    def of(cls, edges: Edges, tasks: int, seed: int, mix: Sequence[str] = MIX) -> Pipeline:
        """Tasks of a mix of hardware, of up to 12 hours, that hand up to 500 GB to each child."""
        drawn = np.random.default_rng(seed)
        steps = [
            Step(
                f"task{number}",
                (str(drawn.choice(mix)),),
                round(float(drawn.uniform(1.0, MOST_HOURS)), 2),
                float(drawn.integers(1, MOST_GB + 1)),
            )
            for number in range(tasks)
        ]
        return cls(tuple(steps), edges)

    def workload(self) -> str:
        """The text of a workload file of ours (JSON, and so YAML)."""
        parents: dict[int, dict[str, Any]] = {}
        for parent, child in self.edges:
            step = self.steps[parent]
            parents.setdefault(child, {})[step.name] = {"data": f"{step.out_gb:g} GB"}
        tasks = {
            step.name: {
                "resources": {
                    "any_of": [{"accelerators": accelerator} for accelerator in step.accelerators],
                    "purchase": ["on_demand", "spot"] if step.spot_too else ["on_demand"],
                },
                "estimate": f"{step.hours:g}h",
                "depends_on": parents.get(number, {}),
            }
            for number, step in enumerate(self.steps)
        }
        return json.dumps({"tasks": tasks})


def golden(
    edges: Edges, tasks: int, candidates: int, seed: int, objective: Objective = Objective.COST
) -> dict[str, Any]:
    """A case of so many tasks and candidates each, over regions of eight clouds, in the form of the golden files."""
    drawn = np.random.default_rng(seed)
    places = [(cloud, f"{cloud}-{number}") for cloud, count in REGIONS.items() for number in range(count)]
    return {
        "objective": str(objective),
        "tasks": [
            {
                "name": f"task{number}",
                "num_nodes": 1,
                "inputs": None,
                "out_gb": int(drawn.integers(1, MOST_GB + 1)),
                "candidates": _candidates(drawn, places, candidates, objective),
            }
            for number in range(tasks)
        ],
        "edges": [[f"task{parent}", f"task{child}"] for parent, child in edges],
        "sky_objective": None,
        "sky_total_cost": None,
        "sky_total_time_s": None,
    }


def _candidates(
    drawn: np.random.Generator, places: Sequence[tuple[str, str]], count: int, objective: Objective
) -> list[dict[str, Any]]:
    """Machines of a few kinds: a faster one costs more an hour, and a region up to 30 % more than another."""
    hours = float(drawn.uniform(1.0, MOST_HOURS))
    found = []
    for number in range(count):
        cloud, region = places[int(drawn.integers(len(places)))]
        speed = float(drawn.choice([1.0, 1.5, 2.0, 3.0]))
        usd_h = round(8.0 * speed ** float(drawn.uniform(0.7, 1.2)) * float(drawn.uniform(1.0, 1.3)), 4)
        found.append(
            {
                "cloud": cloud,
                "region": region,
                "zone": None,
                "instance_type": f"type{number}",
                "spot": False,
                "acc": {"H100": 8},
                "value": usd_h * hours / speed if objective is Objective.COST else 3600 * hours / speed,
                "usd_per_hour": usd_h,
            }
        )
    return found
