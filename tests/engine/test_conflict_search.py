"""The search for the smallest set that conflicts, against trying every set."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from engine.conflict_search import Found, Limits, irreducible, smallest_conflict, smallest_hitting_set

NUMBER = 6
SETS = st.lists(st.frozensets(st.integers(0, NUMBER - 1), min_size=1, max_size=4), max_size=5)


def asked_of(cores: list[Limits], limits: Limits) -> bool:
    """Whether a set holds one of those that conflict by themselves."""
    return any(core <= limits for core in cores)


@given(SETS)
def test_it_is_as_small_as_any(cores: list[Limits]) -> None:
    """What is found conflicts, and is no larger than the smallest of the sets that make up all conflicts."""
    found = smallest_conflict(NUMBER, lambda limits: asked_of(cores, limits))
    if not cores:
        assert found is None
        return
    assert found is not None
    assert found.smallest
    assert asked_of(cores, found.limits)
    assert len(found.limits) == min(map(len, cores))


@given(SETS.filter(bool))
def test_of_an_irreducible_set_none_can_be_spared(cores: list[Limits]) -> None:
    """It conflicts, and without any one of its limits it does not."""
    found = irreducible(range(NUMBER), lambda limits: asked_of(cores, limits))
    assert asked_of(cores, found)
    assert not any(asked_of(cores, found - {limit}) for limit in found)


@given(SETS, st.integers(0, NUMBER))
def test_no_smaller_set_hits_all(sets: list[Limits], below: int) -> None:
    """It has an element of each, and no set of fewer elements has."""
    found = smallest_hitting_set(sets, below)
    every = (frozenset(some) for size in range(below) for some in combinations(range(NUMBER), size))
    least = next((some for some in every if all(some & each for each in sets)), None)
    assert (found is None) == (least is None)
    if found is not None and least is not None:
        assert len(found) == len(least)
        assert all(found & each for each in sets)


def test_what_conflicts_by_itself_needs_no_limit() -> None:
    """Where not even the empty set can be kept it is the answer."""
    assert smallest_conflict(3, lambda _: True) == Found(frozenset(), smallest=True)


def test_without_time_the_answer_is_irreducible_and_says_so() -> None:
    """{0} is smaller, but the search for it was not allowed."""
    cores = [frozenset({0}), frozenset({1, 2})]
    found = smallest_conflict(3, lambda limits: asked_of(cores, limits), goes_on=lambda: False)
    assert found is not None
    assert not found.smallest
    assert found.limits in cores
