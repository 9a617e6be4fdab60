"""Small deadline jobs and markets, plain and hostile, and small models of spot capacity, right and badly wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from engine.availability import AvailabilityModel
from engine.policies.base import Policy
from engine.policies.greedy import Greedy, SpotOnly
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.stochastic import StochasticDynamic
from engine.policies.time_sliced import TimeSliced
from engine.policies.uniform_progress import UniformProgress
from engine.semi_markov import SemiMarkov
from engine.spot_market import DeadlineJob, Figures, Flags, SpotMarket

EDGES_H: Final = np.array([0.0, 0.5, 2.0])

GUARDED: Final[Sequence[Policy]] = tuple(
    Guarded(policy)
    for policy in (
        OnDemandOnly(),
        Greedy(),
        SpotOnly(),
        TimeSliced(),
        UniformProgress(),
        UniformProgress(hysteresis=False),
        UniformProgress(any_zone=True),
        UniformProgress(hysteresis=False, any_zone=True),
    )
)
"""The published policies, with the guard."""


def market(
    available: Any, *, gap_s: float = 600.0, spot_usd_h: Any = 1.0, on_demand_usd_h: Any = 3.0, move_usd: Any = 0.0
) -> SpotMarket:
    """The market of these flags, (T, Z) or (T,) for one zone; prices of one number hold everywhere."""
    flags = np.array(available, dtype=np.bool_).reshape(len(available), -1)
    zones = flags.shape[1]
    moves = np.broadcast_to(np.array(move_usd, dtype=np.float64), (zones, zones)) * (1 - np.eye(zones))
    return SpotMarket(
        zones=tuple("abcdef"[:zones]),
        gap_s=gap_s,
        available=flags,
        spot_usd_h=np.broadcast_to(np.array(spot_usd_h, dtype=np.float64), flags.shape),
        on_demand_usd_h=np.broadcast_to(np.array(on_demand_usd_h, dtype=np.float64), (zones,)),
        move_usd=moves,
    )


def gaps(text: str) -> Flags:
    """`+` for a gap with spot, `-` for one without."""
    return np.array([mark == "+" for mark in text], dtype=np.bool_)


def model(
    loss_per_h: list[list[float]], gain_per_h: list[list[float]], up_share: list[float], *, drift_h: float = 120.0
) -> AvailabilityModel:
    """Classes of three bins of age and equal weight."""
    classes = [
        SemiMarkov(EDGES_H, np.array(loss), np.array(gain)) for loss, gain in zip(loss_per_h, gain_per_h, strict=True)
    ]
    weights = np.full(len(classes), 1 / len(classes))
    return AvailabilityModel(tuple(classes), weights, np.array(up_share), first_age_h=0.25, drift_h=drift_h)


MIXED: Final = model([[2, 1, 0.1], [0.1, 0.05, 0.01]], [[1, 0.5, 0.1], [4, 2, 1]], [0.4, 0.9])
"""Zones that flap and zones that last."""
ALWAYS_UP: Final = model([[1e-6] * 3, [1e-4] * 3], [[50.0] * 3, [10.0] * 3], [0.99, 0.999])
NEVER_UP: Final = model([[50.0] * 3, [10.0] * 3], [[1e-6] * 3, [1e-4] * 3], [0.01, 0.001])
SURE_OF_UP: Final = model([[0.0] * 3] * 2, [[50.0] * 3, [10.0] * 3], [0.99, 0.999])
"""Nothing ends an up run, it says: what it then sees is impossible."""
SURE_OF_NONE: Final = model([[50.0] * 3, [10.0] * 3], [[0.0] * 3] * 2, [0.01, 0.001], drift_h=np.inf)
MODELS: Final = (MIXED, ALWAYS_UP, NEVER_UP, SURE_OF_UP, SURE_OF_NONE)


def ours(*models: AvailabilityModel) -> Policy:
    """The stochastic policy with these models."""
    return StochasticDynamic(models or (MIXED,))


@st.composite
def jobs(draw: st.DrawFn, gap_s: float) -> DeadlineJob:
    """A job that can be in time: deadlines and work in whole gaps and not, overheads from none to all of the time.

    All in hundredths of a second: milliseconds are forgiven, and have tests of their own.
    """
    end_s = draw(st.integers(1, 24)) * gap_s
    deadline_s = end_s + _hundredths(draw(st.sampled_from([0.0, 0.0, 0.37, 0.999])) * gap_s)
    overhead_s = draw(
        st.sampled_from([0.0, 0.02, 0.4, 1.0, 1.3, 2.7]).map(lambda share: share * gap_s)
        | st.floats(0, 1).map(lambda share: share * end_s)
    )
    overhead_s = _hundredths(min(overhead_s, 0.9 * end_s))
    longest_s = end_s - overhead_s
    work_s = draw(st.sampled_from([1.0, 1.0, 0.95, 0.5]) | st.floats(0.05, 1)) * longest_s
    if draw(st.booleans()):
        work_s = max(np.floor(work_s / gap_s), 1.0) * gap_s
    return DeadlineJob(min(_hundredths(work_s), longest_s), deadline_s, overhead_s)


def _hundredths(seconds: float) -> float:
    return float(np.floor(seconds * 100) / 100)


def hostile(job: DeadlineJob, gap_s: float) -> list[Flags]:
    """Traces that do the job harm, each (T,)."""
    length = int(np.ceil(job.deadline_s / gap_s)) + 1
    last = np.floor(job.deadline_s / gap_s)
    slack = last - np.ceil((job.work_s + job.overhead_s) / gap_s)
    at = np.arange(length)
    return [
        np.zeros(length, dtype=np.bool_),
        np.ones(length, dtype=np.bool_),
        at % 2 == 0,  # flaps each gap
        at % 2 == 1,
        at % 5 != 4,
        at < last - 1,  # vanishes just before the deadline
        at < last - 2,
        at == max(slack, 0),  # appears in the last safe gap, or just before or after it
        at == max(slack - 1, 0),
        (at == slack + 1) | (at == max(slack - 2, 0)),
    ]


@st.composite
def prices(draw: st.DrawFn, shape: tuple[int, int]) -> tuple[Figures, Figures]:
    """What spot costs, (T, Z), and on demand, (Z,): nothing, more than on demand, the same for ever or jumping."""
    levels = st.sampled_from([0.0, 0.3, 1.0, 5.0])
    jumping = draw(st.booleans())
    seed = draw(st.integers(0, 99))
    values = np.random.default_rng(seed).choice([0.0, 0.3, 1.0, 5.0], shape) if jumping else draw(levels)
    on_demand = draw(st.lists(st.sampled_from([0.0, 1.0, 3.0, 3.0]), min_size=shape[1], max_size=shape[1]))
    return np.broadcast_to(values, shape).astype(np.float64), np.array(on_demand)


GAPS_S: Final = (60.0, 195.0, 600.0, 601.3, 3600.0)


@st.composite
def hostile_cases(draw: st.DrawFn, zones: int) -> list[tuple[SpotMarket, DeadlineJob]]:
    """One job in some markets, each zone with another hostile trace."""
    gap_s = draw(st.sampled_from(GAPS_S))
    job = draw(jobs(gap_s))
    traces = hostile(job, gap_s)
    spot_usd_h, on_demand_usd_h = draw(prices((len(traces[0]), zones)))
    move_usd = draw(st.sampled_from([0.0, 0.2, 20.0]))
    turns = range(len(traces)) if zones == 1 else draw(st.lists(st.integers(0, 9), min_size=2, max_size=2))
    step = draw(st.integers(1, 9))
    return [
        (
            market(
                np.stack([traces[(turn + step * zone) % len(traces)] for zone in range(zones)], axis=1),
                gap_s=gap_s,
                spot_usd_h=spot_usd_h,
                on_demand_usd_h=on_demand_usd_h,
                move_usd=move_usd,
            ),
            job,
        )
        for turn in turns
    ]
