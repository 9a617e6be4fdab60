"""How tasks hang together."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.workload_errors import InvalidValueError
from engine.workload_graph import parse_dependencies, topological_order


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, []),
        ("a", [("a", None)]),
        (["a", "b"], [("a", None), ("b", None)]),
        ({"a": None, "b": "50 GB", "c": {"data": 20}}, [("a", None), ("b", 50.0), ("c", 20.0)]),
        (["a", {"b": {"data": "1TB"}, "c": None}], [("a", None), ("b", 1000.0), ("c", None)]),
        ({"a": {}}, [("a", None)]),
    ],
    ids=str,
)
def test_dependencies(written: object, meant: list[tuple[str, float | None]]) -> None:
    """`depends_on` is a name, a list or a mapping, each with or without data."""
    assert [(each.task, each.data_gb) for each in parse_dependencies(written)] == meant


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ([["a"]], (0,), "must name a task, not a list"),
        ([None], (0,), "must name a task, not nothing"),
        (["a", "b", "a"], (2,), "names a twice"),
        ({"a": "lots"}, ("a",), "an amount of data must be a number or a number with a unit, not lots"),
        ({"a": {"dta": 5}}, ("a", "dta"), "unknown field"),
        ([{"a": -1}], (0, "a"), "an amount of data must be at least 0, not -1"),
    ],
    ids=str,
)
def test_bad_dependencies(written: object, path: tuple[str | int, ...], message: str) -> None:
    """What names no task is refused where it stands."""
    with pytest.raises(InvalidValueError) as caught:
        parse_dependencies(written)
    (fault,) = caught.value.faults
    assert (fault.path, fault.message) == (path, message)


def test_order_keeps_to_the_file() -> None:
    """Tasks that wait for nothing stand in the order written; the others come as soon as they can."""
    order, cycles = topological_order({"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": [], "e": []})
    assert order == ["a", "e", "b", "c", "d"]
    assert cycles == []


def test_every_cycle_is_found() -> None:
    """Two cycles are two findings, and a task that waits for itself is one."""
    _, cycles = topological_order({"a": ["b"], "b": ["a"], "c": ["c"], "d": ["a"]})
    assert sorted(sorted(set(cycle)) for cycle in cycles) == [["a", "b"], ["c"]]


@pytest.mark.parametrize("length", [2, 25_000, 50_000])
def test_many_cycles_are_found_quickly(length: int) -> None:
    """However many cycles 50,000 tasks form, all of them are found in one pass, without recursion."""
    names = [f"t{index}" for index in range(50_000)]
    rings = [names[start : start + length] for start in range(0, len(names), length)]
    order, cycles = topological_order({name: [ring[index - 1]] for ring in rings for index, name in enumerate(ring)})
    assert order == []
    assert [len(cycle) - 1 for cycle in cycles] == [length] * len(rings)


def test_unknown_sources_do_not_count() -> None:
    """A source that is no task is left to those who report it."""
    assert topological_order({"a": ["nowhere"]}) == (["a"], [])


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_order_or_cycles(sources: dict[str, list[str]]) -> None:
    """In any graph the order respects every edge, and each cycle is one indeed."""
    order, cycles = topological_order(sources)
    for name in order:
        known = [source for source in sources[name] if source in order]
        assert all(order.index(source) < order.index(name) for source in known)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(behind in sources[before] for before, behind in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1
    assert len(order) + len({name for cycle in cycles for name in cycle}) == len(sources)
