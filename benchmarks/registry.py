"""Every measure by name: a new one is a file under cases/ and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.cases import (
    apply_plan,
    as_of,
    aws_price_list,
    cold_plan,
    deadline_growth,
    deadline_optimum,
    deadline_tables,
    deadline_uniform_progress,
    offer_query,
    plan_any_of,
    plan_chain,
    plan_dag_50,
    plan_dag_100,
    plan_growth,
    plan_one_task,
    portfolio,
    publish,
    publish_changes,
    refresh_unchanged,
    sweep,
)
from benchmarks.result import Measured

CASES: Final[Mapping[str, Callable[[], Measured]]] = {
    "apply-plan": apply_plan.measure,
    "as-of": as_of.measure,
    "aws-price-list": aws_price_list.measure,
    "cold-plan": cold_plan.measure,
    "deadline-growth": deadline_growth.measure,
    "deadline-optimum": deadline_optimum.measure,
    "deadline-tables": deadline_tables.measure,
    "deadline-uniform-progress": deadline_uniform_progress.measure,
    "offer-query": offer_query.measure,
    "plan-any-of": plan_any_of.measure,
    "plan-chain": plan_chain.measure,
    "plan-dag-100": plan_dag_100.measure,
    "plan-dag-50": plan_dag_50.measure,
    "plan-growth": plan_growth.measure,
    "plan-one-task": plan_one_task.measure,
    "portfolio": portfolio.measure,
    "publish": publish.measure,
    "publish-changes": publish_changes.measure,
    "refresh-unchanged": refresh_unchanged.measure,
    "sweep": sweep.measure,
}
