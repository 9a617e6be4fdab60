"""What is safe in a gap, against what happens if it is done and spot then never comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policies.base import Decide, Decision, Machine, Observation, Setting
from engine.policies.safety import Safe, deadline_in_gaps_s, safe
from engine.simulator import runs_of, simulate
from engine.spot_market import DeadlineJob, Flags
from tests.kits.deadline_cases import GAPS_S, gaps, jobs, market


@dataclass(frozen=True)
class Once:
    """The machines of a past, then in the gap after it each run its own action, and on demand from then on."""

    past: list[Machine]
    actions: list[Machine]
    found: list[tuple[Safe, Observation]] = field(default_factory=list)
    name: str = "once"

    def begin(self, setting: Setting) -> Decide:
        """See `Policy`."""

        def decide(seen: Observation) -> Decision:
            gap = round(seen.elapsed_s / setting.gap_s)
            if gap < len(self.past):
                machine = np.full_like(seen.zone, self.past[gap])
            elif gap == len(self.past):
                self.found.append((safe(setting, seen), seen))
                machine = np.array(self.actions, dtype=np.int64)
            else:
                machine = np.full_like(seen.zone, Machine.ON_DEMAND)
            return Decision(machine, seen.zone)

        return decide


def up_through(gap: int, length: int) -> Flags:
    """Spot to the gap and with it, and never again."""
    return np.arange(length) <= gap


WHAT = st.sampled_from([Machine.NONE, Machine.SPOT, Machine.SPOT, Machine.ON_DEMAND])


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from(GAPS_S))
def test_safe_is_what_ends_in_time_at_the_worst(data: st.DataObject, gap_s: float) -> None:
    """After any past: an action is safe if and only if on demand from the next gap on still ends in time."""
    job = data.draw(jobs(gap_s))
    whole = int(job.deadline_s // gap_s)
    past = data.draw(st.lists(WHAT, max_size=whole - 1))
    actions = [Machine.NONE, Machine.SPOT, Machine.ON_DEMAND]
    flags = up_through(len(past), whole + 1)
    policy = Once(past, actions)
    outcome = simulate(runs_of([(market(flags, gap_s=gap_s), job)] * len(actions)), policy)
    if not policy.found:  # the work was done before
        return
    allowed, seen = policy.found[0]
    if (seen.done_s >= job.work_s - 1e-3).any():
        return
    runs_on = seen.current[0] == Machine.SPOT
    found = [allowed.wait[0], allowed.stay[0] if runs_on else allowed.start_spot[0]]
    in_time = outcome.finish_s <= deadline_in_gaps_s(runs_of([(market(flags, gap_s=gap_s), job)]).setting)[0] + 1e-6
    assert found == in_time[:2].tolist()


@pytest.mark.parametrize(
    ("past", "current"),
    list(product([[Machine.SPOT], [Machine.ON_DEMAND], [Machine.NONE], []], [Machine.NONE, Machine.SPOT])),
)
def test_the_machine_of_the_gap_before_does_not_count(past: list[Machine], current: Machine) -> None:
    """A machine is kept only where it still runs: `stay` is for spot machines that were not lost."""
    flags = np.ones(12, dtype=np.bool_) if current == Machine.SPOT else np.zeros(12, dtype=np.bool_)
    policy = Once(past, [Machine.ON_DEMAND])
    simulate(runs_of([(market(flags), DeadlineJob(1200, 6000, 60))]), policy)
    (allowed, seen), *_ = policy.found
    assert allowed.stay[0] == (past == [Machine.SPOT] and current == Machine.SPOT)
    assert seen.current[0] == (past[0] if past and (past[0] != Machine.SPOT or current == Machine.SPOT) else 0)


def test_a_start_that_ends_within_the_gap_is_safe() -> None:
    """Machines are lost only at the start of a gap: in the very last one spot is as good as on demand."""
    policy = Once([Machine.NONE], [Machine.SPOT])
    outcome = simulate(runs_of([(market(gaps("-+")), DeadlineJob(450, 1200, 100))]), policy)
    assert policy.found[0][0].start_spot[0]
    assert outcome.finish_s.tolist() == [1150.0]


def test_the_deadline_in_whole_gaps() -> None:
    """The part of a gap at the end does not count; what rounding makes of a whole number does."""
    deadlines_s = [1800.0, 1799.0, 2399.9, 3 * 600 * (1 - 1e-15), 500.0]
    runs = runs_of([(market(gaps("----")), DeadlineJob(60, one, 0)) for one in deadlines_s])
    assert deadline_in_gaps_s(runs.setting).tolist() == [1800, 1200, 1800, 1800, 0]
