"""The fallback chain: what each step differs in, what it costs, and the chance that one of them is got."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog_data.schema import Purchase
from engine import chances
from engine.fallback import chance_after, chance_of_chain
from engine.plan import Option, Plan, PlanError, read_plan
from engine.solve import PlanRequest, make_plan
from engine.workload import AcceleratorRequest, Edge, Estimate, Requirement, Task, Workload
from tests.kits.market import NOW, flat_rates, market, offer

EAST, WEST, GCP = ("aws", "us-east-1"), ("aws", "us-west-2"), ("gcp", "us-central1")
PLACES = [f"{cloud}:{region}" for cloud, region in (EAST, WEST, GCP)]
GPU: dict[str, Any] = {"accelerator": "H100", "count": 8.0}
OFFERS = [
    offer(*EAST, "p5", 20.0, **GPU, purchase=Purchase.SPOT, zone="us-east-1a"),
    offer(*EAST, "p5", 20.0, **GPU, purchase=Purchase.SPOT, zone="us-east-1b"),
    offer(*WEST, "p5", 22.0, **GPU, purchase=Purchase.SPOT),
    offer(*GCP, "a3", 30.0, **GPU, purchase=Purchase.SPOT),
    offer(*EAST, "p5", 50.0, **GPU),
    offer(*EAST, "m5", 1.0, zone="us-east-1a"),
    offer(*WEST, "m5", 1.1),
    offer(*GCP, "n2", 1.2),
]
MARKET = market(OFFERS, egress=flat_rates(0.01, PLACES))
ANY = tuple(Purchase)
NEED = Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=ANY)
TRAIN = Task("train", requirements=(NEED,), estimate=Estimate(hours=2.0))
PREP = Task("prep", requirements=(Requirement(purchases=ANY),), estimate=Estimate(hours=1.0))
SINGLE = Workload("one", (TRAIN,))
CHAIN = Workload("two", (PREP, TRAIN), (Edge("prep", "train", 10.0),))
REQUEST = PlanRequest(NOW, "workload.yaml")


def plan_of(workload: Workload, offers: list[dict[str, Any]] = OFFERS) -> Plan:
    """The plan at these offers."""
    return make_plan(workload, market(offers, egress=flat_rates(0.01, PLACES)), REQUEST)


def machines(option: Option) -> list[str]:
    """Where each task is, and how its machine is bought."""
    return [f"{task.cloud}/{task.region} {task.instance_type} {task.purchase}" for task in option.placements]


def chain_of(plan: Plan) -> list[tuple[str, list[str]]]:
    """What each step differs in, and what it asks for."""
    return [(fallback.differs_in, machines(fallback.option)) for fallback in plan.fallbacks]


def test_a_task_goes_on_in_another_zone_region_cloud_and_purchase() -> None:
    """Each step is the cheapest that shares nothing with all before it in its scope."""
    plan = plan_of(SINGLE)
    assert machines(plan.best) == ["aws/us-east-1 p5 spot"]
    assert chain_of(plan) == [
        ("zone", ["aws/us-east-1 p5 spot"]),
        ("region", ["aws/us-west-2 p5 spot"]),
        ("cloud", ["gcp/us-central1 a3 spot"]),
        ("purchase", ["aws/us-east-1 p5 on_demand"]),
    ]
    assert plan.fallbacks[0].option.placements[0].zones == ("us-east-1b",)


def test_all_tasks_of_a_graph_go_elsewhere() -> None:
    """No task stays where the best plan has it; what can be bought in one way only is bought in that way again."""
    plan = plan_of(CHAIN)
    assert machines(plan.best) == ["aws/us-east-1 m5 on_demand", "aws/us-east-1 p5 spot"]
    assert chain_of(plan) == [
        ("region", ["aws/us-west-2 m5 on_demand", "aws/us-west-2 p5 spot"]),
        ("cloud", ["gcp/us-central1 n2 on_demand", "gcp/us-central1 a3 spot"]),
        ("purchase", ["aws/us-east-1 m5 on_demand", "aws/us-east-1 p5 on_demand"]),
    ]


def test_fallbacks_keep_the_limits() -> None:
    """A budget leaves out the steps that are too dear, and no others."""
    assert [step for step, _ in chain_of(plan_of(replace(SINGLE, budget_usd=46.0)))] == ["zone", "region"]
    assert [step for step, _ in chain_of(plan_of(replace(CHAIN, budget_usd=70.0)))] == ["region", "cloud"]


def test_owned_machines_need_no_fallback() -> None:
    """They are there: the other task alone goes elsewhere, and where all are owned there is no chain."""
    owned = offer("owned", "rack", "box", None, purchase=Purchase.OWNED)
    steps = chain_of(plan_of(CHAIN, [*OFFERS, owned]))
    assert [machine for _, (machine, _) in steps] == ["owned/rack box owned"] * len(steps)
    assert [step for step, _ in steps] == ["zone", "region", "cloud", "purchase"]
    alone = plan_of(Workload("prep", (PREP,)), [*OFFERS, owned])
    assert (alone.fallbacks, alone.chance) == ((), 1.0)


def test_the_same_machines_are_not_asked_for_twice() -> None:
    """The cheapest in another region is on demand as well: nothing is left to differ in."""
    offers = [offer(*EAST, "p5", 20.0, **GPU, purchase=Purchase.SPOT), offer(*WEST, "p5", 22.0, **GPU)]
    assert chain_of(plan_of(SINGLE, offers)) == [("region", ["aws/us-west-2 p5 on_demand"])]


def test_the_chance_of_one_task_is_that_of_the_chain_of_its_asks() -> None:
    """Step by step what `chances.chain_chance` has for the same machines."""
    plan = plan_of(SINGLE)
    asks = [
        chances.Option(
            placement.cloud,
            placement.region,
            placement.zones[0] if placement.zones else None,
            placement.instance_type,
            placement.accelerator,
            placement.purchase,
            placement.chance,
        )
        for option in (plan.best, *(fallback.option for fallback in plan.fallbacks))
        for placement in option.placements
    ]
    assert plan.chance == pytest.approx(chances.chain_chance(asks))
    assert plan.chance == chance_of_chain(plan.best, plan.fallbacks)


def test_a_whole_option_needs_all_its_machines() -> None:
    """Of two tasks in another cloud both must be got; what the best was short of has nothing to do with that."""
    plan = plan_of(CHAIN)
    cloud = next(fallback for fallback in plan.fallbacks if fallback.differs_in == "cloud")
    assert cloud.chance == pytest.approx(chances.ON_DEMAND_OTHER * chances.SPOT_ACCELERATOR)
    assert plan.best.chance == pytest.approx(chances.ON_DEMAND_OTHER * chances.SPOT_ACCELERATOR)


def test_what_the_failed_option_was_short_of_is_weighed() -> None:
    """The spot machine is missing with 0.5 of 0.52, the other with 0.02: each takes its share from the next option."""
    best = plan_of(CHAIN).best
    p, q = chances.ON_DEMAND_OTHER, chances.SPOT_ACCELERATOR
    missed_prep = p * (1 - 1.0) * q * (1 - chances.SAME_CLOUD * chances.OTHER_PURCHASE)
    missed_train = p * (1 - chances.SAME_CLOUD * chances.OTHER_PURCHASE) * q * (1 - 1.0)
    assert chance_after(best, [best]) == pytest.approx(missed_prep + missed_train, abs=1e-12)
    train = replace(best, placements=best.placements[1:])
    weight = (1 - p) / ((1 - p) + (1 - q))
    assert chance_after(train, [best]) == pytest.approx(weight * q * (1 - chances.SAME_CLOUD * chances.OTHER_PURCHASE))


def test_tasks_that_ask_for_the_same_ask_once() -> None:
    """Two tasks on one type in one place are as likely as one."""
    pair = Workload("pair", (TRAIN, replace(TRAIN, name="again")), (Edge("train", "again", 0.0),))
    assert plan_of(pair).best.chance == chances.SPOT_ACCELERATOR


def test_who_wants_the_best_alone_gets_no_chain() -> None:
    """Of a single task as of a graph."""
    for workload in (SINGLE, CHAIN):
        plan = make_plan(workload, MARKET, replace(REQUEST, top=1))
        assert (plan.fallbacks, plan.alternatives, plan.alternatives_complete) == ((), (), True)
        assert plan.chance == pytest.approx(plan.best.chance)


def test_a_graph_has_alternatives_that_differ_in_machines() -> None:
    """As many as asked for, none better than the one before, and no two with the same machines at the same prices."""
    plan = plan_of(CHAIN)
    options = [plan.best, *plan.alternatives]
    costs = [option.cost_usd for option in options]
    kinds = {tuple((task.cloud, task.instance_type, task.price_usd_h) for task in each.placements) for each in options}
    assert costs == sorted(costs)
    assert len(kinds) == len(options) == REQUEST.top
    assert plan.alternatives_complete


@pytest.mark.parametrize("workload", [SINGLE, CHAIN], ids=["single", "chain"])
def test_a_chain_that_contradicts_itself_is_refused(workload: Workload) -> None:
    """Chances that do not come to that of the chain, an option that does not differ, tasks that are others."""
    plan = plan_of(workload)
    assert read_plan(plan.to_json(), file="plan.json") == plan
    first, *rest = plan.fallbacks
    stays = replace(first, option=plan.best)
    renamed = replace(plan.best, placements=tuple(replace(task, task="x") for task in plan.best.placements))
    for changed, message in (
        (replace(plan, chance=plan.chance / 2), r"^plan\.json: chance: it is not that"),
        (replace(plan, fallbacks=(replace(first, chance=1.5), *rest)), "the chance is not from 0 to 1"),
        (replace(plan, fallbacks=(stays, *rest)), "it does not differ from the best plan"),
        (replace(plan, fallbacks=(replace(first, option=renamed), *rest)), "its tasks are not those"),
    ):
        with pytest.raises(PlanError, match=message):
            read_plan(changed.to_json(), file="plan.json")
