"""The cost model of one machine and its run in plain Python, from its definitions; figures of pages come as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from engine.availability import AvailabilityModel
from engine.billing import BARE_METAL_MINIMUM_S, BILLING
from engine.carbon import DATA_CENTRES, MEMORY_W_GIB, OTHER_DATA_CENTRE, TDP_W, VCPU_LOAD
from engine.chances import (
    LEAST,
    MOST,
    ON_DEMAND_ACCELERATOR,
    ON_DEMAND_OTHER,
    SPOT_ACCELERATOR,
    SPOT_OTHER,
)
from engine.disks import DISK_RATES
from engine.interruption import LONGEST
from engine.spot_losses import MOST_SEGMENTS
from engine.startup import (
    ASSUMED_STARTUP_H,
    EC2_STARTUP_H,
    GCE_LARGE_STARTUP_H,
    GCE_SMALL_VCPUS,
    GCE_STARTUP_H,
    RUNNING_CLUSTERS,
)

Row = Mapping[str, Any]
MONTH_H: Final = 730.0
HELD: Final = {"owned", "reserved_1y", "reserved_3y", "capacity_block"}


def startup_h(row: Row) -> float:
    """From asking for a machine until it answers."""
    if row["purchase"] == "owned" and row["cloud"] in RUNNING_CLUSTERS:
        return 0.0
    if row["accelerator"] is None and row["cloud"] == "aws":
        return EC2_STARTUP_H
    if row["accelerator"] is None and row["cloud"] == "gcp":
        return GCE_STARTUP_H if row["vcpus"] <= GCE_SMALL_VCPUS else GCE_LARGE_STARTUP_H
    return ASSUMED_STARTUP_H


def hazard_per_h(row: Row, risk: Row | None) -> float | None:
    """Of one machine: so that exp(-T hazard) of them are left after a period T; None where nothing is known."""
    if risk is None or row["purchase"] != "spot":
        return None
    low, high = risk["interruption_low"], risk["interruption_high"]
    return None if (low, high) == (0.0, 1.0) else -math.log(1 - (low + high) / 2) / risk["period_h"]


def shares_a_month(risk: Row | None) -> tuple[float | None, float | None]:
    """The band of what is lost within a month, in which a plan says it."""
    if risk is None:
        return None, None
    low, high = (
        1 - (1 - risk[name]) ** (MONTH_H / risk["period_h"]) for name in ("interruption_low", "interruption_high")
    )
    return low, high


def segments(work_h: float, checkpoint_h: float | None) -> Iterator[float]:
    """The hours from one checkpoint to the next, to the end of the work."""
    left = work_h
    while left > 0:
        length = left if checkpoint_h is None else min(left, checkpoint_h)
        yield length
        left -= length


def interrupted(rate: float, work_h: float, checkpoint_h: float | None, recovery_h: float) -> tuple[float, float]:
    """Hours of a run and its interruptions, both in the mean, at so many losses an hour; infinite if it never ends.

    A segment of c hours passes with the chance p = exp(-rate c), so that it fails (1 - p) / p times before. A failure
    comes after the mean of the exponential law below c, and costs the recovery besides.
    """
    if not rate:
        return work_h, 0.0
    hours = losses = 0.0
    for c in segments(work_h, checkpoint_h):
        if rate * c > LONGEST:
            return math.inf, math.inf
        passes = math.exp(-rate * c)
        fails = -math.expm1(-rate * c) / passes
        until_loss_h = 1 / rate - c * passes / -math.expm1(-rate * c)
        losses += fails
        hours += c + fails * (until_loss_h + recovery_h)
    return hours, losses


class Modelled(NamedTuple):
    """A run on machines that are lost and regained as a model says, and -log of the chance of no interruption."""

    hours: float
    wait_h: float
    losses: float
    hazard: float


def modelled(model: AvailabilityModel, work_h: float, ready_h: float, checkpoint_h: float | None) -> Modelled:
    """The mean over the classes that a zone may be of that is up when it is first seen."""
    chances = [weight * up for weight, up in zip(model.weights, model.up_share, strict=True)]
    runs = [_modelled_in(model, number, work_h, ready_h, checkpoint_h) for number in range(len(chances))]
    weights = [chance / sum(chances) for chance in chances]
    means = [sum(w * run[k] for w, run in zip(weights, runs, strict=True)) for k in range(3)]
    due = [_due(model, number, model.first_age_h, ready_h + work_h) for number in range(len(chances))]
    least = min(due)
    uninterrupted = sum(w * math.exp(least - x) for w, x in zip(weights, due, strict=True))
    return Modelled(means[0], means[1], means[2], least - math.log(uninterrupted))


def _modelled_in(
    model: AvailabilityModel, number: int, work_h: float, ready_h: float, checkpoint_h: float | None
) -> tuple[float, float, float]:
    """Hours, those of waiting and losses: from the machines that begin with so many segments done, one after the other.

    Each of them costs what it lives of the time that it needs, and if it is lost a wait.
    """
    lengths = list(segments(work_h, checkpoint_h))
    if len(lengths) > MOST_SEGMENTS:
        lengths = [work_h / MOST_SEGMENTS] * MOST_SEGMENTS
    if any(_due(model, number, 0.0, ready_h + length) > LONGEST for length in (lengths[0], lengths[-1])):
        return math.inf, math.inf, math.inf
    wait_h = float(model.classes[number].mean_wait_h())
    begun = [0.0] * len(lengths)
    lived_h = losses = 0.0
    for is_first, done in ((True, 0), *((False, done) for done in range(len(lengths)))):
        age_h = model.first_age_h if is_first else 0.0
        needs = [0.0, *(ready_h + sum(lengths[done:end]) for end in range(done + 1, len(lengths) + 1))]
        lasts = [math.exp(-_due(model, number, age_h, need)) for need in needs]
        # A machine that does no segment is followed by one of the same kind.
        machines = 1.0 if is_first else begun[done] / lasts[1]
        lived_h += machines * _lived_h(model, number, age_h, needs[-1])
        losses += machines * (1 - lasts[-1])
        for more, (here, there) in enumerate(pairwise(lasts)):
            if is_first or more:
                begun[done + more] += machines * (here - there)
    return lived_h + losses * wait_h, losses * wait_h, losses


def _bins(model: AvailabilityModel, number: int, age_h: float, h: float) -> Iterator[tuple[float, float]]:
    """The hazard and the hours of each bin of age that the next `h` hours pass through."""
    edges = [*map(float, model.edges_h), math.inf]
    for (low, high), rate in zip(pairwise(edges), model.classes[number].loss_per_h, strict=True):
        yield float(rate), max(0.0, min(age_h + h, high) - max(age_h, low))


def _due(model: AvailabilityModel, number: int, age_h: float, h: float) -> float:
    """Losses that are due within `h` hours from an age on."""
    return sum(rate * hours for rate, hours in _bins(model, number, age_h, h))


def _lived_h(model: AvailabilityModel, number: int, age_h: float, h: float) -> float:
    """How much of the next `h` hours a machine of that age lives in the mean."""
    lived_h, alive = 0.0, 1.0
    for rate, hours in _bins(model, number, age_h, h):
        lived_h += alive * (-math.expm1(-rate * hours) / rate if rate else hours)
        alive *= math.exp(-rate * hours)
    return lived_h


def billed_h(row: Row, occupied_h: float) -> float:
    """Whole units of time, and a minimum, where a page of the cloud says so."""
    rule = BILLING.get(row["cloud"])
    if rule is None:
        return occupied_h
    bare_metal = row["cloud"] == "oci" and row["instance_type"].startswith("BM.")
    units = occupied_h * 3600 / rule.granularity_s
    # A unit that rounding alone began is none.
    whole = round(units) if math.isclose(units, round(units), rel_tol=1e-9) else math.ceil(units)
    return max(whole * rule.granularity_s, BARE_METAL_MINIMUM_S if bare_metal else rule.minimum_s) / 3600


def disk_usd(row: Row, gib: float | None, hours: float) -> float | None:
    """Of one machine's disk, if one is asked for; None where its price is not known."""
    if gib is None or row["purchase"] == "owned":
        return 0.0
    rate = DISK_RATES.get(row["cloud"])
    return None if rate is None else rate.usd_gib_month * gib * hours / MONTH_H


def carbon_kg(row: Row, hours: float, nodes: int, carbon_g_kwh: float | None) -> float | None:
    """Of vCPUs at half load, memory and accelerators at full power, with the data centre's share."""
    tdp_w = 0.0 if row["accelerator"] is None else TDP_W.get(row["accelerator"])
    if None in {tdp_w, carbon_g_kwh, row["vcpus"], row["memory_gib"]}:
        return None
    centre = DATA_CENTRES.get(row["cloud"], OTHER_DATA_CENTRE)
    watts: float = row["vcpus"] * (centre.idle_w + VCPU_LOAD * (centre.full_w - centre.idle_w))
    watts += row["memory_gib"] * MEMORY_W_GIB + (row["accelerator_count"] or 1.0) * (tdp_w or 0.0)
    return nodes * watts * centre.pue / 1000 * hours * (carbon_g_kwh or 0.0) / 1000


def chance(row: Row, level: float | None) -> float:
    """To get such a machine."""
    if row["purchase"] in HELD:
        return 1.0
    if level is not None:
        return min(max(level, LEAST), MOST)
    if row["purchase"] == "spot":
        return SPOT_OTHER if row["accelerator"] is None else SPOT_ACCELERATOR
    return ON_DEMAND_OTHER if row["accelerator"] is None else ON_DEMAND_ACCELERATOR
