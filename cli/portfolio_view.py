"""The plans of several workloads, as people and programs read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from cli.plan_view import SHORT_PURCHASE, hours_text, money, number
from cli.printer import Column, print_lines, print_table
from engine.plan import Plan
from engine.portfolio import Portfolio
from engine.spread import MARK
from engine.status import Status

SCHEMA_VERSION: Final = 1
MOST_KINDS: Final = 2
"""How many kinds of machines of one workload are named."""
MOST_NAMES: Final = 3
"""How many workloads are named of those that something was assumed of."""
MOST_LINES: Final = 20
"""How many assumptions are printed."""


def portfolio_data(portfolio: Portfolio) -> dict[str, Any]:
    """The portfolio as plain JSON types: its plans are those that `plan` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "cost_usd": portfolio.cost_usd,
        "hours": portfolio.hours,
        "budget_usd": portfolio.budget_usd,
        "proof": {**asdict(portfolio.proof), "status": str(portfolio.proof.status)},
        "shared": [asdict(use) for use in portfolio.shared],
        "plans": [plan.to_data() for plan in portfolio.plans],
    }


def print_portfolio(portfolio: Portfolio) -> None:
    """What all cost together, where each workload goes, and what they take of what they share."""
    print_lines(_headline(portfolio), "")
    figures = [Column(title, right=True) for title in ("HOURS", "TOTAL $")]
    rows = [
        [plan.workload.name, _machines(plan), f"{plan.best.hours:.2f}", money(plan.best.cost_usd)]
        for plan in portfolio.plans
    ]
    print_table([Column("WORKLOAD"), Column("RUNS ON"), *figures], rows)
    if portfolio.shared:
        print_lines("")
        of_shared = [[use.name, number(use.taken), number(use.most)] for use in portfolio.shared]
        print_table([Column("SHARED"), Column("TAKEN", right=True), Column("OF", right=True)], of_shared)
    print_lines("", *_notes(portfolio))


def _headline(portfolio: Portfolio) -> str:
    proof = portfolio.proof
    proven = "proven best" if proof.status is Status.OPTIMAL else f"within {proof.gap:.2%} of the best"
    budget = "" if portfolio.budget_usd is None else f"budget ${money(portfolio.budget_usd)}; "
    return (
        f"{len(portfolio.plans)} workloads: ${money(portfolio.cost_usd)} in {hours_text(portfolio.hours)}"
        f" ({budget}{proven})"
    )


def _machines(plan: Plan) -> str:
    """The machines of a plan in one line, the most numerous kinds first."""
    kinds = Counter[str]()
    for placement in plan.best.placements:
        bought = SHORT_PURCHASE.get(placement.purchase, str(placement.purchase))
        kinds[f"{placement.instance_type} {placement.cloud}/{placement.region} {bought}"] += placement.num_nodes
    named = [f"{nodes} x {kind}" for kind, nodes in kinds.most_common(MOST_KINDS)]
    return "; ".join([*named, *([f"{len(kinds) - MOST_KINDS} more kinds"] if len(kinds) > MOST_KINDS else [])])


def _notes(portfolio: Portfolio) -> list[str]:
    """Where prices come from and what was assumed; what holds for several workloads is said once."""
    first = portfolio.plans[0]
    lines = list(_assumed(portfolio.plans))
    more = len(lines) - MOST_LINES
    return [
        f"Catalog {first.snapshot.id} of {first.snapshot.published_at:%Y-%m-%d}.",
        "All workloads are taken to run at the same time; `plan FILE` shows one of them in full.",
        *(f"Assumed{line}." for line in lines[:MOST_LINES]),
        *([f"{more} more assumptions: see --output json."] if more > 0 else []),
    ]


def _assumed(plans: Sequence[Plan]) -> Iterator[str]:
    """What was assumed, and of which workloads where it is not of all: their tasks are named in their own plans."""
    of_line: dict[str, list[str]] = {}
    for plan in plans:
        lines = dict.fromkeys(_of_any_task(line, plan) for line in plan.assumptions)
        for line in lines:
            of_line.setdefault(line, []).append(plan.workload.name)
    for line, names in of_line.items():
        named = ", ".join(dict.fromkeys(names[:MOST_NAMES])) + (" and others" if len(names) > MOST_NAMES else "")
        yield f": {line}" if len(names) == len(plans) else f" of {named}: {line}"


def _of_any_task(line: str, plan: Plan) -> str:
    """The line without the names of the tasks that it begins with."""
    names, separator, rest = line.partition(": ")
    tasks = {_task(placement.task) for placement in plan.best.placements}
    return rest if separator and all(_task(name) in tasks for name in names.split(", ")) else line


def _task(name: str) -> str:
    """The name of a task without the numbers of its groups."""
    return name.partition(MARK)[0]
