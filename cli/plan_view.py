"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from catalog_data.schema import Confidence, Purchase
from cli.groups_view import merged
from cli.policy_view import policy_headline, policy_notes, print_policies
from cli.printer import Column, print_lines, print_table
from engine.plan import Fallback, Limits, Option, Placement, Plan
from engine.status import Status

HOURS_A_DAY: Final = 24
DAYS_A_MONTH: Final = 30.44
DAYS_A_YEAR: Final = 365.25

OLD_DAYS: Final = 365
"""A price seen longer ago is marked as doubtful."""
CAPACITY_WORDS: Final = ((1 / 3, "low"), (2 / 3, "medium"))
"""Up to which level of capacity (schema.OBSERVATIONS) it goes by which name; above all of them it is high."""
SHORT_PURCHASE: Final = {Purchase.ON_DEMAND: "on-demand"}
MOST_CHANGES: Final = 2
"""So many changes of a graph's next best plan are named."""


def print_plan(plan: Plan) -> None:
    """The choice, the comparison, what was assumed and what the prices are worth."""
    print_lines(_headline(plan), *([policy_headline(plan.policy)] if plan.policy else []), "")
    if len(plan.best.placements) == 1:
        _print_options(plan)
    else:
        _print_placements(plan)
    _print_data(plan)
    if plan.policy:
        print_policies(plan.policy)
    print_lines("", *_notes(plan))


def _headline(plan: Plan) -> str:
    best = plan.best
    about = "about " if any(_doubtful(placement, plan.created_at) for placement in best.placements) else ""
    proven = "proven best" if plan.proof.status is Status.OPTIMAL else f"within {plan.proof.gap:.1%} of the best"
    return (
        f"{plan.workload.name}: {about}${money(best.cost_usd)} in {hours_text(best.hours)}"
        f" ({', '.join([_goal(plan), *_limits(plan.limits)])}; {proven} of {plan.candidates:,} candidates)"
    )


def _goal(plan: Plan) -> str:
    """What the plan makes least: `least cost`, `least cost with $20/h`."""
    charges = [
        *([f"${money(plan.charges.value_of_time_usd_h)}/h"] if plan.charges.value_of_time_usd_h else []),
        *([f"${money(plan.charges.carbon_usd_t)}/t CO2e"] if plan.charges.carbon_usd_t else []),
        *(["penalties"] if plan.charges.preferences else []),
    ]
    return f"least {plan.objective}" + (f" with {' and '.join(charges)}" if charges else "")


def _limits(limits: Limits) -> Iterator[str]:
    if limits.deadline_h is not None:
        yield f"deadline {hours_text(limits.deadline_h)}"
    if limits.budget_usd is not None:
        yield f"budget ${money(limits.budget_usd)}"
    if limits.hourly_budget_usd is not None:
        yield f"at most ${money(limits.hourly_budget_usd)}/h"
    if limits.carbon_kg is not None:
        yield f"at most {number(limits.carbon_kg)} kg CO2e"
    if limits.capacity is not None:
        yield f"chance of capacity {limits.capacity:.3g}"
    if limits.uninterrupted is not None:
        yield f"chance of no interruption {limits.uninterrupted:.3g}"


def _columns(placements: Sequence[Placement], first: Column, plan: Plan, *, starts: bool) -> list[Column]:
    """The columns of a table of placements; what is the same in all rows goes first where width is short."""
    nodes = {placement.num_nodes for placement in placements}
    purchases = {placement.purchase for placement in placements}
    return [
        first,
        Column("CLOUD/REGION"),
        Column("INSTANCE"),
        Column("NODES", right=True, rank=7 if nodes == {1} else 0),
        Column("vCPUs", right=True, rank=9),
        Column("MEM GiB", right=True, rank=10),
        Column("ACCELERATORS", rank=0 if any(placement.accelerator for placement in placements) else 11),
        Column("BUY", rank=4 if len(purchases) == 1 else 0),
        Column("GET", rank=8),
        *([Column("KEEP/MONTH", right=True, rank=6)] if Purchase.SPOT in purchases else []),
        Column("PRICE AGE", right=True, rank=5),
        Column("$/h", right=True, rank=1),
        *([Column("START h", right=True, rank=2)] if starts else []),
        Column("HOURS", right=True),
        *([Column("kg CO2e", right=True, rank=3)] if plan.limits.carbon_kg or plan.charges.carbon_usd_t else []),
        Column("TOTAL $", right=True),
    ]


def _print_options(plan: Plan) -> None:
    """The best, the next best, and the best of each cloud and purchase that these leave out."""
    ranked = [plan.best, *plan.alternatives]
    seen = {_kind(option) for option in ranked}
    options = [*ranked, *(option for option in plan.comparison if _kind(option) not in seen)]
    marks = ["*", *(str(number) for number in range(2, len(ranked) + 1)), *([""] * (len(options) - len(ranked)))]
    placements = [option.placements[0] for option in options]
    columns = _columns(placements, Column(""), plan, starts=False)
    rows = [_cells(placement, plan, columns, mark) for mark, placement in zip(marks, placements, strict=True)]
    print_table(columns, rows, emphasised=0)


def _kind(option: Option) -> tuple[str, Purchase]:
    return option.placements[0].cloud, option.placements[0].purchase


def _print_placements(plan: Plan) -> None:
    placements = merged(plan.best).placements
    columns = _columns(placements, Column("TASK"), plan, starts=True)
    print_table(columns, [_cells(placement, plan, columns, placement.task) for placement in placements])


def _cells(placement: Placement, plan: Plan, columns: Sequence[Column], first: str) -> list[str]:
    """A row: what stands under each of the columns."""
    doubt = "~" if _doubtful(placement, plan.created_at) else ""
    more = f" +{len(placement.also_in)}" if placement.also_in else ""
    cells = {
        columns[0].title: first,
        "CLOUD/REGION": f"{placement.cloud}/{placement.region}{more}",
        "INSTANCE": placement.instance_type,
        "NODES": str(placement.num_nodes),
        "vCPUs": number(placement.vcpus),
        "MEM GiB": number(placement.memory_gib),
        "ACCELERATORS": accelerators_text(placement.accelerator, placement.accelerator_count),
        "BUY": SHORT_PURCHASE.get(placement.purchase, str(placement.purchase)),
        "GET": _get(placement),
        "KEEP/MONTH": _keep(placement),
        "PRICE AGE": age_text(placement.price_observed_at, plan.created_at),
        "$/h": f"{doubt}{money(placement.price_usd_h * placement.num_nodes)}",
        "START h": f"{placement.start_h:.2f}",
        "HOURS": f"{placement.setup_h + placement.hours:.2f}",
        "kg CO2e": number(placement.carbon_kg),
        "TOTAL $": f"{doubt}{money(placement.cost_usd)}",
    }
    return [cells[column.title] for column in columns]


def _doubtful(placement: Placement, now: datetime) -> bool:
    return doubtful(placement.confidence, placement.price_observed_at, now)


def _get(placement: Placement) -> str:
    """How much there was when last looked, in a word: a level is no probability. Else whether it was seen offered."""
    if placement.capacity is None:
        return "yes" if placement.available else "?"
    return next((word for most, word in CAPACITY_WORDS if placement.capacity <= most), "high")


def _keep(placement: Placement) -> str:
    """The share of such spot machines that is not taken back within a month."""
    if placement.purchase is not Purchase.SPOT:
        return "-"
    if placement.interruption_low is None or placement.interruption_high is None:
        return "?"
    return f"{1 - placement.interruption_high:.0%}-{1 - placement.interruption_low:.0%}"


def _print_data(plan: Plan) -> None:
    """The data that moves: inputs from outside the workload, and what tasks hand on."""
    best = merged(plan.best)
    brought = [placement for placement in best.placements if placement.input_usd or placement.input_h]
    moved = [transfer for transfer in best.transfers if transfer.egress_usd or transfer.hours]
    rows = [
        *([f"inputs -> {task.task}", "", f"{task.input_h:.2f}", money(task.input_usd)] for task in brought),
        *(
            [
                f"{transfer.source_task} -> {transfer.target_task}",
                f"{transfer.data_gb:,.6g}",
                f"{transfer.hours:.2f}",
                money(transfer.egress_usd),
            ]
            for transfer in moved
        ),
    ]
    if rows:
        print_lines("")
        figures = (Column("GB", right=True), Column("HOURS", right=True), Column("EGRESS $", right=True))
        print_table((Column("DATA"), *figures), rows)


def _notes(plan: Plan) -> Sequence[str]:
    """Where the prices come from, how old they are, what was assumed and why other offers fell out."""
    options = [plan.best, *plan.alternatives, *plan.comparison]
    placements = [placement for option in options for placement in option.placements]
    oldest = min(placement.price_observed_at for placement in placements)
    notes = [
        (
            f"Catalog {plan.snapshot.id} of {plan.snapshot.published_at:%Y-%m-%d};"
            f" the oldest price above was seen {age_text(oldest, plan.created_at)} ago."
        )
    ]
    if any(placement.also_in for placement in placements):
        notes.append("+N: so many more regions of that cloud offer the same for the same.")
    if any(_doubtful(placement, plan.created_at) for placement in placements):
        notes.append("~ marks a price that is more than a year old or of low confidence.")
    notes += _chain(plan)
    notes += policy_notes(plan.policy) if plan.policy else ()
    notes += [f"Assumed: {line}." for line in plan.assumptions]
    # Of a graph every task looks at the same offers: their sum would say nothing.
    if plan.fell_out and len(plan.best.placements) == 1:
        notes.append("Other offers: " + ", ".join(f"{entry.offers:,} {entry.reason}" for entry in plan.fell_out) + ".")
    return notes


def _chain(plan: Plan) -> Iterator[str]:
    """The next best plans, where no table has them, and the fallbacks with their chances."""
    if len(plan.best.placements) > 1 and plan.alternatives:
        yield "Next best: " + "; ".join(_next_best(option, plan.best) for option in plan.alternatives) + "."
    if not plan.alternatives_complete:
        yield "Not all the next best plans that were asked for have been looked for to the end."
    if plan.fallbacks:
        yield (
            f"Fallbacks: {'; '.join(map(_fallback, plan.fallbacks))}. In brackets the chance to get each once those"
            f" before it failed; of the best it is {plan.best.chance:.0%}, of the whole chain {plan.chance:.0%}."
        )


def _next_best(option: Option, best: Option) -> str:
    changed = [
        new for new, old in zip(option.placements, best.placements, strict=True) if _machine(new) != _machine(old)
    ]
    named = [f"{placement.task} on {_machine(placement)}" for placement in changed[:MOST_CHANGES]]
    more = [f"{len(changed) - len(named)} more"] if len(changed) > len(named) else []
    return f"${money(option.cost_usd)} in {hours_text(option.hours)} with {', '.join([*named, *more])}"


def _fallback(fallback: Fallback) -> str:
    option = fallback.option
    machine = f": {_machine(option.placements[0])}" if len(option.placements) == 1 else ""
    return f"another {fallback.differs_in}{machine} for ${money(option.cost_usd)} ({fallback.chance:.0%})"


def _machine(placement: Placement) -> str:
    bought = SHORT_PURCHASE.get(placement.purchase, str(placement.purchase))
    return f"{placement.cloud}/{placement.region} {placement.instance_type} {bought}"


def doubtful(confidence: str, observed_at: datetime, now: datetime) -> bool:
    """Whether a price is of low confidence or old."""
    return confidence == Confidence.LOW or (now - observed_at).days > OLD_DAYS


def accelerators_text(name: str | None, count: float | None) -> str:
    """`8 x H100`, or `-`."""
    return f"{number(count)} x {name}" if name else "-"


def money(amount: float) -> str:
    """Dollars: cents, or as many digits as a small amount needs."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def price_text(purchase: str, price_usd_h: float | None, doubt: str = "") -> str:
    """A price and the mark of its doubt; `?` where it is not known, 0.00 where an owned machine costs nothing more."""
    if price_usd_h is None:
        return money(0.0) if purchase == Purchase.OWNED else "?"
    return f"{doubt}{money(price_usd_h)}"


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
