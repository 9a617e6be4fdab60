"""Why there is no plan, in the words of the workload."""

from __future__ import annotations

from collections.abc import Sequence

from engine.candidates import Candidates, Unmet


class InfeasibleError(Exception):
    """No plan satisfies the workload; `reasons` name the requirements or limits, one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class NoPlanInTimeError(Exception):
    """The time limit was hit before any plan was found."""


def require_candidates(found: Sequence[Candidates]) -> None:
    """Every task has at least one candidate.

    Raises:
        InfeasibleError: for each requirement of each task without one, what no offer has.
    """
    reasons = [_unmet_line(candidates, unmet) for candidates in found for unmet in candidates.unmet]
    if reasons:
        raise InfeasibleError(reasons)


def _unmet_line(candidates: Candidates, unmet: Unmet) -> str:
    task = candidates.task
    which = f" (alternative {unmet.requirement + 1})" if len(task.requirements) > 1 else ""
    if not unmet.offers:
        return f"{task.name}{which}: the catalog holds no offer with {unmet.wanted or 'anything'}"
    offers = "the 1 offer that meets" if unmet.offers == 1 else f"none of the {unmet.offers:,} offers that meet"
    does_not = " does not have" if unmet.offers == 1 else " has"
    seen = f"; there is {', '.join(unmet.seen)}" if unmet.seen else ""
    return f"{task.name}{which}: {offers} everything before{does_not} {unmet.wanted}{seen}"


def limits_line(
    deadline_h: float | None, budget_usd: float | None, fastest_h: float, cheapest_usd: float
) -> tuple[str, ...]:
    """Which of the user's limits no plan keeps, given the least of each that is possible."""
    reasons = []
    if deadline_h is not None and fastest_h > deadline_h:
        reasons.append(f"deadline {deadline_h:g} h: the fastest plan takes {fastest_h:.4g} h")
    if budget_usd is not None and cheapest_usd > budget_usd:
        reasons.append(f"budget ${budget_usd:g}: the cheapest plan costs ${cheapest_usd:.2f}")
    if not reasons:
        reasons.append(
            f"deadline {deadline_h:g} h and budget ${budget_usd:g} conflict: each can be kept alone, not both"
            if deadline_h is not None and budget_usd is not None
            else "no plan keeps the limits"
        )
    return tuple(reasons)
