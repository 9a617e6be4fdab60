"""Candidates of tasks that are alike: found once, and the same as those found one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.alike import find_all
from engine.candidates import find_candidates
from engine.plan_dag import plan_dag
from engine.planned import MOST_TASKS, TooLargeError
from engine.workload import Edge, Estimate, Requirement, Task, Workload
from tests.kits.market import market, offer

MARKET = market([offer("aws", "us-east-1", "m5", 0.4), offer("gcp", "us-central1", "n2", 0.5)])
TASK = Task("a", outputs={"s3://out": 3.0}, envs={"RANK": "0"})


def test_what_is_found_is_what_each_task_has_alone() -> None:
    """Frames, reasons and assumptions, the latter under the task's own name."""
    tasks = (TASK, replace(TASK, name="b", envs={"RANK": "1"}), replace(TASK, name="c", num_nodes=2))
    workload = Workload("w", tasks, (Edge("a", "c", 1.0),))
    for found, task in zip(find_all(workload, MARKET), tasks, strict=True):
        alone = find_candidates(task, workload, MARKET)
        assert found.frame.equals(alone.frame)
        assert (found.task, found.fell_out, found.unmet) == (task, alone.fell_out, alone.unmet)
        assert found.assumptions == alone.assumptions


def test_tasks_that_are_alike_share_their_candidates() -> None:
    """Other commands and names change nothing; other nodes, hours or hardware do."""
    others = (
        replace(TASK, name="b", run="echo", envs={}),
        replace(TASK, name="c", num_nodes=2),
        replace(TASK, name="d", estimate=Estimate(hours=2.0)),
        replace(TASK, name="e", requirements=(Requirement(cloud="aws"),)),
    )
    first, *found = find_all(Workload("w", (TASK, *others)), MARKET)
    assert [candidates.frame is first.frame for candidates in found] == [True, False, False, False]


def test_a_plan_of_tasks_that_are_alike_is_that_of_each_alone() -> None:
    """Shared arrays change no figure, and the solver's time is counted by the clock."""
    task = Task("a")
    workload = Workload("w", (task, replace(task, name="b"), replace(task, name="c")), (Edge("a", "b", 1.0),))
    alone = [find_candidates(task, workload, MARKET) for task in workload.tasks]
    planned = plan_dag(workload, find_all(workload, MARKET), MARKET, 60.0, clock=lambda: 7.0)
    assert planned == plan_dag(workload, alone, MARKET, None)
    assert [placement.task for placement in planned.best.placements] == ["a", "b", "c"]


def test_more_tasks_than_can_be_placed_together_are_refused_at_once() -> None:
    """In one line that says how many can."""
    tasks = tuple(replace(TASK, name=f"t{number}") for number in range(MOST_TASKS + 1))
    with pytest.raises(TooLargeError, match=r"^2,001 tasks: up to 2,000 can be placed together$"):
        find_all(Workload("w", tasks), MARKET)
    assert len(find_all(Workload("w", tasks[1:]), MARKET)) == MOST_TASKS
