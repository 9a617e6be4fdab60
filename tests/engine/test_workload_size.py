"""Files with very many tasks or mistakes: read or refused in seconds, with messages of a length that can be read."""

from __future__ import annotations

import pytest

from engine.source_text import MAX_PROBLEMS
from engine.workload_errors import WorkloadError
from engine.workload_reader import MAX_NAMED, read_workload


def lines_of(text: str) -> list[str]:
    """The problems of a text, a line each."""
    with pytest.raises(WorkloadError) as caught:
        read_workload(text, file="f")
    return str(caught.value).splitlines()


def graph(tasks: int, depends_on: str) -> str:
    """So many tasks; `depends_on` is a template with the number of the task, of the one before and of the one after."""
    rows = (
        f"  t{number}: {{depends_on: {depends_on.format(here=number, before=number - 1, after=(number + 1) % tasks)}}}"
        for number in range(1, tasks)
    )
    return "\n".join(["tasks:", "  t0: {}" if "before" in depends_on else "  t0: {depends_on: t1}", *rows])


def test_a_hundred_thousand_tasks_are_refused() -> None:
    """Reading ends at a bound, and the message says where and what to do."""
    text = "tasks:\n" + "\n".join(f"  t{number}: {{}}" for number in range(100_000))
    (line,) = lines_of(text)
    assert line.startswith("f:2: tasks holds more than 100,000 values")
    assert line.endswith(": make several files of it")
    (line,) = lines_of("---\n".join(f"name: t{number}\n" for number in range(100_000)))
    assert line.startswith("f:100001: the file holds more than 100,000 values")


def test_long_chains_are_read() -> None:
    """A chain of many tasks, written from its end, comes out in order."""
    rows = [f"  t{number}: {{depends_on: t{number - 1}}}" for number in range(5_000, 0, -1)]
    workload = read_workload("\n".join(["tasks:", *rows, "  t0: {}"]))
    assert [task.name for task in workload.tasks] == [f"t{number}" for number in range(5_001)]
    assert len(workload.edges) == 5_000
    (silence,) = workload.assumptions
    assert silence.startswith("no data moves from t4999 to t5000, from t4998 to t4999, ")
    assert " from t4980 to t4981 and 4,980 more: neither " in silence


def test_a_long_circle_is_told_by_its_ends() -> None:
    """Of a circle of thousands, the tasks where it closes are named."""
    (line,) = lines_of(graph(3_000, "t{after}"))
    assert line.startswith("f:2: tasks.t0.depends_on: tasks wait for each other in a circle: t0 -> t1 -> t2")
    assert line.endswith("t9 -> (2,981 more) -> t2991 -> t2992 -> t2993 -> t2994 -> t2995 -> t2996 -> t2997 -> t2998"
                         " -> t2999 -> t0")  # fmt: skip


def test_short_circles_are_told_in_full() -> None:
    """Up to the bound every task of a circle is named."""
    (line,) = lines_of(graph(MAX_NAMED - 1, "t{after}"))
    assert line.count(" -> ") == MAX_NAMED - 1
    assert "more)" not in line


def test_few_of_many_tasks_are_listed() -> None:
    """Where no name is near, a message lists some of the tasks that there are."""
    text = graph(30, "t{before}") + "\n  last: {depends_on: something else}"
    (line,) = lines_of(text)
    assert "there is no task something else: there are t0, t1, " in line
    assert line.endswith(", t19 and 11 more")


def test_many_problems_are_cut_off() -> None:
    """After so many problems reading ends, and says that there are more."""
    lines = lines_of(graph(3_000, "nobody-{here}"))
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == f"f:{2 + MAX_PROBLEMS}: there are more problems than these {MAX_PROBLEMS}"
    assert all("there is no task nobody-" in line for line in lines[:-1])


def test_as_many_problems_as_are_told_are_all() -> None:
    """At the bound nothing is left out, and nothing is said of more."""
    lines = lines_of("tasks:\n" + "\n".join(f"  t{number}: 1" for number in range(MAX_PROBLEMS)))
    assert len(lines) == MAX_PROBLEMS
    assert "more problems" not in lines[-1]


def test_twice_given_keys_are_cut_off_too() -> None:
    """Problems of the YAML itself count as well."""
    lines = lines_of("run: x\n" * 3_000)
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == f"f:{1 + MAX_PROBLEMS}: there are more problems than these {MAX_PROBLEMS}"


def test_the_nearest_divisors_are_named() -> None:
    """Of many numbers of groups that would do, those near to the one written are named."""
    (line,) = lines_of("num_nodes: 1000000\nspread: 300")
    assert line.endswith(
        ": write one of 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500"
    )
