"""What EC2's refusals mean: the code of each, never its text, decides the type and the scope of the error.

A code that is not in the table is a wrong request if EC2 blames the client (4xx). If it blames the server (5xx), then
nobody can say whether something was done. The status alone decides nothing else: missing capacity comes as 500.

Codes: EC2 API reference, "Error codes for the Amazon EC2 API". Quotas: EC2 user guide, "Spot Instance quotas" and the
names of the on-demand quotas in Service Quotas ("Running On-Demand ... instances").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from catalog_data.schema import Purchase
from executor.errors import (
    AuthFailedError,
    BadRequestError,
    DriverError,
    ExcludingError,
    NoCapacityError,
    PriceTooLowError,
    QuotaExceededError,
    Scope,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)

_LONGEST_TEXT: Final = 300


class Ec2Refusal(Exception):  # noqa: N818 - it becomes an error of the executor's before anyone sees it
    """EC2 answered, and said no; `code` is empty if the answer was not EC2's."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


def refusal_error(refusal: Ec2Refusal, asked: Scope, known_types: Iterable[str], *, creates: bool) -> DriverError:
    """The error that a refusal is.

    Args:
        refusal: EC2's answer.
        asked: what the request was about, as narrowly as it was.
        known_types: the instance types there are, to spell out the ones that share a quota.
        creates: whether the request made nodes, so that it matters if it was carried out after all.
    """
    text = f"{asked}: {refusal.code or f'HTTP {refusal.status}'}{_told(refusal)}"
    if refusal.code in _QUOTAS_OF_A_FAMILY:
        excludes = replace(asked, zone=None, instance_types=quota_bucket(asked, known_types))
        return QuotaExceededError(text, excludes, "ask AWS for a higher quota: Service Quotas, Amazon EC2")
    if refusal.code in _EXCLUDING:
        error, scope, hint = _EXCLUDING[refusal.code]
        return error(text, scope(asked), hint)
    if refusal.code in _NOTHING_DONE:
        return TransientError(text)
    if refusal.status >= 500 or not refusal.code:
        return UnknownOutcomeError(text) if creates else TransientError(text)
    return BadRequestError(text)


def lost_error(lost: Exception, asked: Scope, *, creates: bool) -> DriverError:
    """The error that a request without a readable answer is; what `lost` says may quote the request, and is not shown.

    Nodes may have been made unless no connection came about, so that the request was never sent.
    """
    reason = getattr(lost.args[0], "reason", None) if lost.args else None
    if isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return TransientError(f"{asked}: EC2 cannot be reached ({type(reason).__name__})")
    text = f"{asked}: no answer from EC2 ({type(lost).__name__})"
    return UnknownOutcomeError(text) if creates else TransientError(text)


def quota_bucket(asked: Scope, known_types: Iterable[str]) -> frozenset[str]:
    """The instance types that share a vCPU quota with the one that was asked for, which is always among them."""
    buckets = {_bucket(one, asked.purchase) for one in asked.instance_types}
    return asked.instance_types | {one for one in known_types if _bucket(one, asked.purchase) in buckets}


def one_line(text: str) -> str:
    """What a cloud said, without control characters, and not too much of it."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."


def _told(refusal: Ec2Refusal) -> str:
    # A refused signature is answered with the headers that were signed, the session token among them.
    if not refusal.message or refusal.code in _SIGNATURE:
        return ""
    return f": {one_line(refusal.message)}"


# By the letters that an instance type begins with. im and is are storage types like i, and gr is a g with more memory.
_FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys("a c cc cr d h hs i im is m r t z".split(), "standard"),
        **dict.fromkeys(["g", "gr", "vt"], "g and vt"),
        "u": "high memory",
    }
)


def _bucket(instance_type: str, purchase: Purchase | None) -> str:
    family = re.match(r"[a-z]*", instance_type)
    letters = family.group() if family else ""
    # On spot, P2 to P4 share one quota and P5 has one of its own; on demand all P are one.
    if letters == "p" and purchase is Purchase.SPOT:
        return "p2 to p4" if instance_type.startswith(("p2", "p3", "p4")) else "p5"
    return _FAMILIES.get(letters, letters)


def _machine(asked: Scope) -> Scope:
    return asked


def _machine_however_bought(asked: Scope) -> Scope:
    return replace(asked, purchase=None)


def _machine_in_region(asked: Scope) -> Scope:
    return replace(asked, zone=None, purchase=None)


def _zone(asked: Scope) -> Scope:
    return Scope(asked.cloud, asked.region, asked.zone)


def _region(asked: Scope) -> Scope:
    return Scope(asked.cloud, asked.region)


def _account(asked: Scope) -> Scope:
    return Scope(asked.cloud)


_QUOTAS_OF_A_FAMILY: Final = frozenset({"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"})

_SIGNATURE: Final = frozenset(
    {
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
    }
)

_CREDENTIALS: Final = "the credentials are wrong or have expired: `aws sts get-caller-identity` tells whose they are"
_VERIFY: Final = "the account is not verified yet: see AWS's mail, or ask AWS support"
_REGION: Final = "the region may have to be enabled for the account first (AWS Account Management, Regions)"
_CLOCK: Final = "the signature's time was refused: is this machine's clock right?"

_EXCLUDING: Final[Mapping[str, tuple[type[ExcludingError], Callable[[Scope], Scope], str]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ["InsufficientInstanceCapacity", "InsufficientCapacity", "UnfulfillableCapacity"],
            (NoCapacityError, _machine, ""),
        ),
        "InsufficientVolumeCapacity": (NoCapacityError, _zone, ""),
        "SpotMaxPriceTooLow": (PriceTooLowError, _machine, ""),
        "InsufficientFreeAddressesInSubnet": (QuotaExceededError, _zone, "the default subnet there is full"),
        **dict.fromkeys(
            ["MaxIOPSLimitExceeded", "SecurityGroupLimitExceeded", "VolumeLimitExceeded"],
            (QuotaExceededError, _region, "ask AWS for a higher quota: Service Quotas"),
        ),
        "Unsupported": (UnsupportedError, _machine_however_bought, ""),
        **dict.fromkeys(
            ["InvalidInstanceType", "InvalidInstanceType.NotFound", "UnsupportedInstanceType"],
            (UnsupportedError, _machine_in_region, ""),
        ),
        # Whoever makes one wants it to be tried soon.
        "VPCIdNotSpecified": (
            AuthFailedError,
            _region,
            "the account has no default VPC there: `aws ec2 create-default-vpc --region ...` makes one",
        ),
        # A region that the account has not enabled answers like this too, so the other regions are not ruled out.
        **dict.fromkeys(["AuthFailure", "OptInRequired"], (AuthFailedError, _region, f"{_CREDENTIALS}; {_REGION}")),
        **dict.fromkeys(_SIGNATURE, (AuthFailedError, _account, _CREDENTIALS)),
        "RequestExpired": (AuthFailedError, _account, _CLOCK),
        "UnauthorizedOperation": (AuthFailedError, _account, "the credentials lack a permission (IAM policy)"),
        **dict.fromkeys(["PendingVerification", "Blocked"], (AuthFailedError, _account, _VERIFY)),
    }
)

_NOTHING_DONE: Final = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "ServiceUnavailable",
        "Unavailable",
        # The node is on its way from one state to another.
        "IncorrectInstanceState",
        "IncorrectState",
    }
)
