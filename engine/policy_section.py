"""What a plan says of policies for its deadline: which were compared, by what, and which one is to be carried out.

Data only: `engine.plan_policies` makes the policy itself from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import ConfigDict, with_config

_STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model of how spot machines are lost and regained: the figures of `engine.availability.AvailabilityModel`."""

    schema_version: int
    edges_h: tuple[float, ...]
    loss_per_h: tuple[tuple[float, ...], ...]
    gain_per_h: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    up_share: tuple[float, ...]
    first_age_h: float
    drift_h: float | None


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class PolicyMachine:
    """A machine that a policy may ask for; the price is of one node."""

    cloud: str
    region: str
    zone: str | None
    """None for any zone of the region."""
    instance_type: str
    price_usd_h: float


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class PolicyZone:
    """Spot machines of a zone, and the number of their model among those of the section."""

    machine: PolicyMachine
    model: int


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class PolicyJob:
    """The task as policies see it, see `engine.spot_market.DeadlineJob`; `gap_h` is how often they decide."""

    num_nodes: int
    work_h: float
    deadline_h: float
    overhead_h: float
    """Of each start: until the machines are ready, and the half interval of work that an interruption loses."""
    gap_h: float


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class PolicyFigures:
    """What became of the sampled runs under one policy, which looks at the first `zones` of the section's.

    Costs are of the machines of all nodes; `usd_5` and `usd_95` are quantiles, `on_time` is a share of the runs.
    """

    name: str
    zones: int
    mean_usd: float
    sd_usd: float
    usd_5: float
    usd_95: float
    on_time: float
    hours: float
    interruptions: float


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class DeadlinePolicy:
    """The policies that were compared for the deadline of a plan of one task.

    `chosen` is the cheapest of those that were always on time. `applies` says whether carrying out the plan means to
    follow it: where not, the plan's placement costs less.
    """

    chosen: str
    applies: bool
    compared: tuple[PolicyFigures, ...]
    hindsight_usd: float
    """The mean of the least that the runs could have cost for somebody who knew what would come."""
    job: PolicyJob
    on_demand: PolicyMachine
    zones: tuple[PolicyZone, ...]
    """By price, the cheapest first."""
    models: tuple[StoredModel, ...]
    samples: int
    seed: int

    @property
    def figures(self) -> PolicyFigures:
        """Those of the chosen policy."""
        return next(each for each in self.compared if each.name == self.chosen)


def faults_of_policy(policy: DeadlinePolicy) -> Iterator[str]:
    """What contradicts itself."""
    if policy.chosen not in [each.name for each in policy.compared]:
        yield "policy: the chosen one was not compared"
    if not policy.zones or any(not 0 <= zone.model < len(policy.models) for zone in policy.zones):
        yield "policy: each of one zone or more has a model"
    job = policy.job
    if min(job.num_nodes, job.gap_h, job.work_h) <= 0 or job.overhead_h < 0 or job.work_h > job.deadline_h:
        yield "policy: the job is none that can be done by its deadline"
    for each in policy.compared:
        if not 0 <= each.on_time <= 1 or not 1 <= each.zones <= len(policy.zones):
            yield f"policy: a figure of {each.name} is out of range"
