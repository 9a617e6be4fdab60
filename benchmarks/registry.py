"""Every measure by name: a new one is a file under cases/ and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.cases import cold_plan, offer_query
from benchmarks.result import Result

CASES: Final[Mapping[str, Callable[[], Result]]] = {
    "cold-plan": cold_plan.measure,
    "offer-query": offer_query.measure,
}
