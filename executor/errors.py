"""What can go wrong with a cloud: each type says what to do next. Nobody reads a message.

ExecutorError
    +-- DriverError
    |     +-- ExcludingError          not here: try the next place outside of `excludes`, and not this one for a while
    |     |     +-- NoCapacityError       there are no such machines to be had now
    |     |     +-- PriceTooLowError      spot costs more than we would pay
    |     |     +-- QuotaExceededError    the account may not have so many
    |     |     +-- UnsupportedError      the place does not know this kind of machine
    |     |     +-- AuthFailedError       the account may not act there
    |     +-- TransientError          nothing was done: the same again, a little later
    |     +-- UnknownOutcomeError     it may have been done: look at what there is before anything else
    |     +-- BadRequestError         the request is wrong, and would be everywhere
    +-- StateError                    the record of deployments cannot be used
    +-- UnreachableError              a node does not answer, or is not the one that it should be
    +-- CommandFailedError            a node answers, and cannot do what it should: a tool is missing, a disk is full
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import ClassVar

from catalog_data.schema import Purchase
from executor.machines import Place


@dataclass(frozen=True)
class Scope:
    """Where something holds: in all places that are alike in what is named; None stands for any.

    `instance_types` is a kind of machines that are counted together (a quota), or the one that was asked for; empty for
    any.
    """

    cloud: str
    region: str | None = None
    zone: str | None = None
    instance_types: frozenset[str] = frozenset()
    purchase: Purchase | None = None

    def covers(self, place: Place) -> bool:
        """Whether the place lies within. A place of no zone does not lie within one zone."""
        return (
            self.cloud == place.cloud
            and self.region in {None, place.region}
            and self.zone in {None, place.zone}
            and (not self.instance_types or place.instance_type in self.instance_types)
            and self.purchase in {None, place.purchase}
        )

    def __str__(self) -> str:
        named = [getattr(self, field.name) for field in fields(self)]
        place, kinds, purchase = "/".join(part for part in named[:3] if part), sorted(named[3]), named[4]
        return " ".join(
            [place, *kinds[:1], *([f"(+{len(kinds) - 1})"] if kinds[1:] else []), *([purchase] if purchase else [])]
        )


class ExecutorError(Exception):
    """Anything the executor cannot do; `hint` says what the user can."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class DriverError(ExecutorError):
    """A cloud did not do what it was asked to."""


class ExcludingError(DriverError):
    """The places in `excludes` are not to be asked again before `ttl` has passed."""

    ttl: ClassVar[timedelta]
    is_capacity: ClassVar[bool] = False
    """Whether it tells others what there is to be had (an observation), or is about our account alone."""

    def __init__(self, message: str, excludes: Scope, hint: str = "") -> None:
        super().__init__(message, hint)
        self.excludes = excludes


class NoCapacityError(ExcludingError):
    """There are no such machines to be had now."""

    ttl = timedelta(minutes=10)
    is_capacity = True


class PriceTooLowError(ExcludingError):
    """Spot costs more than the request would pay."""

    ttl = timedelta(minutes=10)


class QuotaExceededError(ExcludingError):
    """The account may not have so many machines of the kind; `excludes` is the quota's bucket."""

    ttl = timedelta(hours=12)


class UnsupportedError(ExcludingError):
    """The place does not know this kind of machine, or way to buy."""

    ttl = timedelta(days=7)


class AuthFailedError(ExcludingError):
    """The account's credentials are missing, expired, or not allowed to act there."""

    ttl = timedelta(minutes=5)


class TransientError(DriverError):
    """The cloud is busy or throttles, and did nothing. `after_s`: how long it asks us to wait; None if it does not."""

    def __init__(self, message: str, hint: str = "", after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.after_s = after_s


class UnknownOutcomeError(DriverError):
    """The answer was lost: whether it was done is to be seen from `Driver.nodes`."""


class BadRequestError(DriverError):
    """The request is wrong in itself: no other place will take it."""


class StateError(ExecutorError):
    """The record of deployments cannot be read or written."""


class UnreachableError(ExecutorError):
    """A node does not answer, or is not the machine that was made."""


class CommandFailedError(ExecutorError):
    """A command of ours, none of the user's, failed on a node: a tool is missing there, or the disk is full."""
