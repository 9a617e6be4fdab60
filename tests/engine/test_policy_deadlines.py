"""No policy is ever late for a job that can be in time, whatever spot capacity and prices do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.availability import AvailabilityModel
from engine.policies.base import Policy
from engine.policies.greedy import SpotOnly
from engine.policies.guard import Guarded
from engine.simulator import Runs, runs_of, simulate
from engine.spot_market import DeadlineJob, Flags, SpotMarket
from tests.kits.deadline_cases import (
    ALWAYS_UP,
    GUARDED,
    MIXED,
    MODELS,
    NEVER_UP,
    gaps,
    hostile,
    hostile_cases,
    market,
    ours,
)
from tests.kits.deadline_runs import public_runs

Cases = list[tuple[SpotMarket, DeadlineJob]]


def late(cases: Cases, policy: Policy, *, reference: bool = False) -> Flags:
    """Which runs are late by the second, or by the count of the public simulator (to the nearest gap)."""
    return late_runs(runs_of(cases), policy, reference=reference)


def late_runs(runs: Runs, policy: Policy, *, reference: bool = False) -> Flags:
    """The same of a batch."""
    outcome = simulate(runs, policy, reference=reference)
    setting = runs.setting
    by_gaps = outcome.finish_gap > np.rint(setting.deadline_s / setting.gap_s)
    return np.asarray(by_gaps | (outcome.finish_s > setting.deadline_s + 1e-3))


@settings(max_examples=40, deadline=None)
@given(hostile_cases(zones=1), st.sampled_from(MODELS))
def test_ours_is_never_late_in_one_zone(cases: Cases, model: AvailabilityModel) -> None:
    """By either count, with a model that is right or badly wrong."""
    assert not late(cases, ours(model)).any()


@settings(max_examples=10, deadline=None)
@given(hostile_cases(zones=2), st.sampled_from(MODELS), st.booleans())
def test_ours_is_never_late_in_several_zones(cases: Cases, model: AvailabilityModel, reference: bool) -> None:
    """The same with moves, dear ones too, that take an overhead or none."""
    assert not late(cases, ours(model), reference=reference).any()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 3]).flatmap(hostile_cases))
def test_guarded_policies_are_never_late(cases: Cases) -> None:
    """The guard without its fault keeps every deadline for every published policy."""
    for policy in GUARDED:
        assert not late(cases, policy).any(), policy.name


def test_ours_is_never_late_where_a_step_of_its_tables_is_two_gaps() -> None:
    """Twelve hours in gaps of a minute: 720, more than a table has steps."""
    job = DeadlineJob(10.5 * 3600 + 7, 12 * 3600 + 31, 130)
    cases = [(market(flags, gap_s=60.0), job) for flags in hostile(job, 60.0)]
    outcome = simulate(runs_of(cases), ours())
    assert not outcome.late.any()
    assert outcome.finish_gap.max() <= 720
    never_up, always_up, *_ = outcome.cost_usd
    assert (never_up, always_up) == pytest.approx((3 * 633 / 60, 633 / 60), rel=0.05)


def test_ours_is_never_late_on_public_windows(shared: Path) -> None:
    """With both deadlines and all three overheads, by a model that was not fitted to them."""
    assert not late_runs(public_runs(shared / "data/traces", every=30), ours()).any()


def test_the_guard_with_its_fault_is_late() -> None:
    """Spot in the last safe gap, then none: by the machine before the interruption the run asks for spot once more."""
    case = (market(gaps("-" * 10 + "+" + "-" * 40)), DeadlineJob(21600, 28800, 360))
    assert late([case], Guarded(SpotOnly(), bug_compatible=True)).tolist() == [True]
    assert late([case], Guarded(SpotOnly())).tolist() == [False]


@pytest.mark.parametrize("model", [MIXED, ALWAYS_UP, NEVER_UP])
def test_a_deadline_within_the_first_gap_is_left_to_on_demand(model: AvailabilityModel) -> None:
    """No whole gap fits: nothing is safe, and on demand comes nearest."""
    outcome = simulate(runs_of([(market(gaps("++++")), DeadlineJob(100, 500, 20))]), ours(model))
    assert (outcome.on_demand_gaps[0], outcome.finish_s[0], outcome.late[0]) == (1, 120.0, False)


def test_a_job_too_long_for_its_deadline_goes_on_demand_at_once() -> None:
    """It is late, and as little as can be."""
    outcome = simulate(runs_of([(market(gaps("+" * 12)), DeadlineJob(7000, 6000, 300))]), ours())
    assert outcome.late[0]
    assert outcome.finish_s[0] == 7300.0


def test_half_a_millisecond_of_work_takes_no_gap_of_slack() -> None:
    """What waits although it fits only if a millisecond is forgiven is let off that millisecond, not given a gap."""
    case = (market(gaps("----")), DeadlineJob(600.0005, 1800, 0))
    assert not late([case], ours()).any()


@pytest.mark.parametrize("policy", GUARDED, ids=lambda policy: policy.name)
def test_half_a_millisecond_of_work_ends(policy: Policy) -> None:
    """What policies call done the simulator calls done."""
    outcome = simulate(runs_of([(market(gaps("++++")), DeadlineJob(600.0005, 1800, 0))]), policy)
    assert outcome.finish_gap[0] <= 2
