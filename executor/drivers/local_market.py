"""The market of the local cloud: rules that say where there is nothing to be had, and when nodes are taken back.

    request, what there is, how often each rule has had its say -> Verdict

The rules are tried in order. The first one that refuses decides; if none does, each of the nodes' conditions comes from
the first rule that names it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final

from catalog_data.schema import Purchase
from executor.errors import (
    AuthFailedError,
    BadRequestError,
    DriverError,
    NoCapacityError,
    PriceTooLowError,
    QuotaExceededError,
    Scope,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)
from executor.machines import NodesRequest, Place

NEGATIVE: Final = "must not be negative"


class Fault(StrEnum):
    """What goes wrong with a request."""

    NO_CAPACITY = "no_capacity"
    QUOTA = "quota"
    PRICE = "price"
    UNSUPPORTED = "unsupported"
    AUTH = "auth"
    TRANSIENT = "transient"
    BAD_REQUEST = "bad_request"
    UNKNOWN_OUTCOME_BEFORE = "unknown_outcome_before"
    """The request was lost on its way there: nothing was made."""
    UNKNOWN_OUTCOME_AFTER = "unknown_outcome_after"
    """The answer was lost on its way here: the nodes were made."""


class Width(StrEnum):
    """How far it is known that there is no capacity."""

    ZONE = "zone"
    REGION = "region"
    CLOUD = "cloud"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a node fares, in seconds of its own clock; None for never.

    Attributes:
        start_s: from being asked for to running.
        fails: instead of running it turns out that it could not be made.
        take_back_after_s: from running to the notice that it is taken back.
        grace_s: from the notice to the end.
        ends_after_s: from its start to its end by itself.
    """

    start_s: float = 0.0
    fails: bool = False
    take_back_after_s: float | None = None
    grace_s: float = 5.0
    ends_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What happens to requests for some places. Patterns are those of the shell (`us-*`); None stands for any.

    Attributes:
        times: it has its say for so many requests, and then no more; None for ever.
        capacity: so many nodes of such places can there be at once.
        error: such requests fail.
        scope: of the error if there is no capacity.
        spot_price_usd_h: requests that would pay less for spot fail.
        delay_s: the answer takes so long, whatever it is.
        start_s: so long are nodes pending.
        fail_async: the answer is yes, and the nodes turn out to have FAILED.
        take_back_after_s: running nodes are given notice after so long.
        grace_s: from the notice to the end.
    """

    # Read by pydantic where a market comes from a file: a name that no rule has is an error.
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    cloud: str | None = None
    region: str | None = None
    zone: str | None = None
    instance_type: str | None = None
    purchase: str | None = None
    times: int | None = None
    capacity: int | None = None
    error: Fault | None = None
    scope: Width = Width.ZONE
    spot_price_usd_h: float | None = None
    delay_s: float | None = None
    start_s: float | None = None
    fail_async: bool | None = None
    take_back_after_s: float | None = None
    grace_s: float | None = None

    def __post_init__(self) -> None:
        figures = {name: value for name, value in vars(self).items() if isinstance(value, int | float)}
        negative = next((name for name, value in figures.items() if value < 0), None)
        if negative is not None:
            raise ValueError(f"{negative} {NEGATIVE}")

    @property
    def key(self) -> str:
        """The same for equal rules alone, whatever else is in the market."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def matches(self, place: Place) -> bool:
        """Whether the rule is about a place."""
        patterns = (self.cloud, self.region, self.zone, self.instance_type, self.purchase)
        names = (place.cloud, place.region, place.zone or "", place.instance_type, place.purchase.value)
        return all(pattern is None or fnmatchcase(name, pattern) for pattern, name in zip(patterns, names, strict=True))

    def fault(self, request: NodesRequest, there: Sequence[Place]) -> Fault | None:
        """What the rule finds wrong with a request that it matches."""
        if self.error is not None:
            return self.error
        if self.capacity is not None and sum(map(self.matches, there)) + request.count > self.capacity:
            return Fault.NO_CAPACITY
        price, most = self.spot_price_usd_h, request.max_price_usd_h
        is_low = request.place.purchase is Purchase.SPOT and price is not None and most is not None and most < price
        return Fault.PRICE if is_low else None

    def conditions(self) -> Mapping[str, float | bool]:
        """What the rule says of how nodes fare."""
        said = {
            "start_s": self.start_s,
            "fails": self.fail_async,
            "take_back_after_s": self.take_back_after_s,
            "grace_s": self.grace_s,
            "delay_s": self.delay_s,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Market:
    """The rules of a cloud; of a market without any, all is to be had at once, and nothing is taken back."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        for at, rule in enumerate(self.rules):
            if rule in self.rules[:at]:
                raise ValueError(f"rules {self.rules.index(rule)} and {at} are the same: say how many `times` instead")


@dataclass(frozen=True)
class Verdict:
    """What the market says to a request.

    Attributes:
        error: what is answered, if that is not the nodes.
        made: whether the nodes are made.
        delay_s: so long does the answer take.
        said: the keys of the rules that had their say.
    """

    error: DriverError | None = None
    made: bool = True
    delay_s: float = 0.0
    conditions: Conditions = field(default_factory=Conditions)
    said: frozenset[str] = frozenset()


def judged(market: Market, request: NodesRequest, there: Sequence[Place], said: Mapping[str, int]) -> Verdict:
    """What becomes of a request.

    Args:
        market: the rules.
        request: of nodes that were not asked for before.
        there: the place of each node that there is.
        said: how often the rule of each key has had its say.
    """
    matching = [
        rule
        for rule in market.rules
        if rule.matches(request.place) and (rule.times is None or said.get(rule.key, 0) < rule.times)
    ]
    conditions, delay_s, named = _fares(matching, request)
    for rule in matching:
        fault = rule.fault(request, there)
        if fault is not None:
            made = fault is Fault.UNKNOWN_OUTCOME_AFTER
            said_now = {rule.key, *(named if made else ())}
            return Verdict(_error(fault, rule, request), made, delay_s, conditions, frozenset(said_now))
    return Verdict(None, made=True, delay_s=delay_s, conditions=conditions, said=named)


def _fares(matching: Sequence[Rule], request: NodesRequest) -> tuple[Conditions, float, frozenset[str]]:
    """How the nodes fare, how long the answer takes, and which rules said so."""
    fares: dict[str, Any] = {}
    named = set()
    for rule in matching:
        new = {name: value for name, value in rule.conditions().items() if name not in fares}
        fares |= new
        named |= {rule.key} if new else set()
    delay_s = fares.pop("delay_s", 0.0)
    ends_after_s = None if request.max_hours is None else request.max_hours * 3600.0  # h * s/h = s
    return Conditions(**fares, ends_after_s=ends_after_s), delay_s, frozenset(named)


def counted(said: Mapping[str, int], verdict: Verdict) -> Mapping[str, int]:
    """How often each rule has had its say after a verdict."""
    return dict(Counter(said) + Counter(verdict.said))


def _error(fault: Fault, rule: Rule, request: NodesRequest) -> DriverError:
    """The error of a fault, with the scope that such faults have on real clouds."""
    place = request.place
    kind = frozenset({place.instance_type})
    here = Scope(place.cloud, place.region, place.zone, kind, place.purchase)
    wide = {
        Width.ZONE: here,
        Width.REGION: Scope(place.cloud, place.region, None, kind, place.purchase),
        Width.CLOUD: Scope(place.cloud, None, None, kind, place.purchase),
    }
    quota = Scope(place.cloud, place.region, None, frozenset(), place.purchase)
    errors: Mapping[Fault, DriverError] = {
        Fault.NO_CAPACITY: NoCapacityError(f"{place}: no capacity for {request.count}", wide[rule.scope]),
        Fault.QUOTA: QuotaExceededError(f"{quota}: the account may not have {request.count} more", quota),
        Fault.PRICE: PriceTooLowError(f"{place}: spot costs more than {request.max_price_usd_h} USD/h", here),
        Fault.UNSUPPORTED: UnsupportedError(
            f"{place}: there are no such machines here", Scope(place.cloud, place.region, place.zone, kind)
        ),
        Fault.AUTH: AuthFailedError(f"{place.cloud}: the credentials are not accepted", Scope(place.cloud)),
        Fault.TRANSIENT: TransientError(f"{place.cloud}: too many requests"),
        Fault.BAD_REQUEST: BadRequestError(f"{place.cloud}: the request is malformed"),
        Fault.UNKNOWN_OUTCOME_BEFORE: UnknownOutcomeError(f"{place.cloud}: the connection was lost"),
        Fault.UNKNOWN_OUTCOME_AFTER: UnknownOutcomeError(f"{place.cloud}: the connection was lost"),
    }
    return errors[fault]
