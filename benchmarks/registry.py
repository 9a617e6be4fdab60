"""Every measure by name: a new one is a file under cases/ and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.cases import (
    as_of,
    aws_price_list,
    cold_plan,
    offer_query,
    publish,
    publish_changes,
    refresh_unchanged,
)
from benchmarks.result import Result

CASES: Final[Mapping[str, Callable[[], Result]]] = {
    "as-of": as_of.measure,
    "aws-price-list": aws_price_list.measure,
    "cold-plan": cold_plan.measure,
    "offer-query": offer_query.measure,
    "publish": publish.measure,
    "publish-changes": publish_changes.measure,
    "refresh-unchanged": refresh_unchanged.measure,
}
