"""What a workload limits and wishes beside its deadline, budget and residency: what each field becomes."""

from __future__ import annotations

import pytest

from engine.workload import Carbon, Chances, Estimate, Preference, Purchase, Task, Workload
from engine.workload_reader import read_workload

EVERYTHING = """
hourly_budget: $40
value_of_time: 20 USD
carbon: {price: $80, limit: 50 kg}
chance: {capacity: 90%, uninterrupted: 0.8}
prefer:
- {infra: aws/us-east-1, purchase: on_demand, penalty: $5}
- {infra: gcp, penalty: 0.5}
- {purchase: [owned, spot], penalty: 2}
"""


def is_everything(workload: Workload) -> bool:
    """Whether a workload has all that EVERYTHING says."""
    return (
        workload.hourly_budget_usd == 40.0
        and workload.value_of_time_usd_h == 20.0
        and workload.carbon == Carbon(price_usd_t=80.0, limit_kg=50.0)
        and workload.chances == Chances(capacity=0.9, uninterrupted=0.8)
        and workload.preferences
        == (
            Preference(5.0, "aws", "us-east-1", (Purchase.ON_DEMAND,)),
            Preference(0.5, "gcp"),
            Preference(2.0, purchases=(Purchase.OWNED, Purchase.SPOT)),
        )
    )


@pytest.mark.parametrize(
    "rest",
    [
        "run: x",
        "tasks: {a: {}, b: {}}",
        "---\nname: a\n---\nname: b",
        "execution: parallel\n---\nname: a\n---\nname: b",
    ],
    ids=["task", "graph", "chain", "group"],
)
def test_all_tasks_have_them(rest: str) -> None:
    """They stand in the first document, whichever shape the file has."""
    assert is_everything(read_workload(EVERYTHING + rest))


@pytest.mark.parametrize(
    "text",
    [
        "run: x",
        "hourly_budget:\nvalue_of_time:\ncarbon:\nchance:\nprefer:\nspread:\nestimate:",
        "carbon: {price: , limit: }\nchance: {capacity: , uninterrupted: }\nprefer: []",
        "carbon: {}\nchance: {}",
    ],
)
def test_nothing_is_limited_or_wished_for_unless_said(text: str) -> None:
    """What is empty is unset, in part or as a whole."""
    workload = read_workload(text, file="w")
    expected = Workload("w", (Task("w"),))
    for name in ("hourly_budget_usd", "value_of_time_usd_h", "carbon", "chances", "preferences"):
        assert getattr(workload, name) == getattr(expected, name)
    assert (workload.tasks[0].spread, workload.tasks[0].estimate) == (1, None)


@pytest.mark.parametrize(
    ("text", "carbon"),
    [
        ("{price: 80}", Carbon(price_usd_t=80.0)),
        ("{limit: 1.5 t}", Carbon(limit_kg=1500.0)),
        ("{limit: 800g}", Carbon(limit_kg=0.8)),
        ("{price: 0, limit: 0}", Carbon(limit_kg=0.0)),
    ],
)
def test_carbon(text: str, carbon: Carbon) -> None:
    """A price, a limit or both; no emissions at all may be the limit, as no cost may be the budget."""
    assert read_workload(f"carbon: {text}").carbon == carbon


@pytest.mark.parametrize(
    ("text", "chances"),
    [("{capacity: 99.9%}", Chances(capacity=0.999)), ("{uninterrupted: 0.5}", Chances(uninterrupted=0.5))],
)
def test_chance(text: str, chances: Chances) -> None:
    """Each of the two chances may stand alone."""
    assert read_workload(f"chance: {text}").chances == chances


def test_one_wish_needs_no_list() -> None:
    """A mapping is a list of one; places are spelt as in the catalog, and `any` is what it is in `purchase`."""
    workload = read_workload("prefer: {infra: AWS/US-East-1, purchase: any, penalty: $5}")
    ways = (Purchase.ON_DEMAND, Purchase.SPOT, Purchase.OWNED)
    assert workload.preferences == (Preference(5.0, "aws", "us-east-1", ways),)
    assert read_workload("prefer: {infra: k8s/some/context, penalty: 1}").preferences == (
        Preference(1.0, "kubernetes", "some/context"),
    )


def test_no_money_may_be_the_limit() -> None:
    """Owned machines cost nothing, so that both budgets may be 0; whether a plan keeps them is for planning to say."""
    workload = read_workload("budget: 0\nhourly_budget: 0")
    assert (workload.budget_usd, workload.hourly_budget_usd) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "estimate"),
    [
        ("{hours: 3h, setup: 10m, checkpoint: 30m}", Estimate(hours=3.0, setup_h=1 / 6, checkpoint_h=0.5)),
        ("{hours: {H100: 3}, setup: 0}", Estimate(hours={"H100": 3.0})),
        ("{hours: 3, setup: , checkpoint: }", Estimate(hours=3.0)),
        (
            "{work: 7200, throughput: {cpu: 2}, checkpoint: 1}",
            Estimate(work=7200.0, throughput={"cpu": 2.0}, checkpoint_h=1.0),
        ),
    ],
)
def test_setup_and_checkpoint(text: str, estimate: Estimate) -> None:
    """They stand beside hours, or beside work and throughput."""
    assert read_workload(f"estimate: {text}").tasks[0].estimate == estimate


def test_spread() -> None:
    """Each task says in how many groups its nodes may be."""
    text = "tasks: {a: {num_nodes: 8, spread: 4}, b: {num_nodes: 3, spread: 3}, c: {num_nodes: 2}}"
    assert [task.spread for task in read_workload(text).tasks] == [4, 3, 1]
