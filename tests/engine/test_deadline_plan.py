"""Policies in plans: which are compared for a deadline, which is chosen, and that the plan file carries it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.deadline_plan import sampled_runs, with_policy
from engine.infeasible import InfeasibleError
from engine.plan import Plan, PlanError, read_plan
from engine.plan_policies import policy_of, read_model, stored_model
from engine.policies.registry import maker_of
from engine.policy_section import DeadlinePolicy
from engine.simulator import simulate
from engine.solve import PlanRequest, has_policy, make_plan
from engine.spot_priors import spot_prior
from engine.workload import AcceleratorRequest, Estimate, Objective, Requirement, Task, Workload
from tests.kits.fitted import fitted, memoryless, with_fits
from tests.kits.market import NOW, Row, market, offer, risk
from tests.kits.plan_checker import faults

V100 = Requirement(
    accelerator=AcceleratorRequest("V100", 1), purchases=(Purchase.SPOT, Purchase.ON_DEMAND, Purchase.OWNED)
)
TASK = Task("t", requirements=(V100,), estimate=Estimate(hours=6.0, setup_h=0.05, checkpoint_h=0.2))
WORKLOAD = Workload("w", (TASK,), deadline_hours=9.0)


def v100(cloud: str, region: str, price_usd_h: float, purchase: Purchase, **columns: Any) -> Row:
    """An offer of a V100; a spot machine's price says which one it is."""
    return offer(cloud, region, f"{cloud}-v100", price_usd_h, accelerator="V100", purchase=purchase, **columns)


OFFERS = [
    *(v100("gcp", "r", 1.0, Purchase.SPOT, zone=f"r-{letter}") for letter in "ab"),
    v100("aws", "q", 1.2, Purchase.SPOT),
    v100("gcp", "r", 3.0, Purchase.ON_DEMAND),
    v100("aws", "q", 3.3, Purchase.ON_DEMAND),
]
MARKET = market(OFFERS, spot_risk=[])


def planned(workload: Workload = WORKLOAD, snapshot: Snapshot = MARKET) -> Plan:
    """The plan with its policies."""
    return with_policy(make_plan(workload, snapshot, PlanRequest(NOW, "w.yaml")), workload, snapshot)


def section(plan: Plan) -> DeadlinePolicy:
    """What the plan says of policies."""
    assert plan.policy is not None
    return plan.policy


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The plan of the workload above."""
    return planned()


def test_the_policies_are_compared_on_the_machines_of_one_kind(plan: Plan) -> None:
    """The cheapest spot zones first, the cheapest machine on demand, and what a start takes with half an interval."""
    found = section(plan)
    assert [(zone.machine.zone, zone.machine.price_usd_h) for zone in found.zones] == [
        ("r-a", 1.0),
        ("r-b", 1.0),
        (None, 1.2),
    ]
    assert (found.on_demand.region, found.on_demand.price_usd_h) == ("r", 3.0)
    assert found.job.overhead_h == pytest.approx(0.05 + 0.05 + 0.1)
    assert (found.job.work_h, found.job.deadline_h, found.job.gap_h) == pytest.approx((6.0, 9.0, 300 / 3600))
    assert [zone.model for zone in found.zones] == [0, 0, 0]
    assert read_model(found.models[0]).to_dict() == spot_prior().model().to_dict()
    looked_at = {each.name: each.zones for each in found.compared}
    assert looked_at["uniform-progress-any-zone"] == looked_at["stochastic"] == 3
    assert looked_at["greedy"] == looked_at["on-demand"] == 1


def test_each_zone_goes_by_the_model_that_is_nearest() -> None:
    """The zone's own fit, and for the others the prior; what hardly is ever lost is taken for the rest of the run."""
    model = memoryless(1e-4, 1.0)
    snapshot = with_fits(OFFERS, fitted(model, ("r", "r-b", "gcp-v100"), cloud="gcp"))
    found = section(planned(snapshot=snapshot))
    stored = [read_model(found.models[zone.model]).to_dict() for zone in found.zones]
    assert stored == [spot_prior().model().to_dict(), model.to_dict(), spot_prior().model().to_dict()]
    figures = {each.name: each for each in found.compared}
    assert figures["uniform-progress-any-zone"].mean_usd < figures["uniform-progress"].mean_usd
    assert figures["stochastic"].mean_usd <= figures["uniform-progress-any-zone"].mean_usd
    assert found.chosen == "stochastic"


def test_the_cheapest_that_is_always_on_time_is_chosen(plan: Plan) -> None:
    """Cheaper than on demand alone, which costs the same each time, and never below what hindsight could do."""
    found = section(plan)
    figures = {each.name: each for each in found.compared}
    on_time = [each for each in found.compared if each.on_time == 1]
    assert found.figures.mean_usd == pytest.approx(min(each.mean_usd for each in on_time), abs=0.01)
    assert figures["on-demand"].mean_usd == pytest.approx(3.0 * 6.25)  # 6.2 h in whole gaps of 5 minutes
    assert figures["on-demand"].sd_usd == pytest.approx(0.0, abs=1e-9)
    assert figures["stochastic"].on_time == 1
    assert found.hindsight_usd < found.figures.mean_usd < figures["on-demand"].mean_usd
    assert all(each.usd_5 <= each.usd_95 and each.mean_usd >= found.hindsight_usd - 1e-9 for each in found.compared)
    assert found.applies


def test_the_best_of_the_plan_stays(plan: Plan) -> None:
    """Policies are said beside it: the placement, its cost and its proof are those of the plan without."""
    assert faults(plan, WORKLOAD, MARKET) == []
    bare = make_plan(WORKLOAD, MARKET, PlanRequest(NOW, "w.yaml"))
    assert replace(plan, policy=None) == bare


def test_a_placement_that_costs_less_is_carried_out_itself() -> None:
    """A machine that is owned costs nothing; a policy is compared all the same."""
    owned = v100("slurm", "here", 0.0, Purchase.OWNED)
    assert not section(planned(snapshot=market([*OFFERS, owned], spot_risk=[]))).applies


def test_the_file_carries_the_policy_and_it_decides_alike(plan: Plan) -> None:
    """Read back, the policy takes the same decisions in the same runs."""
    read = read_plan(plan.to_json(), file="plan.json")
    assert read == plan
    assert read.policy is not None
    for name in ("stochastic", "uniform-progress"):
        chosen = replace(read.policy, chosen=name)
        zones = chosen.zones[: chosen.figures.zones]
        models = [read_model(chosen.models[zone.model]) for zone in zones]
        runs = sampled_runs(chosen.job, chosen.on_demand, [zone.machine for zone in zones], models)
        ours = simulate(runs, policy_of(chosen))
        made_anew = simulate(runs, maker_of(name)([spot_prior().model()]))
        np.testing.assert_array_equal(ours.machines, made_anew.machines)
        np.testing.assert_array_equal(ours.cost_usd, made_anew.cost_usd)


def test_runs_are_of_the_share_of_time_that_the_model_says(plan: Plan) -> None:
    """Sampled runs begin at any age: a zone is up as often in the first gap as in the long run."""
    found = section(plan)
    zones = found.zones[:1] * 5
    # Of as many models, so that each zone is of a class of its own.
    models = [read_model(found.models[0]) for _ in zones]
    runs = sampled_runs(found.job, found.on_demand, [zone.machine for zone in zones], models)
    long_run = float(np.mean([one.up_share() for one in models[0].classes]))
    assert abs(float(runs.available[:, 0].mean()) - long_run) < 0.07
    assert abs(float(runs.available.mean()) - long_run) < 0.07


@pytest.mark.parametrize(
    "workload",
    [
        replace(WORKLOAD, deadline_hours=None),
        replace(WORKLOAD, objective=Objective.TIME),
        replace(WORKLOAD, tasks=(replace(TASK, estimate=Estimate(hours=6.0)),)),
        replace(WORKLOAD, tasks=(replace(TASK, requirements=(replace(V100, purchases=(Purchase.ON_DEMAND,)),)),)),
        replace(WORKLOAD, tasks=(TASK, replace(TASK, name="u"))),
    ],
    ids=["no deadline", "least time", "no checkpoints", "no spot", "two tasks"],
)
def test_where_there_is_nothing_to_choose_there_is_no_policy(workload: Workload) -> None:
    """Nor is anything replayed: the plan is given back as it is."""
    assert not has_policy(workload)
    plan = make_plan(workload, MARKET, PlanRequest(NOW, "w.yaml"))
    assert with_policy(plan, workload, MARKET) is plan


@pytest.mark.parametrize(
    "workload",
    [
        replace(WORKLOAD, deadline_hours=6.15),
        replace(WORKLOAD, budget_usd=15.0),
        replace(WORKLOAD, tasks=(replace(TASK, inputs={"s3://data": 10.0}),)),
    ],
    ids=["no slack for a start", "on demand is beyond the budget", "data is brought from elsewhere"],
)
def test_without_machines_that_keep_the_limits_there_is_no_policy(workload: Workload) -> None:
    """On demand must be able to save the deadline, and costs what it costs."""
    assert has_policy(workload)
    at_gcp = [row for row in OFFERS if row["cloud"] == "gcp"]
    snapshot = market(at_gcp, spot_risk=[risk("gcp", "r", "gcp-v100", 0.0, 0.05)])
    assert planned(workload, snapshot).policy is None


def test_a_deadline_that_no_machine_keeps_is_refused_with_the_earliest_finish() -> None:
    """6 h of work, 3 minutes to start and 3 of setup."""
    late = replace(WORKLOAD, deadline_hours=5.0)
    with pytest.raises(InfeasibleError, match=r"deadline 5 h: no plan takes less than 6\.1 h"):
        planned(late)


def test_a_deadline_at_an_instant_is_hours_from_now(plan: Plan) -> None:
    """As the plan counts it."""
    at = replace(WORKLOAD, deadline_hours=None, deadline_at=NOW + timedelta(hours=9))
    assert planned(at).policy == plan.policy


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"chosen": "luck"}, "policy: the chosen one was not compared"),
        ({"zones": []}, "policy: each of one zone or more has a model"),
        ({"job": {"work_h": 12.0}}, "policy: the job is none that can be done by its deadline"),
        ({"samples": "many"}, "policy.samples"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(plan: Plan, change: dict[str, Any], fault: str) -> None:
    """When the file is read."""
    data = plan.to_data()
    for name, value in change.items():
        data["policy"][name] = data["policy"][name] | value if isinstance(value, dict) else value
    with pytest.raises(PlanError) as refused:
        read_plan(json.dumps(data), file="plan.json")
    assert fault in str(refused.value)


def test_a_policy_that_does_not_exist_is_refused(plan: Plan) -> None:
    """A later version may know more."""
    with pytest.raises(ValueError, match=r"no policy 'luck': there are on-demand, greedy"):
        policy_of(replace(section(plan), chosen="luck"))


def test_a_model_is_stored_whole() -> None:
    """With drift and without."""
    for drift_h in (120.0, np.inf):
        model = replace(spot_prior().model(), drift_h=drift_h)
        assert read_model(stored_model(model)).to_dict() == model.to_dict()
