"""What an offer must satisfy, as one ordered list of checks on the columns of an offer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.scopes import UNIT_WORD, Quota, Unit, speaks_of, units_of_one
from engine.residency import lies_in
from engine.workload import AcceleratorRequest, Range, Requirement, Residency, Task

TOLERANCE: Final = 1e-3
"""How far a figure may lie off what is asked for: memory is given to three digits."""
SHARE_TOLERANCE: Final = 5e-3
"""The same for a share of an accelerator: 1/6 is 0.167 here and 0.17 there."""
QUOTA_TOLERANCE: Final = 1e-9
"""So that ten machines with a tenth of an accelerator fit a quota of one, whatever the product gives."""
ALWAYS: Final = pl.lit(value=True)
UNWEIGHED: Final = ("network_tier", "disk_tier", "local_disk")
"""Fields that no check looks at."""
COMMITMENTS: Final = {Purchase.RESERVED_1Y: "1 year", Purchase.RESERVED_3Y: "3 years"}
NO_CAPACITY: Final = "no capacity when last looked"
"""Why an offer falls out that would do and may come back by itself."""
CAPACITY_NOW: Final = "capacity now; there was none when last looked, and waiting may help"
DEFAULT_ARCH: Final = "x86_64"
DEFAULT_VCPUS: Final = 8.0
DEFAULT_GIB_PER_VCPU: Final = 4.0
"""SkyPilot's defaults (sky/clouds: 8+ vCPUs, memory four times the vCPUs)."""


@dataclass(frozen=True)
class Check:
    """One thing that an offer must satisfy.

    `fell_out` says what is wrong with an offer that does not; `wanted` follows "no offer has", and is empty where
    nothing is; `passes` is true, false or (as false) null; `seen` is what offers have instead, to be `shown` (a format)
    where none passes, the names closest to `near` first. `field` names what the user could ask for instead, and is
    empty where that is not for the user to say here.
    """

    fell_out: str
    wanted: str
    passes: pl.Expr
    seen: pl.Expr | None = None
    shown: str = "{}"
    near: str = ""
    field: str = ""


def plain(figure: float, digits: int = 4) -> str:
    """A figure for people: so many significant digits, never an exponent, no digit before the point left out."""
    whole = len(f"{abs(figure):.0f}")
    return f"{Decimal(f'{figure:.{max(digits, whole)}g}'):,f}"


def with_defaults(requirement: Requirement) -> tuple[Requirement, str | None]:
    """The requirement, or where it asks for no hardware at all the one that `sky` takes then; what was assumed."""
    asked = (
        requirement.instance_type,
        requirement.accelerator,
        requirement.vcpus,
        requirement.memory_gib,
        requirement.memory_gib_per_vcpu,
    )
    if any(value is not None for value in asked):
        return requirement, None
    assumed = f"no hardware is asked for; {DEFAULT_VCPUS:g}+ vCPUs with {DEFAULT_GIB_PER_VCPU:g} GiB each are assumed"
    defaults = replace(requirement, vcpus=Range(DEFAULT_VCPUS, exact=False), memory_gib_per_vcpu=DEFAULT_GIB_PER_VCPU)
    return defaults, assumed


def checks_of(
    requirement: Requirement, residency: Residency | None, num_nodes: int = 1, quotas: Sequence[Check] = ()
) -> tuple[Check, ...]:
    """The checks, those of the `quotas` among them, in the order in which an offer is judged; always so many of them.

    The accelerator comes first where one is asked for: where it is sold is what a user who asked for it elsewhere wants
    to know. Else the place and the type come first: what is sold there is. Capacity comes last: what falls out for want
    of it would do in all else.
    The frame has snapshot.OFFER_ROWS, `capacity` (see Candidates) and, for the residency, `continent` and `country`.
    """
    accelerator = _accelerator_checks(requirement)
    named = (
        _equals("in another cloud", "cloud", requirement.cloud),
        _equals("in another region", "region", requirement.region),
        _equals("in another zone", "zone", requirement.zone),
        _equals("another instance type", "instance_type", requirement.instance_type),
    )
    return (
        *((*named, *accelerator) if requirement.accelerator is None else (*accelerator, *named)),
        _arch_check(requirement),
        _range_check("too few or too many vCPUs", "vcpus", "vCPUs", requirement.vcpus),
        _range_check("too little or too much memory", "memory_gib", "GiB of memory", requirement.memory_gib),
        _ratio_check(requirement.memory_gib_per_vcpu),
        Check(
            "bought another way",
            f"purchase {' or '.join(requirement.purchases)}",
            pl.col("purchase").is_in([str(purchase) for purchase in requirement.purchases]),
            pl.col("purchase"),
            field="purchase",
        ),
        _residency_check(residency),
        Check("not offered there now", "availability there now", pl.col("available").fill_null(value=True)),
        _quantity_check(num_nodes),
        *quotas,
        Check("price unknown", "a known price", pl.col("price_usd_h").is_not_null()),
        _cap_check(requirement.max_hourly_cost),
        Check(NO_CAPACITY, CAPACITY_NOW, pl.col("capacity").fill_null(1.0) > 0, field="capacity"),
    )


def without_checks(checks: Sequence[Check], lifted: Collection[str]) -> tuple[Check, ...]:
    """The checks, of which those whose `field` is in `lifted` let every offer pass."""
    return tuple(replace(check, wanted="", passes=ALWAYS) if check.field in lifted else check for check in checks)


def _equals(fell_out: str, column: str, wanted: str | None) -> Check:
    if wanted is None:
        return Check(fell_out, "", ALWAYS)
    title = f"{column.replace('_', ' ')} {wanted}"
    return Check(fell_out, title, pl.col(column) == wanted, pl.col(column), near=wanted, field=column)


def _accelerator_checks(requirement: Requirement) -> tuple[Check, Check]:
    request = requirement.accelerator
    another, number = "another accelerator", "another number of accelerators"
    column = pl.col("accelerator")
    if request is None and requirement.instance_type is not None:
        return Check(another, "", ALWAYS), Check(number, "", ALWAYS)
    if request is None:
        # A machine with accelerators that nobody asked for is a surprise, unless its type was named.
        unasked = "with accelerators that were not asked for"
        machine = pl.coalesce(pl.format("{} x {}", _plain_count(), column), column)
        none = Check(unasked, "a machine without accelerators", column.is_null(), machine, field="accelerator")
        return none, Check(number, "", ALWAYS)
    return (
        Check(another, f"accelerator {request.name}", column == request.name, column, field="accelerator"),
        Check(
            number,
            f"{plain(request.count)} x {request.name}",
            _count_passes(request),
            pl.col("accelerator_count").round(3),
            f"{{}} x {request.name}",
            field="accelerator_count",
        ),
    )


def _plain_count() -> pl.Expr:
    return pl.col("accelerator_count").round(3).cast(pl.String).str.strip_suffix(".0")


def _count_passes(request: AcceleratorRequest) -> pl.Expr:
    count = pl.col("accelerator_count")
    if request.count < 1:
        # A share of a device: a machine that sells such a share, or a whole one.
        return count.is_between(request.count - SHARE_TOLERANCE, 1 + SHARE_TOLERANCE)
    return (count - request.count).abs() <= TOLERANCE


def _arch_check(requirement: Requirement) -> Check:
    """Images are built for one architecture: x86-64 unless the machine or its accelerator was chosen by name."""
    named = requirement.instance_type is not None or requirement.accelerator is not None
    wanted = requirement.arch or (None if named else DEFAULT_ARCH)
    if wanted is None:
        return Check("another CPU architecture", "", ALWAYS)
    column = pl.col("arch")
    passes = column.fill_null(DEFAULT_ARCH) == wanted
    return Check("another CPU architecture", f"CPU architecture {wanted}", passes, column, field="arch")


def _range_check(fell_out: str, column: str, unit: str, wanted: Range | None) -> Check:
    if wanted is None or wanted.low is None:
        return Check(fell_out, "", ALWAYS)
    value = pl.col(column)
    text = f"{plain(wanted.low)}{'' if wanted.exact else '+'} {unit}"
    passes = (value - wanted.low).abs() < TOLERANCE if wanted.exact else value >= wanted.low - TOLERANCE
    return Check(fell_out, text, passes, value.round(1), field=column)


def _ratio_check(gib_per_vcpu: float | None) -> Check:
    if gib_per_vcpu is None:
        return Check("too little memory for its vCPUs", "", ALWAYS)
    ratio = pl.col("memory_gib") / pl.col("vcpus")
    passes = ratio >= gib_per_vcpu - TOLERANCE
    wanted = f"{plain(gib_per_vcpu)} GiB of memory a vCPU"
    return Check("too little memory for its vCPUs", wanted, passes, ratio.round(1), field="memory_gib_per_vcpu")


def _residency_check(residency: Residency | None) -> Check:
    if residency is None:
        return Check("outside the allowed places", "", ALWAYS)
    inside = lies_in(residency.allow) if residency.allow else ALWAYS
    outside = ~lies_in(residency.deny) if residency.deny else ALWAYS
    limits = [
        *([f"in {', '.join(residency.allow)}"] if residency.allow else []),
        *([f"outside {', '.join(residency.deny)}"] if residency.deny else []),
    ]
    seen = pl.format("{}/{}", "cloud", "region")
    return Check("outside the allowed places", f"a place {' and '.join(limits)}", inside & outside, seen)


def _quantity_check(num_nodes: int) -> Check:
    """Machines of one's own and reserved ones are so many and no more."""
    quantity = pl.col("quantity")
    several = num_nodes > 1
    return Check(
        "fewer machines than nodes",
        f"machines for {num_nodes:,} nodes" if several else "a machine that may be used",
        quantity.is_null() | (quantity >= num_nodes),
        quantity,
        f"only {{}} of the {num_nodes:,} nodes" if several else "{} of them",
    )


def quota_checks(quotas: Sequence[Quota], offers: pl.DataFrame, num_nodes: int) -> tuple[Check, ...]:
    """A check for each quota, the same for every requirement: so many nodes at once, alone, do not exceed it.

    `offers` are those to judge, or more (snapshot.OFFER_ROWS).
    """
    return tuple(_quota_check(quota, offers, num_nodes) for quota in quotas)


def _quota_check(quota: Quota, offers: pl.DataFrame, num_nodes: int) -> Check:
    of_one = units_of_one(quota.unit)
    above = speaks_of(quota.scope, offers) & (num_nodes * of_one > quota.limit + QUOTA_TOLERANCE)
    return Check(
        f"above the quota {quota.name}",
        f"room for {num_nodes:,} node{'s' if num_nodes > 1 else ''} in the quota {quota.name}",
        ~above.fill_null(value=False),
        None if quota.unit is Unit.MACHINES else of_one.round(3),
        f"{{}} {UNIT_WORD[quota.unit]}s a node",
    )


def _cap_check(max_hourly_cost: float | None) -> Check:
    fell_out = "above the hourly price limit"
    if max_hourly_cost is None:
        return Check(fell_out, "", ALWAYS)
    price = pl.col("price_usd_h")
    wanted = f"a price of at most ${plain(max_hourly_cost)}/h"
    return Check(fell_out, wanted, price <= max_hourly_cost, price.round(4), "${}/h", field="max_hourly_cost")


def first_failing(checks: Sequence[Check]) -> pl.Expr:
    """The number of the first check that a row fails; the number of checks where it passes all."""
    failed = [
        pl.when(~check.passes.fill_null(value=False)).then(pl.lit(number, dtype=pl.Int32))
        for number, check in enumerate(checks)
    ]
    return pl.coalesce(*failed, pl.lit(len(checks), dtype=pl.Int32))


def assumed_of_requirements(task: Task, frame: pl.DataFrame) -> list[str]:
    """What a task's requirements ask for that is weighed otherwise or not at all, given its candidates."""
    return [
        *(["the alternatives are taken in the order given, whatever they cost"] if _has_order(task) else []),
        *_larger_shares(task, frame),
        *_unweighed(task),
        *_commitments(frame),
        *_owned(frame),
    ]


def _has_order(task: Task) -> bool:
    return task.ordered and len(task.requirements) > 1


def _larger_shares(task: Task, frame: pl.DataFrame) -> Iterator[str]:
    """Shares of an accelerator that are not sold as such everywhere."""
    for number, requirement in enumerate(task.requirements):
        request = requirement.accelerator
        if request is None or request.count >= 1:
            continue
        sold = frame.filter(pl.col("requirement") == number)["accelerator_count"]
        if (sold > request.count + SHARE_TOLERANCE).any():
            share = f"{plain(request.count)} x {request.name}"
            yield f"where {share} is not sold, the price is that of the larger share or the whole one that is"


def _unweighed(task: Task) -> Iterator[str]:
    """Fields that are carried for whoever launches the task."""
    given = [
        name for name in UNWEIGHED if any(getattr(requirement, name) is not None for requirement in task.requirements)
    ]
    if given:
        yield f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} not weighed"


def _commitments(frame: pl.DataFrame) -> Iterator[str]:
    years = [text for purchase, text in COMMITMENTS.items() if purchase in set(frame["purchase"])]
    if years:
        yield (
            f"reserved prices are per hour of a commitment of {' or '.join(years)}, which must be paid to its end;"
            " the commitment itself is not in the cost"
        )


def _owned(frame: pl.DataFrame) -> Iterator[str]:
    """Owned machines without a price, which stand in the frame at 0."""
    free = frame.filter(pl.col("purchase") == Purchase.OWNED, pl.col("price_usd_h") == 0)
    if not free.is_empty():
        yield f"owned machines ({', '.join(free['cloud'].unique().sort())}) are taken to cost nothing more"
