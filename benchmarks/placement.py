"""Planning measured against the peer: both plan the same pipeline on the same market, warm."""

from __future__ import annotations

from typing import Final

from benchmarks.contestants import Broker, Optimized, Planned, contestants
from benchmarks.dag_cases import Pipeline, Step
from benchmarks.measure import Contest
from benchmarks.result import Result
from engine.status import Status

PEER: Final = "SkyPilot's optimizer, 0.14.1"
ONE_TASK: Final = Pipeline((Step("task", ("A100:8",)),), ())


def against_peer(what: str, pipeline: Pipeline, limit: float, runs: int = 1) -> Result:
    """Each plans it so many times, in turn.

    Before that, ours plans it once, and the peer, which may take minutes for it, one task, for which it reads all of
    its catalogs.
    """
    with contestants() as (broker, peer):
        peer.optimized(ONE_TASK)
        proven(broker, pipeline)
        pairs = [(proven(broker, pipeline), peer.optimized(pipeline)) for _ in range(runs)]
    held = Contest(tuple(ours.sample for ours, _ in pairs), tuple(theirs.sample for _, theirs in pairs))
    return Result(f"{what}, {_candidates(*pairs[0])}", PEER, held, limit)


def proven(broker: Broker, pipeline: Pipeline) -> Planned:
    """Our plan, which is the best: one that is not proven to be is no measure."""
    planned = broker.planned(pipeline)
    if planned.plan.proof.status is not Status.OPTIMAL:
        raise RuntimeError(f"the plan is not proven best: {planned.plan.proof}")
    return planned


def _candidates(ours: Planned, theirs: Optimized) -> str:
    return f"{ours.plan.candidates:,} candidates (the peer's {theirs.candidates:,})"
