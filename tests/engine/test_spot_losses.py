"""Expectations of many runs on spot at once: those of each by itself, and what offers they hold for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from catalog_data.schema import ANYWHERE, Purchase
from catalog_data.snapshot import Snapshot
from engine.candidates import find_candidates
from engine.infeasible import InfeasibleError
from engine.pricing import NEVER_DONE, TOO_LONG
from engine.solve import PlanRequest, make_plan
from engine.spot_losses import MOST_SEGMENTS, expected_losses
from engine.spot_models import zone_model
from engine.spot_priors import spot_prior
from engine.spot_run import SpotJob, expected_run_in
from engine.workload import Estimate, Requirement, Task, Workload
from tests.kits.cost_model import modelled
from tests.kits.fitted import fitted, memoryless, with_fits
from tests.kits.market import NOW, offer, risk
from tests.kits.plan_checker import faults

PRIOR = spot_prior().model()
ANY = Requirement(purchases=tuple(Purchase))
OFFERS = (offer("aws", "r", "m", 1.0, zone="ra", purchase=Purchase.SPOT), offer("aws", "r", "m", 3.0, zone="ra"))


def task(hours: float, checkpoint_h: float | None = None, **fields: Any) -> Task:
    """A task of so much work."""
    return Task("t", requirements=(ANY,), estimate=Estimate(hours=hours, checkpoint_h=checkpoint_h), **fields)


def spot_row(asked: Task, snapshot: Snapshot) -> dict[str, Any]:
    """The spot candidate of a task."""
    frame = find_candidates(asked, Workload("w", (asked,)), snapshot).frame
    return frame.filter(pl.col("purchase") == Purchase.SPOT).row(0, named=True)


@pytest.mark.parametrize("checkpoint_h", [None, 0.5, 0.7, 30.0])
def test_all_at_once_are_what_each_is_by_itself(checkpoint_h: float | None) -> None:
    """Runs shorter and longer than an interval, whole multiples of it and not, and a machine of some age first."""
    work_h, ready_h = np.array([0.3, 1.0, 10.0, 10.3]), np.array([0.1, 0.0, 0.2, 0.1])
    found = expected_losses(PRIOR, work_h, ready_h, checkpoint_h)
    for number, hours in enumerate(work_h):
        job = SpotJob(hours, checkpoint_h, overhead_h=ready_h[number])
        run = expected_run_in(PRIOR, PRIOR.first_sight(is_up=True), job, age_h=PRIOR.first_age_h)
        by_hand = modelled(PRIOR, float(hours), float(ready_h[number]), checkpoint_h)
        assert found.hours[number] + ready_h[number] == pytest.approx(run.hours) == pytest.approx(by_hand.hours)
        assert found.wait_h[number] == pytest.approx(run.hours - run.billed_h) == pytest.approx(by_hand.wait_h)
        assert found.interruptions[number] == pytest.approx(run.interruptions) == pytest.approx(by_hand.losses)
        assert found.hazard[number] == pytest.approx(by_hand.hazard)


def test_with_a_constant_hazard_it_is_the_formula_of_bands() -> None:
    """(1 / L + wait)(e^(L c) - 1) for each segment of c hours, without a start."""
    found = expected_losses(memoryless(0.2, 0.5), np.array([6.0]), np.zeros(1), 2.0)
    fails = 3 * (np.exp(0.4) - 1)
    assert found.interruptions[0] == pytest.approx(fails)
    assert found.wait_h[0] == pytest.approx(fails / 0.5)
    assert found.hours[0] == pytest.approx(fails * (1 / 0.2 + 1 / 0.5))
    assert found.hazard[0] == pytest.approx(1.2)


def test_what_never_ends_and_what_is_cut_too_often() -> None:
    """A segment of more than 50 losses is never done; more segments than there may be are fewer and longer ones."""
    endless = expected_losses(memoryless(30.0), np.array([1.0, 2.0]), np.zeros(2))
    assert np.isfinite([endless.hours[0], endless.interruptions[0]]).all()
    assert np.isinf([endless.hours[1], endless.interruptions[1]]).all()
    most = expected_losses(memoryless(0.1), np.array([100.0]), np.zeros(1), 0.01)
    assert most.interruptions[0] == pytest.approx(MOST_SEGMENTS * np.expm1(0.1 * 100 / MOST_SEGMENTS))


def test_where_no_machine_comes_back_a_loss_is_the_end() -> None:
    """And where none can be lost, that none comes back does not matter."""
    gone, kept = (expected_losses(memoryless(loss, 0.0), np.array([2.0]), np.zeros(1)) for loss in (0.1, 0.0))
    assert np.isinf([gone.hours[0], gone.wait_h[0]]).all()
    assert (kept.hours[0], kept.wait_h[0], kept.interruptions[0], kept.hazard[0]) == (2.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("pools", "loss_per_h"),
    [
        ([("r", "ra", "m"), (ANYWHERE, ANYWHERE, "m"), (ANYWHERE, ANYWHERE, ANYWHERE)], 0.1),
        ([(ANYWHERE, ANYWHERE, "m"), (ANYWHERE, ANYWHERE, ANYWHERE)], 0.1),
        ([("r", "rb", "m"), (ANYWHERE, ANYWHERE, ANYWHERE)], 0.2),
        ([("r", "rb", "m"), (ANYWHERE, ANYWHERE, "n")], None),
    ],
)
def test_the_nearest_fit_holds(pools: list[tuple[str, str, str]], loss_per_h: float | None) -> None:
    """Zone and type, else type, else cloud, each before the provider's band; else the prior."""
    fits = [fitted(memoryless(0.1 * (number + 1)), pool) for number, pool in enumerate(pools)]
    snapshot = with_fits(OFFERS, *fits, spot_risk=[risk("aws", "r", "m", 0.2, 1.0)] if loss_per_h else [])
    row = spot_row(task(10.0, 1.0), snapshot)
    model = memoryless(loss_per_h) if loss_per_h else PRIOR
    run = modelled(model, 10.0, row["setup_h"], 1.0)
    assert row["interruptions"] == pytest.approx(run.losses)
    assert row["billed_h"] == pytest.approx(run.hours - run.wait_h, abs=1 / 3600)
    assert zone_model(row, snapshot).to_dict() == model.to_dict()


def test_a_band_alone_gives_the_prior_its_level() -> None:
    """What policies are told of a zone of which only the band is known."""
    snapshot = with_fits(OFFERS, spot_risk=[risk("aws", "r", "m", 0.2, 1.0)])
    row = spot_row(task(10.0, 1.0), snapshot)
    assert (row["model"], row["wait_h"]) == (None, 0.0)
    model = zone_model(row, snapshot)
    assert model.mean_life_h(np.log(model.weights), 0.0) > 10 * PRIOR.mean_life_h(np.log(PRIOR.weights), 0.0)


def test_machines_of_a_zone_are_lost_together() -> None:
    """However many nodes there are: a model is of the zone."""
    snapshot = with_fits(OFFERS, fitted(memoryless(0.1), (ANYWHERE, ANYWHERE, "m")))
    one, four = spot_row(task(10.0, 1.0), snapshot), spot_row(task(10.0, 1.0, num_nodes=4), snapshot)
    assert four["interruptions"] == one["interruptions"]
    assert four["machine_usd"] == pytest.approx(4 * one["machine_usd"])


def test_a_run_too_long_for_spot_is_moved_with_the_reason() -> None:
    """Without checkpoints: on demand, and the plan says why; with checkpoints spot is cheaper."""
    snapshot = with_fits(OFFERS, fitted(memoryless(0.2), (ANYWHERE, ANYWHERE, "m")))
    long = Workload("w", (task(12.0),))
    plan = make_plan(long, snapshot, PlanRequest(NOW, "f"))
    assert faults(plan, long, snapshot) == []
    assert plan.best.placements[0].purchase is Purchase.ON_DEMAND
    assert [entry.offers for entry in plan.fell_out if entry.reason == TOO_LONG] == [1]
    [said] = [line for line in plan.assumptions if TOO_LONG in line]
    assert said.startswith(f"t: {TOO_LONG} (say `estimate: {{checkpoint: 30m}}`): at least 10 interruptions expected")
    saving = Workload("w", (task(12.0, 0.5),))
    plan = make_plan(saving, snapshot, PlanRequest(NOW, "f"))
    assert faults(plan, saving, snapshot) == []
    assert plan.best.placements[0].purchase is Purchase.SPOT
    assert plan.best.placements[0].wait_h > 1
    short = find_candidates(task(3.0), Workload("w", (task(3.0),)), snapshot)
    assert (TOO_LONG in short.fell_out, short.frame.height) == (False, 2)


@pytest.mark.parametrize(("loss_per_h", "gain_per_h"), [(30.0, 1.0), (0.1, 0.0)])
def test_a_run_that_never_ends_is_no_candidate(loss_per_h: float, gain_per_h: float) -> None:
    """Machines are lost before a segment is done, or none comes back."""
    snapshot = with_fits(OFFERS, fitted(memoryless(loss_per_h, gain_per_h), (ANYWHERE, ANYWHERE, "m")))
    found = find_candidates(task(12.0, 3.0), Workload("w", (task(12.0, 3.0),)), snapshot)
    assert (found.frame["purchase"].to_list(), found.fell_out) == (["on_demand"], {NEVER_DONE: 1})


def test_where_only_spot_will_do_the_reason_is_the_answer() -> None:
    """The task has no candidate, and is told what would help."""
    snapshot = with_fits(OFFERS, fitted(memoryless(0.2), (ANYWHERE, ANYWHERE, "m")))
    alone = Task("t", requirements=(Requirement(purchases=(Purchase.SPOT,)),), estimate=Estimate(hours=12.0))
    with pytest.raises(InfeasibleError) as refused:
        make_plan(Workload("w", (alone,)), snapshot, PlanRequest(NOW, "f"))
    [reason] = refused.value.reasons
    assert "stays long enough for 12 h of work without checkpoints (say `estimate: {checkpoint: 30m}`" in reason
    assert "it has 10 interruptions or more to be expected" in reason
