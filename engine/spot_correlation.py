"""How the availability of zones hangs together: whether another zone is up when one was just lost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from engine.spot_events import Placed
from engine.spot_market import Flags, Trace
from engine.trace_fields import region_of

_ALIGNED: Final = 0.01
"""By how much of a gap two traces may be shifted against each other and still share their gaps."""


class Relation(StrEnum):
    """How near two zones are."""

    SAME_REGION = "same_region"
    SAME_CLOUD = "same_cloud"
    OTHER_CLOUD = "other_cloud"


@dataclass(frozen=True)
class Correlation:
    """What P pairs of zones of one relation show; each figure is a mean or a sum over all of them.

    `phi` is the mean over pairs of the correlation coefficient of the two flags, weighted by the gaps that they share
    and by the spread of both (a pooled table would take the difference between good and bad zones for a correlation);
    None where no pair has a spread. After `losses` ends of up runs in one zone the other was up `up_after_loss` times;
    by its own share of time it would have been `up_by_chance` times.
    """

    pairs: int
    gaps: int
    phi: float | None
    losses: int
    up_after_loss: int
    up_by_chance: float

    @property
    def chance_up_after_loss(self) -> float | None:
        """The chance that the other zone is up when one was just lost; None where none was."""
        return self.up_after_loss / self.losses if self.losses else None

    @property
    def lift(self) -> float | None:
        """How many times as likely that is as it would be by chance; None where neither ever happens."""
        return self.up_after_loss / self.up_by_chance if self.up_by_chance else None


def correlations(placed: Sequence[Placed]) -> Mapping[Relation, Correlation]:
    """The correlation for each relation that two of the traces have, for machines of one type within a cloud.

    Only what was seen at the same instants is compared: traces of known `start`, one gap length, and shifted by whole
    gaps. The clouds' machine types have different names, so that those of two clouds are compared whatever their type.
    """
    found: dict[Relation, list[tuple[Flags, Flags]]] = {}
    for one, other in itertools.combinations(placed, 2):
        relation = _relation(one, other)
        shared = _shared(one.trace, other.trace)
        if relation is not None and shared is not None:
            found.setdefault(relation, []).append(shared)
    return {relation: _correlation(found[relation]) for relation in Relation if relation in found}


def _relation(one: Placed, other: Placed) -> Relation | None:
    if one.cloud != other.cloud:
        return Relation.OTHER_CLOUD
    if one.trace.zone == other.trace.zone or one.trace.instance_type != other.trace.instance_type:
        return None
    same_region = region_of(one.trace.zone) == region_of(other.trace.zone)
    return Relation.SAME_REGION if same_region else Relation.SAME_CLOUD


def _shared(one: Trace, other: Trace) -> tuple[Flags, Flags] | None:
    """The flags of both in the gaps that they share; None where there are none."""
    if one.start is None or other.start is None or one.gap_s != other.gap_s:
        return None
    shift = (other.start - one.start).total_seconds() / one.gap_s
    if abs(shift - round(shift)) > _ALIGNED:
        return None
    first = max(0, round(shift))
    mine = one.available[first:]
    theirs = other.available[max(0, -round(shift)) :]
    gaps = min(len(mine), len(theirs))
    return (mine[:gaps], theirs[:gaps]) if gaps else None


def _correlation(pairs: Sequence[tuple[Flags, Flags]]) -> Correlation:
    covariance = sum(len(one) * float(np.cov(one, other, bias=True)[0, 1]) for one, other in pairs)
    spread = sum(len(one) * math.sqrt(float(np.var(one)) * float(np.var(other))) for one, other in pairs)
    losses, up, by_chance = 0, 0, 0.0
    for one, other in _both_ways(pairs):
        lost = one[:-1] & ~one[1:]
        losses += int(lost.sum())
        up += int((lost & other[1:]).sum())
        by_chance += float(lost.sum() * other.mean())
    return Correlation(
        pairs=len(pairs),
        gaps=sum(len(one) for one, _ in pairs),
        phi=covariance / spread if spread else None,
        losses=losses,
        up_after_loss=up,
        up_by_chance=by_chance,
    )


def _both_ways(pairs: Sequence[tuple[Flags, Flags]]) -> Iterator[tuple[Flags, Flags]]:
    for one, other in pairs:
        yield one, other
        yield other, one
