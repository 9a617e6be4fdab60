"""The omniscient optimum against all schedules of tiny jobs, against policies, and against golden figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.omniscient import earliest_finish_s, omniscient_schedule, omniscient_usd
from engine.policies.base import Policy
from engine.policies.greedy import Greedy
from engine.policies.on_demand import OnDemandOnly
from engine.policies.uniform_progress import UniformProgress
from engine.simulator import Runs, runs_of, simulate
from engine.spot_market import DeadlineJob, Figures, Flags, SpotMarket, Trace, market_of
from tests.kits.all_schedules import cheapest_of_all

MINUTE_S = 60.0
SHAPES = [(1, 6), (2, 4), (3, 3)]
"""Zones and gaps of the tiny markets."""


def market(
    available: list[list[int]] | Flags, spot_usd_h: Any, on_demand_usd_h: list[float], move_usd: Any = None
) -> SpotMarket:
    """A market of one row for each gap of a minute."""
    flags = np.array(available, dtype=np.bool_)
    zones = flags.shape[1]
    return SpotMarket(
        zones=tuple("abc"[:zones]),
        gap_s=MINUTE_S,
        available=flags,
        spot_usd_h=np.broadcast_to(np.array(spot_usd_h, dtype=np.float64), flags.shape),
        on_demand_usd_h=np.array(on_demand_usd_h, dtype=np.float64),
        move_usd=np.zeros((zones, zones)) if move_usd is None else np.array(move_usd, dtype=np.float64),
    )


@st.composite
def tiny(draw: st.DrawFn) -> tuple[SpotMarket, DeadlineJob]:
    """A market of some gaps and a job in it: any prices, moves dear or free, overheads of no gap or of several."""
    zones, most = draw(st.sampled_from(SHAPES))
    gaps = draw(st.integers(2, most))
    price = st.integers(0, 12).map(lambda tenths: tenths * 6.0)
    row = st.lists(price, min_size=zones, max_size=zones)
    moves = np.array(draw(st.lists(row, min_size=zones, max_size=zones))) / 60 * draw(st.sampled_from([0, 1]))
    np.fill_diagonal(moves, 0)
    # In eighths of a second, exact as floats, so that rounding does not decide what is in time.
    deadline_s = draw(st.integers((gaps - 1) * 480 + 1, gaps * 480) | st.just(gaps * 480)) / 8
    offered = st.lists(st.sampled_from([0, 1, 1]), min_size=zones, max_size=zones)
    return market(
        draw(st.lists(offered, min_size=gaps, max_size=gaps)),
        draw(st.lists(row, min_size=gaps, max_size=gaps)),
        draw(row),
        moves,
    ), DeadlineJob(
        work_s=draw(
            st.integers(1, int(deadline_s * 8)).map(lambda eighths: eighths / 8) | st.sampled_from([60.0, 100.0])
        ),
        deadline_s=deadline_s,
        overhead_s=draw(
            st.sampled_from([0.0, 15.0, 20.0, 60.0, 60.0004, 70.0, 120.0, 17.3, 61.803398])
            | st.integers(1, 1200).map(lambda eighths: eighths / 8)
        ),
    )


@settings(max_examples=50, deadline=None)
@given(tiny())
def test_is_the_cheapest_of_all_schedules(case: tuple[SpotMarket, DeadlineJob]) -> None:
    """Replaying every schedule finds none that is cheaper, and one that costs as much."""
    assert omniscient_usd(runs_of([case]))[0] == pytest.approx(cheapest_of_all(*case), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(tiny())
def test_schedule_replays_to_its_cost(case: tuple[SpotMarket, DeadlineJob]) -> None:
    """The schedule is in time and costs what was promised; without one the earliest finish lies after the deadline."""
    runs = runs_of([case])
    usd = omniscient_usd(runs)
    if np.isinf(usd[0]):
        assert earliest_finish_s(runs.setting)[0] > case[1].deadline_s
        with pytest.raises(ValueError, match="the earliest possible finish is after"):
            omniscient_schedule(runs, 0)
        return
    outcome = simulate(runs, omniscient_schedule(runs, 0))
    assert not outcome.late[0]
    assert outcome.cost_usd == pytest.approx(usd, abs=1e-9)


def test_relays_the_checkpoint_over_a_third_zone() -> None:
    """An overhead of two gaps and a dear direct move: a start in the second zone, given up unpaid, is a cheaper way."""
    case = (
        market([[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]], 6, [600] * 3, [[0, 1, 50], [1, 0, 1], [50, 1, 0]]),
        DeadlineJob(work_s=60, deadline_s=240, overhead_s=120),
    )
    runs = runs_of([case])
    assert omniscient_usd(runs)[0] == pytest.approx(1 + 1 + 4 * 0.1)
    assert omniscient_usd(runs)[0] == pytest.approx(cheapest_of_all(*case))
    assert simulate(runs, omniscient_schedule(runs, 0)).cost_usd[0] == pytest.approx(2.4)


def test_moves_a_live_machine_only_where_that_pays() -> None:
    """The other zone turns cheap: moving pays one more overhead and its egress, staying the higher price."""
    prices = [[6, 60], [6, 60], [60, 6], [60, 6], [60, 6], [60, 6]]
    job = DeadlineJob(work_s=240, deadline_s=360, overhead_s=60)
    free = market([[1, 1]] * 6, prices, [600, 600])
    dear = market([[1, 1]] * 6, prices, [600, 600], [[0, 5], [5, 0]])
    runs = runs_of([(free, job), (dear, job)])
    # Two gaps in the first zone do one gap of work, four in the other do three; else five gaps in the first one.
    assert omniscient_usd(runs) == pytest.approx([2 * 0.1 + 4 * 0.1, 2 * 0.1 + 3 * 1.0])
    assert simulate(runs_of([(free, job)]), omniscient_schedule(runs, 0)).moves[0] == 1


def test_takes_on_demand_where_it_is_cheapest() -> None:
    """Without spot, free moves: the zone of the lower price on demand, though the job begins in another."""
    runs = runs_of([(market([[0, 0]] * 3, 1, [60, 30]), DeadlineJob(work_s=100, deadline_s=180, overhead_s=60))])
    assert omniscient_usd(runs) == pytest.approx([3 * 0.5])
    assert omniscient_schedule(runs, 0).zone.tolist() == [1, 1, 1]


def test_starts_after_waits_that_took_as_long_as_all_starts_could() -> None:
    """Two gaps of waiting use the slack of six starts, one for each gap: there is one start left all the same."""
    case = (
        market([[0], [0], [1], [1], [1], [1]], 6, [600]),
        DeadlineJob(work_s=220, deadline_s=360, overhead_s=20),
    )
    assert omniscient_usd(runs_of([case])) == pytest.approx([4 * 0.1])


def test_less_than_a_millisecond_of_work_is_no_work() -> None:
    """What is left when the recorded gaps end counts as done: no gap on demand is billed for it."""
    case = (market([[1], [1]], 6, [60]), DeadlineJob(work_s=120.0005, deadline_s=120, overhead_s=0))
    runs = runs_of([case])
    assert omniscient_usd(runs) == pytest.approx([0.1 + 0.1])
    assert omniscient_usd(runs)[0] == pytest.approx(cheapest_of_all(*case))
    outcome = simulate(runs, omniscient_schedule(runs, 0))
    assert not outcome.late[0]
    assert outcome.cost_usd == pytest.approx([0.2])


def test_no_work_costs_nothing() -> None:
    """A job without work is done at once."""
    runs = runs_of([(market([[1]], 1, [1]), DeadlineJob(work_s=0, deadline_s=60, overhead_s=90))])
    assert omniscient_usd(runs).tolist() == [0.0]
    assert earliest_finish_s(runs.setting).tolist() == [0.0]


@pytest.mark.parametrize(("overhead_s", "finish_s"), [(0.0, 100.0), (20.0, 120.0), (60.0004, 160.0), (90.0, 190.0)])
def test_earliest_finish_is_that_on_demand(overhead_s: float, finish_s: float) -> None:
    """At once on demand; a rest of an overhead below a millisecond, in a gap of its own, is forgiven."""
    runs = runs_of([(market([[0]] * 4, 1, [1]), DeadlineJob(work_s=100, deadline_s=240, overhead_s=overhead_s))])
    assert earliest_finish_s(runs.setting) == pytest.approx([finish_s], abs=1e-9)
    assert simulate(runs, OnDemandOnly()).finish_s == pytest.approx([finish_s], abs=1e-9)


def many(seed: int, count: int = 60, gaps: int = 40, zones: int = 3) -> list[tuple[SpotMarket, DeadlineJob]]:
    """Random cases, flapping and calm, of few enough jobs that some share one."""
    random = np.random.default_rng(seed)
    cases = []
    for _ in range(count):
        stays = random.choice([0.5, 0.9, 0.97])
        flags: Flags = np.cumsum(random.random((gaps, zones)) > stays, axis=0) % 2 == random.integers(2)
        prices: Figures = random.uniform(0, 2, (gaps, zones))
        moves = random.uniform(0, 0.05, (zones, zones)) * (1 - np.eye(zones)) * random.integers(2)
        deadline_s = float(random.choice([1800, 2250]))
        overhead_s = float(random.choice([0, 17.3, 36, 90]))
        cases.append((market(flags, prices, [3, 3.5, 2.9], moves), DeadlineJob(1500, deadline_s, overhead_s)))
    return cases


@pytest.mark.parametrize("seed", range(4))
def test_no_policy_is_cheaper(seed: int) -> None:
    """On random traces no policy that is in time costs less, and most cost more."""
    runs = runs_of(many(seed))
    least = omniscient_usd(runs)
    policies: list[Policy] = [OnDemandOnly(), Greedy(), UniformProgress(), UniformProgress(hysteresis=False)]
    policies += [UniformProgress(any_zone=True), UniformProgress(hysteresis=False, any_zone=True)]
    for policy in policies:
        outcome = simulate(runs, policy)
        above = (outcome.cost_usd - least)[~outcome.late]
        assert above.min() >= -1e-9
        assert (above > 0.01).mean() > 0.5


def test_runs_of_a_batch_do_not_mix() -> None:
    """Each run of a batch of several jobs costs what it costs alone, and as its schedule does."""
    cases = many(7, count=16)
    runs = runs_of(cases)
    least = omniscient_usd(runs)
    for row, case in enumerate(cases):
        alone = runs_of([case])
        assert omniscient_usd(alone)[0] == pytest.approx(least[row], abs=1e-9)
        assert simulate(alone, omniscient_schedule(runs, row)).cost_usd[0] == pytest.approx(least[row], abs=1e-9)


def unpacked(runs: list[list[int]]) -> Flags:
    """The flags of a list of [flag, length]."""
    return np.concatenate([np.full(length, flag, dtype=np.bool_) for flag, length in runs])


def test_golden_cases_of_one_zone(shared: Path) -> None:
    """All cases of the golden file: the optimum, and its schedule replayed."""
    cases = json.loads((shared / "golden/deadline.json").read_text())["cases"]
    assert len(cases) == 12
    for case in cases:
        trace = Trace("zone", "machine", case["gap_seconds"], unpacked(case["availability_rle"]))
        prices = {"spot_usd_h": case["price_spot"], "on_demand_usd_h": case["price_on_demand"]}
        hours = [case[name] * 3600 for name in ("task_hours", "deadline_hours", "restart_overhead_hours")]
        runs = runs_of([(market_of([trace], **prices), DeadlineJob(*hours))])
        assert omniscient_usd(runs)[0] == pytest.approx(case["omniscient_cost"], abs=1e-6), case["name"]
        outcome = simulate(runs, omniscient_schedule(runs, 0))
        assert outcome.cost_usd[0] == pytest.approx(case["omniscient_cost"], abs=1e-6), case["name"]
        assert not outcome.late[0], case["name"]


def public_runs(shared: Path) -> Runs:
    """The runs of one zone that the golden means are of."""
    windows = json.loads((shared / "data/traces/adrs/single_region_windows.json").read_text())["windows"]
    traces = {}
    for path in (shared / "data/traces/aws-2022/P1_2022-10-26").glob("*.json"):
        stored = json.loads(path.read_text())
        traces[path.stem] = Trace(stored["zone"], stored["instance"], 600, unpacked(stored["rle"]))
    return runs_of(
        [
            (
                market_of(
                    [traces[window["env"]].window(window["start"], window["length"])],
                    spot_usd_h=0.9731,
                    on_demand_usd_h=3.06,
                ),
                DeadlineJob(48 * 3600, deadline_h * 3600, overhead_h * 3600),
            )
            for window in windows
            for deadline_h in (52, 70)
            for overhead_h in (0.02, 0.05, 0.1)
        ]
    )


def test_golden_mean_of_the_public_runs(shared: Path) -> None:
    """The mean over all 1,080 runs to the printed digit."""
    least = omniscient_usd(public_runs(shared))
    assert len(least) == 1080
    assert round(float(least.mean()), 3) == 92.162


def test_golden_runs_of_several_zones(shared: Path) -> None:
    """The 34 runs of up to nine zones, each gap at its own price."""
    recorded = json.loads((shared / "data/traces/adrs/multi_region_windows_exact.json").read_text())
    scenarios = json.loads((shared / "data/traces/adrs/multi_region_windows.json").read_text())["scenarios"]
    golden = json.loads((shared / "golden/deadline_multi.json").read_text())["omniscient_per_tick_price"]

    def trace(zone: str, number: int) -> Trace:
        window = recorded["zones"][f"{zone}_v100_1"][number]
        available = unpacked(window["rle"])
        prices = np.empty(len(available))
        for gap, usd_h in window["price_changes"]:
            prices[gap:] = usd_h
        return Trace(zone, "v100_1", recorded["gap_seconds"], available, None, prices, recorded["on_demand_price"])

    job = DeadlineJob(48 * 3600, 52 * 3600, 720)
    assert sum(map(len, golden.values())) == 34
    for name, (zones, count) in scenarios.items():
        markets = [
            market_of([trace(zone, number) for zone in zones], spot_usd_h=np.nan, on_demand_usd_h=np.nan)
            for number in range(count)
        ]
        assert omniscient_usd(runs_of([(one, job) for one in markets])) == pytest.approx(golden[name], abs=1e-6), name
