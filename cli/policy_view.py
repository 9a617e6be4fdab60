"""The policies that a plan compares for its deadline, as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cli.printer import Column, print_lines, print_table
from engine.policy_section import DeadlinePolicy, PolicyFigures

HINDSIGHT: Final = "with hindsight"
ON_DEMAND: Final = "on-demand"
"""Of the compared policies, the one without spot."""


def policy_headline(policy: DeadlinePolicy) -> str:
    """What carrying out the plan is expected to cost: under the policy, and without one."""
    chosen = policy.figures
    on_demand = next((each for each in policy.compared if each.name == ON_DEMAND), None)
    without = f"; on demand only: ${on_demand.mean_usd:,.2f}" if on_demand and on_demand is not chosen else ""
    expected = (
        f"policy {chosen.name}: ${chosen.mean_usd:,.2f} expected (+/- {chosen.sd_usd:,.2f}), on time"
        f" {chosen.on_time:.0%}{without}"
    )
    return f"Carried out by {expected}" if policy.applies else f"The best costs less than {expected}"


def print_policies(policy: DeadlinePolicy) -> None:
    """A row for each policy, and what the figures rest on."""
    columns = (
        Column(""),
        Column("POLICY"),
        Column("ZONES", right=True, rank=3),
        Column("MEAN $", right=True),
        Column("+/- $", right=True, rank=1),
        Column("5-95 % $", right=True, rank=2),
        Column("ON TIME", right=True),
        Column("HOURS", right=True),
        Column("LOST", right=True),
    )
    chosen = [each.name for each in policy.compared].index(policy.chosen)
    rows = [["*" if number == chosen else "", *_cells(each)] for number, each in enumerate(policy.compared)]
    hindsight = ["", HINDSIGHT, str(len(policy.zones)), f"{policy.hindsight_usd:,.2f}", "", "", "", "", ""]
    print_lines("")
    print_table(columns, [*rows, hindsight], emphasised=chosen)


def _cells(figures: PolicyFigures) -> list[str]:
    return [
        figures.name,
        str(figures.zones),
        f"{figures.mean_usd:,.2f}",
        f"{figures.sd_usd:,.2f}",
        f"{figures.usd_5:,.4g}-{figures.usd_95:,.4g}",
        f"{figures.on_time:.0%}",
        f"{figures.hours:.1f}",
        f"{figures.interruptions:.1f}",
    ]


def policy_notes(policy: DeadlinePolicy) -> Iterator[str]:
    """Where the figures of the policies come from."""
    job, on_demand = policy.job, policy.on_demand
    zones = ", ".join(
        f"{zone.machine.cloud}/{zone.machine.zone or zone.machine.region} {zone.machine.instance_type}"
        f" ${zone.machine.price_usd_h:,.4g}/h"
        for zone in policy.zones
    )
    yield (
        f"Policies: {policy.samples} runs were sampled of spot in {zones}, and on demand {on_demand.cloud}/"
        f"{on_demand.region} {on_demand.instance_type} ${on_demand.price_usd_h:,.4g}/h; {job.work_h:.4g} h of work by"
        f" {job.deadline_h:.4g} h, {job.overhead_h:.3g} h for each start (half a checkpoint interval in it), a decision"
        f" every {60 * job.gap_h:.3g} min. Costs are of machines alone; LOST counts interruptions."
    )
