"""The heaviest antichain of a DAG against trying every set of tasks, and what it counts as taken at one time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import inf
from time import process_time
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.antichains import heaviest_antichain, waiting
from tests.kits.dag_instances import Pairs, antichains, dag_edges, waits_for

WEIGHTS: Final = st.one_of(st.just(0.0), st.integers(0, 4).map(float), st.floats(1e-3, 1e3))


@st.composite
def weighed(draw: st.DrawFn) -> tuple[list[float], Pairs]:
    """Up to 8 tasks, from none that waits to nearly all, and what each weighs."""
    weights = draw(st.lists(WEIGHTS, min_size=1, max_size=8))
    return weights, draw(dag_edges(len(weights), most=16))


@settings(max_examples=150, deadline=None)
@given(weighed())
def test_no_antichain_is_heavier(dag: tuple[list[float], Pairs]) -> None:
    """An antichain it is, of tasks that weigh something, and none that there is weighs more."""
    weights, edges = dag
    found = heaviest_antichain(weights, waiting(len(weights), edges))
    assert not waits_for(len(weights), edges).intersection(combinations(found, 2))
    assert all(weights[task] > 0 for task in found)
    most = max(sum(weights[task] for task in each) for each in antichains(len(weights), tuple(edges)))
    assert sum(weights[task] for task in found) == pytest.approx(most)


@settings(max_examples=50, deadline=None)
@given(weighed())
def test_who_waits_is_known_as_bits(dag: tuple[list[float], Pairs]) -> None:
    """Directly or not, whatever the order of the edges, and whichever of them stand twice."""
    weights, edges = dag
    after = waiting(len(weights), edges[::-1] * 2)
    reached = waits_for(len(weights), edges)
    assert {(a, b) for a, later in enumerate(after) for b in range(len(weights)) if later >> b & 1} == reached


@pytest.mark.parametrize(
    ("weights", "edges", "most"),
    [
        ([8, 1, 1, 1, 8], [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], 8),
        ([2, 1, 1, 1, 2], [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], 3),
        # Two rows that cross in one task: before it, or after it.
        ([2, 3, 4, 3, 3], [(0, 2), (1, 2), (2, 3), (2, 4)], 6),
        # The letter N: what passes from the first to the third must give way for the second.
        ([2, 2, 2, 1], [(0, 2), (0, 3), (1, 2)], 4),
        ([0.0, inf, 5.0], [(0, 1), (1, 2)], inf),
        ([0, 0], [], 0),
    ],
    ids=["diamond", "wide diamond", "crossing", "N", "unknown", "nothing"],
)
def test_what_may_run_at_one_time(weights: list[float], edges: Pairs, most: float) -> None:
    """Small ones by hand."""
    found = heaviest_antichain(weights, waiting(len(weights), edges))
    assert sum(weights[task] for task in found) == most


def layers(count: int, width: int) -> Pairs:
    """Each task has data for three of the next layer."""
    rng = np.random.default_rng(1)
    return [
        (width * layer + task, width * (layer + 1) + int(target))
        for layer in range(count - 1)
        for task in range(width)
        for target in rng.choice(width, 3, replace=False)
    ]


LARGE: Final[Mapping[str, Pairs]] = {
    "chain": [(task, task + 1) for task in range(299)],
    "independent": [],
    "fan": [(0, task) for task in range(1, 300)],
    "two sides": [(source, 150 + target) for source in range(150) for target in range(0, 150, 7)],
    "few wide layers": layers(3, 100),
    "many layers": layers(10, 30),
}


@pytest.mark.parametrize("edges", LARGE.values(), ids=LARGE)
def test_300_tasks_are_quick(edges: Pairs) -> None:
    """Some milliseconds each, whatever they weigh."""
    rng = np.random.default_rng(2)
    begun = process_time()
    after = waiting(300, edges)
    for weights in (rng.choice([1.0, 2.0, 4.0, 8.0], 300), rng.uniform(0.1, 10, 300), 1.5 ** rng.integers(0, 20, 300)):
        assert heaviest_antichain(weights.tolist(), after)
    assert process_time() - begun < 0.5
