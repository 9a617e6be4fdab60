# ruff: noqa: SLF001 (parts of SkyPilot that are not public are measured by themselves)
"""Runs inside the peer's environment: SkyPilot's own optimizer, warm, on what it is asked for.

A line of JSON on stdin is a question, a line on stdout its answer. Catalogs lie under the home folder; the clouds that
have one there count as enabled, as after `sky check`. Nothing is asked of the network.

- {"steps": [{name, accelerators, spot_too, hours, out_gb}], "edges": [[parent, child]]}: `Optimizer.optimize` on such
  tasks; answers cpu_s, wall_s, the candidates that it costed, and the plan's cost_usd.
- {"case": ...} (benchmarks.skypilot_model): the same without looking for candidates and costing them, which are given;
  answers cpu_s, wall_s, the `objective` that it found and its `choice`, the number of a candidate for each task.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

HOUR_S: Final = 3600.0

sky: Any = importlib.import_module("sky")
check: Any = importlib.import_module("sky.check")
clouds: Any = importlib.import_module("sky.clouds")
optimizer: Any = importlib.import_module("sky.optimizer")
registry: Any = importlib.import_module("sky.utils.registry")
config: Any = importlib.import_module("sky.skypilot_config")
state: Any = importlib.import_module("sky.global_user_state")


def main() -> None:
    """Answer every question."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # SkyPilot tells its progress on stdout.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        enable([path.parent.name for path in Path.home().glob(".sky/catalogs/v*/*/vms.csv")])
        for line in sys.stdin:
            question = json.loads(line)
            answer = solved(question["case"]) if "case" in question else optimized(question)
            print(json.dumps(answer), file=answers, flush=True)


def enable(names: list[str]) -> None:
    """Note the clouds as usable, where `sky check` would note them."""
    workspace = config.get_active_workspace()
    enabled = [repr(cloud(name)) for name in sorted(names)]
    allowed = [*map(repr, registry.CLOUD_REGISTRY.values()), *check.STORAGE_ONLY_CLOUDS]
    state.set_allowed_clouds(allowed, workspace)
    for capability in clouds.CloudCapability:
        state.set_enabled_clouds(enabled, capability, workspace)


def cloud(name: str) -> Any:  # noqa: ANN401 (SkyPilot's class)
    """SkyPilot's cloud of this name."""
    return registry.CLOUD_REGISTRY.from_str(name)


def optimized(question: Mapping[str, Any]) -> dict[str, float]:
    """The whole optimizer on tasks that ask for accelerators, and how many candidates its own finder found for them."""
    with _counted() as costed, sky.Dag() as dag:
        tasks = [_task(step) for step in question["steps"]]
        for parent, child in question["edges"]:
            dag.add_edge(tasks[parent], tasks[child])
        _, seconds = _timed(lambda: optimizer.Optimizer.optimize(dag, quiet=False))
    usd = sum(task.best_resources.get_cost(task.estimate_runtime(task.best_resources)) for task in tasks)
    return {**seconds, "candidates": sum(costed), "cost_usd": usd}


def _task(step: Mapping[str, Any]) -> Any:  # noqa: ANN401
    task = sky.Task(step["name"], run="true")
    ways = (False, True) if step["spot_too"] else (False,)
    task.set_resources(
        {sky.Resources(accelerators=each, use_spot=spot) for each in step["accelerators"] for spot in ways}
    )
    task.set_time_estimator(lambda _: step["hours"] * HOUR_S)
    task.set_outputs("s3://outputs", estimated_size_gigabytes=step["out_gb"])
    return task


@contextmanager
def _counted() -> Iterator[list[int]]:
    """How many candidates were found for each task."""
    find: Callable[..., Any] = optimizer._fill_in_launchable_resources
    counts: list[int] = []

    def counting(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        found = find(*arguments, **named)
        counts.append(sum(map(len, found[0].values())))
        return found

    optimizer._fill_in_launchable_resources = counting
    try:
        yield counts
    finally:
        optimizer._fill_in_launchable_resources = find


class _Given:
    """A candidate whose cost is known: all that the optimizer asks of it is its cloud."""

    def __init__(self, name: str) -> None:
        self.cloud = cloud(name)


def solved(case: Mapping[str, Any]) -> dict[str, Any]:
    """SkyPilot's dynamic programme (chains) or its linear programme on candidates whose figures are given."""
    minimize_cost = case["objective"] == "cost"
    with sky.Dag() as dag:
        tasks = {task["name"]: sky.Task(task["name"], run="true") for task in case["tasks"]}
        for parent, child in case["edges"]:
            dag.add_edge(tasks[parent], tasks[child])
    figures: dict[Any, dict[Any, float]] = {}
    for task in case["tasks"]:
        here = tasks[task["name"]]
        figures[here] = {_Given(candidate["cloud"]): candidate["value"] for candidate in task["candidates"]}
        if task.get("out_gb"):
            here.set_outputs("s3://outputs", estimated_size_gigabytes=task["out_gb"])
        if task.get("inputs"):
            home, gb = task["inputs"]
            here.set_inputs("s3://inputs", estimated_size_gigabytes=gb)
            here.get_inputs_cloud = lambda home=home: cloud(home)
    whole = optimizer.Optimizer
    whole._add_dummy_source_sink_nodes(dag)
    graph = dag.get_graph()
    order = list(importlib.import_module("networkx").topological_sort(graph))
    for dummy in (order[0], order[-1]):
        figures[dummy] = dict.fromkeys(dummy.resources, 0.0)
    solve = (
        (lambda: whole._optimize_by_dp(order, figures, minimize_cost))
        if dag.is_chain()
        else (lambda: whole._optimize_by_ilp(graph, order, figures, minimize_cost))
    )
    (plan, objective), seconds = _timed(solve)
    choice = [list(figures[task]).index(plan[task]) for task in tasks.values()]
    return {**seconds, "objective": objective, "choice": choice}


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What comes of it; CPU seconds, those of the solver's own process included, and wall seconds."""
    before, start = os.times(), time.perf_counter()
    result = work()
    after = os.times()
    # user, system, and both of the children that have ended
    return result, {"cpu_s": sum(after[:4]) - sum(before[:4]), "wall_s": time.perf_counter() - start}


if __name__ == "__main__":
    main()
