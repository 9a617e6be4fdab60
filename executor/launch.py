"""The fallback chain: places are tried in turn, and what one failure teaches spares the tries that it foretells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.plan import Option, Placement, Plan
from executor.errors import DriverError, ExcludingError, ExecutorError, Scope, TransientError, UnknownOutcomeError
from executor.machines import Node, Place
from executor.provision import exactly
from executor.state import State

UNANSWERED_TTL: Final = timedelta(minutes=2)
"""A place whose cloud did not answer, however often it was asked, is left alone for so long."""


@dataclass(frozen=True)
class Choice:
    """A place for a task, at the price that the plan has for one node there."""

    place: Place
    price_usd_h: float
    num_nodes: int


@dataclass(frozen=True)
class Launched:
    """The nodes that a task got, and where."""

    choice: Choice
    nodes: tuple[Node, ...]


class SpentError(ExecutorError):
    """No place is left to be tried."""


def choices_of(plan: Plan, task: str) -> tuple[Choice, ...]:
    """The places for a task: the plan's own, zone by zone and region by region, then those of the next best options."""
    found: dict[Choice, None] = {}
    for option in _options(plan):
        for placement in option.placements:
            if placement.task == task:
                found.update(dict.fromkeys(_choices(placement)))
    return tuple(found)


def _options(plan: Plan) -> Iterator[Option]:
    yield plan.best
    yield from plan.alternatives
    yield from (fallback.option for fallback in plan.fallbacks)
    yield from plan.comparison


def _choices(placement: Placement) -> Iterator[Choice]:
    for region in (placement.region, *placement.also_in):
        # The zones are those of the first region; in the others the cloud chooses.
        for zone in (placement.zones if region == placement.region else ()) or (None,):
            place = Place(placement.cloud, region, zone, placement.instance_type, placement.purchase)
            yield Choice(place, placement.price_usd_h, placement.num_nodes)


def launch(
    choices: Iterable[Choice],
    attempt: Callable[[Choice], tuple[Node, ...]],
    state: State,
    told: Callable[[str, str], None],
) -> Launched:
    """The first of the choices whose nodes are got.

    Args:
        choices: in the order in which they are tried.
        attempt: gets the nodes of one, or raises an error and leaves nothing of them.
        state: keeps what is excluded, for everybody.
        told: what happened: a kind, and words for the user.

    Raises:
        SpentError: none was got.
        ExecutorError: what no other place would mend.
    """
    asked = 0
    why: DriverError
    for choice in choices:
        if is_excluded(choice.place, state.excluded(datetime.now(UTC))):
            continue
        asked += 1
        told("asked", f"asking for {choice.num_nodes} x {choice.place} at ${choice.price_usd_h:g}/h")
        try:
            return Launched(choice, attempt(choice))
        except ExcludingError as error:
            scope, ttl, why = error.excludes, error.ttl, error
        except (TransientError, UnknownOutcomeError) as error:
            scope, ttl, why = exactly(choice.place), UNANSWERED_TTL, error
        state.exclude(scope, type(why).__name__, datetime.now(UTC) + ttl)
        told("refused", f"{choice.place}: {why}; {scope} is not asked for {_duration(ttl)}")
    raise SpentError(f"no place has the machines: {asked} were asked", "`--retry-until-up` goes on asking")


def _duration(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:g} min" if span < timedelta(hours=2) else f"{span.total_seconds() / 3600:g} h"


def is_excluded(place: Place, scopes: Collection[Scope]) -> bool:
    """Whether one of the scopes covers the place."""
    return any(scope.covers(place) for scope in scopes)
