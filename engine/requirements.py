"""What an offer must satisfy, as one ordered list of checks on the columns of an offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from engine.residency import lies_in
from engine.workload import AcceleratorRequest, Range, Requirement, Residency

TOLERANCE: Final = 1e-3
"""How far a figure may lie off what is asked for: memory is given to three digits."""
SHARE_TOLERANCE: Final = 5e-3
"""The same for a share of an accelerator: 1/6 is 0.167 here and 0.17 there."""
ALWAYS: Final = pl.lit(value=True)
DEFAULT_ARCH: Final = "x86_64"
DEFAULT_VCPUS: Final = 8.0
DEFAULT_GIB_PER_VCPU: Final = 4.0
"""SkyPilot's defaults (sky/clouds: 8+ vCPUs, memory four times the vCPUs)."""


@dataclass(frozen=True)
class Check:
    """One thing that an offer must satisfy.

    `fell_out` says what is wrong with an offer that does not; `wanted` follows "no offer has", and is empty where
    nothing is; `passes` is true, false or (as false) null; `seen` is what offers have instead, to be `shown` (a format)
    where none passes, the names closest to `near` first.
    """

    fell_out: str
    wanted: str
    passes: pl.Expr
    seen: pl.Expr | None = None
    shown: str = "{}"
    near: str = ""


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


def checks_of(requirement: Requirement, residency: Residency | None) -> tuple[Check, ...]:
    """The checks, in the order in which an offer is judged; always the same number of them.

    The accelerator comes first: where it is sold is what a user who asked for it elsewhere wants to know.
    The frame has snapshot.OFFER_ROWS and, for the residency, `continent` and `country`.
    """
    accelerator, count = _accelerator_checks(requirement)
    return (
        accelerator,
        count,
        _equals("in another cloud", "cloud", requirement.cloud),
        _equals("in another region", "region", requirement.region),
        _equals("in another zone", "zone", requirement.zone),
        _equals("another instance type", "instance_type", requirement.instance_type),
        _arch_check(requirement),
        _range_check("too few or too many vCPUs", "vcpus", "vCPUs", requirement.vcpus),
        _range_check("too little or too much memory", "memory_gib", "GiB of memory", requirement.memory_gib),
        _ratio_check(requirement.memory_gib_per_vcpu),
        Check(
            "bought another way",
            f"purchase {' or '.join(requirement.purchases)}",
            pl.col("purchase").is_in([str(purchase) for purchase in requirement.purchases]),
            pl.col("purchase"),
        ),
        _residency_check(residency),
        Check("not offered there now", "availability there now", pl.col("available").fill_null(value=True)),
        Check("price unknown", "a known price", pl.col("price_usd_h").is_not_null()),
        _cap_check(requirement.max_hourly_cost),
    )


def _equals(fell_out: str, column: str, wanted: str | None) -> Check:
    if wanted is None:
        return Check(fell_out, "", ALWAYS)
    title = f"{column.replace('_', ' ')} {wanted}"
    return Check(fell_out, title, pl.col(column) == wanted, pl.col(column), near=wanted)


def _accelerator_checks(requirement: Requirement) -> tuple[Check, Check]:
    request = requirement.accelerator
    another, number = "another accelerator", "another number of accelerators"
    column = pl.col("accelerator")
    if request is None and requirement.instance_type is not None:
        return Check(another, "", ALWAYS), Check(number, "", ALWAYS)
    if request is None:
        # A machine with accelerators that nobody asked for is a surprise, unless its type was named.
        unasked = "with accelerators that were not asked for"
        return Check(unasked, "a machine without accelerators", column.is_null(), column), Check(number, "", ALWAYS)
    return (
        Check(another, f"accelerator {request.name}", column == request.name, column),
        Check(
            number,
            f"{request.count:g} x {request.name}",
            _count_passes(request),
            pl.col("accelerator_count").round(3),
            f"{{:g}} x {request.name}",
        ),
    )


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
    return Check(
        "another CPU architecture", f"CPU architecture {wanted}", column.fill_null(DEFAULT_ARCH) == wanted, column
    )


def _range_check(fell_out: str, column: str, unit: str, wanted: Range | None) -> Check:
    if wanted is None or wanted.low is None:
        return Check(fell_out, "", ALWAYS)
    value = pl.col(column)
    text = f"{wanted.low:g}{'' if wanted.exact else '+'} {unit}"
    passes = (value - wanted.low).abs() < TOLERANCE if wanted.exact else value >= wanted.low - TOLERANCE
    return Check(fell_out, text, passes, value.round(1), "{:g}")


def _ratio_check(gib_per_vcpu: float | None) -> Check:
    if gib_per_vcpu is None:
        return Check("too little memory for its vCPUs", "", ALWAYS)
    ratio = pl.col("memory_gib") / pl.col("vcpus")
    passes = ratio >= gib_per_vcpu - TOLERANCE
    return Check(
        "too little memory for its vCPUs", f"{gib_per_vcpu:g} GiB of memory a vCPU", passes, ratio.round(1), "{:g}"
    )


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


def _cap_check(max_hourly_cost: float | None) -> Check:
    fell_out = "above the hourly price limit"
    if max_hourly_cost is None:
        return Check(fell_out, "", ALWAYS)
    price = pl.col("price_usd_h")
    wanted = f"a price of at most ${max_hourly_cost:g}/h"
    return Check(fell_out, wanted, price <= max_hourly_cost, price.round(4), "${:g}/h")


def first_failing(checks: Sequence[Check]) -> pl.Expr:
    """The number of the first check that a row fails; the number of checks where it passes all."""
    failed = [
        pl.when(~check.passes.fill_null(value=False)).then(pl.lit(number, dtype=pl.Int32))
        for number, check in enumerate(checks)
    ]
    return pl.coalesce(*failed, pl.lit(len(checks), dtype=pl.Int32))
