"""The best published rules, told anew, against what their authors' simulators made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.baselines.evolved_rules import EvolvedManyZones, EvolvedOneZone
from engine.policies.guard import Guarded
from engine.simulator import bill_at_first_price, simulate
from tests.kits.deadline_runs import public_runs, public_scenarios


def test_the_rule_for_one_zone_has_its_published_mean(shared: Path) -> None:
    """95.0704 $ a run with 64 late; the honest guard takes an overdue machine a gap sooner, for the same cost."""
    runs = public_runs(shared / "data" / "traces")
    public = simulate(runs, Guarded(EvolvedOneZone(), bug_compatible=True), reference=True)
    honest = simulate(runs, Guarded(EvolvedOneZone()))
    assert len(runs) == 1080
    assert (round(float(public.cost_usd.mean()), 4), int(public.late.sum())) == (95.0704, 64)
    assert (round(float(honest.cost_usd.mean()), 4), int(honest.late.sum())) == (95.0704, 0)


def test_the_rule_for_several_zones_has_its_published_costs(shared: Path) -> None:
    """Each of the 34 runs by both bills: every gap at its own price, and all at the first one of the last zone."""
    golden = json.loads((shared / "golden" / "deadline_multi.json").read_text())["LEVI"]
    scenarios = public_scenarios(shared / "data" / "traces")
    assert golden.keys() == scenarios.keys()
    for name, runs in scenarios.items():
        outcome = simulate(runs, Guarded(EvolvedManyZones(), bug_compatible=True), reference=True)
        assert outcome.cost_usd == pytest.approx([run["per_tick_price"] for run in golden[name]], abs=1e-5), name
        assert bill_at_first_price(runs, outcome) == pytest.approx([run["official"] for run in golden[name]], abs=1e-5)
        assert outcome.spot_gaps.tolist() == [run["spot_gaps"] for run in golden[name]], name
