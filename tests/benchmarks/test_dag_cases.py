"""Generated DAGs: the same for a seed, acyclic, and the same tasks for both contestants."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks.dag_cases import MIX, Edges, Pipeline, Step, chain, fan, golden, layered
from benchmarks.skypilot_model import read_case
from engine.workload import Objective
from engine.workload_reader import read_workload


@pytest.mark.parametrize("edges", [chain(30), fan(30), layered(30, 1), layered(30, 2)])
def test_a_shape_joins_all_tasks_and_has_no_cycle(edges: Edges) -> None:
    """Every edge goes from a task to a later one, none is written twice, and none but the first lacks a parent."""
    assert all(parent < child for parent, child in edges)
    assert len(set(edges)) == len(edges)
    assert {child for _, child in edges} == set(range(1, 30))


def test_a_layered_dag_is_no_tree() -> None:
    """About a third of the tasks have two parents."""
    parents = Counter(child for _, child in layered(300, 5))
    assert set(parents.values()) == {1, 2}
    assert 0.25 < sum(count == 2 for count in parents.values()) / 299 < 0.45


def test_a_seed_says_it_all() -> None:
    """The same one gives the same DAG, another one another."""
    assert layered(50, 1) == layered(50, 1) != layered(50, 2)
    assert golden(chain(3), 3, 4, 1) == golden(chain(3), 3, 4, 1) != golden(chain(3), 3, 4, 2)
    assert Pipeline.of(chain(5), 5, 1) == Pipeline.of(chain(5), 5, 1) != Pipeline.of(chain(5), 5, 2)


@pytest.mark.parametrize("objective", [Objective.COST, Objective.TIME])
def test_a_generated_case_is_one_of_the_golden_form(objective: Objective) -> None:
    """It is read like a golden file, over several clouds and regions, and says nothing of an answer."""
    case = read_case(json.dumps(golden(layered(20, 3), 20, 50, 3, objective)))
    assert case.objective is objective
    assert [len(task.candidates) for task in case.tasks] == [50] * 20
    assert len({candidate.cloud for task in case.tasks for candidate in task.candidates}) == 8
    assert len({candidate.region for task in case.tasks for candidate in task.candidates}) > 40
    assert case.sky_objective is None
    assert len(case.edges) == len(layered(20, 3))


def test_a_pipeline_is_a_workload_of_ours() -> None:
    """The same names, hours, accelerators, purchases and data on the edges as the peer is told."""
    steps = (
        Step("first", ("A100:8", "H100:8"), hours=2.5, out_gb=120.0, spot_too=True),
        Step("last", ("L4:1",)),
    )
    workload = read_workload(Pipeline(steps, ((0, 1),)).workload())
    first, last = workload.tasks
    asked = [str(need.accelerator) for need in first.requirements]
    assert (first.name, first.estimate and first.estimate.hours, asked) == ("first", 2.5, ["A100:8", "H100:8"])
    assert [need.purchases for need in first.requirements] == [("on_demand", "spot")] * 2
    assert [need.purchases for need in last.requirements] == [("on_demand",)]
    assert [(edge.source, edge.target, edge.data_gb) for edge in workload.edges] == [("first", "last", 120.0)]


def test_a_pipeline_asks_for_all_of_the_mix() -> None:
    """So that the candidates come to the mix's average."""
    pipeline = Pipeline.of(layered(100, 1), 100, 1)
    assert {name for step in pipeline.steps for name in step.accelerators} == set(MIX)
