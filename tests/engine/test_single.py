"""One task: the ranking of its candidates against sorting them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.candidates import find_candidates
from engine.infeasible import InfeasibleError
from engine.plan import Option
from engine.plan_single import plan_single
from engine.planned import Planned
from engine.problems.single import (
    SingleLimit,
    SingleProblem,
    best_of_each,
    beyond_limits,
    merge_regions,
    rank,
    within_limits,
)
from engine.status import Status
from engine.workload import AcceleratorRequest, Estimate, Objective, Range, Requirement, Task, Workload
from tests.kits.market import market, offer

SCHEMA = pl.Schema(
    {
        "cloud": pl.String(),
        "region": pl.String(),
        "instance_type": pl.String(),
        "purchase": pl.String(),
        "requirement": pl.Int32(),
        "cost_usd": pl.Float64(),
        "busy_h": pl.Float64(),
        "input_h": pl.Float64(),
        "surcharge_usd": pl.Float64(),
        "scarcity": pl.Float64(),
        "doubt": pl.Int32(),
    }
)
NUMBERS = st.integers(0, 4).map(float)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(("aws", "gcp")),
        st.sampled_from(("r1", "r2")),
        st.sampled_from(("a", "b")),
        st.sampled_from(("on_demand", "spot")),
        st.integers(0, 2),
        NUMBERS,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        st.sampled_from((0.0, 0.5)),
        st.integers(0, 2),
    ),
    max_size=12,
)
MOSTS = st.none() | st.integers(0, 8).map(float)
WORTH = st.sampled_from((0.0, 0.0, 0.5, 2.0))


def limits(deadline_h: float | None, budget_usd: float | None) -> tuple[SingleLimit, ...]:
    """A limit of each that is given."""
    both = (
        ("deadline", pl.col("input_h") + pl.col("busy_h"), deadline_h),
        ("budget", pl.col("cost_usd"), budget_usd),
    )
    return tuple(
        SingleLimit(name, figure, most, f"beyond the {name}") for name, figure, most in both if most is not None
    )


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from(Objective), st.booleans(), MOSTS, MOSTS, WORTH)
def test_the_ranking_is_that_of_sorting_by_hand(
    rows: list[tuple[Any, ...]],
    objective: Objective,
    ordered: bool,
    deadline_h: float | None,
    budget_usd: float | None,
    usd_h: float,
) -> None:
    """By preference, objective, the other measures, scarcity, doubt and name, within the limits; with zeros and ties.

    What is least is the cost with the surcharge and the price of the hours, then the cost.
    """
    frame = pl.DataFrame(rows, SCHEMA, orient="row")
    problem = SingleProblem(frame, objective, ordered, limits(deadline_h, budget_usd), usd_h)

    def key(row: tuple[Any, ...]) -> tuple[Any, ...]:
        names, requirement, cost, finish = row[:4], row[4], row[5], row[6] + row[7]
        money = (cost + row[8] + usd_h * finish, cost)
        measures = (*money, finish) if objective is Objective.COST else (finish, *money)
        return (requirement if ordered else 0, *measures, *row[9:11], *names, requirement)

    kept = [
        row
        for row in rows
        if (budget_usd is None or row[5] <= budget_usd) and (deadline_h is None or row[6] + row[7] <= deadline_h)
    ]
    ranked = rank(problem).rows()
    assert [key(row) for row in ranked] == [key(row) for row in sorted(kept, key=key)]
    assert [row[-1] for row in ranked] == [row[5] + row[8] + usd_h * (row[6] + row[7]) for row in ranked]
    first_of_kind = {(row[0], row[3]): key(row) for row in reversed(ranked)}
    assert {(row[0], row[3]): key(row) for row in best_of_each(rank(problem)).rows()} == first_of_kind
    assert best_of_each(rank(problem)).height == len(first_of_kind)


ALIKE = (
    "cloud",
    "instance_type",
    "purchase",
    "price_usd_h",
    "hours",
    "input_h",
    "cost_usd",
    "charge_usd",
    "requirement",
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*(st.sampled_from((0, 1)) for _ in ALIKE)), max_size=8))
def test_regions_that_offer_the_same_are_one_row(rows: list[tuple[int, ...]]) -> None:
    """Whatever else differs is a row of its own; the best region stands for all and the order is kept."""
    frame = pl.DataFrame(rows, dict.fromkeys(ALIKE, pl.Int64), orient="row").with_row_index("region")
    of_offer: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        of_offer.setdefault(row, []).append(number)
    merged = merge_regions(frame).select("region", "also_in").rows()
    assert merged == [(first, others) for first, *others in of_offer.values()]


def test_of_equals_the_one_seen_to_be_available_comes_first() -> None:
    """Then the one of the most trusted price, then the first by name; a price comes before all of these."""
    looks = {
        "ra": (None, "high", 1.0),
        "rb": (True, "low", 1.0),
        "rc": (True, "medium", 1.0),
        "rd": (True, "medium", 1.0),
        "re": (None, "low", 0.9),
    }
    offers = [
        offer("aws", name, f"m-{name}", price, available=seen, confidence=trust)
        for name, (seen, trust, price) in looks.items()
    ]
    task = Task("t", requirements=(Requirement(vcpus=Range(4, exact=False)),))
    workload = Workload("w", (task,))
    result = plan_single(workload, find_candidates(task, workload, market(offers)), 5)
    ranked = [option.placements[0].region for option in (result.best, *result.alternatives)]
    assert ranked == ["re", "rc", "rd", "rb", "ra"]


def test_the_region_where_it_was_seen_stands_for_those_that_offer_the_same() -> None:
    """The others are named beside it, in order."""
    offers = [offer("aws", name, "m", 1.0, available=seen) for name, seen in (("a", None), ("b", True), ("c", None))]
    task = Task("t", requirements=(Requirement(vcpus=Range(4, exact=False)),))
    workload = Workload("w", (task,))
    result = plan_single(workload, find_candidates(task, workload, market(offers)), 5)
    assert (result.best.placements[0].region, result.best.placements[0].also_in) == ("b", ("a", "c"))
    assert result.alternatives == ()


def test_a_limit_is_kept_up_to_rounding() -> None:
    """$0.1 * 3 is within a budget of $0.3, and three times a tenth of an hour within a deadline of 0.3 h."""
    row = ("aws", "r", "a", "spot", 0, 0.1 * 3, 0.1 + 0.2, 0.0, 0.0, 0.5, 0)
    problem = SingleProblem(pl.DataFrame([row], SCHEMA, orient="row"), Objective.COST, ordered=False)
    assert within_limits(replace(problem, limits=limits(0.3, 0.3))).height == 1
    assert within_limits(replace(problem, limits=limits(0.2, None))).is_empty()


def test_what_is_beyond_a_limit_is_counted_by_the_first() -> None:
    """With the words of that limit; what nothing fell out by is not named."""
    rows = [("aws", "r", name, "spot", 0, cost, hours, 0.0, 0.0, 0.5, 0) for name, cost, hours in (BOTH, DEAR, GOOD)]
    frame = pl.DataFrame(rows, SCHEMA, orient="row").with_columns(offers=pl.Series([1, 2, 4]))
    problem = SingleProblem(frame, Objective.COST, ordered=False, limits=limits(3.0, 3.0))
    assert beyond_limits(problem) == {"beyond the deadline": 1, "beyond the budget": 2}
    assert beyond_limits(replace(problem, limits=limits(9.0, None))) == {}


BOTH, DEAR, GOOD = ("a", 5.0, 5.0), ("b", 5.0, 1.0), ("c", 1.0, 1.0)


GPUS = tuple(Requirement(accelerator=AcceleratorRequest(name, 1)) for name in ("H100", "A100", "T4"))
OFFERS = (
    offer("aws", "us-east-1", "p5", 8.0, accelerator="H100"),
    offer("aws", "us-west-2", "p5", 9.0, accelerator="H100"),
    offer("gcp", "us-central1", "a2", 4.0, accelerator="A100"),
    offer("azure", "eastus", "nc", 1.0, accelerator="T4"),
)
HOURS = Estimate(hours={"H100": 1.0, "A100": 3.0, "T4": 10.0})


def planned(top: int = 5, **fields: Any) -> Planned:
    """The planned task: H100 for $8 or $9 an hour in 1 h, A100 for $4 in 3 h, T4 for $1 in 10 h.

    All of them start in 3 minutes, which are billed.
    """
    task = Task("t", requirements=GPUS, estimate=HOURS)
    workload = Workload("w", (task,), **fields)
    return plan_single(workload, find_candidates(task, workload, market(OFFERS)), top)


def kinds(options: Sequence[Option]) -> list[str]:
    """The accelerators and regions of some options."""
    return [f"{option.placements[0].accelerator}@{option.placements[0].region}" for option in options]


def test_the_best_the_next_ones_and_the_best_of_each_cloud() -> None:
    """Two of the four are ranked; the comparison has the best of each other cloud, ranked or not."""
    result = planned(top=2)
    assert kinds([result.best]) == ["H100@us-east-1"]
    assert kinds(result.alternatives) == ["H100@us-west-2"]
    assert kinds(result.comparison) == ["T4@eastus", "A100@us-central1"]
    assert result.proof.status is Status.OPTIMAL
    assert (result.proof.objective, result.proof.bound) == pytest.approx((8.4, 8.4))


def test_the_fastest_comes_first_for_time() -> None:
    """The proof is then in hours."""
    result = planned(objective=Objective.TIME, top=1)
    assert result.alternatives == ()
    assert (result.best.hours, result.proof.objective) == (1.05, 1.05)


def test_an_order_of_alternatives_comes_before_price() -> None:
    """Within the limits: a budget that no H100 keeps leaves nothing of it, and the next in the list is taken."""
    first_t4 = Task("t", requirements=(GPUS[2], GPUS[0]), ordered=True, estimate=HOURS)
    workload = Workload("w", (first_t4,))
    result = plan_single(workload, find_candidates(first_t4, workload, market(OFFERS)), 3)
    assert kinds([result.best, *result.alternatives]) == ["T4@eastus", "H100@us-east-1", "H100@us-west-2"]
    late = Workload("w", (first_t4,), deadline_hours=5.0)
    assert kinds([plan_single(late, find_candidates(first_t4, late, market(OFFERS)), 3).best]) == ["H100@us-east-1"]


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({"deadline_hours": 0.5}, ("deadline 0.5 h: no plan takes less than 1.05 h",)),
        ({"budget_usd": 0.5}, ("budget $0.5: no plan costs less than $8.40",)),
        (
            {"deadline_hours": 0.5, "budget_usd": 7.0},
            (
                "deadline 0.5 h: no plan takes less than 1.05 h",
                "budget $7.00: no plan costs less than $8.40",
            ),
        ),
    ],
)
def test_a_limit_that_no_candidate_keeps_is_named(limits: dict[str, Any], reasons: tuple[str, ...]) -> None:
    """With what would do."""
    with pytest.raises(InfeasibleError) as raised:
        planned(**limits)
    assert raised.value.reasons == reasons


def test_limits_that_conflict_are_named_together() -> None:
    """The fast machine is too dear and the cheap one too slow."""
    task = Task("t", requirements=GPUS[1:], estimate=HOURS)
    workload = Workload("w", (task,), deadline_hours=3.5, budget_usd=11.0)
    with pytest.raises(InfeasibleError) as raised:
        plan_single(workload, find_candidates(task, workload, market(OFFERS)), 5)
    assert raised.value.reasons == (
        "deadline 3.5 h and budget $11.00 conflict: within the deadline no plan costs less than $12.20",
    )
