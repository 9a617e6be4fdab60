"""Chains of tasks: a partition, really in order, and as few as can be."""

from __future__ import annotations

from itertools import combinations, pairwise
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chains import chain_cover
from tests.kits.dag_instances import Pairs, dag_edges


@st.composite
def dags(draw: st.DrawFn) -> tuple[int, Pairs]:
    """Up to 8 tasks, from none to dense."""
    tasks = draw(st.integers(1, 8))
    return tasks, draw(dag_edges(tasks, most=16))


def waits_for(tasks: int, edges: Pairs) -> set[tuple[int, int]]:
    """Every (task, later task) with a way from one to the other."""
    reached = set(edges)
    for between in range(tasks):
        reached |= {(a, d) for a, b in reached for c, d in reached if b == c == between}
    return reached


def width(tasks: int, edges: Pairs) -> int:
    """The most tasks of which none waits for another, by trying every set."""
    reached = waits_for(tasks, edges)
    return max(
        size
        for size in range(1, tasks + 1)
        for together in combinations(range(tasks), size)
        if not reached.intersection(combinations(together, 2))
    )


@settings(max_examples=300, deadline=None)
@given(dags())
def test_chains_are_a_partition_in_order_and_as_many_as_the_dag_is_wide(dag: tuple[int, Pairs]) -> None:
    """Each task in one chain, each waiting for the one before, and no fewer chains than tasks side by side."""
    tasks, edges = dag
    chains = chain_cover(tasks, edges)
    assert sorted(task for chain in chains for task in chain) == list(range(tasks))
    assert {pair for chain in chains for pair in pairwise(chain)} <= waits_for(tasks, edges)
    assert len(chains) == width(tasks, edges)


def test_a_chain_may_leave_out_a_task_on_the_way() -> None:
    """Of two rows that cross in one task, a row of five stays and the others are joined over the crossing."""
    chains = chain_cover(5, [(0, 2), (1, 2), (2, 3), (2, 4)])
    assert len(chains) == 2
    assert sorted(map(len, chains)) == [2, 3]


def test_the_same_tasks_have_the_same_chains() -> None:
    """Whatever the order of the edges, and whichever of them stand twice."""
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]
    assert chain_cover(5, edges) == chain_cover(5, edges[::-1]) == chain_cover(5, edges * 2)


def _layers() -> Pairs:
    """20 layers of 50 tasks, each task with data for three of the next layer."""
    rng = np.random.default_rng(1)
    return [
        (50 * layer + task, 50 * (layer + 1) + int(target))
        for layer in range(19)
        for task in range(50)
        for target in rng.choice(50, 3, replace=False)
    ]


@pytest.mark.parametrize(
    ("edges", "fewest", "most"),
    [
        ([(task, task + 1) for task in range(999)], 1, 1),
        ([], 1000, 1000),
        ([(0, task) for task in range(1, 1000)], 999, 999),
        ([(source, 500 + target) for source in range(500) for target in range(0, 500, 7)], 928, 928),
        (_layers(), 50, 150),
    ],
    ids=["chain", "independent", "fan", "two sides", "layers"],
)
def test_1_000_tasks_are_quick(edges: Pairs, fewest: int, most: int) -> None:
    """A fraction of a second each."""
    begun = process_time()
    assert fewest <= len(chain_cover(1000, edges)) <= most
    assert process_time() - begun < 1.0
