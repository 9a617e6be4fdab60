"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from catalog_data.schema import Confidence, Purchase
from cli.printer import Column, print_lines, print_table
from engine.plan import Option, Placement, Plan
from engine.status import Status

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOURS_A_DAY: Final = 24
DAYS_A_MONTH: Final = 30.44
DAYS_A_YEAR: Final = 365.25

OPTION_COLUMNS: Final = (
    Column("", rank=0),
    Column("CLOUD/REGION"),
    Column("INSTANCE"),
    Column("NODES", right=True, rank=3),
    Column("vCPUs", right=True, rank=6),
    Column("MEM GiB", right=True, rank=7),
    Column("ACCELERATORS", rank=1),
    Column("BUY"),
    Column("OFFERED", rank=9),
    Column("KEEP/MONTH", right=True, rank=4),
    Column("PRICE AGE", right=True, rank=5),
    Column("$/h", right=True),
    Column("HOURS", right=True, rank=2),
    Column("TOTAL $", right=True),
)
PLACEMENT_COLUMNS: Final = (
    Column("TASK"),
    *OPTION_COLUMNS[1:12],
    Column("START h", right=True, rank=8),
    *OPTION_COLUMNS[12:],
)
SHORT_PURCHASE: Final = {Purchase.ON_DEMAND: "on-demand"}


def print_plan(plan: Plan) -> None:
    """The choice, the comparison, what was assumed and what the prices are worth."""
    print_lines(_headline(plan), "")
    if len(plan.best.placements) == 1:
        _print_options(plan)
    else:
        _print_placements(plan)
    print_lines("", *_notes(plan))


def _headline(plan: Plan) -> str:
    best = plan.best
    proven = "proven best" if plan.proof.status is Status.OPTIMAL else f"within {plan.proof.gap or 0:.1%} of the best"
    limits = [
        *([f"deadline {hours_text(plan.limits.deadline_h)}"] if plan.limits.deadline_h is not None else []),
        *([f"budget ${plan.limits.budget_usd:,.2f}"] if plan.limits.budget_usd is not None else []),
    ]
    return (
        f"{plan.workload.name}: ${money(best.cost_usd)} in {hours_text(best.hours)}"
        f" ({', '.join([f'least {plan.objective}', *limits])}; {proven} of {plan.candidates:,} candidates)"
    )


def _print_options(plan: Plan) -> None:
    """The best, the next best, and the best of each cloud and purchase that these leave out.

    Options that differ in nothing but the region stand in one row.
    """
    options = [plan.best, *plan.alternatives]
    seen = {_kind(option) for option in options}
    others = [option for option in plan.comparison if _kind(option) not in seen]
    groups = [list(group) for _, group in groupby(options, key=_all_but_region)]
    marks = ["*", *(str(number) for number in range(2, len(groups) + 1)), *([""] * len(others))]
    rows = [
        [mark, *_cells(group[0].placements[0], plan.created_at, more=len(group) - 1), money(group[0].cost_usd)]
        for mark, group in zip(marks, [*groups, *([option] for option in others)], strict=True)
    ]
    print_table(OPTION_COLUMNS, rows, emphasised=0)


def _kind(option: Option) -> tuple[str, Purchase]:
    return option.placements[0].cloud, option.placements[0].purchase


def _all_but_region(option: Option) -> Placement:
    return replace(option.placements[0], region="", zones=(), price_observed_at=LONG_AGO)


def _print_placements(plan: Plan) -> None:
    rows = []
    for placement in plan.best.placements:
        cells = _cells(placement, plan.created_at)
        rows.append([placement.task, *cells[:-1], f"{placement.start_h:.2f}", cells[-1], money(placement.cost_usd)])
    print_table(PLACEMENT_COLUMNS, rows)
    moved = [transfer for transfer in plan.best.transfers if transfer.egress_usd or transfer.hours]
    if moved:
        print_lines("")
        print_table(
            (Column("DATA"), Column("GB", right=True), Column("HOURS", right=True), Column("EGRESS $", right=True)),
            [
                [
                    f"{transfer.source_task} -> {transfer.target_task}",
                    f"{transfer.data_gb:g}",
                    f"{transfer.hours:.2f}",
                    money(transfer.egress_usd),
                ]
                for transfer in moved
            ],
        )


def _cells(placement: Placement, now: datetime, more: int = 0) -> list[str]:
    """The cells between the first column and the total, as OPTION_COLUMNS has them; `more` regions offer the same."""
    doubt = "~" if placement.confidence is Confidence.LOW else ""
    return [
        f"{placement.cloud}/{placement.region}" + (f" +{more}" if more else ""),
        placement.instance_type,
        str(placement.num_nodes),
        number(placement.vcpus),
        number(placement.memory_gib),
        f"{number(placement.accelerator_count)} x {placement.accelerator}" if placement.accelerator else "-",
        SHORT_PURCHASE.get(placement.purchase, str(placement.purchase)),
        "yes" if placement.available else "?",
        _keep(placement),
        age_text(placement.price_observed_at, now),
        f"{doubt}{money(placement.price_usd_h * placement.num_nodes)}",
        f"{placement.hours:.2f}",
    ]


def _keep(placement: Placement) -> str:
    """The chance that a machine is not taken back within a month."""
    if placement.purchase is not Purchase.SPOT:
        return "kept"
    if placement.interruption_low is None or placement.interruption_high is None:
        return "?"
    return f"{1 - placement.interruption_high:.0%}-{1 - placement.interruption_low:.0%}"


def _notes(plan: Plan) -> Sequence[str]:
    """Where the prices come from, how old they are, what was assumed and why other offers fell out."""
    placements = [placement for option in _shown(plan) for placement in option.placements]
    oldest = min(placement.price_observed_at for placement in placements)
    notes = [
        (
            f"Catalog {plan.snapshot.id} of {plan.snapshot.published_at:%Y-%m-%d};"
            f" the oldest price above was seen {age_text(oldest, plan.created_at)} ago."
        )
    ]
    if any(placement.confidence is Confidence.LOW for placement in placements):
        notes.append("~ marks a price of low confidence (old, or from a source with known faults).")
    notes += [f"Assumed: {line}." for line in plan.assumptions]
    if plan.fell_out:
        counts: dict[str, int] = {}
        for entry in plan.fell_out:
            counts[entry.reason] = counts.get(entry.reason, 0) + entry.offers
        notes.append("Other offers: " + ", ".join(f"{count:,} {reason}" for reason, count in counts.items()) + ".")
    return notes


def _shown(plan: Plan) -> list[Option]:
    return [plan.best, *plan.alternatives, *plan.comparison]


def money(amount: float) -> str:
    """Dollars: cents, or as many digits as a small amount needs."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def number(value: float | None) -> str:
    """A figure without needless digits; `?` where it is not known."""
    return "?" if value is None else f"{value:.3g}" if value < 1 else f"{value:,.5g}".replace(",", "")


def hours_text(hours: float) -> str:
    """A time that reads at a glance: `45 min`, `3.5 h`, `2.1 days`."""
    if hours < 1:
        return f"{hours * 60:.3g} min"
    return f"{hours:.3g} h" if hours < 2 * HOURS_A_DAY else f"{hours / HOURS_A_DAY:.3g} days"


def age_text(then: datetime, now: datetime) -> str:
    """How long ago: `5 h`, `12 d`, `7 mo`, `2.5 y`."""
    days = (now - then).total_seconds() / 86_400
    if days < 2:
        return f"{max(days, 0) * HOURS_A_DAY:.0f} h"
    if days < 2 * DAYS_A_MONTH:
        return f"{days:.0f} d"
    if days < 2 * DAYS_A_YEAR:
        return f"{days / DAYS_A_MONTH:.0f} mo"
    return f"{days / DAYS_A_YEAR:.1f} y"
