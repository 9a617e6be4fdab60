"""SkyPilot's cost model: its formulas, its faults, and what counts as a case."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.skypilot_model import (
    CaseError,
    egress_usd,
    figures,
    problem_of,
    read_case,
    transfer_s,
    usd_of,
)
from engine.dag import schedule
from engine.problems.dag import solve

CLOUDS = ("aws", "azure", "gcp", "lambda")


def candidate(cloud: str, value: float, **fields: object) -> dict[str, Any]:
    """A candidate as a case has it."""
    return {"cloud": cloud, "value": value, **fields}


def task(name: str, *candidates: dict[str, Any], **fields: object) -> dict[str, Any]:
    """A task as a case has it."""
    return {"name": name, "candidates": candidates, **fields}


def text(*tasks: dict[str, Any], edges: Any = (), **fields: object) -> str:
    """A case for cost."""
    return json.dumps({"objective": "cost", "sky_objective": None, "tasks": tasks, "edges": edges, **fields})


@pytest.mark.parametrize(
    ("source", "gb", "usd"),
    [
        ("aws", 1.0, 0.0),
        ("aws", 101.0, 9.0),
        ("aws", 10_239.0, 10_238 * 0.09),
        ("aws", 10_240.0, 0.0),
        ("aws", 10_250.0, 10 * 0.085 + 9 * 0.09),
        ("aws", 51_200.0, 0.0),
        ("aws", 60_000.0, 8_800 * 0.07 + 8_799 * 0.09),
        ("aws", 200_000.0, 10_000.0),
        ("azure", 101.0, 8.75),
        ("gcp", 1_024.0, 122.88),
        ("gcp", 10_240.0, 1_126.4),
        ("gcp", 20_000.0, 1_600.0),
        ("lambda", 20_000.0, 0.0),
    ],
)
def test_egress_is_what_the_peer_takes_it_to_be(source: str, gb: float, usd: float) -> None:
    """Tiers by the size of one transfer; nothing from clouds that do not bill it."""
    assert egress_usd(source, "nebius", gb) == pytest.approx(usd)


def test_within_a_cloud_nothing_is_paid_or_waited_for() -> None:
    """The peer knows no regions."""
    assert egress_usd("aws", "aws", 500.0) == transfer_s("aws", "aws", 500.0) == 0.0
    assert transfer_s("aws", "gcp", 500.0) == 400.0


def test_inputs_count_for_tasks_without_parents_only() -> None:
    """100 GB from Google cost $12; those of the child are ignored, and what the parent hands on is not."""
    case = read_case(
        text(
            task("a", candidate("aws", 5.0), inputs=["gcp", 100], out_gb=11),
            task("b", candidate("gcp", 1.0), inputs=["aws", 1000]),
            edges=[["a", "b"]],
        )
    )
    assert figures(case, {"a": 0, "b": 0}, usd_of(case)).cost_usd == pytest.approx(5 + 12 + 1 + 0.9)


def test_a_task_starts_when_the_last_of_its_data_has_come() -> None:
    """The slower parent is on another cloud, and its 450 GB take 360 s; inputs of the first take 80 s."""
    case = read_case(
        text(
            task("late", candidate("aws", 50.0), inputs=["gcp", 100]),
            task("far", candidate("gcp", 100.0), out_gb=450),
            task("end", candidate("aws", 7.0)),
            edges=[["late", "end"], ["far", "end"]],
            objective="time",
        )
    )
    assert figures(case, {"late": 0, "far": 0, "end": 0}, None).makespan_s == 100 + 360 + 7


def test_the_order_of_tasks_and_repeated_edges_do_not_matter() -> None:
    """A child may stand before its parent; an edge that is written twice is one."""
    tasks = (task("b", candidate("gcp", 1.0)), task("a", candidate("aws", 1.0), out_gb=101))
    case = read_case(text(*tasks, edges=[["a", "b"], ["a", "b"]]))
    assert [options.name for options in problem_of(case, usd_of(case)).tasks] == ["a", "b"]
    assert figures(case, {"a": 0, "b": 0}, usd_of(case)).cost_usd == pytest.approx(2 + 9)


def test_names_that_the_peer_folds_into_one_are_two() -> None:
    """`prep-data` and `prep_data` crash it: there is no answer of its own, and ours tells them apart."""
    case = read_case(text(task("prep-data", candidate("aws", 1.0)), task("prep_data", candidate("aws", 2.0))))
    assert case.sky_objective is None
    assert figures(case, {"prep-data": 0, "prep_data": 0}, usd_of(case)).cost_usd == 3.0


def test_prices_of_a_case_for_time_come_from_its_twin() -> None:
    """The candidates may stand in another order there, and repeat; the accelerator tells machines of one type apart."""
    one, two = ({"region": "r", "instance_type": "n1", "acc": {gpu: 1}} for gpu in ("T4", "V100"))
    timed = read_case(
        text(task("a", candidate("gcp", 9, **one), candidate("gcp", 5, **two)), objective="time", sky_objective=5)
    )
    cheap, dear = candidate("gcp", 1, **one), candidate("gcp", 7, **two)
    twin = read_case(text(task("a", dear, cheap, cheap)))
    assert usd_of(timed, twin) == {"a": [1.0, 7.0]}
    assert usd_of(timed) is None


def test_hourly_prices_are_prices_of_one_node() -> None:
    """Of several nodes it is not said whose price it is, and one unknown price leaves the sum unknown."""
    hour = candidate("aws", 1800.0, usd_per_hour=10.0)
    assert usd_of(read_case(text(task("a", hour), objective="time"))) == {"a": [5.0]}
    assert usd_of(read_case(text(task("a", hour, num_nodes=2), objective="time"))) is None
    assert usd_of(read_case(text(task("a", hour, candidate("gcp", 1.0)), objective="time"))) is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("[]", "object"),
        ("{", "JSON"),
        (text(), "tasks"),
        (text(task("a")), "candidates"),
        (text(task("a", candidate("aws", -1.0))), "tasks.0.candidates.0.value"),
        (text(task("a", candidate("aws", float("nan")))), "tasks.0.candidates.0.value"),
        (text(task("a", candidate("aws", 1.0), out_gb="10")), "tasks.0.out_gb"),
        (text(task("a", candidate("aws", 1.0)), objective="carbon"), "objective"),
        (text(task("a", candidate("aws", 1.0)), task("a", candidate("aws", 1.0))), "two tasks are named 'a'"),
        (text(task("a", candidate("aws", 1.0)), edges=[["a", "b"]]), "'b', which is no task"),
        (
            text(task("a", candidate("aws", 1.0)), task("b", candidate("aws", 1.0)), edges=[["a", "b"], ["b", "a"]]),
            "cycle",
        ),
        (json.dumps({"objective": "cost", "tasks": [task("a", candidate("aws", 1.0))], "edges": []}), "sky_objective"),
    ],
)
def test_what_is_no_case_is_refused_in_one_line(fault: str, said: str) -> None:
    """The line names the field."""
    with pytest.raises(CaseError, match=said) as error:
        read_case(fault)
    assert "\n" not in str(error.value)


@st.composite
def cases(draw: st.DrawFn) -> str:
    """DAGs of up to four tasks with up to three candidates on four clouds, for cost or time."""
    count = draw(st.integers(1, 4))
    amounts = st.integers(0, 20)
    tasks = [
        task(
            f"t{number}",
            *(
                candidate(draw(st.sampled_from(CLOUDS)), float(draw(amounts)), usd_per_hour=float(draw(amounts)))
                for _ in range(draw(st.integers(1, 3)))
            ),
            inputs=draw(st.none() | st.tuples(st.sampled_from(CLOUDS), amounts)),
            out_gb=draw(st.none() | amounts),
        )
        for number in range(count)
    ]
    pairs = [(f"t{a}", f"t{b}") for a, b in itertools.combinations(range(count), 2)]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=5)) if pairs else []
    return text(*tasks, edges=edges, objective=draw(st.sampled_from(["cost", "time"])))


@settings(max_examples=50, deadline=None)
@given(cases())
def test_the_problem_is_the_case(written: str) -> None:
    """The engine's choice is the best of all by the peer's formulas, and its own figures are the same."""
    case = read_case(written)
    usd = usd_of(case)
    problem = problem_of(case, usd)
    names = [options.name for options in problem.tasks]
    every = itertools.product(*(range(options.place.size) for options in problem.tasks))
    plans = {choice: figures(case, dict(zip(names, choice, strict=True)), usd) for choice in every}
    least = min((plan.makespan_s or 0.0, plan.cost_usd or 0.0) for plan in plans.values())
    choice = solve(problem).choice
    ours, own = plans[choice], schedule(problem, choice)
    assert (ours.makespan_s or 0.0, ours.cost_usd) == pytest.approx(least, abs=1e-5)
    assert (own.makespan_h * 3600, own.cost_usd) == pytest.approx((ours.makespan_s or 0.0, ours.cost_usd))
