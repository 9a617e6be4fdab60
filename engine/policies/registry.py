"""The policies by the names that commands, benchmarks and plans know them by: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from engine.availability import AvailabilityModel
from engine.policies.base import Policy
from engine.policies.greedy import Greedy
from engine.policies.guard import Guarded
from engine.policies.on_demand import OnDemandOnly
from engine.policies.stochastic import StochasticDynamic
from engine.policies.time_sliced import TimeSliced
from engine.policies.uniform_progress import UniformProgress

Models = Sequence[AvailabilityModel]
"""What is expected of the zones: one model for each, or one for all."""
Maker = Callable[[Models], Policy]

PUBLISHED: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "on-demand": OnDemandOnly(),
        "greedy": Greedy(),
        "time-sliced": TimeSliced(),
        "uniform-progress": UniformProgress(),
        "uniform-progress-no-hysteresis": UniformProgress(hysteresis=False),
        "uniform-progress-any-zone": UniformProgress(any_zone=True),
    }
)
"""Baselines and rules of others. They expect nothing, and the guard of the public simulator keeps their deadline."""

OURS: Final[Mapping[str, Maker]] = MappingProxyType({"stochastic": StochasticDynamic})
"""Rules that are made from models, and keep their deadline by themselves."""

NAMES: Final = (*PUBLISHED, *OURS)
"""All of them, in the order of reports."""
FOR_SEVERAL_ZONES: Final = frozenset({"uniform-progress-any-zone"})
"""Those that differ from no other where there is but one zone."""


def maker_of(name: str, *, bug_compatible: bool = False) -> Maker:
    """What makes the policy of a name from models of the zones.

    Args:
        name: one of `NAMES`.
        bug_compatible: published rules are guarded as the public simulator guards them, see `engine.policies.guard`.

    Raises:
        KeyError: there is no policy of that name.
    """
    if name in OURS:
        return OURS[name]
    policy = Guarded(PUBLISHED[name], bug_compatible=bug_compatible)
    return lambda _: policy
