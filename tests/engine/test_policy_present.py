"""Policies know the past and the present gap alone: nothing that they are given leads to the future, or changes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policies.base import Decide, Decision, Machine, Observation, Policy, Setting
from engine.policies.greedy import Greedy
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import runs_of, simulate
from engine.spot_market import DeadlineJob, SpotMarket
from tests.kits.deadline_cases import GUARDED, MIXED, gaps, market, ours
from tests.kits.deadline_runs import RoundRobin

POLICIES: Final = [
    *GUARDED,
    *(Guarded(one.policy, bug_compatible=True) for one in GUARDED if isinstance(one, Guarded)),
    Greedy(),
    UniformProgress(),
    RoundRobin(),
    ours(),
]
ALWAYS_THE_SAME: Final = [Guarded(OnDemandOnly()), Guarded(OnDemandOnly(), bug_compatible=True)]
GAPS: Final = 30


def random_market(seed: int, zones: int) -> SpotMarket:
    """Flapping and lasting availability, at prices that jump."""
    rng = np.random.default_rng(seed)
    changes = rng.random((GAPS, zones)) < rng.choice([0.1, 0.3, 0.5])
    flags = np.cumsum(changes, axis=0) % 2 == rng.integers(2, size=zones)
    return market(flags, spot_usd_h=rng.uniform(0.2, 4, (GAPS, zones)), on_demand_usd_h=3.0, move_usd=0.05)


def with_other_future(present: SpotMarket, other: SpotMarket, gap: int) -> SpotMarket:
    """The one market to the gap and with it, the other one after it."""
    known = (np.arange(GAPS) <= gap)[:, np.newaxis]
    return replace(
        present,
        available=np.where(known, present.available, other.available),
        spot_usd_h=np.where(known, present.spot_usd_h, other.spot_usd_h),
    )


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.sampled_from([0.0, 200.0, 900.0]))
def test_another_future_changes_no_earlier_decision(seed: int, zones: int, overhead_s: float) -> None:
    """Whatever comes after a gap, all up to it is decided the same."""
    present, other = random_market(seed, zones), random_market(seed + 1, zones)
    splits = np.random.default_rng(seed).choice(GAPS - 1, size=3, replace=False)
    job = DeadlineJob(work_s=20 * 600, deadline_s=27.5 * 600, overhead_s=overhead_s)
    cases = [present, *(with_other_future(present, other, int(gap)) for gap in splits)]
    for policy in POLICIES:
        outcome = simulate(runs_of([(one, job) for one in cases]), policy)
        for row, gap in enumerate(splits, start=1):
            known = slice(0, int(gap) + 1)
            assert np.array_equal(outcome.machines[0, known], outcome.machines[row, known]), policy.name
            assert np.array_equal(outcome.zones[0, known], outcome.zones[row, known]), policy.name


def test_another_present_changes_decisions() -> None:
    """What the test above would miss were the decisions the same whatever happens."""
    job = DeadlineJob(work_s=20 * 600, deadline_s=27.5 * 600, overhead_s=200)
    runs = runs_of([(random_market(seed, 3), job) for seed in (1, 2)])
    for policy in POLICIES:
        outcome = simulate(runs, policy)
        assert np.array_equal(outcome.machines[0], outcome.machines[1]) == (policy in ALWAYS_THE_SAME), policy.name


@dataclass(frozen=True)
class Watched:
    """Another policy; everything that it is shown is kept, and given to `touch` after it has decided."""

    policy: Policy
    touch: Callable[[Observation], None] = lambda _: None
    shown: list[Observation] = field(default_factory=list)
    name: str = "watched"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""
        decide_inside = self.policy.begin(setting)

        def decide(seen: Observation) -> Decision:
            decision = decide_inside(seen)
            self.touch(seen)
            self.shown.append(seen)
            return decision

        return decide


def arrays(holder: Any) -> list[np.ndarray]:
    """The arrays among its fields."""
    values = [getattr(holder, one.name) for one in fields(holder)]
    return [value for value in values if isinstance(value, np.ndarray)]


def test_nothing_shown_is_a_view_of_the_runs() -> None:
    """No array of an observation has the memory of one that holds the future, or of an earlier observation."""
    runs = runs_of([(random_market(seed, 2), DeadlineJob(12000, 15000, 200)) for seed in range(3)])
    watched = Watched(UniformProgress(any_zone=True))
    simulate(runs, watched)
    assert len(watched.shown) > 10
    for before, seen in pairwise(watched.shown):
        for one in arrays(seen):
            assert not any(np.shares_memory(one, held) for held in arrays(runs))
            assert not any(np.shares_memory(one, held) for held in arrays(before))


SPOILT: Final = {
    "available": True,
    "spot_usd_h": 0.0,
    "current": Machine.ON_DEMAND,
    "last": Machine.ON_DEMAND,
    "pending_s": 0.0,
    "done_s": 1e9,
    "zone": 0,
}


@pytest.mark.parametrize("name", SPOILT)
def test_writing_into_what_is_shown_changes_nothing(name: str) -> None:
    """A policy that writes into its observation is refused, or has written into a copy."""

    def touch(seen: Observation) -> None:
        with suppress(ValueError):  # "assignment destination is read-only"
            getattr(seen, name)[...] = SPOILT[name]

    runs = runs_of([(random_market(seed, 2), DeadlineJob(12000, 15000, 200)) for seed in range(2)])
    for policy in (UniformProgress(any_zone=True), OnDemandOnly(), ours(MIXED)):
        honest, spoilt = simulate(runs, policy), simulate(runs, Watched(policy, touch))
        for one, other in zip(arrays(honest), arrays(spoilt), strict=True):
            assert np.array_equal(one, other), policy.name


@pytest.mark.parametrize("name", ["on_demand_usd_h", "deadline_s", "work_s", "overhead_s", "move_usd"])
def test_writing_into_the_setting_changes_nothing(name: str) -> None:
    """Neither does what was known at the start."""

    @dataclass(frozen=True)
    class Spoiler:
        name: str = "spoiler"

        def begin(self, setting: Setting) -> Decide:
            with suppress(ValueError):  # "output array is read-only"
                getattr(setting, name)[...] *= 0.5
            return OnDemandOnly().begin(setting)

    runs = runs_of([(market(gaps("-" * 10)), DeadlineJob(3000, 6000, 200))])
    assert simulate(runs, Spoiler()).cost_usd.tolist() == [3.0]
    assert simulate(runs, Spoiler()).finish_s.tolist() == [3200.0]
    assert runs.setting.deadline_s.tolist() == [6000.0]
